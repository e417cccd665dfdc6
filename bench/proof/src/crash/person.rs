//! What a person does with a run that is held since the outcome of a call is not known: looks for what the run may have
//! made, through the API and then at Stripe itself, and says what came of the call.

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::case::Case;
use super::feed::{Followed, stamped};
use crate::client::Client;
use crate::sandbox::Sandbox;

/// The steps that make an object, and its kind.
const MAKES: [(&str, &str); 3] =
    [("create-customer", "customer"), ("create-invoice", "invoice"), ("add-line-item", "invoiceitem")];

/// Resolves the step that the run waits for; whether the server took it.
///
/// # Errors
/// The server answers what it never should.
pub async fn resolve(server: &Client, sandbox: &Sandbox, followed: &Followed, run: &Value) -> Result<bool> {
    let step = run["waiting"]["stepId"].as_str().context("a run that is held names its step")?;
    let path = format!("/api/v1/runs/{}/steps/{step}", followed.run);
    // For a call that changes an object the API tells that object, and whether it was changed is to be seen at Stripe.
    let Ok(found) = candidate(server, &path).await? else { return Ok(false) };
    let found = match found.filter(|_| MAKES.iter().any(|(makes, _)| *makes == step)) {
        Some(id) => Some(id),
        None => at_stripe(sandbox, followed, run, step).await?,
    };
    let body = match &found {
        Some(id) => json!({"reason": "found at Stripe", "outcome": "done", "id": id}),
        None => json!({"reason": "not there at Stripe", "outcome": "retry", "notDone": true}),
    };
    let Ok(answer) = server.call(Method::POST, &format!("{path}/resolve"), Some(&body)).await else {
        return Ok(false);
    };
    match answer.status {
        200 => Ok(true),
        // Killed in between, it may have been taken before; 503 where Stripe could not be read just now.
        409 | 503 => Ok(false),
        status => bail!("{path}/resolve {body} answered {status}: {}", answer.body),
    }
}

/// The object that the API finds; the inner error where it cannot look just now.
async fn candidate(server: &Client, path: &str) -> Result<Result<Option<String>, ()>> {
    let Ok(answer) = server.call(Method::POST, &format!("{path}/candidates"), None).await else {
        return Ok(Err(()));
    };
    match answer.status {
        200 => Ok(Ok(answer.body["data"]["candidates"][0]["id"].as_str().map(str::to_owned))),
        409 | 503 => Ok(Err(())),
        status => bail!("{path}/candidates answered {status}: {}", answer.body),
    }
}

/// What Stripe has, by its own books: the object that the step was to make or to change, if it did.
async fn at_stripe(
    sandbox: &Sandbox,
    followed: &Followed,
    run: &Value,
    step: &str,
) -> Result<Option<String>> {
    if let Case::Cancel(id) = &followed.case {
        let (subscriptions, _) = sandbox.objects("subscription").await?;
        let ended = subscriptions.iter().any(|object| object["id"] == **id && object["status"] == "canceled");
        return Ok(ended.then(|| id.clone()));
    }
    if let Some((_, kind)) = MAKES.iter().find(|(makes, _)| *makes == step) {
        let (objects, _) = sandbox.objects(kind).await?;
        let made = stamped(&objects, &followed.run, step).next();
        let made = made.and_then(|object| object["id"].as_str()).map(str::to_owned);
        if let Some(id) = &made {
            println!("{}: `{step}` made {id}, which `candidates` did not find", followed.run);
        }
        return Ok(made);
    }
    let (objects, hidden) = sandbox.objects("invoice").await?;
    let steps = run["steps"].as_array().context("a run has steps")?;
    let invoice = steps.iter().find(|step| step["stepId"] == "create-invoice");
    let invoice = invoice.and_then(|step| step["output"]["id"].as_str()).context("the invoice is made")?;
    let object = objects.iter().find(|object| object["id"] == invoice).context("the invoice is there")?;
    let done = match step {
        "finalize" => object["status"] == "open",
        _ => hidden[invoice]["sent_at"].is_i64(),
    };
    Ok(done.then(|| invoice.to_owned()))
}
