//! Tests of the language.

mod check;
