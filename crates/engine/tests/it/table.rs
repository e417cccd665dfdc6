//! The table of cases of `docs/concepts/outcomes.md`, the table in the code, and what runs really do: all three are the
//! same.

use loopfour_engine::ports::{Deed, Resolution};
use loopfour_engine::run::rules::{Rule, rule};
use loopfour_engine::{Effect, Event, Finding, RunStatus, StepStatus, WaitReason};
use loopfour_lang::Workflow;
use std::sync::Arc;

use crate::life::{DELETE, HOUR, Life, READ, WRITE, attempt, document, fails, key, of_steps, request};

const PAGE: &str = include_str!("../../../../docs/concepts/outcomes.md");

/// The rows of the table whose first column has this head.
fn rows(head: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = PAGE.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn row(finding: Finding, effect: Effect, open: bool) -> Vec<String> {
    let name = format!("{finding:?}");
    let call = if effect == Effect::Read { "read" } else { "write" };
    let before = if open { "yes" } else { "no" };
    let fits = |cell: &String, wanted: &str| cell == "any" || cell == wanted;
    let found: Vec<_> = rows("What came back")
        .into_iter()
        .filter(|row| row[1] == name && fits(&row[2], call) && fits(&row[3], before))
        .collect();
    assert_eq!(found.len(), 1, "{finding:?} {effect:?} open: {open}");
    found.into_iter().next().unwrap()
}

fn one_step(effect: Effect) -> Arc<Workflow> {
    of_steps(
        "",
        match effect {
            Effect::Read => READ,
            Effect::Write => WRITE,
            Effect::Delete => DELETE,
        },
    )
}

fn every_case() -> Vec<(Finding, Effect, bool)> {
    let mut cases = Vec::new();
    for finding in Finding::ALL {
        for effect in [Effect::Read, Effect::Write, Effect::Delete] {
            cases.extend([(finding, effect, false), (finding, effect, true)]);
        }
    }
    cases
}

#[test]
fn the_page_is_the_code() {
    for (finding, effect, open) in every_case() {
        let row = row(finding, effect, open);
        let wanted = match rule(finding, effect, open) {
            Rule::Answered => ["yes", "an attempt, if Stripe says so"],
            Rule::Again { .. } => ["no", "again"],
            Rule::Pace => ["no", "after `pace`"],
            Rule::Connection => ["no", "after `connection`"],
            Rule::Person => ["yes", "nothing: a person"],
            Rule::Park => ["no", "nothing: parked"],
        };
        let counted = if rule(finding, effect, open) == Rule::Person { "no" } else { wanted[0] };
        assert_eq!(
            (row[5].as_str(), row[6].as_str()),
            (counted, wanted[1]),
            "{finding:?} {effect:?} open: {open}"
        );
    }
}

#[test]
fn every_row_of_the_page_is_a_case() {
    let names: Vec<String> = Finding::ALL.iter().map(|finding| format!("{finding:?}")).collect();
    for row in rows("What came back") {
        assert!(names.contains(&row[1]), "{row:?}");
        assert!(["any", "read", "write"].contains(&row[2].as_str()), "{row:?}");
    }
}

/// A run of one call that is about to be answered, with an earlier sending open or not.
fn before_the_answer(effect: Effect, open: bool) -> Life {
    let mut life = Life::begin(&one_step(effect));
    if open {
        life.meets(Finding::Unknown).wait();
    }
    life.send();
    life
}

#[test]
fn runs_do_what_the_page_says() {
    let mut seen = 0;
    for (finding, effect, open) in
        every_case().into_iter().filter(|(_, effect, open)| *effect != Effect::Read || !open)
    {
        let case = format!("{finding:?} {effect:?} open: {open}");
        let row = row(finding, effect, open);
        let mut life = before_the_answer(effect, open);
        let (sent, epoch, attempts) =
            (life.run.due().unwrap(), life.run.steps[0].epoch, life.run.steps[0].attempt);
        life.hear_that(finding);
        assert_eq!(life.run.steps[0].epoch, epoch, "{case}: the epoch stays");
        let counted = life.run.steps[0].attempt > attempts;
        assert_eq!(counted, row[5] == "yes" && row[6].starts_with("an attempt"), "{case}: attempt");
        let is_open = life.run.unknown_since(0).is_some();
        match row[4].as_str() {
            "as before" => assert_eq!(is_open, open, "{case}: open"),
            "yes" => assert!(is_open, "{case}: open"),
            "no" => assert!(!is_open, "{case}: open"),
            _ => {}
        }
        let waits = match row[6].as_str() {
            "again" | "an attempt, if Stripe says so" => WaitReason::Retry,
            "after `pace`" => WaitReason::Pace,
            "after `connection`" => WaitReason::Connection,
            "nothing: a person" => WaitReason::OutcomeUnknown,
            "nothing: parked" => WaitReason::Parked,
            other => panic!("{other}"),
        };
        assert_eq!(life.waits_for(), Some(waits), "{case}");
        if waits == WaitReason::OutcomeUnknown || waits == WaitReason::Parked {
            life.rests();
        } else {
            let again = life.wait().send();
            assert_eq!(
                (key(&again), request(&again)),
                (key(&sent), request(&sent)),
                "{case}: the same is sent"
            );
            life.hear(crate::life::done()).is(RunStatus::Completed);
        }
        seen += 1;
    }
    assert_eq!(seen, 13 * 5);
}

#[test]
fn what_stripe_calls_final_ends_the_step() {
    for (finding, effect, open) in
        every_case().into_iter().filter(|(_, effect, open)| *effect != Effect::Read || !open)
    {
        let mut life = before_the_answer(effect, open);
        life.hear(fails(finding, false, None, None));
        let ends = rule(finding, effect, open) == Rule::Answered;
        assert_eq!(life.run.status == RunStatus::Failed, ends, "{finding:?} {effect:?} open: {open}");
        assert_eq!(
            life.run.steps[0].status == StepStatus::Error,
            ends,
            "{finding:?} {effect:?} open: {open}"
        );
    }
}

/// A run whose write waits for a person.
fn unknown() -> Life {
    let mut life = Life::begin(&one_step(Effect::Write));
    for finding in [Finding::Unknown, Finding::ReplayedError, Finding::ReplayedError] {
        life.meets(finding).wait();
    }
    life.meets(Finding::ReplayedError).waits(WaitReason::OutcomeUnknown);
    life
}

/// The run restored from a backup holds its write though nothing was replayed.
fn held() -> Life {
    let mut life = Life::begin(&one_step(Effect::Write));
    life.meets(Finding::Unknown);
    let now = life.run.created_at;
    life.restore(now).waits(WaitReason::OutcomeUnknown);
    life
}

/// A run that stands so and what lets it go on, for a row of "Who tries again"; the last sending before, if there was one.
fn tried_again(who: &str, when: &str) -> Life {
    match (who, when) {
        ("LoopFour, after a pause", "the table above") => {
            let mut life = before_the_answer(Effect::Write, false);
            life.hear_that(Finding::Unknown).wait();
            life
        }
        ("LoopFour, after a crash", "a call was under way") => {
            let mut life = before_the_answer(Effect::Write, false);
            life.restart();
            life
        }
        ("`resolve` with `retry`", "younger than 20 hours, no replayed failure") => {
            let mut life = held();
            life.pass(HOUR).resolve(Resolution::Retry { not_done: false }).unwrap();
            life
        }
        ("`resolve` with `retry` and `notDone`", "older, or a replayed failure") => {
            let mut life = unknown();
            life.pass(HOUR).resolve(Resolution::Retry { not_done: true }).unwrap();
            life
        }
        ("`resolve` with `done`", "any") => {
            let mut life = unknown();
            life.resolve(Resolution::Done { output: document("{}") }).unwrap();
            life
        }
        ("`resolve` with `fail`", "any") => {
            let mut life = unknown();
            life.resolve(Resolution::Fail).unwrap();
            life
        }
        ("`retry`", "the step was refused") => {
            let mut life = before_the_answer(Effect::Write, false);
            life.hear(fails(Finding::Refused, false, None, None)).is(RunStatus::Failed);
            life.pass(HOUR).retry(false).unwrap();
            life
        }
        ("`retry` with `notDone`", "the step ended as `OUTCOME_UNKNOWN`") => {
            let mut life = unknown();
            life.resolve(Resolution::Fail).unwrap();
            life.pass(HOUR).retry(true).unwrap();
            life
        }
        ("`retry`", "the time limit met a call that was not sent") => {
            let mut life = Life::begin(&of_steps(r#""timeoutMs":60000"#, WRITE));
            life.queue().wait().is(RunStatus::Timeout);
            life.pass(HOUR).retry(false).unwrap();
            life
        }
        ("`restart`", "the run ended") => {
            let definition = of_steps("", &format!("{READ},{WRITE}"));
            let mut old = Life::begin(&definition);
            old.succeeds().meets(Finding::Unknown).wait().succeeds().is(RunStatus::Completed);
            let kept = old.run.kept(&definition, "write").unwrap();
            Life::started(&definition, Default::default(), kept, true)
        }
        other => panic!("no case for {other:?}"),
    }
}

#[test]
fn who_tries_again() {
    let rows = rows("Who");
    assert_eq!(rows.len(), 10);
    for row in rows {
        let mut life = tried_again(&row[0], &row[1]);
        let step = life.run.steps.len() - 1;
        let first = life.entries.iter().find_map(|entry| match &entry.event {
            Event::CallIntended { request, epoch, path, .. } if path.0 == "write" => {
                Some((request.clone(), *epoch, path.clone()))
            }
            _ => None,
        });
        let (intended, epoch, path) = first.unwrap();
        let old = loopfour_engine::run::idempotency_key(
            loopfour_engine::RunId(uuid::Uuid::from_u128(1)),
            &path,
            epoch,
        );
        match row[4].as_str() {
            "nothing" => {
                assert_eq!(
                    (life.run.due(), row[2].as_str(), row[3].as_str()),
                    (None, "none", "same"),
                    "{row:?}"
                );
                assert_eq!(life.run.steps[step].epoch, epoch, "{row:?}");
                continue;
            }
            "the request from the journal" => assert_eq!(request(&life.send()), *intended, "{row:?}"),
            "a new request" if row[0] == "`restart`" => {}
            "a new request" => assert_ne!(request(&life.send()).form, intended.form, "{row:?}"),
            other => panic!("{other}"),
        }
        assert_eq!(key(&life.send()) == old, row[2] == "same", "{row:?}");
        let wanted = match row[3].as_str() {
            "same" | "first" => 1,
            "next" => 2,
            other => panic!("{other}"),
        };
        assert_eq!(life.run.steps[step].epoch, wanted, "{row:?}");
        life.hear(crate::life::done()).is(RunStatus::Completed);
    }
}

#[test]
fn a_delete_that_may_be_done_is_looked_for() {
    use loopfour_engine::Attempt;
    let mut life = Life::begin(&one_step(Effect::Delete));
    assert_eq!(attempt(&life.send()), Attempt::First);
    life.hear_that(Finding::Unknown).wait();
    assert_eq!(attempt(&life.send()), Attempt::Again);
    life.hear_that(Finding::Throttled).act(Deed::Cancel).unwrap();
    assert_eq!(attempt(&life.send()), Attempt::Look);
    life.hear_that(Finding::NotFoundDone).waits(WaitReason::OutcomeUnknown).rests();
}
