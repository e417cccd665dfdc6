//! Binary decision diagrams: functions of what the conditions chose, reduced, so that equal functions are one number.
//!
//! A variable says of one condition that it chose `then`, or that it failed. Later conditions stand nearer to the root:
//! what decides about a step is built from what decided before it, and so shares its nodes.

use std::collections::HashMap;

/// Nodes and steps of work after which a workflow counts as too entangled.
const LIMIT: usize = 200_000;
const WORK: usize = 4_000_000;

/// A function: the number of its root node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Function(u32);

/// Never.
pub(super) const FALSE: Function = Function(0);
/// Always.
pub(super) const TRUE: Function = Function(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Node {
    variable: u32,
    low: Function,
    high: Function,
}

/// Finished diagrams: can be asked, not extended.
#[derive(Debug, Default)]
pub(super) struct Diagrams {
    nodes: Vec<Node>,
}

impl Diagrams {
    /// The function's value where `variable` says what each variable is.
    pub(super) fn value(&self, function: Function, variable: &dyn Fn(u32) -> bool) -> bool {
        let mut here = function;
        while let Some(node) = self.node(here) {
            here = if variable(node.variable) { node.high } else { node.low };
        }
        here == TRUE
    }

    /// Whether both can hold at once.
    pub(super) fn overlap(&self, one: Function, other: Function) -> bool {
        self.meets(one, other, FALSE, &mut HashMap::new())
    }

    /// Whether the first can hold without the second.
    pub(super) fn exceeds(&self, one: Function, other: Function) -> bool {
        self.meets(one, other, TRUE, &mut HashMap::new())
    }

    /// Whether some assignment gives true for `one` and, for `other`, not `refused`.
    fn meets(
        &self,
        one: Function,
        other: Function,
        refused: Function,
        known: &mut HashMap<(Function, Function), bool>,
    ) -> bool {
        if one == FALSE || other == refused {
            return false;
        }
        if one == TRUE || other == FALSE || other == TRUE {
            return true;
        }
        if let Some(&met) = known.get(&(one, other)) {
            return met;
        }
        let variable = self.variable(one).max(self.variable(other));
        let (one_low, one_high) = self.split(one, variable);
        let (other_low, other_high) = self.split(other, variable);
        let met = self.meets(one_low, other_low, refused, known)
            || self.meets(one_high, other_high, refused, known);
        known.insert((one, other), met);
        met
    }

    fn node(&self, function: Function) -> Option<&Node> {
        self.nodes.get((function.0 as usize).checked_sub(2)?)
    }

    /// The variable at the root, plus one; 0 for a constant.
    fn variable(&self, function: Function) -> u32 {
        self.node(function).map_or(0, |node| node.variable + 1)
    }

    fn split(&self, function: Function, variable: u32) -> (Function, Function) {
        match self.node(function) {
            Some(node) if node.variable + 1 == variable => (node.low, node.high),
            Some(_) | None => (function, function),
        }
    }
}

/// Builds diagrams.
#[derive(Default)]
pub(super) struct Builder {
    diagrams: Diagrams,
    unique: HashMap<Node, Function>,
    ands: HashMap<(Function, Function), Function>,
    nots: HashMap<Function, Function>,
    work: usize,
}

impl Builder {
    /// The function that is true where the variable is. Variables are numbered in the order of the list.
    pub(super) fn variable(&mut self, variable: u32) -> Function {
        self.make(Node { variable, low: FALSE, high: TRUE })
    }

    pub(super) fn not(&mut self, function: Function) -> Function {
        let Some(&node) = self.diagrams.node(function) else {
            return if function == TRUE { FALSE } else { TRUE };
        };
        if let Some(&known) = self.nots.get(&function) {
            return known;
        }
        if self.is_exhausted() {
            return FALSE;
        }
        let low = self.not(node.low);
        let high = self.not(node.high);
        let result = self.make(Node { variable: node.variable, low, high });
        self.nots.insert(function, result);
        result
    }

    pub(super) fn and(&mut self, one: Function, other: Function) -> Function {
        match (one, other) {
            (FALSE, _) | (_, FALSE) => return FALSE,
            (TRUE, function) | (function, TRUE) => return function,
            (one, other) if one == other => return one,
            _ => {}
        }
        let key = if one.0 < other.0 { (one, other) } else { (other, one) };
        if let Some(&known) = self.ands.get(&key) {
            return known;
        }
        if self.is_exhausted() {
            return FALSE;
        }
        let variable = self.diagrams.variable(one).max(self.diagrams.variable(other));
        let (one_low, one_high) = self.diagrams.split(one, variable);
        let (other_low, other_high) = self.diagrams.split(other, variable);
        let low = self.and(one_low, other_low);
        let high = self.and(one_high, other_high);
        let result = self.make(Node { variable: variable - 1, low, high });
        self.ands.insert(key, result);
        result
    }

    pub(super) fn or(&mut self, one: Function, other: Function) -> Function {
        let one = self.not(one);
        let other = self.not(other);
        let neither = self.and(one, other);
        self.not(neither)
    }

    /// Whether the limit was passed; what was built since is worth nothing.
    pub(super) fn is_exhausted(&mut self) -> bool {
        self.work += 1;
        self.work > WORK || self.diagrams.nodes.len() > LIMIT
    }

    pub(super) fn finish(self) -> Diagrams {
        self.diagrams
    }

    fn make(&mut self, node: Node) -> Function {
        if node.low == node.high {
            return node.low;
        }
        *self.unique.entry(node).or_insert_with(|| {
            self.diagrams.nodes.push(node);
            Function(u32::try_from(self.diagrams.nodes.len() + 1).expect("the limit is far below 2^32"))
        })
    }
}
