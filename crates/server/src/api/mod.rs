//! The routes, one file per resource.

pub mod audit;
pub mod authorize;
pub mod companies;
pub mod connect;
pub mod connections;
pub mod health;
pub mod keys;
pub mod login;
pub mod logs;
pub mod me;
pub mod members;
pub mod nango;
pub mod notices;
pub mod oidc;
pub mod reference;
pub mod repair;
pub mod restart;
pub mod runs;
pub mod session;
pub mod start;
pub mod status;
pub mod versions;
pub mod workflows;
