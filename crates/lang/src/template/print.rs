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

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExpressionKind::Literal(value) => literal(value, f),
            ExpressionKind::Root(root) => f.write_str(root.name()),
            ExpressionKind::Member(base, key) => {
                within(base, binds_as_base(base), f)?;
                match is_name(key) || is_number(key) {
                    true => write!(f, ".{key}"),
                    false => {
                        f.write_str("[")?;
                        text(key, f)?;
                        f.write_str("]")
                    }
                }
            }
            ExpressionKind::Index(base, index) => {
                within(base, binds_as_base(base), f)?;
                write!(f, "[{index}]")
            }
            ExpressionKind::Call(function, arguments) => {
                write!(f, "{}(", function.name())?;
                for (index, argument) in arguments.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    write!(f, "{argument}")?;
                }
                f.write_str(")")
            }
            ExpressionKind::Unary(operator, operand) => {
                f.write_str(match operator {
                    UnaryOperator::Not => "!",
                    UnaryOperator::Negate => "-",
                })?;
                within(operand, !matches!(operand.kind, ExpressionKind::Binary(..)), f)
            }
            ExpressionKind::Binary(operator, left, right) => {
                within(left, level(left).is_none_or(|level| level >= operator.level()), f)?;
                write!(f, " {} ", operator.sign())?;
                within(right, level(right).is_none_or(|level| level > operator.level()), f)
            }
            ExpressionKind::Invalid => Ok(()),
        }
    }
}

fn within(expression: &Expression, bare: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match bare {
        true => write!(f, "{expression}"),
        false => write!(f, "({expression})"),
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
