//! What is told of runs: found out from how a run stood before a batch of its journal and how it stands after. Small facts
//! only: no inputs and no outputs, which the run itself shows to whoever may see them.

use loopfour_engine::event::{Entry, Event};
use loopfour_engine::notices::NoticeKind;
use loopfour_engine::{CompanyId, RunId, RunStatus, StepError, Summary, Timestamp, WaitReason};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};

use crate::listening::Listening;
use crate::sqlite::runs::{find_status, waiting};
use crate::sqlite::{named, optional_time, outbox, uuid};

/// How a run stood before a batch.
pub(crate) struct Stood {
    status: RunStatus,
    reason: Option<WaitReason>,
    has_begun: bool,
}

/// A run that is new.
const NEW: Stood = Stood { status: RunStatus::Pending, reason: None, has_begun: false };

/// That a run came to an end by a batch.
pub(crate) struct End {
    kind: NoticeKind,
    at: Timestamp,
    error: Option<Box<StepError>>,
}

impl End {
    /// What end an entry is, if it is one.
    pub(crate) fn of(entry: &Entry) -> Option<End> {
        let (kind, error) = match &entry.event {
            Event::RunCompleted { .. } => (NoticeKind::RunCompleted, None),
            Event::RunFailed { error } => (NoticeKind::RunFailed, Some(error.clone())),
            Event::RunCancelled => (NoticeKind::RunCancelled, None),
            Event::RunTimedOut { error } => (NoticeKind::RunTimeout, Some(error.clone())),
            Event::RunStarted { .. }
            | Event::StepKept { .. }
            | Event::ConditionDecided { .. }
            | Event::CallIntended { .. }
            | Event::StepHeld { .. }
            | Event::CallResumed { .. }
            | Event::CallHeld { .. }
            | Event::StepSucceeded { .. }
            | Event::StepFailed { .. }
            | Event::StepSkipped { .. }
            | Event::CancelRequested { .. }
            | Event::TimeLimitPassed
            | Event::RetryRequested { .. }
            | Event::OutcomeResolved { .. }
            | Event::RunRestored { .. }
            | Event::RunParked { .. } => return None,
        };
        Some(End { kind, at: entry.at, error })
    }
}

/// How a run stands before a batch, where anybody at all listens; else nobody need know.
pub(crate) fn before(db: &Connection, listening: &Listening, run: RunId) -> rusqlite::Result<Option<Stood>> {
    if !listening.has_any() {
        return Ok(None);
    }
    let sql = "SELECT company, status, waiting, started_at FROM runs WHERE id = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let stood = statement.query_row([run.0.as_bytes()], |row| {
        if !listening.has(CompanyId(uuid(row, 0)?)) {
            return Ok(None);
        }
        Ok(Some(Stood {
            status: named(row, 1, find_status)?,
            reason: waiting(row, 2)?.map(|waiting| waiting.reason),
            has_begun: optional_time(row, 3)?.is_some(),
        }))
    });
    Ok(stood.optional()?.flatten())
}

/// A batch that was stored, for whoever wants to be told.
pub(crate) struct Batch<'a> {
    pub run: RunId,
    pub company: CompanyId,
    /// When its last entry was decided.
    pub at: Timestamp,
    pub ends: &'a [End],
    /// How the run stands after it.
    pub summary: &'a Summary,
}

impl Batch<'_> {
    /// Puts in what is to be told of it, and says how many messages those are.
    pub(crate) fn put_in(
        &self,
        db: &Connection,
        listening: &Listening,
        before: Option<&Stood>,
    ) -> rusqlite::Result<usize> {
        if !listening.has(self.company) {
            return Ok(0);
        }
        let before = before.unwrap_or(&NEW);
        let tell = |kind, at, error: Option<&StepError>| {
            outbox::put_in(db, listening, self.company, kind, at, |db| self.data(db, error))
        };
        let mut messages = 0;
        if let (Some(at), false) = (self.summary.started_at, before.has_begun) {
            messages += tell(NoticeKind::RunStarted, at, None)?;
        }
        for end in self.ends {
            messages += tell(end.kind, end.at, end.error.as_deref())?;
        }
        if self.summary.status == RunStatus::Waiting {
            let reason = self.summary.waiting.as_ref().map(|waiting| waiting.reason);
            if before.status != RunStatus::Waiting || before.reason != reason {
                messages += tell(NoticeKind::RunWaiting, self.at, None)?;
            }
            if reason == Some(WaitReason::OutcomeUnknown) && before.reason != reason {
                messages += tell(NoticeKind::RunOutcomeUnknown, self.at, None)?;
            }
        }
        Ok(messages)
    }

    fn data(&self, db: &Connection, error: Option<&StepError>) -> rusqlite::Result<Value> {
        let sql = "SELECT r.workflow, r.version, r.trigger, w.name FROM runs r
                   JOIN workflows w ON w.id = r.workflow AND w.company = r.company WHERE r.id = ?1 AND r.company = ?2";
        let keys = params![self.run.0.as_bytes(), self.company.0.as_bytes()];
        let mut data = db.prepare_cached(sql)?.query_row(keys, |row| {
            let workflow = loopfour_engine::WorkflowId(uuid(row, 0)?);
            Ok(json!({
                "runId": self.run,
                "workflowId": workflow,
                "workflowName": row.get::<_, String>(3)?,
                "version": row.get::<_, u32>(1)?,
                "trigger": row.get::<_, String>(2)?,
                "status": self.summary.status.name(),
            }))
        })?;
        if let Some(waiting) = &self.summary.waiting {
            data["waiting"] = json!({
                "reason": waiting.reason,
                "stepId": waiting.step_id,
                "until": waiting.until.map(|until| until.to_string()),
                "error": waiting.error.as_ref().map(brief),
            });
        }
        if let Some(error) = error {
            data["error"] = brief(error);
        }
        Ok(data)
    }
}

/// As much of an error as tells what happened.
fn brief(error: &StepError) -> Value {
    json!({ "code": error.code, "message": error.message, "stepId": error.step })
}
