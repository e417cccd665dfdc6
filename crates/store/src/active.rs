//! Which workflows of a company are active, and what starts them: every event that comes in asks, so it is known without
//! asking the database. The writer keeps it right.

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock};

use loopfour_engine::provider_events::Active;
use loopfour_engine::{CompanyId, TriggerKind, WorkflowId};

use crate::sqlite::workflows::{WorkflowRow, WorkflowStatus};

/// The active workflows of every company.
pub(crate) struct ActiveWorkflows(RwLock<HashMap<CompanyId, Workflows>>);

/// What starts a workflow, and its current version.
type Workflows = BTreeMap<WorkflowId, (TriggerKind, u32)>;

impl ActiveWorkflows {
    /// Those among these.
    pub(crate) fn of(rows: &[WorkflowRow]) -> ActiveWorkflows {
        let active = ActiveWorkflows(RwLock::default());
        rows.iter().for_each(|row| active.changed(row));
        active
    }

    /// Takes the new state of a workflow from the writer.
    pub(crate) fn changed(&self, row: &WorkflowRow) {
        let mut companies = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match row.trigger.filter(|_| row.status == WorkflowStatus::Active) {
            Some(trigger) => {
                companies.entry(row.company).or_default().insert(row.id, (trigger, row.version));
            }
            None => {
                companies.get_mut(&row.company).and_then(|workflows| workflows.remove(&row.id));
            }
        }
    }

    /// The company's workflows with that trigger, oldest first.
    pub(crate) fn with(&self, company: CompanyId, trigger: TriggerKind) -> Vec<Active> {
        let companies = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let workflows = companies.get(&company).into_iter().flatten();
        let wanted = workflows.filter(|(_, (kind, _))| *kind == trigger);
        wanted.map(|(workflow, (_, version))| Active { workflow: *workflow, version: *version }).collect()
    }
}
