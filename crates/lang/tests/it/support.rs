//! A run for templates to read from, and checks of what they give.

use loopfour_lang::Value;
use loopfour_lang::json;
use loopfour_lang::template::{EvaluationError, Scope, StepField, Template};

/// A run with an input; the rest is the same for every test.
pub struct World {
    pub input: Value,
}

impl World {
    pub fn new(input: &str) -> World {
        World { input: value(input) }
    }
}

impl Scope for World {
    fn input(&self) -> Value {
        self.input.clone()
    }

    fn variables(&self) -> Value {
        value(r#"{"rate":0.19,"plan":"pro"}"#)
    }

    fn step(&self, id: &str, field: StepField) -> Value {
        match (id, field) {
            ("find-customer", StepField::Output) => value(r#"{"data":[{"id":"cus_1"}],"status":"odd"}"#),
            ("find-customer", StepField::Status) => Value::from("completed"),
            ("broken", StepField::Error) => value(r#"{"code":"card_declined"}"#),
            ("broken", StepField::Status) => Value::from("failed"),
            _ => Value::Null,
        }
    }

    fn now(&self) -> Value {
        Value::from("2026-01-31T12:00:00.000Z")
    }

    fn run(&self) -> Value {
        value(r#"{"id":"run_1","workflowId":"wf_1","startedAt":"2026-01-31T11:59:59.000Z"}"#)
    }

    fn environment(&self, name: &str) -> Value {
        if name == "REGION" { Value::from("eu") } else { Value::Null }
    }

    fn local(&self, name: &str) -> Option<Value> {
        (name == "item" || name == "line-item").then(|| value(r#"{"n":3}"#))
    }
}

#[track_caller]
pub fn value(text: &str) -> Value {
    json::parse_exact(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
pub fn parsed(template: &str) -> Template {
    let (parsed, problems) = Template::parse(template);
    assert_eq!(problems, [], "{template}");
    parsed
}

#[track_caller]
pub fn evaluate(template: &str, input: &str) -> Result<Value, EvaluationError> {
    parsed(template).evaluate(&World::new(input))
}

/// A template gives a value; `expected` is compact JSON, so types and digits count.
#[track_caller]
pub fn check(template: &str, input: &str, expected: &str) {
    let found = evaluate(template, input).unwrap_or_else(|error| panic!("{template}: {error}"));
    assert_eq!(found.to_string(), expected, "{template} with {input}");
}

/// An expression alone gives a value.
#[track_caller]
pub fn gives(expression: &str, input: &str, expected: &str) {
    check(&format!("{{{{ {expression} }}}}"), input, expected);
}

/// An expression fails, and the error has all of these in it.
#[track_caller]
pub fn fails(expression: &str, input: &str, parts: &[&str]) {
    let error = match evaluate(&format!("{{{{ {expression} }}}}"), input) {
        Ok(found) => panic!("{expression} gave {found}"),
        Err(error) => format!("{error} ({})", error.hint.as_deref().unwrap_or_default()),
    };
    for part in parts {
        assert!(error.contains(part), "{expression}: `{part}` is not in `{error}`");
    }
    assert!(error.chars().next().is_some_and(|first| !first.is_uppercase()), "{error}");
}

/// A template is refused when it is parsed; the first problem has this message and lies on this text.
#[track_caller]
pub fn refused(template: &str, message: &str, place: &str) {
    let (_, problems) = Template::parse(template);
    let first = problems.first().unwrap_or_else(|| panic!("{template} was taken"));
    assert_eq!((first.message.as_str(), &template[first.span.start..first.span.end]), (message, place));
}
