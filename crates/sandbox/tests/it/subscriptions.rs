//! Subscriptions: how they begin and how they are listed; in files of their own, how they change and
//! what they do as time goes by.

mod change;
mod time;

use serde_json::{Value, json};

use crate::stripe::{Reply, Stripe, id};

const DAY: i64 = 86_400;
const SUBSCRIPTIONS: &str = "/v1/subscriptions";

/// A sandbox with a customer and prices.
struct Place {
    stripe: Stripe,
    customer: String,
    method: String,
    /// Monthly, 3000.
    basic: String,
    /// Monthly, 6000.
    better: String,
    /// Yearly, 30000.
    yearly: String,
}

async fn place() -> Place {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let method = attach(&stripe, &customer, "pm_card_visa").await;
    let price = async |amount: &str, interval: &str| {
        let params = [
            ("product_data[name]", "Plan"),
            ("currency", "usd"),
            ("unit_amount", amount),
            ("recurring[interval]", interval),
        ];
        id(&stripe.post("/v1/prices", &params).await.ok())
    };
    let (basic, better) = (price("3000", "month").await, price("6000", "month").await);
    let yearly = price("30000", "year").await;
    Place { stripe, customer, method, basic, better, yearly }
}

async fn attach(stripe: &Stripe, customer: &str, card: &str) -> String {
    let path = format!("/v1/payment_methods/{card}/attach");
    id(&stripe.post(&path, &[("customer", customer)]).await.ok())
}

impl Place {
    async fn try_create(&self, more: &[(&str, &str)]) -> Reply {
        let params = [&[("customer", &*self.customer), ("items[0][price]", &*self.basic)], more].concat();
        self.stripe.post(SUBSCRIPTIONS, &params).await
    }

    /// A subscription that has been paid for.
    async fn active(&self) -> Value {
        let created = self.try_create(&[("default_payment_method", &self.method)]).await.ok();
        assert_eq!(created["status"], "active");
        created
    }

    async fn get(&self, subscription: &Value) -> Value {
        let path = format!("{SUBSCRIPTIONS}/{}?expand[]=latest_invoice", id(subscription));
        self.stripe.get(&path).await.ok()
    }

    async fn update(&self, subscription: &Value, params: &[(&str, &str)]) -> Reply {
        let params = [params, &[("expand[]", "latest_invoice")]].concat();
        self.stripe.post(&format!("{SUBSCRIPTIONS}/{}", id(subscription)), &params).await
    }

    async fn advance(&self, seconds: i64) {
        self.stripe.control("POST", "clock", json!({"advance": seconds})).await.ok();
    }

    /// The amounts and proration marks of the pending invoice items, oldest first.
    async fn pending(&self) -> Vec<i64> {
        let page = self.stripe.get("/v1/invoiceitems?pending=true&limit=100").await.ok();
        let items = page["data"].as_array().unwrap().iter().rev();
        items
            .inspect(|item| assert_eq!(item["proration"], true))
            .map(|it| it["amount"].as_i64().unwrap())
            .collect()
    }

    async fn invoices(&self) -> Vec<Value> {
        self.stripe.get("/v1/invoices?limit=100").await.ok()["data"].as_array().unwrap().clone()
    }
}

fn item(subscription: &Value) -> &Value {
    &subscription["items"]["data"][0]
}

/// Parameters, then the status of the subscription and of its first invoice.
type Beginning<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

#[tokio::test]
async fn a_first_payment_decides_how_it_begins() {
    let place = place().await;
    let failing = attach(&place.stripe, &place.customer, "pm_card_chargeCustomerFail").await;
    let asking = attach(&place.stripe, &place.customer, "pm_card_authenticationRequired").await;
    let with = |method: &'static str| ("payment_behavior", method);
    let (pays, fails, asks) = (
        ("default_payment_method", &*place.method),
        ("default_payment_method", &*failing),
        ("default_payment_method", &*asking),
    );
    let send = ("collection_method", "send_invoice");
    let rows: &[Beginning<'_>] = &[
        (&[pays], "active", "paid"),
        (&[fails], "incomplete", "open"),
        (&[asks], "incomplete", "open"),
        (&[asks, ("off_session", "true")], "incomplete", "open"),
        (&[pays, with("default_incomplete")], "incomplete", "open"),
        (&[with("default_incomplete")], "incomplete", "open"),
        (&[pays, with("error_if_incomplete")], "active", "paid"),
        (&[("trial_period_days", "14")], "trialing", "paid"),
        (&[("trial_end", "now"), pays], "active", "paid"),
        (&[send, ("days_until_due", "30")], "active", "draft"),
    ];
    for (params, status, invoice) in rows {
        let expand = ("expand[]", "latest_invoice");
        let made = place.try_create(&[*params, &[expand]].concat()).await.ok();
        let told = (made["status"].as_str().unwrap(), made["latest_invoice"]["status"].as_str().unwrap());
        assert_eq!(told, (*status, *invoice), "{params:?}");
        assert_eq!(made["latest_invoice"]["billing_reason"], "subscription_create");
        let parent = &made["latest_invoice"]["parent"]["subscription_details"]["subscription"];
        assert_eq!(*parent, made["id"]);
    }
    let count = place.invoices().await.len();
    let reply = place.try_create(&[fails, with("error_if_incomplete")]).await;
    assert_eq!(reply.error(), "402 card_error card_declined -");
    assert_eq!(place.invoices().await.len(), count, "nothing is left of it");
}

#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let place = place().await;
    let once = [("product_data[name]", "Once"), ("currency", "usd"), ("unit_amount", "500")];
    let once = id(&place.stripe.post("/v1/prices", &once).await.ok());
    let euro = [
        ("product_data[name]", "E"),
        ("currency", "eur"),
        ("unit_amount", "5"),
        ("recurring[interval]", "month"),
    ];
    let euro = id(&place.stripe.post("/v1/prices", &euro).await.ok());
    let owner = ("customer", &*place.customer);
    let basic = ("items[0][price]", &*place.basic);
    let trial = ("trial_period_days", "14");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[basic], "parameter_missing customer"),
        (&[owner], "parameter_missing items"),
        (&[("customer", "cus_x"), basic], "resource_missing customer"),
        (&[owner, ("items[0][quantity]", "1")], "parameter_missing items[0][price]"),
        (&[owner, ("items[0][price]", "price_x")], "resource_missing items[0][price]"),
        (&[owner, ("items[0][prise]", "price_x")], "parameter_unknown items[0][prise]"),
        (&[owner, ("items[0][plan]", "plan_x")], "sandbox_unsupported items[0][plan]"),
        (&[owner, ("items[0][price]", &*once)], "- items[0][price]"),
        (&[owner, basic, ("items[1][price]", &*euro)], "- items"),
        (&[owner, basic, ("items[1][price]", &*place.basic)], "- items"),
        (&[owner, basic, ("items[1][price]", &*place.yearly)], "sandbox_unsupported items"),
        (&[owner, basic, ("items[0][quantity]", "-1")], "parameter_invalid_integer items[0][quantity]"),
        (&[owner, basic], "resource_missing -"),
        (
            &[owner, basic, ("default_payment_method", "pm_card_visa")],
            "resource_missing default_payment_method",
        ),
        (&[owner, basic, trial, ("trial_end", "now")], "parameters_exclusive trial_period_days"),
        (&[owner, basic, ("trial_period_days", "731")], "parameter_invalid_integer trial_period_days"),
        (&[owner, basic, ("trial_end", "1000")], "- trial_end"),
        (&[owner, basic, ("trial_end", "99999999999")], "- trial_end"),
        (&[owner, basic, trial, ("days_until_due", "30")], "- days_until_due"),
        (&[owner, basic, ("collection_method", "send_invoice")], "- days_until_due"),
        (&[owner, basic, trial, ("discounts[0][coupon]", "c")], "resource_missing discounts[0][coupon]"),
        (
            &[owner, basic, trial, ("discounts[0][promotion_code]", "c")],
            "sandbox_unsupported discounts[0][promotion_code]",
        ),
        (&[owner, basic, trial, ("payment_behavior", "pending_if_incomplete")], "- payment_behavior"),
        (&[owner, basic, trial, ("proration_behavior", "maybe")], "- proration_behavior"),
        (&[owner, basic, trial, ("currency", "eur")], "- currency"),
    ];
    for (params, error) in rows {
        let reply = place.stripe.post(SUBSCRIPTIONS, params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{params:?}: {}", reply.body);
    }
    let all = place.stripe.get(&format!("{SUBSCRIPTIONS}?status=all")).await.ok();
    assert_eq!(all["data"], json!([]), "nothing that was refused is stored");
    let missing = "404 invalid_request_error resource_missing id";
    assert_eq!(place.stripe.get(&format!("{SUBSCRIPTIONS}/sub_x")).await.error(), missing);
}

#[tokio::test]
async fn lists_leave_out_the_canceled_unless_asked() {
    let place = place().await;
    let active = id(&place.active().await);
    let canceled = id(&place.active().await);
    place.stripe.delete(&format!("{SUBSCRIPTIONS}/{canceled}")).await.ok();
    let trialing = id(&place.try_create(&[("trial_period_days", "3")]).await.ok());
    let customer = &place.customer;
    let rows = [
        (String::new(), vec![&trialing, &active]),
        ("status=all".to_owned(), vec![&trialing, &canceled, &active]),
        ("status=active".to_owned(), vec![&active]),
        ("status=canceled".to_owned(), vec![&canceled]),
        ("status=ended".to_owned(), vec![&canceled]),
        ("status=past_due".to_owned(), vec![]),
        (format!("customer={customer}&status=active&limit=50"), vec![&active]),
        ("customer=cus_x".to_owned(), vec![]),
        (format!("price={}", place.basic), vec![&trialing, &active]),
        (format!("price={}", place.better), vec![]),
        ("collection_method=send_invoice".to_owned(), vec![]),
        ("current_period_end[lt]=1000".to_owned(), vec![]),
        ("created[gt]=1000&current_period_start[gt]=1000".to_owned(), vec![&trialing, &active]),
    ];
    for (query, expect) in rows {
        let page = place.stripe.get(&format!("{SUBSCRIPTIONS}?{query}")).await.ok();
        let ids: Vec<String> = page["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids.iter().collect::<Vec<_>>(), expect, "{query}");
    }
    let invoices = place.stripe.get(&format!("/v1/invoices?subscription={active}")).await.ok();
    assert_eq!(invoices["data"].as_array().unwrap().len(), 1);
    place.stripe.delete(&format!("/v1/customers/{customer}")).await.ok();
    let left = place.stripe.get(SUBSCRIPTIONS).await.ok();
    assert_eq!(left["data"], json!([]), "subscriptions end with their customer");
}
