//! Evaluating expressions. What is evaluated is a value, and is never evaluated again.

use super::ast::{BinaryOperator, Expression, ExpressionKind, Root, UnaryOperator};
use super::{EvaluationError, Part, Scope, StepField, Template, Tree, arithmetic, compare, functions};
use crate::nearest::shorten;
use crate::value::{Object, Value};

/// Bytes of a text that an expression makes.
const LARGEST: usize = 8 * 1024 * 1024;
/// Bytes of all values that the templates of one tree make.
const LARGEST_TREE: usize = 32 * 1024 * 1024;

/// Why an operation gives nothing, before it is known in which expression.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), hint: None }
    }

    pub(super) fn hint(self, hint: &str) -> Failure {
        Failure { hint: Some(hint.to_owned()), ..self }
    }
}

/// Evaluates a template: a whole expression keeps its type, anything else is text.
pub(super) fn template(template: &Template, scope: &dyn Scope) -> Result<Value, EvaluationError> {
    if let Some(expression) = template.whole() {
        return whole(expression, scope);
    }
    let mut out = String::new();
    for part in &template.parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Expression(expression) => {
                out.push_str(&whole(expression, scope)?.to_text());
                limited(out.len()).map_err(|failure| located(expression, failure))?;
            }
        }
    }
    Ok(Value::from(out))
}

/// Evaluates every template in a tree.
pub(super) fn tree(tree: &Tree, scope: &dyn Scope) -> Result<Value, EvaluationError> {
    branch(tree, scope, &mut 0)
}

fn branch(tree: &Tree, scope: &dyn Scope, made: &mut usize) -> Result<Value, EvaluationError> {
    match tree {
        Tree::Literal(value) => Ok(value.clone()),
        Tree::Template(inner) => {
            let value = template(inner, scope)?;
            *made += size(&value);
            match *made > LARGEST_TREE {
                true => Err(EvaluationError {
                    expression: shorten(&inner.source),
                    message: "the values that the templates make are larger than 32 MiB together".to_owned(),
                    hint: Some("read single members of large values".to_owned()),
                }),
                false => Ok(value),
            }
        }
        Tree::Array(items) => {
            let items: Result<Vec<Value>, _> = items.iter().map(|item| branch(item, scope, made)).collect();
            Ok(items?.into())
        }
        Tree::Object(members) => {
            let members = members.iter().map(|(key, value)| Ok((key.clone(), branch(value, scope, made)?)));
            Ok(members.collect::<Result<Object, _>>()?.into())
        }
    }
}

/// Roughly the bytes of a value.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) => 8,
        Value::Text(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(key, value)| key.len() + size(value)).sum(),
    }
}

fn whole(expression: &Expression, scope: &dyn Scope) -> Result<Value, EvaluationError> {
    evaluate(expression, scope).map_err(|failure| located(expression, failure))
}

fn located(expression: &Expression, failure: Failure) -> EvaluationError {
    EvaluationError { expression: expression.to_string(), message: failure.message, hint: failure.hint }
}

/// Evaluates from the leftmost part outwards, in a loop: a long chain of operators must not exhaust the stack.
fn evaluate(expression: &Expression, scope: &dyn Scope) -> Result<Value, Failure> {
    let mut around = Vec::new();
    let mut here = expression;
    let mut value = loop {
        if let Some(value) = leaf(here, scope) {
            break value;
        }
        let Some(left) = here.leftmost() else { break Value::Null };
        around.push(here);
        here = left;
    };
    while let Some(outer) = around.pop() {
        value = apply(outer, value, scope)?;
    }
    Ok(value)
}

/// The value of what is built on nothing else.
fn leaf(expression: &Expression, scope: &dyn Scope) -> Option<Value> {
    match &expression.kind {
        ExpressionKind::Literal(value) => Some(value.clone()),
        ExpressionKind::Root(root) => Some(self::root(root, scope)),
        ExpressionKind::Member(base, key) => special(base, key, scope),
        ExpressionKind::Index(..)
        | ExpressionKind::Call(..)
        | ExpressionKind::Unary(..)
        | ExpressionKind::Binary(..)
        | ExpressionKind::Invalid => None,
    }
}

/// The value of an expression whose leftmost part has the value `left`.
fn apply(expression: &Expression, left: Value, scope: &dyn Scope) -> Result<Value, Failure> {
    match &expression.kind {
        ExpressionKind::Member(base, key) => {
            Ok(payload(base, Some(key), scope).unwrap_or_else(|| member(&left, key)))
        }
        ExpressionKind::Index(base, index) => {
            let index = evaluate(index, scope)?;
            Ok(payload(base, index.as_text(), scope).unwrap_or_else(|| item(&left, &index)))
        }
        ExpressionKind::Call(function, arguments) => {
            let rest = arguments.iter().skip(1).map(|argument| evaluate(argument, scope));
            let arguments: Result<Vec<Value>, Failure> = std::iter::once(Ok(left)).chain(rest).collect();
            functions::call(*function, &arguments?)
        }
        ExpressionKind::Unary(operator, _) => unary(*operator, &left),
        ExpressionKind::Binary(operator, _, right) => binary(*operator, left, right, scope),
        ExpressionKind::Literal(_) | ExpressionKind::Root(_) | ExpressionKind::Invalid => Ok(left),
    }
}

fn root(root: &Root, scope: &dyn Scope) -> Value {
    match root {
        Root::Input => scope.input(),
        Root::Variables => scope.variables(),
        Root::Now => scope.now(),
        Root::Run => scope.run(),
        Root::Local(name) => scope.local(name).unwrap_or_default(),
        // Both need a name behind them, and the checker asks for it.
        Root::Steps | Root::Environment => Value::Null,
    }
}

/// `steps.<id>.<field>` and `env.<name>`, which are no members of a value.
fn special(base: &Expression, key: &str, scope: &dyn Scope) -> Option<Value> {
    match &base.kind {
        ExpressionKind::Root(Root::Environment) => Some(scope.environment(key)),
        ExpressionKind::Member(steps, id) if steps.kind == ExpressionKind::Root(Root::Steps) => {
            Some(StepField::named(key).map_or(Value::Null, |field| scope.step(id, field)))
        }
        _ => None,
    }
}

/// `input.payload`, where that is no member of the input but another name for it.
fn payload(base: &Expression, key: Option<&str>, scope: &dyn Scope) -> Option<Value> {
    let named = key == Some("payload") && base.kind == ExpressionKind::Root(Root::Input);
    named.then(|| scope.payload()).flatten()
}

/// The member of that name; null where there is none.
pub(crate) fn member(base: &Value, key: &str) -> Value {
    let found = match base {
        Value::Object(members) => members.get(key).cloned(),
        Value::Array(items) if key == "length" => count(items.len()),
        Value::Array(items) => position(key).and_then(|index| items.get(index).cloned()),
        Value::Text(text) if key == "length" => count(text.chars().count()),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) | Value::Text(_) => None,
    };
    found.unwrap_or_default()
}

/// The position that a key means in an array: plain digits, as in `.0`.
fn position(key: &str) -> Option<usize> {
    key.parse().ok().filter(|_| key.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The item at that place; null where there is none.
fn item(base: &Value, index: &Value) -> Value {
    match index {
        Value::Text(key) => member(base, key),
        Value::Integer(index) => match base {
            Value::Object(members) => members.get(&index.to_string()).cloned().unwrap_or_default(),
            other => {
                usize::try_from(*index).ok().and_then(|index| other.at(index).cloned()).unwrap_or_default()
            }
        },
        Value::Null | Value::Boolean(_) | Value::Decimal(_) | Value::Array(_) | Value::Object(_) => {
            Value::Null
        }
    }
}

/// A count as a value.
pub(super) fn count(count: usize) -> Option<Value> {
    i64::try_from(count).ok().map(Value::Integer)
}

fn unary(operator: UnaryOperator, operand: &Value) -> Result<Value, Failure> {
    match operator {
        UnaryOperator::Not => Ok(Value::Boolean(!operand.is_true())),
        UnaryOperator::Negate => match arithmetic::negate(operand) {
            Some(Ok(value)) => Ok(value),
            Some(Err(message)) => Err(Failure::new(format!("{message}: -({})", shown(operand)))),
            None => Err(Failure::new(format!("`-` takes a number, not {}", shown(operand)))),
        },
    }
}

fn binary(
    operator: BinaryOperator,
    left: Value,
    right: &Expression,
    scope: &dyn Scope,
) -> Result<Value, Failure> {
    // The left side decides these, and the right is evaluated only where it counts.
    match operator {
        BinaryOperator::Or if left.is_true() => return Ok(left),
        BinaryOperator::Coalesce if left != Value::Null => return Ok(left),
        BinaryOperator::And if !left.is_true() => return Ok(left),
        _ => {}
    }
    let right = evaluate(right, scope)?;
    let ordered = |wanted: fn(std::cmp::Ordering) -> bool| compare::order(&left, &right).is_some_and(wanted);
    let boolean = |value| Ok(Value::Boolean(value));
    match operator {
        BinaryOperator::Or | BinaryOperator::Coalesce | BinaryOperator::And => Ok(right),
        BinaryOperator::Equal => boolean(compare::equal(&left, &right)),
        BinaryOperator::NotEqual => boolean(!compare::equal(&left, &right)),
        BinaryOperator::Identical => boolean(left == right),
        BinaryOperator::NotIdentical => boolean(left != right),
        BinaryOperator::Less => boolean(ordered(std::cmp::Ordering::is_lt)),
        BinaryOperator::LessOrEqual => boolean(ordered(std::cmp::Ordering::is_le)),
        BinaryOperator::Greater => boolean(ordered(std::cmp::Ordering::is_gt)),
        BinaryOperator::GreaterOrEqual => boolean(ordered(std::cmp::Ordering::is_ge)),
        BinaryOperator::Add => add(&left, &right),
        BinaryOperator::Subtract => numbers(operator, &left, &right, arithmetic::subtract(&left, &right)),
        BinaryOperator::Multiply => numbers(operator, &left, &right, arithmetic::multiply(&left, &right)),
        BinaryOperator::Divide => numbers(operator, &left, &right, arithmetic::divide(&left, &right)),
        BinaryOperator::Remainder => numbers(operator, &left, &right, arithmetic::remainder(&left, &right)),
    }
}

fn add(left: &Value, right: &Value) -> Result<Value, Failure> {
    let joins = |number: &Value, text: &str| compare::decimal(number).is_none() || !compare::is_numeric(text);
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => joined(a, b),
        (Value::Text(text), other) if joins(other, text) => joined(text, &other.to_text()),
        (other, Value::Text(text)) if joins(other, text) => joined(&other.to_text(), text),
        (Value::Text(_), _) | (_, Value::Text(_)) => {
            let message =
                format!("`+` cannot tell whether to add or to join {} and {}", shown(left), shown(right));
            Err(Failure::new(message).hint("write `number(x)` to add, or `{{a}}{{b}}` to join"))
        }
        _ => numbers(BinaryOperator::Add, left, right, arithmetic::add(left, right)),
    }
}

fn joined(left: &str, right: &str) -> Result<Value, Failure> {
    limited(left.len() + right.len())?;
    Ok(Value::from(format!("{left}{right}")))
}

fn numbers(
    operator: BinaryOperator,
    left: &Value,
    right: &Value,
    result: Option<Result<Value, &'static str>>,
) -> Result<Value, Failure> {
    let sign = operator.sign();
    match result {
        Some(Ok(value)) => Ok(value),
        Some(Err(message)) => {
            Err(Failure::new(format!("{message}: {} {sign} {}", shown(left), shown(right))))
        }
        None => {
            let failure =
                Failure::new(format!("`{sign}` takes numbers, not {} and {}", shown(left), shown(right)));
            Err(failure.hint("convert text with `number(x)`, give a missing value a fallback with `?? 0`"))
        }
    }
}

/// Refuses a text of so many bytes if that is too large.
pub(super) fn limited(length: usize) -> Result<(), Failure> {
    match length > LARGEST {
        true => Err(Failure::new("the text that it makes is larger than 8 MiB")),
        false => Ok(()),
    }
}

/// A value in a message.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        other => shorten(&other.to_string()),
    }
}
