//! Coupons taken off: an invoice, the first of a subscription, each while it lasts.

use serde_json::{Value, json};

use crate::stripe::{Stripe, id};

/// A sandbox with a customer who pays, a monthly price of 3000, and coupons `quarter` (once),
/// `always` (a tenth, forever), `months` (500 for two months), `euro` and `gone`.
async fn place() -> (Stripe, String, String, String) {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let owner = [("customer", &*customer)];
    let method = id(&stripe.post("/v1/payment_methods/pm_card_visa/attach", &owner).await.ok());
    let price = [
        ("product_data[name]", "Plan"),
        ("currency", "usd"),
        ("unit_amount", "3000"),
        ("recurring[interval]", "month"),
    ];
    let price = id(&stripe.post("/v1/prices", &price).await.ok());
    let coupons: [&[(&str, &str)]; 5] = [
        &[("id", "quarter"), ("percent_off", "25"), ("duration", "once")],
        &[("id", "always"), ("percent_off", "10.5"), ("duration", "forever")],
        &[
            ("id", "months"),
            ("amount_off", "500"),
            ("currency", "usd"),
            ("duration", "repeating"),
            ("duration_in_months", "2"),
        ],
        &[("id", "euro"), ("amount_off", "500"), ("currency", "eur"), ("duration", "once")],
        &[("id", "gone"), ("percent_off", "50"), ("duration", "once"), ("max_redemptions", "1")],
    ];
    for coupon in coupons {
        stripe.post("/v1/coupons", coupon).await.ok();
    }
    (stripe, customer, method, price)
}

#[tokio::test]
async fn an_invoice_is_less_by_its_coupons() {
    let (stripe, customer, ..) = place().await;
    let rows: &[(&[&str], i64)] = &[
        (&["quarter"], 749),
        (&["months"], 499),
        (&["quarter", "months"], 249),
        (&["months", "quarter"], 374),
        (&["always"], 894),
        (&["gone", "months"], 0),
    ];
    for (coupons, total) in rows {
        let named: Vec<(String, &str)> = coupons
            .iter()
            .enumerate()
            .map(|(index, coupon)| (format!("discounts[{index}][coupon]"), *coupon))
            .collect();
        let mut params = vec![("customer", &*customer)];
        params.extend(named.iter().map(|(name, coupon)| (&**name, *coupon)));
        let invoice = id(&stripe.post("/v1/invoices", &params).await.ok());
        for amount in ["600", "399"] {
            let item = [("customer", &*customer), ("invoice", &*invoice), ("amount", amount)];
            stripe.post("/v1/invoiceitems", &item).await.ok();
        }
        let path = format!("/v1/invoices/{invoice}?expand[]=discounts");
        let invoice = stripe.get(&path).await.ok();
        assert_eq!((&invoice["subtotal"], &invoice["total"]), (&json!(999), &json!(total)), "{coupons:?}");
        assert_eq!(invoice["discounts"][0]["source"]["coupon"], coupons[0]);
        let sum = |amounts: &Value| -> i64 {
            amounts.as_array().unwrap().iter().map(|it| it["amount"].as_i64().unwrap()).sum()
        };
        let lines = invoice["lines"]["data"].as_array().unwrap().iter();
        let by_line: i64 = lines.map(|line| sum(&line["discount_amounts"])).sum();
        assert_eq!((sum(&invoice["total_discount_amounts"]), by_line), (999 - total, 999 - total));
    }
    for (coupon, error) in [("none", "resource_missing"), ("euro", "-"), ("gone", "coupon_expired")] {
        let params = [("customer", &*customer), ("discounts[0][coupon]", coupon)];
        let reply = stripe.post("/v1/invoices", &params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error} discounts[0][coupon]"));
    }
    assert_eq!(stripe.get("/v1/coupons/gone").await.ok()["valid"], false);
    assert_eq!(stripe.get("/v1/coupons/quarter").await.ok()["times_redeemed"], 3);
}

#[tokio::test]
async fn a_subscription_keeps_its_coupons_while_they_last() {
    for (coupon, totals) in
        [("quarter", [2250, 3000, 3000]), ("always", [2685, 2685, 2685]), ("months", [2500, 2500, 3000])]
    {
        let (stripe, customer, method, price) = place().await;
        let params = [
            ("customer", &*customer),
            ("items[0][price]", &*price),
            ("default_payment_method", &*method),
            ("discounts[0][coupon]", coupon),
        ];
        stripe.post("/v1/subscriptions", &params).await.ok();
        stripe.control("POST", "clock", json!({"advance": 64 * 86_400})).await.ok();
        let page = stripe.get("/v1/invoices").await.ok();
        let invoices = page["data"].as_array().unwrap().iter().rev();
        let paid: Vec<i64> = invoices.map(|invoice| invoice["amount_paid"].as_i64().unwrap()).collect();
        assert_eq!(paid, totals, "{coupon}");
    }
}
