//! The benchmark: `example` keeps 32 runs of the documented example in flight on a `loopfour serve` of its own, in turn
//! with a bare loop that makes the same six calls with the same HTTP client, both against `bench-provider`.
//! The server answers for durability and its API, the bare loop for nothing, so their ratio is what those cost.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it reports on the terminal")]
#![expect(clippy::float_arithmetic, reason = "rates and ratios are for people, nothing counts on with them")]

mod bare;
mod disk;
mod process;
mod server;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinSet;

use crate::process::{Process, processor_time};

/// Runs that are under way at any time.
const IN_FLIGHT: usize = 32;

/// What the command line says.
struct Options {
    rounds: usize,
    seconds: u64,
}

/// What one round of one side did.
struct Round {
    /// How long each run took.
    took: Vec<Duration>,
    elapsed: Duration,
    /// Processor time of server, provider and this process.
    computed: [Duration; 3],
}

/// All rounds of one side.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    took: Vec<Duration>,
    computed: [Duration; 3],
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = options(&arguments) else {
        eprintln!("usage: bench-driver example [--rounds N] [--seconds S]");
        return ExitCode::from(2);
    };
    match example(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[String]) -> Option<Options> {
    let mut options = Options { rounds: 5, seconds: 5 };
    let (name, pairs) = arguments.split_first()?;
    if name != "example" || !pairs.len().is_multiple_of(2) {
        return None;
    }
    for pair in pairs.chunks(2) {
        match (pair[0].as_str(), pair[1].parse::<u32>().ok().filter(|number| *number > 0)?) {
            ("--rounds", number) => options.rounds = number as usize,
            ("--seconds", number) => options.seconds = u64::from(number),
            _ => return None,
        }
    }
    Some(options)
}

async fn example(options: &Options) -> Result<()> {
    let programs = std::env::current_exe()?.parent().context("this program lies in no folder")?.to_owned();
    // Beside the programs: a folder for temporary files may well be memory, where nothing is durable.
    let data = tempfile::Builder::new().prefix("bench-data-").tempdir_in(&programs)?;
    let synced = disk::sync_time(data.path())?;

    let mut program = Command::new(programs.join("bench-provider"));
    let mut provider = Process::start("bench-provider", program.stdout(Stdio::piped()))?;
    let address = provider.first_line()?.trim().to_owned();
    let server = server::Server::start(&programs.join("loopfour"), data.path(), &address).await?;
    let workflow = server.activate(Path::new("docs/examples/create-and-send-invoice.json")).await?;
    let bare = bare::Loop::new(&address)?;
    println!(
        "{IN_FLIGHT} runs in flight, {} rounds of {} s a side, in turn",
        options.rounds, options.seconds
    );

    let pids = [server.pid(), provider.pid(), std::process::id()];
    let (mut with_server, mut without) = (Side::default(), Side::default());
    for number in 0..=options.rounds {
        // The first round warms up and does not count.
        let seconds = Duration::from_secs(if number == 0 { 1 } else { options.seconds });
        let workers = (0..IN_FLIGHT).map(|worker| workflow.worker(worker, seconds));
        let server_round = round(workers, pids).await.context("on the server")?;
        let workers = (0..IN_FLIGHT).map(|_| bare.worker(seconds));
        let bare_round = round(workers, pids).await.context("in the bare loop")?;
        if number > 0 {
            let (a, b) = (with_server.add(server_round), without.add(bare_round));
            println!("round {number}: server {a:.0} runs/s, bare loop {b:.0} runs/s");
        }
    }
    report(&mut with_server, &mut without, &provider, synced)
}

/// Lets the workers run to their end.
async fn round<W>(workers: impl Iterator<Item = W>, pids: [u32; 3]) -> Result<Round>
where
    W: Future<Output = Result<Vec<Duration>>> + Send + 'static,
{
    let before = computed(pids)?;
    let start = Instant::now();
    let mut set: JoinSet<Result<Vec<Duration>>> = workers.collect();
    let mut took = Vec::new();
    while let Some(worker) = set.join_next().await {
        took.extend(worker??);
    }
    let elapsed = start.elapsed();
    let after = computed(pids)?;
    if took.is_empty() {
        bail!("no run ended");
    }
    Ok(Round { took, elapsed, computed: std::array::from_fn(|at| after[at].saturating_sub(before[at])) })
}

fn computed(pids: [u32; 3]) -> Result<[Duration; 3]> {
    let [server, provider, driver] = pids;
    Ok([processor_time(server)?, processor_time(provider)?, processor_time(driver)?])
}

impl Side {
    /// Counts a round in and answers its runs per second.
    fn add(&mut self, round: Round) -> f64 {
        let rate = round.took.len() as f64 / round.elapsed.as_secs_f64();
        self.rates.push(rate);
        self.took.extend(round.took);
        for (sum, part) in self.computed.iter_mut().zip(round.computed) {
            *sum += part;
        }
        rate
    }

    fn show(&mut self, name: &str) -> f64 {
        self.rates.sort_by(f64::total_cmp);
        self.took.sort();
        let rate = self.rates[self.rates.len() / 2];
        let milliseconds = |part| percentile(&self.took, part).as_secs_f64() * 1e3;
        println!(
            "{name:<10} {rate:>6.0} runs/s   p50 {:>6.1} ms   p99 {:>6.1} ms",
            milliseconds(50),
            milliseconds(99)
        );
        let micros = self.computed.map(|part| part.as_secs_f64() * 1e6 / self.took.len() as f64);
        println!(
            "           processor time a run: server {:.0} µs, provider {:.0} µs, driver {:.0} µs",
            micros[0], micros[1], micros[2]
        );
        rate
    }
}

fn report(with_server: &mut Side, without: &mut Side, provider: &Process, synced: Duration) -> Result<()> {
    println!();
    let server_rate = with_server.show("server");
    let bare_rate = without.show("bare loop");
    println!("provider   {:.2} s of processor time in all", processor_time(provider.pid())?.as_secs_f64());
    println!("disk       append of 4 KiB and fdatasync, p50 {:.3} ms", synced.as_secs_f64() * 1e3);
    println!("example: ratio {:.2}", server_rate / bare_rate);
    Ok(())
}

/// Of a sorted list that is not empty.
fn percentile(sorted: &[Duration], part: usize) -> Duration {
    sorted[(sorted.len() * part / 100).min(sorted.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_list() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 50), Duration::from_millis(101));
        assert_eq!(percentile(&sorted, 99), Duration::from_millis(199));
        assert_eq!(percentile(&sorted[..1], 99), Duration::from_millis(1));
    }

    #[test]
    fn the_command_line_is_read_strictly() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            options(&words).map(|options| (options.rounds, options.seconds))
        };
        assert_eq!(parse("example"), Some((5, 5)));
        assert_eq!(parse("example --seconds 2 --rounds 3"), Some((3, 2)));
        for wrong in ["", "other", "example --rounds", "example --rounds 0", "example --turns 1"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
