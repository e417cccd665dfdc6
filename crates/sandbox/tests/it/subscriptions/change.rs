//! How subscriptions are changed and ended, and what that costs.

use serde_json::json;

use super::{DAY, SUBSCRIPTIONS, item, place};
use crate::stripe::id;

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
