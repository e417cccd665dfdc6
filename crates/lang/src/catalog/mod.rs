//! Which actions exist and what they take: one row each, made from the tables in `catalog/`.
//!
//! The tables hold the provider's facts; the overlay beside them adds the names that workflows use and what no table can
//! say. How a row becomes a request is not decided here.

mod objects;
mod tables;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

pub use objects::{Objects, Segment};

/// All actions of all providers, by name (`stripe.createInvoice`).
#[derive(Debug, Default)]
pub struct Catalog {
    /// By full name.
    pub actions: BTreeMap<String, Arc<Action>>,
    /// Stripe's API version that the tables are of.
    pub version: String,
    /// Types of the events that Stripe sends.
    pub events: BTreeSet<String>,
    /// Types of events that Stripe sends in another API version only, and which.
    pub other_events: BTreeMap<String, String>,
    /// What Stripe answers.
    pub objects: Objects,
}

impl Catalog {
    /// The catalogue that this binary was built with.
    ///
    /// ```
    /// let catalog = loopfour_lang::Catalog::builtin();
    /// assert!(catalog.action("stripe.createInvoice").is_some());
    /// ```
    pub fn builtin() -> &'static Catalog {
        static BUILTIN: LazyLock<Catalog> = LazyLock::new(tables::stripe);
        &BUILTIN
    }

    /// The action of that name (`stripe.createInvoice`).
    pub fn action(&self, name: &str) -> Option<&Arc<Action>> {
        self.actions.get(name)
    }
}

/// What a call does at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Writes, under an idempotency key.
    Post,
    /// Deletes; there is no idempotency key for it.
    Delete,
}

/// Where a parameter goes in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One percent-encoded segment of the path, in place of `{wire name}`.
    Path,
    /// The query string.
    Query,
    /// The form body.
    Form,
}

/// One action: a provider's operation under the names that workflows use.
#[derive(Debug)]
pub struct Action {
    /// Full name, `stripe.createInvoice`.
    pub name: String,
    /// The part before the dot, `stripe`.
    pub provider: String,
    /// The provider's own name of the operation, `PostInvoices`.
    pub operation: String,
    /// One sentence for people.
    pub summary: String,
    /// HTTP method.
    pub method: Method,
    /// Path with `{wire name}` for each path parameter, `/v1/invoices/{invoice}/finalize`.
    pub path: String,
    /// Documented parameters first, in the document's order, then the provider's others by name.
    pub parameters: Vec<Parameter>,
    /// The object that is answered (`invoice`), an item of it where `list` is set.
    pub returns: Option<String>,
    /// Answers a page `{object: "list", data, has_more, url}` of `returns`.
    pub list: bool,
    /// Makes a new object that takes metadata: it is stamped with run and step (spec 11.8).
    pub stamps: bool,
    /// The `status` of an answer that is no error, and yet not what was asked for: somebody has to act first.
    pub unfinished: Option<String>,
    /// Parameters that one might look for here, and what there is instead.
    pub absent: BTreeMap<String, String>,
    /// What else one should know, in sentences.
    pub notes: Vec<String>,
}

impl Action {
    /// The parameter that a key of `config` means: by its name in workflows, by that name in
    /// snake_case, or by its name on the wire.
    ///
    /// ```
    /// let catalog = loopfour_lang::Catalog::builtin();
    /// let action = catalog.action("stripe.createInvoice").unwrap();
    /// assert_eq!(action.parameter("daysUntilDue").unwrap().wire, "days_until_due");
    /// assert_eq!(action.parameter("days_until_due").unwrap().wire, "days_until_due");
    /// assert_eq!(action.parameter("customer_id").unwrap().wire, "customer");
    /// ```
    pub fn parameter(&self, key: &str) -> Option<&Parameter> {
        let find = |means: fn(&Parameter, &str) -> bool| self.parameters.iter().find(|one| means(one, key));
        find(|one, key| one.name == key)
            .or_else(|| find(|one, key| one.wire == key))
            .or_else(|| find(|one, key| tables::snake_case(&one.name) == key))
    }
}

/// One parameter of an action.
#[derive(Debug)]
pub struct Parameter {
    /// Name in workflows, camelCase; accepted in snake_case as well.
    pub name: String,
    /// Name on the wire, snake_case; accepted in workflows as well.
    pub wire: String,
    /// Where it goes.
    pub place: Place,
    /// What it may hold.
    pub kind: Type,
    /// Must be given.
    pub required: bool,
    /// Where it is written in a workflow and comes out null or empty, the step fails before any call (`EMPTY_PARAMETER`).
    pub refuses_empty: bool,
    /// Sent when the workflow does not give it.
    pub default: Option<crate::Value>,
    /// Least and greatest number, where the provider has such a limit.
    pub limits: Option<RangeInclusive<i64>>,
    /// Appears in the source's reference.
    pub documented: bool,
}

impl Parameter {
    /// Every name under which a workflow may give it.
    pub fn spellings(&self) -> [Cow<'_, str>; 3] {
        [Cow::from(&self.name), Cow::from(&self.wire), Cow::from(tables::snake_case(&self.name))]
    }
}

/// What a parameter may hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Text of at most that many characters.
    Text {
        /// Characters.
        max: usize,
    },
    /// A whole number.
    Integer,
    /// Seconds since 1970.
    Timestamp,
    /// A number with a fraction.
    Number,
    /// A decimal number that travels as text.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// One of these texts.
    Enumeration(Vec<String>),
    /// A list of one type.
    List(Box<Type>),
    /// Free keys of one type (metadata).
    Map(Box<Type>),
    /// Named members; those in `required` must be there.
    Object {
        /// By wire name.
        members: BTreeMap<String, Type>,
        /// Names that must be there.
        required: Vec<String>,
    },
    /// Any one of these.
    OneOf(Vec<Type>),
    /// Like the type within, and the empty text clears the field at the provider.
    Clearable(Box<Type>),
    /// Anything.
    Any,
}

impl Type {
    /// The member that a key of a nested object means, with its wire name: `postalCode` and `postal_code` are one.
    /// `None` where the key is unknown or the type has no named members.
    pub fn member(&self, key: &str) -> Option<(&str, &Type)> {
        match self {
            Type::Object { members, .. } => {
                let exact = members.get_key_value(key);
                let found = exact.or_else(|| members.iter().find(|(wire, _)| camel_case(wire) == key));
                found.map(|(wire, kind)| (wire.as_str(), kind))
            }
            Type::OneOf(types) => types.iter().find_map(|kind| kind.member(key)),
            Type::Clearable(kind) => kind.member(key),
            Type::Text { .. }
            | Type::Integer
            | Type::Timestamp
            | Type::Number
            | Type::Decimal
            | Type::Boolean
            | Type::Enumeration(_)
            | Type::List(_)
            | Type::Map(_)
            | Type::Any => None,
        }
    }
}

/// How workflows write a wire name: `postal_code` is `postalCode`.
///
/// ```
/// assert_eq!(loopfour_lang::catalog::camel_case("days_until_due"), "daysUntilDue");
/// ```
pub fn camel_case(wire: &str) -> String {
    let mut words = wire.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// Whether a name inside a parameter says how much, how many or which one: left out, Stripe would take its own default
/// for it, and an item without its `id` is one more. For parameters themselves the catalogue says so.
pub fn decides(wire: &str) -> bool {
    matches!(
        wire,
        "id" | "amount"
            | "amount_decimal"
            | "quantity"
            | "quantity_decimal"
            | "unit_amount"
            | "unit_amount_decimal"
    )
}

/// Whether a name, on the wire or in a workflow, says an amount of money and not a number or a date.
///
/// ```
/// use loopfour_lang::catalog::is_money;
/// assert!(is_money("amountToCapture") && is_money("unit_amount") && !is_money("quantity"));
/// ```
pub fn is_money(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("amount") || name.ends_with("balance")
}
