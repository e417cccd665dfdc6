//! Checking a text without making values of it. What it refuses is what [`super::parse`] refuses, since both go through
//! one reader; here only the bytes that stay are collected.

use std::borrow::Cow;

use super::{Error, Failure, Numbers, Reader};
use crate::value::Value;

/// The text without white space, its numbers written as a [`Value`] writes them, so that [`super::parse_exact`] reads the
/// same from it as [`super::parse`] from `text`. Strings stay as they were written.
///
/// # Errors
/// Where [`super::parse`] has one, but of two errors it may be the other.
pub(crate) fn compact(text: &[u8]) -> Result<Cow<'_, str>, Error> {
    super::read(text, Numbers::Shortest, Reader::compact)
}

/// The same for what we wrote ourselves.
///
/// # Errors
/// Where [`super::parse_exact`] has one, but of two errors it may be the other.
pub(crate) fn compact_exact(text: &[u8]) -> Result<Cow<'_, str>, Error> {
    super::read(text, Numbers::Exact, Reader::compact)
}

/// What a reader that compacts has collected.
#[derive(Default)]
pub(super) struct Copy {
    out: String,
    /// From here on nothing is copied yet.
    from: usize,
}

/// The keys of the objects around, outermost first, each behind a number that it seldom shares with another.
type Keys<'a> = Vec<(u64, Cow<'a, str>)>;

impl<'a> Reader<'a> {
    fn compact(&mut self) -> Result<Cow<'a, str>, Failure> {
        self.copy = Some(Copy::default());
        self.skim(&mut Keys::new())?;
        let Copy { mut out, from } = self.copy.take().unwrap_or_default();
        let rest = &self.text[from..self.at];
        if out.is_empty() {
            return Ok(Cow::Borrowed(rest));
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }

    /// Copies `text` in place of what was read since `start`.
    pub(super) fn replace(&mut self, start: usize, text: &str) {
        if let Some(copy) = &mut self.copy {
            copy.out.push_str(&self.text[copy.from..start]);
            copy.out.push_str(text);
            copy.from = self.at;
        }
    }

    /// Goes over one value.
    fn skim(&mut self, keys: &mut Keys<'a>) -> Result<(), Failure> {
        self.space();
        match self.peek() {
            Some(b'{') => self.skim_object(keys),
            Some(b'[') => {
                self.open()?;
                let mut first = true;
                while self.member(first, b']')? {
                    first = false;
                    self.skim(keys)?;
                }
                Ok(())
            }
            Some(b'"') => self.skim_text().map(|_| ()),
            Some(b'-' | b'0'..=b'9') => self.skim_number(),
            _ => self.word().map(|_| ()),
        }
    }

    fn skim_object(&mut self, keys: &mut Keys<'a>) -> Result<(), Failure> {
        let start = self.at;
        self.open()?;
        let outer = keys.len();
        while self.member(keys.len() == outer, b'}')? {
            let key = self.skim_text()?;
            self.colon()?;
            keys.push((fingerprint(&key), key));
            self.skim(keys)?;
        }
        let own = &mut keys[outer..];
        own.sort_unstable();
        if own.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err((start, "a key stands twice in this object".to_owned()));
        }
        keys.truncate(outer);
        Ok(())
    }

    fn skim_text(&mut self) -> Result<Cow<'a, str>, Failure> {
        match self.peek() {
            Some(b'"') => match self.plain_text() {
                Some(text) => Ok(Cow::Borrowed(text)),
                None => self.escaped_text().map(Cow::Owned),
            },
            Some(_) | None => self.text().map(Cow::Owned),
        }
    }

    fn skim_number(&mut self) -> Result<(), Failure> {
        let start = self.at;
        let number = self.number()?;
        let written = &self.text[start..self.at];
        let is_plain = match number {
            Value::Integer(0) => written == "0",
            // Anything but plain digits has a point or an exponent.
            Value::Integer(_) => written.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9')),
            _ => false,
        };
        if !is_plain {
            self.replace(start, &number.to_string());
        }
        Ok(())
    }
}

/// The end of a key, where keys differ more than at their beginning, and its length.
fn fingerprint(key: &str) -> u64 {
    let tail = key.as_bytes().iter().rev().take(8);
    tail.fold(key.len() as u64, |all, byte| all.rotate_left(8) ^ u64::from(*byte))
}
