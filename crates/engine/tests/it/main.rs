//! Workflow and scripted outcomes in, event log out.

mod crash;
mod fold;
mod keys;
mod outcomes;
mod scenario;
