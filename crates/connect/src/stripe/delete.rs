//! A DELETE, for which Stripe takes no idempotency key: whether it is done is seen by reading the object (spec 11.7).
//! Done already is success, whoever did it; the output is then the object as it was read.

use std::sync::Arc;

use loopfour_engine::{Attempt, Effect, Failure, Finding, Outcome, Request, Sending};
use loopfour_lang::Value;

use tokio::time::{Instant, timeout_at};

use super::door::Channel;
use super::{Stripe, error, unsent, until};
use crate::pace::Place;

/// What reading the object shows.
enum Look {
    /// It is done; this says so.
    Done(Outcome),
    /// It is not done.
    NotDone,
    /// There is no such object; this says so.
    Missing(Box<Failure>),
    /// Nothing can be told. Nor does it say anything of what was sent before.
    Unclear(Box<Failure>),
}

impl Stripe {
    /// Sends a delete once, unless it may have been sent before and is found done; all within the sending's time limit.
    pub(super) async fn delete(self: &Arc<Stripe>, channel: &Channel, sending: Sending<'_>) -> Outcome {
        let deadline = Instant::now() + sending.timeout;
        match sending.attempt {
            Attempt::First => {}
            Attempt::Again => match self.look(channel, sending, deadline).await {
                Look::Done(outcome) => return outcome,
                Look::Missing(failure) | Look::Unclear(failure) => return Outcome::Failed(failure),
                // The look took a while; the call's own turn is past.
                Look::NotDone => {
                    if timeout_at(deadline, self.pace(channel, sending.request, Place::Ahead)).await.is_err()
                    {
                        return Outcome::failed(Finding::Unreachable, unsent::no_turn(sending.request));
                    }
                }
            },
            Attempt::Look => {
                return match self.look(channel, sending, deadline).await {
                    Look::Done(outcome) => outcome,
                    Look::NotDone => Outcome::failed(Finding::NotFoundDone, error::not_done(sending.request)),
                    Look::Missing(failure) | Look::Unclear(failure) => {
                        Outcome::Failed(Box::new(Failure { finding: Finding::NotFoundDone, ..*failure }))
                    }
                };
            }
        }
        let outcome = self.exchange(channel, until(deadline, sending)).await;
        if !matches!(&outcome, Outcome::Failed(failure) if is_missing(failure)) {
            return outcome;
        }
        // Stripe answers 404 to canceling what is canceled.
        match self.look(channel, sending, deadline).await {
            Look::Done(found) => found,
            Look::NotDone | Look::Missing(_) => outcome,
            Look::Unclear(failure) => Outcome::Failed(failure),
        }
    }

    async fn look(self: &Arc<Stripe>, channel: &Channel, sending: Sending<'_>, deadline: Instant) -> Look {
        let request = reading(sending.request);
        if timeout_at(deadline, self.pace(channel, &request, Place::Ahead)).await.is_err() {
            return Look::Unclear(error::failure(Finding::Unreachable, unsent::no_turn(&request)));
        }
        match self.exchange(channel, until(deadline, Sending { request: &request, ..sending })).await {
            Outcome::Done { output, receipt } if is_gone(output.value()) => {
                Look::Done(Outcome::Done { output, receipt })
            }
            Outcome::Done { .. } => Look::NotDone,
            Outcome::Failed(failure) if is_missing(&failure) => Look::Missing(failure),
            Outcome::Failed(failure) => {
                // A refusal to show it is no answer about the delete.
                let finding = match failure.finding {
                    Finding::Refused => Finding::Forbidden,
                    other => other,
                };
                Look::Unclear(Box::new(Failure { finding, ..*failure }))
            }
        }
    }
}

/// The request that reads what the delete is about, in the same form.
fn reading(delete: &Request) -> Request {
    Request {
        effect: Effect::Read,
        method: "GET".to_owned(),
        query: expansions(delete),
        form: String::new(),
        ..delete.clone()
    }
}

/// What the answer is to hold in full, as a query.
pub(super) fn expansions(request: &Request) -> String {
    let pairs = request.query.split('&').chain(request.form.split('&'));
    pairs.filter(|pair| pair.starts_with("expand[")).collect::<Vec<&str>>().join("&")
}

fn is_missing(failure: &Failure) -> bool {
    failure.finding == Finding::Refused && failure.error.status == Some(404)
}

/// Whether it is canceled or deleted.
pub(super) fn is_gone(object: &Value) -> bool {
    let Value::Object(members) = object else { return false };
    let canceled = matches!(members.get("status"), Some(Value::Text(status)) if **status == *"canceled");
    canceled || members.get("deleted") == Some(&Value::Boolean(true))
}
