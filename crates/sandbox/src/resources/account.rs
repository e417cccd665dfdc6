//! `/v1/account`: which account a key belongs to.

use serde_json::{Map, Value, json};

use super::{Action, Context};
use crate::errors::Failure;
use crate::money::DEFAULT_CURRENCY;
use crate::objects::{complete, keep};

/// Where the account is at home.
pub(super) const COUNTRY: &str = "US";
/// What the account is called on its invoices.
pub(super) const NAME: &str = "Sandbox";

pub(super) const ACTIONS: &[Action] =
    &[Action { operation: "GetAccount", takes: &[], clears: &[], run: retrieve }];

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    Ok(object(ctx.tx.account))
}

/// The account object of an id.
pub(super) fn object(id: &str) -> Value {
    let account = json!({
        "id": id,
        "business_profile": {"name": NAME},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": true,
        "country": COUNTRY,
        "created": 1_704_067_200,
        "default_currency": DEFAULT_CURRENCY,
        "details_submitted": true,
        "email": "sandbox@example.com",
        "metadata": {},
        "payouts_enabled": true,
        "settings": {
            "branding": {},
            "card_payments": {},
            "dashboard": {"display_name": NAME, "timezone": "Etc/UTC"},
            "payments": {},
        },
        "type": "standard",
    });
    complete(keep("account", account, Map::new()))
}
