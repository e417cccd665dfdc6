//! `loopfour actions`: what steps can do, from the catalogue in this binary. No server is asked.

mod example;
mod kind;

use loopfour_lang::Catalog;
use loopfour_lang::catalog::{Action, Method, Parameter, Place};
use loopfour_lang::nearest::nearest;
use serde_json::{Value, json};

use crate::failure::{DONE, Failure};
use crate::print::{self, Reader, style};
use crate::progress::wrap;
use crate::table::{Cell, Table};

/// Look up the actions that steps can take. Works without a server.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour actions list
  loopfour actions show stripe.createInvoice")]
pub struct Actions {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    List(List),
    Show(Show),
}

/// List the actions with what each does.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints {name, provider, operation, method, path, summary} for each, one
object a line.

Examples:
  loopfour actions list
  loopfour actions list --json | jq -r .name")]
struct List {
    /// Print each as one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Show an action: its parameters with their types, which are required, and an example.
///
/// Shown are the parameters that the documentation describes; --all shows every one that the provider takes. Each may be
/// written in camelCase, as here, or in snake_case, as the provider has it.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints what `actions list --json` does and {returns, list, notes,
parameters, example}. Each parameter is {name, wire, in, type, required,
documented, default?, limits?}: in is path, query or form, type an object whose
type is text, integer, timestamp, number, decimal, boolean, enumeration, list,
map, object, oneOf or any.

Examples:
  loopfour actions show stripe.createInvoice
  loopfour actions show createPaymentIntent --all
  loopfour actions show stripe.createInvoice --json | jq .example")]
struct Show {
    /// The action, with or without its provider: stripe.createInvoice or createInvoice.
    name: String,
    /// Show every parameter, not only those that the documentation describes.
    #[arg(long)]
    all: bool,
    /// Print everything as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Actions {
    /// Does what was asked for.
    pub fn carry_out(self) -> Result<u8, Failure> {
        match self.command {
            Command::List(list) => list.carry_out(),
            Command::Show(show) => show.carry_out(),
        }
    }
}

impl List {
    fn carry_out(self) -> Result<u8, Failure> {
        let actions = Catalog::builtin().actions.values();
        let lines: Vec<String> = if self.json {
            actions.map(|action| head(action).to_string()).collect()
        } else {
            let rows = actions.map(|action| vec![Cell::of(&action.name), Cell::of(&action.summary)]);
            Table::new(&["ACTION", "WHAT IT DOES"], print::room()).draw(&rows.collect::<Vec<_>>())
        };
        for line in lines {
            if print::out(&line)? == Reader::Gone {
                break;
            }
        }
        Ok(DONE)
    }
}

impl Show {
    fn carry_out(self) -> Result<u8, Failure> {
        let action = find(&self.name)?;
        let text = if self.json { whole(action).to_string() } else { describe(action, self.all) };
        print::out(&text)?;
        Ok(DONE)
    }
}

fn find(name: &str) -> Result<&'static Action, Failure> {
    let actions = &Catalog::builtin().actions;
    let short = |full: &'static str| full.split_once('.').map_or(full, |(_, short)| short);
    let found = actions.values().find(|action| action.name == name || short(&action.name) == name);
    if let Some(action) = found {
        return Ok(action);
    }
    let names: Vec<&'static str> = actions.keys().flat_map(|full| [full.as_str(), short(full)]).collect();
    let hint = match nearest(name, names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`loopfour actions list` shows what there is".to_owned(),
    };
    Err(Failure::failed(format!("there is no action `{name}`")).hint(hint))
}

/// What every list says of an action.
fn head(action: &Action) -> Value {
    json!({
        "name": action.name,
        "provider": action.provider,
        "operation": action.operation,
        "method": method(action.method),
        "path": action.path,
        "summary": action.summary,
    })
}

fn whole(action: &Action) -> Value {
    let mut whole = head(action);
    whole["returns"] = json!(action.returns);
    whole["list"] = json!(action.list);
    whole["notes"] = json!(action.notes);
    whole["parameters"] = action.parameters.iter().map(parameter).collect();
    whole["example"] = example::step(action);
    whole
}

fn parameter(parameter: &Parameter) -> Value {
    let place = match parameter.place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Form => "form",
    };
    let mut all = json!({
        "name": parameter.name,
        "wire": parameter.wire,
        "in": place,
        "type": kind::json(&parameter.kind),
        "required": parameter.required,
        "documented": parameter.documented,
    });
    if let Some(default) = &parameter.default {
        all["default"] = json!(default);
    }
    if let Some(limits) = &parameter.limits {
        all["limits"] = json!([limits.start(), limits.end()]);
    }
    all
}

fn describe(action: &Action, all: bool) -> String {
    let answers = match (&action.returns, action.list) {
        (Some(object), true) => format!("; answers a page of `{object}`"),
        (Some(object), false) => format!("; answers `{object}`"),
        (None, _) => String::new(),
    };
    let (bold, reset, method) = (style::BOLD, style::RESET, method(action.method));
    let mut lines = vec![
        format!("{bold}{}{reset}  {}", action.name, action.summary),
        wrap(&format!("{method} {}{answers}", action.path), ""),
    ];
    lines.extend(action.notes.iter().map(|note| wrap(note, "")));
    let (shown, others): (Vec<&Parameter>, Vec<&Parameter>) =
        action.parameters.iter().partition(|parameter| all || parameter.documented || parameter.required);
    lines.push(format!("\n{bold}Parameters{reset}"));
    if shown.is_empty() {
        lines.push("  none".to_owned());
    }
    let rows: Vec<Vec<Cell>> = shown.into_iter().map(row).collect();
    let table =
        Table::new(&["NAME", "", "TYPE"], print::room().map(|room| room.saturating_sub(2))).draw(&rows);
    lines.extend(table.iter().map(|line| format!("  {line}")));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|parameter| parameter.name.as_str()).collect();
        lines.push(wrap(&format!("and, with --all: {}", names.join(", ")), "  "));
    }
    for (name, instead) in &action.absent {
        lines.push(wrap(&format!("not `{name}`: {instead}"), "  "));
    }
    lines.push(format!("\n{bold}Example{reset}"));
    let example = format!("{:#}", example::step(action));
    lines.extend(example.lines().map(|line| format!("  {line}")));
    lines.join("\n")
}

fn row(parameter: &Parameter) -> Vec<Cell> {
    let must = match (parameter.required, &parameter.default) {
        (true, _) => Cell::of("required").styled(style::BOLD),
        (false, Some(default)) => Cell::of(&format!("default {}", print::json(default))),
        (false, None) => Cell::of(""),
    };
    let mut kind = kind::text(&parameter.kind);
    if let Some(limits) = &parameter.limits {
        kind.push_str(&format!(", {} to {}", limits.start(), limits.end()));
    }
    vec![Cell::of(&parameter.name), must, Cell::of(&kind)]
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}
