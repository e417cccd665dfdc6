//! Positions: where a value stands in the text of a workflow.

/// A range of bytes, `start` included, `end` excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Goes through a text once and tells lines and columns on the way.
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    /// Stands at the first character.
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text: text.as_bytes(), at: 0, line: 1, column: 1 }
    }

    /// Line and column of a byte, both from 1, the column in characters. Never goes back: a byte that lies behind has the
    /// place of the one before.
    ///
    /// ```
    /// let mut cursor = loopfour_lang::source::Cursor::new("{\n  \"é\": 1\n}");
    /// assert_eq!(cursor.advance(4), (2, 3));
    /// assert_eq!(cursor.advance(9), (2, 7));
    /// ```
    pub fn advance(&mut self, byte: usize) -> (usize, usize) {
        while self.at < byte.min(self.text.len()) {
            match self.text[self.at] {
                b'\n' => (self.line, self.column) = (self.line + 1, 1),
                // Every character has one byte that does not continue another.
                byte if byte & 0xC0 != 0x80 => self.column += 1,
                _ => {}
            }
            self.at += 1;
        }
        (self.line, self.column)
    }
}

/// A place inside the JSON of a workflow, as a chain up to the root. Costs nothing until it is written out.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The whole text.
    Root,
    /// A member of an object.
    Key(&'a Place<'a>, &'a str),
    /// An item of an array.
    Index(&'a Place<'a>, usize),
}

impl<'a> Place<'a> {
    /// The member of that name.
    pub fn key(&'a self, key: &'a str) -> Place<'a> {
        Place::Key(self, key)
    }

    /// The item at that position.
    pub fn index(&'a self, index: usize) -> Place<'a> {
        Place::Index(self, index)
    }

    /// As a JSON Pointer, `/steps/0/config/a.b`.
    pub fn pointer(&self) -> String {
        let mut pointer = String::new();
        for place in self.chain() {
            pointer.push('/');
            match place {
                Place::Root => {}
                Place::Key(_, key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
                Place::Index(_, index) => pointer.push_str(&index.to_string()),
            }
        }
        pointer
    }

    /// As a path, `steps[0].config["a.b"]`; the whole text is the empty path.
    pub fn field(&self) -> String {
        let mut field = String::new();
        for place in self.chain() {
            match place {
                Place::Root => {}
                Place::Key(_, key) if is_plain(key) => {
                    if !field.is_empty() {
                        field.push('.');
                    }
                    field.push_str(key);
                }
                Place::Key(_, key) => {
                    field.push('[');
                    field.push_str(&serde_json::Value::from(*key).to_string());
                    field.push(']');
                }
                Place::Index(_, index) => {
                    field.push('[');
                    field.push_str(&index.to_string());
                    field.push(']');
                }
            }
        }
        field
    }

    /// What messages call it: the last key, with what follows it, `config` or `steps[2]`.
    pub fn name(&self) -> String {
        match self {
            Place::Root => "workflow".to_owned(),
            Place::Key(_, key) => (*key).to_owned(),
            Place::Index(parent, index) => format!("{}[{index}]", parent.name()),
        }
    }

    /// From below the root down to this place.
    fn chain(&self) -> Vec<&Place<'a>> {
        let mut chain = Vec::new();
        let mut here = self;
        while let Place::Key(parent, _) | Place::Index(parent, _) = here {
            chain.push(here);
            here = parent;
        }
        chain.reverse();
        chain
    }
}

/// Whether a key can stand in a path without quotes.
fn is_plain(key: &str) -> bool {
    let mut characters = key.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || matches!(character, '_' | '-' | '$'))
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_is_written_in_both_forms() {
        let root = Place::Root;
        let steps = root.key("steps");
        let step = steps.index(2);
        let odd = step.key("a.b/c~d");
        assert_eq!(odd.pointer(), "/steps/2/a.b~1c~0d");
        assert_eq!(odd.field(), "steps[2][\"a.b/c~d\"]");
        assert_eq!(root.field(), "");
        assert_eq!(root.pointer(), "");
    }
}
