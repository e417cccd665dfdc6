//! The routes, one file per resource.

pub mod health;
pub mod keys;
pub mod logs;
pub mod me;
pub mod reference;
pub mod repair;
pub mod restart;
pub mod runs;
pub mod start;
pub mod status;
pub mod versions;
pub mod workflows;
