//! Checks of expressions: roots, steps, members, names with hyphens. Notes which outputs are read, and where.
//!
//! How an expression is written is the parser's business; whether an output can be there when it is read is the
//! business of the branches.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::report::{Report, Spot, did_you_mean, list_of};
use crate::catalog::Segment;
use crate::diagnostic::Code;
use crate::source::{Place, Span};
use crate::template::{BinaryOperator, Expression, ExpressionKind, Function, Root, UnaryOperator};
use crate::value::Value;

const ROOTS: [&str; 6] = ["input", "steps", "variables", "env", "now", "run"];
const RUN_MEMBERS: [&str; 3] = ["id", "workflowId", "startedAt"];
const STEP_MEMBERS: [&str; 3] = ["output", "status", "error"];

/// The names that expressions may use.
pub(super) struct Names<'a> {
    /// Positions of the steps by id; of two steps with one id the first.
    pub(super) steps: IndexMap<&'a str, usize>,
    /// `None` where they could not be read: then nothing is said about them.
    pub(super) variables: Option<Value>,
    /// Names of `inputSchema.properties`.
    pub(super) inputs: HashSet<&'a str>,
    /// Names of environment variables that the operator allows.
    pub(super) environment: &'a [String],
}

/// Who evaluates an expression, and so which steps it may read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// The run before its first step.
    Start,
    /// The step at that position: those before it.
    Step(usize),
    /// The run after its last step.
    End,
}

/// An output that is read with no fallback around it.
pub(super) struct Reading {
    pub(super) reader: Reader,
    /// Position of the step that is read.
    pub(super) source: usize,
    pub(super) spot: Spot,
    pub(super) expression: String,
    /// Whether a fallback stands around it.
    pub(super) guarded: bool,
    /// The path below `.output`.
    pub(super) path: Vec<PathStep>,
}

/// A step of a path, kept.
pub(super) enum PathStep {
    Key(String),
    Index,
}

impl PathStep {
    pub(super) fn segment(&self) -> Segment<'_> {
        match self {
            PathStep::Key(name) => Segment::Key(name),
            PathStep::Index => Segment::Index,
        }
    }
}

/// Walks one expression.
pub(super) struct Walk<'w, 't> {
    pub(super) report: &'w mut Report<'t>,
    pub(super) names: &'w Names<'w>,
    pub(super) readings: &'w mut Vec<Reading>,
    pub(super) reader: Reader,
    pub(super) place: &'w Place<'w>,
    /// The string that the spans count in.
    pub(super) text: &'w str,
    /// From bytes of that string to bytes of the source.
    pub(super) locate: &'w dyn Fn(Span) -> Span,
}

impl Walk<'_, '_> {
    /// Checks an expression; `guarded` says that something around it settles absence. In a loop: a long chain of operators
    /// must not exhaust the stack.
    pub(super) fn expression(&mut self, expression: &Expression, guarded: bool) {
        let mut open = vec![(expression, guarded)];
        while let Some((expression, guarded)) = open.pop() {
            match &expression.kind {
                ExpressionKind::Literal(_) | ExpressionKind::Invalid => {}
                ExpressionKind::Root(_) | ExpressionKind::Member(..) | ExpressionKind::Index(..) => {
                    self.path(expression, guarded);
                }
                ExpressionKind::Call(function, arguments) => {
                    let guarded = guarded || *function == Function::Default;
                    open.extend(arguments.iter().rev().map(|argument| (argument, guarded)));
                }
                ExpressionKind::Unary(_, operand) => open.push((operand, guarded)),
                ExpressionKind::Binary(operator, left, right) => {
                    let fallback = matches!(operator, BinaryOperator::Or | BinaryOperator::Coalesce);
                    open.extend([(&**right, guarded || fallback), (&**left, guarded || fallback)]);
                }
            }
        }
    }

    fn path(&mut self, expression: &Expression, guarded: bool) {
        let (base, links) = links(expression);
        for link in &links {
            if let ExpressionKind::Index(_, index) = &link.kind {
                self.expression(index, guarded);
            }
        }
        match &base.kind {
            ExpressionKind::Root(root) => match root {
                Root::Input => self.hyphens(&links),
                Root::Now => {}
                Root::Steps => self.step(base, &links, guarded),
                Root::Variables => self.variable(base, &links),
                Root::Environment => self.environment(base, &links),
                Root::Run => self.run(&links),
                Root::Local(name) => self.unknown_root(base, name),
            },
            ExpressionKind::Literal(_)
            | ExpressionKind::Invalid
            | ExpressionKind::Member(..)
            | ExpressionKind::Index(..)
            | ExpressionKind::Call(..)
            | ExpressionKind::Unary(..)
            | ExpressionKind::Binary(..) => self.expression(base, guarded),
        }
    }

    fn step(&mut self, base: &Expression, links: &[&Expression], guarded: bool) {
        let Some((first, rest)) = links.split_first() else {
            let hint = "write `steps.<id>.output`".to_owned();
            return self.add(Code::UnknownMember, base.span, "`steps` is not a value of its own", Some(hint));
        };
        let Some(id) = member(first) else {
            let hint = "write the id itself, as in `steps.<id>.output`".to_owned();
            return self.add(
                Code::UnknownStep,
                first.span,
                "a step cannot be chosen by an expression",
                Some(hint),
            );
        };
        let Some(&source) = self.names.steps.get(id) else {
            let hint = did_you_mean(self.report.nearest(id, self.names.steps.keys().copied()))
                .or_else(|| hyphen(id, self.names).map(|reason| format!("{reason}; {SPACES}")));
            return self.add(Code::UnknownStep, first.span, format!("there is no step `{id}`"), hint);
        };
        match rest.split_first().map(|(field, path)| (*field, member(field), path)) {
            Some((_, Some("output"), path)) => {
                if self.is_readable(first, id, source) {
                    self.hyphens(path);
                    self.note(links, source, path, guarded);
                }
            }
            Some((_, Some("status" | "error"), _)) => {
                self.is_readable(first, id, source);
            }
            Some((field, Some(name), _)) => {
                let hint = match self.report.nearest(name, STEP_MEMBERS) {
                    Some(name) => did_you_mean(Some(name)),
                    None => Some(format!("write `steps.{id}.output.{name}`")),
                };
                let message = format!("step `{id}` has no `{name}`, only {}", list_of(STEP_MEMBERS));
                self.add(Code::UnknownMember, field.span, message, hint);
            }
            Some((_, None, _)) | None => {
                let span = rest.first().map_or(first.span, |field| field.span);
                let message = format!("`steps.{id}` is not a value of its own");
                self.add(Code::UnknownMember, span, message, Some(format!("write `steps.{id}.output`")));
            }
        }
    }

    /// Whether the step runs before the reader; reports it otherwise.
    fn is_readable(&mut self, at: &Expression, id: &str, source: usize) -> bool {
        let (message, hint) = match self.reader {
            Reader::End => return true,
            Reader::Step(reader) if source < reader => return true,
            Reader::Step(reader) if source == reader => {
                (format!("step `{id}` reads itself"), "a step can read the steps before it")
            }
            Reader::Step(_) => (
                format!("step `{id}` comes later and has not run yet"),
                "move it before this step, or read an earlier one",
            ),
            Reader::Start => (
                format!("step `{id}` has not run yet when this is evaluated"),
                "this is evaluated as the run starts: read `input` or `variables`",
            ),
        };
        self.add(Code::StepNotEarlier, at.span, message, Some(hint.to_owned()));
        false
    }

    fn note(&mut self, links: &[&Expression], source: usize, path: &[&Expression], guarded: bool) {
        let Some(whole) = links.last().map(|last| last.span) else { return };
        let step = |link: &&Expression| match member(link) {
            Some(name) => PathStep::Key(name.to_owned()),
            None => PathStep::Index,
        };
        self.readings.push(Reading {
            reader: self.reader,
            source,
            spot: Spot::new(self.place, (self.locate)(whole)),
            expression: self.text.get(whole.start..whole.end).unwrap_or_default().to_owned(),
            guarded,
            path: path.iter().map(step).collect(),
        });
    }

    fn variable(&mut self, base: &Expression, links: &[&Expression]) {
        let Some(variables) = &self.names.variables else { return };
        let mut here = variables.clone();
        let mut way = String::from("variables");
        for link in links {
            let Value::Object(members) = &here else { return };
            let Some(name) = member(link) else { return };
            let Some(value) = members.get(name) else {
                let hint = did_you_mean(self.report.nearest(name, members.keys().map(String::as_str)))
                    .or_else(|| hyphen(name, self.names).map(|reason| format!("{reason}; {SPACES}")));
                let span = Span { start: base.span.start, end: link.span.end };
                return self.add(Code::UnknownMember, span, format!("`{way}` has no `{name}`"), hint);
            };
            way = format!("{way}.{name}");
            let value = value.clone();
            here = value;
        }
    }

    fn environment(&mut self, base: &Expression, links: &[&Expression]) {
        let Some(name) = links.first().and_then(|link| member(link)) else {
            let hint = Some("write `env.NAME`".to_owned());
            return self.add(Code::UnknownMember, base.span, "`env` is not a value of its own", hint);
        };
        let allowed = self.names.environment;
        if !allowed.iter().any(|allowed| allowed == name) {
            let hint = did_you_mean(self.report.nearest(name, allowed.iter().map(String::as_str)));
            let hint = hint.unwrap_or_else(|| format!("the operator can add `{name}` to `env_allow`"));
            let message = format!("environment variable `{name}` is not allowed");
            self.add(Code::EnvironmentNotAllowed, links[0].span, message, Some(hint));
        }
    }

    fn run(&mut self, links: &[&Expression]) {
        let Some(link) = links.first() else { return };
        let name = member(link);
        if name.is_some_and(|name| RUN_MEMBERS.contains(&name)) {
            return;
        }
        let hint = did_you_mean(name.and_then(|name| self.report.nearest(name, RUN_MEMBERS)));
        let message = match name {
            Some(name) => format!("`run` has no `{name}`, only {}", list_of(RUN_MEMBERS)),
            None => format!("`run` has only {}", list_of(RUN_MEMBERS)),
        };
        self.add(Code::UnknownMember, link.span, message, hint);
    }

    fn unknown_root(&mut self, at: &Expression, name: &str) {
        let hint = if self.names.steps.contains_key(name) {
            format!("write `steps.{name}.output`")
        } else if let Some(reason) = hyphen(name, self.names) {
            format!("{reason}; {SPACES}")
        } else if let Some(root) = self.report.nearest(name, ROOTS) {
            format!("did you mean `{root}`?")
        } else if matches!(&self.names.variables, Some(Value::Object(members)) if members.contains_key(name))
        {
            format!("write `variables.{name}`")
        } else if self.names.inputs.contains(name) {
            format!("write `input.{name}`")
        } else {
            format!("a path begins with {}", list_of(ROOTS))
        };
        self.add(Code::UnknownName, at.span, format!("nothing is called `{name}`"), Some(hint));
    }

    /// Warns of names behind which a subtraction may be meant.
    fn hyphens(&mut self, links: &[&Expression]) {
        for link in links {
            let Some(name) = member(link) else { continue };
            let dotted = self.text.get(..link.span.end).is_some_and(|text| text.ends_with(name));
            if let Some(reason) = hyphen(name, self.names).filter(|_| dotted) {
                let span = Span { start: link.span.end - name.len(), end: link.span.end };
                let message = format!("`{name}` is read as one name: {reason}");
                self.add(Code::HyphenInName, span, message, Some(SPACES.to_owned()));
            }
        }
    }

    fn add(&mut self, code: Code, span: Span, message: impl Into<String>, hint: Option<String>) {
        self.report.add_with(code, self.place, (self.locate)(span), message, hint);
    }
}

const SPACES: &str = "to subtract, write a space on both sides of the `-`";

/// Why a name that nothing has may be meant as a subtraction.
fn hyphen(name: &str, names: &Names<'_>) -> Option<String> {
    let known = |name: &str| {
        ROOTS.contains(&name)
            || names.steps.contains_key(name)
            || names.inputs.contains(name)
            || matches!(&names.variables, Some(Value::Object(members)) if members.contains_key(name))
    };
    if known(name) {
        return None;
    }
    for (position, _) in name.match_indices('-') {
        let (before, after) = (&name[..position], &name[position + 1..]);
        if !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(format!("it ends in `-{after}`"));
        }
        if known(before) {
            return Some(format!("`{before}` is a name of its own"));
        }
        let root = after.split('-').next().unwrap_or_default();
        if ROOTS.contains(&root) {
            return Some(format!("`{root}` is a name of its own"));
        }
    }
    None
}

/// The start of a path and its links, each the expression that ends with it.
fn links(expression: &Expression) -> (&Expression, Vec<&Expression>) {
    let mut links = Vec::new();
    let mut here = expression;
    while let ExpressionKind::Member(inner, _) | ExpressionKind::Index(inner, _) = &here.kind {
        links.push(here);
        here = inner;
    }
    links.reverse();
    (here, links)
}

/// The constant name that a link goes to.
fn member(link: &Expression) -> Option<&str> {
    match &link.kind {
        ExpressionKind::Member(_, name) => Some(name),
        ExpressionKind::Index(..)
        | ExpressionKind::Literal(_)
        | ExpressionKind::Root(_)
        | ExpressionKind::Call(..)
        | ExpressionKind::Unary(..)
        | ExpressionKind::Binary(..)
        | ExpressionKind::Invalid => None,
    }
}

/// The steps whose outputs are arms of the fallback that an expression is, where it is one without a literal arm.
pub(super) fn feeds<'e>(expression: &'e Expression) -> Vec<&'e str> {
    let arms = arms(expression);
    let literal = |arm: &&&Expression| match &arm.kind {
        ExpressionKind::Literal(_) => true,
        ExpressionKind::Unary(UnaryOperator::Negate | UnaryOperator::Not, inner) => {
            matches!(inner.kind, ExpressionKind::Literal(_))
        }
        ExpressionKind::Root(_)
        | ExpressionKind::Member(..)
        | ExpressionKind::Index(..)
        | ExpressionKind::Call(..)
        | ExpressionKind::Binary(..)
        | ExpressionKind::Invalid => false,
    };
    if arms.len() < 2 || arms.iter().any(|arm| literal(&arm)) {
        return Vec::new();
    }
    let output = |arm: &&'e Expression| -> Option<&'e str> {
        let (base, links) = links(arm);
        let id = member(links.first()?)?;
        let reads =
            matches!(base.kind, ExpressionKind::Root(Root::Steps)) && member(links.get(1)?)? == "output";
        reads.then_some(id)
    };
    arms.iter().filter_map(output).collect()
}

/// The values between which a fallback chooses.
fn arms(expression: &Expression) -> Vec<&Expression> {
    let (mut arms, mut open) = (Vec::new(), vec![expression]);
    while let Some(expression) = open.pop() {
        match &expression.kind {
            ExpressionKind::Binary(BinaryOperator::Or | BinaryOperator::Coalesce, left, right) => {
                open.extend([&**right, &**left]);
            }
            ExpressionKind::Call(Function::Default, arguments) => open.extend(arguments.iter().rev()),
            ExpressionKind::Binary(..)
            | ExpressionKind::Call(..)
            | ExpressionKind::Literal(_)
            | ExpressionKind::Root(_)
            | ExpressionKind::Member(..)
            | ExpressionKind::Index(..)
            | ExpressionKind::Unary(..)
            | ExpressionKind::Invalid => arms.push(expression),
        }
    }
    arms
}
