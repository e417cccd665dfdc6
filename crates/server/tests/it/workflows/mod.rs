mod activate;
mod create;
mod list;
mod run;
mod status;
mod update;
mod validate;
mod versions;
