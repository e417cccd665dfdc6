//! Rules for Rust sources: nothing unfinished, nothing skipped, nothing silenced.

use super::{File, Finding};

/// Files with the one function that asks another process again until it answers, which needs a pause between.
const POLLING_FILES: &[&str] = &["crates/cli/tests/it/process.rs"];

/// No mark of work left over.
pub fn no_unfinished_work(files: &[File]) -> Vec<Finding> {
    let marks = ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"];
    find(files, |line| marks.iter().any(|mark| has_word(line, mark)), "unfinished: do it or drop it")
}

/// No test is switched off.
pub fn no_skipped_tests(files: &[File]) -> Vec<Finding> {
    let skipped =
        |line: &str| ["#[ignore", ", ignore)", ", ignore ="].iter().any(|attribute| line.contains(attribute));
    find(files, skipped, "a skipped test proves nothing: mend it or delete it")
}

/// No test sleeps.
pub fn no_sleeping_tests(files: &[File]) -> Vec<Finding> {
    let message = "a test must not sleep: move the clock, or wait for what the test wants";
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| is_rust(file) && !POLLING_FILES.contains(&file.path.as_str())) {
        let mut in_tests = file.path.contains("/tests/");
        for (number, line) in file.lines() {
            in_tests |= line.trim_start().starts_with("#[cfg(test)]");
            let sleeps = has_word(line, "sleep(") || has_word(line, "sleep_until(");
            if in_tests && sleeps && !line.contains("fn sleep") && !line.contains(".sleep") {
                findings.push(Finding::error(file, number, message));
            }
        }
    }
    findings
}

/// Lints are silenced by `expect` with a reason, which tells when it is no longer needed.
pub fn no_allowed_lints(files: &[File]) -> Vec<Finding> {
    let allows = |line: &str| line.contains("#[allow(") || line.contains("#![allow(");
    find(files, allows, "use `#[expect(…, reason = \"…\")]`, which complains when it is no longer needed")
}

/// Each crate begins with what it is for.
pub fn crates_say_what_they_are(files: &[File]) -> Vec<Finding> {
    let roots =
        files.iter().filter(|file| file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs"));
    roots
        .filter(|file| !file.text.starts_with("//!"))
        .map(|file| {
            Finding::error(file, 1, "begin with `//!` and two or three sentences: what the crate is for")
        })
        .collect()
}

fn is_rust(file: &File) -> bool {
    file.path.ends_with(".rs") && !file.is_tidy()
}

fn find(files: &[File], is_bad: impl Fn(&str) -> bool, message: &str) -> Vec<Finding> {
    let files = files.iter().filter(|file| is_rust(file));
    let lines = files.flat_map(|file| file.lines().map(move |(number, line)| (file, number, line)));
    lines
        .filter(|(_, _, line)| is_bad(line))
        .map(|(file, number, _)| Finding::error(file, number, message))
        .collect()
}

/// Whether `word` stands in the line and is not a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let is_name = |at: Option<char>| at.is_some_and(|at| at.is_alphanumeric() || at == '_');
    let ends_in_name = word.ends_with(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        let goes_on = is_name(line[..at].chars().next_back())
            || (ends_in_name && is_name(line[at + word.len()..].chars().next()));
        !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check;

    #[test]
    fn work_is_finished() {
        check(no_unfinished_work, &[("a.rs", "let mastodon = TODOS; // todo list\n"), ("a.md", "TODO")], &[]);
        check(
            no_unfinished_work,
            &[("a.rs", "// TODO: more\n\nunimplemented!()\ndbg!(x);")],
            &["a.rs:1", "a.rs:3", "a.rs:4"],
        );
    }

    #[test]
    fn tests_are_run() {
        check(no_skipped_tests, &[("a.rs", "#[test]\nfn ignores() { check(a, ignored); }\n")], &[]);
        check(no_skipped_tests, &[("a.rs", "#[test]\n#[ignore = \"slow\"]\n")], &["a.rs:2"]);
        check(no_skipped_tests, &[("a.rs", "#[cfg_attr(x, ignore)]\n")], &["a.rs:1"]);
    }

    #[test]
    fn tests_do_not_sleep() {
        check(no_sleeping_tests, &[("src/a.rs", "tokio::time::sleep(pause).await;\n")], &[]);
        check(no_sleeping_tests, &[("tests/it/a.rs", "async fn sleep(&self)\nclock.sleep(x);\n")], &[]);
        check(no_sleeping_tests, &[("x/tests/it/a.rs", "\nthread::sleep(pause);")], &["x/tests/it/a.rs:2"]);
        check(no_sleeping_tests, &[("x/src/a.rs", "sleep(a)\n#[cfg(test)]\nsleep(b)")], &["x/src/a.rs:3"]);
    }

    #[test]
    fn lints_are_expected_not_allowed() {
        check(no_allowed_lints, &[("a.rs", "#[expect(dead_code, reason = \"x\")]")], &[]);
        check(no_allowed_lints, &[("a.rs", "#![allow(dead_code)]\n  #[allow(x)]")], &["a.rs:1", "a.rs:2"]);
    }

    #[test]
    fn crates_begin_with_words() {
        check(
            crates_say_what_they_are,
            &[("crates/a/src/lib.rs", "//! A.\n"), ("a/src/b.rs", "fn b() {}")],
            &[],
        );
        check(crates_say_what_they_are, &[("crates/a/src/lib.rs", "mod b;\n")], &["crates/a/src/lib.rs:1"]);
    }
}
