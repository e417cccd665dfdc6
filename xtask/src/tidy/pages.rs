//! Each code that a user can meet has a page in `docs/errors/`, and each page a code.

use super::{File, Finding};

/// Where codes are defined. Diagnostics: `LF` and four digits. Errors of steps: the constants. Errors of the API: the
/// texts in capitals.
const TABLES: &[&str] =
    &["crates/lang/src/diagnostic.rs", "crates/engine/src/error.rs", "crates/server/src/error.rs"];

const PAGES: &str = "docs/errors/";

/// The codes of the tables and the pages are the same; a page may also be about a provider's code that the sources
/// name.
pub fn codes_and_pages_match(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| TABLES.contains(&file.path.as_str())) {
        for (line, code) in codes(file) {
            let page = format!("{PAGES}{code}.md");
            if !files.iter().any(|file| file.path == page) {
                findings.push(Finding::error(file, line, format!("`{code}` has no page: write {page}")));
            }
        }
    }
    for page in files.iter().filter(|file| file.path.starts_with(PAGES) && file.name() != "README.md") {
        let code = page.name().trim_end_matches(".md");
        if !files.iter().filter(|file| is_source(file)).any(|file| names(file, code)) {
            findings.push(Finding::error(
                page,
                1,
                format!("no source names the code `{code}`: delete the page"),
            ));
        }
        let title = page.text.lines().next().and_then(|line| line.strip_prefix("# ")?.strip_prefix(code));
        if title.is_none_or(|rest| !rest.is_empty() && !rest.starts_with(": ")) {
            let message = format!("the first line is neither `# {code}` nor `# {code}: …`");
            findings.push(Finding::error(page, 1, message));
        }
    }
    findings
}

/// Every code that a table defines, with its line, each once.
fn codes(file: &File) -> Vec<(usize, String)> {
    let mut codes: Vec<(usize, String)> = Vec::new();
    for (number, line) in file.lines().take_while(|(_, line)| !line.starts_with("#[cfg(test)]")) {
        if line.trim_start().starts_with("//") {
            continue;
        }
        // Texts stand between every other pair of quotation marks; the constants of diagnostics are names.
        let texts = line.split('"').skip(1).step_by(2);
        let names = line.split(|at: char| !at.is_ascii_alphanumeric()).filter(|name| is_diagnostic(name));
        let is_constant = line.contains("const ") && line.contains("&str");
        let texts = texts.filter(|text| is_capitals(text) || (is_constant && is_lower(text)));
        for code in texts.chain(names) {
            if !codes.iter().any(|(_, known)| known == code) {
                codes.push((number, code.to_owned()));
            }
        }
    }
    codes
}

fn is_diagnostic(text: &str) -> bool {
    text.len() == 6 && text.starts_with("LF") && text[2..].bytes().all(|byte| byte.is_ascii_digit())
}

fn is_capitals(text: &str) -> bool {
    text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

fn is_lower(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn is_source(file: &File) -> bool {
    file.path.starts_with("crates/") && file.path.contains("/src/") && file.path.ends_with(".rs")
}

fn names(file: &File, code: &str) -> bool {
    file.text.contains(&format!("\"{code}\"")) || (is_diagnostic(code) && file.text.contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check;

    #[test]
    fn each_code_has_its_page() {
        let engine = ("crates/engine/src/error.rs", "/// `A_B`\npub const X: &str = \"api_error\";\n");
        let server =
            ("crates/server/src/error.rs", "Code::NotFound => \"NOT_FOUND\",\nlet x = \"not_a_code\";\n");
        let lang = ("crates/lang/src/diagnostic.rs", "row(LF0101, Severity::Error)");
        check(
            codes_and_pages_match,
            &[
                engine,
                server,
                lang,
                ("docs/errors/api_error.md", "# api_error\n"),
                ("docs/errors/NOT_FOUND.md", "# NOT_FOUND\n"),
                ("docs/errors/LF0101.md", "# LF0101: the text is not JSON\n"),
            ],
            &[],
        );
        check(
            codes_and_pages_match,
            &[engine, server, lang],
            &[
                "crates/engine/src/error.rs:2",
                "crates/server/src/error.rs:1",
                "crates/lang/src/diagnostic.rs:1",
            ],
        );
    }

    #[test]
    fn each_page_has_its_code() {
        let source = ("crates/connect/src/stripe/error.rs", "\"card_declined\" => …");
        check(codes_and_pages_match, &[source, ("docs/errors/card_declined.md", "# card_declined\n")], &[]);
        check(
            codes_and_pages_match,
            &[source, ("docs/errors/GONE.md", "# GONE\n")],
            &["docs/errors/GONE.md:1"],
        );
        let page = ("docs/errors/card_declined.md", "# Cards\n");
        check(codes_and_pages_match, &[source, page], &["docs/errors/card_declined.md:1"]);
    }
}
