//! One object as it is kept: what is answered of it and what is remembered besides, which lists it stands in, and
//! when something is to be done about it. It knows nothing of other objects.

use serde_json::{Map, Value};

/// The fields by which lists can be narrowed without reading every object.
const INDEXED: &[(&str, &[&str])] = &[
    ("balance_transaction", &["source", "type"]),
    ("charge", &["customer", "payment_intent"]),
    ("customer", &["email"]),
    ("delivery", &["event"]),
    ("event", &["type"]),
    ("invoice", &["customer"]),
    ("invoice_payment", &["invoice"]),
    ("invoiceitem", &["customer", "invoice"]),
    ("line_item", &["invoice"]),
    ("payment_intent", &["customer"]),
    ("payment_method", &["customer"]),
    ("price", &["product"]),
    ("refund", &["charge", "payment_intent"]),
    ("subscription", &["customer"]),
    ("subscription_item", &["subscription"]),
];

/// The place of an object in its lists: when it was made, then the order of making.
pub(crate) type Place = (i64, i64);

/// One object.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) place: Place,
    /// What is answered, nulls left out.
    pub(crate) value: Map<String, Value>,
    /// What is remembered besides.
    pub(crate) hidden: Map<String, Value>,
}

impl Record {
    /// A text field of the object; empty where it has none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.value.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// An integer field of the object; 0 where it has none.
    pub(crate) fn integer(&self, name: &str) -> i64 {
        self.value.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// Which kind of object it is.
    pub(crate) fn object(&self) -> &str {
        self.text("object")
    }

    /// Whether only the fact is left that it was there.
    pub(crate) fn deleted(&self) -> bool {
        self.value.contains_key("deleted")
    }

    /// Sets a field; null takes it away.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        match value.into() {
            Value::Null => drop(self.value.shift_remove(name)),
            value => drop(self.value.insert(name.to_owned(), value)),
        }
    }

    /// The lists that it stands in.
    pub(crate) fn lists(&self) -> Vec<ListKey> {
        let object = self.object().to_owned();
        let fields = INDEXED.iter().find(|(name, _)| *name == object).map_or(&[][..], |(_, fields)| *fields);
        let narrowed = fields
            .iter()
            .filter_map(|field| Some((object.clone(), *field, self.value.get(*field)?.as_str()?.to_owned())));
        let mut keys: Vec<ListKey> = narrowed.collect();
        keys.push((object, "", String::new()));
        keys
    }

    /// Sets the named fields; null takes one away.
    pub(crate) fn apply(&mut self, fields: Map<String, Value>) {
        for (name, value) in fields {
            self.set(&name, value);
        }
    }

    /// Something remembered besides, as a text; empty where there is none.
    pub(crate) fn hidden_text(&self, name: &str) -> &str {
        self.hidden.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Has the object woken at a time, or no longer.
    pub(crate) fn wake_at(&mut self, at: Option<i64>) {
        match at {
            Some(at) => drop(self.hidden.insert("wakes_at".to_owned(), at.into())),
            None => drop(self.hidden.shift_remove("wakes_at")),
        }
    }

    /// When it does something by itself, in seconds since 1970.
    pub(crate) fn due(&self) -> Option<i64> {
        let own = self.value.get("automatically_finalizes_at");
        own.or_else(|| self.hidden.get("wakes_at"))?.as_i64()
    }

    /// Where it is a delivery that is to be tried: to which endpoint, and its place among those to it.
    pub(crate) fn attempt(&self, account: &str) -> Option<(&str, Try)> {
        let waits = self.object() == "delivery" && self.text("status") == "pending";
        let at = self.value.get("next").filter(|_| waits)?.as_i64()?;
        Some((self.text("endpoint"), (at, self.place.1, account.to_owned(), self.id.clone())))
    }
}

/// The kind of object, a field and its value; field and value are empty for the list of all.
pub(crate) type ListKey = (String, &'static str, String);

/// When a delivery is to be tried, the order of making, its account and its id.
pub(crate) type Try = (i64, i64, String, String);
