//! One schedule, brought up to now: what it owes is started, what was missed is started once or passed over, and an
//! edited one goes on with its next version.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use loopfour_engine::cause::{Cause, Queue};
use loopfour_engine::event::TriggerKind;
use loopfour_engine::ports::{Clock, Journal, JournalError, Start, StartError};
use loopfour_engine::provider_events::Inbox;
use loopfour_engine::schedules::{Scheduled, Schedules};
use loopfour_engine::{RunId, Timestamp};
use loopfour_lang::trigger::{Missed, Overlap, Rhythm, Schedule, Trigger};
use loopfour_lang::{Object, Value, Workflow};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::hand_over::misfits;
use super::schedules::Known;
use super::{Triggers, defect, next_try, no_longer_passes};

/// What is the same for all schedules that are looked at together.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// Firings up to then are missed.
    pub(super) awake_since: Timestamp,
    /// So often schedules had changed when what is known of them was read.
    pub(super) changes: u64,
}

/// How far a schedule came.
pub(super) enum Progress {
    /// As far as it goes now.
    On(Known),
    /// There was no room, or the storage took nothing: it is due still.
    Blocked(Known),
}

impl Progress {
    pub(super) fn known(self) -> Known {
        match self {
            Progress::On(known) | Progress::Blocked(known) => known,
        }
    }
}

/// What keeps a schedule from going on now.
enum Stop {
    /// No room, or no storage.
    Blocked,
    /// Schedules were changed, perhaps this one: it is looked at anew.
    Changed,
    /// This try is in vain; the firing that it was about, if it came so far.
    Failed(String, Option<Timestamp>),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Stop {
        match error {
            JournalError::Full(_) | JournalError::Storage(_) => {
                error!(%error, "a schedule cannot go on for now; it is tried again");
                Stop::Blocked
            }
            JournalError::Conflict { .. } | JournalError::Exists { .. } | JournalError::Missing(_) => {
                Stop::Failed(error.to_string(), None)
            }
        }
    }
}

/// A firing that is due.
struct Firing<'a> {
    definition: &'a Arc<Workflow>,
    schedule: &'a Schedule,
    at: Timestamp,
}

impl<S: Inbox + Schedules + Journal, C: Clock> Triggers<S, C> {
    /// Starts what is due of a schedule, and says when to look at it next.
    pub(super) async fn advance(&self, mut known: Known, look: Look) -> Progress {
        let worked = AssertUnwindSafe(self.go_on(&mut known, look)).catch_unwind().await;
        match worked {
            Ok(Ok(next)) => {
                known.next = next;
                Progress::On(known)
            }
            Ok(Err(Stop::Blocked)) => Progress::Blocked(known),
            Ok(Err(Stop::Changed)) => Progress::On(known),
            Ok(Err(Stop::Failed(reason, at))) => self.in_vain(known, reason, at).await,
            Err(_) => self.in_vain(known, defect(), None).await,
        }
    }

    async fn go_on(&self, known: &mut Known, look: Look) -> Result<Option<Timestamp>, Stop> {
        loop {
            let Scheduled { workflow, version, current, anchor, after, .. } = known.row;
            let made = match version == current {
                true => None,
                false => Some(self.shared.store.version_made_at(workflow, version + 1).await?),
            };
            let definition = self.definition(workflow, version).await?;
            if definition.is_none() {
                error!(reason = no_longer_passes(workflow, version), "a schedule does not fire");
            }
            let schedule = definition.as_deref().and_then(schedule);
            let enabled = schedule.filter(|schedule| schedule.enabled);
            let next = enabled.and_then(|schedule| schedule.next_after(anchor.0, after.0)).map(Timestamp);
            // An edited one owes what came before the edit.
            let until = made.unwrap_or(Timestamp(i64::MAX)).min(self.now());
            match (next.filter(|at| *at <= until), definition.as_ref().zip(schedule), made) {
                (Some(at), Some((definition, schedule)), _) => {
                    let firing = Firing { definition, schedule, at };
                    self.fire(known, firing, look.awake_since.min(until), look.changes).await?;
                }
                (_, _, Some(made)) => self.take_next_version(known, schedule, made).await?,
                (_, _, None) => return Ok(next),
            }
        }
    }

    /// Starts a firing, or passes over what was missed with it.
    async fn fire(
        &self,
        known: &mut Known,
        firing: Firing<'_>,
        missed_until: Timestamp,
        changes: u64,
    ) -> Result<(), Stop> {
        let Firing { definition, schedule, at } = firing;
        let Scheduled { workflow, anchor, after, .. } = known.row;
        let at = match (schedule.latest(anchor.0, after.0, missed_until.0).map(Timestamp), schedule.missed) {
            (Some(latest), Missed::Skip) => {
                info!(%workflow, from = %at, to = %latest, "missed firings of a schedule are passed over");
                return Ok(self.pass_over(known, latest).await?);
            }
            // One run for all of them.
            (Some(latest), Missed::Once) => latest,
            (None, Missed::Once | Missed::Skip) => at,
        };
        if schedule.overlap == Overlap::Skip && self.shared.store.is_under_way(workflow).await? {
            info!(%workflow, %at, "a firing of a schedule is dropped: the run before is not over");
            return Ok(self.pass_over(known, at).await?);
        }
        let run = RunId(Uuid::now_v7());
        let input = input(at, run, definition);
        if let Some(misfits) = misfits(definition, &input, 0).await {
            error!(%workflow, %at, reason = misfits, "a firing of a schedule is dropped");
            return Ok(self.pass_over(known, at).await?);
        }
        // Paused or edited a moment ago, it may not be to fire at all.
        if self.shared.store.changed(changes).now_or_never().is_some() {
            return Err(Stop::Changed);
        }
        let start = start(known.row, definition, schedule, (run, at, input));
        match self.begin(start).await {
            Ok(Ok(())) => {
                (known.row.after, known.tries) = (at, 0);
                Ok(())
            }
            // It was started before, and that was not heard of here.
            Ok(Err(StartError::Journal(JournalError::Exists { .. }))) => {
                Ok(self.pass_over(known, at).await?)
            }
            Ok(Err(StartError::Busy | StartError::Stopping)) => Err(Stop::Blocked),
            Ok(Err(StartError::Journal(error))) => Err(match Stop::from(error) {
                Stop::Failed(reason, _) => Stop::Failed(reason, Some(at)),
                stop @ (Stop::Blocked | Stop::Changed) => stop,
            }),
            Err(_) => Err(Stop::Failed(defect(), Some(at))),
        }
    }

    /// The firings up to then have their run, or are not to have one.
    async fn pass_over(&self, known: &mut Known, after: Timestamp) -> Result<(), JournalError> {
        self.move_on(known, Scheduled { after, ..known.row }).await
    }

    /// From the edit on, the next version counts.
    async fn take_next_version(
        &self,
        known: &mut Known,
        before: Option<&Schedule>,
        made: Timestamp,
    ) -> Result<(), JournalError> {
        let version = known.row.version + 1;
        let definition = self.definition(known.row.workflow, version).await?;
        let schedule = definition.as_deref().and_then(schedule);
        let same = before.zip(schedule).is_some_and(|(before, schedule)| fire_alike(before, schedule));
        let anchor = if same { known.row.anchor } else { made };
        self.move_on(known, Scheduled { version, anchor, after: made, ..known.row }).await
    }

    async fn move_on(&self, known: &mut Known, to: Scheduled) -> Result<(), JournalError> {
        self.shared.store.move_on(known.row, to).await?;
        (known.row, known.tries) = (to, 0);
        Ok(())
    }

    /// A try was in vain: there is another one later, or the firing is given up.
    async fn in_vain(&self, mut known: Known, reason: String, at: Option<Timestamp>) -> Progress {
        let workflow = known.row.workflow;
        if let Some(next) = next_try(known.tries, self.now()) {
            warn!(%workflow, reason, "a firing of a schedule could not be started; it is tried again");
            known.tries += 1;
            known.next = Some(next);
            return Progress::On(known);
        }
        match at {
            Some(at) => {
                error!(%workflow, %at, reason, "a firing of a schedule could not be started, and is given up");
                match self.pass_over(&mut known, at).await {
                    Ok(()) => known.next = Some(at),
                    Err(_) => return Progress::Blocked(known),
                }
            }
            None => {
                error!(%workflow, reason, "a schedule does not fire any more until it is changed, or the server started");
                known.next = None;
            }
        }
        Progress::On(known)
    }
}

fn schedule(workflow: &Workflow) -> Option<&Schedule> {
    match &workflow.trigger {
        Trigger::Schedule(schedule) => Some(schedule),
        Trigger::Api | Trigger::Webhook(_) | Trigger::Failure { .. } => None,
    }
}

/// Whether both fire in the same rhythm: an interval is counted on from where it was.
fn fire_alike(one: &Schedule, other: &Schedule) -> bool {
    match (&one.rhythm, &other.rhythm) {
        (Rhythm::Cron(one), Rhythm::Cron(other)) => one.expression() == other.expression(),
        (Rhythm::Interval(one), Rhythm::Interval(other)) => one == other,
        (Rhythm::Cron(_), Rhythm::Interval(_)) | (Rhythm::Interval(_), Rhythm::Cron(_)) => false,
    }
}

fn start(
    row: Scheduled,
    definition: &Arc<Workflow>,
    schedule: &Schedule,
    (run, at, input): (RunId, Timestamp, Value),
) -> Start {
    let queues = schedule.overlap == Overlap::Queue && definition.settings.concurrency.is_none();
    Start {
        run: Some(run),
        company: row.company,
        workflow: row.workflow,
        version: row.version,
        definition: Arc::clone(definition),
        trigger: TriggerKind::Schedule,
        input,
        connection: None,
        idempotency_key: None,
        restarted_from: None,
        by: None,
        cause: Some(Cause::Firing { at }),
        queue: queues.then(|| Queue { key: "schedule".to_owned(), limit: 1 }),
        kept: Vec::new(),
    }
}

fn input(at: Timestamp, run: RunId, definition: &Workflow) -> Value {
    let members: [(&str, Value); 3] = [
        ("timestamp", at.to_string().into()),
        ("runId", run.to_string().into()),
        ("scheduleName", definition.name.as_str().into()),
    ];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Object>().into()
}
