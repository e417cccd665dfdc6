//! `expand[]`: objects in place of ids.

use serde_json::json;

use crate::stripe::{Stripe, id};

#[tokio::test]
async fn ids_become_objects() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let params = [("customer", &*customer), ("expand[]", "customer")];
    let invoice = stripe.post("/v1/invoices", &params).await.ok();
    assert_eq!(invoice["customer"]["email"], "ada@example.com");
    let item = [
        ("customer", &*customer),
        ("invoice", &*id(&invoice)),
        ("amount", "5"),
        ("expand[0]", "invoice.customer"),
    ];
    let item = stripe.post("/v1/invoiceitems", &item).await.ok();
    assert_eq!(item["invoice"]["customer"]["id"], json!(customer));
    assert_eq!(item["invoice"]["lines"]["data"][0]["amount"], 5);
    let page = stripe.get("/v1/invoices?expand[]=data.customer&expand[]=data.lines").await.ok();
    assert_eq!(page["data"][0]["customer"]["id"], json!(customer));
    let plain = stripe.get("/v1/invoices?expand[]=data.customer.default_source").await.ok();
    assert_eq!(plain["data"][0]["customer"]["default_source"], json!(null));
}

#[tokio::test]
async fn what_cannot_be_expanded_is_refused() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let rows = [
        ("/v1/customers", "email", "- expand"),
        ("/v1/customers", "nothing", "- expand"),
        ("/v1/invoices", "customer.email", "- expand"),
        ("/v1/invoices", "data.customer", "- expand"),
        ("/v1/invoices", "", "parameter_invalid_empty expand[0]"),
        ("/v1/invoices", "customer.default_source.customer.default_source.customer", "- expand"),
        ("/v1/invoices", "payments.status", "- expand"),
        ("/v1/customers", "subscriptions", "sandbox_unsupported -"),
    ];
    for (path, expand, error) in rows {
        let owner = ("customer", &*customer);
        let expand = ("expand[]", expand);
        let params = if path == "/v1/invoices" { vec![owner, expand] } else { vec![expand] };
        let reply = stripe.post(path, &params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{expand:?}: {}", reply.body);
    }
    for query in ["expand[]=customer", "expand[]=data", "expand[]=has_more"] {
        let reply = stripe.get(&format!("/v1/invoices?{query}")).await;
        assert_eq!(reply.error(), "400 invalid_request_error - expand", "{query}");
    }
    let made = stripe.get("/v1/invoices").await.ok();
    assert_eq!(made["data"], json!([]), "a refused expansion writes nothing");
}
