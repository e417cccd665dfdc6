//! What subscriptions do as time goes by: expire, renew, fall behind, end their trials.

use serde_json::json;

use super::{DAY, attach, item, place};
use crate::stripe::id;

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
