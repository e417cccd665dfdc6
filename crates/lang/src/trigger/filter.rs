//! `filter` of a webhook trigger: which events start a run, by what is in them.
//!
//! Compares as conditions do; a path that leads nowhere reads null, as in a template.

use regex::Regex;

use crate::step::condition::{Operator, holds};
use crate::template;
use crate::value::Value;

/// A compiled filter: every path, and every operator on it, must hold.
#[derive(Debug)]
pub struct Filter {
    tests: Vec<(Vec<String>, Predicate)>,
}

/// One operator with its value.
#[derive(Debug)]
pub(crate) enum Predicate {
    /// An operator that conditions have too.
    Compare(Operator, Value),
    /// `$exists`: whether there is anything but null.
    Exists(bool),
    /// `$in`: equal to one of them.
    In(Vec<Value>),
    /// `$nin`: equal to none of them.
    NotIn(Vec<Value>),
    /// `$regex`: text in which it is found.
    Regex(Regex),
}

impl Filter {
    /// A filter of paths, split at their dots, and what must hold there.
    pub(crate) fn new(tests: Vec<(Vec<String>, Predicate)>) -> Filter {
        Filter { tests }
    }

    /// Whether an event passes. Paths start at the event itself.
    pub fn matches(&self, event: &Value) -> bool {
        self.tests.iter().all(|(path, predicate)| {
            let found = path.iter().fold(event.clone(), |here, key| template::member(&here, key));
            predicate.holds(&found)
        })
    }
}

impl Predicate {
    fn holds(&self, found: &Value) -> bool {
        let equals = |wanted: &Value| holds(found, Operator::Eq, wanted, None);
        match self {
            Predicate::Compare(operator, wanted) => holds(found, *operator, wanted, None),
            Predicate::Exists(wanted) => holds(found, Operator::Exists, &Value::Null, None) == *wanted,
            Predicate::In(wanted) => wanted.iter().any(equals),
            Predicate::NotIn(wanted) => !wanted.iter().any(equals),
            Predicate::Regex(pattern) => holds(found, Operator::Matches, &Value::Null, Some(pattern)),
        }
    }
}
