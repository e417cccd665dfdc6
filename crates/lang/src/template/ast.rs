//! The tree of an expression, with byte spans.

use crate::source::Span;
use crate::value::Value;

/// An expression. The span counts bytes in the string that holds the template.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// What it is.
    pub kind: ExpressionKind,
    /// Where it stands.
    pub span: Span,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpressionKind {
    /// A constant.
    Literal(Value),
    /// The name that a path starts with.
    Root(Root),
    /// `.name`, `.0` or `["constant"]`.
    Member(Box<Expression>, String),
    /// `[expression]`, an integer constant included.
    Index(Box<Expression>, Box<Expression>),
    /// `f(a, b)`; `a | f(b)` is the same tree.
    Call(Function, Vec<Expression>),
    /// `!x`, `-x`.
    Unary(UnaryOperator, Box<Expression>),
    /// `a + b`.
    Binary(BinaryOperator, Box<Expression>, Box<Expression>),
    /// Could not be read; a problem was reported. Evaluates to null.
    Invalid,
}

/// The name that a path starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `input`.
    Input,
    /// `steps`.
    Steps,
    /// `variables`.
    Variables,
    /// `env`.
    Environment,
    /// `now`.
    Now,
    /// `run`.
    Run,
    /// A loop's item or index, or a name that nothing has; the checker knows which.
    Local(String),
}

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it; the reference explains each")]
pub enum Function {
    Length,
    Json,
    Number,
    Default,
    Upper,
    Lower,
    Trim,
    Split,
    Join,
    First,
    Last,
    Map,
    Sum,
    Round,
    Floor,
    Ceil,
    Date,
    AddDays,
    Format,
}

/// An operator with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; the reference explains each")]
pub enum UnaryOperator {
    Not,
    Negate,
}

/// An operator with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it; the reference explains each")]
pub enum BinaryOperator {
    Or,
    Coalesce,
    And,
    Equal,
    NotEqual,
    Identical,
    NotIdentical,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}
