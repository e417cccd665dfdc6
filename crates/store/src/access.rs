//! Who may do what: scopes, the roles that people have, and the holder that a key or a session stands for. Which call
//! needs which scope is the server's business.

use std::fmt;
use std::str::FromStr;

use loopfour_engine::event::Actor;
use loopfour_engine::{CompanyId, KeyId, MemberId, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A right. None implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// See workflows.
    #[serde(rename = "workflows:read")]
    WorkflowsRead,
    /// Make, edit, activate, pause and delete workflows.
    #[serde(rename = "workflows:write")]
    WorkflowsWrite,
    /// Start runs and act on them.
    #[serde(rename = "workflows:execute")]
    WorkflowsExecute,
    /// See runs and events.
    #[serde(rename = "runs:read")]
    RunsRead,
    /// See connections.
    #[serde(rename = "connections:read")]
    ConnectionsRead,
    /// Make, change and remove connections.
    #[serde(rename = "connections:write")]
    ConnectionsWrite,
    /// Keys, members, notices and the audit log of the own company.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 7] = [
        Scope::WorkflowsRead,
        Scope::WorkflowsWrite,
        Scope::WorkflowsExecute,
        Scope::RunsRead,
        Scope::ConnectionsRead,
        Scope::ConnectionsWrite,
        Scope::Admin,
    ];

    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Scope::WorkflowsRead => "workflows:read",
            Scope::WorkflowsWrite => "workflows:write",
            Scope::WorkflowsExecute => "workflows:execute",
            Scope::RunsRead => "runs:read",
            Scope::ConnectionsRead => "connections:read",
            Scope::ConnectionsWrite => "connections:write",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Scope, UnknownScope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name).ok_or_else(|| UnknownScope(name.to_owned()))
    }
}

/// What a member of a company is: a set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything but the company itself.
    Viewer,
    /// And starts runs and acts on them.
    Operator,
    /// And makes workflows and connections.
    Builder,
    /// And members, keys and the audit log.
    Admin,
}

impl Role {
    /// Every role, each allowed more than the one before.
    pub const ALL: [Role; 4] = [Role::Viewer, Role::Operator, Role::Builder, Role::Admin];

    /// The name that the API uses.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Builder => "builder",
            Role::Admin => "admin",
        }
    }

    /// What a member with this role may do.
    pub fn scopes(self) -> &'static [Scope] {
        const VIEWER: &[Scope] = &[Scope::WorkflowsRead, Scope::RunsRead, Scope::ConnectionsRead];
        const OPERATOR: &[Scope] =
            &[Scope::WorkflowsRead, Scope::WorkflowsExecute, Scope::RunsRead, Scope::ConnectionsRead];
        const BUILDER: &[Scope] = &[
            Scope::WorkflowsRead,
            Scope::WorkflowsWrite,
            Scope::WorkflowsExecute,
            Scope::RunsRead,
            Scope::ConnectionsRead,
            Scope::ConnectionsWrite,
        ];
        match self {
            Role::Viewer => VIEWER,
            Role::Operator => OPERATOR,
            Role::Builder => BUILDER,
            Role::Admin => &Scope::ALL,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not the name of a role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role: viewer, operator, builder, admin")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Role, UnknownRole> {
        Role::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| UnknownRole(name.to_owned()))
    }
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// An API key, itself or by a session that was opened with it.
    Key {
        /// The key.
        id: KeyId,
        /// Its name.
        name: String,
        /// The member whose it is; none for a machine's.
        member: Option<MemberId>,
    },
    /// A member, by a session.
    Member {
        /// The member.
        id: MemberId,
        /// The e-mail address.
        email: String,
    },
}

/// Whom a key or a session stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The company that everything is done for.
    pub company: CompanyId,
    /// Its name.
    pub company_name: String,
    /// Who acts.
    pub holder: Holder,
    /// What the holder may do; a member's key never more than the member.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The hash of the session, where it is one.
    pub(crate) session: Option<[u8; 32]>,
}

impl Principal {
    /// The holder as journals and the audit log name it, with the address that the request came from.
    pub fn actor(&self, address: Option<String>) -> Actor {
        let (id, name) = match &self.holder {
            Holder::Key { id, name, .. } => (id.to_string(), name),
            Holder::Member { id, email } => (id.to_string(), email),
        };
        Actor { id, name: name.clone(), address }
    }

    /// What requests are counted by: the key's id, or the member's.
    pub fn id(&self) -> Uuid {
        match &self.holder {
            Holder::Key { id, .. } => id.0,
            Holder::Member { id, .. } => id.0,
        }
    }
}
