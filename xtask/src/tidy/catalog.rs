//! The tables in `catalog/` are as `cargo xtask catalog` makes them: JSON, one row a line, in order.

use serde_json::{Map, Value};

use super::{File, Finding};
use crate::catalog::made;

/// Each table is what the generator would write for its rows, in order of their names.
pub fn tables_are_as_made(files: &[File]) -> Vec<Finding> {
    let again = "make it again with `cargo xtask catalog FACTS`";
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("catalog/") && file.path.ends_with(".json"))
    {
        if let Err(error) = serde_json::from_str::<Value>(&file.text) {
            findings.push(Finding::error(file, error.line(), format!("not JSON: {error}")));
        } else if is_table(file) {
            let made = made(&file.text).unwrap_or_default();
            if made != file.text {
                let same =
                    made.lines().zip(file.text.lines()).take_while(|(made, line)| made == line).count();
                findings.push(Finding::error(
                    file,
                    same + 1,
                    format!("not as the generator writes it: {again}"),
                ));
            } else if let Some(line) = unsorted(file) {
                findings.push(Finding::error(file, line, format!("not in order of the names: {again}")));
            }
        }
    }
    findings
}

/// Whether the file is one of the tables that are made, in a folder of an API version.
pub fn is_table(file: &File) -> bool {
    let folder = file.path.strip_prefix("catalog/stripe/").is_some_and(|rest| rest.contains('/'));
    folder && file.path.ends_with(".json")
}

/// The line of the first row that stands before its place in the file's main part, which has the file's name.
fn unsorted(file: &File) -> Option<usize> {
    let parsed: Map<String, Value> = serde_json::from_str(&file.text).ok()?;
    let rows = parsed.get(file.name().trim_end_matches(".json"))?.as_object()?;
    let names: Vec<&String> = rows.keys().collect();
    let wrong = names.windows(2).find(|pair| pair[0] >= pair[1])?[1];
    let row = format!("\"{wrong}\":");
    file.lines().find(|(_, line)| line.starts_with(&row)).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check;

    #[track_caller]
    fn check_events(rows: &str, expected: &[&str]) {
        let text =
            format!("{{\n\"apiVersion\": \"1\",\n\"source\": \"s\",\n\"events\": {{\n{rows}\n}}\n}}\n");
        check(tables_are_as_made, &[("catalog/stripe/1/events.json", &text)], expected);
    }

    #[test]
    fn rows_are_one_a_line_and_sorted() {
        check_events("\"a\": true,\n\"b\": true", &[]);
        check_events("\"a\": true, \"b\": true", &["catalog/stripe/1/events.json:5"]);
        check_events("\"b\": true,\n\"a\": true", &["catalog/stripe/1/events.json:6"]);
        check_events("\"a\": true,", &["catalog/stripe/1/events.json:6"]);
        check_events("\"a\":  true", &["catalog/stripe/1/events.json:5"]);
    }

    #[test]
    fn what_is_edited_by_hand_is_json() {
        check(tables_are_as_made, &[("catalog/stripe/overlay.json", "{ \"b\": 1,\n  \"a\": 2 }")], &[]);
        check(
            tables_are_as_made,
            &[("catalog/stripe/overlay.json", "{\n,}")],
            &["catalog/stripe/overlay.json:2"],
        );
    }
}
