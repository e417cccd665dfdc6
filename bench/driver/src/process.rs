//! The processes beside this one: started, asked for their processor time, and ended with it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// A child that ends when this value does.
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts the command with its standard input held open.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Process> {
        let child = command.stdin(Stdio::piped()).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Process { name, child })
    }

    /// The first line that it prints, where its standard output is a pipe.
    pub fn first_line(&mut self) -> Result<String> {
        let output = self.child.stdout.as_mut().context("its output is no pipe")?;
        let mut line = String::new();
        if BufReader::new(output).read_line(&mut line)? == 0 {
            bail!("{} ended before it was ready: {}", self.name, self.child.wait()?);
        }
        Ok(line)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Its number with the system.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a process has computed, as user and as system, by Linux's count of hundredths of a second.
pub fn processor_time(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    ticks(&text)
        .map(|ticks| Duration::from_millis(ticks * 10))
        .with_context(|| format!("{path} is not as expected"))
}

/// Fields 14 and 15; the second is a name in parentheses that may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_user_and_system() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194304 100 0 0 0 120 34 0 0 20 0 1 0 5";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("42 (a) S 1"), None);
    }
}
