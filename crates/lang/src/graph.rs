//! Which steps run, as a function of what the conditions chose. Computed once, used by checker, engine and dashboard.

use crate::step::condition::Branch;

/// Whether a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It runs: no condition names it, or the one that decides for it chose it.
    Run,
    /// It was not chosen and runs all the same, since the branches meet in it.
    Join,
    /// It does not run.
    Skip,
}

/// The branches of a workflow.
#[derive(Debug, Default)]
pub struct Graph {}

impl Graph {
    /// Whether `step` runs, given what each earlier condition chose (`None`: it did not run).
    /// Both are positions in the workflow's list.
    pub fn verdict(&self, _step: usize, _chosen: &dyn Fn(usize) -> Option<Branch>) -> Verdict {
        unimplemented!()
    }
}
