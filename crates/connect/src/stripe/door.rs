//! Which connection a call goes out under (spec 9): the one asked for, or the only one that can be used; and that a run
//! keeps to the account that it began with. Choosing looks at memory alone.

use std::sync::Arc;

use loopfour_engine::call::Account;
use loopfour_engine::connections::{ConnectionStatus, Source};
use loopfour_engine::ports::{Call, Unprepared};
use loopfour_engine::{CompanyId, ConnectionId, Failure, Finding};

use super::error::failure;
use super::identify::ASK_AGAIN;
use super::{Stripe, unsent};
use crate::credentials::Bearer;
use crate::live::Live;
use crate::nango::Token;

/// A connection with what it is called with.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) live: Arc<Live>,
    pub(crate) bearer: Bearer,
    /// The token that the bearer is of, where Nango gave it.
    pub(crate) token: Option<Arc<Token>>,
}

impl Channel {
    /// Whose account it is for; none where that has to be asked.
    pub(super) fn account_id(&self) -> Option<&str> {
        match &self.token {
            Some(token) if self.live.acts_for.is_none() => Some(&token.account),
            Some(_) | None => self.live.account_id(),
        }
    }
}

/// Whether calls that are bound to an account may go out under a connection.
enum Fit {
    Yes,
    No,
    /// Whose account it is has to be asked first.
    Unknown,
}

fn fit(live: &Live, here: Option<&str>, bound: &Account) -> Fit {
    if (&live.account.connection, &live.account.mode) != (&bound.connection, &bound.mode) {
        return Fit::No;
    }
    match (&bound.id, here) {
        // Journaled before accounts were told apart.
        (None, _) => Fit::Yes,
        // The same key has the same account, whether it may read it or not.
        (Some(bound), _) if live.key_id() == Some(bound) => Fit::Yes,
        (Some(bound), Some(here)) if bound == here || is_same(live, here, bound) => Fit::Yes,
        (Some(_), Some(_)) => Fit::No,
        (Some(_), None) => Fit::Unknown,
    }
}

/// Whether the account is known to be an earlier one of the connection. What the row says of that is about the account
/// that the row names, and what the connection is called with may be of another already.
fn is_same(live: &Live, here: &str, bound: &str) -> bool {
    live.row.external_account_id.as_deref() == Some(here)
        && live.row.same_accounts.iter().any(|same| same == bound)
}

/// Whether a call bound to an account may go out under a connection, as far as memory tells.
pub(super) fn may_fit(live: &Live, bound: &Account) -> bool {
    !matches!(fit(live, live.account_id(), bound), Fit::No)
}

fn here(live: &Live, id: Option<&str>) -> Account {
    Account { id: id.map(str::to_owned), ..live.account.clone() }
}

impl Stripe {
    /// The account that a call is made under, and the version of Stripe's API that it names.
    pub(super) fn account(self: &Arc<Stripe>, call: &Call<'_>) -> Result<(Account, String), Unprepared> {
        let live = match call.bound {
            Some(bound) => self.bound_live(call.company, &bound.account)?,
            None => self.choose(call.company, call.connection)?,
        };
        let id = live.account_id();
        let kept_to = call.bound_on(&live.account.connection);
        if let Some(bound) = kept_to
            && !may_fit(&live, &bound.account)
        {
            let error = unsent::other_account(&bound.account, &here(&live, id));
            return Err(Unprepared::NotReady { error, account: None });
        }
        // What the run is bound to from here on, if it is not bound yet.
        let chosen = || kept_to.is_none().then(|| here(&live, id)).filter(|chosen| !chosen.mode.is_empty());
        if !live.is_active() {
            self.try_again(&live, call.company);
            let error = live.access.refused_error().unwrap_or_else(|| unsent::inactive(&live.row, None));
            return Err(Unprepared::NotReady { error, account: chosen() });
        }
        // One that waited before its first call is bound to a connection, and not to an account yet.
        let settled = kept_to.filter(|bound| bound.account.id.is_some() || bound.version.is_some());
        let account = match settled {
            Some(bound) => match fit(&live, id, &bound.account) {
                Fit::Yes => Some(bound.account.clone()),
                Fit::No | Fit::Unknown => None,
            },
            None => id.map(|_| here(&live, id)),
        };
        match account {
            Some(account) => {
                let version = kept_to.and_then(|bound| bound.version.as_deref());
                Ok((account, version.unwrap_or_else(|| live.version()).to_owned()))
            }
            None => {
                let last = live.access.last_untold();
                // Nobody waits for it here: the run comes again.
                self.ask(&live, call.company);
                let error = last.map_or_else(unsent::account_not_known, |failure| failure.error);
                Err(Unprepared::NotReady { error, account: chosen() })
            }
        }
    }

    /// The connection that a run is bound to.
    fn bound_live(&self, company: CompanyId, bound: &Account) -> Result<Arc<Live>, Unprepared> {
        let live = self.registry.named(bound).filter(|live| self.registry.is_for(live, company));
        live.ok_or_else(|| Unprepared::NotReady { error: unsent::no_connection(Some(bound)), account: None })
    }

    /// The connection asked for, or the company's only one that can be used.
    fn choose(
        self: &Arc<Stripe>,
        company: CompanyId,
        asked: Option<ConnectionId>,
    ) -> Result<Arc<Live>, Unprepared> {
        let built_in = self.registry.built_in_for(company);
        if let Some(asked) = asked {
            let live = self.registry.of_company(company, asked);
            let live = live.ok_or_else(|| unsent::unknown_connection(asked))?;
            return if self.registry.is_sandbox() && live.row.source != Source::Sandbox {
                let error = unsent::sandboxed(&live.row);
                Err(Unprepared::NotReady { error, account: None })
            } else {
                Ok(live)
            };
        }
        if let Some(sandbox) = built_in.clone().filter(|live| live.row.source == Source::Sandbox) {
            return Ok(sandbox);
        }
        let stored: Vec<Arc<Live>> =
            self.registry.all_of(company).into_iter().filter(|live| !live.is_built_in()).collect();
        let with = |status: ConnectionStatus| stored.iter().filter(move |live| live.row.status == status);
        let mut active = with(ConnectionStatus::Active);
        match (active.next(), active.next(), built_in) {
            (Some(live), None, _) => Ok(Arc::clone(live)),
            (Some(_), Some(_), _) => Err(unsent::several(with(ConnectionStatus::Active)).into()),
            (None, _, Some(environment)) => Ok(environment),
            (None, _, None) => {
                let mut broken: Vec<&Arc<Live>> =
                    with(ConnectionStatus::Error).chain(with(ConnectionStatus::Expired)).collect();
                broken.sort_by_key(|live| live.row.id);
                for live in &broken {
                    self.try_again(live, company);
                }
                match broken.first() {
                    // One of them comes back, or another takes its place: the run is bound to neither.
                    Some(live) => {
                        let error = unsent::inactive(&live.row, None);
                        Err(Unprepared::NotReady { error, account: None })
                    }
                    None if stored.is_empty() => Err(unsent::no_connection(None).into()),
                    None => Err(unsent::none_active(stored.iter()).into()),
                }
            }
        }
    }

    /// Asks whose account a connection is, on behalf of a company's runs, which are told.
    fn ask(self: &Arc<Stripe>, live: &Arc<Live>, company: CompanyId) {
        let (stripe, live) = (Arc::clone(self), Arc::clone(live));
        meanwhile(async move {
            if stripe.identify(&live, ASK_AGAIN).await.is_ok() {
                stripe.registry.tell(company);
            }
        });
    }

    /// Tries a refused connection again, at most once a minute, on behalf of a company's runs, which are told.
    fn try_again(self: &Arc<Stripe>, live: &Arc<Live>, company: CompanyId) {
        if live.access.refused_error().is_none() || live.access.is_refused() {
            return;
        }
        let (stripe, live) = (Arc::clone(self), Arc::clone(live));
        meanwhile(async move {
            if stripe.probe(&live).await.is_ok() {
                stripe.registry.tell(company);
            }
        });
    }

    /// The connection for calls bound to an account, if it is that account's.
    pub(super) async fn open(self: &Arc<Stripe>, bound: &Account) -> Result<Channel, Box<Failure>> {
        let Some(live) = self.registry.named(bound) else {
            return Err(failure(Finding::NoConnection, unsent::no_connection(Some(bound))));
        };
        let live = match fit(&live, live.account_id(), bound) {
            Fit::No => {
                let here = here(&live, live.account_id());
                return Err(failure(Finding::NoConnection, unsent::other_account(bound, &here)));
            }
            Fit::Yes => live,
            Fit::Unknown => {
                self.identify(&live, ASK_AGAIN).await?;
                self.registry.named(bound).unwrap_or(live)
            }
        };
        let channel = self.channel(&live).await?;
        self.fits(&channel, bound)?;
        Ok(channel)
    }

    /// Whether what a channel is called with is of the account that a call is bound to.
    pub(super) fn fits(&self, channel: &Channel, bound: &Account) -> Result<(), Box<Failure>> {
        let id = channel.account_id();
        match fit(&channel.live, id, bound) {
            Fit::Yes => Ok(()),
            Fit::Unknown => Err(failure(Finding::Unreachable, unsent::account_not_known())),
            Fit::No => {
                let here = here(&channel.live, id);
                Err(failure(Finding::NoConnection, unsent::other_account(bound, &here)))
            }
        }
    }
}

/// Does something that nobody waits for, where there is a runtime to do it.
fn meanwhile(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}
