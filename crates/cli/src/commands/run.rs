//! `loopfour run`: one run of a file, in this process or on a server.

use std::path::PathBuf;

use loopfour_lang::Value;
use loopfour_lang::step::StepKind;

use crate::client::ServerFlags;
use crate::commands::check;
use crate::config::{Config, Flags};
use crate::ending::Output;
use crate::failure::Failure;
use crate::{local, remote};

/// Run a workflow file and wait for its end.
///
/// The run happens in this process; its journal and, with --sandbox, the offline Stripe's objects are kept in the data
/// directory. With a server's address it happens there instead: the workflow is created, activated and run.
///
/// Each step is told on stderr as it happens; the run's output goes to stdout as JSON.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes:
  0    completed
  1    failed, cancelled or timed out
  2    not started: a wrong file, input or setting, or a data directory that
       another process uses
  3    waiting for a person; what the run waits for by itself, such as a retry or
       the provider's rate limit, is told on stderr and waited for
  130  stopped by Ctrl-C: the next `loopfour serve` on the data directory goes on
       with the run; one on a server goes on there

Examples:
  loopfour run invoice.json --sandbox \\
    --input '{\"email\": \"ada@example.com\", \"amount\": 9900}'
  STRIPE_API_KEY=sk_test_... loopfour run invoice.json --input-file input.json
  loopfour run invoice.json --server http://127.0.0.1:3000 --input '{}' | jq .id")]
pub struct Run {
    /// The workflow file; `-` reads stdin.
    #[arg(value_name = "FILE")]
    file: String,
    /// The run's input, as JSON [default: {}].
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,
    /// A file that holds the run's input; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    input_file: Option<String>,
    /// Send actions to the built-in offline Stripe, never to Stripe [env: LOOPFOUR_SANDBOX].
    #[arg(long, conflicts_with = "server")]
    sandbox: bool,
    /// The data directory [env: LOOPFOUR_DATA] [default: loopfour-data].
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    data: Option<PathBuf>,
    /// Objects that the offline Stripe begins with, as `loopfour serve --fixtures` takes them.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    fixtures: Option<PathBuf>,
    /// The settings file [default: loopfour.toml, if there is one].
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    config: Option<PathBuf>,
    /// Print the run as the API answers it, however it ended, not its output alone.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerFlags,
}

impl Run {
    /// Runs the file, and gives the exit code.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        if self.file == "-" && self.input_file.as_deref() == Some("-") {
            return Err(Failure::refused("stdin cannot be both the workflow and its input"));
        }
        let source = check::read(&self.file)?;
        let workflow = check::told(&self.file, &source)?;
        let input = self.given()?;
        let output = if self.json { Output::Record } else { Output::Value };
        // Whoever names a data directory or the sandbox means this process, whatever the environment says.
        let here = self.sandbox || self.data.is_some() || self.config.is_some();
        if !here && self.server.named()?.is_some() {
            let client = self.server.client()?;
            return remote::run(&client, &source, &input, &workflow, output).await;
        }
        let flags = Flags {
            config: self.config,
            data: self.data,
            sandbox: self.sandbox,
            fixtures: self.fixtures,
            ..Flags::default()
        };
        let config = Config::load(flags)?;
        let acts = workflow.steps.iter().any(|step| matches!(step.kind, StepKind::Action(_)));
        if acts && !config.sandbox && config.stripe_api_key.is_none() {
            return Err(Failure::refused("there is no Stripe to call")
                .hint("`--sandbox` calls the built-in offline one, a key in STRIPE_API_KEY the real one"));
        }
        local::run(config, &source, workflow, input, output).await
    }

    fn given(&self) -> Result<Value, Failure> {
        let (origin, text) = match (&self.input, &self.input_file) {
            (Some(text), _) => ("--input", text.clone()),
            (None, Some(file)) => (file.as_str(), check::read(file)?),
            (None, None) => return Ok(Value::Object(Default::default())),
        };
        loopfour_lang::json::parse(text.as_bytes())
            .map_err(|wrong| Failure::refused(format!("{origin}: {wrong}")))
    }
}
