//! Subscriptions: how they begin, change, end, and what they bill as time goes by.

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
        (&[owner, basic, trial, ("discounts[0][coupon]", "c")], "sandbox_unsupported discounts"),
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
async fn an_incomplete_one_is_completed_or_expires() {
    let place = place().await;
    let behavior = ("payment_behavior", "default_incomplete");
    let expand = ("expand[]", "latest_invoice.confirmation_secret");
    let made = place.try_create(&[behavior, expand]).await.ok();
    let secret = made["latest_invoice"]["confirmation_secret"]["client_secret"].as_str().unwrap();
    let intent = secret.split_once("_secret_").unwrap().0;
    let confirm = format!("/v1/payment_intents/{intent}/confirm");
    place.stripe.post(&confirm, &[("payment_method", &place.method)]).await.ok();
    assert_eq!(place.get(&made).await["status"], "active");
    let left = place.try_create(&[behavior]).await.ok();
    place.advance(24 * 3600).await;
    let expired = place.get(&left).await;
    assert_eq!(
        (&expired["status"], &expired["latest_invoice"]["status"]),
        (&json!("incomplete_expired"), &json!("void"))
    );
    assert_eq!(place.get(&made).await["status"], "active");
}

#[tokio::test]
async fn periods_renew_and_their_invoices_are_charged() {
    let place = place().await;
    let made = place.active().await;
    let end = item(&made)["current_period_end"].as_i64().unwrap();
    let start = item(&made)["current_period_start"].as_i64().unwrap();
    assert!([28, 29, 30, 31].contains(&((end - start) / DAY)), "a month");
    place.advance(end - start).await;
    let renewed = place.get(&made).await;
    assert_eq!(item(&renewed)["current_period_start"], end);
    let invoice = &renewed["latest_invoice"];
    assert_eq!(
        (&invoice["status"], &invoice["billing_reason"]),
        (&json!("draft"), &json!("subscription_cycle"))
    );
    assert_eq!(
        (&invoice["total"], &invoice["lines"]["data"][0]["period"]["start"]),
        (&json!(3000), &json!(end))
    );
    place.advance(3700).await;
    let paid = place.get(&made).await;
    assert_eq!((&paid["latest_invoice"]["status"], &paid["status"]), (&json!("paid"), &json!("active")));
    place.advance(366 * DAY).await;
    assert_eq!(place.invoices().await.len(), 14, "the first, that one, and twelve months");
}

#[tokio::test]
async fn a_renewal_that_is_not_paid_makes_it_past_due() {
    let place = place().await;
    let made = place.active().await;
    let failing = attach(&place.stripe, &place.customer, "pm_card_chargeCustomerFail").await;
    place.update(&made, &[("default_payment_method", &failing)]).await.ok();
    place.advance(32 * DAY).await;
    let late = place.get(&made).await;
    assert_eq!((&late["status"], &late["latest_invoice"]["status"]), (&json!("past_due"), &json!("open")));
    let pay = format!("/v1/invoices/{}/pay", id(&late["latest_invoice"]));
    place.stripe.post(&pay, &[("payment_method", &place.method)]).await.ok();
    assert_eq!(place.get(&made).await["status"], "active");
}

#[tokio::test]
async fn trials_end_as_they_were_told() {
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[], "past_due"),
        (&[("trial_settings[end_behavior][missing_payment_method]", "cancel")], "canceled"),
        (&[("trial_settings[end_behavior][missing_payment_method]", "pause")], "paused"),
        (&[("cancel_at_period_end", "true")], "canceled"),
        (&[("collection_method", "send_invoice"), ("days_until_due", "5")], "active"),
    ];
    for (params, expect) in rows {
        let place = place().await;
        let made = place.try_create(&[&[("trial_period_days", "14")], *params].concat()).await.ok();
        let end = made["trial_end"].as_i64().unwrap();
        assert_eq!(end, made["trial_start"].as_i64().unwrap() + 14 * DAY);
        assert_eq!(item(&made)["current_period_end"], end);
        place.advance(13 * DAY).await;
        assert_eq!(place.get(&made).await["status"], "trialing");
        place.advance(DAY + 4000).await;
        assert_eq!(place.get(&made).await["status"], *expect, "{params:?}");
    }
    let place = place().await;
    let trial = [("trial_period_days", "14"), ("default_payment_method", &*place.method)];
    let made = place.try_create(&trial).await.ok();
    place.advance(14 * DAY + 4000).await;
    let paid = place.get(&made).await;
    assert_eq!((&paid["status"], &paid["latest_invoice"]["amount_paid"]), (&json!("active"), &json!(3000)));
    let made = place.try_create(&trial).await.ok();
    let ended = place.update(&made, &[("trial_end", "now")]).await.ok();
    assert_eq!((&ended["status"], &ended["latest_invoice"]["amount_paid"]), (&json!("active"), &json!(3000)));
    assert_eq!(item(&ended)["current_period_start"], ended["trial_end"]);
    let longer = ended["created"].as_i64().unwrap() + 60 * DAY;
    let again = place.update(&made, &[("trial_end", &longer.to_string())]).await.ok();
    assert_eq!((&again["status"], &item(&again)["current_period_end"]), (&json!("trialing"), &json!(longer)));
}

#[tokio::test]
async fn changed_items_are_prorated_as_asked() {
    for (behavior, pending, invoiced) in
        [("", 2, 0), ("create_prorations", 2, 0), ("none", 0, 0), ("always_invoice", 0, 1)]
    {
        let place = place().await;
        let made = place.active().await;
        let (start, end) = (
            item(&made)["current_period_start"].as_i64().unwrap(),
            item(&made)["current_period_end"].as_i64().unwrap(),
        );
        place.advance((end - start) / 2).await;
        let item_id = id(item(&made));
        let mut params = vec![("items[0][id]", &*item_id), ("items[0][price]", &*place.better)];
        if !behavior.is_empty() {
            params.push(("proration_behavior", behavior));
        }
        let changed = place.update(&made, &params).await.ok();
        assert_eq!(changed["items"]["data"].as_array().unwrap().len(), 1, "replaced, not added");
        assert_eq!(
            (&item(&changed)["price"]["id"], &item(&changed)["id"]),
            (&json!(place.better), &json!(item_id))
        );
        let amounts = place.pending().await;
        assert_eq!(amounts.len(), pending, "{behavior}");
        if pending > 0 {
            assert!((amounts[0] + 1500).abs() <= 1 && (amounts[1] - 3000).abs() <= 1, "{amounts:?}");
        }
        let invoices = place.invoices().await;
        assert_eq!(invoices.len(), 1 + invoiced, "{behavior}");
        if invoiced > 0 {
            let invoice = &changed["latest_invoice"];
            assert_eq!(
                (&invoice["status"], &invoice["billing_reason"]),
                (&json!("paid"), &json!("subscription_update"))
            );
            assert!((invoice["total"].as_i64().unwrap() - 1500).abs() <= 1);
            let details = &invoice["lines"]["data"][0]["parent"]["subscription_item_details"];
            assert_eq!((&details["proration"], &details["subscription"]), (&json!(true), &made["id"]));
        }
        place.advance(end - start).await;
        let next = place.get(&made).await["latest_invoice"]["total"].as_i64().unwrap();
        assert!((next - if pending > 0 { 7500 } else { 6000 }).abs() <= 1, "{behavior}: {next}");
    }
}

#[tokio::test]
async fn items_without_an_id_are_added() {
    let place = place().await;
    let made = place.active().await;
    let own = id(item(&made));
    let added =
        place.update(&made, &[("items[0][price]", &place.better), ("items[0][quantity]", "2")]).await.ok();
    assert_eq!(added["items"]["data"].as_array().unwrap().len(), 2);
    let second = id(&added["items"]["data"][1]);
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[("items[0][id]", "si_x")], "resource_missing items[0][id]"),
        (&[("items[0][price]", &*place.better)], "- items"),
        (&[("items[0][quantity]", "2")], "parameter_missing items[0][price]"),
        (&[("items[0][deleted]", "true")], "parameter_missing items[0][id]"),
        (&[("items[0][id]", &*own), ("items[0][price]", &*place.yearly)], "sandbox_unsupported items"),
        (
            &[
                ("items[0][id]", &*own),
                ("items[0][deleted]", "true"),
                ("items[1][id]", &*second),
                ("items[1][deleted]", "true"),
            ],
            "- items",
        ),
        (&[("payment_behavior", "pending_if_incomplete")], "sandbox_unsupported payment_behavior"),
        (&[("default_payment_method", "pm_x")], "resource_missing default_payment_method"),
    ];
    for (params, error) in rows {
        let reply = place.update(&made, params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{params:?}: {}", reply.body);
    }
    let less = place.update(&made, &[("items[0][id]", &own), ("items[0][deleted]", "true")]).await.ok();
    assert_eq!((&less["items"]["data"].as_array().unwrap().len(), &id(item(&less))), (&1, &second));
    let page = place.stripe.get(&format!("/v1/subscription_items?subscription={}", id(&made))).await.ok();
    assert_eq!(page["data"], less["items"]["data"]);
    let noted = [("metadata[a]", "1"), ("description", "d")];
    let noted = place.update(&made, &noted).await.ok();
    assert_eq!((&noted["metadata"], &noted["description"]), (&json!({"a": "1"}), &json!("d")));
}

#[tokio::test]
async fn another_interval_begins_a_new_period() {
    let place = place().await;
    let made = place.active().await;
    place.advance(10 * DAY).await;
    let own = id(item(&made));
    let yearly = [("items[0][id]", &*own), ("items[0][price]", &*place.yearly)];
    let changed = place.update(&made, &yearly).await.ok();
    let (start, end) = (&item(&changed)["current_period_start"], &item(&changed)["current_period_end"]);
    assert_eq!(changed["billing_cycle_anchor"], *start);
    assert!((365..=366).contains(&((end.as_i64().unwrap() - start.as_i64().unwrap()) / DAY)));
    let invoice = &changed["latest_invoice"];
    assert_eq!(invoice["status"], "paid");
    let total = invoice["total"].as_i64().unwrap();
    assert!((27_700..28_200).contains(&total), "30000 less two thirds of 3000: {total}");
}

#[tokio::test]
async fn ends_come_at_once_or_with_the_period() {
    let place = place().await;
    let later = place.active().await;
    let set = place.update(&later, &[("cancel_at_period_end", "true")]).await.ok();
    assert_eq!((&set["cancel_at"], &set["status"]), (&item(&set)["current_period_end"], &json!("active")));
    assert_eq!(set["cancellation_details"]["reason"], "cancellation_requested");
    let unset = place.update(&later, &[("cancel_at_period_end", "false")]).await.ok();
    assert_eq!((&unset["cancel_at"], &unset["canceled_at"]), (&json!(null), &json!(null)));
    place.update(&later, &[("cancel_at_period_end", "true")]).await.ok();
    let path = format!("{SUBSCRIPTIONS}/{}", id(&place.active().await));
    let gone = place.stripe.delete(&format!("{path}?cancellation_details[comment]=bye")).await.ok();
    assert_eq!((&gone["status"], &gone["ended_at"]), (&json!("canceled"), &gone["canceled_at"]));
    assert_eq!(gone["cancellation_details"]["comment"], "bye");
    assert_eq!(place.stripe.delete(&path).await.error(), "404 invalid_request_error resource_missing id");
    let noted = place.stripe.post(&path, &[("metadata[a]", "1")]).await.ok();
    assert_eq!(noted["metadata"], json!({"a": "1"}));
    let reply = place.stripe.post(&path, &[("description", "x")]).await;
    assert_eq!(reply.error(), "400 invalid_request_error - description");
    place.advance(32 * DAY).await;
    let ended = place.get(&later).await;
    assert_eq!((&ended["status"], &ended["ended_at"]), (&json!("canceled"), &set["cancel_at"]));
    assert_eq!(place.invoices().await.len(), 2, "neither is billed again");
}

#[tokio::test]
async fn a_final_invoice_settles_what_is_left() {
    for (query, pending, totals) in [
        ("", 0, vec![]),
        ("?prorate=true", 1, vec![]),
        ("?invoice_now=true", 0, vec![]),
        ("?invoice_now=true&prorate=true", 0, vec![-1500]),
    ] {
        let place = place().await;
        let made = place.active().await;
        let start = item(&made)["current_period_start"].as_i64().unwrap();
        place.advance((item(&made)["current_period_end"].as_i64().unwrap() - start) / 2).await;
        let gone = place.stripe.delete(&format!("{SUBSCRIPTIONS}/{}{query}", id(&made))).await.ok();
        assert_eq!(gone["status"], "canceled");
        assert_eq!(place.pending().await.len(), pending, "{query}");
        let invoices = place.invoices().await;
        let made: Vec<i64> =
            invoices[..invoices.len() - 1].iter().map(|it| it["total"].as_i64().unwrap()).collect();
        assert_eq!(made.len(), totals.len(), "{query}");
        assert!(made.iter().zip(&totals).all(|(made, expect)| (made - expect).abs() <= 1), "{made:?}");
        let customer = place.stripe.get(&format!("/v1/customers/{}", place.customer)).await.ok();
        let balance = customer["balance"].as_i64().unwrap();
        assert_eq!(
            balance,
            made.first().copied().unwrap_or(0),
            "{query}: the credit is kept for the customer"
        );
    }
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
