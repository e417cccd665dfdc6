//! Signatures: which are good, which are not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loopfour_connect::webhook::{HEADER_LIMIT, standard, stripe};
use loopfour_engine::Timestamp;
use proptest::prelude::*;
use secrecy::SecretString;

const SIGNED_AT: i64 = 1_614_265_330;
const BODY: &[u8] = br#"{"id":"evt_1"}"#;
const SECRET: &str = "whsec_test_secret";

/// By another implementation.
const GOOD: &str = "e135cdbed3dda004bf8a2fb350f2541d299393c770e0b9e6e319dc595e9072aa";

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn is_good(header: &str, secret: &str, body: &[u8], now: Timestamp) -> bool {
    stripe::Signed::read(header, now).is_some_and(|signed| signed.is_by(&secret.into(), body))
}

#[test]
fn stripe_signatures() {
    #[track_caller]
    fn check(header: &str, expect: bool) {
        assert_eq!(is_good(header, SECRET, BODY, at(SIGNED_AT)), expect, "{header:.200}");
    }
    let t = format!("t={SIGNED_AT}");
    let other = "0".repeat(64);
    check(&format!("{t},v1={GOOD}"), true);
    check(&format!("{t},v1={other},v1={GOOD}"), true);
    check(&format!("{t},v1={GOOD},v1={other}"), true);
    check(&format!("v1={GOOD},v9=x,{t},scheme"), true);
    check(&format!("{t},v1={GOOD},v0={other}"), true);
    check(&format!("{t}, v1={GOOD}"), true);
    check(&format!("{t},v1=short,v1={GOOD}"), true);
    check(&format!("{t},v1={other}"), false);
    check(&format!("{t},v1={}", GOOD.to_uppercase()), false);
    check(&format!("{t},v0={GOOD}"), false);
    check(&format!("{t},V1={GOOD}"), false);
    check(&format!("{t},v1={}", &GOOD[..62]), false);
    check(&format!("{t},v1={GOOD}00"), false);
    check(&format!("{t},v1="), false);
    check(&t, false);
    check(&format!("v1={GOOD}"), false);
    check(&format!("{t},{t},v1={GOOD}"), false);
    check(&format!("t={},v1={GOOD}", SIGNED_AT + 1), false);
    check(&format!("t=,v1={GOOD}"), false);
    check(&format!("t=+{SIGNED_AT},v1={GOOD}"), false);
    check(&format!("t=0{SIGNED_AT},v1={GOOD}"), false);
    check(&format!("t={}9,v1={GOOD}", i64::MAX), false);
    check(&format!("t=-1,v1={GOOD}"), false);
    check("", false);
    check(",=,=,,", false);
    let padded = |length: usize| {
        let head = format!("{t},v1={GOOD},x=");
        let rest = "x".repeat(length - head.len());
        head + &rest
    };
    check(&padded(HEADER_LIMIT), true);
    check(&padded(HEADER_LIMIT + 1), false);
    check(&padded(64 * 1024), false);
    check(&format!("{t}{},v1={GOOD}", format!(",v1={other}").repeat(1000)), false);
}

#[test]
fn stripe_signatures_are_of_the_body_and_the_secret() {
    let header = format!("t={SIGNED_AT},v1={GOOD}");
    assert_eq!(header, stripe::sign(&SECRET.into(), at(SIGNED_AT), BODY));
    assert!(is_good(&header, SECRET, BODY, at(SIGNED_AT)));
    assert!(!is_good(&header, SECRET, br#"{"id":"evt_2"}"#, at(SIGNED_AT)));
    assert!(!is_good(&header, SECRET, br#"{"id": "evt_1"}"#, at(SIGNED_AT)));
    assert!(!is_good(&header, SECRET, b"", at(SIGNED_AT)));
    // The prefix is a part of the secret.
    assert!(!is_good(&header, "test_secret", BODY, at(SIGNED_AT)));
    assert!(!is_good(&header, "", BODY, at(SIGNED_AT)));
}

#[test]
fn stripe_signatures_grow_old_and_may_be_of_the_future() {
    #[track_caller]
    fn check(now: i64, expect: bool) {
        let header = format!("t={SIGNED_AT},v1={GOOD}");
        assert_eq!(is_good(&header, SECRET, BODY, Timestamp(now)), expect, "{now}");
    }
    check(SIGNED_AT * 1000 + 300_000, true);
    check(SIGNED_AT * 1000 + 300_999, true);
    check(SIGNED_AT * 1000 + 301_000, false);
    check(SIGNED_AT * 1000 - 86_400_000, true);
    check(0, true);
    check(i64::MIN, true);
    check(i64::MAX, false);
}

/// Likewise by another implementation.
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxEk";
const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_BODY: &[u8] = br#"{"test": 2432232314}"#;
const STANDARD_GOOD: &str = "v1,M04OjfrIllUQVh7F6qzV64l0HX5jtzZ3ZYON+pgbpLA=";

fn key(secret: &str) -> standard::Key {
    standard::Key::parse(&secret.into()).unwrap()
}

#[test]
fn standard_signatures() {
    #[track_caller]
    fn check(id: &str, timestamp: &str, signature: &str, expect: bool) {
        let signed = standard::Signed::read(id, timestamp, signature, at(SIGNED_AT));
        let is_good = signed.is_some_and(|signed| signed.is_by(&key(STANDARD_SECRET), STANDARD_BODY));
        assert_eq!(is_good, expect, "{id} {timestamp} {signature:.200}");
    }
    let t = SIGNED_AT.to_string();
    let other = format!("v1,{}", STANDARD.encode([0; 32]));
    check(ID, &t, STANDARD_GOOD, true);
    check(ID, &t, STANDARD_GOOD.trim_end_matches('='), true);
    check(ID, &t, &format!("{other} {STANDARD_GOOD}"), true);
    check(ID, &t, &format!("v1a,xx  {STANDARD_GOOD} {other} nonsense"), true);
    check(ID, &t, &other, false);
    check(ID, &t, &STANDARD_GOOD.replace("v1,", "v2,"), false);
    check(ID, &t, &STANDARD_GOOD.replace("v1,", ""), false);
    check(ID, &t, "v1,", false);
    check(ID, &t, "", false);
    check("msg_other", &t, STANDARD_GOOD, false);
    check("", &t, STANDARD_GOOD, false);
    check(ID, &(SIGNED_AT + 1).to_string(), STANDARD_GOOD, false);
    check(ID, "", STANDARD_GOOD, false);
    check(ID, "soon", STANDARD_GOOD, false);
    check(ID, &format!("{}", u128::MAX), STANDARD_GOOD, false);
    check(ID, &t, &format!("{STANDARD_GOOD} {}", "x".repeat(HEADER_LIMIT)), false);
    check(&"x".repeat(64 * 1024), &t, STANDARD_GOOD, false);
}

#[test]
fn standard_signatures_are_of_now() {
    #[track_caller]
    fn check(now: i64, expect: bool) {
        let timestamp = SIGNED_AT.to_string();
        let signed = standard::Signed::read(ID, &timestamp, STANDARD_GOOD, at(now));
        let is_good = signed.is_some_and(|signed| signed.is_by(&key(STANDARD_SECRET), STANDARD_BODY));
        assert_eq!(is_good, expect, "{now}");
    }
    check(SIGNED_AT + 300, true);
    check(SIGNED_AT + 301, false);
    check(SIGNED_AT - 300, true);
    check(SIGNED_AT - 301, false);
    check(i64::MIN / 1000, false);
    check(i64::MAX / 1000, false);
}

#[test]
fn standard_secrets() {
    #[track_caller]
    fn check(secret: &str, expect: Result<(), standard::BadKey>) {
        assert_eq!(standard::Key::parse(&SecretString::from(secret)).map(|_| ()), expect, "{secret}");
    }
    check(STANDARD_SECRET, Ok(()));
    check(STANDARD_SECRET.trim_start_matches("whsec_"), Ok(()));
    check(&STANDARD.encode([7; 64]), Ok(()));
    check(STANDARD.encode([7; 32]).trim_end_matches('='), Ok(()));
    check(&STANDARD.encode([7; 65]), Err(standard::BadKey::Length(65)));
    check(&STANDARD.encode([7; 23]), Err(standard::BadKey::Length(23)));
    check("", Err(standard::BadKey::Length(0)));
    check("whsec_", Err(standard::BadKey::Length(0)));
    check("whsec_not base64 at all, for sure", Err(standard::BadKey::NotBase64));
    check("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Err(standard::BadKey::NotBase64));
}

proptest! {
    /// Whatever is signed is good, and no longer once one byte is another.
    #[test]
    fn one_altered_byte_is_enough(
        secret in "[ -~]{1,80}",
        body in proptest::collection::vec(any::<u8>(), 1..200),
        place in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let header = stripe::sign(&secret.as_str().into(), at(SIGNED_AT), &body);
        prop_assert!(is_good(&header, &secret, &body, at(SIGNED_AT)));
        let standard = key(STANDARD_SECRET).sign(ID, at(SIGNED_AT), &body);
        let timestamp = standard::timestamp(at(SIGNED_AT));
        let signed = standard::Signed::read(ID, &timestamp, &standard, at(SIGNED_AT)).unwrap();
        prop_assert!(signed.is_by(&key(STANDARD_SECRET), &body));
        let mut altered = body;
        let place = place.index(altered.len());
        altered[place] ^= flip;
        prop_assert!(!is_good(&header, &secret, &altered, at(SIGNED_AT)));
        prop_assert!(!signed.is_by(&key(STANDARD_SECRET), &altered));
    }

    /// No header makes it panic.
    #[test]
    fn any_header_is_read(header in "[tv01=, \u{e9}\\PC]{0,100}", now in any::<i64>()) {
        let _ = stripe::Signed::read(&header, Timestamp(now));
        let _ = standard::Signed::read(&header, &header, &header, Timestamp(now));
        let _ = standard::Signed::read("x", "1", &header, Timestamp(now));
    }
}
