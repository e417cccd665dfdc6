//! What people do to runs, and what a run's time limit does, in every state that a run can be in.

use loopfour_engine::ports::{ActError, Deed, Resolution};
use loopfour_engine::{
    Attempt, Ending, Event, Finding, Policy, RunStatus, StepPath, StepStatus, Timestamp, WaitReason, Wake,
};

use crate::life::{DELETE, HOUR, Life, MINUTE, READ, WRITE, attempt, document, done, fails, key, of_steps};

const AGAIN: Resolution = Resolution::Retry { not_done: false };
const ANEW: Resolution = Resolution::Retry { not_done: true };

fn found() -> Resolution {
    Resolution::Done { output: document(r#"{"id":"found"}"#) }
}

/// Runs in every state, of one write (or read) that another step follows.
fn states(step: &str, settings: &str) -> Vec<(&'static str, Life)> {
    let definition = of_steps(settings, &format!("{step},{}", READ.replace("read", "last")));
    let life = || Life::begin(&definition);
    let met = |finding| {
        let mut life = life();
        life.meets(finding);
        life
    };
    let mut queued = life();
    queued.queue();
    let mut under_way = life();
    under_way.send();
    let mut crashed = life();
    crashed.send();
    crashed.restart();
    let unready = Life::started(&definition, Policy::default(), Vec::new(), false);
    vec![
        ("queued", queued),
        ("under way", under_way),
        ("crashed", crashed),
        ("unready", unready),
        ("retry", met(Finding::Unreachable)),
        ("pace", met(Finding::Throttled)),
        ("connection", met(Finding::Unauthorized)),
        ("open", met(Finding::Unknown)),
    ]
}

/// Wishes that the run ends, and the status that it then has.
fn end_early(life: &mut Life, ending: Ending) -> RunStatus {
    match ending {
        Ending::Cancelled => {
            life.cancel();
            RunStatus::Cancelled
        }
        Ending::Timeout => {
            life.now = life.now.max(life.run.deadline().unwrap().0);
            life.expire();
            RunStatus::Timeout
        }
    }
}

const LIMIT: &str = r#""timeoutMs":3600000"#;

#[test]
fn a_run_ends_early_in_every_state() {
    for ending in [Ending::Cancelled, Ending::Timeout] {
        for (state, mut life) in states(WRITE, LIMIT) {
            let status = end_early(&mut life, ending);
            match state {
                "under way" => {
                    life.is(RunStatus::Running);
                    life.hear(done()).is(status);
                    assert_eq!(
                        life.run.steps[0].status,
                        StepStatus::Success,
                        "the step has its true outcome"
                    );
                }
                "open" | "crashed" => {
                    life.waits(WaitReason::OutcomeUnknown);
                    assert_eq!(life.run.waiting.as_ref().unwrap().then, Some(ending));
                    life.rests();
                    life.resolve(found()).unwrap();
                    life.is(status);
                    assert_eq!(life.run.steps[0].status, StepStatus::Success);
                }
                _ => {
                    life.is(status);
                    assert_eq!(life.run.steps[0].status, StepStatus::Pending, "{state}");
                }
            }
            assert_eq!(life.run.steps[1].status, StepStatus::Pending, "{state}: later steps stay pending");
            assert_eq!(life.run.due(), None);
        }
    }
}

#[test]
fn a_read_keeps_no_run() {
    for ending in [Ending::Cancelled, Ending::Timeout] {
        for (state, mut life) in states(READ, LIMIT) {
            let status = end_early(&mut life, ending);
            if state == "under way" {
                life.is(RunStatus::Running).hear_that(Finding::Unknown);
                assert_eq!(life.run.steps[0].status, StepStatus::Error);
            }
            life.is(status);
        }
    }
}

#[test]
fn after_a_cancel_the_answer_under_way_is_the_last() {
    for finding in Finding::ALL {
        let mut life = Life::begin(&of_steps("", WRITE));
        life.send();
        life.cancel().cancel().hear_that(finding);
        match finding {
            Finding::Unknown | Finding::ReplayedError | Finding::KeyInUse => {
                life.waits(WaitReason::OutcomeUnknown);
            }
            Finding::Defect => {
                assert_eq!(life.run.status, RunStatus::Waiting);
            }
            Finding::Refused
            | Finding::Forbidden
            | Finding::Unauthorized
            | Finding::Busy
            | Finding::Conflict
            | Finding::Throttled
            | Finding::Unreachable
            | Finding::NoConnection
            | Finding::NotFoundDone => {
                life.is(RunStatus::Cancelled);
                assert_eq!(life.run.steps[0].status, StepStatus::Error, "{finding:?}");
            }
        }
        life.rests();
    }
}

#[test]
fn a_cancel_with_the_process_gone_sends_nothing_again() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.send();
    life.cancel().restart().waits(WaitReason::OutcomeUnknown).rests();
    life.resolve(Resolution::Fail).unwrap();
    life.is(RunStatus::Cancelled);
}

#[test]
fn a_second_cancel_changes_nothing() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown).cancel();
    let length = life.entries.len();
    life.cancel();
    assert_eq!(life.entries.len(), length);
    life.resolve(found()).unwrap();
    life.is(RunStatus::Cancelled);
    assert!(matches!(life.act(Deed::Cancel), Err(ActError::State(_))));
}

#[test]
fn a_delete_under_way_is_looked_for_after_a_cancel() {
    for (look, ends) in [(None, true), (Some(Finding::NotFoundDone), false)] {
        let mut life = Life::begin(&of_steps("", DELETE));
        life.send();
        life.cancel().hear_that(Finding::Unknown);
        assert_eq!(attempt(&life.send()), Attempt::Look);
        match look {
            None => life.hear(done()),
            Some(finding) => life.hear_that(finding),
        };
        assert_eq!(life.run.status == RunStatus::Cancelled, ends);
        if !ends {
            life.waits(WaitReason::OutcomeUnknown).rests();
        }
    }
    // After a crash too, and however late it is: a look changes nothing.
    let mut life = Life::begin(&of_steps("", DELETE));
    life.send();
    life.cancel().pass(30 * HOUR).restart();
    assert_eq!(attempt(&life.send()), Attempt::Look);
    life.hear_that(Finding::Unknown).waits(WaitReason::OutcomeUnknown).rests();
}

#[test]
fn a_time_limit_says_what_kept_the_run() {
    let limited = of_steps(LIMIT, WRITE);
    let mut life = Life::begin(&limited);
    life.send();
    life.hear(fails(Finding::Throttled, true, Some(2 * HOUR as u64), None)).wait().is(RunStatus::Timeout);
    assert_eq!(life.error_code(), Some("Throttled"));
    let mut life = Life::begin(&limited);
    life.queue().wait().is(RunStatus::Timeout);
    assert_eq!(life.error_code(), Some("RUN_TIMEOUT"));
    // The answer came after the time was over.
    let mut life = Life::begin(&limited);
    life.send();
    end_early(&mut life, Ending::Timeout);
    life.hear_that(Finding::Throttled).is(RunStatus::Timeout);
    assert_eq!(life.error_code(), Some("Throttled"));
}

#[test]
fn a_retry_goes_on_where_it_failed() {
    let definition = of_steps(LIMIT, &format!("{READ},{WRITE}"));
    let mut life = Life::begin(&definition);
    let deadline = life.run.deadline();
    life.succeeds().send();
    life.hear(fails(Finding::Refused, false, None, None)).is(RunStatus::Failed);
    life.pass(5 * HOUR).retry(false).unwrap();
    let asked = life.now;
    life.is(RunStatus::Running);
    assert_eq!(life.run.steps[0].status, StepStatus::Success, "outputs are kept");
    assert_ne!(life.run.deadline(), deadline);
    assert_eq!(life.run.deadline(), Some(Timestamp(asked + HOUR)), "the time starts anew");
    assert_eq!((life.run.steps[1].epoch, life.run.steps[1].attempt), (2, 1));
    life.succeeds().is(RunStatus::Completed);
    assert!(matches!(life.retry(false), Err(ActError::State(_))));
}

#[test]
fn only_what_failed_is_retried() {
    for (_, mut life) in states(WRITE, "") {
        assert!(matches!(life.retry(true), Err(ActError::State(_))));
    }
    let mut life = Life::begin(&of_steps("", WRITE));
    life.queue().cancel().is(RunStatus::Cancelled);
    assert!(matches!(life.retry(true), Err(ActError::State(_))));
}

#[test]
fn what_may_be_done_is_retried_only_by_who_looked() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown).pass(20 * HOUR).wake(Wake::Timer).waits(WaitReason::OutcomeUnknown);
    life.resolve(Resolution::Fail).unwrap();
    assert_eq!(life.error_code(), Some("OUTCOME_UNKNOWN"));
    assert!(matches!(life.retry(false), Err(ActError::State(_))));
    life.retry(true).unwrap();
    life.succeeds().is(RunStatus::Completed);

    for (step, needs) in [(WRITE, true), (DELETE, true), (READ, false)] {
        let mut life = Life::begin(&of_steps("", step));
        life.send();
        let mut outcome = fails(Finding::Refused, false, None, None);
        if let loopfour_engine::Outcome::Failed(failure) = &mut outcome {
            failure.error.code = "OUTPUT_TOO_LARGE".to_owned();
        }
        life.hear(outcome).is(RunStatus::Failed);
        assert_eq!(life.run.may_be_done(0), needs);
        assert_eq!(life.retry(false).is_err(), needs, "{step}");
        if needs {
            life.retry(true).unwrap();
        }
        assert_eq!(life.run.steps[0].epoch, 2);
    }
}

#[test]
fn only_what_waits_so_is_resolved() {
    for (state, mut life) in states(WRITE, "") {
        for resolution in [found(), AGAIN, ANEW, Resolution::Fail] {
            assert!(matches!(life.resolve(resolution), Err(ActError::State(_))), "{state}");
        }
    }
    let mut life = Life::begin(&of_steps("", WRITE));
    let path = StepPath("nowhere".to_owned());
    let deed = Deed::Resolve { path, reason: String::new(), resolution: found() };
    assert!(matches!(life.act(deed), Err(ActError::Missing(_))));
    life.succeeds();
    assert!(matches!(life.resolve(found()), Err(ActError::State(_))), "it ended");
}

#[test]
fn sent_again_by_a_person_after_a_cancel() {
    let waiting = || {
        let mut life = Life::begin(&of_steps("", WRITE));
        life.meets(Finding::Unknown).cancel().waits(WaitReason::OutcomeUnknown);
        life.pass(HOUR).resolve(AGAIN).unwrap();
        life
    };
    // It is carried out, also where it has to wait for its turn, or the process ends before it left.
    let mut life = waiting();
    assert_eq!(attempt(&life.send()), Attempt::Again);
    life.hear(done()).is(RunStatus::Cancelled);
    let mut life = waiting();
    life.queue();
    assert_eq!(attempt(&life.send()), Attempt::Again);
    life.hear(done()).is(RunStatus::Cancelled);
    let mut life = waiting();
    life.restart();
    assert_eq!(attempt(&life.send()), Attempt::Again);
    // Once, and not when it is too late.
    life.hear_that(Finding::Unknown).waits(WaitReason::OutcomeUnknown).rests();
    let mut life = waiting();
    life.pass(30 * HOUR).restart().waits(WaitReason::OutcomeUnknown).rests();
}

#[test]
fn a_new_try_after_a_cancel_ends_the_run() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown).cancel().pass(30 * HOUR);
    assert!(matches!(life.resolve(AGAIN), Err(ActError::State(_))));
    life.resolve(ANEW).unwrap();
    life.is(RunStatus::Cancelled);
}

#[test]
fn a_restored_run_holds_its_writes_until_one_is_looked_at() {
    let steps = [READ, WRITE, &WRITE.replace("write", "second")].join(",");
    let mut life = Life::begin(&of_steps("", &steps));
    let backup_at = Timestamp(life.now);
    life.pass(HOUR).restore(backup_at);
    // Reads go on.
    life.restart().succeeds().waits(WaitReason::OutcomeUnknown).pass(MINUTE);
    life.wake(Wake::Timer).restart().waits(WaitReason::OutcomeUnknown);
    assert_eq!(life.run.unknown_since(1), Some(backup_at));
    life.resolve(AGAIN).unwrap();
    life.succeeds();
    // The next goes by itself, as one that may have been sent since the backup.
    assert_eq!(attempt(&life.send()), Attempt::Again);
    life.hear_that(Finding::Unknown);
    assert_eq!(life.run.unknown_since(2), Some(backup_at));
    life.pass(20 * HOUR).wake(Wake::Timer).waits(WaitReason::OutcomeUnknown);
}

#[test]
fn the_margin_of_a_restored_run_counts_from_the_backup() {
    let mut life = Life::begin(&of_steps("", WRITE));
    let backup_at = Timestamp(life.now);
    life.pass(20 * HOUR).restore(backup_at).waits(WaitReason::OutcomeUnknown);
    assert!(matches!(life.resolve(AGAIN), Err(ActError::State(_))));
    life.resolve(ANEW).unwrap();
    assert_eq!(life.run.steps[0].epoch, 2);
}

#[test]
fn a_parked_run_is_cancelled_or_resolved() {
    let parked = || {
        let mut life = Life::begin(&of_steps("", WRITE));
        life.meets(Finding::Defect).waits(WaitReason::Parked).rests();
        life
    };
    parked().cancel().waits(WaitReason::OutcomeUnknown).rests();
    let mut life = parked();
    life.resolve(found()).unwrap();
    life.is(RunStatus::Completed);
    let mut life = parked();
    life.resolve(Resolution::Fail).unwrap();
    life.is(RunStatus::Failed);
    // Where nothing was sent there is nothing to find out.
    let mut life = Life::started(&of_steps("", WRITE), Policy::default(), Vec::new(), false);
    let now = Timestamp(life.now);
    let entry = life.run.park(loopfour_engine::StepError::new("INTERNAL_ERROR", "defect", "report it"), now);
    life.entries.push(entry);
    assert_eq!(life.run.due_at(), None, "it does not go on by itself");
    life.restart().waits(WaitReason::Parked).cancel().is(RunStatus::Cancelled);
}

#[test]
fn a_restart_keeps_what_succeeded() {
    let steps = [
        READ,
        &WRITE.replace("}}\"}}", "}}\"},\"errorHandling\":{\"strategy\":\"continue\",\"fallback\":1}}"),
        DELETE,
    ];
    let definition = of_steps("", &steps.join(","));
    let mut life = Life::begin(&definition);
    life.succeeds().send();
    life.hear(fails(Finding::Refused, false, None, None)).send();
    life.hear(fails(Finding::Refused, false, None, None)).is(RunStatus::Failed);
    let kept = life.run.kept(&definition, "delete").unwrap();
    let mut anew = Life::started(&definition, Policy::default(), kept, true);
    assert_eq!(anew.log(), ["runStarted", "stepKept read", "stepKept write", "callIntended delete"]);
    assert_eq!(anew.run.steps[1].output.to_string(), "1");
    let sent = anew.send();
    anew.hear(done()).is(RunStatus::Completed);
    assert_ne!(key(&sent), key(&Life::begin(&of_steps("", DELETE)).send()));
    // What failed, or never was, is no result to start from.
    assert_eq!(life.run.kept(&definition, "nowhere"), Err("nowhere".to_owned()));
    let longer = of_steps("", &[&steps.join(","), READ.replace("read", "more").as_str()].join(","));
    assert_eq!(life.run.kept(&longer, "more"), Err("delete".to_owned()));
    let strict = of_steps("", &[READ, WRITE, DELETE].join(","));
    assert_eq!(life.run.kept(&strict, "delete"), Err("write".to_owned()));
}

#[test]
fn what_a_person_says_is_in_the_journal() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown).cancel();
    life.resolve(found()).unwrap();
    let by = life.entries.iter().filter_map(|entry| match &entry.event {
        Event::CancelRequested { by } | Event::OutcomeResolved { by, .. } => Some(by.clone()),
        _ => None,
    });
    assert_eq!(by.collect::<Vec<_>>(), [crate::life::person(), crate::life::person()]);
    assert_eq!(life.run.output.to_string(), "null", "a cancelled run gives nothing");
    assert_eq!(life.run.steps[0].output.to_string(), r#"{"id":"found"}"#);
}
