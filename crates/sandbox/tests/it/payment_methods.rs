//! Payment methods: test cards become kept ones, and each has one owner.

use serde_json::json;

use crate::stripe::{Stripe, id};

const METHODS: &str = "/v1/payment_methods";

#[tokio::test]
async fn test_ids_become_payment_methods_of_their_own() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let owner = [("customer", &*customer)];
    let kept = stripe.post(&format!("{METHODS}/pm_card_visa/attach"), &owner).await.ok();
    assert_ne!(id(&kept), "pm_card_visa");
    assert_eq!((&kept["customer"], &kept["card"]["last4"]), (&json!(customer), &json!("4242")));
    let other = stripe.post(&format!("{METHODS}/pm_card_mastercard/attach"), &owner).await.ok();
    assert_eq!(other["card"]["brand"], "mastercard");
    for path in
        [format!("{METHODS}?customer={customer}"), format!("/v1/customers/{customer}/payment_methods")]
    {
        let page = stripe.get(&path).await.ok();
        let ids: Vec<String> = page["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, [id(&other), id(&kept)], "{path}");
    }
    let detached = stripe.post(&format!("{METHODS}/{}/detach", id(&kept)), &[]).await.ok();
    assert_eq!(detached["customer"], json!(null));
    let page = stripe.get(&format!("{METHODS}?customer={customer}")).await.ok();
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn cards_come_by_number_and_token() {
    let stripe = Stripe::start().await;
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[("card[number]", "4242424242424242"), ("card[exp_month]", "8"), ("card[exp_year]", "2030")],
            "200",
        ),
        (&[("card[token]", "tok_visa")], "200"),
        (&[("card[token]", "tok_nothing")], "400 resource_missing card[token]"),
        (&[("card[number]", "4111111111111111")], "402 incorrect_number card[number]"),
        (&[("card[cvc]", "123")], "400 parameter_missing card[number]"),
        (&[], "400 parameter_missing card"),
    ];
    for (params, expect) in rows {
        let reply = stripe.post(METHODS, &[&[("type", "card")], *params].concat()).await;
        let error = &reply.body["error"];
        let told = match error["code"].as_str() {
            Some(code) => format!("{} {code} {}", reply.status, error["param"].as_str().unwrap()),
            None => reply.status.to_string(),
        };
        assert_eq!(told, *expect, "{params:?}");
    }
    let reply = stripe.post(METHODS, &[("type", "sepa_debit"), ("sepa_debit[iban]", "CH")]).await;
    assert_eq!(reply.body["error"]["code"], "sandbox_unsupported");
}

#[tokio::test]
async fn a_payment_method_has_one_owner() {
    let stripe = Stripe::start().await;
    let (ada, bob) = (stripe.customer("ada@example.com").await, stripe.customer("bob@example.com").await);
    let attach = async |method: &str, customer: &str| {
        stripe.post(&format!("{METHODS}/{method}/attach"), &[("customer", customer)]).await
    };
    let kept = id(&attach("pm_card_visa", &ada).await.ok());
    attach(&kept, &ada).await.ok();
    assert_eq!(attach(&kept, &bob).await.error(), "400 invalid_request_error - payment_method");
    assert_eq!(attach("pm_card_chargeDeclined", &ada).await.error(), "402 card_error card_declined -");
    attach("pm_card_chargeCustomerFail", &ada).await.ok();
    assert_eq!(
        attach("pm_x", &ada).await.error(),
        "404 invalid_request_error resource_missing payment_method"
    );
    assert_eq!(attach(&kept, "cus_x").await.error(), "400 invalid_request_error resource_missing customer");

    let pay = async |method: &str, more: &[(&str, &str)]| {
        let params = [
            ("amount", "500"),
            ("currency", "usd"),
            ("payment_method_types[]", "card"),
            ("payment_method", method),
            ("confirm", "true"),
        ];
        stripe.post("/v1/payment_intents", &[&params[..], more].concat()).await
    };
    let refused = "400 invalid_request_error - payment_method";
    pay(&kept, &[("customer", &ada)]).await.ok();
    pay(&kept, &[("customer", &ada)]).await.ok();
    assert_eq!(pay(&kept, &[("customer", &bob)]).await.error(), refused);
    assert_eq!(pay(&kept, &[]).await.error(), refused);
    let once = id(&stripe.get(&format!("{METHODS}/pm_card_visa")).await.ok());
    pay(&once, &[]).await.ok();
    assert_eq!(pay(&once, &[]).await.error(), refused, "one that nobody keeps pays once");
    assert_eq!(attach(&once, &ada).await.error(), refused);
    let future = [("customer", &*bob), ("setup_future_usage", "off_session")];
    let intent = pay("pm_card_visa", &future).await.ok();
    let method = stripe.get(&format!("{METHODS}/{}", intent["payment_method"].as_str().unwrap())).await.ok();
    assert_eq!(method["customer"], json!(bob), "a payment for the future keeps its card");
    stripe.post(&format!("{METHODS}/{kept}/detach"), &[]).await.ok();
    assert_eq!(pay(&kept, &[]).await.error(), refused);
    assert_eq!(stripe.post(&format!("{METHODS}/{kept}/detach"), &[]).await.error(), refused);
}
