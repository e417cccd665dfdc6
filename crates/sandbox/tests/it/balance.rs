//! The balance, its transactions, refunds.

use serde_json::{Value, json};

use crate::stripe::{Stripe, id};

async fn pay(stripe: &Stripe, amount: &str, more: &[(&str, &str)]) -> Value {
    let params = [
        ("amount", amount),
        ("currency", "usd"),
        ("payment_method_types[]", "card"),
        ("payment_method", "pm_card_visa"),
        ("confirm", "true"),
    ];
    stripe.post("/v1/payment_intents", &[&params[..], more].concat()).await.ok()
}

/// Available and pending of the first currency.
async fn balance(stripe: &Stripe) -> (i64, i64) {
    let balance = stripe.get("/v1/balance").await.ok();
    let amount = |name: &str| balance[name][0]["amount"].as_i64().unwrap();
    (amount("available"), amount("pending"))
}

#[tokio::test]
async fn captured_payments_are_pending_then_available() {
    let stripe = Stripe::start().await;
    assert_eq!(balance(&stripe).await, (0, 0));
    pay(&stripe, "10000", &[("capture_method", "manual")]).await;
    assert_eq!(balance(&stripe).await, (0, 0), "what is only held is not there");
    let intent = pay(&stripe, "10000", &[]).await;
    assert_eq!(balance(&stripe).await, (0, 9680), "2.9 % and 30 are Stripe's");
    stripe.control("POST", "clock", json!({"advance": 3 * 86_400})).await.ok();
    assert_eq!(balance(&stripe).await, (9680, 0));
    let refund = [("payment_intent", &*id(&intent)), ("amount", "4000")];
    stripe.post("/v1/refunds", &refund).await.ok();
    assert_eq!(balance(&stripe).await, (5680, 0));
}

#[tokio::test]
async fn transactions_are_filtered() {
    let stripe = Stripe::start().await;
    let intent = pay(&stripe, "10000", &[]).await;
    let charge = intent["latest_charge"].as_str().unwrap().to_owned();
    let refund = id(&stripe.post("/v1/refunds", &[("charge", &charge)]).await.ok());
    let count = async |query: String| {
        let page = stripe.get(&format!("/v1/balance_transactions?{query}")).await.ok();
        page["data"].as_array().unwrap().len()
    };
    for (query, expect) in [
        (String::new(), 2),
        ("type=charge".to_owned(), 1),
        ("type=refund".to_owned(), 1),
        ("type=payment".to_owned(), 0),
        (format!("source={charge}"), 1),
        (format!("source={refund}&type=charge"), 0),
        ("currency=USD".to_owned(), 2),
        ("currency=eur".to_owned(), 0),
        ("payout=po_x".to_owned(), 0),
        ("created[gt]=9999999999".to_owned(), 0),
    ] {
        assert_eq!(count(query.clone()).await, expect, "{query}");
    }
    let page = stripe.get("/v1/balance_transactions?type=charge&expand[]=data.source").await.ok();
    let transaction = &page["data"][0];
    assert_eq!((&transaction["net"], &transaction["status"]), (&json!(9680), &json!("pending")));
    assert_eq!(transaction["source"]["balance_transaction"], transaction["id"]);
    let path = format!("/v1/balance_transactions/{}", id(transaction));
    assert_eq!(stripe.get(&path).await.ok()["fee"], 320);
    let missing = stripe.get("/v1/balance_transactions/txn_x").await.error();
    assert_eq!(missing, "404 invalid_request_error resource_missing id");
}

#[tokio::test]
async fn refunds_give_back_no_more_than_there_is() {
    let stripe = Stripe::start().await;
    let held = id(&pay(&stripe, "1000", &[("capture_method", "manual")]).await);
    let intent = id(&pay(&stripe, "1000", &[]).await);
    let by = ("payment_intent", &*intent);
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[], "parameter_missing charge"),
        (&[("charge", "ch_x")], "resource_missing charge"),
        (&[("payment_intent", "pi_x")], "resource_missing payment_intent"),
        (&[("payment_intent", &*held)], "- payment_intent"),
        (&[by, ("amount", "1001")], "amount_too_large amount"),
        (&[by, ("amount", "0")], "parameter_invalid_integer amount"),
        (&[by, ("reason", "bored")], "- reason"),
    ];
    for (params, error) in rows {
        let reply = stripe.post("/v1/refunds", params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{params:?}");
    }
    let first = stripe.post("/v1/refunds", &[by, ("amount", "400"), ("reason", "duplicate")]).await.ok();
    assert_eq!((&first["status"], &first["reason"]), (&json!("succeeded"), &json!("duplicate")));
    assert_eq!(stripe.get(&format!("/v1/refunds/{}", id(&first))).await.ok(), first);
    let path = format!("/v1/payment_intents/{intent}?expand[]=latest_charge.refunds");
    let charge = stripe.get(&path).await.ok()["latest_charge"].clone();
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(400), &json!(false)));
    assert_eq!(charge["refunds"]["data"][0]["id"], first["id"]);
    assert_eq!(stripe.post("/v1/refunds", &[by]).await.ok()["amount"], 600);
    let reply = stripe.post("/v1/refunds", &[by]).await;
    assert_eq!(reply.error(), "400 invalid_request_error charge_already_refunded charge");
    let page = stripe.get(&format!("/v1/refunds?payment_intent={intent}")).await.ok();
    assert_eq!(page["data"].as_array().unwrap().len(), 2);
}
