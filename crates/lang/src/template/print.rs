//! Writing templates and expressions: what is printed parses to the same tree.

use std::fmt;

use super::ast::{BinaryOperator, Expression, ExpressionKind, UnaryOperator};
use super::{Part, Template};
use crate::value::Value;

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Expression(expression) => write!(f, "{{{{ {expression} }}}}")?,
            }
        }
        Ok(())
    }
}

/// Written in a loop from the leftmost part outwards: a long chain of operators must not exhaust the stack.
impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut around = Vec::new();
        let mut here = self;
        while let Some(left) = here.leftmost() {
            before_left(here, left, f)?;
            around.push((here, left));
            here = left;
        }
        match &here.kind {
            ExpressionKind::Literal(value) => literal(value, f)?,
            ExpressionKind::Root(root) => f.write_str(root.name())?,
            ExpressionKind::Call(function, _) => write!(f, "{}()", function.name())?,
            ExpressionKind::Member(..)
            | ExpressionKind::Index(..)
            | ExpressionKind::Unary(..)
            | ExpressionKind::Binary(..)
            | ExpressionKind::Invalid => {}
        }
        around.iter().rev().try_for_each(|(outer, left)| after_left(outer, left, f))
    }
}

fn before_left(expression: &Expression, left: &Expression, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &expression.kind {
        ExpressionKind::Call(function, _) => write!(f, "{}", function.name())?,
        ExpressionKind::Unary(UnaryOperator::Not, _) => f.write_str("!")?,
        ExpressionKind::Unary(UnaryOperator::Negate, _) => f.write_str("-")?,
        ExpressionKind::Member(..)
        | ExpressionKind::Index(..)
        | ExpressionKind::Binary(..)
        | ExpressionKind::Literal(_)
        | ExpressionKind::Root(_)
        | ExpressionKind::Invalid => {}
    }
    f.write_str(if is_bare(expression, left) { "" } else { "(" })
}

fn after_left(expression: &Expression, left: &Expression, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let close = if is_bare(expression, left) { "" } else { ")" };
    match &expression.kind {
        ExpressionKind::Member(_, key) if is_name(key) || is_number(key) => write!(f, "{close}.{key}"),
        ExpressionKind::Member(_, key) => {
            write!(f, "{close}[")?;
            text(key, f)?;
            f.write_str("]")
        }
        ExpressionKind::Index(_, index) => write!(f, "{close}[{index}]"),
        ExpressionKind::Call(_, arguments) => {
            arguments.iter().skip(1).try_for_each(|argument| write!(f, ", {argument}"))?;
            f.write_str(close)
        }
        ExpressionKind::Binary(operator, _, right) => {
            write!(f, "{close} {} ", operator.sign())?;
            match level(right).is_none_or(|level| level > operator.level()) {
                true => write!(f, "{right}"),
                false => write!(f, "({right})"),
            }
        }
        ExpressionKind::Unary(..)
        | ExpressionKind::Literal(_)
        | ExpressionKind::Root(_)
        | ExpressionKind::Invalid => f.write_str(close),
    }
}

/// Whether the leftmost part of an expression needs no parentheses.
fn is_bare(expression: &Expression, left: &Expression) -> bool {
    match &expression.kind {
        ExpressionKind::Member(..) | ExpressionKind::Index(..) => binds_as_base(left),
        // `-5` is a number, `-(5)` an operation.
        ExpressionKind::Unary(operator, _) => match &left.kind {
            ExpressionKind::Binary(..) => false,
            ExpressionKind::Literal(value) => *operator == UnaryOperator::Not || !is_positive(value),
            ExpressionKind::Root(_)
            | ExpressionKind::Member(..)
            | ExpressionKind::Index(..)
            | ExpressionKind::Call(..)
            | ExpressionKind::Unary(..)
            | ExpressionKind::Invalid => true,
        },
        ExpressionKind::Binary(operator, _, _) => level(left).is_none_or(|level| level >= operator.level()),
        ExpressionKind::Call(..) => false,
        ExpressionKind::Literal(_) | ExpressionKind::Root(_) | ExpressionKind::Invalid => true,
    }
}

fn is_positive(value: &Value) -> bool {
    match value {
        Value::Integer(number) => *number >= 0,
        Value::Decimal(number) => number.is_sign_positive(),
        Value::Null | Value::Boolean(_) | Value::Text(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn level(expression: &Expression) -> Option<usize> {
    match &expression.kind {
        ExpressionKind::Binary(operator, _, _) => Some(BinaryOperator::level(*operator)),
        _ => None,
    }
}

fn binds_as_base(expression: &Expression) -> bool {
    match &expression.kind {
        ExpressionKind::Literal(value) => value.as_text().is_some(),
        ExpressionKind::Root(_)
        | ExpressionKind::Member(..)
        | ExpressionKind::Index(..)
        | ExpressionKind::Call(..) => true,
        ExpressionKind::Unary(..) | ExpressionKind::Binary(..) | ExpressionKind::Invalid => false,
    }
}

fn literal(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Text(content) => text(content, f),
        other => write!(f, "{other}"),
    }
}

fn text(content: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for found in content.chars() {
        match found {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

fn is_name(key: &str) -> bool {
    let mut characters = key.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|found| found.is_alphanumeric() || found == '_' || found == '-')
        && !key.ends_with('-')
}

fn is_number(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|digit| digit.is_ascii_digit())
}
