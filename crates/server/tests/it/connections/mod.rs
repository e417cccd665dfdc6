//! Connections over HTTP: [`api`] with a key, [`public`] without one. The desk stands in for whoever uses them.

mod api;
pub mod desk;
pub mod public;
