mod events;
mod list;
mod show;
