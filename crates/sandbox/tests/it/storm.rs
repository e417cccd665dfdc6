//! Storms of faults, and which calls are being worked on meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stripe::Stripe;

/// What sixty calls get, and the storm after them.
async fn storm(storm: Value) -> (Vec<String>, Value) {
    let stripe = Stripe::start().await;
    stripe.control("POST", "storm", storm).await.ok();
    let mut outcomes = Vec::new();
    for number in 0..60 {
        let reply = stripe.try_post("/v1/customers", &[], &format!("k{number}")).await;
        let headers = ["retry-after", "stripe-rate-limited-reason", "stripe-should-retry"];
        outcomes.push(reply.map_or("cut".to_owned(), |reply| {
            let told: Vec<_> = headers.into_iter().filter_map(|name| reply.header(name)).collect();
            format!("{} {}", reply.status, told.join(" "))
        }));
    }
    (outcomes, stripe.control("GET", "storm", json!(null)).await.ok())
}

#[tokio::test]
async fn a_storm_comes_again_with_its_seed() {
    let rates = json!({"cut_before_write": 200, "rate_limit": 200, "busy": 200, "error": 200});
    let (first, weather) = storm(json!({"seed": 7, "rates": rates})).await;
    assert_eq!(storm(json!({"seed": 7, "rates": rates})).await.0, first);
    assert_ne!(storm(json!({"seed": 8, "rates": rates})).await.0, first);
    assert_eq!((&weather["calls"], &weather["storm"]["rates"]["busy"]), (&json!(60), &json!(200)));
    let count = |start: &str| first.iter().filter(|outcome| outcome.starts_with(start)).count();
    for (start, kind) in
        [("cut", "cut_before_write"), ("429", "rate_limit"), ("409", "busy"), ("500", "error")]
    {
        assert_eq!(json!(count(start)), weather["met"][kind], "{first:?}");
        assert!(count(start) > 0, "{first:?}");
    }
    assert!(first.iter().any(|outcome| outcome.starts_with("429 1")), "{first:?}");
    assert!(first.iter().any(|outcome| outcome == "409 true"), "{first:?}");
    assert!(first.iter().any(|outcome| outcome == "409 false"), "{first:?}");
}

#[tokio::test]
async fn a_storm_ends_and_a_fault_asked_for_goes_first() {
    let stripe = Stripe::start().await;
    let storm = json!({"seed": 1, "methods": ["POST"], "delay": 30, "rates": {"error": 1000}});
    stripe.control("POST", "storm", storm).await.ok();
    assert_eq!(stripe.get("/v1/customers").await.status, 200);
    assert_eq!(stripe.post("/v1/customers", &[]).await.status, 500);
    stripe.control("POST", "faults", json!({"kind": "lock_timeout"})).await.ok();
    assert_eq!(stripe.post("/v1/customers", &[]).await.error(), "429 invalid_request_error lock_timeout -");
    let calm = stripe.control("DELETE", "storm", json!(null)).await.ok();
    assert_eq!((&calm["calls"], &calm["storm"]["rates"]), (&json!(0), &json!({})));
    stripe.post("/v1/customers", &[]).await.ok();
    stripe.control("POST", "storm", json!({"delay": 30})).await.ok();
    let start = Instant::now();
    stripe.post("/v1/customers", &[]).await.ok();
    assert!(start.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn storms_that_make_no_sense_are_refused() {
    let stripe = Stripe::start().await;
    for (storm, message) in [
        (json!({"rates": {"explode": 1}}), "unknown variant `explode`"),
        (json!({"rates": {"error": 600, "busy": 401}}), "of a thousand"),
        (json!({"rates": {"delay": 1}}), "milliseconds"),
        (json!({"delay": 600_001}), "at most 600000"),
        (json!({"speed": 1}), "unknown field `speed`"),
    ] {
        let reply = stripe.control("POST", "storm", storm.clone()).await;
        let told = reply.body["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && told.contains(message), "{storm}: {}", reply.body);
    }
}

#[tokio::test]
async fn calls_in_flight_are_told_until_their_client_goes_away() {
    let stripe = Stripe::start().await;
    let open = async || stripe.control("GET", "in_flight", json!(null)).await.ok();
    assert_eq!(open().await, json!({"reads": 0, "writes": []}));
    stripe.control("POST", "storm", json!({"delay": 600_000})).await.ok();
    let calls = async {
        tokio::join!(stripe.get("/v1/customers"), stripe.post("/v1/customers", &[]));
    };
    let seen = async {
        while open().await["writes"] == json!([]) || open().await["reads"] == 0 {
            tokio::task::yield_now().await;
        }
        open().await
    };
    let open_calls = tokio::select! {
        () = calls => panic!("they take ten minutes"),
        seen = seen => seen,
    };
    let number = open_calls["writes"][0].as_u64().unwrap();
    assert_eq!(open_calls, json!({"reads": 1, "writes": [number]}));
    while open().await["writes"] != json!([]) {
        tokio::task::yield_now().await;
    }
    let path = format!("calls?after={}", number - 1);
    let log = stripe.control("GET", &path, json!(null)).await.ok();
    let call = &log["calls"][0];
    assert_eq!(
        (&call["number"], &call["status"], &call["cut"]),
        (&json!(number), &json!(null), &json!(false))
    );
    assert_eq!(call["abandoned"], true);
    assert_eq!(stripe.control("GET", "calls?after=x", json!(null)).await.status, 400);
}
