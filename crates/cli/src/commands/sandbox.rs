//! `loopfour sandbox`: the offline Stripe on its own.

use std::path::PathBuf;

use loopfour_sandbox::{Config, Reach};

use crate::config;
use crate::failure::{DONE, Failure};
use crate::signals::Signals;
use crate::{instance, print};

/// Start the offline Stripe on its own, for tests and for looking around.
///
/// It answers under /v1/ to any key sk_test_... or rk_test_..., as Stripe does, and sends signed events to the
/// webhook endpoints that it is told of. Its controls under /_sandbox/ need no key: calls, in_flight, objects,
/// faults, storm, clock, fixtures, limits, keys, authenticate, deliveries, events/ID/resend, trigger, reset.
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 stopped by a signal, 2 not started.

Examples:
  loopfour sandbox --listen 127.0.0.1:4242
  loopfour sandbox --listen 127.0.0.1:4242 --data sandbox-data --fixtures objects.json
  curl -s http://127.0.0.1:4242/v1/customers -u sk_test_x: -d email=ada@example.com
  curl -s http://127.0.0.1:4242/_sandbox/trigger -d '{\"event\": \"invoice.paid\"}'
  curl -s http://127.0.0.1:4242/_sandbox/faults -d '{\"kind\": \"rate_limit\"}'
  curl -s http://127.0.0.1:4242/_sandbox/storm -d '{\"seed\": 7, \"delay\": 50, \"rates\": {\"cut_after_write\": 30}}'")]
pub struct Sandbox {
    /// Where to listen; a loopback address, since whoever reaches it can do anything with it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4242")]
    listen: String,
    /// Keep the objects in this directory; without it they are in memory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A JSON file {"objects": [...]} of objects with ids of their own, loaded at the start.
    #[arg(long, value_name = "FILE")]
    fixtures: Option<PathBuf>,
    /// Listen on any interface, for containers: whoever reaches it can read and change everything in it.
    #[arg(long)]
    anywhere: bool,
}

impl Sandbox {
    /// Serves until it is asked to stop.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        instance::log("info");
        let reach = if self.anywhere { Reach::Anywhere } else { Reach::Loopback };
        let address = config::address("--listen", &self.listen)?;
        let signals = Signals::new()?;
        if reach == Reach::Loopback && !address.ip().is_loopback() {
            let refusal = loopfour_sandbox::Error::NotLoopback(address);
            return Err(
                Failure::refused(refusal.to_string()).hint("or `--anywhere`, where nobody else is near")
            );
        }
        let listener = instance::listen(address).await?;
        let address = instance::bound(&listener)?;
        let settings = Config { data: self.data, fixtures: self.fixtures, reach, ..Config::default() };
        let refused = |cause: loopfour_sandbox::Error| Failure::refused(cause.to_string());
        let sandbox = loopfour_sandbox::Sandbox::open(settings).map_err(refused)?;
        print::out(&format!("listening on http://{address}"))?;
        sandbox.serve(listener, signals.stop()).await.map_err(refused)?;
        Ok(DONE)
    }
}
