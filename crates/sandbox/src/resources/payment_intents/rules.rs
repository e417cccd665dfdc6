//! The rules between the parameters of a payment intent: which go together, and when.

use serde_json::{Map, Value, json};

use crate::errors::Failure;
use crate::params::Params;
use crate::resources::customers::check_email;
use crate::state::Record;
use crate::table::{Shape, TABLE};

/// Parameters that say something about confirming, so they go only with it.
const ONLY_WITH_CONFIRM: &[&str] = &["off_session", "return_url", "error_on_requires_action"];

/// What is wrong with the parameters of any call, whatever the intent's state.
pub(super) fn check(params: &Params) -> Result<(), Failure> {
    let choices = ["automatic_payment_methods", "payment_method_types", "allowed_payment_method_types"];
    let enabled = |name: &str| match params.get(name) {
        Some(Value::Object(automatic)) => automatic.get("enabled") == Some(&Value::Bool(true)),
        other => other.is_some(),
    };
    let chosen: Vec<&str> = choices.into_iter().filter(|name| enabled(name)).collect();
    if chosen.len() > 1 {
        return Err(Failure::exclusive(&chosen));
    }
    for (index, kind) in types(params).iter().enumerate() {
        if !known_type(kind) {
            let message = format!("the payment method type `{kind}` is invalid");
            return Err(Failure::invalid(message).param(format!("payment_method_types[{index}]")));
        }
    }
    if params.get("payment_method_types").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        return Err(Failure::invalid("give at least one type").param("payment_method_types"));
    }
    if types(params) == ["card"] && params.has("statement_descriptor") {
        return Err(no_descriptor());
    }
    if let Some(email) = params.text("receipt_email") {
        check_email(email, "receipt_email")?;
    }
    Ok(())
}

fn types(params: &Params) -> Vec<&str> {
    let sent = params.get("payment_method_types").and_then(Value::as_array);
    sent.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn known_type(kind: &str) -> bool {
    match TABLE.request_type("GetCustomersCustomerPaymentMethods.type").map(|kind| &kind.shape) {
        Some(Shape::Enum(known)) => known.iter().any(|known| known == kind),
        _ => false,
    }
}

fn no_descriptor() -> Failure {
    let message =
        "`statement_descriptor` cannot be used for card payments; use `statement_descriptor_suffix`";
    Failure::invalid(message).param("statement_descriptor")
}

/// Refuses what makes no sense unless the intent is confirmed at once.
pub(super) fn check_unconfirmed(params: &Params) -> Result<(), Failure> {
    match ONLY_WITH_CONFIRM.iter().find(|name| params.has(name)) {
        Some(name) => {
            let message = format!("`{name}` goes only with `confirm=true`");
            Err(Failure::invalid(message).param(*name))
        }
        None => Ok(()),
    }
}

/// Sets by which types the intent can be paid, as the parameters choose.
pub(super) fn set_types(params: &Params, set: &mut Map<String, Value>) {
    let automatic = params.get("automatic_payment_methods");
    let on = automatic.and_then(|automatic| automatic.get("enabled")).and_then(Value::as_bool);
    match on {
        Some(true) => {
            let redirects = automatic.and_then(|automatic| automatic.get("allow_redirects"));
            let redirects = redirects.and_then(Value::as_str).unwrap_or("always");
            let chosen = json!({"allow_redirects": redirects, "enabled": true});
            set.insert("automatic_payment_methods".to_owned(), chosen);
        }
        Some(false) if !params.has("payment_method_types") => {
            set.insert("payment_method_types".to_owned(), json!(["card"]));
        }
        Some(false) | None => {}
    }
    if let Some(allowed) = params.get("allowed_payment_method_types") {
        set.insert("payment_method_types".to_owned(), allowed.clone());
    }
}

/// Refuses a payment method of a type that the intent does not take.
pub(super) fn check_method(intent: &Record, method: &Record) -> Result<(), Failure> {
    let taken = intent.value.get("payment_method_types").and_then(Value::as_array);
    let kind = method.text("type");
    if taken.is_some_and(|taken| taken.iter().any(|taken| taken == kind)) {
        return Ok(());
    }
    let message =
        format!("the payment method '{}' is of the type `{kind}`, which the intent does not take", method.id);
    Err(Failure::refused(message).param("payment_method"))
}

/// Refuses to confirm where a redirect could happen and there is no place to come back to, and
/// a card payment with a descriptor for other payments.
pub(super) fn check_confirm(intent: &Record, params: &Params) -> Result<(), Failure> {
    let redirects =
        intent.value.get("automatic_payment_methods").map(|automatic| &automatic["allow_redirects"]);
    let possible = redirects.is_some_and(|redirects| redirects != "never");
    if possible && !params.has("return_url") {
        let message = "this payment intent takes payment methods that redirect, so give `return_url`; or create \
                       it with `automatic_payment_methods[allow_redirects]=never` or with types that do not redirect";
        return Err(Failure::refused(message).param("return_url"));
    }
    if let Some(address) = params.text("return_url")
        && !address.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty())
    {
        return Err(Failure::invalid(format!("Not a valid URL: {address}"))
            .code("url_invalid")
            .param("return_url"));
    }
    if intent.value.contains_key("statement_descriptor") {
        return Err(Failure { keep: crate::errors::Keep::Saved, ..no_descriptor() });
    }
    Ok(())
}
