//! The sandbox's own controls: calls, objects, clock, fixtures, reset, and where it listens.

use loopfour_sandbox::{Config, Error, Reach, Sandbox};
use serde_json::{Value, json};

use crate::stripe::{Reply, Stripe, id};

#[tokio::test]
async fn calls_are_logged_with_their_decoded_parameters() {
    let stripe = Stripe::start().await;
    let reply = stripe.post_with_key("/v1/customers", &[("name", "Ada B"), ("metadata[a]", "1")], "k").await;
    stripe.post_with_key("/v1/customers", &[("name", "Ada B"), ("metadata[a]", "1")], "k").await;
    stripe.get("/v1/invoices/in_x?expand[]=customer").await;
    let calls = stripe.control("GET", "calls", json!(null)).await.ok();
    let calls = calls["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 3, "the controls themselves are not logged");
    let first = &calls[0];
    assert_eq!(
        (&first["number"], &first["method"], &first["path"]),
        (&json!(1), &json!("POST"), &json!("/v1/customers"))
    );
    assert_eq!(first["params"], json!([["name", "Ada B"], ["metadata[a]", "1"]]));
    assert_eq!(
        (&first["idempotency_key"], &first["status"], &first["replayed"]),
        (&json!("k"), &json!(200), &json!(false))
    );
    assert_eq!(first["request_id"], json!(reply.header("request-id")));
    assert!(first["at"].as_i64().unwrap() > 1_700_000_000_000);
    assert_eq!((&calls[1]["replayed"], &calls[2]["status"]), (&json!(true), &json!(404)));
    assert_eq!(calls[2]["params"], json!([["expand[]", "customer"]]));
}

#[tokio::test]
async fn the_clock_moves_ahead_and_only_ahead() {
    let stripe = Stripe::start().await;
    let day = |reply: &Reply| reply.header("date").unwrap()[..16].to_owned();
    let today = day(&stripe.get("/v1/account").await);
    let before = stripe.control("GET", "clock", json!(null)).await.ok();
    assert_eq!(before["ahead"], 0);
    let after = stripe.control("POST", "clock", json!({"advance": 1_000_000})).await.ok();
    assert_eq!(after["ahead"], 1_000_000);
    let customer = stripe.post("/v1/customers", &[]).await;
    let created = customer.body["created"].as_i64().unwrap();
    assert!(created - before["now"].as_i64().unwrap() >= 1_000_000);
    assert_ne!(day(&customer), today);
    for (body, message) in [
        (json!({"advance": -1}), "only moves ahead"),
        (json!({"advance": i64::MAX}), "hundred years"),
        (json!({"advance": "1"}), "invalid type"),
        (json!({"back": 1}), "unknown field `back`"),
    ] {
        let reply = stripe.control("POST", "clock", body.clone()).await;
        let told = reply.body["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && told.contains(message), "{body}: {}", reply.body);
    }
}

#[tokio::test]
async fn fixtures_come_with_their_ids() {
    let stripe = Stripe::start().await;
    let objects = json!({"objects": [
        {"object": "customer", "id": "cus_xxx", "email": "ada@example.com"},
        {"object": "customer", "id": "cus_gone", "deleted": true},
        {"object": "invoice", "id": "in_xxx", "customer": "cus_xxx", "status": "open"},
        {"object": "invoiceitem", "id": "ii_xxx", "customer": "cus_xxx", "invoice": "in_xxx", "amount": 700},
        {"object": "invoice", "id": "in_draft", "customer": "cus_xxx", "collection_method": "send_invoice"},
    ]});
    assert_eq!(stripe.control("POST", "fixtures", objects).await.ok(), json!({"loaded": 5}));
    let invoice = stripe.get("/v1/invoices/in_xxx?expand[]=customer").await.ok();
    assert_eq!((&invoice["amount_due"], &invoice["status"]), (&json!(700), &json!("open")));
    assert_eq!(invoice["customer"]["id"], "cus_xxx");
    assert!(invoice["number"].is_string() && invoice["hosted_invoice_url"].is_string());
    assert_eq!(stripe.get("/v1/invoiceitems/ii_xxx").await.ok()["amount"], 700);
    let gone = stripe.get("/v1/customers/cus_gone").await.ok();
    assert_eq!(gone, json!({"id": "cus_gone", "object": "customer", "deleted": true}));
    let reply = stripe.post("/v1/invoices", &[("customer", "cus_gone")]).await;
    assert_eq!(reply.error(), "400 invalid_request_error resource_missing customer");
    assert_eq!(stripe.get("/v1/customers").await.ok()["data"].as_array().unwrap().len(), 1);
    stripe.post("/v1/invoices/in_draft/send", &[]).await.ok();
    let all = stripe.control("GET", "objects", json!(null)).await.ok();
    assert_eq!(all["objects"].as_array().unwrap().len(), 6, "the line of the item is an object too");
}

#[tokio::test]
async fn wrong_fixtures_load_nothing_and_say_which() {
    let stripe = Stripe::start().await;
    let good = json!({"object": "customer", "id": "cus_a"});
    let rows = [
        (json!({"object": "customer"}), "needs an `id`"),
        (json!({"object": "dispute", "id": "dp_xxx"}), "`dispute` yet (in `dp_xxx`)"),
        (json!({"object": "customer", "id": "cus_b", "created": i64::MAX}), "`created` is no time"),
        (json!({"object": "subscription", "id": "sub_b", "customer": "cus_a"}), "`sub_b` needs `items`"),
        (
            json!({"object": "subscription", "id": "sub_b", "customer": "cus_a", "items": [{"price": "price_x"}]}),
            "recurring prices before it",
        ),
        (json!({"object": "payment_intent", "id": "pi_b"}), "`pi_b` needs an integer `amount`"),
        (json!({"object": "payment_intent", "id": "pi_b", "amount": 1}), "at least 50"),
        (
            json!({"object": "payment_intent", "id": "pi_b", "amount": 500, "status": "succeeded",
                "payment_method": "pm_card_chargeDeclined"}),
            "declined (in `pi_b`)",
        ),
        (
            json!({"object": "payment_method", "id": "pm_b", "card": {"last4": "1"}}),
            "no test card ends in `1`",
        ),
        (json!({"object": "price", "id": "price_xxx"}), "`price_xxx` needs the id of a product"),
        (json!({"object": "customer", "id": "cus_b", "emial": "x"}), "no field `emial` (in `cus_b`)"),
        (json!({"object": "customer", "id": "cus_b", "email": 5}), "customer.email: not a text (in `cus_b`)"),
        (
            json!({"object": "invoice", "id": "in_b", "customer": "cus_x"}),
            "`in_b` needs the id of a customer",
        ),
        (json!({"object": "invoice", "id": "in_b", "customer": "cus_a", "status": "late"}), "invoice.status"),
        (json!({"object": "invoice", "id": "cus_a", "customer": "cus_a"}), "`cus_a` is there already"),
        (json!({"object": "invoiceitem", "id": "ii_b", "customer": "cus_a"}), "integer `amount`"),
        (
            json!({"object": "invoiceitem", "id": "ii_b", "customer": "cus_a", "amount": i64::MAX}),
            "no more than",
        ),
        (
            json!({"object": "invoiceitem", "id": "ii_b", "customer": "cus_a", "amount": 1, "invoice": "in_x"}),
            "in_x",
        ),
    ];
    for (fixture, message) in rows {
        let reply = stripe.control("POST", "fixtures", json!({"objects": [good, fixture]})).await;
        let told = reply.body["error"]["message"].as_str().unwrap_or_default();
        assert!(reply.status == 400 && told.contains(message), "{fixture}: {}", reply.body);
    }
    assert_eq!(stripe.control("GET", "objects", json!(null)).await.ok()["objects"], json!([]));
}

#[tokio::test]
async fn reset_forgets_everything() {
    let stripe = Stripe::start().await;
    let first = stripe.post_with_key("/v1/customers", &[], "k").await.ok();
    stripe.control("POST", "faults", json!({"kind": "error"})).await.ok();
    stripe.control("POST", "clock", json!({"advance": 10})).await.ok();
    let clock = stripe.control("POST", "reset", json!(null)).await.ok();
    assert_eq!(clock["ahead"], 0);
    assert_eq!(stripe.control("GET", "calls", json!(null)).await.ok(), json!({"calls": []}));
    assert_eq!(stripe.get("/v1/customers").await.ok()["data"], json!([]));
    assert_ne!(id(&stripe.post_with_key("/v1/customers", &[], "k").await.ok()), id(&first));
}

#[tokio::test]
async fn unknown_controls_are_told_what_there_is() {
    let stripe = Stripe::start().await;
    for (method, name) in [("GET", "nothing"), ("GET", ""), ("DELETE", "calls"), ("GET", "reset")] {
        let reply = stripe.control(method, name, Value::Null).await;
        assert_eq!(reply.status, 404);
        assert!(reply.body["error"]["message"].as_str().unwrap().contains("POST fixtures"));
    }
}

#[tokio::test]
async fn it_listens_on_loopback_unless_told() {
    let end = || std::future::ready(());
    let listen = || tokio::net::TcpListener::bind("0.0.0.0:0");
    let sandbox = Sandbox::open(Config::default()).unwrap();
    let refused = sandbox.serve(listen().await.unwrap(), end()).await.unwrap_err();
    assert!(matches!(refused, Error::NotLoopback(_)), "{refused}");
    let sandbox = Sandbox::open(Config { reach: Reach::Anywhere, ..Config::default() }).unwrap();
    sandbox.serve(listen().await.unwrap(), end()).await.unwrap();
}
