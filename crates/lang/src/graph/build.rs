//! From the lists of the conditions to diagrams, step by step in the order of the list.

use std::collections::HashMap;

use super::diagram::{Builder, FALSE, Function, TRUE};
use super::{Conflict, Graph, Naming, Node, Outline, TooEntangled};
use crate::step::condition::Branch;

/// Conditions of one workflow that are followed.
const MOST_CONDITIONS: usize = 500;

/// What a variable says about a condition that ran.
pub(super) enum Fact {
    ChoseThen,
    Failed,
}

/// The condition and the fact that a variable stands for.
pub(super) fn fact(variable: u32) -> (usize, Fact) {
    (variable as usize / 2, if variable.is_multiple_of(2) { Fact::ChoseThen } else { Fact::Failed })
}

pub(super) fn build(outlines: &[Outline]) -> Result<(Graph, Vec<Conflict>), TooEntangled> {
    let conditions = outlines.iter().filter(|outline| outline.condition.is_some()).count();
    if conditions > MOST_CONDITIONS {
        return Err(TooEntangled);
    }
    let mut draft = Draft {
        diagrams: Builder::default(),
        namings: namings(outlines),
        steps: Vec::with_capacity(outlines.len()),
        conflicts: Vec::new(),
        led: HashMap::new(),
        because: HashMap::new(),
    };
    for (step, outline) in outlines.iter().enumerate() {
        draft.add(step, outline);
        if draft.diagrams.is_exhausted() {
            return Err(TooEntangled);
        }
    }
    let nodes = draft.steps.into_iter().zip(draft.namings);
    let steps =
        nodes.map(|(state, namings)| Node { run: state.run, join: state.join, ran: state.ran, namings });
    Ok((Graph { steps: steps.collect(), diagrams: draft.diagrams.finish() }, draft.conflicts))
}

fn namings(outlines: &[Outline]) -> Vec<Vec<Naming>> {
    let mut namings = vec![Vec::new(); outlines.len()];
    for (condition, outline) in outlines.iter().enumerate() {
        let Some(lists) = &outline.condition else { continue };
        for (branch, list) in [(Branch::Then, &lists.then), (Branch::Else, &lists.otherwise)] {
            for &step in list {
                namings[step].push(Naming { condition, branch });
            }
        }
    }
    namings
}

struct Draft {
    diagrams: Builder,
    namings: Vec<Vec<Naming>>,
    steps: Vec<State>,
    conflicts: Vec<Conflict>,
    /// When the first condition ran and led to the second, which ran too.
    led: HashMap<(usize, usize), Function>,
    /// When a step ran because a condition chose as it did.
    because: HashMap<(usize, usize), Function>,
}

/// What is known of a step, as functions of what the conditions chose.
#[derive(Clone, Default)]
struct State {
    run: Function,
    join: Function,
    ran: Function,
    /// It ran and chose `then`; ran and chose `else`; did one of both.
    chose_then: Function,
    chose_else: Function,
    chose: Function,
    /// For each naming, when the step joined although, or rather because, that condition chose otherwise.
    joined_by: HashMap<usize, Function>,
}

impl Draft {
    fn add(&mut self, step: usize, outline: &Outline) {
        let namings = self.namings[step].clone();
        self.find_conflicts(step, &namings);
        let mut state = State { run: if namings.is_empty() { TRUE } else { FALSE }, ..State::default() };
        for naming in &namings {
            let decides = self.decides(naming.condition, &namings);
            let chose = self.chose(*naming);
            let chosen = self.diagrams.and(decides, chose);
            state.run = self.diagrams.or(state.run, chosen);
            let refused = self.diagrams.not(chose);
            let refused = self.diagrams.and(decides, refused);
            let mut fed = FALSE;
            for &feed in &outline.feeds {
                let because = self.because(naming.condition, feed);
                fed = self.diagrams.or(fed, because);
            }
            let joined = self.diagrams.and(refused, fed);
            state.join = self.diagrams.or(state.join, joined);
            state.joined_by.insert(naming.condition, joined);
        }
        state.ran = self.diagrams.or(state.run, state.join);
        if let Some(lists) = &outline.condition {
            let number = u32::try_from(step).expect("a workflow's text is far below 2^31 bytes") * 2;
            state.chose = state.ran;
            if lists.may_fail {
                let failed = self.diagrams.variable(number + 1);
                let held = self.diagrams.not(failed);
                state.chose = self.diagrams.and(state.chose, held);
            }
            let then = self.diagrams.variable(number);
            state.chose_then = self.diagrams.and(state.chose, then);
            let otherwise = self.diagrams.not(then);
            state.chose_else = self.diagrams.and(state.chose, otherwise);
        }
        self.steps.push(state);
    }

    /// When the condition ran and chose the list that the naming stands in.
    fn chose(&self, naming: Naming) -> Function {
        let state = &self.steps[naming.condition];
        match naming.branch {
            Branch::Then => state.chose_then,
            Branch::Else => state.chose_else,
        }
    }

    /// When the condition decides for a step with these namings: it ran and led to none of the others.
    fn decides(&mut self, condition: usize, namings: &[Naming]) -> Function {
        let mut decides = self.steps[condition].chose;
        for other in namings.iter().filter(|other| other.condition > condition) {
            let led = self.led(condition, other.condition);
            let kept = self.diagrams.not(led);
            decides = self.diagrams.and(decides, kept);
        }
        decides
    }

    /// When `from` led to `to`, directly or through conditions between, and `to` ran.
    fn led(&mut self, from: usize, to: usize) -> Function {
        if let Some(&known) = self.led.get(&(from, to)) {
            return known;
        }
        let mut led = FALSE;
        for naming in self.namings[to].clone() {
            let start = match naming.condition {
                between if between == from => TRUE,
                between if between > from => self.led(from, between),
                _ => continue,
            };
            let chose = self.chose(naming);
            let way = self.diagrams.and(start, chose);
            led = self.diagrams.or(led, way);
        }
        led = self.diagrams.and(led, self.steps[to].chose);
        self.led.insert((from, to), led);
        led
    }

    /// When `step` ran because `condition` chose as it did: chosen by it, joined since it chose otherwise, or either of
    /// both through a condition that itself ran because of it.
    fn because(&mut self, condition: usize, step: usize) -> Function {
        if let Some(&known) = self.because.get(&(condition, step)) {
            return known;
        }
        let mut because = FALSE;
        for naming in self.namings[step].clone() {
            let start = match naming.condition {
                between if between == condition => TRUE,
                between if between > condition => self.because(condition, between),
                _ => continue,
            };
            let chose = self.chose(naming);
            let joined = self.steps[step].joined_by.get(&naming.condition).copied().unwrap_or(FALSE);
            let led = self.diagrams.or(chose, joined);
            let way = self.diagrams.and(start, led);
            because = self.diagrams.or(because, way);
        }
        because = self.diagrams.and(because, self.steps[step].ran);
        self.because.insert((condition, step), because);
        because
    }

    /// Finds, for each condition that names the step, one before it that may not.
    fn find_conflicts(&mut self, step: usize, namings: &[Naming]) {
        for (position, second) in namings.iter().enumerate() {
            let second = second.condition;
            let first = namings[..position].iter().map(|naming| naming.condition).find(|&first| {
                let both = self.diagrams.and(self.steps[first].chose, self.steps[second].chose);
                let led = self.led(first, second);
                let apart = self.diagrams.not(led);
                first != second && self.diagrams.and(both, apart) != FALSE
            });
            self.conflicts.extend(first.map(|first| Conflict { step, first, second }));
        }
    }
}
