//! Webhook endpoints: where an account wants its events to be sent, and which. The secret that signs them is
//! told once, when the endpoint is made. Addresses may be anywhere, without TLS too.

use serde_json::{Map, Value, json};

use super::{Action, Context, answer, deleted};
use crate::errors::Failure;
use crate::ids;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::state::Record;

/// The most endpoints of one account.
const MOST: usize = 16;

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostWebhookEndpoints",
        takes: &["api_version", "connect", "description", "enabled_events", "metadata", "url"],
        clears: &[],
        run: create,
    },
    Action { operation: "GetWebhookEndpointsWebhookEndpoint", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "GetWebhookEndpoints",
        takes: &["ending_before", "limit", "starting_after"],
        clears: &[],
        run: list,
    },
    Action {
        operation: "PostWebhookEndpointsWebhookEndpoint",
        takes: &["description", "disabled", "enabled_events", "metadata", "url"],
        clears: &[],
        run: update,
    },
    Action { operation: "DeleteWebhookEndpointsWebhookEndpoint", takes: &[], clears: &[], run: delete },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    check(ctx)?;
    let count = ctx.tx.list("webhook_endpoint", None).map_or(0, |list| list.len());
    if count >= MOST {
        let message =
            format!("an account has at most {MOST} webhook endpoints; delete one that is not needed");
        return Err(Failure::refused(message));
    }
    let mut set = Map::new();
    params.copy(&["api_version", "description", "enabled_events", "url"], &mut set);
    set.insert("metadata".to_owned(), params.metadata(&Value::Null)?);
    let (id, now) = (ids::fresh("we_1", 23), ctx.tx.now);
    let defaults = json!({"id": id, "created": now, "livemode": false, "status": "enabled"});
    let secret = ids::fresh("whsec_", 32);
    let mut record = ctx.tx.create(&id, now, keep("webhook_endpoint", defaults, set));
    record.hidden.insert("secret".to_owned(), json!(secret));
    record.hidden.insert("connect".to_owned(), json!(params.flag("connect").unwrap_or(false)));
    ctx.tx.put(record.clone());
    let mut told = answer(&ctx.tx, &record);
    told["secret"] = json!(secret);
    Ok(told)
}

/// Refuses what is no address, and an endpoint that wants nothing.
fn check(ctx: &Context<'_>) -> Result<(), Failure> {
    if let Some(url) = ctx.params.text("url")
        && !is_address(url)
    {
        let message = format!("Invalid URL: `{url}` must be an absolute http or https address");
        return Err(Failure::invalid(message).code("url_invalid").param("url"));
    }
    if ctx.params.get("enabled_events").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        let message = "give at least one type of event in `enabled_events`, or `*` for all";
        return Err(Failure::invalid(message).param("enabled_events"));
    }
    Ok(())
}

fn is_address(url: &str) -> bool {
    let parsed = reqwest::Url::parse(url);
    parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = named(ctx)?;
    Ok(answer(&ctx.tx, &record))
}

fn named(ctx: &Context<'_>) -> Result<Record, Failure> {
    ctx.named("webhook_endpoint", "webhook_endpoint")
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let url = "/v1/webhook_endpoints".to_owned();
    let listing = Listing { object: "webhook_endpoint", url, by: None, order: Order::NewestFirst };
    paging::page(ctx, &listing, |_| true)
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut record = named(ctx)?;
    check(ctx)?;
    let mut set = Map::new();
    params.copy(&["description", "enabled_events", "url"], &mut set);
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), params.metadata(&before)?);
    if let Some(disabled) = params.flag("disabled") {
        set.insert("status".to_owned(), json!(if disabled { "disabled" } else { "enabled" }));
    }
    record.apply(set);
    ctx.tx.put(record.clone());
    Ok(answer(&ctx.tx, &record))
}

fn delete(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = named(ctx)?;
    ctx.tx.remove(&record.id);
    Ok(deleted("webhook_endpoint", &record.id))
}
