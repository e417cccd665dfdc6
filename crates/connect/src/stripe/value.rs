//! A config's value beside the text that it came from, and how scalars are written on Stripe's wire. The text is what
//! tells a literal `""`, which clears a field, from a template that came out empty, which is left out.

use std::borrow::Cow;

use loopfour_lang::template::Tree;
use loopfour_lang::{Object, Value};

/// A value and what is written in the workflow for it.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    tree: &'a Tree,
    pub(super) value: &'a Value,
}

/// What stands for a value that the workflow's text does not have.
static NOTHING: Tree = Tree::Literal(Value::Null);

impl<'a> Node<'a> {
    pub(super) fn new(tree: &'a Tree, value: &'a Value) -> Node<'a> {
        Node { tree, value }
    }

    /// A value that the workflow does not have.
    pub(super) fn default_of(value: &'a Value) -> Node<'a> {
        Node { tree: &NOTHING, value }
    }

    /// Whether it is left out: null, or `""` from a template.
    pub(super) fn is_absent(self) -> bool {
        match self.value {
            Value::Null => true,
            Value::Text(text) => text.is_empty() && !self.is_literal(),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Decimal(_)
            | Value::Array(_)
            | Value::Object(_) => false,
        }
    }

    /// Whether it is a literal `""`: clear the field.
    pub(super) fn clears(self) -> bool {
        self.is_literal() && matches!(self.value, Value::Text(text) if text.is_empty())
    }

    /// The items of an array that are not left out, with their index.
    pub(super) fn items(self, items: &'a [Value]) -> impl Iterator<Item = (usize, Node<'a>)> {
        let nodes = items.iter().enumerate();
        let nodes = nodes.map(move |(index, value)| (index, Node { tree: self.item_tree(index), value }));
        nodes.filter(|(_, item)| !item.is_absent())
    }

    /// All members of an object, in the order in which they are written.
    pub(super) fn members(self, members: &'a Object) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        members.iter().enumerate().map(move |(index, (name, value))| {
            (name.as_str(), Node { tree: self.member_tree(index, name), value })
        })
    }

    /// The first template inside that came out as nothing, or else the first template.
    pub(super) fn expression(self) -> Option<&'a str> {
        self.find_template(true).or_else(|| self.find_template(false))
    }

    fn find_template(self, only_absent: bool) -> Option<&'a str> {
        match (self.tree, self.value) {
            (Tree::Template(template), _) => {
                (!only_absent || self.is_absent()).then_some(template.source.as_str())
            }
            (Tree::Array(_), Value::Array(items)) => (0..items.len()).find_map(|index| {
                Node { tree: self.item_tree(index), value: &items[index] }.find_template(only_absent)
            }),
            (Tree::Object(_), Value::Object(members)) => {
                self.members(members).find_map(|(_, member)| member.find_template(only_absent))
            }
            (Tree::Literal(_) | Tree::Array(_) | Tree::Object(_), _) => None,
        }
    }

    fn is_literal(self) -> bool {
        match self.tree {
            Tree::Literal(_) => true,
            Tree::Template(_) | Tree::Array(_) | Tree::Object(_) => false,
        }
    }

    fn item_tree(self, index: usize) -> &'a Tree {
        match self.tree {
            Tree::Literal(_) | Tree::Template(_) => self.tree,
            Tree::Array(items) => items.get(index).unwrap_or(&NOTHING),
            Tree::Object(_) => &NOTHING,
        }
    }

    fn member_tree(self, index: usize, name: &str) -> &'a Tree {
        match self.tree {
            Tree::Literal(_) | Tree::Template(_) => self.tree,
            Tree::Array(_) => &NOTHING,
            // Evaluation keeps the order, so the first look finds it.
            Tree::Object(members) => members
                .get(index)
                .filter(|(written, _)| written == name)
                .or_else(|| members.iter().find(|(written, _)| written == name))
                .map_or(&NOTHING, |(_, tree)| tree),
        }
    }
}

/// A whole number: a number without a fraction, or text of nothing but digits.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Text(text) => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            whole.then(|| text.parse().ok()).flatten()
        }
        Value::Null | Value::Boolean(_) | Value::Decimal(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number in plain digits, with a fraction or without.
pub(super) fn decimal(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Integer(number) => Some(number.to_string().into()),
        Value::Decimal(number) => Some(number.to_string().into()),
        Value::Text(text) => {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let unsigned = text.strip_prefix('-').unwrap_or(text);
            let plain = match unsigned.split_once('.') {
                Some((whole, fraction)) => digits(whole) && digits(fraction),
                None => digits(unsigned),
            };
            plain.then(|| Cow::Borrowed(&**text))
        }
        Value::Null | Value::Boolean(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `true` or `false`, or a text that says so.
pub(super) fn boolean(value: &Value) -> Option<&'static str> {
    match value {
        Value::Boolean(true) => Some("true"),
        Value::Boolean(false) => Some("false"),
        Value::Text(text) => match &**text {
            "true" => Some("true"),
            "false" => Some("false"),
            _ => None,
        },
        Value::Null | Value::Integer(_) | Value::Decimal(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text, number or boolean as text; nothing for a list or an object.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Text(text) => Some(Cow::Borrowed(text)),
        Value::Boolean(true) => Some("true".into()),
        Value::Boolean(false) => Some("false".into()),
        Value::Integer(number) => Some(number.to_string().into()),
        Value::Decimal(number) => Some(number.to_string().into()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The value for a message: JSON, cut to a line.
pub(super) fn shown(value: &Value) -> String {
    let json = match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) => value.to_string(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    };
    cut(&json, 80)
}

/// At most that many characters.
pub(super) fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
