//! Which workflows use a connection, for the person who ends it.

use loopfour_engine::connections::{Connection, ConnectionStatus, Source};
use loopfour_engine::{CompanyId, ConnectionId, WorkflowId};
use loopfour_lang::Workflow;
use loopfour_lang::step::StepKind;
use loopfour_store::{ConnectionFilter, Order, Span, WorkflowFilter};
use serde::Serialize;

use crate::App;
use crate::error::Error;

/// Rows that are read at a time.
const PAGE: u32 = 100;

/// A workflow that uses the connection.
#[derive(Serialize)]
pub struct User {
    id: WorkflowId,
    name: String,
}

/// The company's workflows, without archived ones, of which a step names the connection, or would be given it: since it
/// is the only one of its provider. Those that name it by a template are not known before they run.
///
/// # Errors
/// The database failed.
pub async fn users(app: &App, company: CompanyId, id: ConnectionId) -> Result<Vec<User>, Error> {
    // One that is not there has no users; that it is missing is for others to say.
    let Some(connection) = app.store().connection(company, id, app.now()).await? else {
        return Ok(Vec::new());
    };
    let only = is_only_one(app, &connection).await?;
    let mut users = Vec::new();
    let mut span = Span { order: Order::Ascending, after: None, limit: PAGE };
    loop {
        let filter = WorkflowFilter { status: None, search: None };
        let page = app.store().workflows(company, filter, span).await?;
        for row in page.rows {
            let definition = app.definition(company, row.id, row.version).await?;
            if definition.is_some_and(|definition| uses(&definition, &connection, only)) {
                users.push(User { id: row.id, name: row.name });
            }
        }
        if page.next.is_none() {
            return Ok(users);
        }
        span.after = page.next;
    }
}

/// Whether steps that name no connection use this one.
async fn is_only_one(app: &App, connection: &Connection) -> Result<bool, Error> {
    let filter = ConnectionFilter {
        provider: Some(connection.provider.clone()),
        status: Some(ConnectionStatus::Active),
    };
    // That of the environment counts only where there is no other, so there may be one beside it.
    let span = Span { order: Order::Descending, after: None, limit: 3 };
    let mut active = app.store().connections(connection.company, filter, span, app.now()).await?.rows;
    active.retain(|one| one.source != Source::Environment || one.id == connection.id);
    Ok(active.len() == 1 && active[0].id == connection.id)
}

fn uses(definition: &Workflow, connection: &Connection, only: bool) -> bool {
    let id = connection.id.to_string();
    definition.steps.iter().any(|step| match &step.kind {
        StepKind::Action(step) => match &step.connection {
            Some(named) => named.source == id,
            None => only && step.action.provider == connection.provider,
        },
        StepKind::Condition(_) => false,
    })
}
