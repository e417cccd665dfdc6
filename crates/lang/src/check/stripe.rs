//! Combinations of parameters that Stripe refuses whatever the rest: said when the workflow is written, not when it runs.

use super::compile::is_template;
use super::read::At;
use super::report::Report;
use crate::catalog::Action;
use crate::diagnostic::Code;
use crate::json::Kind;

/// Checks the combinations that the action's operation knows.
pub(super) fn combinations(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    if action.operation == "PostInvoices" {
        collection(config, action, report);
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

/// A due date belongs to invoices that are sent, and those need one.
fn collection(config: &At<'_, '_>, action: &Action, report: &mut Report<'_>) {
    let due = ["days_until_due", "due_date"].map(|wire| given(config, action, wire));
    let sends = match given(config, action, "collection_method") {
        // What it comes out as is not known.
        Given::Template(_) => return,
        Given::No => None,
        Given::Literal(at) => Some(at),
    };
    if let Some(method) = sends.filter(|method| method.as_text() == Some("send_invoice")) {
        if due.iter().all(|due| matches!(due, Given::No)) {
            let message = "an invoice that is sent needs a due date";
            let hint = "add `daysUntilDue` or `dueDate`".to_owned();
            report.add_with(Code::RefusedByProvider, &method.place, method.span(), message, hint);
        }
        return;
    }
    for due in due {
        let (code, at) = match due {
            Given::No => continue,
            Given::Literal(at) => (Code::RefusedByProvider, at),
            Given::Template(at) => (Code::MayBeRefusedByProvider, at),
        };
        let message = format!("`{}` is only for invoices that are sent", at.name());
        let hint = "add `\"collectionMethod\": \"send_invoice\"`".to_owned();
        report.add_with(code, &at.place, at.span(), message, hint);
    }
}
