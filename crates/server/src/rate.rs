//! Rate limits: how many requests a key may make in any minute, and how many unknown keys one address may try.
//!
//! Windows are kept in memory only, by tenths of a second, so that what one takes is bounded whatever the limit; those
//! that nobody used for a minute are dropped. A start begins with empty ones.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use loopfour_engine::Timestamp;
use loopfour_store::{Holder, Principal};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use uuid::Uuid;

use crate::error::{Code, Error};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// How many unknown keys, and other failed sign-ins, one address may try in a minute.
const FAILED_SIGN_INS: u32 = 20;
/// The calls that count as execution, by the last part of their address.
const EXECUTE: [&str; 7] = ["run", "cancel", "retry", "restart", "resolve", "candidates", "replay"];
/// Milliseconds; requests of the same one are counted together.
const TICK: i64 = 100;
/// A minute.
const TICKS: i64 = 600;
/// At this many windows those that nobody uses any more are dropped.
const SMALLEST_SWEEP: usize = 1024;
/// So many windows are kept at most. Keys never come near it; addresses that do are let start anew.
const MOST_WINDOWS: usize = 65_536;

/// How many requests a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// As many as come.
    Off,
    /// At most that many in any minute, from 1.
    PerMinute(u32),
}

/// The setting `rate_limits`: per key, and for webhooks per address.
///
/// ```
/// use loopfour_server::rate::{Limit, RateLimits};
///
/// let limits: RateLimits = "read=50,execute=off".parse().unwrap();
/// assert_eq!((limits.read, limits.write), (Limit::PerMinute(50), Limit::PerMinute(100)));
/// assert_eq!(limits.execute, Limit::Off);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// GET.
    pub read: Limit,
    /// POST, PUT, PATCH, DELETE.
    pub write: Limit,
    /// run, cancel, retry, restart, resolve, replay.
    pub execute: Limit,
    /// Webhooks of one address.
    pub webhooks: Limit,
}

impl RateLimits {
    /// No limit at all.
    pub const OFF: RateLimits =
        RateLimits { read: Limit::Off, write: Limit::Off, execute: Limit::Off, webhooks: Limit::Off };

    fn set(&mut self, name: &str, limit: Limit) -> Result<(), BadLimits> {
        match name {
            "read" => self.read = limit,
            "write" => self.write = limit,
            "execute" => self.execute = limit,
            "webhooks" => self.webhooks = limit,
            _ => return Err(BadLimits(format!("`{name}` is none of read, write, execute, webhooks"))),
        }
        Ok(())
    }
}

impl Default for RateLimits {
    fn default() -> RateLimits {
        RateLimits {
            read: Limit::PerMinute(1000),
            write: Limit::PerMinute(100),
            execute: Limit::PerMinute(500),
            webhooks: Limit::PerMinute(10_000),
        }
    }
}

/// Not a setting of limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; say `off` or some of `read=N,write=N,execute=N,webhooks=N`, N a whole number from 1 or `off`")]
pub struct BadLimits(String);

impl FromStr for Limit {
    type Err = BadLimits;

    fn from_str(text: &str) -> Result<Limit, BadLimits> {
        if text == "off" {
            return Ok(Limit::Off);
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| digits && *number > 0);
        number.map(Limit::PerMinute).ok_or_else(|| BadLimits(format!("`{text}` is no limit")))
    }
}

impl FromStr for RateLimits {
    type Err = BadLimits;

    fn from_str(text: &str) -> Result<RateLimits, BadLimits> {
        if text == "off" {
            return Ok(RateLimits::OFF);
        }
        let mut limits = RateLimits::default();
        let mut seen = Vec::new();
        for part in text.split(',') {
            let (name, value) =
                part.split_once('=').ok_or_else(|| BadLimits(format!("`{part}` has no `=`")))?;
            let name = name.trim();
            limits.set(name, value.trim().parse()?)?;
            if seen.contains(&name) {
                return Err(BadLimits(format!("`{name}` stands twice")));
            }
            seen.push(name);
        }
        Ok(limits)
    }
}

/// As a text (`"off"`, `"read=50"`) or as a table (`{ read = 50, execute = "off" }`).
impl<'de> Deserialize<'de> for RateLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RateLimits, D::Error> {
        struct Setting;

        impl<'de> Visitor<'de> for Setting {
            type Value = RateLimits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`off` or a table of limits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<RateLimits, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RateLimits, A::Error> {
                let mut limits = RateLimits::default();
                while let Some((name, OneLimit(limit))) = map.next_entry::<String, OneLimit>()? {
                    limits.set(&name, limit).map_err(de::Error::custom)?;
                }
                Ok(limits)
            }
        }

        deserializer.deserialize_any(Setting)
    }
}

/// A limit in a table: a number or `"off"`.
struct OneLimit(Limit);

impl<'de> Deserialize<'de> for OneLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OneLimit, D::Error> {
        struct Value;

        impl Visitor<'_> for Value {
            type Value = OneLimit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 or `off`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneLimit, E> {
                text.parse().map(OneLimit).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<OneLimit, E> {
                number.to_string().parse().map(OneLimit).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Value)
    }
}

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// It only looks.
    Read,
    /// It changes something.
    Write,
    /// It moves runs.
    Execute,
}

impl Class {
    /// The class of a request to this path.
    pub fn of(method: &Method, path: &str) -> Class {
        let last = path.rsplit('/').next().unwrap_or_default();
        match *method {
            Method::GET | Method::HEAD => Class::Read,
            Method::POST if EXECUTE.contains(&last) => Class::Execute,
            _ => Class::Write,
        }
    }

    /// The name that settings and messages use.
    pub fn name(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::Write => "write",
            Class::Execute => "execute",
        }
    }
}

/// How a key stands in one class after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    limit: u32,
    remaining: u32,
    /// When the oldest request that counts leaves the window, milliseconds.
    reset: i64,
}

impl Standing {
    /// Writes the three headers.
    pub fn write(self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(seconds(self.reset)));
    }
}

/// Whole seconds, rounded up, so that who waits as long has waited enough.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds.saturating_add(999).div_euclid(1000)
}

/// Carries a request's standing to where its answer is written.
#[derive(Clone, Debug, Default)]
pub struct Slot(Arc<OnceLock<Standing>>);

impl Slot {
    /// Notes the standing of the request in hand.
    pub fn note(parts: &Parts, standing: Standing) {
        if let Some(slot) = parts.extensions.get::<Slot>() {
            // Each request is counted once.
            let _ = slot.0.set(standing);
        }
    }

    /// What was noted.
    pub fn get(&self) -> Option<Standing> {
        self.0.get().copied()
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// All windows.
pub struct Rates {
    limits: RateLimits,
    holders: Tallies<(Uuid, Class)>,
    addresses: Tallies<IpAddr>,
    webhooks: Tallies<IpAddr>,
}

impl Rates {
    /// Empty windows with these limits.
    pub fn new(limits: RateLimits) -> Rates {
        Rates { limits, holders: Tallies::new(), addresses: Tallies::new(), webhooks: Tallies::new() }
    }

    /// Counts a request of a key or a member; `None` where there is no limit.
    ///
    /// # Errors
    /// 429, with the standing to be told all the same; such a request does not count.
    pub fn admit(
        &self,
        principal: &Principal,
        class: Class,
        now: Timestamp,
    ) -> Result<Option<Standing>, (Standing, Error)> {
        let limit = match class {
            Class::Read => self.limits.read,
            Class::Write => self.limits.write,
            Class::Execute => self.limits.execute,
        };
        let Limit::PerMinute(limit) = limit else { return Ok(None) };
        let (taken, standing) = self.holders.take((principal.id(), class), limit, now);
        if taken {
            return Ok(Some(standing));
        }
        let who = match principal.holder {
            Holder::Key { .. } => "the key",
            Holder::Member { .. } => "you",
        };
        let message = format!("{who} made {limit} requests of the kind `{}` within a minute", class.name());
        Err((standing, refusal(message, standing, now)))
    }

    /// Counts a webhook from an address.
    ///
    /// # Errors
    /// 429 if there were too many lately; such a request does not count.
    pub fn webhook(&self, address: IpAddr, now: Timestamp) -> Result<(), Error> {
        let Limit::PerMinute(limit) = self.limits.webhooks else { return Ok(()) };
        let (taken, standing) = self.webhooks.take(network(address), limit, now);
        if taken {
            return Ok(());
        }
        Err(refusal(format!("{limit} webhooks came from this address within a minute"), standing, now))
    }

    /// Counts an unknown key, session or link from an address.
    ///
    /// # Errors
    /// 429 if there were many lately; such a request does not count.
    pub fn failed_sign_in(&self, address: IpAddr, now: Timestamp) -> Result<(), Error> {
        let (taken, standing) = self.addresses.take(network(address), FAILED_SIGN_INS, now);
        if taken {
            return Ok(());
        }
        let message = format!(
            "{FAILED_SIGN_INS} unknown API keys or failed sign-ins came from this address within a minute"
        );
        Err(refusal(message, standing, now))
    }
}

fn refusal(message: String, standing: Standing, now: Timestamp) -> Error {
    let wait = seconds(standing.reset.saturating_sub(now.0)).max(1);
    let message = format!("{message}; try again in {wait} s");
    Error { retry_after: Some(wait.unsigned_abs()), ..Error::new(Code::RateLimited, message) }
}

/// One customer has a whole /64 of the newer addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// Windows by whom they are for.
struct Tallies<K>(Mutex<Windows<K>>);

struct Windows<K> {
    by_key: HashMap<K, Window>,
    sweep_at: usize,
}

impl<K: Eq + Hash> Tallies<K> {
    fn new() -> Tallies<K> {
        Tallies(Mutex::new(Windows { by_key: HashMap::new(), sweep_at: SMALLEST_SWEEP }))
    }

    /// Counts one more, if there is room.
    fn take(&self, key: K, limit: u32, now: Timestamp) -> (bool, Standing) {
        let tick = now.0.div_euclid(TICK);
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.by_key.len() >= windows.sweep_at {
            windows.by_key.retain(|_, window| !window.is_idle(tick));
            if windows.by_key.len() >= MOST_WINDOWS {
                windows.by_key.clear();
            }
            // Twice what is left: the cost of sweeping stays a constant per window.
            windows.sweep_at = SMALLEST_SWEEP.max(windows.by_key.len() * 2).min(MOST_WINDOWS);
        }
        windows.by_key.entry(key).or_default().take(limit, tick)
    }
}

/// The requests of the last minute.
#[derive(Default)]
struct Window {
    /// Ticks in which there were any, and how many.
    counts: VecDeque<(i64, u32)>,
    total: u32,
}

impl Window {
    fn is_idle(&self, tick: i64) -> bool {
        self.counts.back().is_none_or(|(last, _)| last.abs_diff(tick) > TICKS.unsigned_abs())
    }

    fn take(&mut self, limit: u32, tick: i64) -> (bool, Standing) {
        if self.is_idle(tick) {
            // Also where the clock was set back by more than a minute.
            self.counts.clear();
            self.total = 0;
        }
        let tick = self.counts.back().map_or(tick, |(last, _)| tick.max(*last));
        while let Some((first, count)) =
            self.counts.front().copied().filter(|(first, _)| tick - first > TICKS)
        {
            debug_assert!(first < tick);
            self.counts.pop_front();
            self.total -= count;
        }
        let taken = self.total < limit;
        if taken {
            self.total += 1;
            match self.counts.back_mut() {
                Some((last, count)) if *last == tick => *count += 1,
                Some(_) | None => self.counts.push_back((tick, 1)),
            }
        }
        let oldest = self.counts.front().map_or(tick, |(first, _)| *first);
        // The whole of the tick must be a minute ago.
        let reset = (oldest + TICKS + 1) * TICK;
        (taken, Standing { limit, remaining: limit.saturating_sub(self.total), reset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<[Option<u32>; 4], &str>) {
        let number = |limit| match limit {
            Limit::Off => None,
            Limit::PerMinute(number) => Some(number),
        };
        let parsed = text.parse::<RateLimits>();
        let parsed = parsed
            .map(|limits| [limits.read, limits.write, limits.execute, limits.webhooks].map(number))
            .map_err(|error| error.0);
        assert_eq!(parsed, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn settings_are_read_part_by_part() {
        check("off", Ok([None; 4]));
        check("read=1,write=2,execute=3,webhooks=4", Ok([Some(1), Some(2), Some(3), Some(4)]));
        check("write=off", Ok([Some(1000), None, Some(500), Some(10_000)]));
        check("execute = 7 , read=off", Ok([None, Some(100), Some(7), Some(10_000)]));
        check("", Err("`` has no `=`"));
        check("read=0", Err("`0` is no limit"));
        check("read=+5", Err("`+5` is no limit"));
        check("read=-1", Err("`-1` is no limit"));
        check("read=4294967296", Err("`4294967296` is no limit"));
        check("reads=5", Err("`reads` is none of read, write, execute, webhooks"));
        check("read=5,read=6", Err("`read` stands twice"));
        check("read=5,", Err("`` has no `=`"));
    }

    #[test]
    fn tables_are_read_as_texts_are() {
        let read = |json: &str| serde_json::from_str::<RateLimits>(json).map_err(|error| error.to_string());
        assert_eq!(read(r#""off""#), Ok(RateLimits::OFF));
        assert_eq!(read("{}"), Ok(RateLimits::default()));
        let limits = RateLimits { read: Limit::PerMinute(5), write: Limit::Off, ..RateLimits::default() };
        assert_eq!(read(r#"{"read": -5}"#).unwrap_err().split(';').next(), Some("`-5` is no limit"));
        assert_eq!(
            serde_json::from_value(serde_json::json!({"read": "5", "write": "off"})).ok(),
            Some(limits)
        );
        assert!(read(r#"{"reed": "5"}"#).unwrap_err().starts_with("`reed` is none of"));
        assert!(read("true").unwrap_err().contains("expected `off` or a table of limits"));
    }

    /// Moves the clock by so many milliseconds, asks, and compares whether it was taken and what remains.
    #[track_caller]
    fn ask(tallies: &Tallies<u8>, now: &mut i64, by: i64, expected: (bool, u32)) -> i64 {
        *now += by;
        let (taken, standing) = tallies.take(1, 2, Timestamp(*now));
        assert_eq!((taken, standing.remaining), expected);
        standing.reset - *now
    }

    #[test]
    fn the_window_slides_and_refusals_do_not_count() {
        let (tallies, mut now) = (Tallies::new(), 1_000_000_000);
        assert_eq!(ask(&tallies, &mut now, 0, (true, 1)), 60_100);
        ask(&tallies, &mut now, 30_000, (true, 0));
        assert_eq!(ask(&tallies, &mut now, 20_000, (false, 0)), 10_100);
        ask(&tallies, &mut now, 10_099, (false, 0));
        // The first has left, the second counts on.
        assert_eq!(ask(&tallies, &mut now, 1, (true, 0)), 30_000);
        ask(&tallies, &mut now, 29_999, (false, 0));
        ask(&tallies, &mut now, 1, (true, 0));
        // A clock that is set back an hour locks nobody out; one that jitters changes nothing.
        ask(&tallies, &mut now, -50, (false, 0));
        ask(&tallies, &mut now, -3_600_000, (true, 1));
    }

    #[test]
    fn windows_are_bounded_in_size_and_number() {
        let tallies = Tallies::new();
        for request in 0..100_000_i64 {
            tallies.take(0, u32::MAX, Timestamp(request * 7));
        }
        assert!(tallies.0.lock().unwrap().by_key[&0].counts.len() <= 602);
        let idle = Tallies::new();
        for key in 0..5_000_i64 {
            idle.take(key, 1, Timestamp(key * 1_000));
        }
        assert!(idle.0.lock().unwrap().by_key.len() <= SMALLEST_SWEEP + 61);
        let busy = Tallies::new();
        for key in 0..200_000_i64 {
            busy.take(key, 1, Timestamp(0));
        }
        assert!(busy.0.lock().unwrap().by_key.len() <= MOST_WINDOWS);
    }

    #[test]
    fn calls_count_as_what_they_do() {
        for (method, path, class) in [
            (Method::GET, "/api/v1/runs", Class::Read),
            (Method::HEAD, "/api/v1/runs", Class::Read),
            (Method::GET, "/api/v1/connections/stripe/auth-url", Class::Read),
            (Method::POST, "/api/v1/workflows/validate", Class::Write),
            (Method::DELETE, "/api/v1/workflows/x", Class::Write),
            (Method::PUT, "/api/v1/workflows/run", Class::Write),
            (Method::POST, "/api/v1/workflows/x/run", Class::Execute),
            (Method::POST, "/api/v1/runs/x/steps/y/resolve", Class::Execute),
            (Method::POST, "/api/v1/events/x/replay", Class::Execute),
        ] {
            assert_eq!(Class::of(&method, path), class, "{method} {path}");
        }
    }

    #[test]
    fn one_network_is_one_address() {
        let same = |one: &str, other: &str| network(one.parse().unwrap()) == network(other.parse().unwrap());
        assert!(same("2001:db8:1:2:3::1", "2001:db8:1:2:ffff::2"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }
}
