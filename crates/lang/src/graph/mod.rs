//! Which steps run, as a function of what the conditions chose. Computed once, used by checker, engine and dashboard.
//!
//! The rules are those of the reference: the innermost condition that ran decides, and branches meet in a step that is
//! fed by the other branch. Every question is answered exactly, through any depth of conditions; what the values of the
//! conditions have to do with each other is not looked at.

mod build;
mod diagram;

use crate::step::condition::Branch;

use diagram::{Diagrams, Function};

/// Whether a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It runs: no condition names it, or the one that decides for it chose it.
    Run,
    /// It was not chosen and runs all the same, since the branches meet in it.
    Join,
    /// It does not run.
    Skip,
}

/// What the graph needs to know of a step. Steps are known by their position in the list.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// The lists of a condition.
    pub condition: Option<Lists>,
    /// Steps whose outputs are arms of a fallback that can make branches meet here.
    pub feeds: Vec<usize>,
}

/// Whom a condition names: later steps only.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    /// Positions in `then`.
    pub then: Vec<usize>,
    /// Positions in `else`.
    pub otherwise: Vec<usize>,
    /// The run goes on when the condition fails; it then chose nothing.
    pub may_fail: bool,
}

/// A condition that names a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naming {
    /// Position of the condition.
    pub condition: usize,
    /// In which of its lists.
    pub branch: Branch,
}

/// Two conditions that can both run, neither leading to the other, and name the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The step that both name.
    pub step: usize,
    /// The first condition.
    pub first: usize,
    /// The second, later in the list.
    pub second: usize,
}

/// The conditions depend on each other in more ways than can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooEntangled;

/// The branches of a workflow.
#[derive(Debug, Default)]
pub struct Graph {
    diagrams: Diagrams,
    steps: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// When it runs because it was chosen or nobody names it.
    run: Function,
    /// When it runs because the branches meet in it.
    join: Function,
    /// Either.
    ran: Function,
    namings: Vec<Naming>,
}

impl Graph {
    /// Follows all branches. Also gives every pair of conditions that may not both name a step, once per second one.
    ///
    /// ```
    /// use loopfour_lang::graph::{Graph, Lists, Outline, Verdict};
    /// use loopfour_lang::step::condition::Branch;
    ///
    /// let lists = Lists { then: vec![1], ..Lists::default() };
    /// let steps = [Outline { condition: Some(lists), ..Outline::default() }, Outline::default()];
    /// let (graph, conflicts) = Graph::build(&steps).unwrap();
    /// assert!(conflicts.is_empty());
    /// assert_eq!(graph.verdict(1, &|_| Some(Branch::Then)), Verdict::Run);
    /// assert_eq!(graph.verdict(1, &|_| Some(Branch::Else)), Verdict::Skip);
    /// ```
    ///
    /// # Errors
    /// More dependencies than the limit.
    pub fn build(outlines: &[Outline]) -> Result<(Graph, Vec<Conflict>), TooEntangled> {
        build::build(outlines)
    }

    /// Whether `step` runs, given what each earlier condition chose (`None`: it did not run, or failed).
    /// Both are positions in the workflow's list.
    pub fn verdict(&self, step: usize, chosen: &dyn Fn(usize) -> Option<Branch>) -> Verdict {
        let Some(node) = self.steps.get(step) else { return Verdict::Skip };
        let variable = |variable: u32| {
            let (condition, fact) = build::fact(variable);
            match fact {
                build::Fact::ChoseThen => chosen(condition) == Some(Branch::Then),
                build::Fact::Failed => chosen(condition).is_none(),
            }
        };
        if self.diagrams.value(node.run, &variable) {
            Verdict::Run
        } else if self.diagrams.value(node.join, &variable) {
            Verdict::Join
        } else {
            Verdict::Skip
        }
    }

    /// The conditions that name the step, in the order of the list.
    pub fn named_by(&self, step: usize) -> &[Naming] {
        self.steps.get(step).map_or(&[], |node| &node.namings)
    }

    /// Whether the step can run at all.
    pub fn can_run(&self, step: usize) -> bool {
        self.steps.get(step).is_some_and(|node| self.diagrams.overlap(node.ran, diagram::TRUE))
    }

    /// Whether the step can run although it was not chosen.
    pub fn can_join(&self, step: usize) -> bool {
        self.steps.get(step).is_some_and(|node| self.diagrams.overlap(node.join, diagram::TRUE))
    }

    /// Whether both steps can run in one run. `None` as the first stands for the end of the run.
    pub fn can_both_run(&self, reader: Option<usize>, source: usize) -> bool {
        self.diagrams.overlap(self.ran(reader), self.ran(Some(source)))
    }

    /// Whether the first can run without the second having run.
    pub fn can_run_without(&self, reader: Option<usize>, source: usize) -> bool {
        self.diagrams.exceeds(self.ran(reader), self.ran(Some(source)))
    }

    fn ran(&self, step: Option<usize>) -> Function {
        step.map_or(diagram::TRUE, |step| self.steps.get(step).map_or(diagram::FALSE, |node| node.ran))
    }
}
