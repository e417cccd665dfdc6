//! Products, prices and coupons.

use serde_json::json;

use crate::stripe::{Stripe, id};

#[tokio::test]
async fn products_are_made_changed_listed_and_deleted() {
    let stripe = Stripe::start().await;
    let product = stripe.post("/v1/products", &[("name", "Pro"), ("metadata[a]", "1")]).await.ok();
    let path = format!("/v1/products/{}", id(&product));
    let changed = [("name", "Max"), ("metadata[b]", "2"), ("metadata[a]", ""), ("active", "false")];
    let changed = stripe.post(&path, &changed).await.ok();
    assert_eq!((&changed["name"], &changed["metadata"]), (&json!("Max"), &json!({"b": "2"})));
    assert_eq!(stripe.get(&path).await.ok(), changed);
    let own = stripe.post("/v1/products", &[("name", "Own"), ("id", "own")]).await.ok();
    assert_eq!(id(&own), "own");
    let reply = stripe.post("/v1/products", &[("name", "Own"), ("id", "own")]).await;
    assert_eq!(reply.error(), "400 invalid_request_error resource_already_exists id");
    assert_eq!(
        stripe.post("/v1/products", &[]).await.error(),
        "400 invalid_request_error parameter_missing name"
    );
    for (query, expect) in [("", 2), ("?active=true", 1), ("?active=false", 1), ("?ids[]=own", 1)] {
        let page = stripe.get(&format!("/v1/products{query}")).await.ok();
        assert_eq!(page["data"].as_array().unwrap().len(), expect, "{query}");
    }
    let price = [("product", "own"), ("currency", "usd"), ("unit_amount", "5")];
    let price = id(&stripe.post("/v1/prices", &price).await.ok());
    assert_eq!(stripe.delete("/v1/products/own").await.status, 400, "it has a price");
    let with = stripe.post("/v1/products/own", &[("default_price", &price)]).await.ok();
    assert_eq!(with["default_price"], json!(price));
    assert_eq!(stripe.delete(&path).await.ok()["deleted"], true);
    assert_eq!(stripe.get(&path).await.error(), "404 invalid_request_error resource_missing id");
}

#[tokio::test]
async fn prices_are_once_or_recurring() {
    let stripe = Stripe::start().await;
    let product = id(&stripe.post("/v1/products", &[("name", "Pro")]).await.ok());
    let of = ("product", &*product);
    let (usd, five) = (("currency", "USD"), ("unit_amount", "500"));
    let month = ("recurring[interval]", "month");
    let once = stripe.post("/v1/prices", &[of, usd, five]).await.ok();
    assert_eq!((&once["type"], &once["unit_amount_decimal"]), (&json!("one_time"), &json!("500")));
    let monthly = stripe.post("/v1/prices", &[of, usd, five, month, ("lookup_key", "pro")]).await.ok();
    assert_eq!((&monthly["recurring"]["interval_count"], &monthly["currency"]), (&json!(1), &json!("usd")));
    let data = [("product_data[name]", "New"), usd, ("unit_amount_decimal", "0.5")];
    let small = stripe.post("/v1/prices", &data).await.ok();
    assert_eq!((&small["unit_amount"], &small["unit_amount_decimal"]), (&json!(null), &json!("0.5")));
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[of, five], "parameter_missing currency"),
        (&[usd, five], "parameter_missing product"),
        (&[of, usd], "parameter_missing unit_amount"),
        (&[of, usd, five, ("unit_amount_decimal", "1")], "parameters_exclusive unit_amount"),
        (&[("product", "prod_x"), usd, five], "resource_missing product"),
        (&[of, ("product_data[name]", "x"), usd, five], "parameters_exclusive product"),
        (&[of, usd, ("unit_amount", "-1")], "parameter_invalid_integer unit_amount"),
        (&[of, usd, five, ("recurring[interval_count]", "2")], "parameter_missing recurring[interval]"),
        (
            &[of, usd, five, month, ("recurring[interval_count]", "0")],
            "parameter_invalid_integer recurring[interval_count]",
        ),
        (
            &[of, usd, five, month, ("recurring[interval_count]", "37")],
            "parameter_invalid_integer recurring[interval_count]",
        ),
        (&[of, usd, five, month, ("recurring[usage_type]", "metered")], "sandbox_unsupported recurring"),
        (&[of, usd, five, ("billing_scheme", "tiered")], "sandbox_unsupported billing_scheme"),
        (&[of, usd, five, ("lookup_key", "pro")], "- lookup_key"),
    ];
    for (params, error) in rows {
        let reply = stripe.post("/v1/prices", params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{params:?}: {}", reply.body);
    }
    let path = format!("/v1/prices/{}", id(&once));
    stripe.post(&path, &[("active", "false"), ("nickname", "old")]).await.ok();
    assert_eq!(stripe.get(&path).await.ok()["nickname"], "old");
    for (query, expect) in [
        (format!("product={product}"), 2),
        ("type=recurring".to_owned(), 1),
        ("active=true".to_owned(), 2),
        ("lookup_keys[]=pro".to_owned(), 1),
        ("currency=eur".to_owned(), 0),
    ] {
        let page = stripe.get(&format!("/v1/prices?{query}")).await.ok();
        assert_eq!(page["data"].as_array().unwrap().len(), expect, "{query}");
    }
    let customer = stripe.customer("ada@example.com").await;
    let item = |price: &str| {
        [("customer", customer.clone()), ("pricing[price]", price.to_owned()), ("quantity", "3".to_owned())]
    };
    let pairs = |item: &[(&'static str, String); 3]| item.clone();
    let priced = pairs(&item(&id(&once)));
    let params: Vec<(&str, &str)> = priced.iter().map(|(name, value)| (*name, &**value)).collect();
    let made = stripe.post("/v1/invoiceitems", &params).await.ok();
    assert_eq!((&made["amount"], &made["pricing"]["price_details"]["price"]), (&json!(1500), &once["id"]));
    let recurring = item(&id(&monthly));
    let params: Vec<(&str, &str)> = recurring.iter().map(|(name, value)| (*name, &**value)).collect();
    let reply = stripe.post("/v1/invoiceitems", &params).await;
    assert_eq!(reply.error(), "400 invalid_request_error - pricing[price]");
}

#[tokio::test]
async fn coupons_take_off_a_share_or_an_amount() {
    let stripe = Stripe::start().await;
    let once = ("duration", "once");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[("percent_off", "25"), once], "200"),
        (&[("percent_off", "12.5"), ("id", "SPRING")], "200"),
        (
            &[
                ("amount_off", "500"),
                ("currency", "usd"),
                ("duration", "repeating"),
                ("duration_in_months", "3"),
            ],
            "200",
        ),
        (&[once], "400 parameter_missing percent_off"),
        (&[("percent_off", "0"), once], "400 - percent_off"),
        (&[("percent_off", "101"), once], "400 - percent_off"),
        (&[("percent_off", "5"), ("amount_off", "5"), once], "400 parameters_exclusive amount_off"),
        (&[("amount_off", "500"), once], "400 parameter_missing currency"),
        (&[("percent_off", "5"), ("duration", "repeating")], "400 - duration_in_months"),
        (&[("percent_off", "5"), ("redeem_by", "1000")], "400 - redeem_by"),
        (&[("percent_off", "5"), ("id", "SPRING")], "400 resource_already_exists id"),
    ];
    for (params, expect) in rows {
        let reply = stripe.post("/v1/coupons", params).await;
        let error = reply.error();
        let told: Vec<&str> = error.split(' ').collect();
        let told =
            if reply.status == 200 { "200".to_owned() } else { format!("400 {} {}", told[2], told[3]) };
        assert_eq!(told, *expect, "{params:?}: {}", reply.body);
    }
    let renamed = stripe.post("/v1/coupons/SPRING", &[("name", "Spring")]).await.ok();
    assert_eq!((&renamed["name"], &renamed["percent_off"]), (&json!("Spring"), &json!(12.5)));
    assert_eq!(stripe.get("/v1/coupons").await.ok()["data"].as_array().unwrap().len(), 3);
    assert_eq!(stripe.delete("/v1/coupons/SPRING").await.ok()["deleted"], true);
    assert_eq!(stripe.get("/v1/coupons/SPRING").await.status, 404);
}
