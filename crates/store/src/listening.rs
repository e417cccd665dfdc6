//! Which companies have somebody who wants to be told, from memory: the others pay nothing for it. And whoever sends
//! messages learns here that there are new ones.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use loopfour_engine::CompanyId;
use tokio::sync::watch::Sender;

/// The companies with an address that is not disabled. Changed only after the commit of what changes it.
pub(crate) struct Listening {
    companies: RwLock<HashSet<CompanyId>>,
    /// How often messages were put in since the start.
    put_in: Sender<u64>,
}

impl Listening {
    pub(crate) fn new(companies: HashSet<CompanyId>) -> Listening {
        Listening { companies: RwLock::new(companies), put_in: Sender::new(0) }
    }

    /// Nobody is told of what happens.
    pub(crate) fn nobody() -> Listening {
        Listening::new(HashSet::new())
    }

    /// Whether any company listens.
    pub(crate) fn has_any(&self) -> bool {
        !self.read().is_empty()
    }

    /// Whether this company does.
    pub(crate) fn has(&self, company: CompanyId) -> bool {
        self.read().contains(&company)
    }

    pub(crate) fn set(&self, company: CompanyId, listens: bool) {
        let mut companies = self.companies.write().unwrap_or_else(PoisonError::into_inner);
        match listens {
            true => companies.insert(company),
            false => companies.remove(&company),
        };
    }

    /// So many messages were put in; only after the commit.
    pub(crate) fn tell(&self, messages: usize) {
        if messages > 0 {
            self.put_in.send_modify(|count| *count += 1);
        }
    }

    /// Resolves once messages were put in more than `seen` times, and says how often.
    pub(crate) async fn put_in(&self, seen: u64) -> u64 {
        let mut count = self.put_in.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        count.wait_for(|count| *count > seen).await.map_or(seen, |count| *count)
    }

    fn read(&self) -> RwLockReadGuard<'_, HashSet<CompanyId>> {
        self.companies.read().unwrap_or_else(PoisonError::into_inner)
    }
}
