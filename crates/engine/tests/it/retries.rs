//! When and how often a call is sent again by itself.

use loopfour_engine::ports::Resolution;
use loopfour_engine::run::rules::full_jitter;
use loopfour_engine::{Event, Finding, Policy, RunStatus, Timestamp, WaitReason};
use loopfour_lang::workflow::RetryConfig;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::life::{HOUR, Life, MINUTE, READ, WRITE, fails, of_steps};

fn until(life: &Life) -> i64 {
    life.run.waiting.as_ref().and_then(|waiting| waiting.until).expect("it waits for a time").0
}

#[test]
fn an_open_write_goes_again_until_the_margin() {
    let mut life = Life::begin(&of_steps("", WRITE));
    let first = life.now;
    let mut sendings = 0;
    while life.run.due().is_some() {
        life.meets(Finding::Unknown);
        sendings += 1;
        assert_eq!(life.run.steps[0].attempt, 1, "it is not counted");
        if life.waits_for() == Some(WaitReason::OutcomeUnknown) {
            break;
        }
        life.waits(WaitReason::Retry);
        assert!(until(&life) - life.now <= 30_000, "the delays are the step's");
        life.wait();
        assert!(life.now <= first + 20 * HOUR);
    }
    assert!(sendings > 2000, "{sendings} sendings in 20 hours");
    life.waits(WaitReason::OutcomeUnknown).rests();
    assert!(life.resolve(Resolution::Retry { not_done: false }).is_err(), "the key may be forgotten");
}

#[test]
fn the_third_replayed_failure_is_for_a_person() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown);
    for _ in 0..2 {
        life.wait().meets(Finding::ReplayedError).waits(WaitReason::Retry);
    }
    life.wait().meets(Finding::ReplayedError).waits(WaitReason::OutcomeUnknown).rests();
}

#[test]
fn credentials_are_waited_for_so_long() {
    let policy = Policy { connection_wait: HOUR, ..Policy::default() };
    let rows: [(Finding, &[i64]); 2] = [
        (Finding::Unauthorized, &[60, 120, 240, 480, 900, 900, 900]),
        // The last one ends with the wait.
        (Finding::NoConnection, &[5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 525]),
    ];
    for (finding, seconds) in rows {
        let mut life = Life::with(&of_steps("", WRITE), policy);
        let began = life.now;
        let mut looks = Vec::new();
        while life.run.status != RunStatus::Failed {
            life.meets(finding);
            if life.run.status == RunStatus::Failed {
                break;
            }
            life.waits(WaitReason::Connection);
            looks.push((until(&life) - life.now) / 1000);
            // That it also waits for its turn begins no new wait.
            life.wait().queue();
        }
        assert_eq!(looks, seconds);
        assert_eq!(life.now, began + HOUR);
        assert_eq!(life.run.steps[0].attempt, 1);
    }
}

#[test]
fn credentials_are_not_waited_for_where_the_setting_says_so() {
    let policy = Policy { connection_wait: 0, ..Policy::default() };
    let mut life = Life::with(&of_steps("", WRITE), policy);
    life.meets(Finding::Unauthorized).is(RunStatus::Failed);
    // An open write goes on all the same: the run ends on an answer about it.
    let mut life = Life::with(&of_steps("", WRITE), policy);
    life.meets(Finding::Unknown).wait().meets(Finding::Unauthorized).waits(WaitReason::Connection);
    life.wait().succeeds().is(RunStatus::Completed);
}

#[test]
fn a_step_that_cannot_be_prepared_waits_too() {
    let definition = of_steps("", &format!("{WRITE},{READ}"));
    let mut life = Life::started(&definition, Policy::default(), Vec::new(), false);
    life.waits(WaitReason::Connection);
    assert_eq!(life.run.due(), None);
    let mut looks = Vec::new();
    for _ in 0..10 {
        looks.push((until(&life) - life.now) / 1000);
        life.wait().waits(WaitReason::Connection);
    }
    assert_eq!(looks, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900], "seconds");
    life.restart().waits(WaitReason::Connection);
    life.preparer.ready = true;
    life.wait().succeeds().succeeds().is(RunStatus::Completed);
    assert_eq!(life.run.steps[0].epoch, 1);

    let policy = Policy { connection_wait: HOUR, ..Policy::default() };
    let mut life = Life::started(&definition, policy, Vec::new(), false);
    let began = life.now;
    while life.run.status == RunStatus::Waiting {
        life.wait();
    }
    life.is(RunStatus::Failed);
    assert_eq!((life.now, life.error_code()), (began + HOUR, Some("authentication_error")));

    let mut life = Life::started(&definition, Policy { connection_wait: 0, ..policy }, Vec::new(), false);
    life.is(RunStatus::Failed);
}

#[test]
fn each_step_waits_its_own_time() {
    let continuing =
        WRITE.replace("}}\"}}", "}}\"},\"errorHandling\":{\"strategy\":\"continue\",\"fallback\":1}}");
    let definition = of_steps("", &format!("{continuing},{READ}"));
    let policy = Policy { connection_wait: HOUR, ..Policy::default() };
    let mut life = Life::started(&definition, policy, Vec::new(), false);
    let began = life.now;
    while life.run.status == RunStatus::Waiting {
        life.wait();
    }
    life.is(RunStatus::Failed);
    assert_eq!(life.now, began + 2 * HOUR);
}

#[test]
fn a_rate_limit_is_no_attempt_and_is_waited_out() {
    for step in [READ, WRITE] {
        let mut life = Life::begin(&of_steps(r#""retryConfig":{"maxAttempts":1}"#, step));
        for _ in 0..10 {
            life.send();
            life.hear(fails(Finding::Throttled, true, Some(45_000), None)).waits(WaitReason::Pace);
            assert!(until(&life) - life.now >= 45_000);
            life.wait();
        }
        assert_eq!(life.run.steps[0].attempt, 1);
        life.succeeds().is(RunStatus::Completed);
    }
}

#[test]
fn what_never_left_is_no_attempt_and_opens_nothing() {
    for step in [READ, WRITE] {
        let mut life = Life::begin(&of_steps(r#""retryConfig":{"maxAttempts":1}"#, step));
        for _ in 0..10 {
            life.meets(Finding::Unreachable).waits(WaitReason::Retry).wait();
        }
        assert_eq!((life.run.steps[0].attempt, life.run.unknown_since(0)), (1, None));
        life.meets(Finding::Forbidden).is(RunStatus::Failed);
    }
}

/// How often a read that fails is sent, with these settings and this in its step.
#[track_caller]
fn attempts(settings: &str, step: &str, expect: u32) {
    let read = READ.replace("}}", &format!("}}{step}}}"));
    let mut life = Life::begin(&of_steps(settings, &read));
    for attempt in 1..expect {
        life.meets(Finding::Unknown).waits(WaitReason::Retry);
        // A crash is no attempt.
        life.wait().send();
        life.restart();
        assert_eq!(life.run.steps[0].attempt, attempt + 1);
    }
    life.meets(Finding::Unknown).is(RunStatus::Failed);
    assert_eq!(life.run.error.as_ref().unwrap().attempt, expect);
}

#[test]
fn failed_reads_are_counted() {
    attempts("", "", 3);
    attempts(r#""retryConfig":{"maxAttempts":1}"#, "", 1);
    attempts(r#""retryConfig":{"maxAttempts":5}"#, "", 5);
    attempts(r#""retryConfig":{"maxAttempts":5}"#, r#","retryConfig":{"maxAttempts":2}"#, 2);
    attempts("", r#","errorHandling":{"strategy":"retry"},"retryConfig":{"maxAttempts":4}"#, 4);
    attempts("", r#","errorHandling":{"strategy":"fail"}"#, 3);
}

#[test]
fn a_fallback_comes_after_the_attempts() {
    let step = READ.replace("}}", r#"},"errorHandling":{"strategy":"continue","fallback":{"n":7}}}"#);
    let mut life = Life::begin(&of_steps(r#""output":"{{steps.read.output.n}}""#, &step));
    life.meets(Finding::Unknown).wait().meets(Finding::Unknown).wait().meets(Finding::Unknown);
    life.is(RunStatus::Completed);
    assert_eq!(life.run.output.to_string(), "7");
}

#[test]
fn a_fallback_never_stands_for_an_open_write() {
    let step = WRITE.replace("}}\"}}", "}}\"},\"errorHandling\":{\"strategy\":\"continue\",\"fallback\":1}}");
    let mut life = Life::begin(&of_steps("", &step));
    life.meets(Finding::Unknown);
    for _ in 0..5 {
        life.wait();
        life.send();
        life.hear(fails(Finding::Forbidden, false, None, None)).waits(WaitReason::Retry);
    }
    life.wait().send();
    life.hear(fails(Finding::Refused, false, None, None)).is(RunStatus::Completed);
}

#[test]
fn an_intent_that_waited_is_committed_anew() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.pass(MINUTE).send();
    assert_eq!(life.log(), ["runStarted", "callIntended write"]);
    let mut life = Life::begin(&of_steps("", WRITE));
    let sent = life.pass(MINUTE + 1).now;
    life.send();
    assert_eq!(life.log().last().unwrap(), "callResumed write");
    assert!(matches!(life.entries.last().unwrap().event, Event::CallResumed { unsent: true, .. }));
    life.hear_that(Finding::Unknown);
    assert_eq!(life.run.unknown_since(0), Some(Timestamp(sent)));
    // Once it may have been sent the margin never begins anew.
    life.pass(HOUR).wake(loopfour_engine::Wake::Timer).send();
    life.hear_that(Finding::Unknown);
    assert_eq!(life.run.unknown_since(0), Some(Timestamp(sent)));
}

#[test]
fn a_late_write_does_not_leave_the_queue() {
    let mut life = Life::begin(&of_steps("", WRITE));
    life.meets(Finding::Unknown).wait().queue().pass(20 * HOUR);
    assert_eq!(life.leave(), None);
    life.waits(WaitReason::OutcomeUnknown);
}

fn config() -> impl Strategy<Value = RetryConfig> {
    (0..100_000_u64, 0..3_600_000_u64, 100..1000_i64).prop_map(|(first, more, multiplier)| RetryConfig {
        max_attempts: 3,
        initial_delay_ms: first,
        max_delay_ms: first + more,
        backoff_multiplier: Decimal::new(multiplier, 2),
    })
}

/// The longest delay of a try, by the rule and not by the code.
fn limit(config: &RetryConfig, tries: u32) -> i64 {
    let longest = Decimal::from(config.max_delay_ms);
    let mut limit = Decimal::from(config.initial_delay_ms);
    for _ in 1..tries {
        limit = (limit * config.backoff_multiplier).min(longest);
    }
    i64::try_from(limit.round()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Delays lie between nothing and the try's limit, which grows by the multiplier up to the longest.
    #[test]
    fn delays_keep_their_bounds(config in config(), tries in 1..40_u32, draw in any::<u128>()) {
        let (delay, limit) = (full_jitter(&config, tries, draw), limit(&config, tries));
        prop_assert!(delay >= 0 && delay <= limit + 1, "{} of at most {}", delay, limit);
        prop_assert!(delay <= i64::try_from(config.max_delay_ms).unwrap());
    }

    /// Full jitter: no part of the delays is left out, the ends neither.
    #[test]
    fn delays_are_spread_over_all_of_it(config in config(), tries in 1..10_u32) {
        let limit = limit(&config, tries);
        prop_assume!(limit > 100);
        let draw = |n: u128| uuid::Uuid::new_v5(&uuid::Uuid::nil(), &n.to_be_bytes()).as_u128();
        let mut quarters = [0; 4];
        for n in 0..400 {
            let delay = full_jitter(&config, tries, draw(n));
            quarters[usize::try_from((delay * 4 / (limit + 2)).min(3)).unwrap()] += 1;
        }
        prop_assert!(quarters.iter().all(|count| (50..150).contains(count)), "{:?}", quarters);
        prop_assert_eq!(full_jitter(&config, tries, 0), 0);
    }

    /// Never before `Retry-After`, however long the step's own delays are.
    #[test]
    fn retry_after_is_a_floor(asked in 0..10_000_000_u64, finding in prop::sample::select(vec![
        Finding::Throttled, Finding::Busy, Finding::KeyInUse, Finding::Unknown, Finding::Conflict,
    ])) {
        let mut life = Life::begin(&of_steps("", WRITE));
        life.send();
        life.hear(fails(finding, true, Some(asked), None));
        let wait = until(&life) - life.now;
        prop_assert!(wait >= asked as i64 && wait <= (asked as i64).max(30_000));
    }
}
