//! The invoice flow from end to end, and what each step of it changes.

use serde_json::json;

use crate::stripe::{Stripe, id};

#[tokio::test]
async fn an_invoice_goes_from_draft_to_sent() {
    let stripe = Stripe::start().await;
    let found = stripe.get("/v1/customers?email=ada%40example.com&limit=1").await.ok();
    assert_eq!(found, json!({"object": "list", "data": [], "has_more": false, "url": "/v1/customers"}));

    let customer = stripe.customer("ada@example.com").await;
    let found = stripe.get("/v1/customers?email=ada%40example.com&limit=1").await.ok();
    assert_eq!(found["data"][0]["id"], json!(customer));
    let other = stripe.get("/v1/customers?email=Ada%40example.com").await.ok();
    assert_eq!(other["data"], json!([]), "e-mails are matched case-sensitively");

    let invoice = stripe.invoice(&customer).await;
    let draft = stripe.get(&format!("/v1/invoices/{invoice}")).await.ok();
    assert_eq!(draft["status"], "draft");
    assert_eq!(draft["auto_advance"], false);
    assert_eq!(draft["currency"], "usd");
    assert_eq!(draft["customer_email"], "ada@example.com");
    for name in ["number", "due_date", "hosted_invoice_url", "effective_at"] {
        assert_eq!(draft.get(name), Some(&json!(null)), "{name} is there, as null");
    }

    let item = [
        ("customer", &*customer),
        ("invoice", &*invoice),
        ("amount", "9900"),
        ("currency", "usd"),
        ("description", "Consulting"),
        ("metadata[loopfour_run]", "run_1"),
    ];
    let item = stripe.post("/v1/invoiceitems", &item).await.ok();
    assert_eq!((&item["amount"], &item["quantity"]), (&json!(9900), &json!(1)));
    assert_eq!(item["pricing"]["unit_amount_decimal"], "9900");
    let units = [
        ("customer", &*customer),
        ("invoice", &*invoice),
        ("unit_amount_decimal", "250.5"),
        ("quantity", "3"),
    ];
    let units = stripe.post("/v1/invoiceitems", &units).await.ok();
    assert_eq!((&units["amount"], &units["quantity_decimal"]), (&json!(752), &json!("3")));

    let open = stripe.post(&format!("/v1/invoices/{invoice}/finalize"), &[]).await.ok();
    assert_eq!(open["status"], "open");
    assert_eq!(open["amount_due"], 10_652);
    assert_eq!((&open["total"], &open["amount_remaining"]), (&json!(10_652), &json!(10_652)));
    let finalized = open["status_transitions"]["finalized_at"].as_i64().unwrap();
    assert_eq!(open["due_date"], finalized + 30 * 86_400);
    assert!(open["number"].as_str().unwrap().ends_with("-0001"), "{}", open["number"]);
    assert!(open["hosted_invoice_url"].as_str().unwrap().starts_with("https://"));
    assert_eq!(open["lines"]["data"].as_array().unwrap().len(), 2);
    assert_eq!(open["lines"]["data"][0]["amount"], 9900, "lines added later come in their order");
    let parent = &open["lines"]["data"][0]["parent"]["invoice_item_details"];
    assert_eq!(parent["invoice_item"], item["id"]);

    let sent = stripe.post(&format!("/v1/invoices/{invoice}/send"), &[]).await.ok();
    assert_eq!((&sent["status"], &sent["number"]), (&json!("open"), &open["number"]));
    let objects = stripe.control("GET", "objects?type=invoice", json!(null)).await.ok();
    assert_eq!(objects["objects"].as_array().unwrap().len(), 1);
    assert_eq!(objects["hidden"][&invoice]["sent_to"], "ada@example.com");

    let customer = stripe.get(&format!("/v1/customers/{customer}")).await.ok();
    assert_eq!((&customer["next_invoice_sequence"], &customer["currency"]), (&json!(2), &json!("usd")));
}

#[tokio::test]
async fn sending_a_draft_finalizes_it() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let invoice = stripe.invoice(&customer).await;
    let item = [("customer", &*customer), ("invoice", &*invoice), ("amount", "500")];
    stripe.post("/v1/invoiceitems", &item).await.ok();
    let sent = stripe.post(&format!("/v1/invoices/{invoice}/send"), &[]).await.ok();
    assert_eq!((&sent["status"], &sent["amount_due"]), (&json!("open"), &json!(500)));
}

#[tokio::test]
async fn nothing_due_is_paid_at_once_and_a_credit_goes_to_the_balance() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let mut dues = Vec::new();
    for amount in ["0", "-300", "1000"] {
        let invoice = stripe.invoice(&customer).await;
        let item = [("customer", &*customer), ("invoice", &*invoice), ("amount", amount)];
        stripe.post("/v1/invoiceitems", &item).await.ok();
        let done = stripe.post(&format!("/v1/invoices/{invoice}/finalize"), &[]).await.ok();
        dues.push(json!([
            done["status"],
            done["amount_due"],
            done["starting_balance"],
            done["ending_balance"]
        ]));
    }
    let expected = [json!(["paid", 0, 0, 0]), json!(["paid", 0, 0, -300]), json!(["open", 700, -300, 0])];
    assert_eq!(dues, expected);
}

#[tokio::test]
async fn pending_items_are_taken_only_when_asked() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    for amount in ["100", "200"] {
        stripe.post("/v1/invoiceitems", &[("customer", &customer), ("amount", amount)]).await.ok();
    }
    stripe
        .post("/v1/invoiceitems", &[("customer", &customer), ("amount", "9"), ("currency", "EUR")])
        .await
        .ok();
    let without = stripe.post("/v1/invoices", &[("customer", &customer)]).await.ok();
    assert_eq!(without["total"], 0);
    let include = [("customer", &*customer), ("pending_invoice_items_behavior", "include")];
    let with = stripe.post("/v1/invoices", &include).await.ok();
    assert_eq!(with["total"], 300);
    assert_eq!(with["lines"]["data"][0]["amount"], 200, "pending items come newest first");
    let pending = stripe.get(&format!("/v1/invoiceitems?customer={customer}&pending=true")).await.ok();
    assert_eq!(pending["data"][0]["currency"], "eur");
    assert_eq!(pending["data"].as_array().unwrap().len(), 1);
    let attached = stripe.get(&format!("/v1/invoiceitems?invoice={}", id(&with))).await.ok();
    assert_eq!(attached["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_advancing_draft_finalizes_itself_after_an_hour() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let params = [
        ("customer", &*customer),
        ("auto_advance", "true"),
        ("collection_method", "send_invoice"),
        ("days_until_due", "7"),
    ];
    let invoice = stripe.post("/v1/invoices", &params).await.ok();
    let due = invoice["automatically_finalizes_at"].as_i64().unwrap();
    assert_eq!(due, invoice["created"].as_i64().unwrap() + 3600);
    stripe
        .post("/v1/invoiceitems", &[("customer", &customer), ("invoice", &id(&invoice)), ("amount", "50")])
        .await
        .ok();
    let path = format!("/v1/invoices/{}", id(&invoice));
    stripe.control("POST", "clock", json!({"advance": 3500})).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["status"], "draft");
    stripe.control("POST", "clock", json!({"advance": 200})).await.ok();
    let open = stripe.get(&path).await.ok();
    assert_eq!((&open["status"], &open["automatically_finalizes_at"]), (&json!("open"), &json!(null)));
    assert_eq!(open["status_transitions"]["finalized_at"], due);
    let hidden = stripe.control("GET", "objects?type=invoice", json!(null)).await.ok();
    assert_eq!(hidden["hidden"][id(&invoice)]["sent_at"], due);
}

#[tokio::test]
async fn an_item_can_be_read_and_the_account_tells_itself() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let item = stripe.post("/v1/invoiceitems", &[("customer", &customer), ("amount", "100")]).await.ok();
    assert_eq!(stripe.get(&format!("/v1/invoiceitems/{}", id(&item))).await.ok(), item);
    let account = stripe.get("/v1/account").await.ok();
    assert!(id(&account).starts_with("acct_"));
}

#[tokio::test]
async fn an_address_has_all_its_lines_and_cleared_texts_are_null() {
    let stripe = Stripe::start().await;
    let params =
        [("address[city]", "Bern"), ("address[country]", "CH"), ("email", ""), ("name", ""), ("phone", "")];
    let customer = stripe.post("/v1/customers", &params).await.ok();
    assert_eq!(customer["address"]["city"], "Bern");
    assert!(customer["address"].as_object().unwrap().contains_key("line2"));
    assert_eq!((&customer["email"], &customer["phone"]), (&json!(null), &json!(null)));
}
