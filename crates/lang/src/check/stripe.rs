//! Combinations of parameters that Stripe refuses whatever the rest, and a few that do something else than they seem to:
//! said when the workflow is written, not when it runs.
//!
//! What a template comes out as is not known, so nothing is said that depends on it.

use super::compile::is_template;
use super::read::{At, opening};
use super::report::Report;
use crate::catalog::Action;
use crate::diagnostic::Code;
use crate::json::Kind;

/// Parameters that Stripe takes only together with `confirm`.
const WITH_CONFIRM: [&str; 5] =
    ["off_session", "return_url", "error_on_requires_action", "mandate", "mandate_data"];
/// Parameters that may free a payment from needing an address to return to.
const MAY_STAND_FOR_RETURN_URL: [&str; 8] = [
    "allowed_payment_method_types",
    "confirmation_token",
    "error_on_requires_action",
    "excluded_payment_method_types",
    "off_session",
    "payment_method_configuration",
    "payment_method_data",
    "use_stripe_sdk",
];

/// Parameters of an operation that Stripe takes only apart.
const EXCLUSIVE: [(&str, [&str; 2]); 4] = [
    ("PostInvoices", ["days_until_due", "due_date"]),
    ("PostSubscriptions", ["trial_period_days", "trial_end"]),
    ("PostPaymentIntents", ["payment_method_types", "automatic_payment_methods"]),
    ("PostInvoiceitems", ["amount", "unit_amount_decimal"]),
];
/// The same of every list: a page has one end to start from.
const EXCLUSIVE_IN_LISTS: [&str; 2] = ["starting_after", "ending_before"];

/// Checks the combinations that the action's operation knows.
pub(super) fn combinations(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let known = EXCLUSIVE.iter().filter(|(operation, _)| *operation == action.operation);
    for pair in known.map(|(_, pair)| pair).chain(action.list.then_some(&EXCLUSIVE_IN_LISTS)) {
        exclusive(config, action, pair, report);
    }
    match action.operation.as_str() {
        "PostInvoices" => collection(config, action, &["days_until_due", "due_date"], report),
        "PostSubscriptions" => collection(config, action, &["days_until_due"], report),
        "PostSubscriptionsSubscriptionExposedId" => {
            updated_collection(config, action, report);
            added_items(config, action, report);
        }
        "PostPaymentIntents" => {
            without_confirm(config, action, report);
            return_url(config, action, report);
            statement_descriptor(config, action, report);
        }
        _ => {}
    }
}

/// How the value of a parameter stands.
enum Given<'a, 'n> {
    /// Not written, or null.
    No,
    /// A value that is known.
    Literal(At<'a, 'n>),
    /// A template: known only when the step runs.
    Template(At<'a, 'n>),
}

impl Given<'_, '_> {
    fn is_no(&self) -> bool {
        matches!(self, Given::No)
    }
}

fn given<'a, 'n>(config: &'a At<'_, 'n>, action: &Action, wire: &str) -> Given<'a, 'n> {
    let member = config
        .members()
        .iter()
        .find(|member| action.parameter(&member.key).is_some_and(|parameter| parameter.wire == wire));
    let Some(member) = member else { return Given::No };
    let at = At { node: &member.value, place: config.place.key(&member.key) };
    match &at.node.kind {
        Kind::Null => Given::No,
        Kind::Text(text) if is_template(text) => Given::Template(at),
        Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) | Kind::Array(_) | Kind::Object(_) => {
            Given::Literal(at)
        }
    }
}

/// Two parameters of which at most one goes out; a value that may come out empty is left out, and so is not counted.
fn exclusive(config: &At<'_, '_>, action: &Action, pair: &[&str; 2], report: &mut Report<'_>) {
    let [Given::Literal(one), Given::Literal(other)] = pair.map(|wire| given(config, action, wire)) else {
        return;
    };
    let says_nothing = |at: &At<'_, '_>| match &at.node.kind {
        Kind::Text(text) => text.is_empty(),
        Kind::Array(_) => at.items().is_empty(),
        Kind::Object(_) => at.members().is_empty(),
        Kind::Null | Kind::Boolean(_) | Kind::Number(_) => false,
    };
    if says_nothing(&one) || says_nothing(&other) {
        return;
    }
    let message = format!("Stripe takes `{}` and `{}` only apart", one.name(), other.name());
    report.add_with(
        Code::RefusedByProvider,
        &other.place,
        other.span(),
        message,
        "keep one of them".to_owned(),
    );
}

/// A due date belongs to invoices that are sent, and those need one.
fn collection(config: &At<'_, '_>, action: &Action, due_dates: &[&str], report: &mut Report<'_>) {
    let sends = match given(config, action, "collection_method") {
        Given::Template(_) => return,
        Given::No => None,
        Given::Literal(at) => Some(at),
    };
    if let Some(method) = sends.filter(|method| method.as_text() == Some("send_invoice")) {
        if due_dates.iter().all(|wire| given(config, action, wire).is_no()) {
            let names = due_dates.iter().filter_map(|wire| action.parameter(wire));
            let names: Vec<String> = names.map(|parameter| format!("`{}`", parameter.name)).collect();
            let message = "an invoice that is sent needs a due date";
            let hint = format!("add {}", names.join(" or "));
            report.add_with(Code::RefusedByProvider, &method.place, method.span(), message, hint);
        }
        return;
    }
    for wire in due_dates {
        due_date_of_a_charge(given(config, action, wire), report);
    }
}

/// A subscription that exists may be one that sends invoices already; only the opposite, written beside, is wrong.
fn updated_collection(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let Given::Literal(method) = given(config, action, "collection_method") else { return };
    if method.as_text() == Some("charge_automatically") {
        due_date_of_a_charge(given(config, action, "days_until_due"), report);
    }
}

fn due_date_of_a_charge(due: Given<'_, '_>, report: &mut Report<'_>) {
    let (code, at) = match due {
        Given::No => return,
        Given::Literal(at) => (Code::RefusedByProvider, at),
        Given::Template(at) => (Code::MayBeRefusedByProvider, at),
    };
    let message = format!("`{}` is only for invoices that are sent", at.name());
    let hint = "add `\"collectionMethod\": \"send_invoice\"`".to_owned();
    report.add_with(code, &at.place, at.span(), message, hint);
}

/// What only a payment that is confirmed at once takes.
fn without_confirm(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let confirms = match given(config, action, "confirm") {
        Given::Template(_) => return,
        Given::No => false,
        Given::Literal(at) => !matches!(at.node.kind, Kind::Boolean(false)),
    };
    if confirms {
        return;
    }
    for wire in WITH_CONFIRM {
        let (code, at) = match given(config, action, wire) {
            Given::No => continue,
            Given::Literal(at) if !matches!(at.node.kind, Kind::Boolean(false)) => {
                (Code::RefusedByProvider, at)
            }
            Given::Literal(at) | Given::Template(at) => (Code::MayBeRefusedByProvider, at),
        };
        let message = format!("`{}` is only for a payment that is confirmed at once", at.name());
        let hint = "add `\"confirm\": true`, or give it to `stripe.confirmPaymentIntent`".to_owned();
        report.add_with(code, &at.place, at.span(), message, hint);
    }
}

/// Whoever confirms without naming types must say where a redirected customer comes back to.
fn return_url(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let absent = |wire: &str| given(config, action, wire).is_no();
    let Given::Literal(confirm) = given(config, action, "confirm") else { return };
    if !matches!(confirm.node.kind, Kind::Boolean(true)) || !absent("return_url") {
        return;
    }
    let redirects = match given(config, action, "automatic_payment_methods") {
        Given::No => true,
        Given::Template(_) => return,
        Given::Literal(methods) => {
            let redirects = methods.get("allow_redirects").or_else(|| methods.get("allowRedirects"));
            redirects.is_none_or(|redirects| redirects.as_text() == Some("always"))
        }
    };
    if !redirects || !absent("payment_method_types") {
        return;
    }
    let code = if MAY_STAND_FOR_RETURN_URL.into_iter().all(absent) {
        Code::RefusedByProvider
    } else {
        Code::MayBeRefusedByProvider
    };
    let message = "a payment that is confirmed at once, and may redirect the customer, needs `returnUrl`";
    let hint = "add `returnUrl`, or `\"paymentMethodTypes\": [\"card\"]`, or `\"automaticPaymentMethods\": {\"enabled\": true, \"allowRedirects\": \"never\"}`";
    report.add_with(code, &confirm.place, confirm.span(), message, hint.to_owned());
}

/// A card's statement shows the account's own descriptor, to which a suffix may be added.
fn statement_descriptor(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let Given::Literal(types) = given(config, action, "payment_method_types") else { return };
    let is_card = |(index, item)| types.item(index, item).as_text() == Some("card");
    if types.items().is_empty() || !types.items().iter().enumerate().all(is_card) {
        return;
    }
    let (code, at) = match given(config, action, "statement_descriptor") {
        Given::No => return,
        Given::Literal(at) => (Code::RefusedByProvider, at),
        Given::Template(at) => (Code::MayBeRefusedByProvider, at),
    };
    let message = format!("`{}` is not for payments by card", at.name());
    let hint = "use `statementDescriptorSuffix`".to_owned();
    report.add_with(code, &at.place, at.span(), message, hint);
}

/// An item without the `id` of one that the subscription has is one more.
fn added_items(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let Given::Literal(items) = given(config, action, "items") else { return };
    for (index, node) in items.items().iter().enumerate() {
        let item = items.item(index, node);
        let is_object = matches!(item.node.kind, Kind::Object(_));
        if is_object && item.get("id").is_none() {
            let message = "an item without `id` is added to the subscription; it replaces none";
            let hint = "to change an item, give its `id`, such as `….output.items.data[0].id`".to_owned();
            report.add_with(Code::AddsItem, &item.place, opening(item.span()), message, hint);
        }
    }
}
