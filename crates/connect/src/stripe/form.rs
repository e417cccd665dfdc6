//! Stripe's form dialect: `items[0][price]=…`, percent-encoded, in the order in which it is written. Knows nothing of
//! types; what is written here goes out.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the characters that stand for themselves in every part of an address.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A form that is being written.
#[derive(Debug, Default)]
pub(super) struct Form {
    text: String,
    /// The key that the next value gets, encoded.
    key: String,
}

/// How far a form is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(usize);

impl Form {
    /// Writes what `inner` writes under `name`, within the key that is open.
    pub(super) fn under<T>(&mut self, name: &str, inner: impl FnOnce(&mut Form) -> T) -> T {
        let outer = self.key.len();
        if outer == 0 {
            self.key.extend(encode(name));
        } else {
            self.key.push('[');
            self.key.extend(encode(name));
            self.key.push(']');
        }
        let result = inner(self);
        self.key.truncate(outer);
        result
    }

    /// Writes a value under the open key.
    pub(super) fn put(&mut self, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(&self.key);
        self.text.push('=');
        self.text.extend(encode(value));
    }

    /// The innermost name of the open key, encoded.
    pub(super) fn name(&self) -> &str {
        self.key.rsplit('[').next().unwrap_or_default().trim_end_matches(']')
    }

    /// Where the form stands now.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.text.len())
    }

    /// Takes back everything written since.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.text.truncate(mark.0);
    }

    /// What was written.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// Percent-encoded: safe as a segment of a path and in a form.
pub(super) fn encode(text: &str) -> impl Iterator<Item = &str> {
    utf8_percent_encode(text, ENCODED)
}
