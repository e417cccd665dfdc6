//! `cargo xtask test`: everything that is checked, part after part; a part that fails does not keep the others from
//! running, and the summary at the end names it.
//! All parts build with the dev profile, so that what one has compiled serves the others.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{proof, refuse, tidy, tools, workspace};

/// How one part went.
struct Outcome {
    name: &'static str,
    passed: bool,
    took: Duration,
}

/// Runs all parts; fails if one did.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        return Ok(refuse(arguments));
    }
    tools::install_c_compiler()?;
    let mut outcomes = Vec::new();
    let mut counts = Vec::new();
    let mut part = |name: &'static str, check: &mut dyn FnMut() -> Result<bool>| {
        println!("\n== {name}");
        let start = Instant::now();
        let passed = check().unwrap_or_else(|error| {
            eprintln!("{error:#}");
            false
        });
        outcomes.push(Outcome { name, passed, took: start.elapsed() });
    };

    part("format", &mut || passes(tools::cargo(&["fmt", "--all", "--check"])));
    part("tidy", &mut || Ok(tidy::run(&[])? == ExitCode::SUCCESS));
    part("lints", &mut || {
        passes(tools::cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
    });
    part("tests", &mut || {
        let (passed, lines) = tests()?;
        counts = lines;
        Ok(passed)
    });
    part("crash test", &mut || {
        let (passed, lines) = watch(proof::small_crash_test()?)?;
        counts
            .extend(lines.into_iter().filter(|line| line.starts_with("runs ") && line.contains(", kills ")));
        Ok(passed)
    });
    part("webhook test", &mut || {
        let (passed, lines) = watch(proof::small_webhook_test()?)?;
        counts.extend(lines.into_iter().filter(|line| line.starts_with("accepted ")));
        Ok(passed)
    });
    part("independent checks", &mut || {
        let mut command = Command::new("checks/run.sh");
        command.current_dir(workspace());
        let (passed, lines) = watch(command)?;
        counts.extend(lines.into_iter().filter(|line| line.starts_with("requests ")));
        Ok(passed)
    });
    part("examples in the documentation", &mut || passes(tools::cargo(&["test", "--doc", "--workspace"])));
    part("documentation", &mut || {
        let mut command = tools::cargo(&["doc", "--no-deps", "--workspace"]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        passes(command)
    });

    println!("\n== summary");
    for Outcome { name, passed, took } in &outcomes {
        println!("{:>6} {:>5} s  {name}", if *passed { "ok" } else { "FAILED" }, took.as_secs());
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    println!("{:>12} s  in all", total.as_secs());
    counts.iter().for_each(|line| println!("{line}"));
    let failed: Vec<&str> = outcomes.iter().filter(|part| !part.passed).map(|part| part.name).collect();
    if failed.is_empty() {
        println!("everything passed");
        return Ok(ExitCode::SUCCESS);
    }
    println!("failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Runs the tests and answers what the runner counted: nextest's summary, or the sum over cargo's own lines.
fn tests() -> Result<(bool, Vec<String>)> {
    if tools::cargo(&["nextest", "--version"]).output().is_ok_and(|output| output.status.success()) {
        let (passed, lines) = watch(tools::cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]))?;
        let summary = lines.into_iter().filter(|line| line.trim_start().starts_with("Summary ["));
        return Ok((passed, summary.collect()));
    }
    println!("nextest is not installed; plain `cargo test` runs the same tests");
    let (passed, lines) = watch(tools::cargo(&["test", "--workspace", "--all-targets", "--no-fail-fast"]))?;
    Ok((passed, vec![sum_of_results(&lines)]))
}

fn passes(mut command: Command) -> Result<bool> {
    Ok(command.status()?.success())
}

/// Runs a command, shows its two streams as they come, and answers their lines too.
fn watch(mut command: Command) -> Result<(bool, Vec<String>)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().expect("it is piped");
    let errors = thread::spawn(move || show(stderr, |line| eprintln!("{line}")));
    let mut lines = show(child.stdout.take().expect("it is piped"), |line| println!("{line}"));
    lines.extend(errors.join().expect("showing lines does not panic"));
    Ok((child.wait()?.success(), lines))
}

fn show(stream: impl Read, print: impl Fn(&str)) -> Vec<String> {
    let lines = BufReader::new(stream).split(b'\n').map_while(std::io::Result::ok);
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    lines.inspect(|line| print(line)).collect()
}

fn sum_of_results(lines: &[String]) -> String {
    let results = lines.iter().filter_map(|line| line.strip_prefix("test result: "));
    let (mut passed, mut failed) = (0, 0);
    for result in results {
        for part in result.split([';', '.']) {
            let number =
                part.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
            if part.ends_with("passed") {
                passed += number;
            } else if part.ends_with("failed") {
                failed += number;
            }
        }
    }
    format!("Summary: {} tests run: {passed} passed, {failed} failed", passed + failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_binaries_are_summed() {
        let lines = [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ];
        let lines = lines.map(str::to_owned);
        assert_eq!(sum_of_results(&lines), "Summary: 8 tests run: 7 passed, 1 failed");
    }
}
