//! Conditions on an answer's `status` that look for success alone: a payment that needs the customer, or a subscription
//! whose first payment failed, is no error, and such a condition would let it pass in silence (spec 12.8).
//!
//! Only what is plain is looked at: `eq` with a literal, and no `else`.

use super::expression::{PathStep, Reader, Reading};
use super::report::Report;
use super::steps::Draft;
use crate::diagnostic::Code;
use crate::step::condition::{ConditionStep, Operator, Test};
use crate::step::{Step, StepKind};
use crate::template::Tree;
use crate::value::Value;

/// Says which conditions forget the status that their step's action may answer.
pub(super) fn outcomes(drafts: &[Draft], readings: &[Reading], report: &mut Report<'_>) {
    let step = |position: usize| drafts.get(position).and_then(|draft| draft.step.as_ref());
    for reading in readings {
        let Reader::Step(reader) = reading.reader else { continue };
        let (Some(reader), Some(source)) = (step(reader), step(reading.source)) else { continue };
        let StepKind::Condition(condition) = &reader.kind else { continue };
        let Some(unfinished) = unfinished(source) else { continue };
        let is_status = matches!(reading.path.as_slice(), [PathStep::Key(name)] if name == "status");
        if is_status && forgets(condition, unfinished) {
            let message = format!(
                "`{}` may be `{unfinished}`, which is no error, and then nothing happens here",
                reading.expression
            );
            let hint = format!("add an `else`, or a condition for `{unfinished}`");
            report.add_at(Code::ForgetsOutcome, &reading.spot, message, hint);
        }
    }
}

fn unfinished(step: &Step) -> Option<&str> {
    match &step.kind {
        StepKind::Action(step) => step.action.unfinished.as_deref(),
        StepKind::Condition(_) => None,
    }
}

fn forgets(condition: &ConditionStep, unfinished: &str) -> bool {
    condition.otherwise.is_empty() && looks_only_for_others(&condition.test, unfinished)
}

/// Whether every comparison is an `eq` with something else.
fn looks_only_for_others(test: &Test, unfinished: &str) -> bool {
    match test {
        Test::Compare { operator: Operator::Eq, right: Tree::Literal(Value::Text(text)), .. } => {
            **text != *unfinished
        }
        Test::Compare { .. } | Test::Not(_) => false,
        Test::And(tests) | Test::Or(tests) => {
            tests.iter().all(|test| looks_only_for_others(test, unfinished))
        }
    }
}
