mod activate;
mod create;
mod list;
mod run;
mod update;
mod validate;
