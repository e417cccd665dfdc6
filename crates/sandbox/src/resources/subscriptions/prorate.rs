//! Prorations: what is given back for the unused rest of a period, and what the rest costs anew.
//! They are pending invoice items until an invoice takes them.

use serde_json::json;

use super::bill;
use crate::resources::{invoiceitems, prices};
use crate::state::{Record, Transaction};

/// Whether time is given back or charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Unused,
    Remaining,
}

/// Makes the pending item for the rest of an item's period at a price and quantity.
pub(super) fn add(tx: &mut Transaction<'_>, item: &Record, price: &Record, quantity: i64, side: Side) {
    let now = tx.now;
    let (start, end) = (item.integer("current_period_start"), item.integer("current_period_end"));
    let whole = prices::cost(price, quantity);
    let amount = share(whole, end - now, end - start);
    if end <= now || amount == 0 {
        return;
    }
    let (amount, what) = match side {
        Side::Unused => (-amount, "Unused time on"),
        Side::Remaining => (amount, "Remaining time on"),
    };
    let Some(subscription) = tx.get("subscription", item.text("subscription")) else { return };
    let set = json!({
        "amount": amount,
        "currency": price.text("currency"),
        "customer": subscription.text("customer"),
        "description": format!("{what} {quantity} × {}", bill::product_name(tx, price)),
        "discountable": false,
        "parent": {
            "subscription_details": {"subscription": subscription.id, "subscription_item": item.id},
            "type": "subscription_details",
        },
        "period": {"end": end, "start": now},
        "pricing": prices::pricing(price),
        "proration": true,
        "quantity": quantity,
    });
    invoiceitems::add_pending(tx, set.as_object().cloned().unwrap_or_default());
}

/// A share of an amount, to the nearest unit.
fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole <= 0 {
        return 0;
    }
    let product = i128::from(amount) * i128::from(part.clamp(0, whole));
    let rounded = (product + i128::from(whole) / 2) / i128::from(whole);
    i64::try_from(rounded).unwrap_or(amount)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[track_caller]
    fn check(amount: i64, part: i64, whole: i64, expect: i64) {
        assert_eq!(share(amount, part, whole), expect, "{amount} × {part}/{whole}");
    }

    #[test]
    fn shares_are_rounded_to_the_nearest_unit() {
        check(1000, 15, 30, 500);
        check(1000, 1, 3, 333);
        check(1000, 2, 3, 667);
        check(1, 1, 2, 1);
        check(1000, 40, 30, 1000);
        check(1000, -1, 30, 0);
        check(1000, 1, 0, 0);
    }
}
