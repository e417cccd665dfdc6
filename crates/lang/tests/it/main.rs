//! Tests of the language.

mod check;
mod conditions;
mod expressions;
mod functions;
mod json;
mod printing;
mod schema;
mod support;
mod templates;
mod values;
