//! From JSON with templates in its strings to [`Tree`]s, with every expression checked.

use super::expression::{Names, Reader, Reading, Walk, feeds};
use super::read::At;
use super::report::{Report, Spot};
use crate::diagnostic::Code;
use crate::json::Kind;
use crate::template::{Part, Template, Tree};

/// A value that can make branches meet in the step that it belongs to.
pub(super) struct Feed {
    /// Positions of the steps whose outputs are arms of the fallback.
    pub(super) sources: Vec<usize>,
    pub(super) spot: Spot,
}

/// What a value is for.
#[derive(Clone, Copy, Default)]
pub(super) struct Purpose {
    /// Absence is settled around it.
    pub(super) guarded: bool,
    /// A fallback in it can make branches meet.
    pub(super) joins: bool,
}

/// Compiles the values of one reader.
pub(super) struct Compiler<'c, 't> {
    pub(super) report: &'c mut Report<'t>,
    pub(super) names: &'c Names<'c>,
    pub(super) readings: &'c mut Vec<Reading>,
    pub(super) feeds: Vec<Feed>,
    pub(super) reader: Reader,
}

impl Compiler<'_, '_> {
    /// A value with its templates compiled.
    pub(super) fn tree(&mut self, at: &At<'_, '_>, purpose: Purpose) -> Tree {
        match &at.node.kind {
            Kind::Text(text) if is_template(text) => Tree::Template(self.template(at, text, purpose)),
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) => {
                Tree::Literal(at.node.to_value())
            }
            Kind::Array(items) => {
                let items = items.iter().enumerate();
                let items: Vec<Tree> =
                    items.map(|(index, item)| self.tree(&at.item(index, item), purpose)).collect();
                if items.iter().all(|item| matches!(item, Tree::Literal(_))) {
                    return Tree::Literal(at.node.to_value());
                }
                Tree::Array(items)
            }
            Kind::Object(_) => {
                let members = self.members(at, |_| purpose);
                if members.iter().all(|(_, value)| matches!(value, Tree::Literal(_))) {
                    return Tree::Literal(at.node.to_value());
                }
                Tree::Object(members)
            }
        }
    }

    /// The members of an object, compiled.
    pub(super) fn members(
        &mut self,
        at: &At<'_, '_>,
        purpose: impl Fn(&str) -> Purpose,
    ) -> Vec<(String, Tree)> {
        let member = |member: &crate::json::Member| {
            let value = At { node: &member.value, place: at.place.key(&member.key) };
            (member.key.clone(), self.tree(&value, purpose(&member.key)))
        };
        at.members().iter().map(member).collect()
    }

    /// A string that may hold templates.
    pub(super) fn text(&mut self, at: &At<'_, '_>) -> Option<Template> {
        let text = self.report.text(at)?;
        Some(self.template(at, text, Purpose::default()))
    }

    fn template(&mut self, at: &At<'_, '_>, text: &str, purpose: Purpose) -> Template {
        let (template, problems) = Template::parse(text);
        let locate = self.report.locator(at.node);
        for problem in problems {
            self.report.add_with(
                Code::BadTemplate,
                &at.place,
                locate(problem.span),
                problem.message,
                problem.hint,
            );
        }
        let mut walk = Walk {
            report: self.report,
            names: self.names,
            readings: self.readings,
            reader: self.reader,
            place: &at.place,
            text,
            locate: &locate,
        };
        for part in &template.parts {
            match part {
                Part::Text(_) => {}
                Part::Expression(expression) => walk.expression(expression, purpose.guarded),
            }
        }
        self.find_feed(at, &template, purpose);
        template
    }

    fn find_feed(&mut self, at: &At<'_, '_>, template: &Template, purpose: Purpose) {
        let Reader::Step(reader) = self.reader else { return };
        let Some(expression) = template.whole().filter(|_| purpose.joins) else { return };
        let known = feeds(expression).into_iter().filter_map(|id| self.names.steps.get(id).copied());
        let sources: Vec<usize> = known.filter(|source| *source < reader).collect();
        if !sources.is_empty() {
            self.feeds.push(Feed { sources, spot: Spot::new(&at.place, at.span()) });
        }
    }
}

/// Whether a string is more than text.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}
