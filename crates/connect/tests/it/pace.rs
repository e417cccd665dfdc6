//! The pace, clock moved: no second holds too many, nobody overtakes, the rate is used, and a 429 slows what it names.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use loopfour_connect::pace::{Figure, Kind, Lane, Pace, PaceConfig, Place, Scope};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const READ: Lane<'_> = Lane { kind: Kind::Read, endpoint: "GET /v1/invoices" };
const WRITE: Lane<'_> = Lane { kind: Kind::Write, endpoint: "POST /v1/invoices" };
const OTHER_WRITE: Lane<'_> = Lane { kind: Kind::Write, endpoint: "POST /v1/customers" };

/// Time stands still until nothing else is to do, and then jumps.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// Lets the clock, which stands still, come to a later time; everything that is due before happens first.
async fn passes(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

fn pace(config: &str) -> Arc<Pace> {
    let config = if config.is_empty() { PaceConfig::default() } else { config.parse().unwrap() };
    Pace::new(&config, "live")
}

/// Who was granted a turn, and when, in that order.
type Granted = Vec<(usize, Lane<'static>, Instant)>;

#[derive(Clone, Default)]
struct Book {
    arrivals: Arc<Mutex<usize>>,
    granted: Arc<Mutex<Granted>>,
}

impl Book {
    /// Somebody comes after a while and takes a turn; numbered by arrival.
    fn comes(&self, pace: &Arc<Pace>, after: Duration, lane: Lane<'static>) -> tokio::task::JoinHandle<()> {
        let (book, pace) = (self.clone(), Arc::clone(pace));
        tokio::spawn(async move {
            passes(after).await;
            let number = {
                let mut arrivals = book.arrivals.lock().unwrap();
                *arrivals += 1;
                *arrivals
            };
            pace.turn(lane, Place::Last).await;
            book.granted.lock().unwrap().push((number, lane, Instant::now()));
        })
    }

    fn of(&self, belongs: impl Fn(Lane<'_>) -> bool) -> Vec<(usize, Instant)> {
        let granted = self.granted.lock().unwrap();
        granted.iter().filter(|(_, lane, _)| belongs(*lane)).map(|(number, _, at)| (*number, *at)).collect()
    }

    fn count(&self, belongs: impl Fn(Lane<'_>) -> bool) -> usize {
        self.of(belongs).len()
    }
}

/// No sliding second holds more than the figure.
fn holds(granted: &[(usize, Instant)], figure: usize) -> bool {
    granted.windows(figure + 1).all(|window| window[figure].1 - window[0].1 > SECOND)
}

fn reads(lane: Lane<'_>) -> bool {
    lane.kind == Kind::Read
}

fn any_kind(_: Lane<'_>) -> bool {
    true
}

fn writes(lane: Lane<'_>) -> bool {
    lane.kind == Kind::Write
}

/// Waits until all had their turn.
async fn all(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn settings_are_read() {
    let check = |text: &str, expected: Result<[&str; 3], &str>| {
        let read = text.parse::<PaceConfig>();
        match (read, expected) {
            (Ok(config), Ok(figures)) => {
                let shown = [config.read, config.write, config.total].map(|figure| figure.to_string());
                assert_eq!(shown, figures, "{text}");
                assert!(
                    config == PaceConfig::default() || config.to_string().parse() == Ok(config),
                    "{config}"
                );
            }
            (Err(message), Err(piece)) => assert!(message.contains(piece), "{text}: {message}"),
            (read, _) => panic!("{text}: {read:?}"),
        }
    };
    check("off", Ok(["off", "off", "off"]));
    check("read=100,write=50,total=120", Ok(["100", "50", "120"]));
    check(" read = off , total=1", Ok(["off", "usual", "1"]));
    check("write=10000", Ok(["usual", "10000", "usual"]));
    check("read=off,write=off,total=off", Ok(["off", "off", "off"]));
    check("", Err("write `off`, or parts as in"));
    check("on", Err("\"on\" is no pace"));
    check("reads=1", Err("\"reads\" has no pace"));
    check("read=1,read=2", Err("`read` is given twice"));
    for figure in ["0", "-1", "1.5", "10001", "", "Off"] {
        check(&format!("read={figure}"), Err("from 1 to 10000, or `off`"));
    }
    assert_eq!(PaceConfig::default().read, Figure::Usual);
}

/// How long it takes until so many calls had their turn, all wanted at once.
fn time(config: &PaceConfig, mode: &str, calls: usize, lane: impl Fn(usize) -> Lane<'static>) -> Duration {
    runtime().block_on(async {
        let (pace, book, start) = (Pace::new(config, mode), Book::default(), Instant::now());
        all((0..calls).map(|call| book.comes(&pace, Duration::ZERO, lane(call))).collect()).await;
        start.elapsed()
    })
}

/// How much of the rate was used.
fn per_mille(calls: u128, time: Duration, per_second: u128) -> u128 {
    calls * 1_000_000_000_000 / time.as_nanos() / per_second
}

#[test]
fn the_usual_figures_depend_on_the_mode() {
    let check = |config: &str, mode: &str, per_second: u128| {
        let config = if config.is_empty() { PaceConfig::default() } else { config.parse().unwrap() };
        let both = |call: usize| if call.is_multiple_of(2) { READ } else { WRITE };
        for lane in [&both as &dyn Fn(usize) -> Lane<'static>, &|_| READ, &|_| WRITE] {
            let time = time(&config, mode, 1001, lane);
            let used = per_mille(1000, time, per_second);
            assert!((950..=980).contains(&used), "{config} {mode}: {used} of a thousand");
        }
    };
    check("", "live", 100);
    check("", "test", 25);
    check("read=50,write=50,total=50", "sandbox", 50);
    check("total=1000,read=off,write=off", "live", 1000);
    for (config, mode) in [("off", "live"), ("off", "test"), ("total=off", "sandbox")] {
        assert_eq!(time(&config.parse().unwrap(), mode, 1000, |_| READ), Duration::ZERO, "{config} {mode}");
    }
}

#[test]
fn a_call_that_its_own_limit_holds_stands_in_nobodys_way() {
    let rate = |config: &str, first: Lane<'static>, then: Lane<'static>| {
        runtime().block_on(async {
            let (pace, book) = (pace(config), Book::default());
            let tasks: Vec<_> = (0..3000)
                .map(|call| book.comes(&pace, Duration::ZERO, if call < 1500 { first } else { then }))
                .collect();
            passes(Duration::from_secs(10)).await;
            tasks.iter().for_each(tokio::task::JoinHandle::abort);
            (book.count(|lane| lane == first), book.count(|lane| lane == then))
        })
    };
    // 1500 writes wait in front; the reads go all the same, and the other way round.
    let check = |(slow, fast): (usize, usize)| {
        assert!((95..=98).contains(&slow) && (760..=777).contains(&fast), "{slow} {fast}");
    };
    check(rate("read=80,write=10,total=off", WRITE, READ));
    check(rate("read=10,write=80,total=100", READ, WRITE));
}

#[test]
fn who_leaves_takes_nothing_from_those_behind() {
    runtime().block_on(async {
        let (pace, book, start) = (pace("total=10"), Book::default(), Instant::now());
        let leave: Vec<_> = (0..1000).map(|_| book.comes(&pace, Duration::ZERO, WRITE)).collect();
        let stay: Vec<_> = (0..10).map(|_| book.comes(&pace, Duration::from_millis(1), READ)).collect();
        passes(Duration::from_millis(50)).await;
        assert_eq!(pace.waiting(), 1009);
        leave.iter().for_each(tokio::task::JoinHandle::abort);
        all(stay).await;
        assert_eq!((pace.waiting(), book.count(writes)), (0, 1));
        let elapsed = start.elapsed();
        assert!(elapsed < Duration::from_millis(1050), "{elapsed:?}");
    });
}

#[test]
fn what_belongs_to_a_call_goes_ahead() {
    runtime().block_on(async {
        let (pace, book) = (pace("total=10"), Book::default());
        let tasks: Vec<_> = (0..5).map(|_| book.comes(&pace, Duration::ZERO, READ)).collect();
        passes(Duration::from_millis(1)).await;
        pace.turn(WRITE, Place::Ahead).await;
        assert_eq!(book.count(reads), 1, "only the one whose turn was free");
        all(tasks).await;
    });
}

#[test]
fn a_runtime_that_ends_leaves_the_line_to_the_next() {
    let pace = pace("total=10");
    let first = runtime();
    let book = Book::default();
    first.block_on(async {
        for _ in 0..10 {
            book.comes(&pace, Duration::ZERO, READ);
        }
        passes(Duration::from_millis(1)).await;
    });
    drop(first);
    assert_eq!(pace.waiting(), 0);
    runtime().block_on(async {
        all((0..10).map(|_| book.comes(&pace, Duration::ZERO, READ)).collect()).await;
    });
}

/// Keeps a line of calls waiting, and counts how many of them go in a time.
struct Load {
    pace: Arc<Pace>,
    book: Book,
}

impl Load {
    fn start(config: &str, lanes: &[Lane<'static>]) -> Load {
        let load = Load { pace: pace(config), book: Book::default() };
        for lane in lanes {
            for _ in 0..8000 {
                load.book.comes(&load.pace, Duration::ZERO, *lane);
            }
        }
        load
    }

    /// Calls of each lane that go within so many seconds, by the second.
    async fn rates(&self, lanes: &[Lane<'static>], seconds: u64) -> Vec<usize> {
        let count = || lanes.iter().map(|lane| self.book.count(|other| other == *lane)).collect::<Vec<_>>();
        let before = count();
        passes(SECOND * u32::try_from(seconds).unwrap()).await;
        let seconds = usize::try_from(seconds).unwrap();
        count().iter().zip(before).map(|(after, before)| (after - before) / seconds).collect()
    }

    fn refused(&self, lane: Lane<'_>, scope: Scope, sent: Instant, retry_after: Option<Duration>) {
        self.pace.slow_down(lane, scope, sent, retry_after);
    }
}

#[test]
fn a_storm_of_refusals_is_one_lesson_and_alone_it_costs_little() {
    runtime().block_on(async {
        let load = Load::start("", &[READ]);
        assert_eq!(load.rates(&[READ], 4).await, [97]);
        let sent = Instant::now() - Duration::from_millis(10);
        for _ in 0..50 {
            load.refused(READ, Scope::Account, sent, None);
        }
        let second = load.rates(&[READ], 1).await[0];
        assert!((78..=92).contains(&second), "{second}");
        assert_eq!(load.rates(&[READ], 10).await, [97]);
        // Five of them in a minute cost less than what may be lost.
        let mut sent = 0;
        for _ in 0..5 {
            load.refused(READ, Scope::Account, Instant::now() - Duration::from_millis(1), None);
            sent += load.rates(&[READ], 12).await[0] * 12;
        }
        assert!(sent >= 60 * 95, "{sent}");
    });
}

#[test]
fn refusals_that_follow_each_other_are_remembered_for_a_minute() {
    runtime().block_on(async {
        let load = Load::start("", &[READ]);
        let mut before = 98;
        for _ in 0..5 {
            load.refused(READ, Scope::Account, Instant::now() - Duration::from_millis(1), None);
            let rate = load.rates(&[READ], 1).await[0];
            assert!(rate < before, "{before} {rate}");
            before = rate;
        }
        let left = load.rates(&[READ], 5).await[0];
        assert!((10..60).contains(&left), "{left}");
        passes(SECOND * 60).await;
        assert_eq!(load.rates(&[READ], 5).await, [97]);
    });
}

#[test]
fn endless_refusals_leave_an_eighth() {
    runtime().block_on(async {
        let load = Load::start("", &[WRITE]);
        for _ in 0..20 {
            passes(SECOND).await;
            load.refused(WRITE, Scope::Account, Instant::now() - Duration::from_millis(1), None);
        }
        assert_eq!(load.rates(&[WRITE], 4).await, [12]);
    });
}

#[test]
fn without_a_pace_a_burst_is_not_taken_for_a_rate() {
    runtime().block_on(async {
        let load = Load::start("off", &[]);
        for _ in 0..32 {
            load.book.comes(&load.pace, Duration::ZERO, READ);
        }
        passes(Duration::from_millis(50)).await;
        load.refused(READ, Scope::Account, Instant::now() - Duration::from_millis(1), None);
        for _ in 0..1000 {
            load.book.comes(&load.pace, Duration::ZERO, READ);
        }
        let rate = load.rates(&[READ], 4).await[0];
        assert!((40..=49).contains(&rate), "half of what is usual: {rate}");
        for _ in 0..8 {
            load.refused(READ, Scope::Account, Instant::now() - Duration::from_millis(1), None);
            passes(Duration::from_millis(100)).await;
        }
        let rate = load.rates(&[READ], 4).await[0];
        assert!(rate <= 12, "endless refusals leave an eighth of it: {rate}");
    });
}

#[test]
fn a_refusal_slows_only_what_it_names() {
    runtime().block_on(async {
        let lanes = [READ, WRITE, OTHER_WRITE];
        let load = Load::start("read=50,write=off,total=off", &lanes[..1]);
        assert_eq!(load.rates(&lanes, 2).await, [48, 0, 0]);
        let sent = Instant::now() - Duration::from_millis(1);
        load.refused(READ, Scope::Endpoint, sent, None);
        let other = Lane { endpoint: "GET /v1/customers", ..READ };
        for _ in 0..1000 {
            load.book.comes(&load.pace, Duration::ZERO, other);
        }
        let rates = load.rates(&[READ, other], 4).await;
        assert!((18..=25).contains(&rates[0]), "{rates:?}");
        assert_eq!(rates[0] + rates[1], 48, "the others have what it leaves: {rates:?}");
    });
}

#[test]
fn retry_after_is_kept_to_without_a_pace_too() {
    runtime().block_on(async {
        let pace = pace("off");
        pace.turn(WRITE, Place::Last).await;
        let (start, wait) = (Instant::now(), Some(Duration::from_secs(3)));
        pace.slow_down(WRITE, Scope::Endpoint, start - SECOND, wait);
        for free in [OTHER_WRITE, READ] {
            pace.turn(free, Place::Last).await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.turn(WRITE, Place::Last).await;
        assert!((start + wait.unwrap()..start + Duration::from_millis(3002)).contains(&Instant::now()));
        let start = Instant::now();
        pace.slow_down(WRITE, Scope::Account, start - SECOND, wait);
        pace.turn(READ, Place::Last).await;
        assert!(start.elapsed() >= Duration::from_secs(3));
    });
}

#[test]
fn a_line_that_was_stopped_does_not_burst() {
    runtime().block_on(async {
        let load = Load::start("off", &[]);
        load.refused(READ, Scope::Account, Instant::now() - SECOND, Some(SECOND));
        for _ in 0..1000 {
            load.book.comes(&load.pace, Duration::ZERO, READ);
        }
        passes(Duration::from_secs(5)).await;
        let granted = load.book.of(reads);
        assert!(!granted.is_empty() && holds(&granted, 30), "{}", granted.len());
    });
}

#[test]
fn many_endpoints_are_not_kept_forever() {
    runtime().block_on(async {
        let pace = pace("off");
        for number in 0..5000 {
            let endpoint = format!("GET /v1/things/{number}");
            pace.turn(Lane { kind: Kind::Read, endpoint: &endpoint }, Place::Last).await;
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let size = format!("{pace:?}").matches("GET /v1/things/").count();
        assert!(size <= 512, "{size}");
    });
}

#[derive(Clone, Debug)]
struct Pattern {
    read: u32,
    write: u32,
    total: u32,
    /// Pause before it in milliseconds, and whether it reads.
    calls: Vec<(u64, bool)>,
    /// How late the machine comes to it, in milliseconds, over and over.
    late: Vec<u64>,
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let pause = prop_oneof![4 => Just(0_u64), 2 => 0..30_u64, 1 => 0..800_u64];
    let calls = proptest::collection::vec((pause, any::<bool>()), 1..160);
    let late = proptest::collection::vec(prop_oneof![3 => Just(3_u64), 1 => 1..60_u64], 1..20);
    (5..120_u32, 5..120_u32, 5..150_u32, calls, late).prop_map(|(read, write, total, calls, late)| Pattern {
        read,
        write,
        total,
        calls,
        late,
    })
}

/// Runs the calls on a machine that is late as it is told.
fn granted(pattern: &Pattern) -> Book {
    runtime().block_on(async {
        let Pattern { read, write, total, calls, late } = pattern;
        let (pace, book) = (pace(&format!("read={read},write={write},total={total}")), Book::default());
        let mut at = Duration::ZERO;
        let mut tasks = Vec::new();
        for (pause, reads) in calls {
            at += Duration::from_millis(*pause);
            let lane = match (reads, pause % 2) {
                (true, _) => READ,
                (false, 0) => WRITE,
                (false, _) => OTHER_WRITE,
            };
            tasks.push(book.comes(&pace, at, lane));
        }
        let mut late = late.iter().cycle();
        while tasks.iter().any(|task| !task.is_finished()) {
            tokio::time::advance(Duration::from_millis(*late.next().unwrap())).await;
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(pace.waiting(), 0);
        book
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn no_second_holds_too_many_and_nobody_overtakes(pattern in pattern()) {
        let book = granted(&pattern);
        for (belongs, figure) in
            [(&any_kind as &dyn Fn(Lane<'_>) -> bool, pattern.total), (&reads, pattern.read), (&writes, pattern.write)]
        {
            prop_assert!(holds(&book.of(belongs), usize::try_from(figure).unwrap()));
        }
        for belongs in [reads, writes] {
            // Two that go in the same instant may be seen in either order.
            let mut granted = book.of(belongs);
            granted.sort_unstable_by_key(|(number, _)| *number);
            prop_assert!(granted.is_sorted_by_key(|(_, at)| *at), "{granted:?}");
        }
    }

    #[test]
    fn the_rate_is_used_while_somebody_waits(figure in 2..400_u32, calls in 100..600_usize, reads in 0..=100_usize) {
        let config = PaceConfig { read: Figure::Off, write: Figure::Off, total: figure.to_string().parse().unwrap() };
        let lane = |call: usize| if call % 100 < reads { READ } else { WRITE };
        let time = time(&config, "live", calls + 1, lane);
        let used = per_mille(u128::try_from(calls).unwrap(), time, figure.into());
        prop_assert!((950..=1000).contains(&used), "{used} of a thousand");
    }
}
