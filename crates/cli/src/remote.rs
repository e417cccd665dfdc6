//! A run on a server: created, activated, started and followed over the API.

use loopfour_lang::{Value as Input, Workflow};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::answer;
use crate::client::{Client, LiveEvent};
use crate::ending::{Ending, Output};
use crate::failure::Failure;
use crate::print::{self, Reader};
use crate::progress::{Happening, Progress, What};

/// Runs a workflow's text on a server, and gives the exit code.
///
/// # Errors
/// The server cannot be reached or refuses.
pub async fn run(
    client: &Client,
    source: &str,
    input: &Input,
    workflow: &Workflow,
    output: Output,
) -> Result<u8, Failure> {
    let id = begin(client, source, input).await.map_err(Failure::not_begun)?;
    print::talk(&print::one_line(&workflow.name));
    let mut progress = Progress::new(workflow.steps.iter().map(|step| step.id.as_str()));
    let tell = |event: &LiveEvent| {
        line(event, &mut progress).iter().for_each(|line| print::talk(line));
        Ok(Reader::There)
    };
    follow(client, &id, tell).await?.tell(output)
}

async fn begin(client: &Client, source: &str, input: &Input) -> Result<String, Failure> {
    let workflow: answer::Workflow = client.post("/api/v1/workflows", source.to_owned()).await?;
    let path = format!("/api/v1/workflows/{}", workflow.id);
    client.post::<answer::Workflow>(&format!("{path}/activate"), String::new()).await?;
    let mut body = "{\"input\": ".to_owned();
    input.write_json(&mut body);
    body.push('}');
    let started: answer::Started = client.post(&format!("{path}/run"), body).await?;
    Ok(started.run_id)
}

/// Hands on each event of a run as it happens, until the run has ended or waits for a person, or nobody listens any more.
///
/// # Errors
/// The server cannot be reached any more.
pub async fn follow(
    client: &Client,
    run: &str,
    mut tell: impl FnMut(&LiveEvent) -> Result<Reader, Failure>,
) -> Result<Ending, Failure> {
    let path = format!("/api/v1/runs/{run}");
    let mut events = client.live(&format!("{path}/events")).await?;
    loop {
        let event = events.next().await?;
        let reader = event.as_ref().map_or(Ok(Reader::There), &mut tell)?;
        let kind = event.as_ref().map(|event| event.kind.as_str());
        let waits = matches!(kind, Some("call.held" | "step.held" | "run.parked"));
        if event.is_some() && !waits && reader == Reader::There {
            continue;
        }
        // What the record says counts: a wait that was told may be long over.
        let ending = Ending::of_answer(client.get::<Box<RawValue>>(&path).await?)?;
        match event {
            Some(_) if !ending.is_final() && reader == Reader::There => {}
            None if !ending.is_final() && reader == Reader::There => {
                return Err(Failure::failed(format!("the server stopped while {run} was under way"))
                    .hint(format!("`loopfour runs tail {run}` follows it once the server is back")));
            }
            _ => return Ok(ending),
        }
    }
}

/// Prints each event as people read it, where there is something to say.
pub fn print(progress: &mut Progress) -> impl FnMut(&LiveEvent) -> Result<Reader, Failure> {
    |event| line(event, progress).map_or(Ok(Reader::There), |line| print::out(&line))
}

fn line(event: &LiveEvent, progress: &mut Progress) -> Option<String> {
    progress.tell(&happening(event)?)
}

fn happening(event: &LiveEvent) -> Option<Happening> {
    let data: Value = serde_json::from_str(&event.data).ok()?;
    let what = match event.kind.as_str() {
        "call.intended" | "call.resumed" => What::Begun,
        "condition.decided" => What::Decided { branch: text(&data, "branch") },
        "step.succeeded" => What::Succeeded { output: data["output"].clone() },
        "step.skipped" => What::Skipped,
        "step.failed" => {
            What::Failed { error: data["error"].clone(), goes_on: data.get("fallback").is_some() }
        }
        "call.held" | "step.held" => What::Waits {
            reason: text(&data, "reason"),
            until: data["until"].as_str().map(str::to_owned),
            error: data["error"].clone(),
        },
        // The run's own beginning and end are told from its record.
        _ => return None,
    };
    let at = data["at"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    Some(Happening { at: at.map_or(0, jiff::Timestamp::as_millisecond), step: text(&data, "stepId"), what })
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
