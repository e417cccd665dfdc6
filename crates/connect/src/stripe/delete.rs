//! A DELETE, for which Stripe takes no idempotency key: whether it is done is seen by reading the object (spec 11.7).
//! Done already is success, whoever did it; the output is then the object as it was read.

use std::time::Instant;

use loopfour_engine::{Outcome, Request, Sending, StepError};
use loopfour_lang::Value;

use super::Stripe;
use crate::credentials::Connection;

/// What reading the object shows.
enum Look {
    /// It is done; this says so.
    Done(Outcome),
    /// It is not done.
    NotDone,
    /// There is no such object; this says so.
    Missing(Outcome),
    /// Nothing can be told.
    Unclear(StepError),
}

impl Stripe {
    /// Sends a delete once, unless it may have been sent before and is found done; all within the sending's time limit.
    pub(super) async fn delete(&self, connection: &Connection, sending: Sending<'_>) -> Outcome {
        let deadline = Instant::now() + sending.timeout;
        if sending.again {
            match self.look(connection, sending, deadline).await {
                Look::Done(outcome) | Look::Missing(outcome) => return outcome,
                Look::Unclear(error) => return Outcome::Unknown { error },
                Look::NotDone => {}
            }
        }
        let outcome = self.exchange(connection, until(deadline, sending)).await;
        if !is_missing(&outcome) {
            return outcome;
        }
        // Stripe answers 404 to canceling what is canceled.
        match self.look(connection, sending, deadline).await {
            Look::Done(found) => found,
            Look::NotDone | Look::Missing(_) => outcome,
            Look::Unclear(error) => Outcome::Unknown { error },
        }
    }

    async fn look(&self, connection: &Connection, sending: Sending<'_>, deadline: Instant) -> Look {
        let request = reading(sending.request);
        match self.exchange(connection, until(deadline, Sending { request: &request, ..sending })).await {
            Outcome::Done { output, receipt } if is_gone(output.value()) => {
                Look::Done(Outcome::Done { output, receipt })
            }
            Outcome::Done { .. } => Look::NotDone,
            outcome if is_missing(&outcome) => Look::Missing(outcome),
            Outcome::Refused { error, .. }
            | Outcome::Unknown { error }
            | Outcome::NotSent { error, .. }
            | Outcome::Defect { error } => Look::Unclear(error),
        }
    }
}

fn until(deadline: Instant, sending: Sending<'_>) -> Sending<'_> {
    Sending { timeout: deadline.saturating_duration_since(Instant::now()), ..sending }
}

/// The request that reads what the delete is about, in the same form.
fn reading(delete: &Request) -> Request {
    let expand: Vec<&str> = delete.query.split('&').filter(|pair| pair.starts_with("expand[")).collect();
    Request { method: "GET".to_owned(), query: expand.join("&"), ..delete.clone() }
}

fn is_missing(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Refused { error, settles: true } if error.status == Some(404))
}

fn is_gone(object: &Value) -> bool {
    let Value::Object(members) = object else { return false };
    let canceled = matches!(members.get("status"), Some(Value::Text(status)) if **status == *"canceled");
    canceled || members.get("deleted") == Some(&Value::Boolean(true))
}
