//! Why a call was not sent: what to tell people, whose run waits meanwhile or is parked.

use std::sync::Arc;

use loopfour_engine::call::Account;
use loopfour_engine::connections::{Connection, ConnectionStatus, Source};
use loopfour_engine::error::code;
use loopfour_engine::{ConnectionId, Request, StepError};
use reqwest::Url;

use super::error::provider_error;
use super::value::cut;
use super::{API_BASE, NAME, form};
use crate::credentials::KEY_ID;
use crate::live::{ENVIRONMENT, Live, SANDBOX};

/// No key and no sandbox.
pub(super) fn no_connection(bound: Option<&Account>) -> StepError {
    let Some(bound) = bound else {
        let message = "there is no connection to Stripe";
        let hint = "connect an account (`loopfour connections add-key`, or POST /api/v1/connections), set \
                    STRIPE_API_KEY, or start with --sandbox";
        return provider_error(code::AUTHENTICATION_ERROR, message, hint);
    };
    let message =
        format!("the run began under the Stripe connection {}, and this server has none", shown(bound));
    provider_error(code::AUTHENTICATION_ERROR, message, way_back(bound, false))
}

/// A connection was named that the company does not have.
pub(super) fn unknown_connection(asked: ConnectionId) -> StepError {
    provider_error(
        code::AUTHENTICATION_ERROR,
        format!("the connection {asked} does not exist"),
        "name one of the company's connections, or leave `connectionId` out where it has only one",
    )
}

/// Several connections can be used, and none was named.
pub(super) fn several<'a>(active: impl Iterator<Item = &'a Arc<Live>>) -> StepError {
    let message = format!("several Stripe connections can be used: {}", list(active));
    provider_error(code::AUTHENTICATION_ERROR, message, "name one: `connectionId` of the step, or of the run")
}

/// None of the connections can be used, and none waits to be again.
pub(super) fn none_active<'a>(all: impl Iterator<Item = &'a Arc<Live>>) -> StepError {
    let message = format!("no Stripe connection is active: {}", list(all));
    provider_error(code::AUTHENTICATION_ERROR, message, "connect one of them again, or make another")
}

fn list<'a>(lives: impl Iterator<Item = &'a Arc<Live>>) -> String {
    let mut rows: Vec<&Connection> = lives.map(|live| &live.row).collect();
    rows.sort_by_key(|row| row.id);
    let shown: Vec<String> =
        rows.iter().map(|row| format!("`{}` ({}, {})", row.name, row.id, row.status)).collect();
    shown.join(", ")
}

/// A connection was named, and with the sandbox nothing goes elsewhere.
pub(super) fn sandboxed(row: &Connection) -> StepError {
    let message =
        format!("the Stripe connection `{}` ({}) is not used while the sandbox is on", row.name, row.id);
    provider_error(
        code::AUTHENTICATION_ERROR,
        message,
        "start without --sandbox, or leave `connectionId` out to use the sandbox",
    )
}

/// The connection cannot be used, and why, if that is not what its row says.
pub(super) fn inactive(row: &Connection, why: Option<&str>) -> StepError {
    let state = match row.status {
        ConnectionStatus::Pending => "is not authorised yet",
        ConnectionStatus::Active | ConnectionStatus::Error => "is in error",
        ConnectionStatus::Expired => "has expired",
        ConnectionStatus::Disconnected => "is disconnected",
    };
    let mut message = format!("the Stripe connection `{}` ({}) {state}", row.name, row.id);
    if let Some(why) = why.or(row.last_error.as_deref()) {
        message = format!("{message}: {}", cut(why, 300));
    }
    let hint = format!("{}; the run goes on by itself then", way_back_to(row));
    provider_error(code::AUTHENTICATION_ERROR, message, hint)
}

/// How a connection comes to be usable again.
pub(crate) fn way_back_to(row: &Connection) -> String {
    let name = &row.name;
    match row.source {
        Source::Environment => "start with another STRIPE_API_KEY".to_owned(),
        Source::Sandbox => "start with --sandbox".to_owned(),
        Source::ApiKey => {
            format!("give it a new key: POST /api/v1/connections with the name `{name}`")
        }
        Source::Nango { .. } => {
            format!(
                "authorise it again: GET /api/v1/connections/{NAME}/auth-url?connectionName={}",
                form::encode(name).collect::<String>()
            )
        }
    }
}

/// Nango gives no token for now.
pub(super) fn nango_away(row: &Connection, why: &str) -> StepError {
    let message = format!("the token of the connection `{}` ({}) cannot be fetched: {why}", row.name, row.id);
    let hint = "nothing was sent: Nango is asked again, and the run goes on by itself";
    StepError { retryable: true, ..provider_error(code::AUTHENTICATION_ERROR, message, hint) }
}

/// Nango refuses us.
pub(super) fn nango_setup(row: &Connection, why: &str) -> StepError {
    let hint =
        "nothing was sent: check NANGO_SECRET_KEY and the key's scopes; the run goes on by itself then";
    StepError { hint: hint.to_owned(), ..nango_away(row, why) }
}

/// The call's time was over while its token was renewed.
pub(super) fn token_not_renewed() -> StepError {
    let message = "Stripe refused the token, and Nango gave no other within the time limit";
    let hint = "nothing was done: Nango is asked again, and the run goes on by itself";
    StepError { retryable: true, ..provider_error(code::AUTHENTICATION_ERROR, message, hint) }
}

/// Nobody has said yet whose key it is.
pub(super) fn account_not_known() -> StepError {
    let message = "whose account the Stripe key belongs to is not known yet";
    let hint = "nothing was sent: Stripe is asked, and the run goes on by itself";
    StepError { retryable: true, ..provider_error(code::API_ERROR, message, hint) }
}

/// An account without its name.
pub(super) fn account_without_id() -> StepError {
    let message = "the answer to `GET /v1/account` has no `id`";
    provider_error(code::API_ERROR, message, "see that LOOPFOUR_STRIPE_API_BASE leads to Stripe")
}

/// Stripe was asked whose key it is, and did not say.
pub(super) fn account_untold(why: StepError) -> StepError {
    let message = format!("whose account the Stripe key belongs to cannot be told: {}", why.message);
    let hint = "nothing was sent: Stripe is asked again, and the run goes on by itself";
    StepError { message, hint: hint.to_owned(), retryable: true, ..why }
}

/// A call of the server's own took too long, or had no turn.
pub(super) fn not_reached() -> StepError {
    let error = provider_error(code::API_ERROR, "Stripe was not reached in time", "try again in a moment");
    StepError { retryable: true, ..error }
}

/// A new endpoint whose events nobody could check.
pub(super) fn endpoint_without_secret() -> StepError {
    let message = "the answer to `POST /v1/webhook_endpoints` has no `id` or no `secret`";
    provider_error(code::API_ERROR, message, "see that LOOPFOUR_STRIPE_API_BASE leads to Stripe")
}

/// The pace left no room within the sending's time.
pub(super) fn no_turn(request: &Request) -> StepError {
    let message = format!("`{} {}` had no turn within the time limit", request.method, request.path);
    let hint = "nothing was sent: it is sent by itself when its turn comes";
    StepError { retryable: true, ..provider_error(code::RATE_LIMIT_ERROR, message, hint) }
}

/// The run is bound to other credentials than there are.
pub(super) fn other_account(bound: &Account, configured: &Account) -> StepError {
    let message = format!(
        "the run began under the Stripe connection {}, and this server has {}",
        shown(bound),
        shown(configured)
    );
    let unreadable = [bound, configured].iter().any(|account| is_key(account));
    let other_key =
        unreadable && (&bound.connection, &bound.mode) == (&configured.connection, &configured.mode);
    let hint = if other_key {
        "a key that may not read its account counts as an account of its own: go back to the key that the run began with, \
         give the key the permission to read its account, or confirm that it is the same: PATCH \
         /api/v1/connections/:id {\"sameAccount\": true}"
            .to_owned()
    } else {
        way_back(bound, configured.connection == SANDBOX)
    };
    provider_error(code::AUTHENTICATION_ERROR, message, hint)
}

fn is_key(account: &Account) -> bool {
    account.id.as_ref().is_some_and(|id| id.starts_with(KEY_ID))
}

fn shown(account: &Account) -> String {
    match &account.id {
        Some(id) => format!("`{}` ({}, {id})", account.connection, account.mode),
        None => format!("`{}` ({})", account.connection, account.mode),
    }
}

/// How a run that began elsewhere comes to go on.
fn way_back(bound: &Account, in_sandbox: bool) -> String {
    match bound.mode.as_str() {
        "sandbox" => "start with --sandbox to let it go on".to_owned(),
        mode if bound.connection == ENVIRONMENT => {
            let without = if in_sandbox { "without --sandbox and " } else { "" };
            format!("start {without}with the {mode} key of that account to let it go on")
        }
        mode => format!("connect it with that {mode} account again to let it go on"),
    }
}

/// No connection stood, so nothing was sent.
pub(super) fn not_connected(base: &Url, cause: &str) -> StepError {
    let host = base.host_str().unwrap_or(API_BASE);
    let message = format!("{host} cannot be reached: {cause}");
    let hint = "nothing was sent: check the network, DNS and LOOPFOUR_STRIPE_API_BASE";
    StepError { retryable: true, ..provider_error(code::API_ERROR, message, hint) }
}

/// A journaled request that cannot be put on the wire.
pub(super) fn unsendable(part: &str, value: &str) -> StepError {
    let message = format!("the {part} of the request cannot be sent: {:?}", cut(value, 80));
    provider_error(
        code::INTERNAL_ERROR,
        message,
        "a defect of LoopFour, or a journal from elsewhere; please report it",
    )
}
