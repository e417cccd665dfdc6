//! From a string to its text and expressions: a hand-written recursive descent that never fails.

use rust_decimal::Decimal;

use super::ast::{BinaryOperator, Expression, ExpressionKind, Function, Root, UnaryOperator};
use super::{Part, Problem, Template};
use crate::nearest::{nearest, visible};
use crate::source::Span;
use crate::value::Value;

/// Characters of one expression.
const LONGEST: usize = 10_000;
/// Levels of parentheses, arguments, indexes and unary operators, the whole expression being 1.
const DEEPEST: usize = 64;
/// After so many problems in one string the rest of it is text: more help nobody, and each may cost a look at all of it.
const MOST_PROBLEMS: usize = 20;

/// Parses a whole string.
pub(super) fn parse(text: &str) -> (Template, Vec<Problem>) {
    let mut parts = Vec::new();
    let mut problems = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|found| at + found)
        && problems.len() < MOST_PROBLEMS
    {
        if open > at {
            parts.push(Part::Text(text[at..open].to_owned()));
        }
        let inside = open + 2;
        let Some(close) = end(text, inside) else {
            let span = Span { start: open, end: text.len() };
            problems.push(Problem {
                span,
                message: "this `{{` is never closed".to_owned(),
                hint: Some(
                    "close it with `}}`, or write `{{ \"{{\" }}` for the braces themselves".to_owned(),
                ),
            });
            parts.push(Part::Expression(Expression { kind: ExpressionKind::Invalid, span }));
            return (Template { source: text.to_owned(), parts }, problems);
        };
        let expression = expression(text, Span { start: inside, end: close }, &mut problems);
        parts.push(Part::Expression(expression));
        at = close + 2;
    }
    if at < text.len() {
        parts.push(Part::Text(text[at..].to_owned()));
    }
    (Template { source: text.to_owned(), parts }, problems)
}

/// Where the `}}` stands that closes an expression: the first outside of a string literal, or, where a literal is never
/// closed, the first at all.
fn end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quote = None;
    let mut at = start;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            (None, _) => {}
        }
        at += 1;
    }
    match quote {
        Some(_) => text[start..].find("}}").map(|found| start + found),
        None => None,
    }
}

fn expression(text: &str, span: Span, problems: &mut Vec<Problem>) -> Expression {
    let source = &text[span.start..span.end];
    let mut parser = Parser { text, end: span.end, at: span.start, depth: 1 };
    let parsed = if source.chars().nth(LONGEST).is_some() {
        Err(problem(
            span,
            format!("an expression may have {LONGEST} characters at most"),
            "split it over several steps",
        ))
    } else if source.trim().is_empty() {
        Err(problem(
            Span { start: span.start - 2, end: span.end + 2 },
            "there is no expression between `{{` and `}}`",
            "write one, such as `input.email`",
        ))
    } else {
        parser.whole()
    };
    parsed.unwrap_or_else(|problem| {
        problems.push(*problem);
        Expression { kind: ExpressionKind::Invalid, span }
    })
}

type Parsed<T> = Result<T, Box<Problem>>;

struct Parser<'a> {
    text: &'a str,
    /// One past the expression's last byte.
    end: usize,
    at: usize,
    depth: usize,
}

/// Operators of two operands; a sign stands before those that are its beginning.
const OPERATORS: [BinaryOperator; 16] = [
    BinaryOperator::Or,
    BinaryOperator::Coalesce,
    BinaryOperator::And,
    BinaryOperator::Identical,
    BinaryOperator::NotIdentical,
    BinaryOperator::Equal,
    BinaryOperator::NotEqual,
    BinaryOperator::LessOrEqual,
    BinaryOperator::GreaterOrEqual,
    BinaryOperator::Less,
    BinaryOperator::Greater,
    BinaryOperator::Add,
    BinaryOperator::Subtract,
    BinaryOperator::Multiply,
    BinaryOperator::Divide,
    BinaryOperator::Remainder,
];
/// The level of the operators that bind tightest.
const TIGHTEST: usize = 6;

impl Parser<'_> {
    fn whole(&mut self) -> Parsed<Expression> {
        let expression = self.pipes()?;
        match self.peek() {
            None => Ok(expression),
            Some(_) => Err(self.unexpected("an operator or the end of the expression")),
        }
    }

    fn pipes(&mut self) -> Parsed<Expression> {
        let mut left = self.level(0)?;
        // What is piped is an argument, and so as deep as one.
        let depth = self.depth;
        while self.rest().starts_with('|') {
            self.at += 1;
            self.space();
            self.deepen()?;
            let start = self.at;
            let Some(name) = self.name() else {
                return Err(self.unexpected("the name of a function after `|`"));
            };
            let span = Span { start, end: self.at };
            self.space();
            let mut arguments = vec![left];
            if self.take("(") {
                arguments.extend(self.arguments()?);
            } else {
                self.at = span.end;
            }
            left = self.call(&name, span, arguments)?;
            self.space();
        }
        self.depth = depth;
        Ok(left)
    }

    fn level(&mut self, level: usize) -> Parsed<Expression> {
        if level > TIGHTEST {
            return self.unary();
        }
        let mut left = self.level(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.level(level + 1)?;
            let span = Span { start: left.span.start, end: right.span.end };
            left =
                Expression { kind: ExpressionKind::Binary(operator, Box::new(left), Box::new(right)), span };
        }
        Ok(left)
    }

    fn operator(&mut self, level: usize) -> Option<BinaryOperator> {
        self.space();
        let operator = OPERATORS.into_iter().find(|operator| self.rest().starts_with(operator.sign()))?;
        if operator.level() != level {
            return None;
        }
        self.at += operator.sign().len();
        self.space();
        Some(operator)
    }

    fn unary(&mut self) -> Parsed<Expression> {
        self.space();
        let start = self.at;
        let operator = match self.peek() {
            Some('!') => UnaryOperator::Not,
            Some('-') => UnaryOperator::Negate,
            _ => return self.postfix(),
        };
        self.at += 1;
        self.space();
        if operator == UnaryOperator::Negate
            && self.peek().is_some_and(|found| found.is_ascii_digit())
            && let Some(number) = self.negative(start)?
        {
            return Ok(number);
        }
        let operand = self.nested(Parser::unary)?;
        let span = Span { start, end: operand.span.end };
        Ok(Expression { kind: ExpressionKind::Unary(operator, Box::new(operand)), span })
    }

    /// A number and the `-` before it as one literal, so that −2^63 can be written; not where a path goes on behind it,
    /// which binds tighter.
    fn negative(&mut self, start: usize) -> Parsed<Option<Expression>> {
        let digits = self.at;
        let value = self.number(true)?;
        let span = Span { start, end: self.at };
        self.space();
        if matches!(self.peek(), Some('.' | '[')) {
            self.at = digits;
            return Ok(None);
        }
        Ok(Some(Expression { kind: ExpressionKind::Literal(value), span }))
    }

    fn postfix(&mut self) -> Parsed<Expression> {
        let mut base = self.primary()?;
        let start = base.span.start;
        loop {
            self.space();
            let kind = if self.take(".") {
                self.space();
                ExpressionKind::Member(Box::new(base), self.member()?)
            } else if self.take("[") {
                let index = self.nested(Parser::pipes)?;
                self.space();
                if !self.take("]") {
                    return Err(self.unexpected("`]`"));
                }
                match index.kind {
                    ExpressionKind::Literal(Value::Text(key)) => {
                        ExpressionKind::Member(Box::new(base), key.to_string())
                    }
                    _ => ExpressionKind::Index(Box::new(base), Box::new(index)),
                }
            } else {
                return Ok(base);
            };
            base = Expression { kind, span: Span { start, end: self.at } };
        }
    }

    fn member(&mut self) -> Parsed<String> {
        let start = self.at;
        if let Some(name) = self.name() {
            return Ok(name);
        }
        while self.peek().is_some_and(|found| found.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start || self.peek().is_some_and(begins_name) {
            self.at = start;
            return Err(self.unexpected("a name or a number after `.`"));
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn primary(&mut self) -> Parsed<Expression> {
        self.space();
        let start = self.at;
        let kind = match self.peek() {
            Some('(') => {
                self.at += 1;
                let inside = self.nested(Parser::pipes)?;
                self.space();
                if !self.take(")") {
                    return Err(self.unexpected("`)`"));
                }
                return Ok(Expression { span: Span { start, end: self.at }, ..inside });
            }
            Some('"' | '\'') => ExpressionKind::Literal(Value::from(self.literal_text()?)),
            Some(found) if found.is_ascii_digit() => ExpressionKind::Literal(self.number(false)?),
            Some(found) if begins_name(found) => {
                let name = self.name().unwrap_or_default();
                let span = Span { start, end: self.at };
                self.space();
                if self.take("(") {
                    let arguments = self.arguments()?;
                    let call = self.call(&name, span, arguments)?;
                    return Ok(call);
                }
                self.at = span.end;
                match name.as_str() {
                    "true" => ExpressionKind::Literal(Value::Boolean(true)),
                    "false" => ExpressionKind::Literal(Value::Boolean(false)),
                    "null" => ExpressionKind::Literal(Value::Null),
                    _ => ExpressionKind::Root(Root::named(&name)),
                }
            }
            _ => return Err(self.unexpected("a value")),
        };
        Ok(Expression { kind, span: Span { start, end: self.at } })
    }

    /// Up to the `)`.
    fn arguments(&mut self) -> Parsed<Vec<Expression>> {
        let mut arguments = Vec::new();
        self.space();
        while !self.take(")") {
            if !arguments.is_empty() && !self.take(",") {
                return Err(self.unexpected("`,` or `)`"));
            }
            arguments.push(self.nested(Parser::pipes)?);
            self.space();
        }
        Ok(arguments)
    }

    fn call(&self, name: &str, span: Span, arguments: Vec<Expression>) -> Parsed<Expression> {
        let Some(function) = Function::named(name) else {
            let near = nearest(name, Function::ALL.iter().map(|function| function.name()));
            let hint = near.map_or_else(
                || format!("the functions are {}", Function::ALL.map(Function::name).join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(problem(span, format!("there is no function `{name}`"), hint));
        };
        let (least, most) = function.arity();
        if !(least..=most).contains(&arguments.len()) {
            let wanted = match (least, most) {
                (1, 1) => "1 argument".to_owned(),
                (least, most) if least == most => format!("{least} arguments"),
                _ => format!("{least} to {most} arguments"),
            };
            let message = format!("`{name}` takes {wanted}, not {}", arguments.len());
            return Err(problem(span, message, "a value piped into it counts as the first"));
        }
        let start = arguments.first().map_or(span.start, |first| first.span.start.min(span.start));
        Ok(Expression { kind: ExpressionKind::Call(function, arguments), span: Span { start, end: self.at } })
    }

    fn literal_text(&mut self) -> Parsed<String> {
        let start = self.at;
        let quote = self.peek();
        self.at += 1;
        let mut out = String::new();
        while let Some(found) = self.peek() {
            self.at += found.len_utf8();
            match found {
                _ if Some(found) == quote => return Ok(out),
                '\\' => out.push(self.escape()?),
                _ => out.push(found),
            }
        }
        let span = Span { start, end: self.end };
        Err(problem(span, "this text is not closed", "close it with the quote that it begins with"))
    }

    fn escape(&mut self) -> Parsed<char> {
        let start = self.at - 1;
        let found = self.peek();
        self.at += found.map_or(0, char::len_utf8);
        match found {
            Some(found @ ('"' | '\'' | '\\')) => return Ok(found),
            Some('n') => return Ok('\n'),
            Some('t') => return Ok('\t'),
            Some('u') => {
                let digits = self
                    .rest()
                    .get(..4)
                    .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                let character =
                    digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
                if let Some(character) = character {
                    self.at += 4;
                    return Ok(character);
                }
            }
            _ => {}
        }
        let span = Span { start, end: self.at };
        Err(problem(span, "this escape does not exist", r#"there are \" \' \\ \n \t and \uXXXX"#))
    }

    fn number(&mut self, negative: bool) -> Parsed<Value> {
        let start = self.at;
        self.digits();
        let fraction = self
            .rest()
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
        if fraction {
            self.at += 1;
            self.digits();
        }
        let span = Span { start, end: self.at };
        let digits = &self.text[start..self.at];
        if self.peek().is_some_and(begins_name) {
            return Err(self.unexpected("an operator after the number"));
        }
        let number = Decimal::from_str_exact(digits).ok();
        let number = if negative { number.map(|number| -number) } else { number };
        number.and_then(Value::from_decimal).ok_or_else(|| {
            let message = format!("the number {} is out of range", crate::nearest::shorten(digits));
            problem(span, message, "integers reach 2^63 - 1, decimals have up to 28 digits")
        })
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|found| found.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// A name, if one begins here. A `-` belongs to it where a character of a name follows.
    fn name(&mut self) -> Option<String> {
        let rest = self.rest();
        if !rest.starts_with(begins_name) {
            return None;
        }
        let mut length = 0;
        for (at, found) in rest.char_indices() {
            if found.is_alphanumeric() || found == '_' {
                length = at + found.len_utf8();
            } else if found != '-' {
                break;
            }
        }
        let name = rest[..length].to_owned();
        self.at += length;
        Some(name)
    }

    fn nested<T>(&mut self, parse: fn(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.deepen()?;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn deepen(&mut self) -> Parsed<()> {
        if self.depth == DEEPEST {
            let span = Span { start: self.at, end: self.end };
            let message = format!("an expression may be nested {DEEPEST} levels deep at most");
            return Err(problem(span, message, "split it over several steps"));
        }
        self.depth += 1;
        Ok(())
    }

    fn rest(&self) -> &str {
        &self.text[self.at..self.end]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        self.at += if found { sign.len() } else { 0 };
        found
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn unexpected(&self, wanted: &str) -> Box<Problem> {
        let found = self.peek();
        let message = match found {
            Some(found) => format!("expected {wanted}, found `{}`", visible(found)),
            None => format!("the expression ends where {wanted} is expected"),
        };
        let hint = match found {
            Some('=') => Some("compare with `==`"),
            Some('?') => Some("there is no `a ? b : c`: write `a && b || c`, or a condition step"),
            Some('|' | '&') => Some("to go on behind a pipe, write it in parentheses"),
            _ => None,
        };
        let span = Span { start: self.at, end: self.at + found.map_or(0, char::len_utf8) };
        Box::new(Problem { span, message, hint: hint.map(str::to_owned) })
    }
}

fn problem(span: Span, message: impl Into<String>, hint: impl Into<String>) -> Box<Problem> {
    Box::new(Problem { span, message: message.into(), hint: Some(hint.into()) })
}

fn begins_name(found: char) -> bool {
    found.is_alphabetic() || found == '_'
}
