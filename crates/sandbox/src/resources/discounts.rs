//! Discounts: what a coupon takes off an invoice, given to that invoice or to a subscription for
//! all of its invoices while it lasts. They are told only where they were given.

use serde_json::{Map, Value, json};

use super::Context;
use crate::calendar::{self, Interval};
use crate::errors::Failure;
use crate::ids;
use crate::money;
use crate::objects::keep;
use crate::state::{Record, Transaction};

/// Percentages are reckoned with in hundred-thousandths of a percent.
const HUNDRED_THOUSAND: i64 = 100_000;

/// The coupons that the parameter `discounts` names, if they can be redeemed in a currency.
pub(super) fn coupons(ctx: &Context<'_>, currency: &str) -> Result<Vec<Record>, Failure> {
    let sent = ctx.params.get("discounts").and_then(Value::as_array);
    let mut coupons = Vec::new();
    for (index, discount) in sent.into_iter().flatten().enumerate() {
        let path = |name: &str| format!("discounts[{index}][{name}]");
        for name in ["discount", "promotion_code"] {
            if discount.get(name).is_some() {
                let what = format!("the parameter `{}`", path(name));
                return Err(Failure::unsupported(what).param(path(name)));
            }
        }
        let id = discount.get("coupon").and_then(Value::as_str);
        let id = id.ok_or_else(|| Failure::missing(&path("coupon")))?;
        let missing = || Failure::missing_reference("coupon", id, &path("coupon"));
        let coupon = ctx.tx.get("coupon", id).ok_or_else(missing)?;
        if !redeemable(coupon, ctx.tx.now) {
            let message = format!("the coupon '{id}' has expired or has been redeemed as often as it can be");
            return Err(Failure::refused(message).code("coupon_expired").param(path("coupon")));
        }
        if coupon.value.contains_key("amount_off") && coupon.text("currency") != currency {
            let message =
                format!("the coupon '{id}' is in `{}`, not in `{currency}`", coupon.text("currency"));
            return Err(Failure::refused(message).param(path("coupon")));
        }
        coupons.push(coupon.clone());
    }
    Ok(coupons)
}

/// Whether a coupon can be redeemed at a time.
pub(super) fn redeemable(coupon: &Record, now: i64) -> bool {
    let number = |name: &str| coupon.value.get(name).and_then(Value::as_i64);
    number("redeem_by").is_none_or(|by| now < by)
        && number("max_redemptions").is_none_or(|most| coupon.integer("times_redeemed") < most)
}

/// Redeems coupons for an object, a subscription or an invoice; answers the ids of the discounts.
pub(super) fn give(tx: &mut Transaction<'_>, coupons: Vec<Record>, owner: &Record) -> Vec<String> {
    let now = tx.now;
    let mut given = Vec::new();
    for mut coupon in coupons {
        let id = ids::fresh("di_1", 23);
        let months = coupon.value.get("duration_in_months").and_then(Value::as_i64);
        let discount = json!({
            "id": id,
            "customer": owner.text("customer"),
            "end": months.map(|months| calendar::later(now, Interval::Month, months)),
            "source": {"coupon": coupon.id, "type": "coupon"},
            "start": now,
            owner.object(): owner.id,
        });
        tx.create(&id, now, keep("discount", discount, Map::new()));
        coupon.set("times_redeemed", coupon.integer("times_redeemed") + 1);
        tx.put(coupon);
        given.push(id);
    }
    given
}

/// What a discount takes off an amount.
fn amount_off(tx: &Transaction<'_>, discount: &str, amount: i64) -> i64 {
    let source = tx.get("discount", discount).and_then(|discount| discount.value.get("source"));
    let coupon = source.and_then(|source| source["coupon"].as_str()).and_then(|id| tx.get("coupon", id));
    let Some(coupon) = coupon else { return 0 };
    match coupon.value.get("percent_off") {
        Some(percent) => {
            let share = money::times(&percent.to_string(), HUNDRED_THOUSAND);
            part(amount, share.unwrap_or(0), 100 * HUNDRED_THOUSAND)
        }
        None => coupon.integer("amount_off").min(amount),
    }
}

/// A share of an amount, to the nearest unit.
fn part(amount: i64, share: i64, whole: i64) -> i64 {
    let product = i128::from(amount) * i128::from(share) * 2 + i128::from(whole);
    i64::try_from(product.div_euclid(i128::from(whole) * 2)).unwrap_or(amount)
}

/// Takes the discounts of an invoice off its lines; answers what each takes off in all.
pub(super) fn take_off(tx: &mut Transaction<'_>, invoice: &Record) -> Vec<(String, i64)> {
    let discounts: Vec<String> = ids_of(invoice).map(str::to_owned).collect();
    if discounts.is_empty() {
        return Vec::new();
    }
    let lines = tx.all("line_item", ("invoice", &invoice.id));
    let mut lines: Vec<Record> =
        lines.filter(|line| line.value.get("discountable") == Some(&Value::Bool(true))).cloned().collect();
    let whole = lines.iter().map(|line| line.integer("amount")).sum::<i64>().max(0);
    let mut left = whole;
    let mut taken = Vec::new();
    for discount in discounts {
        let off = amount_off(tx, &discount, left);
        left -= off;
        taken.push((discount, off));
    }
    // What a line bears is what it adds to the rounded share of all lines up to it.
    let mut before = 0;
    for line in &mut lines {
        let upto = before + line.integer("amount");
        let share = |off: i64, at: i64| if whole == 0 { 0 } else { part(off, at, whole) };
        let amounts = taken.iter().map(|(discount, off)| {
            json!({"amount": share(*off, upto) - share(*off, before), "discount": discount})
        });
        let amounts: Vec<Value> = amounts.collect();
        line.set("discount_amounts", amounts);
        before = upto;
    }
    for line in lines {
        tx.put(line);
    }
    taken
}

/// The ids of the discounts that an object has.
pub(super) fn ids_of(owner: &Record) -> impl Iterator<Item = &str> {
    let discounts = owner.value.get("discounts").and_then(Value::as_array);
    discounts.into_iter().flatten().filter_map(Value::as_str)
}

/// The discounts of a subscription that still last at a time.
pub(super) fn lasting(tx: &Transaction<'_>, subscription: &Record) -> Vec<String> {
    let now = tx.now;
    let lasts = |id: &&str| {
        let end = tx.get("discount", id).and_then(|discount| discount.value.get("end")?.as_i64());
        end.is_none_or(|end| now < end)
    };
    ids_of(subscription).filter(lasts).map(str::to_owned).collect()
}

/// Whether a discount is for one invoice only.
pub(super) fn is_once(tx: &Transaction<'_>, discount: &str) -> bool {
    let source = tx.get("discount", discount).and_then(|discount| discount.value.get("source"));
    let coupon = source.and_then(|source| source["coupon"].as_str()).and_then(|id| tx.get("coupon", id));
    coupon.is_some_and(|coupon| coupon.text("duration") == "once")
}
