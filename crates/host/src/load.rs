//! Reading what the journal keeps: a run's state, and the definition that it runs by. Keeps nothing but checked
//! definitions, and writes nothing.

use std::sync::Arc;

use loopfour_engine::definitions::Definitions;
use loopfour_engine::ports::{Journal, JournalError};
use loopfour_engine::{Event, Run, RunId, WorkflowId};
use loopfour_lang::Workflow;

/// Why the state of a run is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// There is no journal that begins with its start.
    #[error("`{0}` does not exist")]
    Missing(RunId),
    /// The journal cannot be folded.
    #[error("{0}")]
    Damaged(String),
    /// The storage failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A version of a workflow, from memory as a rule; `None` if its text no longer passes the checks.
pub(crate) async fn definition(
    journal: &impl Journal,
    definitions: &Definitions,
    workflow: WorkflowId,
    version: u32,
) -> Result<Option<Arc<Workflow>>, JournalError> {
    if let Some(known) = definitions.get(workflow, version) {
        return Ok(Some(known));
    }
    let source = journal.definition(workflow, version).await?;
    Ok(definitions.insert(workflow, version, &source))
}

/// The state of a run, folded from its journal; after its first `length` entries, if that is said.
pub(crate) async fn run(
    journal: &impl Journal,
    definitions: &Definitions,
    id: RunId,
    length: Option<u64>,
) -> Result<Run, LoadError> {
    let mut entries = journal.load(id).await?;
    if let Some(length) = length {
        entries.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    }
    let Some(Event::RunStarted { workflow, version, .. }) = entries.first().map(|entry| &entry.event) else {
        return Err(LoadError::Missing(id));
    };
    let definition = definition(journal, definitions, *workflow, *version).await?;
    let definition = definition.ok_or_else(|| {
        LoadError::Damaged(format!("version {version} of {workflow} no longer passes the checks"))
    })?;
    Run::fold(definition, &entries).map_err(|cause| LoadError::Damaged(cause.to_string()))
}
