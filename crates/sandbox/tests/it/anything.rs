//! Many calls in any order: each answer has its shape (the client sees to that), none is a fault of
//! the sandbox, and at the end the books are right and each event has its shape.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::stripe::Stripe;

/// Calls that undo much; they come less often than the others.
const RARE: &[&str] = &["DELETE customers", "POST payment_methods/{payment_method}/detach"];

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<'a>(&mut self, from: &'a [&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// Calls as `METHOD path parameter=choices…`. `{kind}` stands for an id of a kind, choices are parted
/// by `|`, and `?` before a parameter leaves it out at times.
const CALLS: &[&str] = &[
    "POST customers email=a@b.ch ?payment_method=pm_card_visa ?balance=-500|300|0",
    "POST customers/{customer} ?name=Ada| ?metadata[a]=1| ?invoice_settings[default_payment_method]={payment_method}",
    "DELETE customers/{customer}",
    "POST payment_methods/pm_card_visa/attach customer={customer}",
    "POST payment_methods/pm_card_chargeCustomerFail/attach customer={customer}",
    "POST payment_methods/pm_card_authenticationRequired/attach customer={customer}",
    "POST payment_methods/{payment_method}/detach",
    "POST products name=Pro",
    "POST prices product={product} currency=usd unit_amount=0|999|2000 recurring[interval]=day|week|month|year",
    "POST prices product={product} currency=usd|eur unit_amount=700",
    "POST coupons percent_off=12.5|100 duration=once|forever",
    "POST invoices customer={customer} auto_advance=true|false ?default_payment_method={payment_method} ?discounts[0][coupon]={coupon}",
    "POST invoices customer={customer} collection_method=send_invoice days_until_due=30 pending_invoice_items_behavior=include",
    "POST invoiceitems customer={customer} amount=500|-300|100000 ?invoice={invoice}",
    "POST invoiceitems customer={customer} pricing[price]={price} ?quantity=3 ?invoice={invoice}",
    "POST invoices/{invoice} ?auto_advance=true|false ?description=x ?metadata[b]=2 ?days_until_due=3 ?collection_method=send_invoice|charge_automatically",
    "POST invoices/{invoice}/finalize ?auto_advance=true",
    "POST invoices/{invoice}/pay ?payment_method={payment_method} ?paid_out_of_band=true|false ?off_session=true|false",
    "POST invoices/{invoice}/send",
    "POST invoices/{invoice}/void",
    "POST invoices/{invoice}/mark_uncollectible",
    "DELETE invoices/{invoice}",
    "POST payment_intents amount=9900 currency=usd payment_method_types[]=card payment_method=pm_card_visa confirm=true ?capture_method=manual ?customer={customer}",
    "POST payment_intents amount=500 currency=eur payment_method_types[]=card ?payment_method=pm_card_visa",
    "POST payment_intents amount=500|9900 currency=usd|eur payment_method_types[]=card ?customer={customer} ?payment_method={payment_method}|pm_card_visa|pm_card_chargeDeclined ?confirm=true ?capture_method=manual|automatic ?setup_future_usage=off_session",
    "POST payment_intents/{payment_intent} ?amount=700 ?metadata[c]=3 ?payment_method=pm_card_visa",
    "POST payment_intents/{payment_intent}/confirm ?payment_method={payment_method}|pm_card_visa|pm_card_threeDSecure2Required ?off_session=true",
    "POST payment_intents/{payment_intent}/capture ?amount_to_capture=100|500|9900",
    "POST payment_intents/{payment_intent}/cancel",
    "POST refunds payment_intent={payment_intent} ?amount=100|400",
    "POST subscriptions customer={customer} items[0][price]={price} ?items[0][quantity]=2 ?items[1][price]={price} ?trial_period_days=2|14 ?discounts[0][coupon]={coupon} ?default_payment_method={payment_method} ?payment_behavior=default_incomplete|error_if_incomplete ?cancel_at_period_end=true",
    "POST subscriptions customer={customer} items[0][price]={price} collection_method=send_invoice days_until_due=5",
    "POST subscriptions/{subscription} ?items[0][price]={price} ?items[0][id]={subscription_item} ?items[0][quantity]=0|5 ?items[0][deleted]=true|false ?proration_behavior=none|always_invoice|create_prorations ?cancel_at_period_end=true|false ?trial_end=now",
    "POST subscriptions/{subscription} default_payment_method={payment_method}",
    "DELETE subscriptions/{subscription} ?invoice_now=true|false ?prorate=true|false",
    "GET invoices ?customer={customer} ?status=open|paid ?subscription={subscription} ?expand[]=data.payments|data.customer",
    "GET subscriptions ?status=all|ended|active ?customer={customer} ?price={price} ?expand[]=data.latest_invoice.payments",
    "GET balance_transactions ?type=charge|refund ?expand[]=data.source",
    "GET payment_intents/{payment_intent} ?expand[]=latest_charge.refunds|customer|payment_method",
];

/// Writes a call out: its method, path and parameters.
fn write(
    dice: &mut Dice,
    call: &str,
    seen: &HashMap<String, Vec<String>>,
) -> (reqwest::Method, String, String) {
    let mut parts = call.split(' ');
    let method = parts.next().unwrap().parse().unwrap();
    let path = fill(dice, parts.next().unwrap(), seen);
    let mut params = Vec::new();
    for part in parts {
        let (name, choices) = part.split_once('=').unwrap();
        let (optional, name) = name.strip_prefix('?').map_or((false, name), |name| (true, name));
        if optional && dice.roll(2) == 0 {
            continue;
        }
        let choices: Vec<&str> = choices.split('|').collect();
        let choice = dice.pick(&choices).to_owned();
        params.push((name, fill(dice, &choice, seen)));
    }
    let pairs: Vec<(&str, &str)> = params.iter().map(|(name, value)| (*name, &**value)).collect();
    (method, format!("/v1/{path}"), crate::stripe::encode(&pairs))
}

/// Puts an id of the kind in braces into a text, one of the newest.
fn fill(dice: &mut Dice, text: &str, seen: &HashMap<String, Vec<String>>) -> String {
    let Some((before, rest)) = text.split_once('{') else { return text.to_owned() };
    let (kind, after) = rest.split_once('}').unwrap();
    let newest: Vec<&str> = seen.get(kind).into_iter().flatten().rev().take(3).map(String::as_str).collect();
    let id = if newest.is_empty() { "none" } else { dice.pick(&newest) };
    format!("{before}{id}{after}")
}

/// Notes the ids of all objects within an answer.
fn note(value: &Value, seen: &mut HashMap<String, Vec<String>>) {
    if let (Some(id), Some(kind)) = (value["id"].as_str(), value["object"].as_str())
        && value["deleted"] != true
    {
        let ids = seen.entry(kind.to_owned()).or_default();
        if !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| note(item, seen)),
        Value::Object(fields) => fields.values().for_each(|item| note(item, seen)),
        _ => {}
    }
}

#[tokio::test]
async fn any_calls_in_any_order_leave_the_books_right() {
    for seed in 1..=4 {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let stripe = Stripe::start().await;
        let mut seen = HashMap::new();
        let mut done: HashMap<&str, usize> = HashMap::new();
        for _ in 0..800 {
            if dice.roll(15) == 0 {
                let seconds = [60, 4000, 86_400, 20 * 86_400][dice.roll(4)];
                stripe.control("POST", "clock", json!({"advance": seconds})).await.ok();
            }
            let call = dice.pick(CALLS);
            if RARE.iter().any(|rare| call.starts_with(rare)) && dice.roll(8) > 0 {
                continue;
            }
            let (method, path, params) = write(&mut dice, call, &seen);
            let get = method != reqwest::Method::POST;
            let (path, body) = if get { (format!("{path}?{params}"), "") } else { (path, &*params) };
            let reply = stripe.send(method, &path, body, &[]).await.unwrap();
            assert!(reply.status < 500, "seed {seed}: {call}: {path} {params}: {}", reply.body);
            assert_ne!(
                reply.body["error"]["code"], "parameter_unknown",
                "{call}: {path} {params}: {}",
                reply.body
            );
            *done.entry(call).or_default() += usize::from(reply.status == 200);
            note(&reply.body, &mut seen);
        }
        let never = CALLS.iter().filter(|call| done.get(**call).is_none_or(|count| *count == 0)).count();
        assert!(never <= 4, "seed {seed}: too few of the calls went through: {done:#?}");
        check_books(&stripe, seed).await;
        assert!(crate::events::after(&stripe, None).await.len() > 20, "seed {seed}");
    }
}

async fn check_books(stripe: &Stripe, seed: u64) {
    let all = stripe.control("GET", "objects", json!(null)).await.ok();
    let objects = all["objects"].as_array().unwrap();
    let of = |kind: &'static str| objects.iter().filter(move |object| object["object"] == kind);
    let sum = |kind, name: &str| of(kind).map(|object| object[name].as_i64().unwrap()).sum::<i64>();
    for object in objects {
        let problems = loopfour_sandbox::shape::problems(object);
        assert_eq!(problems, [""; 0], "seed {seed}: {object:#}");
    }
    let taken = sum("charge", "amount_captured") - sum("refund", "amount");
    assert_eq!(taken, sum("balance_transaction", "amount"), "seed {seed}");
    for invoice in of("invoice") {
        let amount = |name: &str| invoice[name].as_i64().unwrap();
        assert_eq!(amount("amount_due"), amount("amount_paid") + amount("amount_remaining"), "{invoice:#}");
        let lines = of("line_item").filter(|line| line["invoice"] == invoice["id"]);
        let lines: i64 = lines.map(|line| line["amount"].as_i64().unwrap()).sum();
        assert_eq!(lines, amount("subtotal"), "{invoice:#}");
        let off = invoice["total_discount_amounts"].as_array().unwrap().iter();
        let off: i64 = off.map(|off| off["amount"].as_i64().unwrap()).sum();
        assert_eq!(amount("subtotal") - off, amount("total"), "{invoice:#}");
        assert_eq!(
            invoice["status"] == "paid",
            invoice["status_transitions"]["paid_at"].is_i64(),
            "{invoice:#}"
        );
    }
    for subscription in of("subscription") {
        let ended = ["canceled", "incomplete_expired"].contains(&subscription["status"].as_str().unwrap());
        assert_eq!(ended, subscription["ended_at"].is_i64(), "{subscription:#}");
        assert!(!subscription["items"]["data"].as_array().unwrap().is_empty(), "{subscription:#}");
    }
    for intent in of("payment_intent") {
        let received = intent["amount_received"].as_i64().unwrap();
        assert_eq!(intent["status"] == "succeeded", received > 0, "{intent:#}");
    }
}
