//! Every connection of every company, in memory: read with each call, changed only after the storage took the change.
//! It knows no provider's ways; what a connection is called with is given to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};

use loopfour_engine::call::Account;
use loopfour_engine::connections::{
    Connection, ConnectionError, ConnectionSettings, ConnectionStatus, ConnectionStore, KeepError,
    SecretChange, Source,
};
use loopfour_engine::{Actor, CompanyId, ConnectionId, Timestamp};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use crate::AnyClock;
use crate::credentials::Credentials;
use crate::live::{ENVIRONMENT, Live, SANDBOX};
use crate::pace::{Pace, PaceConfig};
use crate::senders::Secrets;
use crate::stripe::{Access, NAME};

/// What a registry is made with.
pub(crate) struct Parts {
    /// None: nothing outlives the process.
    pub(crate) store: Option<Arc<dyn ConnectionStore>>,
    pub(crate) clock: Arc<dyn AnyClock>,
    /// Whose the built-in connection is; none: everybody's.
    pub(crate) default_company: Option<CompanyId>,
    /// The connection that comes with the process, and what it is called with.
    pub(crate) built_in: Option<BuiltIn>,
    /// How fast calls go out unless a connection says otherwise.
    pub(crate) pace: PaceConfig,
}

/// The connection that comes with the process.
pub(crate) struct BuiltIn {
    /// [`Source::Environment`] or [`Source::Sandbox`].
    pub(crate) source: Source,
    pub(crate) mode: &'static str,
    pub(crate) credentials: Credentials,
}

/// The connections.
pub(crate) struct Registry {
    store: Option<Arc<dyn ConnectionStore>>,
    pub(crate) clock: Arc<dyn AnyClock>,
    default_company: Option<CompanyId>,
    sandbox: bool,
    usual_pace: PaceConfig,
    paces: Mutex<HashMap<PaceKey, Weak<Pace>>>,
    lives: RwLock<Lives>,
    /// Held while a change is stored, so that changes follow each other.
    changing: tokio::sync::Mutex<()>,
    watchers: Mutex<Vec<UnboundedSender<CompanyId>>>,
    /// What signs their events.
    pub(crate) secrets: Secrets,
}

/// Account or key, mode, figures: who shares a pace.
type PaceKey = (String, String, String);

#[derive(Default)]
struct Lives {
    by_id: HashMap<ConnectionId, Arc<Live>>,
    by_company: HashMap<CompanyId, Vec<ConnectionId>>,
    built_in: Option<Arc<Live>>,
}

/// A change of a connection, as the storage is told of it.
pub(crate) struct Amendment<'a> {
    pub(crate) by: &'a Actor,
    /// The name of the audit log.
    pub(crate) action: &'static str,
    pub(crate) secret: SecretChange,
    /// What it is called with from here on; none: as before.
    pub(crate) credentials: Option<Credentials>,
}

impl<'a> Amendment<'a> {
    /// One that leaves the credentials as they are.
    pub(crate) fn of_row(by: &'a Actor, action: &'static str) -> Amendment<'a> {
        Amendment { by, action, secret: SecretChange::Keep, credentials: None }
    }
}

impl Registry {
    pub(crate) fn new(parts: Parts) -> Registry {
        let Parts { store, clock, default_company, built_in, pace } = parts;
        let sandbox = built_in.as_ref().is_some_and(|built_in| built_in.source == Source::Sandbox);
        let registry = Registry {
            store,
            clock,
            default_company,
            sandbox,
            usual_pace: pace,
            paces: Mutex::default(),
            lives: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            watchers: Mutex::default(),
            secrets: Secrets::default(),
        };
        if let Some(BuiltIn { source, mode, credentials }) = built_in {
            let company = default_company.unwrap_or(CompanyId(Uuid::nil()));
            let mut row = registry.blank(company, built_in_name(&source), source);
            row.status = ConnectionStatus::Active;
            row.mode = Some(mode.to_owned());
            let live = registry.live(row, credentials, Arc::new(Access::default()));
            registry.put(live);
        }
        registry
    }

    /// A connection of which nothing is known yet.
    pub(crate) fn blank(&self, company: CompanyId, name: &str, source: Source) -> Connection {
        let now = self.now();
        Connection {
            id: ConnectionId(Uuid::now_v7()),
            company,
            name: name.to_owned(),
            provider: NAME.to_owned(),
            status: ConnectionStatus::Pending,
            source,
            mode: None,
            external_account_id: None,
            former_account: None,
            same_accounts: Vec::new(),
            settings: ConnectionSettings::default(),
            last_error: None,
            last_synced_at: None,
            attempt: None,
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn is_sandbox(&self) -> bool {
        self.sandbox
    }

    /// A connection in memory, at the pace of its account.
    pub(crate) fn live(&self, row: Connection, credentials: Credentials, access: Arc<Access>) -> Live {
        let own = row.settings.pace.as_ref().and_then(|pace| pace.parse::<PaceConfig>().ok());
        let config = own.unwrap_or(self.usual_pace);
        let mode = row.mode.clone().unwrap_or_default();
        let stand_in = || match &credentials {
            Credentials::Key(bearer) => bearer.id.clone(),
            Credentials::None | Credentials::Nango(_) => row.id.to_string(),
        };
        let account = row.settings.stripe_account.clone().or_else(|| row.external_account_id.clone());
        let key = (account.unwrap_or_else(stand_in), mode.clone(), config.to_string());
        let mut paces = lock(&self.paces);
        let pace = paces.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            paces.retain(|_, pace| pace.strong_count() > 0);
            let pace = Pace::new(&config, &mode);
            paces.insert(key, Arc::downgrade(&pace));
            pace
        });
        drop(paces);
        Live::new(row, credentials, access, pace)
    }

    fn lives(&self) -> RwLockReadGuard<'_, Lives> {
        self.lives.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, live: Live) -> Arc<Live> {
        let live = Arc::new(live);
        let mut lives = self.lives.write().unwrap_or_else(PoisonError::into_inner);
        let id = live.row.id;
        if lives.by_id.insert(id, Arc::clone(&live)).is_none() {
            lives.by_company.entry(live.row.company).or_default().push(id);
        }
        let is_used = !matches!(live.credentials, Credentials::None);
        if live.is_built_in() && is_used {
            lives.built_in = Some(Arc::clone(&live));
        }
        live
    }

    fn remove(&self, id: ConnectionId) {
        let mut lives = self.lives.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = lives.by_id.remove(&id)
            && let Some(ids) = lives.by_company.get_mut(&live.row.company)
        {
            ids.retain(|other| *other != id);
        }
    }

    /// A connection by its id, whosever it is.
    pub(crate) fn by_id(&self, id: ConnectionId) -> Option<Arc<Live>> {
        self.lives().by_id.get(&id).cloned()
    }

    /// A company's connection by its id.
    pub(crate) fn of_company(&self, company: CompanyId, id: ConnectionId) -> Option<Arc<Live>> {
        self.by_id(id).filter(|live| self.is_for(live, company))
    }

    /// A company's stored connections.
    pub(crate) fn all_of(&self, company: CompanyId) -> Vec<Arc<Live>> {
        let lives = self.lives();
        let ids = lives.by_company.get(&company).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| lives.by_id.get(id).cloned()).collect()
    }

    /// Every connection.
    pub(crate) fn all(&self) -> Vec<Arc<Live>> {
        self.lives().by_id.values().cloned().collect()
    }

    /// The connection that a try to authorise belongs to.
    pub(crate) fn by_attempt(&self, attempt: Uuid) -> Option<Arc<Live>> {
        let lives = self.lives();
        let is_its = |live: &&Arc<Live>| live.row.attempt.as_ref().is_some_and(|own| own.id == attempt);
        lives.by_id.values().find(is_its).cloned()
    }

    /// The connection that comes with the process, if the company may use it.
    pub(crate) fn built_in_for(&self, company: CompanyId) -> Option<Arc<Live>> {
        self.lives().built_in.clone().filter(|live| self.is_for(live, company))
    }

    /// The connection that comes with the process.
    pub(crate) fn built_in(&self) -> Option<Arc<Live>> {
        self.lives().built_in.clone()
    }

    /// The connection that a journal names, or the one that is in its place.
    pub(crate) fn named(&self, account: &Account) -> Option<Arc<Live>> {
        if self.sandbox || matches!(account.connection.as_str(), ENVIRONMENT | SANDBOX) {
            return self.built_in();
        }
        account.connection.parse().ok().and_then(|id| self.by_id(id))
    }

    /// Whether a company may use a connection.
    pub(crate) fn is_for(&self, live: &Live, company: CompanyId) -> bool {
        match live.row.source {
            Source::Sandbox => self.sandbox || live.row.company == company,
            Source::Environment => self.default_company.is_none_or(|default| default == company),
            Source::ApiKey | Source::Nango { .. } => live.row.company == company,
        }
    }

    /// The connection of that name, if the company has one.
    pub(crate) fn by_name(&self, company: CompanyId, name: &str) -> Option<Arc<Live>> {
        self.all_of(company).into_iter().find(|live| live.row.name == name)
    }

    /// Changes a connection: what `change` makes of its row is stored, and only then used. Nothing happens where it says
    /// that nothing is to be changed.
    ///
    /// # Errors
    /// There is no such connection any more, the change is refused, or the storage did not take it.
    pub(crate) async fn amend(
        &self,
        id: ConnectionId,
        amendment: Amendment<'_>,
        change: impl FnOnce(&Live, &mut Connection) -> Result<bool, ConnectionError> + Send,
    ) -> Result<Arc<Live>, ConnectionError> {
        let _changing = self.changing.lock().await;
        let before = self.by_id(id).ok_or_else(|| missing(id))?;
        let mut row = before.row.clone();
        if !change(&before, &mut row)? {
            return Ok(before);
        }
        row.updated_at = self.now();
        let Amendment { by, action, secret, credentials } = amendment;
        self.keep(&row, secret, by, action).await?;
        let (credentials, access) = match credentials {
            Some(credentials) => (credentials, access_of(&row)),
            None => (before.credentials.clone(), Arc::clone(&before.access)),
        };
        if row.status == ConnectionStatus::Active {
            access.clear();
        }
        let live = self.put(self.live(row, credentials, access));
        if live.is_active() {
            self.tell(live.row.company);
        }
        Ok(live)
    }

    /// Takes in a connection that there was not.
    ///
    /// # Errors
    /// The storage did not take it: its name is taken, or it failed.
    pub(crate) async fn add(
        &self,
        row: Connection,
        amendment: Amendment<'_>,
    ) -> Result<Arc<Live>, ConnectionError> {
        let _changing = self.changing.lock().await;
        if self.by_name(row.company, &row.name).is_some() {
            return Err(KeepError::NameTaken.into());
        }
        let Amendment { by, action, secret, credentials } = amendment;
        self.keep(&row, secret, by, action).await?;
        let access = Arc::new(Access::of(row.external_account_id.clone()));
        let live = self.put(self.live(row, credentials.unwrap_or(Credentials::None), access));
        if live.is_active() {
            self.tell(live.row.company);
        }
        Ok(live)
    }

    /// Forgets a connection that never was active.
    ///
    /// # Errors
    /// The storage failed.
    pub(crate) async fn forget(
        &self,
        id: ConnectionId,
        still: impl FnOnce(&Connection) -> bool + Send,
    ) -> Result<(), ConnectionError> {
        let _changing = self.changing.lock().await;
        let Some(live) = self.by_id(id).filter(|live| still(&live.row)) else { return Ok(()) };
        if let Some(store) = &self.store {
            store.forget(live.row.company, id).await?;
        }
        self.remove(id);
        Ok(())
    }

    async fn keep(
        &self,
        row: &Connection,
        secret: SecretChange,
        by: &Actor,
        action: &'static str,
    ) -> Result<(), KeepError> {
        match &self.store {
            Some(store) => store.keep(row, secret, by, action).await,
            None => Ok(()),
        }
    }

    /// Where connections are kept.
    pub(crate) fn store(&self) -> Option<&Arc<dyn ConnectionStore>> {
        self.store.as_ref()
    }

    /// Takes in a row as it was stored.
    pub(crate) fn take_in(&self, row: Connection, credentials: Credentials) {
        let access = access_of(&row);
        let live = self.live(row, credentials, access);
        self.put(live);
    }

    /// Brings the row of a built-in connection in line with how the process was started, and takes it in.
    ///
    /// # Errors
    /// The storage did not take it.
    pub(crate) async fn take_in_built_in(
        &self,
        source: &Source,
        stored: Option<Connection>,
        by: &Actor,
    ) -> Result<(), KeepError> {
        let here = self.built_in().filter(|live| live.row.source == *source);
        let (row, action) = match (here.as_deref(), &stored) {
            (None, None) => return Ok(()),
            (None, Some(row)) => (absent(row, source, self.sandbox), "connection.disconnect"),
            (Some(live), None) => (live.row.clone(), "connection.create"),
            (Some(live), Some(row)) => (present(row, live), "connection.activate"),
        };
        let changed = stored.as_ref() != Some(&row);
        let row = if changed { Connection { updated_at: self.now(), ..row } } else { row };
        if changed {
            self.keep(&row, SecretChange::Keep, by, action).await?;
        }
        let credentials = here.as_ref().map_or(Credentials::None, |live| live.credentials.clone());
        if let Some(live) = here {
            self.remove(live.row.id);
        }
        // Whose account it is has to be asked: the key may be another than at the last start.
        let access = Arc::new(Access::default());
        let live = self.live(row, credentials, access);
        self.put(live);
        Ok(())
    }

    /// A receiver of each company one of whose connections can be used again, or in another way.
    pub(crate) fn changes(&self) -> UnboundedReceiver<CompanyId> {
        let (sender, receiver) = unbounded_channel();
        lock(&self.watchers).push(sender);
        receiver
    }

    /// Says that a company's runs may have something to go on with.
    pub(crate) fn tell(&self, company: CompanyId) {
        lock(&self.watchers).retain(|watcher| watcher.send(company).is_ok());
    }
}

fn built_in_name(source: &Source) -> &'static str {
    match source {
        Source::Sandbox => SANDBOX,
        Source::Environment | Source::ApiKey | Source::Nango { .. } => ENVIRONMENT,
    }
}

/// The stored row of a built-in connection that this process does not have.
fn absent(row: &Connection, source: &Source, in_sandbox: bool) -> Connection {
    let why = match source {
        Source::Sandbox => "the server runs without --sandbox",
        Source::Environment | Source::ApiKey | Source::Nango { .. } if in_sandbox => {
            "the server runs with --sandbox"
        }
        Source::Environment | Source::ApiKey | Source::Nango { .. } => {
            "the server runs without STRIPE_API_KEY"
        }
    };
    let (status, last_error) = (ConnectionStatus::Disconnected, Some(why.to_owned()));
    Connection { status, last_error, ..row.clone() }
}

/// The stored row of the built-in connection that this process has.
fn present(row: &Connection, live: &Live) -> Connection {
    let mut row = row.clone();
    if row.mode != live.row.mode {
        (row.external_account_id, row.former_account) = (None, None);
        row.same_accounts.clear();
        row.mode.clone_from(&live.row.mode);
    }
    if row.status != ConnectionStatus::Active {
        (row.status, row.last_error) = (ConnectionStatus::Active, None);
    }
    row
}

/// What is known of credentials by their row; refused ones are tried again by the next call.
fn access_of(row: &Connection) -> Arc<Access> {
    let access = Access::of(row.external_account_id.clone());
    if is_broken(row) {
        access.refuse_from_before(row);
    }
    Arc::new(access)
}

/// Whether a stored connection is not to be used, and a look at the provider may show that it can be.
fn is_broken(row: &Connection) -> bool {
    match row.status {
        ConnectionStatus::Error | ConnectionStatus::Expired => true,
        ConnectionStatus::Pending | ConnectionStatus::Active | ConnectionStatus::Disconnected => false,
    }
}

/// There is no such connection.
pub(crate) fn missing(id: ConnectionId) -> ConnectionError {
    ConnectionError::Missing(format!("the connection {id} does not exist"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_one_account_and_mode_share_a_pace() {
        let registry = Registry::new(Parts {
            store: None,
            clock: Arc::new(crate::WallClock),
            default_company: None,
            built_in: None,
            pace: PaceConfig::default(),
        });
        let live = |account: &str, mode: &str, pace: Option<&str>| {
            let mut row = registry.blank(CompanyId(Uuid::nil()), "main", Source::ApiKey);
            (row.external_account_id, row.mode) = (Some(account.to_owned()), Some(mode.to_owned()));
            row.settings.pace = pace.map(str::to_owned);
            registry.live(row, Credentials::None, Arc::default())
        };
        let first = live("acct_1", "test", None);
        let check = |other: Live, shares: bool| {
            assert_eq!(Arc::ptr_eq(&first.pace, &other.pace), shares);
        };
        check(live("acct_1", "test", None), true);
        check(live("acct_2", "test", None), false);
        check(live("acct_1", "live", None), false);
        check(live("acct_1", "test", Some("total=5")), false);
        check(live("acct_1", "test", Some("nonsense")), true);
    }
}
