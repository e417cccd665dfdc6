//! `cargo xtask tidy`: the rules that no lint knows.
//! A rule is a function from the files of the repository to findings, each with its place and what to do; a new rule
//! is such a function, a row in `RULES`, and a test with a good and a bad text.

mod catalog;
mod layers;
mod links;
mod pages;
mod rust;
mod text;

use std::fs;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{refuse, tools, workspace};

/// A file of the repository; the path is relative to its root, with `/`.
struct File {
    path: String,
    text: String,
}

impl File {
    /// The lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether the rules themselves stand here, which must be able to name what they forbid.
    fn is_tidy(&self) -> bool {
        self.path.starts_with("xtask/src/tidy/")
    }
}

/// What a rule has found.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    weight: Weight,
    /// What is wrong, and what to do.
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Worth knowing.
    Info,
    /// Must be mended.
    Error,
}

impl Finding {
    fn error(file: &File, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: file.path.clone(), line, weight: Weight::Error, message: message.into() }
    }
}

type Rule = fn(&[File]) -> Vec<Finding>;

const RULES: &[Rule] = &[
    text::short_files,
    text::no_trailing_space,
    text::no_machine_paths,
    rust::no_unfinished_work,
    rust::no_skipped_tests,
    rust::no_sleeping_tests,
    rust::no_allowed_lints,
    rust::crates_say_what_they_are,
    layers::crates_use_only_what_lies_below,
    pages::codes_and_pages_match,
    links::links_lead_somewhere,
    catalog::tables_are_as_made,
];

/// Applies every rule to every file.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        return Ok(refuse(arguments));
    }
    let files = files()?;
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&files)).collect();
    let mut errors = 0;
    for Finding { path, line, weight, message } in &findings {
        let weight = match weight {
            Weight::Info => "info",
            Weight::Error => {
                errors += 1;
                "error"
            }
        };
        println!("{path}:{line}: {weight}: {message}");
    }
    println!("{} files, {} rules, {errors} errors", files.len(), RULES.len());
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The text files that git tracks or would track.
fn files() -> Result<Vec<File>> {
    let root = workspace();
    let mut git = std::process::Command::new("git");
    git.args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    if !tools::works("git", &["--version"]) {
        bail!("tidy asks git for the list of files: install git");
    }
    let output = git.current_dir(&root).output()?;
    if !output.status.success() {
        bail!("git does not list the files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut files = Vec::new();
    for path in output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        let path = String::from_utf8_lossy(path).into_owned();
        // A file may be deleted and not yet committed so; what is not UTF-8 is no text.
        if let Some(text) = fs::read(root.join(&path)).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}

/// For the rules' tests: a rule applied to texts, as `path:line` of each error.
#[cfg(test)]
#[track_caller]
fn check(rule: Rule, texts: &[(&str, &str)], expected: &[&str]) {
    let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
    let files: Vec<File> = texts.iter().map(file).collect();
    let findings = rule(&files);
    let places = findings.iter().filter(|finding| finding.weight == Weight::Error);
    let places: Vec<String> = places.map(|finding| format!("{}:{}", finding.path, finding.line)).collect();
    assert_eq!(places, expected, "{findings:#?}");
}
