//! The connection that an event of Stripe's belongs to (spec 10): by the account that it names, else by who signed it. Its
//! mode must be the event's. In doubt it is none, and the reason says how a person sends the event on.

use std::sync::Arc;

use loopfour_engine::connections::ConnectionStatus;
use loopfour_engine::provider_events::Signer;
use loopfour_engine::{CompanyId, ConnectionId};

use crate::live::Live;
use crate::registry::Registry;

/// How a person sends on what is not routed.
const SEND_ON: &str = "replay the event with a `connectionId`";

/// The connection, or why none is known.
pub(super) fn route(
    registry: &Registry,
    company: CompanyId,
    signer: Signer,
    account: Option<&str>,
    livemode: bool,
) -> Result<ConnectionId, String> {
    let lives = candidates(registry, company);
    let event = Event { livemode, signer };
    match (account, signer) {
        (Some(account), _) => {
            let of_account: Vec<_> = lives.iter().filter(|live| account_of(live) == Some(account)).collect();
            if of_account.is_empty() {
                return Err(unknown_account(registry, company, account));
            }
            event.pick(&of_account)
        }
        (None, Signer::Connection(id)) => {
            let Some(signed) = registry.of_company(company, id) else {
                return Err(format!("the connection {id}, whose secret signed it, is gone: {SEND_ON}"));
            };
            let is_its = |live: &&Arc<Live>| live.row.id == id || same_account(live, &signed);
            let of_account: Vec<_> = lives.iter().filter(is_its).collect();
            if of_account.is_empty() {
                return Err(unused(registry, &signed));
            }
            event.pick(&of_account)
        }
        (None, Signer::Company | Signer::Nobody) => {
            let active: Vec<_> = lives.iter().filter(|live| live.is_active()).collect();
            let usable = if active.is_empty() { lives.iter().collect() } else { active };
            let Some(first) = usable.first() else {
                return Err(format!("there is no Stripe connection: connect one, and {SEND_ON}"));
            };
            if !usable.iter().all(|live| live.row.id == first.row.id || same_account(live, first)) {
                let names: Vec<String> = usable.iter().map(|live| shown(live)).collect();
                return Err(format!(
                    "a secret of the company signed it, and it may belong to each of {}: give each connection the \
                     secret of its own endpoint (`webhookSecrets`), and {SEND_ON}",
                    names.join(", ")
                ));
            }
            event.pick(&usable)
        }
    }
}

/// What is known of an event beside its account.
struct Event {
    livemode: bool,
    signer: Signer,
}

impl Event {
    /// The one of an account's connections whose mode is the event's; of several the one that signed it, else one that can
    /// be used, else the oldest.
    fn pick(&self, of_account: &[&Arc<Live>]) -> Result<ConnectionId, String> {
        let fits = of_account.iter().filter(|live| is_of_mode(live, self.livemode));
        let rank = |live: &&&Arc<Live>| {
            let id = live.row.id;
            (self.signer != Signer::Connection(id), !live.is_active(), id)
        };
        if let Some(live) = fits.min_by_key(rank) {
            return Ok(live.row.id);
        }
        let mode = if self.livemode { "live mode" } else { "test mode" };
        let names: Vec<String> = of_account.iter().map(|live| with_mode(live)).collect();
        Err(format!("the event is of {mode}, and {}: {SEND_ON}", names.join(", ")))
    }
}

/// The company's connections that events can belong to: those that can be used, or could be again.
pub(crate) fn candidates(registry: &Registry, company: CompanyId) -> Vec<Arc<Live>> {
    let built_in = registry.built_in_for(company);
    if registry.is_sandbox() {
        return built_in.into_iter().collect();
    }
    let is_stored = |live: &Arc<Live>| !live.is_built_in() && is_connected(live);
    let mut lives: Vec<_> = registry.all_of(company).into_iter().filter(is_stored).collect();
    if !lives.iter().any(|live| live.is_active()) {
        lives.extend(built_in);
    }
    lives
}

fn is_connected(live: &Live) -> bool {
    match live.row.status {
        ConnectionStatus::Active | ConnectionStatus::Expired | ConnectionStatus::Error => true,
        ConnectionStatus::Pending | ConnectionStatus::Disconnected => false,
    }
}

/// The account that a connection is for, as far as anybody told.
pub(crate) fn account_of(live: &Live) -> Option<&str> {
    live.account_id().or(live.row.external_account_id.as_deref())
}

fn same_account(one: &Live, other: &Live) -> bool {
    account_of(one).is_some() && account_of(one) == account_of(other)
}

/// Whether that is the mode of a connection; the sandbox's is `sandbox`.
fn is_of_mode(live: &Live, livemode: bool) -> bool {
    live.row.mode.as_deref().is_some_and(|mode| (mode == "live") == livemode)
}

/// Why no connection can be named by its account.
fn unknown_account(registry: &Registry, company: CompanyId, account: &str) -> String {
    let all = registry.all_of(company);
    let ended = all.iter().find(|live| account_of(live) == Some(account));
    match ended {
        Some(live) => unused(registry, live),
        None => {
            let account: String = account.chars().take(80).collect();
            format!("no connection is for the account `{account}`: connect it, and {SEND_ON}")
        }
    }
}

/// Why a connection that there is gets no events.
fn unused(registry: &Registry, live: &Live) -> String {
    let name = shown(live);
    if registry.is_sandbox() {
        return format!(
            "it is for {name}, and the server runs with --sandbox: start without it, and {SEND_ON}"
        );
    }
    match live.row.status {
        ConnectionStatus::Pending | ConnectionStatus::Disconnected => {
            format!("it is for {name}, which is {}: connect it again, and {SEND_ON}", live.row.status)
        }
        ConnectionStatus::Active | ConnectionStatus::Expired | ConnectionStatus::Error => format!(
            "it is for {name}, which is not used while the company has another active connection: {SEND_ON}"
        ),
    }
}

fn shown(live: &Live) -> String {
    format!("`{}` ({})", live.row.name, live.row.id)
}

fn with_mode(live: &Live) -> String {
    let name = shown(live);
    match live.row.mode.as_deref() {
        Some("live") => format!("{name} is of live mode"),
        Some("sandbox") => format!("{name} is the sandbox, which counts as test mode"),
        Some(_) => format!("{name} is of test mode"),
        None => format!("the mode of {name} is not known"),
    }
}
