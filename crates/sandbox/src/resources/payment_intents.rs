//! Payment intents: create, retrieve, update, list, and what is told of one. Confirming, capturing
//! and canceling have files of their own. Only cards pay here; other types are listed, never used.

mod attempt;
mod confirm;
mod end;
mod rules;

use serde_json::{Map, Value, json};

pub(super) use self::attempt::{How, attempt, authenticate};
pub(super) use self::end::{cancel_for_invoice, lapse};
use super::{Action, Context, answer, customers, payment_methods};
use crate::errors::{Failure, Payment};
use crate::ids;
use crate::money;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::params::Params;
use crate::state::{Record, Transaction};

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostPaymentIntents",
        takes: &[
            "allowed_payment_method_types",
            "amount",
            "automatic_payment_methods",
            "capture_method",
            "confirm",
            "currency",
            "customer",
            "description",
            "error_on_requires_action",
            "metadata",
            "off_session",
            "payment_method",
            "payment_method_types",
            "receipt_email",
            "return_url",
            "setup_future_usage",
            "shipping",
            "statement_descriptor",
            "statement_descriptor_suffix",
        ],
        clears: &[],
        run: create,
    },
    Action { operation: "GetPaymentIntentsIntent", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "PostPaymentIntentsIntent",
        takes: &[
            "amount",
            "capture_method",
            "currency",
            "customer",
            "description",
            "metadata",
            "payment_method",
            "payment_method_types",
            "receipt_email",
            "setup_future_usage",
            "shipping",
            "statement_descriptor",
            "statement_descriptor_suffix",
        ],
        clears: &[],
        run: update,
    },
    Action {
        operation: "GetPaymentIntents",
        takes: &["created", "customer", "ending_before", "limit", "starting_after"],
        clears: &[],
        run: list,
    },
    Action {
        operation: "PostPaymentIntentsIntentConfirm",
        takes: &[
            "capture_method",
            "error_on_requires_action",
            "off_session",
            "payment_method",
            "payment_method_types",
            "receipt_email",
            "return_url",
            "setup_future_usage",
            "shipping",
        ],
        clears: &[],
        run: confirm::confirm,
    },
    Action {
        operation: "PostPaymentIntentsIntentCapture",
        takes: &["amount_to_capture", "metadata", "statement_descriptor_suffix"],
        clears: &[],
        run: end::capture,
    },
    Action {
        operation: "PostPaymentIntentsIntentCancel",
        takes: &["cancellation_reason"],
        clears: &[],
        run: end::cancel,
    },
];

/// What is copied from the parameters as it was sent.
const COPIED: &[&str] = &[
    "allowed_payment_method_types",
    "capture_method",
    "customer",
    "description",
    "payment_method_types",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
];

/// What can still be changed once an intent has been paid or canceled.
const ALWAYS_EDITABLE: &[&str] = &["description", "expand", "metadata", "receipt_email", "shipping"];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let currency = money::currency(params.required("currency")?, "currency")?;
    let amount = params.integer("amount").ok_or_else(|| Failure::missing("amount"))?;
    money::check_payment(amount, &currency)?;
    rules::check(params)?;
    let confirm = params.flag("confirm").unwrap_or(false);
    if !confirm {
        rules::check_unconfirmed(params)?;
    }
    let mut set = Map::new();
    params.copy(COPIED, &mut set);
    set.insert("metadata".to_owned(), params.metadata(&Value::Null)?);
    set.insert("amount".to_owned(), json!(amount));
    set.insert("currency".to_owned(), json!(currency));
    rules::set_types(params, &mut set);
    let customer = params.text("customer").unwrap_or_default();
    if !customer.is_empty() {
        customers::referenced(&ctx.tx, customer)?;
    }
    let id = ids::fresh("pi_3", 23);
    let now = ctx.tx.now;
    let mut intent = ctx.tx.create(&id, now, blank(&id, now, set));
    if let Some(method) = params.text("payment_method") {
        set_method(&mut ctx.tx, &mut intent, method)?;
    }
    if confirm {
        intent = confirm::run(ctx, intent)?;
    } else {
        ctx.tx.put(intent.clone());
    }
    Ok(answer(&ctx.tx, &intent))
}

/// Names the payment method of an intent that has not been paid.
fn set_method(tx: &mut Transaction<'_>, intent: &mut Record, id: &str) -> Result<(), Failure> {
    let method = payment_methods::usable(tx, id, intent.text("customer"), "payment_method")?;
    rules::check_method(intent, &method)?;
    intent.set("payment_method", method.id);
    intent.set("status", "requires_confirmation");
    Ok(())
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("payment_intent", "intent")?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut intent = ctx.named("payment_intent", "intent")?;
    rules::check(params)?;
    let ended = !matches!(
        intent.text("status"),
        "requires_payment_method" | "requires_confirmation" | "requires_action"
    );
    if ended && params.names().any(|name| !ALWAYS_EDITABLE.contains(&name)) {
        return Err(unexpected_state(&ctx.tx, &intent, "changed like that"));
    }
    let currency = match params.text("currency") {
        Some(sent) => money::currency(sent, "currency")?,
        None => intent.text("currency").to_owned(),
    };
    let amount = params.integer("amount").unwrap_or(intent.integer("amount"));
    if params.has("amount") || params.has("currency") {
        money::check_payment(amount, &currency)?;
    }
    if let Some(customer) = params.text("customer") {
        customers::referenced(&ctx.tx, customer)?;
    }
    let before = intent.value.get("metadata").cloned().unwrap_or_default();
    let mut set = Map::new();
    params.copy(COPIED, &mut set);
    set.insert("metadata".to_owned(), params.metadata(&before)?);
    set.insert("amount".to_owned(), json!(amount));
    set.insert("currency".to_owned(), json!(currency));
    if params.has("payment_method_types") {
        set.insert("automatic_payment_methods".to_owned(), Value::Null);
    }
    intent.apply(set);
    if let Some(method) = params.text("payment_method") {
        set_method(&mut ctx.tx, &mut intent, method)?;
    }
    ctx.tx.put(intent.clone());
    Ok(answer(&ctx.tx, &intent))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let by = params.text("customer").map(|customer| ("customer", customer));
    let url = "/v1/payment_intents".to_owned();
    let listing = Listing { object: "payment_intent", url, by, order: Order::NewestFirst };
    paging::page(ctx, &listing, |record| {
        paging::within(params.get("created"), Some(record.integer("created")))
    })
}

/// A call that an intent's state does not allow; it tells the intent.
fn unexpected_state(tx: &Transaction<'_>, intent: &Record, what: &str) -> Failure {
    let message = format!("this payment intent cannot be {what}: its status is `{}`", intent.text("status"));
    let told = Payment { intent: answer(tx, intent), ..Payment::default() };
    Failure::refused(message).code("payment_intent_unexpected_state").payment(told)
}

/// An intent with defaults for what `set` leaves out.
fn blank(id: &str, created: i64, set: Map<String, Value>) -> Map<String, Value> {
    let automatic = json!({"allow_redirects": "always", "enabled": true});
    let typed = set.contains_key("payment_method_types");
    let defaults = json!({
        "id": id,
        "amount_capturable": 0,
        "amount_received": 0,
        "automatic_payment_methods": if typed { Value::Null } else { automatic },
        "capture_method": "automatic_async",
        "client_secret": ids::fresh(&format!("{id}_secret_"), 25),
        "confirmation_method": "automatic",
        "created": created,
        "currency": money::DEFAULT_CURRENCY,
        "livemode": false,
        "metadata": {},
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card", "link"],
        "status": "requires_payment_method",
    });
    keep("payment_intent", defaults, set)
}

/// Makes the intent by which an invoice is paid; answers its id.
pub(super) fn for_invoice(tx: &mut Transaction<'_>, invoice: &Record, amount: i64) -> String {
    let id = ids::fresh("pi_3", 23);
    let now = tx.now;
    let set = json!({
        "amount": amount,
        "capture_method": "automatic",
        "currency": invoice.text("currency"),
        "customer": invoice.text("customer"),
        "description": format!("Payment for invoice {}", invoice.text("number")),
        "payment_method_types": ["card"],
    });
    let set = set.as_object().cloned().unwrap_or_default();
    let mut record = tx.create(&id, now, blank(&id, now, set));
    record.hidden.insert("invoice".to_owned(), json!(invoice.id));
    tx.put(record);
    id
}

/// Stores a payment intent from a fixture. One that holds or has taken money gets the charge for it,
/// by its `payment_method` or else by the first test card.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, mut given: Map<String, Value>) -> Result<(), String> {
    let customer = given.get("customer").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !customer.is_empty() && customers::referenced(tx, &customer).is_err() {
        return Err(format!("`{id}` needs the id of a customer before it in `customer`"));
    }
    let amount = given.get("amount").and_then(Value::as_i64);
    let amount = amount.ok_or_else(|| format!("`{id}` needs an integer `amount`"))?;
    let currency = given.get("currency").and_then(Value::as_str).unwrap_or(money::DEFAULT_CURRENCY);
    money::check_payment(amount, currency).map_err(|failure| format!("{} (in `{id}`)", failure.message))?;
    let created = given.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    let status = given.get("status").and_then(Value::as_str).unwrap_or_default().to_owned();
    let method = given.shift_remove("payment_method");
    let paid = matches!(&*status, "requires_capture" | "succeeded");
    if paid {
        given.insert("status".to_owned(), json!("requires_confirmation"));
    }
    if status == "requires_capture" {
        given.insert("capture_method".to_owned(), json!("manual"));
    }
    if let Some(method) = &method {
        given.insert("payment_method".to_owned(), method.clone());
    }
    let intent = tx.create(id, created, blank(id, created, given));
    if paid {
        let method = method.as_ref().and_then(Value::as_str).unwrap_or("pm_card_visa");
        let method = payment_methods::usable(tx, method, &customer, "payment_method");
        let charged = method.and_then(|method| attempt(tx, intent, &method, &How::default()));
        let charged = charged.map_err(|failure| format!("{} (in `{id}`)", failure.message))?;
        if charged.text("status") != status {
            return Err(format!(
                "`{id}` is {} with its payment method, not {status}",
                charged.text("status")
            ));
        }
    }
    Ok(())
}

/// The flag `off_session`, which may also say why.
pub(super) fn off_session(params: &Params) -> bool {
    params.get("off_session").is_some_and(|sent| sent.as_bool().unwrap_or(true))
}
