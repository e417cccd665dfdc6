//! Checked workflows by id and version: each is parsed once per process, not once per run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use loopfour_lang::{Catalog, Options, Workflow, read_accepted};

use crate::id::WorkflowId;

/// So many are kept; then all are dropped, since parsing one again costs less than counting their uses.
const CAPACITY: usize = 1024;

/// A store of checked workflows in memory.
#[derive(Debug, Default)]
pub struct Definitions {
    known: Mutex<HashMap<(WorkflowId, u32), Arc<Workflow>>>,
}

impl Definitions {
    /// The workflow's version, if it was checked before.
    pub fn get(&self, workflow: WorkflowId, version: u32) -> Option<Arc<Workflow>> {
        self.lock().get(&(workflow, version)).cloned()
    }

    /// Reads the text of a version that was accepted when it was stored, and keeps the result; `None` if no workflow can
    /// be made of it.
    pub fn insert(&self, workflow: WorkflowId, version: u32, source: &str) -> Option<Arc<Workflow>> {
        let options = Options { catalog: Catalog::builtin(), environment: &[] };
        let checked = Arc::new(read_accepted(source, options)?);
        let mut known = self.lock();
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert((workflow, version), Arc::clone(&checked));
        Some(checked)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(WorkflowId, u32), Arc<Workflow>>> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
