//! A stand-in for whoever uses connections: it keeps rows as the real one does, does as it is told, and takes note.

use std::sync::Mutex;

use loopfour_engine::connections::{
    Attempt, AttemptState, Authorization, AuthorizationNews, Authorize, Connection, ConnectionChange,
    ConnectionError, ConnectionSettings, ConnectionStatus, ConnectionStore as _, Connections,
    NewKeyConnection, SecretChange, Source,
};
use loopfour_engine::ports::{BoxFuture, Clock as _};
use loopfour_engine::{Actor, CompanyId, ConnectionId, Timestamp};
use loopfour_store::Store;
use loopfour_testkit::ManualClock;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

pub struct Desk {
    store: Store,
    clock: ManualClock,
    rows: Mutex<Vec<Connection>>,
    /// What was asked for, in words.
    pub asked: Mutex<Vec<String>>,
    /// What everything comes to, if it is refused.
    pub refuse: Mutex<Option<ConnectionError>>,
    /// How tries stand from now on.
    pub state: Mutex<AttemptState>,
    /// Becomes true with every look at a connection.
    pub looked: tokio::sync::Notify,
}

impl Desk {
    pub fn new(store: Store, clock: ManualClock) -> Desk {
        Desk {
            store,
            clock,
            rows: Mutex::default(),
            asked: Mutex::default(),
            refuse: Mutex::default(),
            state: Mutex::new(AttemptState::Open),
            looked: tokio::sync::Notify::new(),
        }
    }

    /// Makes a connection of a company.
    pub async fn made(&self, company: CompanyId, name: &str, status: ConnectionStatus) -> Connection {
        let now = self.clock.now();
        let connection = Connection {
            id: ConnectionId(Uuid::now_v7()),
            company,
            name: name.to_owned(),
            provider: "stripe".to_owned(),
            status,
            source: Source::ApiKey,
            mode: Some("test".to_owned()),
            external_account_id: Some("acct_1".to_owned()),
            former_account: None,
            same_accounts: Vec::new(),
            settings: ConnectionSettings::default(),
            last_error: None,
            last_synced_at: None,
            attempt: None,
            created_at: now,
            updated_at: now,
        };
        self.keep(connection).await
    }

    /// Takes and stores a row.
    pub async fn keep(&self, connection: Connection) -> Connection {
        let by = Actor::system("test");
        self.store.keep(&connection, SecretChange::Keep, &by, "connection.create").await.unwrap();
        let mut rows = self.rows.lock().unwrap();
        rows.retain(|row| row.id != connection.id);
        rows.push(connection.clone());
        connection
    }

    /// What was asked for since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn note(&self, what: String) -> Result<(), ConnectionError> {
        self.asked.lock().unwrap().push(what);
        self.refuse.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn find(&self, fits: impl Fn(&Connection) -> bool) -> Result<Connection, ConnectionError> {
        let found = self.rows.lock().unwrap().iter().find(|row| fits(row)).cloned();
        found.ok_or_else(|| ConnectionError::Missing("the desk has no such connection".to_owned()))
    }

    fn own(&self, company: CompanyId, id: ConnectionId) -> Result<Connection, ConnectionError> {
        self.find(|row| row.company == company && row.id == id)
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, ConnectionError>>;

impl Connections for Desk {
    fn authorize<'a>(
        &'a self,
        company: CompanyId,
        wish: Authorize,
        by: &'a Actor,
    ) -> Answer<'a, Authorization> {
        Box::pin(async move {
            let redirect = wish.redirect_url.as_deref().unwrap_or("nowhere");
            self.note(format!(
                "authorize {} `{}` then {redirect}, by {}",
                wish.provider, wish.name, by.name
            ))?;
            let mut connection = self.made(company, &wish.name, ConnectionStatus::Pending).await;
            let (id, expires_at) = (Uuid::new_v4(), Timestamp(self.clock.now().0 + 30 * 60_000));
            connection.attempt =
                Some(Attempt { id, expires_at, redirect_url: wish.redirect_url, state: AttemptState::Open });
            let connection = self.keep(connection).await.id;
            let auth_url = "https://nango.example/?session_token=t".to_owned();
            Ok(Authorization { connection, attempt: id, auth_url, expires_at })
        })
    }

    fn look(&self, company: CompanyId, id: ConnectionId) -> Answer<'_, Connection> {
        Box::pin(async move {
            self.note("look".to_owned())?;
            self.looked.notify_one();
            self.own(company, id)
        })
    }

    fn look_at_attempt(&self, attempt: Uuid, news: Option<AuthorizationNews>) -> Answer<'_, Connection> {
        Box::pin(async move {
            let news = news.map(|news| (news.success, news.reason.unwrap_or_default()));
            self.note(format!("look at a try, told {news:?}"))?;
            let mut found = self.find(|row| row.attempt.as_ref().is_some_and(|own| own.id == attempt))?;
            if let Some(attempt) = &mut found.attempt {
                attempt.state = self.state.lock().unwrap().clone();
            }
            Ok(found)
        })
    }

    fn add_key<'a>(
        &'a self,
        company: CompanyId,
        new: NewKeyConnection,
        by: &'a Actor,
    ) -> Answer<'a, Connection> {
        Box::pin(async move {
            let key = new.api_key.expose_secret();
            self.note(format!("add `{key}` as {} `{}`, by {}", new.provider, new.name, by.name))?;
            Ok(self.made(company, &new.name, ConnectionStatus::Active).await)
        })
    }

    fn change<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        change: ConnectionChange,
        by: &'a Actor,
    ) -> Answer<'a, Connection> {
        Box::pin(async move {
            let secrets = change.webhook_secrets.unwrap_or_default();
            let secrets: Vec<&str> = secrets.iter().map(|secret| secret.expose_secret()).collect();
            let same = if change.same_account { " same" } else { "" };
            self.note(format!("change{same}, signed by {secrets:?}, by {}", by.name))?;
            let mut connection = self.own(company, id)?;
            connection.name = change.name.unwrap_or(connection.name);
            connection.settings = change.settings.over(&connection.settings);
            Ok(self.keep(connection).await)
        })
    }

    fn disconnect<'a>(
        &'a self,
        company: CompanyId,
        id: ConnectionId,
        by: &'a Actor,
    ) -> Answer<'a, Connection> {
        Box::pin(async move {
            self.note(format!("disconnect, by {}", by.name))?;
            let connection = self.own(company, id)?;
            Ok(self.keep(Connection { status: ConnectionStatus::Disconnected, ..connection }).await)
        })
    }

    fn test<'a>(&'a self, company: CompanyId, id: ConnectionId, by: &'a Actor) -> Answer<'a, Connection> {
        Box::pin(async move {
            self.note(format!("test, by {}", by.name))?;
            let connection = self.own(company, id)?;
            let status = ConnectionStatus::Error;
            let last_error = Some("the key was revoked: give a new one".to_owned());
            Ok(self.keep(Connection { status, last_error, ..connection }).await)
        })
    }

    fn company_of(&self, id: ConnectionId) -> Option<CompanyId> {
        self.find(|row| row.id == id).ok().map(|row| row.company)
    }
}
