//! Reading values of the wanted kind, and saying so where they are not.

use std::ops::RangeInclusive;

use super::report::{Report, did_you_mean, list_of};
use crate::diagnostic::Code;
use crate::json::{Kind, Member, Node};
use crate::nearest::shorten;
use crate::source::{Place, Span};
use crate::value::Value;

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct At<'p, 'n> {
    pub(super) node: &'n Node,
    pub(super) place: Place<'p>,
}

impl<'n> At<'_, 'n> {
    /// The members, none where it is no object.
    pub(super) fn members(&self) -> &'n [Member] {
        match &self.node.kind {
            Kind::Object(members) => members,
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Array(_) => &[],
        }
    }

    /// The items, none where it is no list.
    pub(super) fn items(&self) -> &'n [Node] {
        match &self.node.kind {
            Kind::Array(items) => items,
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Object(_) => &[],
        }
    }

    /// The text, where it is one.
    pub(super) fn as_text(&self) -> Option<&'n str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => None,
        }
    }

    /// The member of that name; of two the first.
    pub(super) fn get<'a>(&'a self, key: &'a str) -> Option<At<'a, 'n>> {
        let member = self.members().iter().find(|member| member.key == key)?;
        Some(At { node: &member.value, place: self.place.key(key) })
    }

    /// The item at a position of [`items`](At::items).
    pub(super) fn item<'a>(&'a self, index: usize, node: &'n Node) -> At<'a, 'n> {
        At { node, place: self.place.index(index) }
    }

    pub(super) fn span(&self) -> Span {
        self.node.span
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        self.place.name()
    }

    /// The value, as messages name it.
    pub(super) fn describe(&self) -> String {
        match &self.node.kind {
            Kind::Null => "null".to_owned(),
            Kind::Boolean(value) => format!("`{value}`"),
            Kind::Number(number) => format!("the number {number}"),
            Kind::Text(text) => format!("the text {}", quoted(text)),
            Kind::Array(_) => "a list".to_owned(),
            Kind::Object(_) => "an object".to_owned(),
        }
    }
}

/// A text in a message: quoted, cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shorten(text))
}

impl Report<'_> {
    pub(super) fn wrong_type(&mut self, at: &At<'_, '_>, wanted: &str) {
        let message = format!("`{}` must be {wanted}, not {}", at.name(), at.describe());
        self.add(Code::WrongType, &at.place, at.span(), message);
    }

    /// Whether it is an object. Reports keys that are not `known`.
    pub(super) fn object(&mut self, at: &At<'_, '_>, known: &[&str]) -> bool {
        if !self.any_object(at) {
            return false;
        }
        for member in at.members().iter().filter(|member| !known.contains(&member.key.as_str())) {
            let hint = did_you_mean(self.nearest(&member.key, known.iter().copied())).or_else(|| {
                (!known.is_empty() && known.len() <= 8)
                    .then(|| format!("known here: {}", list_of(known.iter().copied())))
            });
            self.unknown_key(at, member, hint);
        }
        true
    }

    /// Whether it is an object, whatever its keys.
    pub(super) fn any_object(&mut self, at: &At<'_, '_>) -> bool {
        let is_object = matches!(at.node.kind, Kind::Object(_));
        if !is_object {
            self.wrong_type(at, "an object");
        }
        is_object
    }

    pub(super) fn unknown_key(&mut self, at: &At<'_, '_>, member: &Member, hint: Option<String>) {
        let message = format!("{} has no key `{}`", owner(at), member.key);
        self.add_with(Code::UnknownKey, &at.place.key(&member.key), member.key_span, message, hint);
    }

    /// The member of that name; reports that it is missing, unless a misspelling of it stands there.
    pub(super) fn require<'a, 'n>(
        &mut self,
        at: &'a At<'_, 'n>,
        key: &'a str,
        known: &[&str],
    ) -> Option<At<'a, 'n>> {
        let found = at.get(key);
        if found.is_none() && !self.is_misspelled(at, key, known) {
            let message = format!("{} needs `{key}`", owner(at));
            self.add(Code::MissingKey, &at.place.key(key), opening(at.span()), message);
        }
        found
    }

    /// Whether an unknown key stands there that is nearest to `key`.
    pub(super) fn is_misspelled(&self, at: &At<'_, '_>, key: &str, known: &[&str]) -> bool {
        let mut unknown = at.members().iter().filter(|member| !known.contains(&member.key.as_str()));
        unknown.any(|member| self.nearest(&member.key, known.iter().copied()) == Some(key))
    }

    pub(super) fn text<'n>(&mut self, at: &At<'_, 'n>) -> Option<&'n str> {
        let text = at.as_text();
        if text.is_none() {
            self.wrong_type(at, "a text");
        }
        text
    }

    /// Whether it is a list.
    pub(super) fn list(&mut self, at: &At<'_, '_>) -> bool {
        let is_list = matches!(at.node.kind, Kind::Array(_));
        if !is_list {
            self.wrong_type(at, "a list");
        }
        is_list
    }

    pub(super) fn boolean(&mut self, at: &At<'_, '_>) -> Option<bool> {
        match &at.node.kind {
            Kind::Boolean(value) => Some(*value),
            Kind::Null | Kind::Number(_) | Kind::Text(_) | Kind::Array(_) | Kind::Object(_) => {
                self.wrong_type(at, "`true` or `false`");
                None
            }
        }
    }

    /// A whole number within limits.
    pub(super) fn integer(&mut self, at: &At<'_, '_>, limits: RangeInclusive<i64>) -> Option<i64> {
        let value = match &at.node.kind {
            Kind::Number(Value::Integer(number)) => Some(*number),
            Kind::Number(_)
            | Kind::Null
            | Kind::Boolean(_)
            | Kind::Text(_)
            | Kind::Array(_)
            | Kind::Object(_) => None,
        };
        let Some(value) = value else {
            self.wrong_type(at, "a whole number");
            return None;
        };
        self.within(at, value, &limits).then_some(value)
    }

    /// Whether a number is within limits.
    pub(super) fn within(&mut self, at: &At<'_, '_>, value: i64, limits: &RangeInclusive<i64>) -> bool {
        let within = limits.contains(&value);
        if !within {
            let message =
                format!("`{}` is {value}, but must be {} to {}", at.name(), limits.start(), limits.end());
            self.add(Code::OutOfLimits, &at.place, at.span(), message);
        }
        within
    }

    /// One of some texts; `what` names them in messages.
    pub(super) fn choice<'c>(&mut self, at: &At<'_, '_>, what: &str, choices: &[&'c str]) -> Option<&'c str> {
        let text = self.text(at)?;
        let found = choices.iter().copied().find(|choice| *choice == text);
        if found.is_none() {
            let hint = did_you_mean(self.nearest(text, choices.iter().copied()))
                .unwrap_or_else(|| format!("there are {}", list_of(choices.iter().copied())));
            let message = format!("there is no {what} {}", quoted(text));
            self.add_with(Code::UnknownValue, &at.place, at.span(), message, hint);
        }
        found
    }
}

/// The first byte of an object, where something that is missing in it is reported.
pub(super) fn opening(span: Span) -> Span {
    Span { start: span.start, end: span.start + 1 }
}

fn owner(at: &At<'_, '_>) -> String {
    match at.place {
        Place::Root => "the workflow".to_owned(),
        Place::Key(..) | Place::Index(..) => format!("`{}`", at.name()),
    }
}

/// Whether a text is the prefix and a UUID in the one form in which ids are written.
pub(super) fn is_id(prefix: &str, text: &str) -> bool {
    let Some(uuid) = text.strip_prefix(prefix).filter(|uuid| uuid.len() == 36) else { return false };
    uuid.bytes().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    })
}
