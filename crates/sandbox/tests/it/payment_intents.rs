//! Payment intents: what each test card leads to, what each state allows, which parameters go together.

use serde_json::{Value, json};

use crate::stripe::{Reply, Stripe, id};

const INTENTS: &str = "/v1/payment_intents";
const USD: [(&str, &str); 3] = [("amount", "9900"), ("currency", "usd"), ("payment_method_types[]", "card")];

async fn create(stripe: &Stripe, more: &[(&str, &str)]) -> Reply {
    stripe.post(INTENTS, &[&USD, more].concat()).await
}

async fn act(stripe: &Stripe, intent: &str, what: &str, params: &[(&str, &str)]) -> Reply {
    stripe.post(&format!("{INTENTS}/{intent}/{what}"), params).await
}

/// An intent brought into a state.
async fn in_state(stripe: &Stripe, status: &str) -> String {
    let card = ("payment_method", "pm_card_visa");
    let params: &[(&str, &str)] = match status {
        "requires_confirmation" => &[card],
        "requires_capture" => &[card, ("confirm", "true"), ("capture_method", "manual")],
        "requires_action" => &[("payment_method", "pm_card_authenticationRequired"), ("confirm", "true")],
        "succeeded" => &[card, ("confirm", "true")],
        _ => &[],
    };
    let intent = create(stripe, params).await.ok();
    if status == "canceled" {
        act(stripe, &id(&intent), "cancel", &[]).await.ok();
    } else {
        assert_eq!(intent["status"], status);
    }
    id(&intent)
}

#[tokio::test]
async fn each_card_leads_where_it_says() {
    let stripe = Stripe::start().await;
    let rows = [
        ("pm_card_visa", "200 succeeded"),
        ("pm_card_mastercard", "200 succeeded"),
        ("pm_card_chargeDeclined", "402 card_declined generic_decline"),
        ("pm_card_visa_chargeDeclined", "402 card_declined generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "402 card_declined insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "402 expired_card expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "402 incorrect_cvc incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "402 processing_error processing_error"),
        ("pm_card_chargeCustomerFail", "402 card_declined generic_decline"),
        ("pm_card_authenticationRequired", "200 requires_action"),
        ("pm_card_threeDSecure2Required", "200 requires_action"),
        ("pm_card_nothing", "400 resource_missing"),
    ];
    for (card, expect) in rows {
        let reply = create(&stripe, &[("payment_method", card), ("confirm", "true")]).await;
        let error = &reply.body["error"];
        let told = match reply.status {
            200 => reply.body["status"].as_str().unwrap().to_owned(),
            402 => format!("{} {}", error["code"].as_str().unwrap(), error["decline_code"].as_str().unwrap()),
            _ => error["code"].as_str().unwrap().to_owned(),
        };
        assert_eq!(format!("{} {told}", reply.status), expect, "{card}");
    }
}

#[tokio::test]
async fn a_decline_leaves_the_intent_and_the_failed_charge() {
    let stripe = Stripe::start().await;
    let intent = id(&create(&stripe, &[]).await.ok());
    let reply = act(&stripe, &intent, "confirm", &[("payment_method", "pm_card_chargeDeclined")]).await;
    assert_eq!(reply.error(), "402 card_error card_declined -");
    let told = &reply.body["error"]["payment_intent"];
    assert_eq!((&told["id"], &told["status"]), (&json!(intent), &json!("requires_payment_method")));
    assert_eq!(reply.body["error"]["payment_method"]["card"]["last4"], "0002");
    let kept = stripe.get(&format!("{INTENTS}/{intent}?expand[]=latest_charge")).await.ok();
    assert_eq!(kept["last_payment_error"]["decline_code"], "generic_decline");
    assert_eq!((&kept["payment_method"], &kept["amount_received"]), (&json!(null), &json!(0)));
    let charge = &kept["latest_charge"];
    assert_eq!((&charge["status"], &charge["paid"]), (&json!("failed"), &json!(false)));
    assert_eq!(charge["id"], reply.body["error"]["charge"]);
    let paid = act(&stripe, &intent, "confirm", &[("payment_method", "pm_card_visa")]).await.ok();
    assert_eq!((&paid["status"], &paid["last_payment_error"]), (&json!("succeeded"), &json!(null)));
    let charges = stripe.get(&format!("/v1/charges?payment_intent={intent}")).await.ok();
    assert_eq!(charges["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_decline_is_replayed_under_its_key() {
    let stripe = Stripe::start().await;
    let params = [&USD[..], &[("payment_method", "pm_card_chargeDeclined"), ("confirm", "true")]].concat();
    let first = stripe.post_with_key(INTENTS, &params, "k").await;
    let second = stripe.post_with_key(INTENTS, &params, "k").await;
    assert_eq!((first.status, second.header("idempotent-replayed")), (402, Some("true")));
    assert_eq!(first.body, second.body);
    let made = stripe.get(INTENTS).await.ok();
    assert_eq!(made["data"].as_array().unwrap().len(), 1, "the declined intent is there, once");
}

/// An action, its parameters, and what comes of it in each of the states.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], [&'a str; 6]);

#[tokio::test]
async fn states_allow_what_they_allow() {
    let states = [
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "requires_capture",
        "succeeded",
        "canceled",
    ];
    let unexpected = "payment_intent_unexpected_state";
    let visa: &[(&str, &str)] = &[("payment_method", "pm_card_visa")];
    let rows: &[Row<'_>] = &[
        ("confirm", visa, ["succeeded", "succeeded", "succeeded", unexpected, unexpected, unexpected]),
        ("confirm", &[], [unexpected, "succeeded", "requires_action", unexpected, unexpected, unexpected]),
        ("capture", &[], [unexpected, unexpected, unexpected, "succeeded", unexpected, unexpected]),
        ("cancel", &[], ["canceled", "canceled", "canceled", "canceled", unexpected, unexpected]),
    ];
    let stripe = Stripe::start().await;
    for (action, params, outcomes) in rows {
        for (state, expect) in states.iter().zip(outcomes) {
            let intent = in_state(&stripe, state).await;
            let reply = act(&stripe, &intent, action, params).await;
            let told = if reply.status == 200 { &reply.body["status"] } else { &reply.body["error"]["code"] };
            assert_eq!(told, expect, "{action} {params:?} in {state}");
            if reply.status == 400 {
                assert_eq!(reply.body["error"]["payment_intent"]["status"], *state, "{action} in {state}");
            }
        }
    }
    for (state, amount) in states.iter().zip([200, 200, 200, 400, 400, 400]) {
        let path = format!("{INTENTS}/{}", in_state(&stripe, state).await);
        assert_eq!(stripe.post(&path, &[("amount", "500")]).await.status, amount, "{state}");
        let noted = stripe.post(&path, &[("metadata[a]", "1"), ("description", "d")]).await.ok();
        assert_eq!((&noted["metadata"], &noted["description"]), (&json!({"a": "1"}), &json!("d")));
    }
}

#[tokio::test]
async fn parameters_that_do_not_go_together_are_refused() {
    let stripe = Stripe::start().await;
    let confirm = ("confirm", "true");
    let visa = ("payment_method", "pm_card_visa");
    let (amount, usd) = (("amount", "9900"), ("currency", "usd"));
    let card = ("payment_method_types[]", "card");
    let never = ("automatic_payment_methods[allow_redirects]", "never");
    let on = ("automatic_payment_methods[enabled]", "true");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[usd], "parameter_missing amount"),
        (&[amount], "parameter_missing currency"),
        (&[("amount", "0"), usd], "parameter_invalid_integer amount"),
        (&[("amount", "-5"), usd], "parameter_invalid_integer amount"),
        (&[("amount", "99.5"), usd], "parameter_invalid_integer amount"),
        (&[("amount", "49"), usd], "amount_too_small amount"),
        (&[("amount", "100000000"), usd], "amount_too_large amount"),
        (&[("amount", "150"), ("currency", "isk")], "- amount"),
        (&[amount, ("currency", "xyz")], "- currency"),
        (&[amount, usd, ("customer", "cus_x")], "resource_missing customer"),
        (&[amount, usd, ("payment_method", "pm_x")], "resource_missing payment_method"),
        (&[amount, usd, ("off_session", "true")], "- off_session"),
        (&[amount, usd, ("return_url", "https://example.com")], "- return_url"),
        (&[amount, usd, ("error_on_requires_action", "true")], "- error_on_requires_action"),
        (&[amount, usd, card, on], "parameters_exclusive automatic_payment_methods"),
        (
            &[amount, usd, card, ("allowed_payment_method_types[]", "card")],
            "parameters_exclusive payment_method_types",
        ),
        (&[amount, usd, ("payment_method_types[]", "cash")], "- payment_method_types[0]"),
        (&[amount, usd, card, ("statement_descriptor", "X")], "- statement_descriptor"),
        (&[amount, usd, ("statement_descriptor", "X"), on, never, visa, confirm], "- statement_descriptor"),
        (&[amount, usd, ("receipt_email", "ada")], "email_invalid receipt_email"),
        (&[amount, usd, card, confirm], "payment_intent_unexpected_state -"),
        (&[amount, usd, visa, confirm], "- return_url"),
        (&[amount, usd, visa, confirm, on], "- return_url"),
        (&[amount, usd, visa, confirm, ("return_url", "example")], "url_invalid return_url"),
        (&[amount, usd, ("payment_method_types[]", "link"), visa], "- payment_method"),
        (&[amount, usd, ("mandate", "m")], "sandbox_unsupported mandate"),
        (&[amount, usd, ("capture_method", "later")], "- capture_method"),
    ];
    for (params, error) in rows {
        let reply = stripe.post(INTENTS, params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{params:?}: {}", reply.body);
    }
    let made = stripe.get(INTENTS).await.ok();
    assert_eq!(made["data"], json!([]), "nothing that was refused is stored");
    let good: &[&[(&str, &str)]] = &[
        &[amount, usd, visa, confirm, on, never],
        &[amount, usd, visa, confirm, ("return_url", "https://example.com/done")],
        &[amount, usd, visa, confirm, ("automatic_payment_methods[enabled]", "false")],
        &[
            amount,
            usd,
            visa,
            confirm,
            ("allowed_payment_method_types[]", "card"),
            ("return_url", "https://a.ch"),
        ],
        &[amount, ("currency", "JPY"), card, visa, confirm, ("off_session", "recurring")],
    ];
    for params in good {
        assert_eq!(stripe.post(INTENTS, params).await.ok()["status"], "succeeded", "{params:?}");
    }
    let reply = stripe.get(&format!("{INTENTS}?status=succeeded")).await;
    assert_eq!(reply.error(), "400 invalid_request_error parameter_unknown status");
    assert_eq!(
        stripe.get(&format!("{INTENTS}/pi_x")).await.error(),
        "404 invalid_request_error resource_missing intent"
    );
}

#[tokio::test]
async fn without_types_any_enabled_one_pays() {
    let stripe = Stripe::start().await;
    let intent = stripe.post(INTENTS, &[("amount", "50"), ("currency", "USD")]).await.ok();
    assert_eq!(intent["automatic_payment_methods"], json!({"allow_redirects": "always", "enabled": true}));
    assert_eq!((&intent["currency"], &intent["capture_method"]), (&json!("usd"), &json!("automatic_async")));
    assert!(intent["client_secret"].as_str().unwrap().starts_with(&format!("{}_secret_", id(&intent))));
    let typed = create(&stripe, &[]).await.ok();
    assert_eq!(
        (&typed["automatic_payment_methods"], &typed["payment_method_types"]),
        (&json!(null), &json!(["card"]))
    );
}

#[tokio::test]
async fn a_capture_takes_up_to_what_is_held() {
    let stripe = Stripe::start().await;
    for (amount, expect) in
        [("5000", "200"), ("9900", "200"), ("9901", "400 amount_to_capture"), ("0", "400 amount_to_capture")]
    {
        let intent = in_state(&stripe, "requires_capture").await;
        let reply = act(&stripe, &intent, "capture", &[("amount_to_capture", amount)]).await;
        let param = reply.body["error"]["param"].as_str().map_or(String::new(), |param| format!(" {param}"));
        assert_eq!(format!("{}{param}", reply.status), expect, "{amount}");
        let charge = stripe.get(&format!("{INTENTS}/{intent}?expand[]=latest_charge")).await.ok();
        let charge = &charge["latest_charge"];
        if reply.status == 200 {
            let taken: i64 = amount.parse().unwrap();
            assert_eq!(reply.body["amount_received"], taken);
            assert_eq!(charge["amount_refunded"], 9900 - taken, "the rest is released");
            assert_eq!((&charge["captured"], &charge["refunded"]), (&json!(true), &json!(false)));
        } else {
            assert_eq!((&charge["captured"], &charge["balance_transaction"]), (&json!(false), &json!(null)));
        }
    }
}

#[tokio::test]
async fn an_authorization_lapses_after_a_week() {
    let stripe = Stripe::start().await;
    let intent = in_state(&stripe, "requires_capture").await;
    let status = async || stripe.get(&format!("{INTENTS}/{intent}")).await.ok();
    stripe.control("POST", "clock", json!({"advance": 6 * 86_400})).await.ok();
    assert_eq!(status().await["status"], "requires_capture");
    stripe.control("POST", "clock", json!({"advance": 2 * 86_400})).await.ok();
    let lapsed = status().await;
    assert_eq!(
        (&lapsed["status"], &lapsed["cancellation_reason"]),
        (&json!("canceled"), &json!("automatic"))
    );
    assert_eq!(lapsed["amount_capturable"], 0);
}

#[tokio::test]
async fn authentication_is_asked_for_and_given() {
    let stripe = Stripe::start().await;
    let needs = [("payment_method", "pm_card_authenticationRequired"), ("confirm", "true")];
    let back = ("return_url", "https://example.com/done");
    let asked = create(&stripe, &[&needs[..], &[back]].concat()).await.ok();
    assert_eq!(asked["next_action"]["redirect_to_url"]["return_url"], "https://example.com/done");
    assert_eq!(create(&stripe, &needs).await.ok()["next_action"]["type"], "use_stripe_sdk");
    for strict in [("off_session", "true"), ("error_on_requires_action", "true")] {
        let reply = create(&stripe, &[&needs[..], &[strict]].concat()).await;
        assert_eq!(reply.error(), "402 card_error authentication_required -", "{strict:?}");
    }
    let answer = |passes: bool| json!({"payment_intent": id(&asked), "passes": passes});
    let failed = stripe.control("POST", "authenticate", answer(false)).await.ok();
    assert_eq!(failed["status"], "requires_payment_method");
    assert_eq!(failed["last_payment_error"]["code"], "payment_intent_authentication_failure");
    let method = [("payment_method", "pm_card_authenticationRequired"), back];
    act(&stripe, &id(&asked), "confirm", &method).await.ok();
    assert_eq!(stripe.control("POST", "authenticate", answer(true)).await.ok()["status"], "succeeded");
    assert_eq!(stripe.control("POST", "authenticate", answer(true)).await.status, 400);
    let unknown = json!({"payment_intent": "pi_x", "passes": true});
    assert_eq!(stripe.control("POST", "authenticate", unknown).await.status, 404);
}

#[tokio::test]
async fn intents_are_listed_by_customer() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let first = id(&create(&stripe, &[("customer", &customer)]).await.ok());
    create(&stripe, &[]).await.ok();
    let last = id(&create(&stripe, &[("customer", &customer)]).await.ok());
    let page = stripe.get(&format!("{INTENTS}?customer={customer}&limit=50")).await.ok();
    let ids: Vec<String> = page["data"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids, [last, first]);
    let created = page["data"][0]["created"].as_i64().unwrap();
    let none = stripe.get(&format!("{INTENTS}?created[lt]={}", created - 60)).await.ok();
    assert_eq!(none["data"], Value::Array(Vec::new()));
}
