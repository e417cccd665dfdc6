//! When workflows with a schedule fired last: the port between those who keep it and the one who starts their runs.

use crate::id::{CompanyId, WorkflowId};
use crate::ports::JournalError;
use crate::time::Timestamp;

/// An active workflow with a schedule, and how far that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Whose it is.
    pub company: CompanyId,
    /// The version whose schedule counts from `after` on; it may have been edited since.
    pub version: u32,
    /// The workflow's current version.
    pub current: u32,
    /// Where its intervals are counted from.
    pub anchor: Timestamp,
    /// Every firing up to then, that instant included, has its run or is not to have one.
    pub after: Timestamp,
}

/// Keeps how far the schedules are. A workflow with a `schedule` trigger stands here from the commit on that makes it
/// active, with `anchor` and `after` of that instant, to the one that makes it inactive or takes the trigger away. The
/// commit that begins a run for [`Cause::Firing`](crate::Cause::Firing) moves `after` to that firing.
pub trait Schedules: Send + Sync + 'static {
    /// All of them.
    fn scheduled(&self) -> impl Future<Output = Result<Vec<Scheduled>, JournalError>> + Send;

    /// Resolves once there were more than `seen` changes of workflows with schedules since the start, and says how many.
    fn changed(&self, seen: u64) -> impl Future<Output = u64> + Send;

    /// When that version of the workflow was made.
    fn version_made_at(
        &self,
        workflow: WorkflowId,
        version: u32,
    ) -> impl Future<Output = Result<Timestamp, JournalError>> + Send;

    /// Moves a schedule on without a run, if it stands as `from` says: to another version, or past firings that are not to
    /// have one.
    fn move_on(
        &self,
        from: Scheduled,
        to: Scheduled,
    ) -> impl Future<Output = Result<(), JournalError>> + Send;

    /// Whether a run of the workflow that its schedule started has not ended.
    fn is_under_way(&self, workflow: WorkflowId) -> impl Future<Output = Result<bool, JournalError>> + Send;
}
