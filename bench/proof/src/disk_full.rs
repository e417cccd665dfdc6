//! `disk-full-test`: the data directory on a small file system that is filled up while an answer is on its way. Nothing new
//! may be taken, nothing may be sent, and once there is room the answer in hand is committed and the run completes; so it
//! does where the server is killed meanwhile, since the answer is fetched again under its key.
//! It mounts a tmpfs, so it needs root.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Verdict;
use crate::client::Client;
use crate::process;
use crate::sandbox::Sandbox;
use crate::server::{Server, Setup, start_run};

const EXAMPLE: &str = include_str!("../../../docs/examples/create-and-send-invoice.json");
const SETTINGS: [(&str, &str); 2] = [("LOOPFOUR_RATE_LIMITS", "off"), ("LOOPFOUR_STRIPE_PACE", "off")];
/// How large the file system is.
const SIZE: &str = "size=8m";
/// How long Stripe takes for the write whose answer finds no room, in milliseconds.
const HELD: u64 = 2_000;
/// How long it is watched that nothing leaves the machine.
const WATCHED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// A mounted tmpfs, unmounted with this value.
struct Small {
    folder: PathBuf,
}

impl Small {
    fn mount(folder: &Path) -> Result<Option<Small>> {
        std::fs::create_dir(folder)?;
        let mut mount = Command::new("mount");
        let output = mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder).output()?;
        if !output.status.success() {
            println!("cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim());
            return Ok(None);
        }
        Ok(Some(Small { folder: folder.to_owned() }))
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// Writes until no byte is left.
    fn fill(&self) -> Result<()> {
        let mut file = File::options().create(true).append(true).open(self.filler())?;
        for size in [64 * 1024, 4096, 1] {
            loop {
                match file.write_all(&vec![0x5a; size]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may still hold a file.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            println!("{} is still mounted", self.folder.display());
        }
    }
}

/// What happens before there is room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    Killed,
}

/// Prints one line for each thing that must hold.
///
/// # Errors
/// A process does not do what it must for the test to go on.
pub async fn run() -> Result<Verdict> {
    let mut lines = Lines::default();
    for meanwhile in [Meanwhile::Nothing, Meanwhile::Killed] {
        let folder = process::folder("disk-full-test")?;
        let Some(small) = Small::mount(&folder.path().join("small"))? else {
            println!("disk-full-test needs root");
            return Ok(Verdict::Impossible);
        };
        match meanwhile {
            Meanwhile::Nothing => println!("the data directory lies on a tmpfs, {SIZE}, which is filled up"),
            Meanwhile::Killed => println!("the same, and the server is killed before there is room"),
        }
        fill_up(&small, folder.path(), meanwhile, &mut lines).await?;
    }
    Ok(lines.verdict())
}

async fn fill_up(small: &Small, folder: &Path, meanwhile: Meanwhile, lines: &mut Lines) -> Result<()> {
    let sandbox = Sandbox::start(folder).await?;
    let setup = Setup { folder: &small.folder, stripe: sandbox.address, settings: &SETTINGS };
    let mut server = Server::start(setup).await?;
    let client = server.client();
    let path = format!("/api/v1/workflows/{}/run", server.activate(&serde_json::from_str(EXAMPLE)?).await?);
    let held = json!({"kind": "delay_after_write", "milliseconds": HELD, "match": {"path": "/v1/invoices"}});
    sandbox.control("faults", &held).await?;
    let input = json!({"email": "full@proof.example", "name": "Ada", "amount": 9900, "description": "Full"});
    let run = start_run(&client, &path, &json!({ "input": input })).await?;
    within("the invoice was never asked for", async || {
        let log = sandbox.read("calls").await?;
        let calls = log["calls"].as_array().context("the sandbox lists its calls")?;
        Ok(calls.iter().any(|call| call["path"] == "/v1/invoices").then_some(()))
    })
    .await?;

    small.fill()?;
    // Pages of the journal that are there already may hold one or the other run still.
    let refused = within("every run was still taken", async || {
        let answer = client.call(Method::POST, &path, Some(&json!({"input": {}}))).await?;
        Ok((answer.status != 202).then_some(answer))
    })
    .await?;
    lines.check("a new run is refused with 503", refused.status == 503, &refused.body);
    tokio::time::sleep(Duration::from_millis(HELD)).await;
    let before = calls(&sandbox).await?;
    let ready = client.call(Method::GET, "/readyz", None).await?;
    lines.check("/readyz answers 503", ready.status == 503, &ready.body);
    let now = show(&client, &run).await?;
    lines.check("the run waits for room", now["waiting"]["reason"] == "storage", &now["waiting"]);
    tokio::time::sleep(WATCHED).await;
    let after = calls(&sandbox).await?;
    lines.check("no call leaves the machine meanwhile", before == after, &json!([before, after]));

    if meanwhile == Meanwhile::Killed {
        server.kill();
    }
    small.make_room()?;
    if meanwhile == Meanwhile::Killed {
        server.restart().await?;
    }
    let now = within("the run did not complete", async || {
        let run = show(&client, &run).await?;
        Ok(run["completedAt"].is_string().then_some(run))
    })
    .await?;
    lines.check("with room the run completes", now["status"] == "completed", &now["error"]);
    let ready = client.call(Method::GET, "/readyz", None).await?;
    lines.check("/readyz answers 200 again", ready.status == 200, &ready.body);
    for kind in ["customer", "invoice", "invoiceitem"] {
        let (objects, _) = sandbox.objects(kind).await?;
        let made = objects.iter().filter(|object| object["metadata"]["loopfour_run"] == run).count();
        lines.check(&format!("it made its {kind} once"), made == 1, &json!(made));
    }
    Ok(())
}

/// What has been checked.
#[derive(Default)]
struct Lines {
    failed: usize,
}

impl Lines {
    fn check(&mut self, what: &str, holds: bool, seen: &Value) {
        if holds {
            println!("ok      {what}");
        } else {
            self.failed += 1;
            println!("FAILED  {what}: {seen}");
        }
    }

    fn verdict(&self) -> Verdict {
        println!("disk full: {}", if self.failed == 0 { "holds" } else { "does not hold" });
        if self.failed == 0 { Verdict::Holds } else { Verdict::Fails }
    }
}

async fn show(client: &Client, run: &str) -> Result<Value> {
    Ok(client.ask(Method::GET, &format!("/api/v1/runs/{run}"), None).await?["data"].take())
}

/// How many calls the sandbox has received.
async fn calls(sandbox: &Sandbox) -> Result<usize> {
    Ok(sandbox.read("calls").await?["calls"].as_array().context("the sandbox lists its calls")?.len())
}

async fn within<T>(otherwise: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bail!("{otherwise} within {} s", PATIENCE.as_secs())
}
