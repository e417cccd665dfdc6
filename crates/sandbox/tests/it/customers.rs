//! Customers: changed, deleted, with a default payment method.

use serde_json::json;

use crate::stripe::{Stripe, id};

#[tokio::test]
async fn only_what_is_sent_changes() {
    let stripe = Stripe::start().await;
    let params = [
        ("email", "ada@example.com"),
        ("name", "Ada"),
        ("address[line1]", "Bundesplatz 3"),
        ("address[city]", "Bern"),
        ("metadata[a]", "1"),
        ("metadata[b]", "2"),
    ];
    let path = format!("/v1/customers/{}", id(&stripe.post("/v1/customers", &params).await.ok()));
    let changes =
        [("email", "new@example.com"), ("address[city]", "Basel"), ("metadata[a]", ""), ("metadata[c]", "3")];
    let changed = stripe.post(&path, &changes).await.ok();
    assert_eq!((&changed["email"], &changed["name"]), (&json!("new@example.com"), &json!("Ada")));
    assert_eq!(changed["metadata"], json!({"b": "2", "c": "3"}));
    let address = &changed["address"];
    assert_eq!((&address["city"], &address["line1"]), (&json!("Basel"), &json!(null)), "replaced as sent");
    let found = stripe.get("/v1/customers?email=new%40example.com").await.ok();
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    let cleared = stripe.post(&path, &[("metadata", ""), ("address", ""), ("name", "")]).await.ok();
    assert_eq!(cleared["metadata"], json!({}));
    assert_eq!((&cleared["address"], &cleared["name"]), (&json!(null), &json!(null)));
    assert_eq!(stripe.get(&path).await.ok(), cleared);
    for (params, error) in [
        ([("email", "x")], "400 invalid_request_error email_invalid email"),
        ([("emial", "x")], "400 invalid_request_error parameter_unknown emial"),
    ] {
        assert_eq!(stripe.post(&path, &params).await.error(), error);
    }
    let missing = stripe.post("/v1/customers/cus_x", &[("name", "x")]).await;
    assert_eq!(missing.error(), "404 invalid_request_error resource_missing id");
}

#[tokio::test]
async fn a_deleted_customer_leaves_its_id() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let draft = stripe.invoice(&customer).await;
    let owner = [("customer", &*customer)];
    stripe.post("/v1/payment_methods/pm_card_visa/attach", &owner).await.ok();
    let path = format!("/v1/customers/{customer}");
    let gone = json!({"id": customer, "object": "customer", "deleted": true});
    assert_eq!(stripe.delete(&path).await.ok(), gone);
    assert_eq!(stripe.get(&path).await.ok(), gone);
    for list in ["/v1/customers", "/v1/customers?email=ada%40example.com", "/v1/payment_methods"] {
        assert_eq!(stripe.get(list).await.ok()["data"], json!([]), "{list}");
    }
    let again = "404 invalid_request_error resource_missing id";
    assert_eq!(stripe.delete(&path).await.error(), again);
    assert_eq!(stripe.post(&path, &[("name", "x")]).await.error(), again);
    let refused = "400 invalid_request_error resource_missing customer";
    assert_eq!(stripe.post("/v1/invoices", &owner).await.error(), refused);
    assert_eq!(stripe.post(&format!("/v1/invoices/{draft}/finalize"), &[]).await.error(), refused);
}

#[tokio::test]
async fn a_default_payment_method_is_the_customers_own() {
    let stripe = Stripe::start().await;
    let usual = "invoice_settings[default_payment_method]";
    let made = [("payment_method", "pm_card_visa"), (usual, "pm_card_visa")];
    let customer = stripe.post("/v1/customers", &made).await.ok();
    let method = customer["invoice_settings"]["default_payment_method"].as_str().unwrap();
    assert!(method.starts_with("pm_1"), "{customer}");
    let other = stripe.customer("bob@example.com").await;
    let reply = stripe.post(&format!("/v1/customers/{other}"), &[(usual, method)]).await;
    assert_eq!(reply.error(), format!("400 invalid_request_error resource_missing {usual}"));
    let footer = [("invoice_settings[footer]", "Thank you")];
    let path = format!("/v1/customers/{}", id(&customer));
    let changed = stripe.post(&path, &footer).await.ok();
    assert_eq!(changed["invoice_settings"]["default_payment_method"], json!(method));
    stripe.post(&format!("/v1/payment_methods/{method}/detach"), &[]).await.ok();
    let left = stripe.get(&path).await.ok();
    assert_eq!(left["invoice_settings"]["default_payment_method"], json!(null));
    assert_eq!(left["invoice_settings"]["footer"], "Thank you");
}
