//! What a workflow's trigger needs of the world: that Stripe knows where its events go, and when its schedule fires next.

use std::sync::Arc;

use loopfour_engine::provider_events::{Endpoint, Inbox as _};
use loopfour_engine::{Actor, CompanyId, ConnectionId, Timestamp, TriggerKind, WorkflowId};
use loopfour_lang::Workflow;
use loopfour_lang::trigger::Trigger;
use loopfour_store::WorkflowRow;
use serde::Serialize;

use crate::App;
use crate::auth::Caller;
use crate::error::Error;
use crate::view::Time;

/// So many firings are told.
const FIRINGS: usize = 5;

/// What is told of a workflow beside its definition.
#[derive(Debug, Default)]
pub struct Outlook {
    /// When it fires next, for a schedule.
    pub next_firings: Option<Vec<Time>>,
    /// How Stripe's events come in, for one that listens to them and was just changed.
    pub webhook: Option<Vec<EndpointView>>,
}

/// How Stripe's events come in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<ConnectionId>,
    url: String,
    events: Vec<String>,
    settled: bool,
    note: String,
}

impl From<Endpoint> for EndpointView {
    fn from(endpoint: Endpoint) -> EndpointView {
        let Endpoint { connection, url, events, settled, note } = endpoint;
        EndpointView { connection_id: connection, url, events, settled, note }
    }
}

/// What is told of a workflow that is looked at.
///
/// # Errors
/// The database failed.
pub async fn outlook(app: &App, row: &WorkflowRow) -> Result<Outlook, Error> {
    let definition = app.definition(row.company, row.id, row.version).await?;
    let next_firings = match definition.as_ref().map(|definition| &definition.trigger) {
        Some(Trigger::Schedule(schedule)) => {
            let anchor = app.store().schedule_of(row.company, row.id).await?;
            Some(next_firings(schedule, anchor.map(|scheduled| scheduled.anchor), app.now()))
        }
        Some(Trigger::Api | Trigger::Webhook(_) | Trigger::Failure { .. }) | None => None,
    };
    Ok(Outlook { next_firings, webhook: None })
}

/// The next firings of a schedule from now on, none of one that is off. What is not active yet would count from now.
pub fn next_firings(
    schedule: &loopfour_lang::trigger::Schedule,
    anchor: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Time> {
    if !schedule.enabled {
        return Vec::new();
    }
    let anchor = anchor.unwrap_or(now);
    schedule.next(anchor.0, now.0, FIRINGS).into_iter().map(|at| Time(Timestamp(at))).collect()
}

/// After a workflow was changed: has Stripe's endpoints brought to what the company listens to now, and tells how that
/// went where the workflow itself listens to Stripe.
///
/// # Errors
/// The database failed; the change is made all the same.
pub async fn settled(app: &App, caller: &Caller, row: &WorkflowRow) -> Result<Outlook, Error> {
    let (own, company, by) = (app.clone(), caller.company(), caller.actor());
    // Whoever hangs up does not leave an endpoint half made.
    let settling = tokio::spawn(async move { settle(&own, company, &by).await });
    let endpoints = settling.await.map_err(Error::internal)??;
    let mut outlook = outlook(app, row).await?;
    let definition = app.definition(row.company, row.id, row.version).await?;
    if definition.is_some_and(|definition| listens_to_stripe(&definition)) {
        outlook.webhook = Some(endpoints.into_iter().map(EndpointView::from).collect());
    }
    Ok(outlook)
}

/// Has Stripe's endpoints brought to what the company listens to now.
///
/// # Errors
/// The database failed.
pub async fn settle(app: &App, company: CompanyId, by: &Actor) -> Result<Vec<Endpoint>, Error> {
    let events = wanted(app, company).await?;
    Ok(app.endpoints().settle(company, events, by).await)
}

/// The types and families of Stripe's events that active workflows of the company listen to; `*` alone for all.
async fn wanted(app: &App, company: CompanyId) -> Result<Vec<String>, Error> {
    let mut definitions = Vec::new();
    for active in app.store().active(company, TriggerKind::Webhook) {
        definitions.extend(app.definition(company, active.workflow, active.version).await?);
    }
    Ok(types(&definitions))
}

fn types(definitions: &[Arc<Workflow>]) -> Vec<String> {
    let mut wanted = std::collections::BTreeSet::new();
    for definition in definitions {
        let Trigger::Webhook(webhook) = &definition.trigger else { continue };
        if webhook.provider != "stripe" {
            continue;
        }
        if webhook.events.is_empty() {
            return vec!["*".to_owned()];
        }
        wanted.extend(webhook.events.iter().cloned());
    }
    wanted.into_iter().collect()
}

fn listens_to_stripe(definition: &Workflow) -> bool {
    matches!(&definition.trigger, Trigger::Webhook(webhook) if webhook.provider == "stripe")
}

/// Refuses to let a custom webhook workflow listen where another asks for the signature and this one does not, or the
/// other way round.
///
/// # Errors
/// 409.
pub async fn refuse_disagreement(
    app: &App,
    caller: &Caller,
    id: WorkflowId,
    definition: &Workflow,
) -> Result<(), Error> {
    let Trigger::Webhook(webhook) = &definition.trigger else { return Ok(()) };
    let Some(path) = &webhook.path else { return Ok(()) };
    for active in app.store().active(caller.company(), TriggerKind::Webhook) {
        if active.workflow == id {
            continue;
        }
        let other = app.definition(caller.company(), active.workflow, active.version).await?;
        let Some(Trigger::Webhook(other)) = other.as_ref().map(|other| &other.trigger) else { continue };
        if other.path.as_ref() == Some(path) && other.verify_signature != webhook.verify_signature {
            let message = format!(
                "workflow `{}` listens at the path `{path}` with `verifySignature` {}; both must agree",
                active.workflow, other.verify_signature
            );
            return Err(Error::new(crate::error::Code::Conflict, message));
        }
    }
    Ok(())
}
