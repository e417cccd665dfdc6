//! Reading JSON strictly: byte-order marks, lone surrogates, duplicate keys, numbers out of range and deep nesting are
//! refused.
//!
//! One reader gives three things: a [`Value`] in one pass, a tree of [`Node`]s that knows where everything stands, or the
//! text of a [`Document`](crate::Document). It exists because all need one set of rules, exact numbers and places, which
//! no library gives together.

mod compact;

use std::sync::Arc;

use indexmap::map::Entry;
use rust_decimal::Decimal;

use crate::source::Span;
use crate::value::{Object, Value};

pub(crate) use compact::{compact, compact_exact};

/// Arrays and objects within each other, the outermost being 1.
pub const DEEPEST: usize = 64;
/// The same in what we wrote ourselves: a step's input holds whole values of others inside of its own.
const DEEPEST_OF_OURS: usize = 256;

/// Text that is not JSON as we take it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} at line {line}, column {column}")]
pub struct Error {
    /// What is wrong.
    pub message: String,
    /// The byte at which it was seen.
    pub at: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A value and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The bytes of it, quotes and brackets included.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// Always [`Value::Integer`] or [`Value::Decimal`].
    Number(Value),
    /// A string, its escapes resolved.
    Text(String),
    /// An array.
    Array(Vec<Node>),
    /// An object; duplicate keys are kept.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its key.
    pub key: String,
    /// The bytes of the key, quotes included.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

/// Reads a value as people and providers write it: a decimal counts by the shortest digits of its float.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn parse(text: &[u8]) -> Result<Value, Error> {
    read(text, Numbers::Shortest, Reader::value)
}

/// Reads a value that we wrote ourselves: every digit of a decimal counts, and it may be nested deeper.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn parse_exact(text: &[u8]) -> Result<Value, Error> {
    read(text, Numbers::Exact, Reader::value)
}

/// Reads a value with the places of everything in it. Duplicate keys are kept, for the caller to report each.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn parse_nodes(text: &str) -> Result<Node, Error> {
    read(text.as_bytes(), Numbers::Shortest, Reader::node)
}

/// Where a byte of a string's content stands in the text: `literal` is the string as written, quotes included, and
/// `offset` counts bytes after its escapes were resolved. The answer counts bytes from the opening quote.
pub fn place_in_literal(literal: &str, offset: usize) -> usize {
    let mut resolved = 0;
    let mut at = 1;
    let bytes = literal.as_bytes();
    while resolved < offset && at + 1 < bytes.len() {
        let (written, meant) = match (bytes[at], bytes.get(at + 1)) {
            (b'\\', Some(b'u')) => unicode_escape(&literal[at..]),
            (b'\\', _) => (2, 1),
            _ => (1, 1),
        };
        if resolved + meant > offset {
            break;
        }
        at += written;
        resolved += meant;
    }
    at.min(bytes.len().saturating_sub(1))
}

/// How many bytes a `\u` escape takes as written, and how many its character takes in UTF-8.
fn unicode_escape(text: &str) -> (usize, usize) {
    let unit = |at: usize| text.get(at..at + 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match unit(2) {
        Some(0..=0x7f) => (6, 1),
        Some(0x80..=0x7ff) => (6, 2),
        Some(0xd800..=0xdfff) => (12, 4),
        _ => (6, 3),
    }
}

impl Node {
    /// The value without the places; of two equal keys the last counts.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Boolean(value) => Value::Boolean(*value),
            Kind::Number(number) => number.clone(),
            Kind::Text(text) => Value::Text(text.as_str().into()),
            Kind::Array(items) => items.iter().map(Node::to_value).collect::<Vec<_>>().into(),
            Kind::Object(members) => members
                .iter()
                .map(|member| (member.key.clone(), member.value.to_value()))
                .collect::<Object>()
                .into(),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    Shortest,
    Exact,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    numbers: Numbers,
    /// There while it compacts.
    copy: Option<compact::Copy>,
}

type Failure = (usize, String);

fn read<'a, T>(
    text: &'a [u8],
    numbers: Numbers,
    product: fn(&mut Reader<'a>) -> Result<T, Failure>,
) -> Result<T, Error> {
    let decoded = match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let valid = std::str::from_utf8(&text[..at]).unwrap_or_default();
            return Err(located(valid, at, "this is not UTF-8".to_owned()));
        }
    };
    if decoded.starts_with('\u{feff}') {
        return Err(located(decoded, 0, "there is a byte-order mark before the JSON".to_owned()));
    }
    let mut reader = Reader { text: decoded, at: 0, depth: 0, numbers, copy: None };
    let whole = product(&mut reader).and_then(|product| {
        reader.space();
        match reader.peek() {
            None => Ok(product),
            Some(_) => Err((reader.at, "there is more text after the JSON".to_owned())),
        }
    });
    whole.map_err(|(at, message)| located(decoded, at, message))
}

fn located(text: &str, at: usize, message: String) -> Error {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    Error { message, at, line, column: before[line_start..].chars().count() + 1 }
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Value, Failure> {
        self.space();
        match self.peek() {
            Some(b'{') => {
                self.open()?;
                let mut members = Object::new();
                while self.member(members.is_empty(), b'}')? {
                    let key_at = self.at;
                    let key = self.key()?;
                    match members.entry(key) {
                        Entry::Occupied(old) => {
                            return Err((
                                key_at,
                                format!("the key `{}` stands twice in one object", old.key()),
                            ));
                        }
                        Entry::Vacant(new) => new.insert(self.value()?),
                    };
                }
                Ok(Value::Object(Arc::new(members)))
            }
            Some(b'[') => {
                self.open()?;
                let mut items = Vec::new();
                while self.member(items.is_empty(), b']')? {
                    items.push(self.value()?);
                }
                Ok(Value::Array(Arc::new(items)))
            }
            Some(b'"') => match self.plain_text() {
                Some(text) => Ok(Value::Text(text.into())),
                None => Ok(Value::Text(self.escaped_text()?.into())),
            },
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word().map(|word| word.map_or(Value::Null, Value::Boolean)),
        }
    }

    fn node(&mut self) -> Result<Node, Failure> {
        self.space();
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => {
                self.open()?;
                let mut members = Vec::new();
                while self.member(members.is_empty(), b'}')? {
                    let key_start = self.at;
                    let text = self.text()?;
                    let key_span = Span { start: key_start, end: self.at };
                    self.colon()?;
                    members.push(Member { key: text, key_span, value: self.node()? });
                }
                Kind::Object(members)
            }
            Some(b'[') => {
                self.open()?;
                let mut items = Vec::new();
                while self.member(items.is_empty(), b']')? {
                    items.push(self.node()?);
                }
                Kind::Array(items)
            }
            Some(b'"') => Kind::Text(self.text()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            _ => self.word()?.map_or(Kind::Null, Kind::Boolean),
        };
        Ok(Node { span: Span { start, end: self.at }, kind })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        let start = self.at;
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        if self.at > start {
            self.replace(start, "");
        }
    }

    fn open(&mut self) -> Result<(), Failure> {
        self.depth += 1;
        let deepest = match self.numbers {
            Numbers::Shortest => DEEPEST,
            Numbers::Exact => DEEPEST_OF_OURS,
        };
        if self.depth > deepest {
            return Err((self.at, format!("this is nested more than {deepest} levels deep")));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes to the next item or member; false at the end of the array or object.
    fn member(&mut self, first: bool, close: u8) -> Result<bool, Failure> {
        self.space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.depth -= 1;
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.space();
                match self.peek() {
                    Some(byte) if byte == close => {
                        Err((self.at, "there is nothing after the comma".to_owned()))
                    }
                    _ => Ok(true),
                }
            }
            Some(_) if first => Ok(true),
            Some(_) => Err((self.at, format!("expected `,` or `{}`", char::from(close)))),
            None => Err((self.at, format!("the text ends before `{}`", char::from(close)))),
        }
    }

    fn key(&mut self) -> Result<String, Failure> {
        let key = self.text()?;
        self.colon()?;
        Ok(key)
    }

    fn colon(&mut self) -> Result<(), Failure> {
        self.space();
        match self.peek() {
            Some(b':') => {
                self.at += 1;
                Ok(())
            }
            _ => Err((self.at, "expected `:` after the key".to_owned())),
        }
    }

    fn text(&mut self) -> Result<String, Failure> {
        match self.peek() {
            Some(b'"') => match self.plain_text() {
                Some(text) => Ok(text.to_owned()),
                None => self.escaped_text(),
            },
            Some(_) => Err((self.at, "expected a key in double quotes".to_owned())),
            None => Err((self.at, "the text ends before a key".to_owned())),
        }
    }

    /// The string that begins here, if it has no escapes.
    fn plain_text(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let rest = &self.text.as_bytes()[start..];
        let length = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\')?;
        if rest[length] != b'"' {
            return None;
        }
        self.at = start + length + 1;
        Some(&self.text[start..start + length])
    }

    fn escaped_text(&mut self) -> Result<String, Failure> {
        let start = self.at;
        self.at += 1;
        let mut out = String::new();
        loop {
            let from = self.at;
            while matches!(self.peek(), Some(byte) if byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            out.push_str(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => {
                    return Err((self.at, "a control character in a string must be escaped".to_owned()));
                }
                None => return Err((start, "this string is not closed".to_owned())),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Failure> {
        let start = self.at;
        self.at += 2;
        let character = match self.text.as_bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => return Err((start, "this escape does not exist in JSON".to_owned())),
        };
        Ok(character)
    }

    fn unicode(&mut self, start: usize) -> Result<char, Failure> {
        let surrogate = || (start, "half of a surrogate pair stands alone".to_owned());
        let first = self.unit(start)?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.text.as_bytes().get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(surrogate());
                }
                self.at += 2;
                match self.unit(start)? {
                    second @ 0xdc00..=0xdfff => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return Err(surrogate()),
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(surrogate)
    }

    fn unit(&mut self, start: usize) -> Result<u32, Failure> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let unit = unit.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        unit.ok_or_else(|| (start, "`\\u` needs four hexadecimal digits".to_owned()))
    }

    /// `true`, `false`, or `None` for `null`.
    fn word(&mut self) -> Result<Option<bool>, Failure> {
        let rest = &self.text[self.at..];
        for (word, value) in [("null", None), ("true", Some(true)), ("false", Some(false))] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        match rest.chars().next() {
            Some(found) => {
                Err((self.at, format!("expected a JSON value, found `{}`", crate::nearest::visible(found))))
            }
            None => Err((self.at, "the text ends where a value is expected".to_owned())),
        }
    }

    fn number(&mut self) -> Result<Value, Failure> {
        let start = self.at;
        let malformed = |at| Err((at, "this is not a number in JSON's form".to_owned()));
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return malformed(start);
        }
        let mut fraction = false;
        if self.peek() == Some(b'.') {
            self.at += 1;
            fraction = true;
            if self.digits() == 0 {
                return malformed(start);
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            fraction = true;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return malformed(start);
            }
        }
        let digits = &self.text[start..self.at];
        let number = if fraction { self.decimal(digits) } else { digits.parse().ok().map(Value::Integer) };
        number
            .ok_or_else(|| (start, format!("the number {} is out of range", crate::nearest::shorten(digits))))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn decimal(&self, digits: &str) -> Option<Value> {
        let number = match self.numbers {
            Numbers::Exact => Decimal::from_str_exact(digits).ok()?,
            Numbers::Shortest => {
                let float = digits.parse::<f64>().ok()?;
                // A number smaller than the smallest float is not nothing.
                let mut significant = digits.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
                if float == 0.0 && significant.any(|byte| matches!(byte, b'1'..=b'9')) {
                    return None;
                }
                // The float's own notation has the shortest digits that read back as the same float.
                Decimal::from_str_exact(&float.to_string()).ok()?
            }
        };
        Value::from_decimal(number)
    }
}
