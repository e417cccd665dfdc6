//! `condition`: chooses one of two branches.

use crate::template::{EvaluationError, Scope, Tree, compare};
use crate::value::{Object, Value};

/// Which list of steps a condition chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Branch {
    /// The condition held.
    Then,
    /// It did not.
    Else,
}

/// A condition step.
#[derive(Debug)]
pub struct ConditionStep {
    /// What decides.
    pub test: Test,
    /// Positions of the steps in `then`.
    pub then: Vec<usize>,
    /// Positions of the steps in `else`.
    pub otherwise: Vec<usize>,
}

/// A test: one comparison, or several joined.
#[derive(Debug)]
pub enum Test {
    /// `{left, operator, right?}`.
    Compare {
        /// Left side.
        left: Tree,
        /// How they are compared.
        operator: Operator,
        /// Right side; null for operators that take none.
        right: Tree,
        /// The compiled pattern of `matches` with a constant right side.
        pattern: Option<regex::Regex>,
    },
    /// All hold.
    And(Vec<Test>),
    /// One holds.
    Or(Vec<Test>),
    /// It does not hold.
    Not(Box<Test>),
}

/// A comparison, by the names that workflows use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; the reference explains each")]
pub enum Operator {
    Eq,
    Ne,
    Gt,
    Gte,
    Lt,
    Lte,
    Contains,
    StartsWith,
    EndsWith,
    Exists,
    IsEmpty,
    Matches,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Operator; 12] = [
        Operator::Eq,
        Operator::Ne,
        Operator::Gt,
        Operator::Gte,
        Operator::Lt,
        Operator::Lte,
        Operator::Contains,
        Operator::StartsWith,
        Operator::EndsWith,
        Operator::Exists,
        Operator::IsEmpty,
        Operator::Matches,
    ];

    /// Its name in workflows.
    pub fn name(self) -> &'static str {
        match self {
            Operator::Eq => "eq",
            Operator::Ne => "ne",
            Operator::Gt => "gt",
            Operator::Gte => "gte",
            Operator::Lt => "lt",
            Operator::Lte => "lte",
            Operator::Contains => "contains",
            Operator::StartsWith => "startsWith",
            Operator::EndsWith => "endsWith",
            Operator::Exists => "exists",
            Operator::IsEmpty => "isEmpty",
            Operator::Matches => "matches",
        }
    }

    /// Whether it compares with a right side.
    pub fn takes_right(self) -> bool {
        !matches!(self, Operator::Exists | Operator::IsEmpty)
    }
}

impl Test {
    /// Evaluates the test, as far as the result needs it. Gives the result and the resolved conditions (what a run shows
    /// as the step's `input`).
    ///
    /// # Errors
    /// An expression that fails, or a pattern from a template that is no regular expression.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<(bool, Value), EvaluationError> {
        match self {
            Test::Compare { left, operator, right, pattern } => {
                let (left, right_value) = (left.evaluate(scope)?, right.evaluate(scope)?);
                let computed = match (operator, pattern) {
                    (Operator::Matches, None) => Some(self::pattern(&right_value)?),
                    _ => None,
                };
                let held = holds(&left, *operator, &right_value, pattern.as_ref().or(computed.as_ref()));
                let mut members = Object::new();
                members.insert("left".to_owned(), left);
                members.insert("operator".to_owned(), Value::from(operator.name()));
                if operator.takes_right() {
                    members.insert("right".to_owned(), right_value);
                }
                Ok((held, Value::from(members)))
            }
            Test::And(tests) => several("and", tests, scope, false),
            Test::Or(tests) => several("or", tests, scope, true),
            Test::Not(test) => {
                let (held, input) = test.evaluate(scope)?;
                Ok((!held, joined("not", vec![input])))
            }
        }
    }
}

/// Compiles a pattern of `matches`, within a limit of memory.
///
/// # Errors
/// Why it is no regular expression.
pub fn compile(pattern: &str) -> Result<regex::Regex, String> {
    const LARGEST: usize = 1024 * 1024;
    regex::RegexBuilder::new(pattern).size_limit(LARGEST).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it compiles to more than 1 MiB".to_owned(),
        other => {
            other.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        }
    })
}

/// Joined tests, evaluated until one of them decides.
fn several(
    name: &str,
    tests: &[Test],
    scope: &dyn Scope,
    decisive: bool,
) -> Result<(bool, Value), EvaluationError> {
    let mut inputs = Vec::new();
    for test in tests {
        let (held, input) = test.evaluate(scope)?;
        inputs.push(input);
        if held == decisive {
            return Ok((decisive, joined(name, inputs)));
        }
    }
    Ok((!decisive, joined(name, inputs)))
}

fn joined(name: &str, inputs: Vec<Value>) -> Value {
    let members = [("operator", Value::from(name)), ("conditions", Value::from(inputs))];
    Value::from(members.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<Object>())
}

/// The pattern that a template gave.
fn pattern(right: &Value) -> Result<regex::Regex, EvaluationError> {
    let failure = |message: String| EvaluationError {
        expression: right.to_text(),
        message,
        hint: Some(
            "`matches` takes a regular expression; look-around and back-references are not supported"
                .to_owned(),
        ),
    };
    let text =
        right.as_text().ok_or_else(|| failure(format!("the pattern is {}, not text", right.kind())))?;
    compile(text).map_err(failure)
}

/// Whether a comparison holds; `matches` looks for the pattern and not for `right`.
pub(crate) fn holds(left: &Value, operator: Operator, right: &Value, pattern: Option<&regex::Regex>) -> bool {
    let ordered = |wanted: fn(std::cmp::Ordering) -> bool| compare::order(left, right).is_some_and(wanted);
    let texts = |holds: fn(&str, &str) -> bool| match (left, right) {
        (Value::Text(left), Value::Text(right)) => holds(left, right),
        _ => false,
    };
    match operator {
        Operator::Eq => compare::equal(left, right),
        Operator::Ne => !compare::equal(left, right),
        Operator::Gt => ordered(std::cmp::Ordering::is_gt),
        Operator::Gte => ordered(std::cmp::Ordering::is_ge),
        Operator::Lt => ordered(std::cmp::Ordering::is_lt),
        Operator::Lte => ordered(std::cmp::Ordering::is_le),
        Operator::Contains => match left {
            Value::Array(items) => items.iter().any(|item| compare::equal(item, right)),
            Value::Text(_)
            | Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Object(_) => texts(|left, right| left.contains(right)),
        },
        Operator::StartsWith => texts(|left, right| left.starts_with(right)),
        Operator::EndsWith => texts(|left, right| left.ends_with(right)),
        Operator::Exists => *left != Value::Null,
        Operator::IsEmpty => match left {
            Value::Null => true,
            Value::Text(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) => false,
        },
        Operator::Matches => {
            left.as_text().zip(pattern).is_some_and(|(text, pattern)| pattern.is_match(text))
        }
    }
}
