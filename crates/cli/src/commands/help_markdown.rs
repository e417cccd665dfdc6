//! `loopfour help-markdown`: the help of every command as one page, which is `docs/reference/cli.md`.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use crate::failure::{DONE, Failure};
use crate::{CommandLine, print};

/// Characters of a line, whatever the terminal of whoever makes the page.
const WIDTH: usize = 100;

/// Print the help of every command as Markdown.
#[derive(clap::Args)]
#[command(hide = true)]
pub struct HelpMarkdown {}

impl HelpMarkdown {
    /// Prints it.
    pub fn carry_out(self) -> Result<u8, Failure> {
        print::out(page().trim_end())?;
        Ok(DONE)
    }
}

fn page() -> String {
    // That every command has `--help` is said once.
    let mut root = CommandLine::command().disable_help_flag(true).disable_help_subcommand(true);
    root.build();
    let mut page = "\
# The command line

This page is made by `loopfour help-markdown`; a test compares the two.
Each command shows its own part with `--help`, and a shorter one with `-h`.

- Results go to stdout, talk and errors to stderr; there is no colour and no heading where stdout is no terminal.
- `--json` prints JSON for programs: one object, or one object a line where there are several. \
What the API answers stands there as it answered it, and keys are only ever added.
- A list shows one page and says on stderr when more follow; `--all` follows them to the end.
- The server is the one of `--server`, else of `LOOPFOUR_SERVER`, else the one that the settings on this machine \
describe; the API key comes from `LOOPFOUR_API_KEY`.
- Exit codes: 0 done, 1 done with a bad end, 2 not begun; commands with others say so.
"
    .to_owned();
    section(&root, &mut page);
    page
}

fn section(command: &clap::Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let help = command.clone().term_width(WIDTH).render_long_help().to_string();
    write!(page, "\n## {name}\n\n```text\n{}\n```\n", dense(&help)).expect("text takes any text");
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).for_each(|inner| section(inner, page));
}

/// Without the empty lines between options and what is said about them.
fn dense(help: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in help.trim_end().lines().map(str::trim_end) {
        let belongs = ["      -", "  -", "          ["].iter().any(|start| line.starts_with(start));
        if belongs && lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        lines.push(line);
    }
    lines.join("\n")
}
