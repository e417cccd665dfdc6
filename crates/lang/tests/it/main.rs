//! Tests of the language.

mod check;
mod conditions;
mod documents;
mod expressions;
mod functions;
mod json;
mod printing;
mod schema;
mod support;
mod templates;
mod values;
