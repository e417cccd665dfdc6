//! Events: what the changes of a transaction mean, in Stripe's types. A table says by kind of object which
//! change means which type; an event keeps its object as it was answered then, and is gone after thirty days.

use serde_json::{Map, Value, json};

use crate::deliveries;
use crate::ids;
use crate::resources;
use crate::state::{Record, Snapshot, Transaction};
use crate::table::{TABLE, VERSION};

/// How long an event is kept, in seconds.
const KEPT_FOR: i64 = 30 * 86_400;

/// What became of one object in a transaction.
struct Change<'a> {
    tx: &'a Transaction<'a>,
    before: Option<&'a Snapshot>,
    after: Option<&'a Snapshot>,
}

/// A type of event, and whether a change means it.
type Rule = (&'static str, fn(&Change<'_>) -> bool);

/// Which changes of which kind of object mean which events, in the order they are told.
const RULES: &[(&str, &[Rule])] = &[
    (
        "charge",
        &[
            ("charge.succeeded", |it| it.made() && it.is("/status") == "succeeded"),
            ("charge.failed", |it| it.made() && it.is("/status") == "failed"),
            ("charge.captured", |it| it.captured()),
            ("charge.expired", |it| it.expired()),
            ("charge.refunded", |it| it.refunded()),
            ("charge.updated", |it| it.changed() && !it.captured() && !it.expired() && !it.refunded()),
        ],
    ),
    (
        "coupon",
        &[
            ("coupon.created", |it| it.made()),
            ("coupon.updated", |it| it.changed()),
            ("coupon.deleted", |it| it.gone()),
        ],
    ),
    (
        "customer",
        &[
            ("customer.created", |it| it.made()),
            ("customer.updated", |it| it.changed()),
            ("customer.deleted", |it| it.gone()),
        ],
    ),
    ("discount", &[("customer.discount.created", |it| it.made() && it.is("/subscription").is_string())]),
    (
        "invoice",
        &[
            ("invoice.created", |it| it.made()),
            ("invoice.updated", |it| it.changed()),
            ("invoice.finalized", |it| it.reaches("/status_transitions/finalized_at")),
            ("invoice.sent", |it| it.remembers("sent_at")),
            ("invoice.paid", |it| it.becomes("paid")),
            ("invoice.payment_succeeded", |it| {
                it.becomes("paid") && it.is("/amount_paid_off_stripe").as_i64().is_none_or(|off| off == 0)
            }),
            ("invoice.payment_failed", |it| it.payment_missed() && !it.waits_for_customer()),
            ("invoice.payment_action_required", |it| it.payment_missed() && it.needs_customer()),
            ("invoice.voided", |it| it.becomes("void")),
            ("invoice.marked_uncollectible", |it| it.becomes("uncollectible")),
            ("invoice.deleted", |it| it.gone()),
        ],
    ),
    ("invoice_payment", &[("invoice_payment.paid", |it| it.becomes("paid"))]),
    ("invoiceitem", &[("invoiceitem.created", |it| it.made()), ("invoiceitem.deleted", |it| it.gone())]),
    (
        "payment_intent",
        &[
            ("payment_intent.created", |it| it.made()),
            ("payment_intent.amount_capturable_updated", |it| it.grows("/amount_capturable")),
            ("payment_intent.requires_action", |it| it.becomes("requires_action")),
            ("payment_intent.succeeded", |it| it.becomes("succeeded")),
            ("payment_intent.payment_failed", |it| it.intent_refused()),
            ("payment_intent.canceled", |it| it.becomes("canceled")),
        ],
    ),
    (
        "payment_method",
        &[
            ("payment_method.attached", |it| it.reaches("/customer")),
            ("payment_method.detached", |it| it.was("/customer").is_string() && it.is("/customer").is_null()),
            ("payment_method.updated", |it| it.changed() && it.was("/customer") == it.is("/customer")),
        ],
    ),
    ("plan", &[("plan.created", |it| it.made()), ("plan.updated", |it| it.changed())]),
    ("price", &[("price.created", |it| it.made()), ("price.updated", |it| it.changed())]),
    (
        "product",
        &[
            ("product.created", |it| it.made()),
            ("product.updated", |it| it.changed()),
            ("product.deleted", |it| it.gone()),
        ],
    ),
    (
        "refund",
        &[
            ("refund.created", |it| it.made()),
            ("refund.updated", |it| it.changed()),
            ("charge.refund.updated", |it| it.changed()),
        ],
    ),
    (
        "subscription",
        &[
            ("customer.subscription.created", |it| it.made()),
            ("customer.subscription.updated", |it| it.changed() && !it.becomes("canceled")),
            ("customer.subscription.trial_will_end", |it| it.remembers("trial_told")),
            ("customer.subscription.paused", |it| it.becomes("paused")),
            ("customer.subscription.deleted", |it| !it.made() && it.becomes("canceled")),
        ],
    ),
];

fn rules(object: &str) -> Option<&'static [Rule]> {
    RULES.iter().find(|(name, _)| *name == object).map(|(_, rules)| *rules)
}

/// Whether changes of a kind of object are told at all.
pub(crate) fn are_told_of(object: &str) -> bool {
    rules(object).is_some()
}

/// Records the events that a change of an object means.
pub(crate) fn tell(tx: &mut Transaction<'_>, id: &str, before: Option<&Snapshot>) {
    let after = tx.find(id).filter(|record| !record.deleted());
    let after = after.map(|record| Snapshot::of(tx, record));
    let before = before.filter(|before| !before.record.deleted());
    tell_change(tx, before, after.as_ref());
    let plan = |price: Option<&Snapshot>| price.and_then(plan_of);
    if let (before, after) = (plan(before), plan(after.as_ref()))
        && (before.is_some() || after.is_some())
    {
        tell_change(tx, before.as_ref(), after.as_ref());
    }
}

/// A recurring price as the plan that it also is.
fn plan_of(price: &Snapshot) -> Option<Snapshot> {
    let plan = resources::plan(&price.record)?;
    let value = plan.as_object().cloned().unwrap_or_default();
    Some(Snapshot { record: Record { value, ..price.record.clone() }, answer: plan })
}

fn tell_change(tx: &mut Transaction<'_>, before: Option<&Snapshot>, after: Option<&Snapshot>) {
    let Some(told) = after.or(before) else { return };
    let change = Change { tx, before, after };
    let rules = rules(told.record.object()).into_iter().flatten();
    let kinds: Vec<&'static str> = rules.filter(|(_, means)| means(&change)).map(|(kind, _)| *kind).collect();
    for kind in kinds {
        debug_assert!(is_known(kind), "`{kind}` is none of the version's types");
        let mut data = json!({"object": told.answer});
        if kind.ends_with(".updated")
            && let (Some(before), Some(after)) = (before, after)
        {
            data["previous_attributes"] = previous(&before.answer, &after.answer);
        }
        record(tx, kind, &data);
    }
}

/// Whether the version of the API has a type of event.
fn is_known(kind: &str) -> bool {
    TABLE.event_types().iter().any(|known| known == kind)
}

fn record(tx: &mut Transaction<'_>, kind: &str, data: &Value) {
    let id = ids::fresh("evt_1", 23);
    let now = tx.now;
    let value = json!({
        "id": id,
        "object": "event",
        "api_version": VERSION,
        "created": now,
        "type": kind,
        "request": {"id": tx.origin.request_id, "idempotency_key": tx.origin.key},
    });
    let Value::Object(value) = value else { return };
    let mut event = tx.draw_up(&id, now, value);
    // As text it takes a fraction of the room, and nothing looks into it.
    event.hidden.insert("data".to_owned(), json!(data.to_string()));
    event.wake_at(Some(now + KEPT_FOR));
    tx.put(event.clone());
    deliveries::plan(tx, &event);
}

/// Forgets an event whose time is over, with its deliveries.
pub(crate) fn expire(tx: &mut Transaction<'_>, id: &str) {
    deliveries::forget(tx, id);
    tx.remove(id);
}

/// What the fields that differ were before; of nested objects only what differs in them.
fn previous(before: &Value, after: &Value) -> Value {
    let (Some(was), Some(is)) = (before.as_object(), after.as_object()) else { return before.clone() };
    let mut found = Map::new();
    for name in was.keys().chain(is.keys().filter(|name| !was.contains_key(*name))) {
        let (was, is) = (was.get(name).unwrap_or(&Value::Null), is.get(name).unwrap_or(&Value::Null));
        if was != is {
            found.insert(name.clone(), previous(was, is));
        }
    }
    Value::Object(found)
}

impl Change<'_> {
    fn made(&self) -> bool {
        self.before.is_none() && self.after.is_some()
    }

    fn gone(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }

    fn changed(&self) -> bool {
        matches!((self.before, self.after), (Some(before), Some(after)) if before.answer != after.answer)
    }

    /// What is answered under a pointer now; null where there is nothing.
    fn is(&self, pointer: &str) -> &Value {
        self.after.and_then(|after| after.answer.pointer(pointer)).unwrap_or(&Value::Null)
    }

    /// What was answered there before.
    fn was(&self, pointer: &str) -> &Value {
        self.before.and_then(|before| before.answer.pointer(pointer)).unwrap_or(&Value::Null)
    }

    fn becomes(&self, status: &str) -> bool {
        self.is("/status") == status && self.was("/status") != status
    }

    fn reaches(&self, pointer: &str) -> bool {
        self.was(pointer).is_null() && !self.is(pointer).is_null()
    }

    fn grows(&self, pointer: &str) -> bool {
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        number(self.is(pointer)) > number(self.was(pointer))
    }

    /// Whether something is remembered besides the object that was not, or was other, before.
    fn remembers(&self, name: &str) -> bool {
        let hidden = |it: Option<&Snapshot>| it.and_then(|it| it.record.hidden.get(name)).cloned();
        let now = hidden(self.after);
        now.is_some() && now != hidden(self.before)
    }

    fn captured(&self) -> bool {
        self.was("/captured") == &json!(false) && self.is("/captured") == &json!(true)
    }

    /// What was held has been let go because nobody took it in time.
    fn expired(&self) -> bool {
        let intent = self.is("/payment_intent").as_str().and_then(|id| self.tx.find(id));
        let automatic = intent.is_some_and(|intent| intent.text("cancellation_reason") == "automatic");
        automatic && self.changed() && self.is("/captured") == &json!(false) && self.grows("/amount_refunded")
    }

    fn refunded(&self) -> bool {
        self.changed() && !self.captured() && !self.expired() && self.grows("/amount_refunded")
    }

    /// An intent's payment was refused, or its customer did not authenticate it.
    fn intent_refused(&self) -> bool {
        let (was, is) = (self.was("/last_payment_error"), self.is("/last_payment_error"));
        self.is("/status") == "requires_payment_method"
            && !is.is_null()
            && (was != is || self.was("/status") != "requires_payment_method")
    }

    /// An invoice was to be paid, and is not.
    fn payment_missed(&self) -> bool {
        self.grows("/attempt_count") && self.is("/status") != "paid"
    }

    /// Whether the payment of an invoice goes on as soon as its customer authenticates it.
    fn waits_for_customer(&self) -> bool {
        self.intent().is_some_and(|intent| intent.text("status") == "requires_action")
    }

    /// Whether the payment of an invoice lacks only its customer's authentication.
    fn needs_customer(&self) -> bool {
        let asked = |intent: &Record| {
            let error = intent.value.get("last_payment_error");
            error.is_some_and(|error| error["code"] == "authentication_required")
        };
        self.waits_for_customer() || self.intent().is_some_and(asked)
    }

    /// The intent by which an invoice is paid.
    fn intent(&self) -> Option<&Record> {
        self.tx.get("payment_intent", self.after?.record.hidden_text("intent"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that only time brings about.
    const NOT_CAUSED: [&str; 2] = ["charge.expired", "customer.subscription.paused"];

    #[test]
    fn each_type_is_the_versions_and_can_be_caused() {
        let mut types: Vec<&str> =
            RULES.iter().flat_map(|(_, rules)| *rules).map(|(kind, _)| *kind).collect();
        assert!(types.iter().all(|kind| is_known(kind)), "{types:?}");
        let mut caused = crate::trigger::known();
        caused.extend(NOT_CAUSED);
        types.sort_unstable();
        caused.sort_unstable();
        assert_eq!(types, caused);
    }
}
