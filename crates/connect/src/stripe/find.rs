//! Looking for what a call of unknown outcome did, for a person who has to say what became of it (spec 11.4): the object
//! of an id, or the objects that carry the run. Nothing found proves nothing, and nothing is changed.

use std::sync::Arc;
use std::time::Duration;

use loopfour_engine::ports::{Candidate, Candidates, FindError};
use loopfour_engine::{
    Attempt, Effect, Failure, Finding, Outcome, Request, RunId, Sending, StepPath, Timestamp,
};
use loopfour_lang::catalog::Action;
use loopfour_lang::{Catalog, Document, Value};
use uuid::Uuid;

use super::call::{STAMP_RUN, STAMP_STEP};
use super::delete::{expansions, is_gone};
use super::value::cut;
use super::{Stripe, form};
use crate::pace::Place;

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pages of a hundred objects that are looked through.
const PAGES: u32 = 20;
/// Objects from so many seconds before the call are looked at too: clocks differ.
const SLACK: i64 = 3600;
/// Where objects say how much they are about; the first that is there.
const AMOUNTS: [&str; 4] = ["amount", "total", "amount_due", "unit_amount"];

impl Stripe {
    /// The object of that id, as the call would have given it.
    ///
    /// # Errors
    /// There is none, or it cannot come of this call, or Stripe does not say.
    pub(crate) async fn find(self: &Arc<Stripe>, request: &Request, id: &str) -> Result<Document, FindError> {
        let row = row(request)?;
        if id.is_empty() || id.len() > 255 || id == "." || id == ".." {
            return Err(unfit(format!("{:?} is not an id", cut(id, 80))));
        }
        let segment: String = form::encode(id).collect();
        let path = match own_object(row, request) {
            None => format!("{}/{segment}", request.path),
            Some((path, own)) if own == segment => path,
            Some((_, own)) => {
                return Err(unfit(format!(
                    "`{}` was about `{own}`, not about `{}`",
                    request.action,
                    cut(id, 80)
                )));
            }
        };
        let object = self.look_up(request, path, expansions(request)).await?;
        let Some(object) = object else {
            let account = &request.account;
            let place = account.id.as_deref().unwrap_or(&account.mode);
            return Err(unfit(format!("`{}` does not exist in {place}", cut(id, 80))));
        };
        let (kind, found) = (text(object.value(), "object"), text(object.value(), "id"));
        if found != Some(id) {
            return Err(unfit(format!("Stripe answered another object than `{}`", cut(id, 80))));
        }
        if let Some(due) = &row.returns
            && kind != Some(due)
        {
            let kind = kind.unwrap_or("nothing known");
            return Err(unfit(format!("`{id}` is {kind}, and `{}` gives {due}", request.action)));
        }
        match (request.effect, is_gone(object.value()), is_deleted(object.value())) {
            (Effect::Delete, false, _) => {
                Err(unfit(format!("`{id}` is there still: it is not canceled or deleted")))
            }
            (Effect::Write, _, true) => {
                Err(unfit(format!("`{id}` has been deleted: give the output instead")))
            }
            (Effect::Read | Effect::Write | Effect::Delete, ..) => Ok(object),
        }
    }

    /// The objects that may have come of a call: those that carry run and step, or the one that the call was about.
    ///
    /// # Errors
    /// The call makes objects and does not mark them, or Stripe gave no answer.
    pub(crate) async fn candidates(
        self: &Arc<Stripe>,
        request: &Request,
        run: RunId,
        path: &StepPath,
        since: Timestamp,
    ) -> Result<Candidates, FindError> {
        let row = row(request)?;
        if let Some((own, _)) = own_object(row, request) {
            let object = self.look_up(request, own, String::new()).await?;
            let found: Vec<Candidate> = object.iter().map(|object| candidate(object.value())).collect();
            let searched = u64::from(!found.is_empty());
            return Ok(Candidates { found, searched, complete: true, changes: true });
        }
        if !request.form.contains(&format!("metadata[{STAMP_RUN}]=")) {
            let message = "the call does not mark what it makes with its run, so nothing can be looked for";
            return Err(unfit(format!("{message}: look in Stripe's dashboard")));
        }
        let since = since.0.div_euclid(1000) - SLACK;
        let mut candidates = Candidates::default();
        let mut after = String::new();
        for _ in 0..PAGES {
            let query = format!("limit=100{}{after}", everything(&request.path));
            let Some(page) = self.look_up(request, request.path.clone(), query).await? else {
                return Err(FindError::Unavailable(format!("Stripe does not list {}", request.path)));
            };
            let Some(Value::Array(objects)) = page.value().get("data") else {
                return Err(FindError::Unavailable(format!(
                    "Stripe's list of {} has no `data`",
                    request.path
                )));
            };
            candidates.searched += u64::try_from(objects.len()).unwrap_or(u64::MAX);
            let marked = objects.iter().filter(|object| carries(object, run, path));
            candidates.found.extend(marked.map(candidate));
            // The newest come first.
            let last = objects.last();
            let is_older = last.and_then(made_at).is_some_and(|made| made < since);
            let more = page.value().get("has_more") == Some(&Value::Boolean(true));
            match last.and_then(|last| text(last, "id")) {
                Some(id) if more && !is_older => {
                    after = format!("&starting_after={}", form::encode(id).collect::<String>());
                }
                _ => {
                    candidates.complete = true;
                    break;
                }
            }
        }
        Ok(candidates)
    }

    /// Reads under the account of a call; none where nothing is there.
    async fn look_up(
        self: &Arc<Stripe>,
        call: &Request,
        path: String,
        query: String,
    ) -> Result<Option<Document>, FindError> {
        let request = Request {
            effect: Effect::Read,
            method: "GET".to_owned(),
            path,
            query,
            form: String::new(),
            ..call.clone()
        };
        let looked = async {
            let channel = self.open(&request.account).await?;
            self.pace(&channel, &request, Place::Ahead).await;
            let sending =
                Sending { request: &request, key: Uuid::nil(), timeout: PATIENCE, attempt: Attempt::First };
            match self.exchange(&channel, sending).await {
                Outcome::Done { output, .. } => Ok(output),
                Outcome::Failed(failure) => Err(failure),
            }
        };
        match tokio::time::timeout(2 * PATIENCE, looked).await {
            Ok(Ok(output)) => Ok(Some(output)),
            Ok(Err(failure)) => missing(&failure),
            Err(_) => Err(FindError::Unavailable(
                "Stripe was not reached in time: try again in a moment".to_owned(),
            )),
        }
    }
}

fn missing(failure: &Failure) -> Result<Option<Document>, FindError> {
    let error = &failure.error;
    if failure.finding == Finding::Refused {
        let absent = error.status == Some(404) || error.reason.as_deref() == Some("resource_missing");
        return if absent { Ok(None) } else { Err(unfit(error.message.clone())) };
    }
    Err(FindError::Unavailable(format!("{}: {}", error.message, error.hint)))
}

fn unfit(message: String) -> FindError {
    FindError::Unfit(message)
}

fn row(request: &Request) -> Result<&'static Action, FindError> {
    let row = Catalog::builtin().action(&request.action);
    match row {
        Some(row) if request.effect != Effect::Read => Ok(row),
        Some(_) => Err(unfit(format!("`{}` changes nothing: there is nothing to look for", request.action))),
        None => Err(unfit(format!("`{}` is not an action of this version", request.action))),
    }
}

/// The address of the object that the call is about, with its id as it stands there; none for a call that makes one.
fn own_object<'a>(row: &Action, request: &'a Request) -> Option<(String, &'a str)> {
    if row.stamps {
        return None;
    }
    let ids = row.path.split('/').enumerate().filter(|(_, segment)| segment.starts_with('{'));
    let (place, _) = ids.last()?;
    let segments: Vec<&str> = request.path.split('/').take(place + 1).collect();
    Some((segments.join("/"), segments.get(place).copied()?))
}

/// What a list leaves out unless it is asked for.
fn everything(path: &str) -> &'static str {
    if path == "/v1/subscriptions" { "&status=all" } else { "" }
}

fn carries(object: &Value, run: RunId, path: &StepPath) -> bool {
    let Some(metadata) = object.get("metadata") else { return false };
    text(metadata, STAMP_RUN) == Some(run.to_string().as_str()) && text(metadata, STAMP_STEP) == Some(&path.0)
}

fn candidate(object: &Value) -> Candidate {
    let owned = |name| text(object, name).map(str::to_owned);
    Candidate {
        id: owned("id").unwrap_or_default(),
        object: owned("object").unwrap_or_default(),
        created: made_at(object).unwrap_or_default(),
        amount: AMOUNTS.into_iter().find_map(|name| integer(object, name)),
        currency: owned("currency"),
        status: if is_deleted(object) { Some("deleted".to_owned()) } else { owned("status") },
    }
}

/// When an object was made; an invoice item calls it its date.
fn made_at(object: &Value) -> Option<i64> {
    integer(object, "created").or_else(|| integer(object, "date"))
}

fn is_deleted(object: &Value) -> bool {
    object.get("deleted") == Some(&Value::Boolean(true))
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_text)
}

fn integer(object: &Value, name: &str) -> Option<i64> {
    match object.get(name) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}
