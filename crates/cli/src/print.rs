//! Everything that the binary prints goes through here: results to stdout, talk to stderr, colour only on a terminal.
//!
//! A reader that went away is no error and never a panic; control characters in what others wrote (files, servers)
//! never reach the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use crate::failure::Failure;

/// Marks of style, removed where the output is no terminal.
pub mod style {
    /// Good news.
    pub const GREEN: &str = "\x1b[32m";
    /// Bad news.
    pub const RED: &str = "\x1b[31m";
    /// Worth a look.
    pub const YELLOW: &str = "\x1b[33m";
    /// Of less weight.
    pub const DIM: &str = "\x1b[2m";
    /// Of more weight.
    pub const BOLD: &str = "\x1b[1m";
    /// Back to normal.
    pub const RESET: &str = "\x1b[0m";
}

/// Of a terminal that does not tell its own.
const USUAL_WIDTH: u16 = 80;

/// Whether anybody still reads stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Yes.
    There,
    /// It closed the pipe: an endless command stops.
    Gone,
}

/// Prints a line of a command's result to stdout, at once.
///
/// # Errors
/// Stdout takes nothing, for another reason than that its reader went away.
pub fn out(line: &str) -> Result<Reader, Failure> {
    let mut stdout = anstream::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(cause) => Err(Failure::failed(format!("cannot write to stdout: {cause}"))),
    }
}

/// Passes a part of a command's result on to stdout as it is: it is for programs.
///
/// # Errors
/// As for [`out`].
pub fn raw(part: &[u8]) -> Result<Reader, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(part).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(cause) => Err(Failure::failed(format!("cannot write to stdout: {cause}"))),
    }
}

/// How many characters fit in a line of stdout, if it is a terminal.
pub fn room() -> Option<usize> {
    let stdout = io::stdout();
    let width = terminal_size::terminal_size_of(&stdout).map_or(USUAL_WIDTH, |(width, _)| width.0);
    stdout.is_terminal().then_some(usize::from(width))
}

/// Prints a line of talk to stderr. Where nobody listens there is nobody to tell.
pub fn talk(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Writes over the line of talk that stands there, for a terminal; nothing wipes it out.
pub fn talk_over(line: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
}

/// Prints why a command ends: one line.
pub fn failure(failure: &Failure) {
    talk(&format!("{}error{}: {}", style::RED, style::RESET, one_line(&failure.to_string())));
}

/// A value as JSON for people: over several lines, every digit kept.
pub fn json(value: &loopfour_lang::Value) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can be written as JSON")
}

/// So many things, by the word for one and for several.
pub fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

/// Text of others, fit for a line of a terminal: line breaks become spaces, other control characters are escaped.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for character in text.trim_end().chars() {
        match character {
            '\n' | '\t' => clean.push(' '),
            '\r' => {}
            control if control.is_control() => clean.extend(control.escape_default()),
            plain => clean.push(plain),
        }
    }
    Cow::Owned(clean)
}

/// Text of others over several lines, fit for a terminal: control characters but line breaks and tabs are escaped.
pub fn lines(text: &str) -> Cow<'_, str> {
    let is_bad = |character: char| character.is_control() && !"\n\t".contains(character);
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\r' => {}
            control if is_bad(control) => clean.extend(control.escape_default()),
            plain => clean.push(plain),
        }
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::{lines, one_line};

    #[test]
    fn control_characters_of_others_do_not_reach_the_terminal() {
        assert_eq!(one_line("plain – text"), "plain – text");
        assert_eq!(one_line("two\r\nlines\n"), "two lines");
        assert_eq!(one_line("\x1b[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(lines("two\r\n\tlines\u{9b}\n"), "two\n\tlines\\u{9b}\n");
    }
}
