//! Tokens that Nango keeps, as Stripe takes them: fetched when a call needs one, told apart by account, renewed once when
//! Stripe refuses one. What Nango's trouble means for the connection is noted in its row.

use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::connections::{ConnectionStatus, Source};
use loopfour_engine::ports::BoxFuture;
use loopfour_engine::{Actor, Failure, Finding, StepError};
use secrecy::ExposeSecret;

use super::door::Channel;
use super::error::failure;
use super::identify::set_account;
use super::{Stripe, unsent};
use crate::credentials::{self, Credentials};
use crate::live::Live;
use crate::nango::{self, Given, Token, Tokens, Trouble};
use crate::registry::Amendment;

/// While Nango gives no token, it is asked so often for the sake of the runs that wait.
const LOOK_OUT: Duration = Duration::from_secs(60);

impl Stripe {
    /// A connection with what it is called with.
    ///
    /// # Errors
    /// It has nothing, or is refused, or Nango gives nothing for now.
    pub(crate) async fn channel(self: &Arc<Stripe>, live: &Arc<Live>) -> Result<Channel, Box<Failure>> {
        match &live.credentials {
            Credentials::None => Err(failure(Finding::NoConnection, unsent::inactive(&live.row, None))),
            Credentials::Key(bearer) => {
                Ok(Channel { live: Arc::clone(live), bearer: bearer.clone(), token: None })
            }
            Credentials::Nango(tokens) => {
                // One that is refused is not asked for either.
                if let Some(failure) = live.access.refused_now() {
                    return Err(failure);
                }
                let token = self.token(live, tokens).await?;
                let live = self.registry.by_id(live.row.id).unwrap_or_else(|| Arc::clone(live));
                Ok(Channel { live, bearer: token.bearer.clone(), token: Some(token) })
            }
        }
    }

    /// The channel to send a call again by, after Stripe refused the token of this one; none if there is no other token.
    ///
    /// # Errors
    /// Nango does not say for now whether there is one.
    pub(super) fn renewed<'a>(
        self: &'a Arc<Stripe>,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Option<Channel>, Box<Failure>>> {
        Box::pin(async move {
            let (Some(token), Credentials::Nango(tokens)) = (&channel.token, &channel.live.credentials)
            else {
                return Ok(None);
            };
            // Of one in error, all that is asked is whether it is good again.
            if !channel.live.is_active() {
                return Ok(None);
            }
            tokens.refuse(token);
            let other = match self.token(&channel.live, tokens).await {
                Ok(other) if other.is_same(&token.bearer) => return Ok(None),
                other => other?,
            };
            let live = self.registry.by_id(channel.live.row.id);
            let live = live.unwrap_or_else(|| Arc::clone(&channel.live));
            Ok(Some(Channel { live, bearer: other.bearer.clone(), token: Some(other) }))
        })
    }

    /// The token of a connection: from memory, or Nango's, asked by one for all.
    async fn token(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        tokens: &Arc<Tokens>,
    ) -> Result<Arc<Token>, Box<Failure>> {
        let now = self.registry.now();
        if let Some(token) = tokens.usable(now) {
            if tokens.is_early(now) {
                let (stripe, live, tokens) = (Arc::clone(self), Arc::clone(live), Arc::clone(tokens));
                tokio::spawn(async move {
                    let _fetching = tokens.fetching.lock().await;
                    // Until its end the token in hand is good, whatever comes of this.
                    let _ = stripe.fetch(&live, &tokens).await;
                });
            }
            return Ok(token);
        }
        let (stripe, wanted, of) = (Arc::clone(self), Arc::clone(live), Arc::clone(tokens));
        // It goes on where the call's time is over: what a slow Nango gives is there for the next.
        let fetched = tokio::spawn(async move { stripe.next_token(&wanted, &of).await });
        fetched.await.unwrap_or_else(|_| {
            Err(failure(Finding::NoConnection, unsent::nango_away(&live.row, "the server is stopping")))
        })
    }

    /// The token that another call fetched meanwhile, or Nango's.
    async fn next_token(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        tokens: &Arc<Tokens>,
    ) -> Result<Arc<Token>, Box<Failure>> {
        let _fetching = tokens.fetching.lock().await;
        if let Some(token) = tokens.usable(self.registry.now()) {
            return Ok(token);
        }
        let fetched = match tokens.trouble() {
            Some(trouble) => Err(trouble),
            None => self.fetch(live, tokens).await,
        };
        match fetched {
            Ok(token) => Ok(token),
            Err(trouble) => Err(self.without_token(live, tokens, &trouble).await),
        }
    }

    /// Asks Nango for the token. Whoever calls holds `fetching`.
    async fn fetch(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        tokens: &Arc<Tokens>,
    ) -> Result<Arc<Token>, Trouble> {
        let Some(nango) = &self.nango else { return Err(Trouble::Setup(nango::NOT_CONFIGURED.to_owned())) };
        let (last, force) = (tokens.last(), tokens.is_refused());
        let fetched = async {
            let given = nango.credentials(&tokens.integration, &tokens.connection, force).await??;
            let token = self.whose(live, given, last.as_deref()).await?;
            if token.is_over(self.registry.now()) {
                return Err(Trouble::Ended);
            }
            if force && last.as_ref().is_some_and(|last| last.is_same(&token.bearer)) {
                return Err(Trouble::Refused("Stripe refuses the token, and Nango has no other".to_owned()));
            }
            Ok(token)
        };
        match fetched.await {
            Ok(token) => {
                self.note_token(live, &token).await;
                let was_in_trouble = tokens.is_in_trouble();
                let token = tokens.put(token);
                if was_in_trouble {
                    self.registry.tell(live.row.company);
                }
                Ok(token)
            }
            Err(trouble) => {
                // A token that is good until its end is not given up for that.
                if tokens.usable(self.registry.now()).is_none() {
                    tokens.fail(&trouble);
                }
                Err(trouble)
            }
        }
    }

    /// Whose account what Nango gave is: as it says, or as the last one if it is the same, or as Stripe says.
    pub(crate) async fn whose(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        given: Given,
        last: Option<&Token>,
    ) -> Result<Token, Trouble> {
        let unfit = || Trouble::Refused("what Nango keeps is no key or token of Stripe's".to_owned());
        let bearer = given.bearer().ok_or_else(unfit)?;
        let expires_at = given.expires_at;
        if let Some(last) = last.filter(|last| last.is_same(&bearer)) {
            let (account, mode) = (last.account.clone(), last.mode.clone());
            return Ok(Token { bearer, expires_at, account, mode });
        }
        let said = credentials::mode(given.secret.expose_secret());
        if given.is_key && said.is_none() {
            return Err(unfit());
        }
        let channel = Channel { live: Arc::clone(live), bearer: bearer.clone(), token: None };
        let account = match given.account {
            Some(account) => account,
            None => self.read_account(&channel).await.map_err(|failure| untold(&failure))?,
        };
        if account == bearer.id && !given.is_key {
            let message = "whose account Nango's token is cannot be told: it may not read its account";
            return Err(Trouble::Refused(message.to_owned()));
        }
        let mode = match given.live.map(|live| if live { "live" } else { "test" }).or(said) {
            Some(mode) => mode,
            None => self.read_mode(&channel).await.map_err(|failure| untold(&failure))?,
        };
        Ok(Token { bearer, expires_at, account, mode: mode.to_owned() })
    }

    /// Notes in the row whose account the token is, where that is another than before, or not known yet.
    async fn note_token(&self, live: &Live, token: &Token) {
        let by = Actor::system("nango");
        let access = &live.access;
        let noted =
            self.registry.amend(live.row.id, Amendment::of_row(&by, "connection.change"), |current, row| {
                let is_same = row.settings.stripe_account.is_some()
                    || row.external_account_id.as_deref() == Some(&token.account);
                let is_mode = row.mode.as_deref() == Some(&token.mode);
                if (is_same && is_mode) || !Arc::ptr_eq(&current.access, access) {
                    return Ok(false);
                }
                if row.settings.stripe_account.is_none() {
                    row.last_error = set_account(row, &token.account, None);
                }
                row.mode = Some(token.mode.clone());
                Ok(true)
            });
        // Where the storage does not take it, calls compare with the token all the same.
        let _ = noted.await;
    }

    /// What a call gets for want of a token, and what that says of the connection.
    async fn without_token(
        self: &Arc<Stripe>,
        live: &Arc<Live>,
        tokens: &Arc<Tokens>,
        trouble: &Trouble,
    ) -> Box<Failure> {
        let (status, why) = match trouble {
            Trouble::Away { why, retry_after } => {
                self.look_out(live, tokens);
                let mut failure = failure(Finding::NoConnection, unsent::nango_away(&live.row, why));
                failure.retry_after =
                    retry_after.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
                return failure;
            }
            Trouble::Setup(why) => {
                self.look_out(live, tokens);
                return failure(Finding::NoConnection, unsent::nango_setup(&live.row, why));
            }
            Trouble::Refused(why) => (ConnectionStatus::Error, why.clone()),
            Trouble::Ended => {
                let why =
                    format!("the token ended, and Nango has none to renew it with: {}", tokens.connection);
                (ConnectionStatus::Expired, why)
            }
        };
        let error = unsent::inactive(&live.row, Some(&why));
        let failure = failure(Finding::Unauthorized, error);
        live.access.refuse(&failure);
        self.broken(live, status, &why).await;
        failure
    }

    /// Asks Nango again once a minute, whether a call is due or not, until it gives a token or none is wanted any more. One
    /// does so for all.
    fn look_out(self: &Arc<Stripe>, live: &Live, tokens: &Arc<Tokens>) {
        if !tokens.watch() {
            return;
        }
        let (stripe, tokens, id) = (Arc::downgrade(self), Arc::downgrade(tokens), live.row.id);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_OUT).await;
                let (Some(stripe), Some(tokens)) = (stripe.upgrade(), tokens.upgrade()) else { return };
                let live = stripe.registry.by_id(id).filter(|live| live.is_active());
                let live = live.filter(|live| match &live.credentials {
                    Credentials::Nango(own) => Arc::ptr_eq(own, &tokens),
                    Credentials::None | Credentials::Key(_) => false,
                });
                if tokens.stop_watching(live.is_some()) {
                    return;
                }
                if let Some(live) = live {
                    // Whoever waits is told of a token where it comes; of its want they know.
                    let _ = stripe.next_token(&live, &tokens).await;
                }
            }
        });
    }

    /// Notes in the row that the connection cannot be used, once for all calls that find out.
    pub(super) async fn broken(self: &Arc<Stripe>, live: &Arc<Live>, status: ConnectionStatus, why: &str) {
        let last_error = format!("{why}; {}", unsent::way_back_to(&live.row));
        let registry = Arc::clone(&self.registry);
        let live = Arc::clone(live);
        // Not to be left half done with a call whose time is over.
        let noted = tokio::spawn(async move {
            let by = Actor::system("connections");
            let amendment = Amendment::of_row(&by, "connection.error");
            let noted = registry.amend(live.row.id, amendment, |current, row| {
                let is_usable = row.status == ConnectionStatus::Active;
                if !is_usable || !Arc::ptr_eq(&current.access, &live.access) {
                    return Ok(false);
                }
                (row.status, row.last_error) = (status, Some(last_error));
                Ok(true)
            });
            // Where the storage does not take it, memory keeps calls from going out, and the next refusal notes it.
            let _ = noted.await;
        });
        let _ = noted.await;
    }

    /// Notes in the row that the connection can be used again.
    pub(super) async fn mended(self: &Arc<Stripe>, live: &Arc<Live>) {
        let registry = Arc::clone(&self.registry);
        let live = Arc::clone(live);
        let noted = tokio::spawn(async move {
            let by = Actor::system("connections");
            let amendment = Amendment::of_row(&by, "connection.activate");
            let now = registry.now();
            let noted = registry.amend(live.row.id, amendment, |current, row| {
                let is_broken = matches!(row.status, ConnectionStatus::Error | ConnectionStatus::Expired);
                if !is_broken || !Arc::ptr_eq(&current.access, &live.access) {
                    return Ok(false);
                }
                (row.status, row.last_error) = (ConnectionStatus::Active, None);
                row.last_synced_at = Some(now);
                Ok(true)
            });
            // Where the storage does not take it, the next answer notes it.
            let _ = noted.await;
        });
        let _ = noted.await;
    }
}

/// Why it was not told whose a token is.
fn untold(failure: &Failure) -> Trouble {
    let StepError { message, .. } = &failure.error;
    match failure.finding {
        Finding::Unauthorized => Trouble::Refused(format!("Stripe refuses it: {message}")),
        Finding::Refused
        | Finding::Forbidden
        | Finding::KeyInUse
        | Finding::Busy
        | Finding::Conflict
        | Finding::Throttled
        | Finding::Unknown
        | Finding::ReplayedError
        | Finding::Unreachable
        | Finding::NoConnection
        | Finding::NotFoundDone
        | Finding::Defect => {
            let retry_after = failure.retry_after.map(Duration::from_millis);
            Trouble::Away { why: message.clone(), retry_after }
        }
    }
}

/// Credentials that Nango keeps, by where it keeps them.
pub(crate) fn credentials_of(source: &Source) -> Credentials {
    match source {
        Source::Nango { integration, connection: Some(connection) } => {
            Credentials::Nango(Arc::new(Tokens::new(integration, connection)))
        }
        Source::Nango { connection: None, .. } | Source::Environment | Source::Sandbox | Source::ApiKey => {
            Credentials::None
        }
    }
}
