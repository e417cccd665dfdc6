//! Which actions exist and what they take: one row each, made from the tables in `catalog/`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// All actions of all providers, by name (`stripe.createInvoice`).
#[derive(Debug, Default)]
pub struct Catalog {
    /// By full name.
    pub actions: BTreeMap<String, Arc<Action>>,
}

impl Catalog {
    /// The catalogue that this binary was built with.
    pub fn builtin() -> &'static Catalog {
        static BUILTIN: LazyLock<Catalog> = LazyLock::new(Catalog::default);
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
}

/// One parameter of an action.
#[derive(Debug)]
pub struct Parameter {
    /// Name in workflows, camelCase.
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
    /// Appears in the source's reference.
    pub documented: bool,
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
