//! Rules for any text, whatever it is written in.

use super::{File, Finding, Weight};

const SOFT_LIMIT: usize = 400;
const HARD_LIMIT: usize = 800;

/// Files that may be longer than the limit, by name and with the reason.
const LONG_FILES: &[&str] = &[
    "Cargo.lock",                  // cargo writes it
    "docs/reference/cli.md",       // `loopfour help-markdown` writes it
    "docs/reference/openapi.json", // the server's tests write it
];

/// No file has more than 800 lines; above 400 it is worth a thought.
pub fn short_files(files: &[File]) -> Vec<Finding> {
    let measured = files.iter().filter(|file| !LONG_FILES.contains(&file.path.as_str()) && !is_data(file));
    let long =
        measured.map(|file| (file, file.text.lines().count())).filter(|(_, lines)| *lines > SOFT_LIMIT);
    long.map(|(file, lines)| {
        let (weight, message) = if lines > HARD_LIMIT {
            (Weight::Error, format!("{lines} lines; split it, {HARD_LIMIT} is the limit"))
        } else {
            (Weight::Info, format!("{lines} lines; aim for {SOFT_LIMIT}"))
        };
        Finding { path: file.path.clone(), line: lines, weight, message }
    })
    .collect()
}

/// Tables that `cargo xtask catalog` makes; they are as long as Stripe's API.
fn is_data(file: &File) -> bool {
    super::catalog::is_table(file)
}

/// No line ends in white space.
pub fn no_trailing_space(files: &[File]) -> Vec<Finding> {
    let lines = files.iter().flat_map(|file| file.lines().map(move |(number, line)| (file, number, line)));
    lines
        .filter(|(_, _, line)| line.ends_with([' ', '\t']))
        .map(|(file, number, _)| {
            Finding::error(file, number, "white space at the end of the line: remove it")
        })
        .collect()
}

/// No file names a folder of somebody's machine.
pub fn no_machine_paths(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !file.is_tidy()) {
        for (number, line) in file.lines() {
            if let Some(folder) = ["/home/", "/root/"].iter().find(|folder| is_path(line, folder)) {
                let message = format!("`{folder}` is a folder of one machine: use a relative path");
                findings.push(Finding::error(file, number, message));
            }
        }
    }
    findings
}

/// Whether `folder` stands in the line as the start of a path, not inside one such as `docs/home/`.
fn is_path(line: &str, folder: &str) -> bool {
    let mut places = line.match_indices(folder);
    places.any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}~".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check;

    #[test]
    fn files_are_short() {
        check(short_files, &[("a.rs", &"//\n".repeat(800)), ("Cargo.lock", &"x\n".repeat(900))], &[]);
        check(short_files, &[("a.rs", &"//\n".repeat(801))], &["a.rs:801"]);
        check(short_files, &[("catalog/stripe/1/events.json", &"\n".repeat(801))], &[]);
        check(
            short_files,
            &[("catalog/stripe/overlay.json", &"\n".repeat(801))],
            &["catalog/stripe/overlay.json:801"],
        );
    }

    #[test]
    fn long_files_are_mentioned() {
        let file = |lines| File { path: "a.rs".to_owned(), text: "//\n".repeat(lines) };
        assert_eq!(short_files(&[file(400)]), []);
        assert_eq!(short_files(&[file(401)])[0].weight, Weight::Info);
    }

    #[test]
    fn lines_do_not_end_in_space() {
        check(no_trailing_space, &[("a.md", "one\n\n two\n")], &[]);
        check(no_trailing_space, &[("a.md", "one \n\ntwo\t\n")], &["a.md:1", "a.md:3"]);
    }

    #[test]
    fn paths_are_relative() {
        check(no_machine_paths, &[("a.md", "see docs/home/x and ~/home/ and https://a.example/home/x")], &[]);
        check(
            no_machine_paths,
            &[("a.rs", "\n\"/home/me/x\"\n"), ("b.md", "cd /root/x")],
            &["a.rs:2", "b.md:1"],
        );
    }
}
