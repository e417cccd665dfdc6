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

impl Expression {
    /// The part that stands leftmost in it, on which the rest is built. Chains such as `a + b + c` grow only to this side.
    pub(super) fn leftmost(&self) -> Option<&Expression> {
        match &self.kind {
            ExpressionKind::Literal(_) | ExpressionKind::Root(_) | ExpressionKind::Invalid => None,
            ExpressionKind::Member(left, _)
            | ExpressionKind::Index(left, _)
            | ExpressionKind::Unary(_, left)
            | ExpressionKind::Binary(_, left, _) => Some(left),
            ExpressionKind::Call(_, arguments) => arguments.first(),
        }
    }
}

impl Root {
    /// The root of that name; a name that is none of the language's is [`Root::Local`].
    pub fn named(name: &str) -> Root {
        match name {
            "input" => Root::Input,
            "steps" => Root::Steps,
            "variables" => Root::Variables,
            "env" => Root::Environment,
            "now" => Root::Now,
            "run" => Root::Run,
            other => Root::Local(other.to_owned()),
        }
    }

    /// Its name in expressions.
    pub fn name(&self) -> &str {
        match self {
            Root::Input => "input",
            Root::Steps => "steps",
            Root::Variables => "variables",
            Root::Environment => "env",
            Root::Now => "now",
            Root::Run => "run",
            Root::Local(name) => name,
        }
    }
}

impl Function {
    /// Every function.
    pub const ALL: [Function; 19] = [
        Function::Length,
        Function::Json,
        Function::Number,
        Function::Default,
        Function::Upper,
        Function::Lower,
        Function::Trim,
        Function::Split,
        Function::Join,
        Function::First,
        Function::Last,
        Function::Map,
        Function::Sum,
        Function::Round,
        Function::Floor,
        Function::Ceil,
        Function::Date,
        Function::AddDays,
        Function::Format,
    ];

    /// The function of that name.
    pub fn named(name: &str) -> Option<Function> {
        Function::ALL.into_iter().find(|function| function.name() == name)
    }

    /// Its name in expressions.
    pub fn name(self) -> &'static str {
        match self {
            Function::Length => "length",
            Function::Json => "json",
            Function::Number => "number",
            Function::Default => "default",
            Function::Upper => "upper",
            Function::Lower => "lower",
            Function::Trim => "trim",
            Function::Split => "split",
            Function::Join => "join",
            Function::First => "first",
            Function::Last => "last",
            Function::Map => "map",
            Function::Sum => "sum",
            Function::Round => "round",
            Function::Floor => "floor",
            Function::Ceil => "ceil",
            Function::Date => "date",
            Function::AddDays => "addDays",
            Function::Format => "format",
        }
    }

    /// The least and the greatest number of arguments.
    pub fn arity(self) -> (usize, usize) {
        match self {
            Function::Length
            | Function::Json
            | Function::Number
            | Function::Upper
            | Function::Lower
            | Function::Trim
            | Function::First
            | Function::Last
            | Function::Floor
            | Function::Ceil => (1, 1),
            Function::Join | Function::Sum | Function::Round => (1, 2),
            Function::Date => (1, 3),
            Function::Default | Function::Split | Function::Map | Function::AddDays | Function::Format => {
                (2, 2)
            }
        }
    }
}

impl BinaryOperator {
    /// Its sign in expressions.
    pub fn sign(self) -> &'static str {
        match self {
            BinaryOperator::Or => "||",
            BinaryOperator::Coalesce => "??",
            BinaryOperator::And => "&&",
            BinaryOperator::Equal => "==",
            BinaryOperator::NotEqual => "!=",
            BinaryOperator::Identical => "===",
            BinaryOperator::NotIdentical => "!==",
            BinaryOperator::Less => "<",
            BinaryOperator::LessOrEqual => "<=",
            BinaryOperator::Greater => ">",
            BinaryOperator::GreaterOrEqual => ">=",
            BinaryOperator::Add => "+",
            BinaryOperator::Subtract => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Remainder => "%",
        }
    }

    /// How tightly it binds; loosest is 0.
    pub fn level(self) -> usize {
        match self {
            BinaryOperator::Or => 0,
            BinaryOperator::Coalesce => 1,
            BinaryOperator::And => 2,
            BinaryOperator::Equal
            | BinaryOperator::NotEqual
            | BinaryOperator::Identical
            | BinaryOperator::NotIdentical => 3,
            BinaryOperator::Less
            | BinaryOperator::LessOrEqual
            | BinaryOperator::Greater
            | BinaryOperator::GreaterOrEqual => 4,
            BinaryOperator::Add | BinaryOperator::Subtract => 5,
            BinaryOperator::Multiply | BinaryOperator::Divide | BinaryOperator::Remainder => 6,
        }
    }
}
