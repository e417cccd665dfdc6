//! The checker of answers finds what is planted.

use loopfour_sandbox::shape::problems;
use serde_json::{Value, json};

use crate::stripe::Stripe;

/// A change to an invoice, and what the checker says of it.
type Row = (&'static str, fn(&mut Value), &'static str);

#[tokio::test]
async fn planted_faults_are_found() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let invoice = stripe.invoice(&customer).await;
    stripe
        .post("/v1/invoiceitems", &[("customer", &customer), ("invoice", &invoice), ("amount", "5")])
        .await
        .ok();
    let invoice = stripe.get(&format!("/v1/invoices/{invoice}")).await.ok();
    assert_eq!(problems(&invoice), [""; 0]);
    let rows: &[Row] = &[
        ("missing", |it| drop(it.as_object_mut().unwrap().remove("total")), "invoice.total: missing"),
        ("null", |it| it["total"] = json!(null), "invoice.total: not an integer"),
        ("type", |it| it["amount_due"] = json!("5"), "invoice.amount_due: not an integer"),
        ("float", |it| it["amount_due"] = json!(5.5), "invoice.amount_due: not an integer"),
        ("unknown", |it| it["paid"] = json!(true), "invoice.paid: unknown"),
        ("enum", |it| it["status"] = json!("late"), "invoice.status: not one of the known values"),
        ("nested", |it| it["issuer"] = json!({}), "invoice.issuer.type: missing"),
        (
            "line",
            |it| it["lines"]["data"][0]["amount"] = json!(null),
            "invoice.lines.data[0].amount: not an integer",
        ),
        (
            "page",
            |it| it["lines"]["total_count"] = json!(1),
            "invoice.lines: a list has object, data, has_more and url",
        ),
        ("reference", |it| it["customer"] = json!(5), "invoice.customer: neither an id nor an object"),
        (
            "other",
            |it| it["customer"] = json!({"object": "account"}),
            "invoice.customer: an object of another kind",
        ),
        ("metadata", |it| it["metadata"] = json!({"a": 1}), "invoice.metadata[a]: not a text"),
    ];
    for (name, plant, expect) in rows {
        let mut planted = invoice.clone();
        plant(&mut planted);
        assert_eq!(problems(&planted), [*expect], "{name}");
    }
    assert_eq!(problems(&json!({"object": "thing"})), ["thing: no object of the kind `thing`"]);
    assert_eq!(problems(&json!([])), [": no object of the kind ``"]);
}
