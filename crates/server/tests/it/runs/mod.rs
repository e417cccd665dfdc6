mod events;
mod list;
mod logs;
mod repair;
mod show;
