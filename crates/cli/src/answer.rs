//! What the API answers, as far as the commands read it. Values of people keep every digit.

use loopfour_engine::{MemberId, WorkflowId};
use loopfour_lang::Value;
use serde::Deserialize;
use serde_json::Value as Json;

/// A workflow.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workflow {
    /// `wf_…`
    pub id: WorkflowId,
    /// What people call it.
    pub name: String,
    /// `draft`, `active`, …
    pub status: String,
    /// The current version.
    pub version: u32,
    /// The text as it is stored; not in lists.
    #[serde(default)]
    pub source: String,
    /// ISO times at which its schedule fires next; not in lists.
    #[serde(default)]
    pub next_firings: Vec<String>,
    /// After a change of one that listens to Stripe: how its events come in.
    #[serde(default)]
    pub webhook: Vec<Endpoint>,
    /// ISO time of the last edit.
    pub updated_at: String,
}

/// How Stripe's events come in.
#[derive(Debug, Deserialize)]
pub struct Endpoint {
    /// Whether nothing is left to be done.
    pub settled: bool,
    /// What was done, or what to do by hand.
    pub note: String,
}

/// A version of a workflow.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// From 1.
    pub version: u32,
    /// Why it was made.
    pub change_summary: Option<String>,
    /// The text as it was stored; not in lists.
    #[serde(default)]
    pub source: String,
    /// ISO time.
    pub created_at: String,
}

/// A run that was just started.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// `run_…`
    pub run_id: String,
    /// `pending`
    pub status: String,
}

/// A run; in lists without its steps.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// `run_…`
    pub id: String,
    /// What its workflow calls it.
    pub title: Option<String>,
    /// `wf_…`
    pub workflow_id: String,
    /// The version that it keeps to.
    pub workflow_version: u32,
    /// `pending`, `running`, …
    pub status: String,
    /// Why it waits.
    pub waiting: Option<Waiting>,
    /// `api`, `webhook`, …
    pub trigger_type: String,
    /// What it was given.
    #[serde(default)]
    pub input: Value,
    /// What it gave.
    #[serde(default)]
    pub output: Value,
    /// Why it failed.
    #[serde(default)]
    pub error: Json,
    /// ISO time.
    pub created_at: String,
    /// The run that it starts anew.
    pub restarted_from: Option<String>,
    /// Milliseconds, once it is over.
    pub duration_ms: Option<i64>,
    /// In the workflow's order.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// Why a run waits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// What for.
    pub reason: String,
    /// At which step.
    pub step_id: Option<String>,
    /// ISO time at which it goes on by itself.
    pub until: Option<String>,
    /// How the run ends then: `cancelled`, `timeout`.
    pub then: Option<String>,
    /// What happened.
    #[serde(default)]
    pub error: Json,
}

/// Objects that a call may have made.
#[derive(Debug, Deserialize)]
pub struct Candidates {
    /// Those that carry the run and the step.
    pub candidates: Vec<Candidate>,
    /// What was looked at.
    pub searched: Searched,
}

/// An object that a call may have made.
#[derive(Debug, Deserialize)]
pub struct Candidate {
    /// The provider's id.
    pub id: String,
    /// Its kind.
    pub object: String,
    /// ISO time.
    pub created: String,
    /// In the currency's smallest unit.
    pub amount: Option<i64>,
    /// The currency.
    pub currency: Option<String>,
    /// How it stands.
    pub status: Option<String>,
}

/// What was looked at.
#[derive(Debug, Deserialize)]
pub struct Searched {
    /// How many objects.
    pub objects: u64,
    /// Whether those are all.
    pub complete: bool,
    /// What that proves.
    pub note: String,
}

/// A step of a run.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its id.
    pub step_id: String,
    /// `success`, `skipped`, …
    pub status: String,
    /// Which attempt it is in, from 1; 0 before the first.
    #[serde(default)]
    pub attempt: u32,
    /// Milliseconds, once it is over.
    pub duration_ms: Option<i64>,
    /// What it gave.
    #[serde(default)]
    pub output: Json,
    /// Why it failed, or waits.
    #[serde(default)]
    pub error: Json,
}

/// A line of what a run did.
#[derive(Debug, Deserialize)]
pub struct LogLine {
    /// ISO time.
    pub at: String,
    /// `info`, `warn`, `error`.
    pub level: String,
    /// For people.
    pub message: String,
}

/// An API key, without the key itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// `key_…`
    pub id: String,
    /// What people call it.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// The member whose it is (`mem_…`); a machine's has none.
    #[serde(default)]
    pub member: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// ISO time; it does not end without one.
    pub expires_at: Option<String>,
    /// ISO time.
    pub last_used_at: Option<String>,
}

/// An address that is told of what happens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// `ntc_…`
    pub id: String,
    /// Where messages go.
    pub url: String,
    /// What it is told of.
    pub events: Vec<String>,
    /// `active` or `disabled`.
    pub status: String,
    /// Why it is told no more.
    pub disabled_reason: Option<String>,
    /// Why the last try was in vain.
    pub last_error: Option<String>,
    /// ISO time; nothing arrived yet without one.
    pub last_delivered_at: Option<String>,
}

/// What came of a message that was sent to try an address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestedNotice {
    /// Whether it arrived.
    pub delivered: bool,
    /// The HTTP status of the answer, where one came.
    pub status: Option<u16>,
    /// Why it did not arrive.
    pub error: Option<String>,
}

/// A company.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Company {
    /// A bare UUID.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// A member of a company.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// `mem_…`
    pub id: MemberId,
    /// The e-mail address.
    pub email: String,
    /// `viewer`, `operator`, `builder`, `admin`.
    pub role: String,
    /// Whether the person may come in.
    pub active: bool,
}

/// A connection.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// `conn_…`, or the name of one that is not stored.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `stripe`
    pub provider: String,
    /// `pending`, `active`, …
    pub status: String,
    /// The provider's id of the account.
    pub external_account_id: Option<String>,
    /// The one before, where a person has not said that it is the same.
    pub former_account_id: Option<String>,
    /// `live`, `test`, `sandbox`.
    pub mode: Option<String>,
    /// Why it is not active, and what to do about it.
    pub last_error: Option<String>,
    /// ISO time at which the provider last said that it is good.
    pub last_synced_at: Option<String>,
    /// What people set.
    #[serde(default)]
    pub settings: Json,
}

/// Where a person goes to authorise a connection.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorization {
    /// The link.
    pub auth_url: String,
    /// The connection.
    pub connection_id: String,
    /// The page that waits.
    pub status_url: String,
}

/// How a try to authorise stands.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// `open`, `succeeded`, `failed`.
    pub status: String,
    /// Why it failed, or what to know all the same.
    pub message: Option<String>,
}

/// A row of the audit log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// From 1, without a gap.
    pub seq: u64,
    /// ISO time.
    pub at: String,
    /// Who did it.
    pub actor: Named,
    /// From where, if it came over the network.
    pub address: Option<String>,
    /// `workflow.update`, …
    pub action: String,
    /// What it was done to.
    pub object: Named,
}

/// Somebody or something.
#[derive(Debug, Deserialize)]
pub struct Named {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
}
