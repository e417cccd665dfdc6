//! The text of a workflow: checked, taken apart into its members, and merged with a partial update. Members are kept as
//! they were written, byte for byte.

use indexmap::IndexMap;
use loopfour_lang::{Catalog, Checked, Diagnostic, Options, Severity, Workflow, check};
use serde_json::value::RawValue;

use crate::error::{Error, Problem};
use crate::{body, limits};

/// The members of a definition as they were written.
pub type Members<'a> = IndexMap<String, &'a RawValue>;

/// Does some work here if `size`, bytes, is small, else on a thread that may block.
///
/// # Errors
/// The work panicked.
pub async fn apart<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    if size <= limits::INLINE {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

/// Checks a text against the built-in catalogue and hands it back.
///
/// # Errors
/// The check panicked.
pub async fn checked(text: String) -> Result<(String, Checked), Error> {
    apart(text.len(), move || {
        let checked = check(&text, Options { catalog: Catalog::builtin(), environment: &[] });
        (text, checked)
    })
    .await
}

/// What becomes of a text with errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// It is not taken.
    Refused,
    /// It is taken all the same, unless its very shape is wrong.
    Kept,
}

/// A text that can be stored.
#[derive(Debug)]
pub struct Accepted {
    /// As it was written.
    pub text: String,
    /// The workflow's name.
    pub name: String,
    /// What was found in it: warnings and infos, and errors that are kept.
    pub remarks: Vec<Problem>,
    /// What it means; `None` where errors are kept.
    pub workflow: Option<Workflow>,
}

/// Checks a text that is to be stored or activated.
///
/// # Errors
/// 400 with every error.
pub async fn accepted(text: String, errors: Errors) -> Result<Accepted, Error> {
    let (text, checked) = checked(text).await?;
    if let Some(workflow) = checked.workflow {
        let (_, remarks) = sort(&checked.diagnostics);
        return Ok(Accepted { text, name: workflow.name.clone(), remarks, workflow: Some(workflow) });
    }
    if errors == Errors::Kept && checked.has_shape {
        body::parse(text.as_bytes())?;
        let name = members(&text)?.get("name").map_or("null", |name| name.get());
        let name = serde_json::from_str(name).map_err(Error::internal)?;
        let remarks = checked.diagnostics.iter().map(Problem::from).collect();
        return Ok(Accepted { text, name, remarks, workflow: None });
    }
    let (errors, _) = sort(&checked.diagnostics);
    let count = match errors.len() {
        1 => "1 error".to_owned(),
        count => format!("{count} errors"),
    };
    Err(Error::invalid(format!("the workflow has {count}"), errors))
}

/// Errors, and what is none.
pub fn sort(diagnostics: &[Diagnostic]) -> (Vec<Problem>, Vec<Problem>) {
    let (errors, remarks): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        diagnostics.iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
    (errors.into_iter().map(Problem::from).collect(), remarks.into_iter().map(Problem::from).collect())
}

/// The members of a text that is a JSON object.
///
/// # Errors
/// It is none, which a stored text never is.
pub fn members(text: &str) -> Result<Members<'_>, Error> {
    serde_json::from_str(text).map_err(Error::internal)
}

/// The text that an update makes of the stored one: its members replace those of the same name, a null takes one away,
/// and new ones come last. A text that gives every stored member anew replaces it as it was sent.
pub fn merged(stored: &str, update: &str, without: &str) -> Result<String, Error> {
    let (mut result, update_members) = (members(stored)?, members(update)?);
    let whole = result.keys().all(|key| update_members.contains_key(key));
    let plain = update_members.iter().all(|(key, value)| key != without && value.get() != "null");
    if whole && plain {
        return Ok(update.to_owned());
    }
    for (key, value) in update_members.into_iter().filter(|(key, _)| key != without) {
        if value.get() == "null" {
            result.shift_remove(&key);
        } else {
            result.insert(key, value);
        }
    }
    let mut text = String::with_capacity(stored.len() + update.len());
    for (position, (key, value)) in result.iter().enumerate() {
        text.push_str(if position == 0 { "{\n  " } else { ",\n  " });
        text.push_str(&serde_json::to_string(key).map_err(Error::internal)?);
        text.push_str(": ");
        text.push_str(value.get());
    }
    text.push_str(if result.is_empty() { "{}" } else { "\n}" });
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[track_caller]
    fn check(stored: &str, update: &str, expected: &str) {
        assert_eq!(merged(stored, update, "changeSummary").expect("both are objects"), expected);
    }

    #[test]
    fn an_update_replaces_members_and_keeps_the_others_as_they_were_written() {
        let stored = r#"{ "name": "a", "steps": [ 1,  2 ] }"#;
        check(stored, r#"{"name":"b"}"#, "{\n  \"name\": \"b\",\n  \"steps\": [ 1,  2 ]\n}");
        check(
            stored,
            r#"{"variables":{"x": 1.0},"changeSummary":"why"}"#,
            "{\n  \"name\": \"a\",\n  \"steps\": [ 1,  2 ],\n  \"variables\": {\"x\": 1.0}\n}",
        );
    }

    #[test]
    fn a_null_takes_a_member_away() {
        check(r#"{"a":1,"b":2}"#, r#"{"a":null}"#, "{\n  \"b\": 2\n}");
        check(r#"{"a":1}"#, r#"{"a":null}"#, "{}");
    }

    #[test]
    fn a_whole_text_is_kept_as_it_was_sent() {
        check(r#"{"a":1,"b":2}"#, "{ \"b\": 3,\n\n \"a\": 4 }", "{ \"b\": 3,\n\n \"a\": 4 }");
    }
}
