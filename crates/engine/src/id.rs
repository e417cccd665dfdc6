//! Ids: a prefix and a UUID, one type each, so that none can be taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Not an id of that kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected} id")]
pub struct BadId {
    text: String,
    expected: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<$name, BadId> {
                let uuid = text.strip_prefix($prefix).filter(|uuid| uuid.len() == 36);
                let uuid = uuid.and_then(|uuid| Uuid::try_parse(uuid).ok()).map($name);
                // Only the form that we write ourselves, so that an id has one spelling.
                uuid.filter(|id| id.to_string() == text)
                    .ok_or_else(|| BadId { text: text.to_owned(), expected: $kind })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A company, the tenant: a bare UUID.
    CompanyId, "", "a company's"
);
id!(
    /// A workflow: `wf_<uuid>`.
    WorkflowId, "wf_", "a workflow's"
);
id!(
    /// A run: `run_<uuid>`.
    RunId, "run_", "a run's"
);
id!(
    /// A connection: `conn_<uuid>`.
    ConnectionId, "conn_", "a connection's"
);
id!(
    /// An API key: `key_<uuid>`.
    KeyId, "key_", "a key's"
);
id!(
    /// A member of a company: `mem_<uuid>`.
    MemberId, "mem_", "a member's"
);
id!(
    /// A provider's event that came in: `evt_<uuid>`.
    EventId, "evt_", "an event's"
);
id!(
    /// An address that is told of what happens: `ntc_<uuid>`.
    NoticeId, "ntc_", "a notice's"
);
id!(
    /// A message that tells of something: `msg_<uuid>`.
    MessageId, "msg_", "a message's"
);
