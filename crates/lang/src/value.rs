//! JSON values as the language sees them: exact numbers, cheap clones.

use std::sync::Arc;

use indexmap::IndexMap;
use rust_decimal::Decimal;

/// The members of a JSON object, in the order in which they were written.
pub type Object = IndexMap<String, Value>;

/// A JSON value. Clones are cheap: text, arrays and objects are shared.
///
/// Numbers are exact, never floats. A number without a fraction is always [`Value::Integer`];
/// [`Value::Decimal`] holds only numbers that have one, without trailing zeros.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`; a missing value is null too.
    #[default]
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, up to 28 significant digits.
    Decimal(Decimal),
    /// A string.
    Text(Arc<str>),
    /// An array.
    Array(Arc<Vec<Value>>),
    /// An object.
    Object(Arc<Object>),
}
