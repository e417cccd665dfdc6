//! Links in Markdown lead to files that exist. Addresses on the web are left alone: nothing here reaches the network.

use super::{File, Finding};

/// Every relative link names a file or a folder of the repository.
pub fn links_lead_somewhere(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let mut in_code = false;
        for (number, line) in file.lines() {
            in_code ^= line.trim_start().starts_with("```");
            if in_code {
                continue;
            }
            for target in targets(line) {
                let path = resolve(&file.path, target);
                let folder = format!("{path}/");
                if !files.iter().any(|file| file.path == path || file.path.starts_with(&folder)) {
                    findings.push(Finding::error(
                        file,
                        number,
                        format!("`{target}` does not exist: mend the link"),
                    ));
                }
            }
        }
    }
    findings
}

/// The targets of the line's links, without fragments and without what is not a file.
fn targets(line: &str) -> Vec<&str> {
    // What stands between backquotes is code.
    let parts = line.split('`').step_by(2);
    let links = parts.flat_map(|part| part.split("](").skip(1));
    let targets = links.filter_map(|link| link.split([')', ' ']).next());
    let files = targets.map(|target| target.split('#').next().unwrap_or(""));
    files
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

fn resolve(from: &str, target: &str) -> String {
    let mut path: Vec<&str> = if target.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    path.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            name => path.push(name),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::check;

    #[test]
    fn links_name_files() {
        let text = "[a](b/c.md) [b](../README.md#x) [c](https://a.example) [d](#here) [e](b)\n\
                    `[x](code.md)`\n```\n[y](gone.md)\n```\n";
        check(links_lead_somewhere, &[("docs/a.md", text), ("docs/b/c.md", ""), ("README.md", "")], &[]);
        check(
            links_lead_somewhere,
            &[("docs/a.md", "\n[a](b.md), [c](/a.md)")],
            &["docs/a.md:2", "docs/a.md:2"],
        );
        check(links_lead_somewhere, &[("a.md", "[`code`](gone.md)")], &["a.md:1"]);
    }
}
