//! `settings` of a workflow.

use super::compile::{Compiler, Purpose};
use super::expression::{Names, Reader, Reading};
use super::policy;
use super::read::{At, quoted};
use super::report::{Report, did_you_mean};
use crate::diagnostic::{Code, Severity};
use crate::template::Template;
use crate::workflow::{Concurrency, Settings};

const KEYS: [&str; 7] =
    ["timeoutMs", "retryConfig", "concurrency", "stampMetadata", "output", "title", "ignore"];
const CONCURRENCY_KEYS: [&str; 2] = ["key", "limit"];
/// Codes of earlier versions that nothing is reported with any more.
const RETIRED: [&str; 1] = ["LF0203"];
const MOST_RUNS: i64 = 10_000;

/// Checks the settings, or gives the defaults.
pub(super) fn settings(
    at: Option<At<'_, '_>>,
    names: &Names<'_>,
    readings: &mut Vec<Reading>,
    report: &mut Report<'_>,
) -> Settings {
    let mut settings = Settings {
        timeout_ms: None,
        retry: None,
        concurrency: None,
        stamp_metadata: true,
        output: None,
        title: None,
        ignore: Vec::new(),
    };
    let Some(at) = at.filter(|at| report.object(at, &KEYS)) else { return settings };
    settings.timeout_ms = at.get("timeoutMs").and_then(|timeout| policy::milliseconds(&timeout, report));
    settings.retry = at.get("retryConfig").and_then(|retry| policy::retry(&retry, report));
    if let Some(stamp) = at.get("stampMetadata") {
        settings.stamp_metadata = report.boolean(&stamp).unwrap_or(true);
    }
    let mut compiler = Compiler { report, names, readings, feeds: Vec::new(), reader: Reader::End };
    settings.output = at.get("output").map(|output| compiler.tree(&output, Purpose::default()));
    compiler.reader = Reader::Start;
    settings.title = at.get("title").and_then(|title| compiler.text(&title));
    settings.concurrency =
        at.get("concurrency").and_then(|concurrency| self::concurrency(&concurrency, &mut compiler));
    settings.ignore = at.get("ignore").map(|ignore| self::ignore(&ignore, report)).unwrap_or_default();
    settings
}

fn concurrency(at: &At<'_, '_>, compiler: &mut Compiler<'_, '_>) -> Option<Concurrency> {
    if !compiler.report.object(at, &CONCURRENCY_KEYS) {
        return None;
    }
    let key = compiler.report.require(at, "key", &CONCURRENCY_KEYS);
    let key: Option<Template> = key.and_then(|key| compiler.text(&key));
    let limit = compiler.report.require(at, "limit", &CONCURRENCY_KEYS);
    let limit = limit.and_then(|limit| compiler.report.integer(&limit, 1..=MOST_RUNS));
    Some(Concurrency { key: key?, limit: u32::try_from(limit?).expect("within limits") })
}

fn ignore(at: &At<'_, '_>, report: &mut Report<'_>) -> Vec<String> {
    let mut codes = Vec::new();
    if !report.list(at) {
        return codes;
    }
    for (index, item) in at.items().iter().enumerate() {
        let entry = at.item(index, item);
        let Some(name) = report.text(&entry).filter(|name| !RETIRED.contains(name)) else { continue };
        let (message, hint) = match Code::find(name) {
            Some(code) if code.severity() != Severity::Error => {
                if !codes.iter().any(|known| known == name) {
                    codes.push(name.to_owned());
                }
                continue;
            }
            Some(code) => (
                format!("`{name}` is an error, and errors cannot be ignored"),
                Some(format!("it means: {}", code.title())),
            ),
            None => {
                let known = Code::ALL.iter().filter(|code| code.severity() != Severity::Error);
                (
                    format!("there is no code {}", quoted(name)),
                    did_you_mean(report.nearest(name, known.map(|code| code.name()))),
                )
            }
        };
        report.add_with(Code::NotIgnorable, &entry.place, entry.span(), message, hint);
    }
    codes
}
