//! Why a call was not sent: what to tell people, whose run waits meanwhile or is parked.

use loopfour_engine::call::Account;
use loopfour_engine::error::code;
use loopfour_engine::{ConnectionId, Request, StepError};
use reqwest::Url;

use super::API_BASE;
use super::error::provider_error;
use super::value::cut;

/// No key and no sandbox.
pub(super) fn no_connection(bound: Option<&Account>) -> StepError {
    let Some(bound) = bound else {
        let message = "there is no connection to Stripe";
        return provider_error(
            code::AUTHENTICATION_ERROR,
            message,
            "set STRIPE_API_KEY or start with --sandbox",
        );
    };
    let message =
        format!("the run began under the Stripe connection {}, and this server has none", shown(bound));
    provider_error(code::AUTHENTICATION_ERROR, message, way_back(bound))
}

/// A connection was named, and connections have no names yet.
pub(super) fn unknown_connection(asked: ConnectionId) -> StepError {
    provider_error(
        code::AUTHENTICATION_ERROR,
        format!("the connection {asked} does not exist on this server"),
        "leave `connectionId` out: the server has one Stripe connection, from STRIPE_API_KEY or --sandbox",
    )
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
         or give the key the permission to read its account"
            .to_owned()
    } else {
        way_back(bound)
    };
    provider_error(code::AUTHENTICATION_ERROR, message, hint)
}

fn is_key(account: &Account) -> bool {
    account.id.as_ref().is_some_and(|id| id.starts_with("key:"))
}

fn shown(account: &Account) -> String {
    match &account.id {
        Some(id) => format!("`{}` ({}, {id})", account.connection, account.mode),
        None => format!("`{}` ({})", account.connection, account.mode),
    }
}

/// How a run that began elsewhere comes to go on.
fn way_back(bound: &Account) -> String {
    match bound.mode.as_str() {
        "sandbox" => "start with --sandbox to let it go on".to_owned(),
        mode => format!("start without --sandbox and with the {mode} key of that account to let it go on"),
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
