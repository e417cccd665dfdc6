//! What a run is bound to at a provider: the account and the API version of its first call there (spec 9). Whether that is
//! to be had is for the connections to say.

use crate::call::{Account, Bound};
use crate::id::ConnectionId;

/// What a run used at one provider.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings {
    /// One per connection.
    used: Vec<Bound>,
    /// Which of them the steps keep to that ask for no connection themselves.
    usual: Option<usize>,
}

impl Bindings {
    /// What a step keeps to that asks for this connection itself, or for none.
    pub(super) fn bound(&self, asked: Option<ConnectionId>) -> Option<&Bound> {
        match asked {
            Some(id) => {
                let name = id.to_string();
                self.used.iter().find(|used| used.account.connection == name)
            }
            None => self.used.get(self.usual?),
        }
    }

    pub(super) fn used(&self) -> &[Bound] {
        &self.used
    }

    /// A call is made, or waited for, under this account. What was settled stays; what was open is completed.
    pub(super) fn note(&mut self, account: &Account, version: Option<&str>, asked: Option<ConnectionId>) {
        let at = self.used.iter().position(|used| used.account.connection == account.connection);
        let at = at.unwrap_or_else(|| {
            self.used.push(Bound { account: account.clone(), version: None });
            self.used.len() - 1
        });
        let used = &mut self.used[at];
        if used.account.mode == account.mode {
            used.account.id = used.account.id.take().or_else(|| account.id.clone());
            used.version = used.version.take().or_else(|| version.map(str::to_owned));
        }
        if asked.is_none() {
            self.usual = self.usual.or(Some(at));
        }
    }
}
