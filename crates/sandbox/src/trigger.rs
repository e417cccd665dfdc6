//! Causes an event on request, by the ordinary operations that lead to it: the fixtures it needs are made, and the
//! change it tells of happens. The other events on the way come too, as they would for any caller.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::call;
use crate::errors::{Effect, Failure};
use crate::form;
use crate::ids;
use crate::resources::{self, Context};
use crate::state::{Origin, State};
use crate::table::TABLE;

/// One call: a name for what it answers, its method and path, and its parameters. `{name}` in these is the id
/// that the step of that name has answered, and `{name.field}` one of its fields.
type Step = (&'static str, &'static str, &'static str);

const CARD: &str = "card";
const INTENT: &str = "payment_intent";

const CUSTOMER: Step = (
    "customer",
    "POST /v1/customers",
    "name=Ada+Example&email=ada@example.com&payment_method=pm_card_visa\
     &invoice_settings[default_payment_method]=pm_card_visa",
);
/// Whose card can be kept and is refused when it is charged.
const DECLINER: Step = (
    "customer",
    "POST /v1/customers",
    "name=Ada+Example&email=ada@example.com&payment_method=pm_card_chargeCustomerFail\
     &invoice_settings[default_payment_method]=pm_card_chargeCustomerFail",
);
const ATTACH: Step = (CARD, "POST /v1/payment_methods/pm_card_visa/attach", "customer={customer}");
const ATTACH_ASKING: Step =
    (CARD, "POST /v1/payment_methods/pm_card_authenticationRequired/attach", "customer={customer}");
const PRODUCT: Step = ("product", "POST /v1/products", "name=Standard");
const PRICE: Step =
    ("price", "POST /v1/prices", "product={product}&currency=usd&unit_amount=2900&recurring[interval]=month");
const COUPON: Step = ("coupon", "POST /v1/coupons", "percent_off=25&duration=forever");
const INVOICE: Step = ("invoice", "POST /v1/invoices", "customer={customer}");
const SENT_INVOICE: Step =
    ("invoice", "POST /v1/invoices", "customer={customer}&collection_method=send_invoice&days_until_due=30");
const ITEM: Step = (
    "item",
    "POST /v1/invoiceitems",
    "customer={customer}&invoice={invoice}&amount=9900&currency=usd&description=Consulting",
);
const FINALIZE: Step = ("", "POST /v1/invoices/{invoice}/finalize", "");
const PAY: Step = ("", "POST /v1/invoices/{invoice}/pay", "");
const SUBSCRIPTION: Step =
    ("subscription", "POST /v1/subscriptions", "customer={customer}&items[0][price]={price}");
const OPEN: Step =
    (INTENT, "POST /v1/payment_intents", "amount=9900&currency=usd&payment_method_types[]=card");
const PAID: Step = (
    INTENT,
    "POST /v1/payment_intents",
    "amount=9900&currency=usd&payment_method_types[]=card&payment_method=pm_card_visa&confirm=true",
);
const HELD: Step = (
    INTENT,
    "POST /v1/payment_intents",
    "amount=9900&currency=usd&payment_method_types[]=card&payment_method=pm_card_visa&confirm=true\
     &capture_method=manual",
);
const DECLINED: Step =
    ("", "POST /v1/payment_intents/{payment_intent}/confirm", "payment_method=pm_card_chargeDeclined");
const ASKING: Step =
    ("", "POST /v1/payment_intents/{payment_intent}/confirm", "payment_method=pm_card_threeDSecure2Required");
const REFUND: Step = ("refund", "POST /v1/refunds", "payment_intent={payment_intent}&amount=1000");
const NOTE: &str = "metadata[note]=changed";

/// What leads to which event.
const RECIPES: &[(&str, &[Step])] = &[
    ("charge.captured", &[HELD, ("", "POST /v1/payment_intents/{payment_intent}/capture", "")]),
    ("charge.failed", &[OPEN, DECLINED]),
    ("charge.refund.updated", &[PAID, REFUND, ("", "POST /v1/refunds/{refund}", NOTE)]),
    ("charge.refunded", &[PAID, REFUND]),
    ("charge.succeeded", &[PAID]),
    ("charge.updated", &[PAID, ("", "POST /v1/charges/{payment_intent.latest_charge}", NOTE)]),
    ("coupon.created", &[COUPON]),
    ("coupon.deleted", &[COUPON, ("", "DELETE /v1/coupons/{coupon}", "")]),
    ("coupon.updated", &[COUPON, ("", "POST /v1/coupons/{coupon}", NOTE)]),
    ("customer.created", &[CUSTOMER]),
    ("customer.deleted", &[CUSTOMER, ("", "DELETE /v1/customers/{customer}", "")]),
    (
        "customer.discount.created",
        &[
            CUSTOMER,
            PRODUCT,
            PRICE,
            COUPON,
            (
                "subscription",
                "POST /v1/subscriptions",
                "customer={customer}&items[0][price]={price}&discounts[0][coupon]={coupon}",
            ),
        ],
    ),
    ("customer.subscription.created", &[CUSTOMER, PRODUCT, PRICE, SUBSCRIPTION]),
    (
        "customer.subscription.deleted",
        &[CUSTOMER, PRODUCT, PRICE, SUBSCRIPTION, ("", "DELETE /v1/subscriptions/{subscription}", "")],
    ),
    (
        "customer.subscription.trial_will_end",
        &[
            CUSTOMER,
            PRODUCT,
            PRICE,
            (
                "subscription",
                "POST /v1/subscriptions",
                "customer={customer}&items[0][price]={price}&trial_period_days=2",
            ),
        ],
    ),
    (
        "customer.subscription.updated",
        &[
            CUSTOMER,
            PRODUCT,
            PRICE,
            SUBSCRIPTION,
            (
                "",
                "POST /v1/subscriptions/{subscription}",
                "items[0][id]={subscription.items.data.0.id}&items[0][quantity]=2",
            ),
        ],
    ),
    ("customer.updated", &[CUSTOMER, ("", "POST /v1/customers/{customer}", NOTE)]),
    ("invoice.created", &[CUSTOMER, INVOICE]),
    ("invoice.deleted", &[CUSTOMER, INVOICE, ("", "DELETE /v1/invoices/{invoice}", "")]),
    ("invoice.finalized", &[CUSTOMER, INVOICE, ITEM, FINALIZE]),
    (
        "invoice.marked_uncollectible",
        &[CUSTOMER, INVOICE, ITEM, FINALIZE, ("", "POST /v1/invoices/{invoice}/mark_uncollectible", "")],
    ),
    ("invoice.paid", &[CUSTOMER, INVOICE, ITEM, FINALIZE, PAY]),
    (
        "invoice.payment_action_required",
        &[
            CUSTOMER,
            ATTACH_ASKING,
            INVOICE,
            ITEM,
            FINALIZE,
            ("", "POST /v1/invoices/{invoice}/pay", "payment_method={card}"),
        ],
    ),
    ("invoice.payment_failed", &[DECLINER, INVOICE, ITEM, FINALIZE, PAY]),
    ("invoice.payment_succeeded", &[CUSTOMER, INVOICE, ITEM, FINALIZE, PAY]),
    ("invoice.sent", &[CUSTOMER, SENT_INVOICE, ITEM, FINALIZE, ("", "POST /v1/invoices/{invoice}/send", "")]),
    ("invoice.updated", &[CUSTOMER, INVOICE, ("", "POST /v1/invoices/{invoice}", NOTE)]),
    ("invoice.voided", &[CUSTOMER, INVOICE, ITEM, FINALIZE, ("", "POST /v1/invoices/{invoice}/void", "")]),
    ("invoice_payment.paid", &[CUSTOMER, INVOICE, ITEM, FINALIZE, PAY]),
    ("invoiceitem.created", &[CUSTOMER, INVOICE, ITEM]),
    ("invoiceitem.deleted", &[CUSTOMER, INVOICE, ITEM, ("", "DELETE /v1/invoiceitems/{item}", "")]),
    ("payment_intent.amount_capturable_updated", &[HELD]),
    ("payment_intent.canceled", &[OPEN, ("", "POST /v1/payment_intents/{payment_intent}/cancel", "")]),
    ("payment_intent.created", &[OPEN]),
    ("payment_intent.payment_failed", &[OPEN, DECLINED]),
    ("payment_intent.requires_action", &[OPEN, ASKING]),
    ("payment_intent.succeeded", &[PAID]),
    ("payment_method.attached", &[CUSTOMER, ATTACH]),
    ("payment_method.detached", &[CUSTOMER, ATTACH, ("", "POST /v1/payment_methods/{card}/detach", "")]),
    ("payment_method.updated", &[CUSTOMER, ATTACH, ("", "POST /v1/payment_methods/{card}", NOTE)]),
    ("plan.created", &[PRODUCT, PRICE]),
    ("plan.updated", &[PRODUCT, PRICE, ("", "POST /v1/prices/{price}", NOTE)]),
    ("price.created", &[PRODUCT, PRICE]),
    ("price.updated", &[PRODUCT, PRICE, ("", "POST /v1/prices/{price}", NOTE)]),
    ("product.created", &[PRODUCT]),
    ("product.deleted", &[PRODUCT, ("", "DELETE /v1/products/{product}", "")]),
    ("product.updated", &[PRODUCT, ("", "POST /v1/products/{product}", NOTE)]),
    ("refund.created", &[PAID, REFUND]),
    ("refund.updated", &[PAID, REFUND, ("", "POST /v1/refunds/{refund}", NOTE)]),
];

/// The types of events that can be caused.
pub(crate) fn known() -> Vec<&'static str> {
    RECIPES.iter().map(|(kind, _)| *kind).collect()
}

/// Makes the changes in an account that cause an event; answers its id, its type and the objects that were made.
/// `Err` says why not.
pub(crate) fn trigger(state: &mut State, now: i64, account: &str, kind: &str) -> Result<Value, String> {
    let recipe = RECIPES.iter().find(|(known, _)| *known == kind);
    let (kind, steps) = recipe.ok_or_else(|| unknown(kind))?;
    let before = newest(state, now, account, kind);
    let mut answers = HashMap::new();
    let mut objects: Vec<String> = Vec::new();
    for (name, address, params) in *steps {
        let (address, params) = (fill(address, &answers), fill(params, &answers));
        let answer = match carry_out(state, now, account, (&address, &params)) {
            Ok(answer) => answer,
            // A refused payment is what some events are about.
            Err(failure) if failure.effect == Effect::Stands => continue,
            Err(failure) => return Err(format!("{address} was refused: {}", failure.message)),
        };
        if let Some(id) = answer["id"].as_str().filter(|id| !objects.iter().any(|known| known == id)) {
            objects.push(id.to_owned());
        }
        answers.insert(*name, answer);
    }
    match newest(state, now, account, kind) {
        Some(event) if before.as_ref() != Some(&event) => {
            Ok(json!({"event": event, "type": kind, "account": account, "objects": objects}))
        }
        Some(_) | None => Err(format!("the calls for `{kind}` went through, but no such event came")),
    }
}

fn newest(state: &mut State, now: i64, account: &str, kind: &str) -> Option<String> {
    let tx = state.begin(account, now);
    tx.list("event", Some(("type", kind)))?.values().next_back().cloned()
}

/// Puts what was answered in place of the names in braces.
fn fill(text: &str, answers: &HashMap<&str, Value>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, named)) = rest.split_once('{')
        && let Some((name, after)) = named.split_once('}')
    {
        let (name, field) = name.split_once('.').unwrap_or((name, "id"));
        let pointer = format!("/{}", field.replace('.', "/"));
        let value = answers.get(name).and_then(|answer| answer.pointer(&pointer)).and_then(Value::as_str);
        filled.push_str(before);
        filled.push_str(value.unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Does a call as one that comes over HTTP is done.
fn carry_out(
    state: &mut State,
    now: i64,
    account: &str,
    (address, params): (&str, &str),
) -> Result<Value, Failure> {
    let (method, path) = address.split_once(' ').unwrap_or_default();
    let route = TABLE.route(method, path).ok_or_else(|| Failure::unknown_url(method, path))?;
    let unsupported = || Failure::unsupported(format_args!("the operation {}", route.operation.id));
    let action = resources::action(&route.operation.id).ok_or_else(unsupported)?;
    let pairs = form::pairs(params.as_bytes()).map_err(|error| Failure::invalid(error.to_string()))?;
    let params = call::check_params(route.operation, action, &pairs)?;
    let mut ctx = Context { tx: state.begin(account, now), path: &route.path, params: &params };
    ctx.tx.origin = Origin { request_id: Some(ids::fresh("req_", 14)), key: None };
    call::perform(ctx, action)
}

/// Says that an event cannot be caused, what may have been meant, and what can.
fn unknown(kind: &str) -> String {
    let known = known();
    let nearest = known.iter().min_by_key(|known| distance(known, kind));
    let meant = nearest.filter(|known| distance(known, kind) <= kind.len() / 3);
    let meant = meant.map(|known| format!(", did you mean `{known}`?")).unwrap_or_default();
    let what = if TABLE.event_types().iter().any(|known| known == kind) {
        "is an event that the sandbox cannot cause"
    } else {
        "is no event"
    };
    format!("`{kind}` {what}{meant} (there are {})", known.join(", "))
}

/// How many letters have to be put in, left out or changed to make one text of another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (at, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[track_caller]
    fn check(one: &str, other: &str, expect: usize) {
        assert_eq!((distance(one, other), distance(other, one)), (expect, expect), "{one} {other}");
    }

    #[test]
    fn distances_count_changed_letters() {
        check("", "", 0);
        check("invoice.paid", "invoice.paid", 0);
        check("invoice.paid", "invoice.payed", 2);
        check("invoice.paid", "", 12);
        check("kitten", "sitting", 3);
    }
}
