mod events;
mod list;
mod logs;
mod show;
