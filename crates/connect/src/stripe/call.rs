//! How a row of the catalogue and a step's config become a path and a form. Refuses what Stripe would refuse or, worse,
//! would understand otherwise: a value that is left out must never widen the call.

use loopfour_engine::StepError;
use loopfour_engine::ports::Call;
use loopfour_lang::catalog::{Action, Parameter, Place};
use loopfour_lang::{Object, Value};

use super::form::{Form, encode};
use super::parameter::{Empties, METADATA, METADATA_KEYS, metadata, write};
use super::quirks::LineItem;
use super::refusal::{Refusal, Result};
use super::value::{Node, integer, shown};

/// Under which a created object carries its run in its metadata.
pub(super) const STAMP_RUN: &str = "loopfour_run";
/// The step, likewise.
pub(super) const STAMP_STEP: &str = "loopfour_step";
/// What Stripe takes as a value in metadata, in characters.
const STAMP_LIMIT: usize = 500;

/// The path of a call and its encoded parameters, in the order in which they are written.
///
/// # Errors
/// `EMPTY_PARAMETER`, `INVALID_PARAMETER`.
pub(super) fn parameters(call: &Call<'_>) -> std::result::Result<(String, String), StepError> {
    let empty = Object::new();
    let members = match call.input {
        Value::Object(members) => members,
        Value::Null => &empty,
        other @ (Value::Boolean(_)
        | Value::Integer(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Array(_)) => {
            let refusal = Refusal::misfit("an object", other, "write the action's parameters as an object");
            return Err(refusal.inside("config").into());
        }
    };
    let given = given(call, members)?;
    let path = path(call.action, &given)?;
    Ok((path, form(call, &given)?))
}

/// A parameter that is written in the config, under the name that it has there.
struct Given<'a> {
    parameter: &'a Parameter,
    name: &'a str,
    node: Node<'a>,
}

/// The parameters that are written, left out or not.
fn given<'a>(call: &Call<'a>, members: &'a Object) -> Result<Vec<Given<'a>>> {
    let mut given: Vec<Given<'a>> = Vec::with_capacity(members.len());
    for (name, node) in Node::new(call.config, call.input).members(members) {
        let Some(parameter) = call.action.parameter(name) else {
            let what = format!("is not a parameter of `{}`", call.action.name);
            return Err(Refusal::invalid(what, "see the action's reference for what it takes").inside(name));
        };
        if let Some(earlier) = given.iter().find(|earlier| std::ptr::eq(earlier.parameter, parameter)) {
            let what = format!("is the same as `{}`, which is given too", earlier.name);
            return Err(Refusal::invalid(what, "keep one of them").inside(name));
        }
        given.push(Given { parameter, name, node });
    }
    Ok(given)
}

fn find<'g, 'a>(given: &'g [Given<'a>], parameter: &Parameter) -> Option<&'g Given<'a>> {
    given.iter().find(|given| std::ptr::eq(given.parameter, parameter))
}

/// The row's path with each `{wire name}` replaced by one encoded segment.
fn path(action: &Action, given: &[Given<'_>]) -> Result<String> {
    let mut path = String::with_capacity(action.path.len() + 32);
    for segment in action.path.split('/').skip(1) {
        path.push('/');
        let wire = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}'));
        let parameter = wire.and_then(|wire| {
            action.parameters.iter().find(|known| known.place == Place::Path && known.wire == wire)
        });
        match parameter {
            Some(parameter) => path.extend(encode(&path_value(parameter, given)?)),
            None => path.push_str(segment),
        }
    }
    Ok(path)
}

fn path_value(parameter: &Parameter, given: &[Given<'_>]) -> Result<String> {
    let Some(given) = find(given, parameter) else {
        return Err(Refusal::missing().inside(&parameter.name));
    };
    let node = given.node;
    let value = match node.value {
        _ if node.is_absent() || node.clears() => Err(Refusal::empty(node)),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Text(text) if matches!(&**text, "." | "..") => {
            let what = format!("cannot be {}: it would lead to another address", shown(node.value));
            Err(Refusal::invalid(what, "give the id of an object"))
        }
        Value::Text(text) => Ok((**text).to_owned()),
        other
        @ (Value::Null | Value::Boolean(_) | Value::Decimal(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Refusal::misfit("an id", other, "give the id, as in `….output.id`"))
        }
    };
    value.map_err(|refusal| refusal.inside(given.name))
}

/// Everything that is not in the path: as written, then the defaults, then the stamp.
fn form(call: &Call<'_>, given: &[Given<'_>]) -> Result<String> {
    let action = call.action;
    let line_item = LineItem::of(action, |wire| {
        let given = given.iter().find(|given| given.parameter.wire == wire && !given.node.is_absent());
        given.map(|given| given.node.value)
    });
    let stamped = action.stamps && call.stamp;
    let mut user_keys = 0;
    let mut form = Form::default();
    for given in given.iter().filter(|given| given.parameter.place != Place::Path) {
        let (node, wire) = (given.node, given.parameter.wire.as_str());
        if refuses_empty(given.parameter) && (node.is_absent() || node.clears()) {
            return Err(Refusal::empty(node).inside(given.name));
        }
        if node.is_absent() {
            continue;
        }
        let Some(out) = line_item.wire(wire) else { continue };
        if !stamped || wire != METADATA {
            written(&mut form, out, given)?;
        } else if !node.clears() {
            // Nothing is to be cleared on a new object; what an earlier run stamped may have been copied.
            let keys = form.under(METADATA, |form| metadata(form, node, &[STAMP_RUN, STAMP_STEP]));
            user_keys = keys.map_err(|refusal| refusal.inside(given.name))?;
        }
    }
    defaults(&mut form, action, given)?;
    if stamped && user_keys + 2 <= METADATA_KEYS && call.path.0.chars().count() <= STAMP_LIMIT {
        form.under(METADATA, |form| {
            form.under(STAMP_RUN, |form| form.put(&call.run.to_string()));
            form.under(STAMP_STEP, |form| form.put(&call.path.0));
        });
    }
    Ok(form.into_text())
}

fn written(form: &mut Form, wire: &str, given: &Given<'_>) -> Result<()> {
    let parameter = given.parameter;
    let filter = parameter.refuses_empty && parameter.place == Place::Query;
    let empties = if filter { Empties::Refused } else { Empties::LeftOut };
    if let (Some(limits), Some(number)) = (&parameter.limits, integer(given.node.value))
        && !limits.contains(&number)
    {
        let what = format!("must be from {} to {}, not {number}", limits.start(), limits.end());
        return Err(Refusal::invalid(what, "choose a number between").inside(given.name));
    }
    let before = form.mark();
    write(form, wire, &parameter.kind, given.node, empties).map_err(|refusal| refusal.inside(given.name))?;
    // A list or an object of which nothing is left is as empty as null.
    if refuses_empty(parameter) && form.mark() == before {
        return Err(Refusal::empty(given.node).inside(given.name));
    }
    Ok(())
}

/// Writes what the config leaves to us.
fn defaults(form: &mut Form, action: &Action, given: &[Given<'_>]) -> Result<()> {
    for parameter in action.parameters.iter().filter(|parameter| parameter.place != Place::Path) {
        let given = find(given, parameter).is_some_and(|given| !given.node.is_absent());
        match &parameter.default {
            _ if given => {}
            Some(value) => {
                let node = Node::default_of(value);
                write(form, &parameter.wire, &parameter.kind, node, Empties::LeftOut)
                    .map_err(|refusal| refusal.inside(&parameter.name))?;
            }
            None if parameter.required => return Err(Refusal::missing().inside(&parameter.name)),
            None => {}
        }
    }
    Ok(())
}

/// Whether the call would mean something else without a value that is written.
fn refuses_empty(parameter: &Parameter) -> bool {
    parameter.refuses_empty || (parameter.required && parameter.default.is_none())
}
