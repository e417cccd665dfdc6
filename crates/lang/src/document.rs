//! JSON that is mostly carried from one place to another: the text is checked once and copied from then on, and becomes
//! a [`Value`] only where somebody looks inside.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::json::{self, Error, compact, compact_exact};
use crate::value::Value;

/// A JSON value as compact text. Clones are cheap: they share the text, and the [`Value`] once it was asked for.
///
/// ```
/// use loopfour_lang::Document;
///
/// let document = Document::parse(br#"{ "amount": 9900.0 }"#)?;
/// assert_eq!(document.text(), r#"{"amount":9900}"#);
/// assert_eq!(document.value().get("amount"), Some(&9900.into()));
/// # Ok::<(), loopfour_lang::json::Error>(())
/// ```
#[derive(Clone)]
pub struct Document(Arc<Shared>);

struct Shared {
    /// What [`json::parse_exact`] reads without an error.
    text: Box<RawValue>,
    value: OnceLock<Value>,
}

impl Document {
    /// Reads a value as people and providers write it; takes and refuses what [`json::parse`] does.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub fn parse(text: &[u8]) -> Result<Document, Error> {
        let checked = compact(text).ok().and_then(|text| RawValue::from_string(text.into_owned()).ok());
        match checked {
            Some(text) => Ok(Document::new(text, OnceLock::new())),
            // Which error comes first is for the other reader to say.
            None => json::parse(text).map(Document::from),
        }
    }

    /// The value as compact JSON.
    pub fn text(&self) -> &str {
        self.0.text.get()
    }

    /// The value itself; made at the first call.
    pub fn value(&self) -> &Value {
        let parse = || json::parse_exact(self.text().as_bytes()).expect("the text was checked");
        self.0.value.get_or_init(parse)
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.text().starts_with('{')
    }

    fn new(text: Box<RawValue>, value: OnceLock<Value>) -> Document {
        Document(Arc::new(Shared { text, value }))
    }
}

/// Null.
impl Default for Document {
    fn default() -> Document {
        static NULL: LazyLock<Document> = LazyLock::new(|| Document::from(Value::Null));
        NULL.clone()
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Document {
        let text = RawValue::from_string(value.to_string()).expect("a value is written as JSON");
        Document::new(text, OnceLock::from(value))
    }
}

/// By value: however strings are escaped, and in whatever order keys stand.
impl PartialEq for Document {
    fn eq(&self, other: &Document) -> bool {
        self.text() == other.text() || self.value() == other.value()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Compact JSON.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Made for `serde_json` as text, which takes it as it stands.
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.text.serialize(serializer)
    }
}

/// Made for `serde_json` from text that we wrote ourselves, as [`json::parse_exact`] reads it.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        let text = compact_exact(raw.get().as_bytes()).map_err(D::Error::custom)?;
        let text = RawValue::from_string(text.into_owned()).map_err(D::Error::custom)?;
        Ok(Document::new(text, OnceLock::new()))
    }
}
