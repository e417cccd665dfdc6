//! A fake Nango for people and for browsers' tests. It prints one line of JSON with its address and its keys, and runs
//! until it is stopped.

use std::io::Write as _;
use std::process::ExitCode;

use loopfour_testkit::nango::{Config, Nango};

const USAGE: &str = "usage: fake-nango [--listen ADDRESS] [--stripe URL] [--integrations NAME,…] [--key UUID] \
                     [--signing-key TEXT]\n\
                     --stripe is the base address of a `loopfour sandbox`, which is told of every token";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // Nobody can be told where even this fails.
            let _ = writeln!(std::io::stderr(), "fake-nango: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let mut config = Config::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{name}` needs a value\n{USAGE}"));
        match name.as_str() {
            "--listen" => {
                let address = value()?;
                config.listen =
                    address.parse().map_err(|_| format!("`{address}` is no address like 127.0.0.1:3003"))?;
            }
            "--stripe" => config.stripe = Some(value()?),
            "--integrations" => config.integrations = value()?.split(',').map(str::to_owned).collect(),
            "--key" => config.key = Some(value()?),
            "--signing-key" => config.signing_key = Some(value()?),
            other => return Err(format!("`{other}` is no argument\n{USAGE}")),
        }
    }
    let nango = Nango::start(config).await.map_err(|error| error.to_string())?;
    let told = serde_json::json!({"url": nango.url(), "key": nango.key(), "signingKey": nango.signing_key()});
    writeln!(std::io::stdout(), "{told}").map_err(|error| error.to_string())?;
    nango.ended().await;
    Ok(())
}
