//! What a person is told of endpoints: what was done, or what to enter by hand at Stripe, and why.

use loopfour_engine::provider_events::Endpoint;
use loopfour_engine::{CompanyId, Finding};
use reqwest::Url;

use super::Addresses;
use super::plan::{Part, Planned};
use super::register::Trouble;
use crate::http::is_private;
use crate::live::Live;

impl Addresses {
    /// The address that Stripe is told for a connection's events.
    ///
    /// # Errors
    /// Why there is none that Stripe could reach.
    pub(super) fn of(&self, live: &Live, company: CompanyId) -> Result<String, &'static str> {
        let mode = live.row.mode.as_deref();
        if mode == Some("sandbox") {
            let base = self.own.as_ref().or(self.public.as_ref());
            return base.map(|base| address(base, company)).ok_or("this server does not listen anywhere");
        }
        let public = self.public.as_ref().ok_or(
            "this server has no public address at which Stripe could reach it: set `public_url` (LOOPFOUR_PUBLIC_URL)",
        )?;
        let url = Url::parse(public).map_err(|_| "the public address of this server is none")?;
        if is_private(&url) {
            return Err(
                "the public address of this server leads to this machine or into a private network, so Stripe cannot \
                 reach it: set another",
            );
        }
        if mode == Some("live") && url.scheme() != "https" {
            return Err(
                "the public address of this server is not https, which Stripe asks for in live mode: set one that is",
            );
        }
        Ok(address(public, company))
    }

    /// The address as far as it is known, for people.
    fn shown(&self, company: CompanyId) -> String {
        match self.public.as_ref().or(self.own.as_ref()) {
            Some(base) => address(base, company),
            None => address("https://<this server>", company),
        }
    }

    fn shown_for(&self, planned: &Planned) -> String {
        self.of(&planned.live, planned.company).unwrap_or_else(|_| self.shown(planned.company))
    }
}

fn address(base: &str, company: CompanyId) -> String {
    format!("{base}/webhooks/stripe/{company}")
}

/// All is as it should be.
pub(super) fn settled(addresses: &Addresses, planned: &Planned) -> Option<Endpoint> {
    let name = &planned.live.row.name;
    let note = match &planned.part {
        Part::Own if planned.events.is_empty() => {
            format!("no active workflow listens: nothing is sent for the connection `{name}`")
        }
        Part::Own => {
            let (url, events) = (addresses.shown_for(planned), told(&planned.events));
            format!("Stripe sends {events} of the connection `{name}` to {url}")
        }
        Part::Polled => format!(
            "the events of the connection `{name}` are asked for (`events: poll`): nothing is sent, and no address is needed"
        ),
        Part::Shared(other) => {
            format!("the connection `{name}` is of the account of `{other}`, whose endpoint sends its events")
        }
        Part::Unused => return None,
    };
    Some(endpoint(addresses, planned, true, note))
}

/// Something is not as it should be.
pub(super) fn unsettled(
    addresses: &Addresses,
    planned: &Planned,
    trouble: &Trouble,
    has_secret: bool,
) -> Option<Endpoint> {
    if !planned.is_shown() {
        return None;
    }
    let why = match trouble {
        Trouble::Address(why) => (*why).to_owned(),
        Trouble::Stripe(failure) if failure.finding == Finding::Forbidden => format!(
            "Stripe does not let the key of the connection `{}` write webhook endpoints ({}): give it that permission; it is \
             tried again by itself",
            planned.live.row.name, failure.error.message
        ),
        Trouble::Stripe(failure) => format!("{}; it is tried again by itself", failure.error.message),
        Trouble::Storage(error) => {
            format!("what Stripe said could not be stored ({error}); it is tried again by itself")
        }
    };
    let note = match planned.is_sent() {
        true => format!("{why}; or {}", by_hand(addresses, planned, has_secret)),
        false => format!("the endpoint could not be disabled: {why}"),
    };
    Some(endpoint(addresses, planned, false, note))
}

/// Stripe takes its time.
pub(super) fn no_answer(addresses: &Addresses, planned: &Planned) -> Option<Endpoint> {
    let note = "Stripe has not answered yet: the work goes on, and is tried again by itself".to_owned();
    planned.is_shown().then(|| endpoint(addresses, planned, false, note))
}

/// There is nobody whom to tell.
pub(super) fn no_connection(addresses: &Addresses, company: CompanyId, events: &[String]) -> Endpoint {
    Endpoint {
        connection: None,
        url: addresses.shown(company),
        events: events.to_vec(),
        settled: false,
        note: "there is no Stripe connection that can be used, and so no account whose events could start this: connect one"
            .to_owned(),
    }
}

fn by_hand(addresses: &Addresses, planned: &Planned, has_secret: bool) -> String {
    let (url, events, name) = (addresses.shown_for(planned), all_of(&planned.events), &planned.live.row.name);
    if has_secret {
        return format!(
            "see to it that the endpoint which was entered at Stripe by hand has {events} (its secret is stored \
             already)"
        );
    }
    format!(
        "by hand: add an endpoint at Stripe (Workbench, Webhooks) with the address {url}, the API version {} and {events}, and \
         store its secret with `loopfour webhook-secrets set stripe`; or without an address let the events be \
         asked for: `loopfour connections set '{name}' --events poll`",
        planned.live.version()
    )
}

/// Types for a person who is to enter them; `*` stands for all.
fn all_of(events: &[String]) -> String {
    if events == ["*"] { "all events".to_owned() } else { format!("the events {}", events.join(", ")) }
}

/// Types for a person who need not know each; those of a family are many.
fn told(events: &[String]) -> String {
    const MOST: usize = 8;
    match events {
        [first, .., last] if events.len() > MOST => {
            format!("{} types of events, from {first} to {last},", events.len())
        }
        events => all_of(events),
    }
}

fn endpoint(addresses: &Addresses, planned: &Planned, settled: bool, note: String) -> Endpoint {
    Endpoint {
        connection: Some(planned.live.row.id),
        url: addresses.shown_for(planned),
        events: planned.events.clone(),
        settled,
        note,
    }
}
