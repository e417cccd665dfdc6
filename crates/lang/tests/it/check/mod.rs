//! The checker: text in, diagnostics out.

mod branches;
mod example;
mod mistakes;
mod pages;
mod reference;
mod right;
