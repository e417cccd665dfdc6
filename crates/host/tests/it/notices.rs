//! Messages go out when they are due, six times at most; who does not answer holds up nobody, and is told no more at last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loopfour_engine::notices::{Outbox, Teller, Telling, Untold};
use loopfour_engine::ports::{BoxFuture, JournalError};
use loopfour_engine::{CompanyId, MessageId, NoticeId, Timestamp};
use loopfour_host::Notices;
use loopfour_testkit::ManualClock;
use tokio::sync::watch;
use uuid::Uuid;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;

/// An outbox in memory.
#[derive(Clone, Default)]
struct Rows {
    state: Arc<Mutex<State>>,
    put_in: Arc<watch::Sender<u64>>,
    /// Becomes another whenever something is stored.
    stored: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    rows: Vec<(Telling, Timestamp)>,
    failing_since: HashMap<NoticeId, Timestamp>,
    disabled: HashMap<NoticeId, String>,
    delivered: Vec<MessageId>,
    given_up: Vec<MessageId>,
    /// So many changes are refused.
    refuse: usize,
}

impl Rows {
    fn put(&self, message: u128, notice: u128) {
        let telling = Telling {
            id: MessageId(Uuid::from_u128(message)),
            notice: NoticeId(Uuid::from_u128(notice)),
            company: CompanyId(Uuid::nil()),
            url: notice.to_string(),
            secret: String::new().into(),
            body: String::new(),
            attempts: 0,
            is_failing: false,
        };
        self.state.lock().unwrap().rows.push((telling, Timestamp(0)));
        self.put_in.send_modify(|count| *count += 1);
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, JournalError> {
        let mut state = self.state.lock().unwrap();
        let changed = match state.refuse.checked_sub(1) {
            None => Ok(change(&mut state)),
            Some(left) => {
                state.refuse = left;
                Err(JournalError::Full("no room".to_owned()))
            }
        };
        drop(state);
        self.stored.send_modify(|count| *count += 1);
        changed
    }

    /// Waits until the state is so.
    #[track_caller]
    fn until(&self, is_so: impl Fn(&State) -> bool) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let mut stored = self.stored.subscribe();
            let reached = async {
                while !is_so(&self.state.lock().unwrap()) {
                    stored.changed().await.unwrap();
                }
            };
            let reached = tokio::time::timeout(Duration::from_secs(5), reached).await;
            assert!(reached.is_ok(), "{place}: it did not come to be so");
        }
    }
}

impl Outbox for Rows {
    async fn due(&self, now: Timestamp, each: usize) -> Result<Vec<Telling>, JournalError> {
        let state = self.state.lock().unwrap();
        let mut of: HashMap<NoticeId, usize> = HashMap::new();
        let mut rows: Vec<_> = state.rows.iter().filter(|(_, at)| *at <= now).collect();
        rows.sort_by_key(|(telling, at)| (telling.notice, *at, telling.id));
        rows.retain(|(telling, _)| {
            let count = of.entry(telling.notice).or_default();
            *count += 1;
            *count <= each && !state.disabled.contains_key(&telling.notice)
        });
        let shown = |(telling, _): &(Telling, Timestamp)| Telling {
            is_failing: state.failing_since.contains_key(&telling.notice),
            ..telling.clone()
        };
        Ok(rows.into_iter().map(shown).collect())
    }

    async fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, JournalError> {
        let state = self.state.lock().unwrap();
        Ok(state.rows.iter().map(|(_, at)| *at).filter(|at| *at > after).min())
    }

    async fn put_in(&self, seen: u64) -> u64 {
        *self.put_in.subscribe().wait_for(|count| *count > seen).await.unwrap()
    }

    async fn delivered(&self, telling: &Telling, _now: Timestamp) -> Result<(), JournalError> {
        self.change(|state| {
            state.rows.retain(|(row, _)| row.id != telling.id);
            state.delivered.push(telling.id);
            state.failing_since.remove(&telling.notice);
        })
    }

    async fn failed(
        &self,
        telling: &Telling,
        _reason: &str,
        next: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, JournalError> {
        self.change(|state| {
            match (next, state.rows.iter().position(|(row, _)| row.id == telling.id)) {
                (Some(next), Some(index)) => {
                    state.rows[index].0.attempts += 1;
                    state.rows[index].1 = next;
                }
                (None, Some(index)) => {
                    state.rows.remove(index);
                    state.given_up.push(telling.id);
                }
                (_, None) => return None,
            }
            Some(*state.failing_since.entry(telling.notice).or_insert(now))
        })
    }

    async fn disable(&self, telling: &Telling, reason: &str, _now: Timestamp) -> Result<(), JournalError> {
        self.change(|state| {
            state.disabled.insert(telling.notice, reason.to_owned());
            state.rows.retain(|(row, _)| row.notice != telling.notice);
        })
    }
}

/// Receivers by their address: what each answers, and whether it answers at all.
#[derive(Default)]
struct Receivers {
    answers: Mutex<HashMap<String, Result<u16, Untold>>>,
    silent: Mutex<HashMap<String, watch::Sender<bool>>>,
    /// Address and message of each sending, and when it was.
    sent: Mutex<Vec<(String, u128, i64)>>,
    /// How many sendings began.
    begun: watch::Sender<usize>,
}

impl Receivers {
    fn answer(&self, notice: u128, answer: Result<u16, Untold>) {
        self.answers.lock().unwrap().insert(notice.to_string(), answer);
    }

    /// Answers nothing until it is told to.
    fn silence(&self, notice: u128) {
        self.silent.lock().unwrap().insert(notice.to_string(), watch::Sender::new(true));
    }

    fn speak(&self, notice: u128) {
        self.silent.lock().unwrap()[&notice.to_string()].send_replace(false);
    }

    async fn begun(&self, sendings: usize) {
        let mut begun = self.begun.subscribe();
        let reached = begun.wait_for(|begun| *begun >= sendings);
        tokio::time::timeout(Duration::from_secs(5), reached).await.expect("so many begin").unwrap();
    }

    fn sent_to(&self, notice: u128) -> Vec<(u128, i64)> {
        let sent = self.sent.lock().unwrap();
        let mine = sent.iter().filter(|(url, ..)| *url == notice.to_string());
        mine.map(|(_, message, at)| (*message, *at)).collect()
    }
}

impl Teller for Receivers {
    fn check(&self, _url: &str) -> Result<(), String> {
        Ok(())
    }

    fn tell<'a>(&'a self, telling: &'a Telling, now: Timestamp) -> BoxFuture<'a, Result<u16, Untold>> {
        Box::pin(async move {
            self.sent.lock().unwrap().push((telling.url.clone(), telling.id.0.as_u128(), now.0));
            self.begun.send_modify(|begun| *begun += 1);
            let silent = self.silent.lock().unwrap().get(&telling.url).map(watch::Sender::subscribe);
            if let Some(mut silent) = silent {
                silent.wait_for(|silent| !silent).await.unwrap();
            }
            let answer = self.answers.lock().unwrap().get(&telling.url).cloned().unwrap_or(Ok(200));
            assert_ne!(answer, Err(Untold::Failed("a defect".to_owned())));
            answer
        })
    }
}

struct World {
    outbox: Rows,
    receivers: Arc<Receivers>,
    clock: ManualClock,
    notices: Notices<Rows, ManualClock>,
}

impl World {
    fn new() -> World {
        let (outbox, receivers, clock) = (Rows::default(), Arc::<Receivers>::default(), ManualClock::at(0));
        let teller = Arc::clone(&receivers) as Arc<dyn Teller>;
        let notices = Notices::new(outbox.clone(), teller, clock.clone());
        notices.start();
        World { outbox, receivers, clock, notices }
    }

    /// Waits until a message was tried in vain so often.
    async fn tried(&self, message: u128, attempts: u32) {
        let is_so =
            |(row, _): &(Telling, Timestamp)| row.id.0.as_u128() == message && row.attempts == attempts;
        self.outbox.until(|state| state.rows.iter().any(is_so)).await;
    }
}

#[tokio::test]
async fn a_message_is_sent_once_where_it_arrives() {
    let world = World::new();
    for message in 1..=10 {
        world.outbox.put(message, 1);
    }
    world.outbox.until(|state| state.delivered.len() == 10).await;
    let mut sent: Vec<_> = world.receivers.sent_to(1).into_iter().map(|(message, _)| message).collect();
    sent.sort_unstable();
    assert_eq!(sent, (1..=10).collect::<Vec<_>>());
    world.clock.advance(DAY);
    world.outbox.put(11, 1);
    world.outbox.until(|state| state.delivered.len() == 11).await;
    assert_eq!(world.receivers.sent_to(1).len(), 11);
}

#[tokio::test]
async fn a_message_is_tried_six_times() {
    let world = World::new();
    world.receivers.answer(1, Err(Untold::Status(500)));
    world.outbox.put(7, 1);
    let pauses = [5 * SECOND, 60 * SECOND, 600 * SECOND, HOUR, 6 * HOUR];
    for (tries, pause) in (1..).zip(pauses) {
        world.tried(7, tries).await;
        // A moment before its time nothing is sent.
        world.clock.advance(pause - 1);
        tokio::task::yield_now().await;
        assert_eq!(world.receivers.sent_to(1).len(), tries as usize);
        world.clock.advance(1);
    }
    world.outbox.until(|state| state.given_up.len() == 1).await;
    let times: Vec<i64> = world.receivers.sent_to(1).into_iter().map(|(_, at)| at).collect();
    let sum = |count| pauses[..count].iter().sum::<i64>();
    assert_eq!(times, [0, sum(1), sum(2), sum(3), sum(4), sum(5)]);
    let state = world.outbox.state.lock().unwrap();
    assert!(state.rows.is_empty() && state.disabled.is_empty());
}

#[tokio::test]
async fn a_second_try_may_arrive() {
    let world = World::new();
    world.receivers.answer(1, Err(Untold::Failed("no answer".to_owned())));
    world.outbox.put(7, 1);
    world.tried(7, 1).await;
    world.receivers.answer(1, Ok(204));
    world.clock.advance(5 * SECOND);
    world.outbox.until(|state| state.delivered.len() == 1 && state.failing_since.is_empty()).await;
}

#[tokio::test]
async fn who_wants_no_more_gets_no_more() {
    let world = World::new();
    world.receivers.answer(1, Err(Untold::Gone));
    world.outbox.put(7, 1);
    world.outbox.put(8, 2);
    world.outbox.until(|state| state.disabled.len() == 1 && state.delivered.len() == 1).await;
    let state = world.outbox.state.lock().unwrap();
    let reason = &state.disabled[&NoticeId(Uuid::from_u128(1))];
    assert_eq!(reason, "answered with 410, which says that it wants no more messages");
}

#[tokio::test]
async fn who_is_away_for_three_days_is_told_no_more() {
    let world = World::new();
    world.receivers.answer(1, Err(Untold::Status(503)));
    world.outbox.put(1, 1);
    world.tried(1, 1).await;
    // A success in between counts.
    world.clock.advance(3 * DAY - 1);
    world.tried(1, 2).await;
    assert!(world.outbox.state.lock().unwrap().disabled.is_empty());
    world.receivers.answer(1, Ok(200));
    world.clock.advance(60 * SECOND);
    world.outbox.until(|state| state.delivered.len() == 1).await;
    world.receivers.answer(1, Err(Untold::Status(503)));
    world.outbox.put(2, 1);
    world.tried(2, 1).await;
    world.clock.advance(3 * DAY);
    world.outbox.until(|state| !state.disabled.is_empty()).await;
    let state = world.outbox.state.lock().unwrap();
    let reason = &state.disabled[&NoticeId(Uuid::from_u128(1))];
    assert_eq!(reason, "nothing arrived for 3 days; the last try: answered with 503");
}

/// Of a slow receiver with many messages only a few are under way, and all others go on.
#[tokio::test]
async fn a_slow_receiver_holds_up_nobody_else() {
    let world = World::new();
    world.receivers.silence(1);
    for message in 0..1_000 {
        world.outbox.put(message, 1);
    }
    world.receivers.begun(4).await;
    for notice in 2..200 {
        world.outbox.put(1_000 + notice, notice);
    }
    world.outbox.until(|state| state.delivered.len() == 198).await;
    assert_eq!(world.receivers.sent_to(1).len(), 4);
    world.receivers.speak(1);
    world.outbox.until(|state| state.delivered.len() == 1_198).await;
}

/// Many receivers where nothing arrives take no more than half of what can be under way.
#[tokio::test]
async fn those_that_fail_leave_room() {
    let world = World::new();
    for notice in 1..=200 {
        world.receivers.answer(notice, Err(Untold::Status(500)));
        world.outbox.put(notice, notice);
    }
    world.outbox.until(|state| state.failing_since.len() == 200).await;
    for notice in 1..=200 {
        world.receivers.silence(notice);
    }
    world.clock.advance(5 * SECOND);
    world.receivers.begun(264).await;
    for notice in 1..=200 {
        world.outbox.put(1_000 + notice, notice);
    }
    world.outbox.put(5_000, 500);
    world.outbox.until(|state| state.delivered.len() == 1).await;
    assert_eq!(*world.receivers.begun.borrow(), 265, "64 of those that fail, and the one that does not");
}

#[tokio::test]
async fn more_than_may_be_under_way_wait() {
    let world = World::new();
    for notice in 1..=300 {
        world.receivers.silence(notice);
        world.outbox.put(notice, notice);
    }
    world.receivers.begun(128).await;
    tokio::task::yield_now().await;
    assert_eq!(*world.receivers.begun.borrow(), 128);
    for notice in 1..=300 {
        world.receivers.speak(notice);
    }
    world.outbox.until(|state| state.delivered.len() == 300).await;
}

/// What came of a sending is kept until there is room for it; it is not sent again meanwhile.
#[tokio::test]
async fn a_full_disk_makes_nobody_send_twice() {
    let world = World::new();
    world.outbox.state.lock().unwrap().refuse = 2;
    world.outbox.put(7, 1);
    for left in [1, 0] {
        world.outbox.until(|state| state.refuse == left).await;
        world.clock.advance(SECOND);
    }
    world.outbox.until(|state| state.delivered.len() == 1).await;
    assert_eq!(world.receivers.sent_to(1).len(), 1);
}

#[tokio::test]
async fn a_defect_is_a_failure() {
    let world = World::new();
    world.receivers.answer(1, Err(Untold::Failed("a defect".to_owned())));
    world.outbox.put(7, 1);
    world.tried(7, 1).await;
}

#[tokio::test]
async fn a_stop_waits_for_answers_and_then_no_longer() {
    let world = World::new();
    world.receivers.silence(1);
    world.outbox.put(7, 1);
    world.receivers.begun(1).await;
    let stop = world.notices.clone();
    let stopped = tokio::spawn(async move { stop.stop(Duration::from_secs(60)).await });
    tokio::task::yield_now().await;
    world.receivers.speak(1);
    stopped.await.unwrap();
    assert_eq!(world.outbox.state.lock().unwrap().delivered.len(), 1);
    world.outbox.put(8, 2);
    tokio::task::yield_now().await;
    assert_eq!(*world.receivers.begun.borrow(), 1, "nothing begins any more");

    let world = World::new();
    world.receivers.silence(1);
    world.outbox.put(7, 1);
    world.receivers.begun(1).await;
    world.notices.stop(Duration::ZERO).await;
    assert_eq!(world.outbox.state.lock().unwrap().rows.len(), 1, "it is sent again after the next start");
}
