//! `cargo xtask catalog FACTS`: makes the tables in `catalog/stripe/<version>/` from a folder with Stripe's facts
//! (`operations.json`, `objects.json`, `events.json`, in the notation that `catalog/README.md` explains), one row a line.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

use crate::{refuse, workspace};

/// Reads the facts and writes the tables of their API version.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let [facts] = arguments else { return Ok(refuse(arguments)) };
    make(Path::new(facts))?;
    Ok(ExitCode::SUCCESS)
}

/// The text that a table is made as; `None` where `text` is no table.
pub fn made(text: &str) -> Option<String> {
    let Value::Object(parsed) = serde_json::from_str(text).ok()? else { return None };
    let parts: Option<Vec<(&str, &Map<String, Value>)>> =
        parsed.iter().skip(2).map(|(name, rows)| Some((name.as_str(), rows.as_object()?))).collect();
    table(parsed.get("apiVersion")?, parsed.get("source")?, &parts?).ok()
}

fn make(facts: &Path) -> Result<()> {
    let operations = read(facts, "operations.json")?;
    let objects = read(facts, "objects.json")?;
    let events = read(facts, "events.json")?;
    let version = text(&operations, "apiVersion")?;
    for table in [&objects, &events] {
        if text(table, "apiVersion")? != version {
            bail!("the three files are not of one API version");
        }
    }
    let folder = workspace().join("catalog/stripe").join(version);
    fs::create_dir_all(&folder)?;

    let rows = members(&operations, "operations")?.iter().map(|(id, row)| Ok((id.clone(), operation(row)?)));
    let rows = rows.collect::<Result<Map<_, _>>>()?;
    fs::write(
        folder.join("operations.json"),
        table(
            &operations["apiVersion"],
            &operations["from"],
            &[("operations", &rows), ("types", members(&operations, "types")?)],
        )?,
    )?;
    fs::write(
        folder.join("objects.json"),
        table(
            &objects["apiVersion"],
            &objects["from"],
            &[("objects", members(&objects, "objects")?), ("types", members(&objects, "types")?)],
        )?,
    )?;
    let types = events["types"].as_array().context("events.json has no list `types`")?;
    let types = types.iter().filter(|name| *name != "*").map(|name| (name.as_str().unwrap_or(""), true));
    let types = types.map(|(name, known)| (name.to_owned(), Value::Bool(known))).collect::<Map<_, _>>();
    fs::write(
        folder.join("events.json"),
        table(&events["apiVersion"], &events["from"], &[("events", &types)])?,
    )?;
    Ok(())
}

/// One operation in full words, without what the project has no use for.
fn operation(row: &Value) -> Result<Value> {
    let mut out = Map::new();
    for (key, value) in row.as_object().context("an operation is not an object")? {
        let name = match key.as_str() {
            "m" => "method",
            "p" => "path",
            "q" => "query",
            "b" => "form",
            "ret" => "returns",
            "list" | "search" | "deleted" => {
                out.insert(key.clone(), Value::Bool(true));
                continue;
            }
            "host" => "host",
            "path" | "sdk" => continue,
            other => bail!("an operation has the unknown key `{other}`"),
        };
        out.insert(name.to_owned(), value.clone());
    }
    Ok(Value::Object(out))
}

fn table(version: &Value, source: &Value, parts: &[(&str, &Map<String, Value>)]) -> Result<String> {
    let mut out = String::from("{\n");
    write!(out, "\"apiVersion\": {version},\n\"source\": {source}")?;
    for (name, rows) in parts {
        write!(out, ",\n\"{name}\": {{")?;
        for (index, (key, row)) in rows.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}\n{}: {row}", Value::from(key.as_str()))?;
        }
        out.push_str("\n}");
    }
    out.push_str("\n}\n");
    Ok(out)
}

fn read(folder: &Path, name: &str) -> Result<Value> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn text<'a>(table: &'a Value, key: &str) -> Result<&'a str> {
    table[key].as_str().with_context(|| format!("no `{key}`"))
}

fn members<'a>(table: &'a Value, key: &str) -> Result<&'a Map<String, Value>> {
    table[key].as_object().with_context(|| format!("no `{key}`"))
}
