//! The checker: text in, diagnostics out.

mod branches;
