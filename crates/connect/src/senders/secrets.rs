//! The secrets that sign events, in memory: read with each event, changed only after the storage took the change.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use loopfour_engine::connections::{ConnectionError, ConnectionStore, KeepError, Registration, Signing};
use loopfour_engine::provider_events::Entrance;
use loopfour_engine::{Actor, CompanyId, ConnectionId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};

use crate::webhook::standard;

/// The most secrets of one entrance or connection: each costs a hash of every body.
const MOST: usize = 10;
/// The longest secret, characters.
const LONGEST: usize = 255;

/// All secrets that sign events.
#[derive(Default)]
pub(crate) struct Secrets {
    known: RwLock<Known>,
    /// Held while a change is stored, so that changes follow each other.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// `STRIPE_WEBHOOK_SECRET`, and whose it is.
    environment: Option<(CompanyId, Vec<SecretString>)>,
    stripe: HashMap<CompanyId, Vec<SecretString>>,
    custom: HashMap<CompanyId, HashMap<Entrance, Vec<standard::Key>>>,
    /// What people gave.
    connections: HashMap<ConnectionId, Vec<SecretString>>,
    /// What providers were told.
    registrations: HashMap<(CompanyId, ConnectionId), Registration>,
}

impl Secrets {
    /// Takes in what is stored, and the environment's.
    pub(crate) fn take_in(
        &self,
        signing: Signing,
        environment: Option<(CompanyId, Vec<SecretString>)>,
    ) -> Result<(), KeepError> {
        let mut known = self.write();
        known.environment = environment;
        for (company, entrance, secrets) in signing.entrances {
            let kept = known.put(company, entrance, secrets);
            kept.map_err(|error| {
                KeepError::Storage(format!("a stored secret of webhooks is none: {error}"))
            })?;
        }
        known.connections.extend(signing.connections);
        for registration in signing.registrations {
            known.registrations.insert((registration.company, registration.connection), registration);
        }
        Ok(())
    }

    /// Whether one of a company's own secrets passes, or of the environment's.
    pub(super) fn any_of_company(&self, company: CompanyId, is_its: impl Fn(&SecretString) -> bool) -> bool {
        let known = self.read();
        let environment = known.environment.as_ref().filter(|(whose, _)| *whose == company);
        let environment = environment.into_iter().flat_map(|(_, secrets)| secrets);
        known.stripe.get(&company).into_iter().flatten().chain(environment).any(is_its)
    }

    /// Whether one of a connection's secrets passes: one that people gave, or the one of the company's registration.
    pub(super) fn any_of_connection(
        &self,
        company: CompanyId,
        id: ConnectionId,
        is_its: impl Fn(&SecretString) -> bool,
    ) -> bool {
        let known = self.read();
        let registered = known.registrations.get(&(company, id)).map(|registration| &registration.secret);
        registered.into_iter().chain(known.connections.get(&id).into_iter().flatten()).any(is_its)
    }

    /// Whether one of the keys of a custom entrance passes.
    pub(super) fn any_key(
        &self,
        company: CompanyId,
        entrance: &Entrance,
        is_its: impl Fn(&standard::Key) -> bool,
    ) -> bool {
        let known = self.read();
        let keys = known.custom.get(&company).and_then(|entrances| entrances.get(entrance));
        keys.into_iter().flatten().any(is_its)
    }

    /// How many secrets a company has for which entrance, in the order of their names.
    pub(super) fn counts(&self, company: CompanyId) -> Vec<(Entrance, usize)> {
        let known = self.read();
        let stripe = known.stripe.get(&company).map(|secrets| (Entrance::Stripe, secrets.len()));
        let custom = known.custom.get(&company).into_iter().flatten();
        let mut custom: Vec<_> = custom.map(|(entrance, keys)| (entrance.clone(), keys.len())).collect();
        custom.sort_by(|(one, _), (other, _)| path(one).cmp(path(other)));
        stripe.into_iter().chain(custom).collect()
    }

    /// Makes these the company's secrets of an entrance.
    ///
    /// # Errors
    /// One of them cannot be, or the storage did not take them.
    pub(super) async fn keep_of_entrance(
        &self,
        store: Option<&Arc<dyn ConnectionStore>>,
        (company, entrance): (CompanyId, Entrance),
        secrets: Vec<SecretString>,
        (by, now): (&Actor, Timestamp),
    ) -> Result<(), ConnectionError> {
        check_path(&entrance)?;
        // Read before they are stored: nothing is stored that cannot be used.
        Known::default().put(company, entrance.clone(), secrets.clone())?;
        let _changing = self.changing.lock().await;
        if let Some(store) = store {
            store.keep_entrance_secrets(company, &entrance, secrets.clone(), by, now).await?;
        }
        self.write().put(company, entrance, secrets)
    }

    /// Makes these the secrets that people gave for a connection.
    ///
    /// # Errors
    /// The storage did not take them.
    pub(crate) async fn keep_of_connection(
        &self,
        store: &dyn ConnectionStore,
        (company, id): (CompanyId, ConnectionId),
        secrets: Vec<SecretString>,
        by: &Actor,
    ) -> Result<(), KeepError> {
        let _changing = self.changing.lock().await;
        store.keep_webhook_secrets(company, id, secrets.clone(), by).await?;
        self.write().connections.insert(id, secrets);
        Ok(())
    }

    /// What the provider was told of a company and a connection.
    pub(crate) fn registration(&self, company: CompanyId, id: ConnectionId) -> Option<Registration> {
        self.read().registrations.get(&(company, id)).cloned()
    }

    /// The connections of which the provider was told something for a company.
    pub(crate) fn registered(&self, company: CompanyId) -> Vec<ConnectionId> {
        let known = self.read();
        known.registrations.keys().filter(|(whose, _)| *whose == company).map(|(_, id)| *id).collect()
    }

    /// Whether that is the provider's id of an endpoint that is registered.
    pub(crate) fn knows_endpoint(&self, endpoint: &str) -> bool {
        self.read().registrations.values().any(|registration| registration.endpoint == endpoint)
    }

    /// Whether a person gave a secret that events of a connection may be signed with.
    pub(crate) fn has_given(&self, company: CompanyId, id: ConnectionId) -> bool {
        self.has_of_connection(id) || self.any_of_company(company, |_| true)
    }

    /// Whether a person gave a secret for the connection itself.
    pub(crate) fn has_of_connection(&self, id: ConnectionId) -> bool {
        self.read().connections.get(&id).is_some_and(|secrets| !secrets.is_empty())
    }

    /// Keeps what the provider was told; its secret counts from here on.
    ///
    /// # Errors
    /// The storage did not take it.
    pub(crate) async fn keep_registration(
        &self,
        store: Option<&Arc<dyn ConnectionStore>>,
        registration: Registration,
        (by, now): (&Actor, Timestamp),
    ) -> Result<(), KeepError> {
        let _changing = self.changing.lock().await;
        if let Some(store) = store {
            store.keep_registration(&registration, by, now).await?;
        }
        let whose = (registration.company, registration.connection);
        self.write().registrations.insert(whose, registration);
        Ok(())
    }

    /// Forgets what the provider was told.
    ///
    /// # Errors
    /// The storage did not take it.
    pub(crate) async fn forget_registration(
        &self,
        store: Option<&Arc<dyn ConnectionStore>>,
        (company, id): (CompanyId, ConnectionId),
        (by, now): (&Actor, Timestamp),
    ) -> Result<(), KeepError> {
        let _changing = self.changing.lock().await;
        if let Some(store) = store {
            store.forget_registration(company, id, by, now).await?;
        }
        self.write().registrations.remove(&(company, id));
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(
        &mut self,
        company: CompanyId,
        entrance: Entrance,
        secrets: Vec<SecretString>,
    ) -> Result<(), ConnectionError> {
        match entrance {
            Entrance::Stripe => {
                check_stripe("secrets", &secrets)?;
                match secrets.is_empty() {
                    true => self.stripe.remove(&company),
                    false => self.stripe.insert(company, secrets),
                };
            }
            Entrance::Custom { .. } => {
                few("secrets", &secrets)?;
                let read = |(index, secret)| {
                    let hint = "a secret of Standard Webhooks is `whsec_` and 24 to 64 bytes in base64";
                    let key = standard::Key::parse(secret);
                    key.map_err(|wrong| invalid("secrets", index, &format!("{wrong}: {hint}")))
                };
                let keys = secrets.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
                let entrances = self.custom.entry(company).or_default();
                match keys.is_empty() {
                    true => entrances.remove(&entrance),
                    false => entrances.insert(entrance, keys),
                };
            }
        }
        Ok(())
    }
}

/// Checks secrets of Stripe's, which are given in that field.
///
/// # Errors
/// There are too many, or one cannot be.
pub(crate) fn check_stripe(field: &str, secrets: &[SecretString]) -> Result<(), ConnectionError> {
    few(field, secrets)?;
    for (index, secret) in secrets.iter().enumerate() {
        let secret = secret.expose_secret();
        let wrong = match secret.len() {
            0 => "is empty",
            1..=LONGEST if secret.bytes().all(|byte| byte.is_ascii_graphic()) => continue,
            1..=LONGEST => "holds characters that no secret has",
            _ => "is longer than 255 characters",
        };
        let hint = "Stripe's dashboard shows it with the endpoint, `whsec_…`";
        return Err(invalid(field, index, &format!("{wrong}: {hint}")));
    }
    Ok(())
}

fn few(field: &str, secrets: &[SecretString]) -> Result<(), ConnectionError> {
    if secrets.len() <= MOST {
        return Ok(());
    }
    let message = format!("are {}, and {MOST} are the most", secrets.len());
    Err(ConnectionError::Invalid { field: field.to_owned(), message })
}

fn check_path(entrance: &Entrance) -> Result<(), ConnectionError> {
    let path = path(entrance);
    if path.len() <= LONGEST {
        return Ok(());
    }
    let message = format!("has {} bytes, and {LONGEST} are the most", path.len());
    Err(ConnectionError::Invalid { field: "path".to_owned(), message })
}

fn path(entrance: &Entrance) -> &str {
    match entrance {
        Entrance::Stripe => "",
        Entrance::Custom { path } => path,
    }
}

fn invalid(field: &str, index: usize, message: &str) -> ConnectionError {
    ConnectionError::Invalid { field: format!("{field}[{index}]"), message: message.to_owned() }
}
