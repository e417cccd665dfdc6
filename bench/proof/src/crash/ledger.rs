//! What Stripe has in the end, held against what was accepted: nothing may be missing, and nothing may be there twice.

use std::collections::HashSet;

use anyhow::Result;
use serde_json::Value;

use super::case::{Case, Customer};
use super::feed::{Followed, stamped};
use crate::sandbox::Sandbox;

/// All objects that runs make or change.
pub struct Ledger {
    customers: Vec<Value>,
    invoices: Vec<Value>,
    items: Vec<Value>,
    subscriptions: Vec<Value>,
    /// What is remembered of invoices besides, by id.
    hidden: Value,
}

/// Runs with what is wrong with each.
#[derive(Debug, Default)]
pub struct Findings {
    /// Accepted but not completed, or something is missing.
    pub lost: Vec<(String, String)>,
    /// More than one object for a run and step, or one of no accepted run.
    pub twice: Vec<(String, String)>,
}

impl Ledger {
    /// Reads them from the sandbox.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn read(sandbox: &Sandbox) -> Result<Ledger> {
        let (invoices, hidden) = sandbox.objects("invoice").await?;
        Ok(Ledger {
            customers: sandbox.objects("customer").await?.0,
            invoices,
            items: sandbox.objects("invoiceitem").await?.0,
            subscriptions: sandbox.objects("subscription").await?.0,
            hidden,
        })
    }

    /// Holds every accepted run against the objects.
    pub fn compare(&self, followed: &[Followed]) -> Findings {
        let mut findings = Findings::default();
        for followed in followed {
            let lost = self.lost(followed);
            if !lost.is_empty() {
                findings.lost.push((followed.run.clone(), lost.join("; ")));
            }
            let made = [
                ("create-customer", &self.customers),
                ("create-invoice", &self.invoices),
                ("add-line-item", &self.items),
            ];
            for (step, objects) in made {
                let count = stamped(objects, &followed.run, step).count();
                if count > 1 {
                    findings.twice.push((followed.run.clone(), format!("`{step}` made {count} objects")));
                }
            }
        }
        let accepted: HashSet<&str> = followed.iter().map(|followed| followed.run.as_str()).collect();
        for object in self.customers.iter().chain(&self.invoices).chain(&self.items) {
            let run = object["metadata"]["loopfour_run"].as_str();
            if let Some(run) = run.filter(|run| !accepted.contains(run)) {
                findings
                    .twice
                    .push((run.to_owned(), format!("made {}, and was never accepted", object["id"])));
            }
        }
        findings
    }

    fn lost(&self, followed: &Followed) -> Vec<String> {
        let mut lost = Vec::new();
        if followed.status != "completed" {
            lost.push(format!("it is {}", followed.status));
        }
        match &followed.case {
            Case::Cancel(id) => {
                let subscription = self.subscriptions.iter().find(|object| object["id"] == **id);
                if subscription.is_none_or(|object| object["status"] != "canceled") {
                    lost.push(format!("{id} is not canceled"));
                }
            }
            Case::Bill { customer, email, amount } => {
                let made = stamped(&self.customers, &followed.run, "create-customer").next();
                let is_there = match customer {
                    Customer::New => made.is_some_and(|object| object["email"] == **email),
                    Customer::Known => made.is_none(),
                };
                if !is_there {
                    lost.push(format!("the customer {email} is not as it should be"));
                }
                lost.extend(self.lost_of_bill(&followed.run, *amount));
            }
        }
        lost
    }

    fn lost_of_bill(&self, run: &str, amount: u64) -> Vec<String> {
        let Some(invoice) = stamped(&self.invoices, run, "create-invoice").next() else {
            return vec!["the invoice is missing".to_owned()];
        };
        let mut lost = Vec::new();
        let item = stamped(&self.items, run, "add-line-item").next();
        if item.is_none_or(|item| item["invoice"] != invoice["id"] || item["amount"] != amount) {
            lost.push(format!("the item of {} is missing", invoice["id"]));
        }
        if invoice["status"] != "open" || invoice["amount_due"] != amount {
            let (status, due) = (&invoice["status"], &invoice["amount_due"]);
            lost.push(format!("{} is {status} over {due}, not open over {amount}", invoice["id"]));
        }
        let sent = invoice["id"].as_str().map(|id| &self.hidden[id]["sent_at"]);
        if sent.is_none_or(|at| !at.is_i64()) {
            lost.push(format!("{} is not sent", invoice["id"]));
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ledger(status: &str, items: usize) -> Ledger {
        let stamp = |step: &str| json!({"loopfour_run": "run_1", "loopfour_step": step});
        let item =
            json!({"id": "ii_1", "invoice": "in_1", "amount": 1000, "metadata": stamp("add-line-item")});
        let invoice =
            json!({"id": "in_1", "status": status, "amount_due": 1000, "metadata": stamp("create-invoice")});
        let customer = json!({"id": "cus_1", "email": "a@x.example", "metadata": stamp("create-customer")});
        Ledger {
            customers: vec![customer],
            invoices: vec![invoice],
            items: vec![item; items],
            subscriptions: vec![json!({"id": "sub_1", "status": status})],
            hidden: json!({"in_1": {"sent_at": 1}}),
        }
    }

    #[track_caller]
    fn check(ledger: &Ledger, status: &str, case: Case, lost: &str, twice: &str) {
        let run = "run_1".to_owned();
        let followed = Followed { run, case, status: status.to_owned(), resolved: 0, retried: 0 };
        let findings = ledger.compare(&[followed]);
        let text = |rows: &[(String, String)]| {
            rows.iter().map(|(_, what)| what.as_str()).collect::<Vec<_>>().join("; ")
        };
        assert_eq!((text(&findings.lost), text(&findings.twice)), (lost.to_owned(), twice.to_owned()));
    }

    #[test]
    fn what_is_missing_and_what_is_there_twice_is_found() {
        let bill = |customer| Case::Bill { customer, email: "a@x.example".to_owned(), amount: 1000 };
        let new = bill(Customer::New);
        check(&ledger("open", 1), "completed", new.clone(), "", "");
        check(&ledger("open", 1), "waiting", new.clone(), "it is waiting", "");
        check(&ledger("open", 2), "completed", new.clone(), "", "`add-line-item` made 2 objects");
        check(&ledger("open", 0), "completed", new.clone(), "the item of \"in_1\" is missing", "");
        let draft = "\"in_1\" is \"draft\" over 1000, not open over 1000";
        check(&ledger("draft", 1), "completed", new.clone(), draft, "");
        let known = "the customer a@x.example is not as it should be";
        check(&ledger("open", 1), "completed", bill(Customer::Known), known, "");
        let mut unsent = ledger("open", 1);
        unsent.hidden = Value::Null;
        check(&unsent, "completed", new, "\"in_1\" is not sent", "");
        let cancel = Case::Cancel("sub_1".to_owned());
        check(&ledger("canceled", 1), "completed", cancel.clone(), "", "");
        check(&ledger("active", 1), "completed", cancel, "sub_1 is not canceled", "");
    }

    #[test]
    fn objects_of_runs_that_were_never_accepted_are_found() {
        let findings = ledger("open", 1).compare(&[]);
        assert_eq!((findings.lost.len(), findings.twice.len()), (0, 3));
    }
}
