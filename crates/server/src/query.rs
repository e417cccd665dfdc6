//! Query strings, read strictly: whatever no reader asked for is refused, and everything that is wrong is reported at
//! once.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use hyper::Uri;
use loopfour_engine::Timestamp;
use loopfour_store::{Cursor, Order, Span};
use uuid::Uuid;

use crate::body::unknown;
use crate::error::{Error, Problem};

/// The parameters of one request. Ask for each that the address takes, then [`Query::finish`].
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Query {
    /// The parameters of this address.
    pub fn of(uri: &Uri) -> Query {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
        // A query string of any bytes is a list of pairs; what cannot be decoded is replaced and then matches no name.
        let pairs = pairs.map(|query| query.0).unwrap_or_default();
        Query { pairs, known: Vec::new(), problems: Vec::new() }
    }

    /// A parameter of any text.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut found = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
        let first = found.next();
        if found.next().is_some() {
            self.problem(name, format!("`{name}` is given more than once"));
        }
        first
    }

    /// A whole number within a range.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let text = self.text(name)?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.problem(
                name,
                format!("`{name}` must be a whole number from {least} to {most}, not `{text}`"),
            );
        }
        number
    }

    /// One of a few names.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(choice, _)| *choice == text).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            self.problem(name, format!("`{name}` must be one of {}, not `{text}`", names.join(", ")));
        }
        found
    }

    /// Anything that has a text form; `what` says which (`a workflow's id`).
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, what: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.problem(name, format!("`{text}` is not {what}"));
        }
        parsed
    }

    /// Which part of a list, the newest first: `limit`, `cursor`, `order`.
    pub fn span(&mut self, list: List) -> Span {
        self.span_from(list, Order::Descending)
    }

    /// Which part of a list, in this order if nothing else is asked for.
    pub fn span_from(&mut self, list: List, usual: Order) -> Span {
        let limit = self.number("limit", 1..=100).unwrap_or(50);
        let mut after = None;
        if let Some(position) = self.parsed("cursor", "a cursor that a list gave") {
            let Position { list: given, cursor } = position;
            after = (given == list).then_some(cursor);
            if after.is_none() {
                self.problem("cursor", "`cursor` comes from another list".to_owned());
            }
        }
        let choices = [("desc", Order::Descending), ("asc", Order::Ascending)];
        let order = self.choice("order", &choices).unwrap_or(usual);
        Span { order, after, limit }
    }

    /// Notes something wrong with a parameter.
    pub fn problem(&mut self, name: &str, message: String) {
        self.problems.push(Problem::new(name, message));
    }

    /// Refuses what was not asked for.
    ///
    /// # Errors
    /// All that is wrong with the query.
    pub fn finish(mut self) -> Result<(), Error> {
        let mut names: Vec<&str> = Vec::new();
        for (key, _) in self.pairs.iter().filter(|(key, _)| !self.known.contains(&key.as_str())) {
            if !names.contains(&key.as_str()) {
                names.push(key);
                self.problems.push(unknown("parameter", key, &self.known));
            }
        }
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(Error::invalid("the query string is not valid", self.problems))
    }
}

/// The lists that have cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// The audit log.
    Audit,
    /// Companies.
    Companies,
    /// Connections.
    Connections,
    /// Provider events.
    Events,
    /// API keys.
    Keys,
    /// Lines of a run's log.
    Logs,
    /// Members.
    Members,
    /// Notices.
    Notices,
    /// Runs.
    Runs,
    /// Versions of a workflow.
    Versions,
    /// Workflows.
    Workflows,
}

impl List {
    const ALL: [List; 11] = [
        List::Audit,
        List::Companies,
        List::Connections,
        List::Events,
        List::Keys,
        List::Logs,
        List::Members,
        List::Notices,
        List::Runs,
        List::Versions,
        List::Workflows,
    ];

    /// The letter with which its cursors begin.
    fn letter(self) -> char {
        match self {
            List::Audit => 'a',
            List::Companies => 'c',
            List::Connections => 'n',
            List::Events => 'e',
            List::Keys => 'k',
            List::Logs => 'l',
            List::Members => 'm',
            List::Notices => 't',
            List::Runs => 'r',
            List::Versions => 'v',
            List::Workflows => 'w',
        }
    }
}

/// A cursor as clients carry it: opaque, in one spelling only, and good for its own list alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose it is.
    pub list: List,
    /// Where the list goes on.
    pub cursor: Cursor,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { created_at, id } = self.cursor;
        write!(f, "{}{:016x}{}", self.list.letter(), created_at.0, id.simple())
    }
}

/// Not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPosition;

impl FromStr for Position {
    type Err = BadPosition;

    fn from_str(text: &str) -> Result<Position, BadPosition> {
        let list = List::ALL.into_iter().find(|list| text.starts_with(list.letter())).ok_or(BadPosition)?;
        let (time, id) = text[1..].split_at_checked(16).ok_or(BadPosition)?;
        let created_at = Timestamp(i64::from_str_radix(time, 16).map_err(|_| BadPosition)?);
        let id = Uuid::try_parse(id).map_err(|_| BadPosition)?;
        let position = Position { list, cursor: Cursor { created_at, id } };
        if position.to_string() == text { Ok(position) } else { Err(BadPosition) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, List, Position, Timestamp, Uuid};

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let cursor = Cursor { created_at: Timestamp(1_764_000_000_123), id: Uuid::from_u128(7) };
        for list in List::ALL {
            let position = Position { list, cursor };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        let text = Position { list: List::Runs, cursor }.to_string();
        for garbage in [
            "",
            "x",
            "é23456789012345é",
            &text[1..],
            &text.to_uppercase().replace('0', "+"),
            &format!("{text}0"),
        ] {
            assert!(garbage.parse::<Position>().is_err(), "{garbage}");
        }
    }
}
