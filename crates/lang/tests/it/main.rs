//! Tests of the language.

mod check;
mod concurrency;
mod conditions;
mod documents;
mod expressions;
mod functions;
mod json;
mod printing;
mod schema;
mod support;
mod templates;
mod triggers;
mod values;
