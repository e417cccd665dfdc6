//! Which crate may use which: the picture in `ARCHITECTURE.md` as a table.

use toml::{Table, Value};

use super::{File, Finding};

/// A crate's folder, and the crates of ours that it may use.
/// Tests may use `testkit` beside them.
const LAYERS: &[(&str, &[&str])] = &[
    ("crates/lang", &[]),
    ("crates/engine", &["lang"]),
    ("crates/host", &["engine", "lang"]),
    ("crates/store", &["engine", "lang"]),
    ("crates/connect", &["engine", "lang"]),
    ("crates/sandbox", &[]),
    ("crates/server", &["engine", "lang", "store"]),
    ("crates/testkit", &["engine", "lang", "sandbox"]),
    ("crates/cli", &["lang", "engine", "host", "store", "connect", "sandbox", "server"]),
    ("bench/provider", &[]),
    ("bench/driver", &[]),
    ("bench/proof", &[]),
    ("bench/runs", &["lang", "engine", "store", "server"]),
    ("xtask", &[]),
];

/// The crates that do no I/O, and what would tempt them.
const PURE: &[&str] = &["crates/lang", "crates/engine"];
const IMPURE: &[&str] = &["axum", "hyper", "reqwest", "rusqlite", "tokio"];

/// Our crates' packages are named so.
const PREFIX: &str = "loopfour-";

/// A crate uses only crates that lie below it, and the pure ones nothing that does I/O.
pub fn crates_use_only_what_lies_below(files: &[File]) -> Vec<Finding> {
    let manifests = files.iter().filter(|file| file.name() == "Cargo.toml" && file.path != "Cargo.toml");
    manifests.flat_map(check_manifest).collect()
}

fn check_manifest(file: &File) -> Vec<Finding> {
    let folder = file.path.trim_end_matches("/Cargo.toml");
    let Some((_, below)) = LAYERS.iter().find(|(layer, _)| *layer == folder) else {
        return vec![Finding::error(
            file,
            1,
            "this crate has no layer: add a row to xtask/src/tidy/layers.rs",
        )];
    };
    let Ok(manifest) = file.text.parse::<Table>() else {
        return vec![Finding::error(file, 1, "this manifest is not TOML")];
    };
    let mut findings = Vec::new();
    for (section, package) in dependencies(&manifest) {
        let line = file.lines().find(|(_, line)| line.starts_with(&package)).map_or(1, |(number, _)| number);
        let ours = package.strip_prefix(PREFIX);
        let is_test = section == "dev-dependencies";
        let may_use = |ours: &&str| below.contains(ours) || (is_test && *ours == "testkit");
        if let Some(ours) = ours.filter(|ours| !may_use(ours)) {
            let message =
                format!("{folder} must not use `{ours}`: it lies beside or above; go through a port");
            findings.push(Finding::error(file, line, message));
        }
        if PURE.contains(&folder) && !is_test && IMPURE.contains(&package.as_str()) {
            let message = format!("{folder} does no I/O, so it must not use `{package}`");
            findings.push(Finding::error(file, line, message));
        }
    }
    findings
}

/// Every dependency with the section it stands in; those of `[target.…]` too.
fn dependencies(manifest: &Table) -> Vec<(&'static str, String)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let tables: Vec<&Table> = std::iter::once(manifest).chain(targets).collect();
    let mut found = Vec::new();
    for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for rows in tables.iter().filter_map(|table| table.get(section)?.as_table()) {
            found.extend(rows.iter().map(|(name, row)| (section, package(name, row))));
        }
    }
    found
}

/// A row may give a package another name.
fn package(name: &str, row: &Value) -> String {
    row.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check;

    #[track_caller]
    fn check_layers(folder: &str, manifest: &str, expected: &[usize]) {
        let path = format!("{folder}/Cargo.toml");
        let expected: Vec<String> = expected.iter().map(|line| format!("{path}:{line}")).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(crates_use_only_what_lies_below, &[(&path, manifest)], &expected);
    }

    #[test]
    fn dependencies_point_down() {
        check_layers("crates/engine", "[dependencies]\nloopfour-lang.workspace = true\n", &[]);
        check_layers("crates/engine", "[dev-dependencies]\nloopfour-testkit.workspace = true\n", &[]);
        check_layers("crates/engine", "[dependencies]\nloopfour-testkit.workspace = true\n", &[2]);
        check_layers("crates/lang", "[dependencies]\n\nloopfour-engine = { path = \"../engine\" }\n", &[3]);
        check_layers("crates/host", "[dependencies]\nx = { package = \"loopfour-store\" }\n", &[1]);
        check_layers(
            "crates/host",
            "[target.'cfg(unix)'.dependencies]\nloopfour-store.workspace = true\n",
            &[2],
        );
    }

    #[test]
    fn pure_crates_stay_pure() {
        check_layers("crates/engine", "[dependencies]\ntokio.workspace = true\n", &[2]);
        check_layers("crates/engine", "[dev-dependencies]\ntokio.workspace = true\n", &[]);
        check_layers("crates/host", "[dependencies]\ntokio.workspace = true\n", &[]);
    }

    #[test]
    fn each_crate_has_a_layer() {
        check_layers("crates/utils", "[dependencies]\n", &[1]);
        check_layers("crates/lang", "[dependencies\n", &[1]);
    }
}
