//! What the runs do: the documented example for customers that are new and known, and the end of a subscription, which
//! is a DELETE and has no key. Which of them a run is follows from its number alone.

use anyhow::Result;
use serde_json::{Value, json};

use crate::server::Server;

const EXAMPLE: &str = include_str!("../../../../docs/examples/create-and-send-invoice.json");
/// How many customers are there from the start.
const KNOWN: u64 = 8;
/// Of so many runs one ends a subscription.
const PERIOD: u64 = 8;

/// What one run is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Case {
    /// Bills a customer by mail address; `New` ones are to be made first.
    Bill {
        /// Whether Stripe knows the address.
        customer: Customer,
        /// The address.
        email: String,
        /// In the smallest unit.
        amount: u64,
    },
    /// Ends this subscription.
    Cancel(String),
}

/// Whether Stripe knows a customer from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Customer {
    New,
    Known,
}

impl Case {
    /// The case of that number.
    pub fn of(number: u64) -> Case {
        if number % PERIOD == PERIOD - 1 {
            return Case::Cancel(format!("sub_proof{number}"));
        }
        let amount = 1000 + number;
        if number.is_multiple_of(2) {
            Case::Bill { customer: Customer::New, email: format!("new-{number}@proof.example"), amount }
        } else {
            let email = format!("known-{}@proof.example", number % KNOWN);
            Case::Bill { customer: Customer::Known, email, amount }
        }
    }

    fn input(&self) -> Value {
        match self {
            Case::Bill { email, amount, .. } => {
                json!({"email": email, "name": "Ada", "amount": amount, "description": "Consulting"})
            }
            Case::Cancel(subscription) => json!({ "subscription": subscription }),
        }
    }
}

/// What the sandbox knows before the first run, for about so many runs.
pub fn fixtures(runs: u64) -> Value {
    let mut objects = vec![
        json!({"object": "product", "id": "prod_proof", "name": "Proof"}),
        json!({"object": "price", "id": "price_proof", "product": "prod_proof", "currency": "usd",
               "unit_amount": 2900, "recurring": {"interval": "month"}}),
        json!({"object": "customer", "id": "cus_subscriber", "email": "subscriber@proof.example"}),
    ];
    objects.extend((0..KNOWN).map(|number| {
        json!({"object": "customer", "id": format!("cus_known{number}"),
               "email": format!("known-{number}@proof.example")})
    }));
    // More than asked may be fed, so that the last kill still meets work.
    objects.extend((0..runs * 2).map(Case::of).filter_map(|case| match case {
        Case::Cancel(id) => Some(json!({"object": "subscription", "id": id, "customer": "cus_subscriber",
            "collection_method": "send_invoice", "days_until_due": 30, "items": [{"price": "price_proof"}]})),
        Case::Bill { .. } => None,
    }));
    json!({ "objects": objects })
}

/// The two workflows on a server.
#[derive(Clone)]
pub struct Workflows {
    bill: String,
    cancel: String,
}

impl Workflows {
    /// Creates and activates them.
    ///
    /// # Errors
    /// The server refuses one.
    pub async fn activate(server: &Server) -> Result<Workflows> {
        let cancel = json!({
            "name": "End a subscription",
            "trigger": {"type": "api"},
            "steps": [{"id": "cancel", "type": "action", "action": "stripe.cancelSubscription",
                       "config": {"subscriptionId": "{{input.subscription}}"}}],
        });
        let bill = server.activate(&serde_json::from_str(EXAMPLE)?).await?;
        Ok(Workflows { bill, cancel: server.activate(&cancel).await? })
    }

    /// Where a run of a case is started, and with what.
    pub fn start(&self, case: &Case, idempotency_key: &str) -> (String, Value) {
        let workflow = match case {
            Case::Bill { .. } => &self.bill,
            Case::Cancel(_) => &self.cancel,
        };
        let body = json!({"input": case.input(), "idempotencyKey": idempotency_key});
        (format!("/api/v1/workflows/{workflow}/run"), body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_of_all_kinds_and_bill_different_amounts() {
        let cases: Vec<Case> = (0..64).map(Case::of).collect();
        let count = |fits: fn(&Case) -> bool| cases.iter().filter(|case| fits(case)).count();
        assert_eq!(count(|case| matches!(case, Case::Bill { customer: Customer::New, .. })), 32);
        assert_eq!(count(|case| matches!(case, Case::Bill { customer: Customer::Known, .. })), 24);
        assert_eq!(count(|case| matches!(case, Case::Cancel(_))), 8);
        let ids: std::collections::HashSet<String> =
            cases.iter().map(|case| case.input().to_string()).collect();
        assert_eq!(ids.len(), cases.len());
    }
}
