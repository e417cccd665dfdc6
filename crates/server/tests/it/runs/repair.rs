//! What people do to runs, against a provider with a script.

use loopfour_engine::ports::{ActError, Candidate, Candidates, JournalError};
use loopfour_engine::{Finding, RunId};
use loopfour_testkit::{Answer, Provider};
use serde_json::{Value, json};

use crate::server::{Reply, Server, WELCOME};

/// Past the safety margin.
const LATE: i64 = 21 * 60 * 60 * 1_000;
const FOUND: &[Answer] = &[Answer::Done(r#"{"object":"list","data":[]}"#)];
const MADE: Answer = Answer::Done(r#"{"id":"cus_1"}"#);

/// A server whose `create` step is answered so.
async fn server(create: &'static [Answer]) -> Server {
    let server = Server::start().await;
    let script = Provider::new(&[("stripe.listCustomers", FOUND), ("stripe.createCustomer", create)]);
    *server.runs.provider.lock().unwrap() = script;
    server
}

fn id_of(run: &str) -> RunId {
    run.trim_start_matches("/runs/").parse().unwrap()
}

/// Starts a run of the workflow and makes its calls, as far as it goes; its address.
async fn started(server: &Server, workflow: &str) -> String {
    let started =
        server.post(&format!("/workflows/{workflow}/run"), r#"{"input":{"email":"a@b.example"}}"#).await;
    server.runs.finish(server.runs.started().await).await;
    format!("/runs/{}", started.text("/data/runId"))
}

/// The run, which stands so: a status, or a reason to wait.
async fn at(server: &Server, run: &str, standing: &str) -> Value {
    let data = server.get(run).await.json()["data"].clone();
    assert!(data["status"] == standing || data["waiting"]["reason"] == standing, "{standing}: {data}");
    data
}

/// The same, after the calls that are due.
async fn then(server: &Server, run: &str, standing: &str) -> Value {
    server.runs.finish(id_of(run)).await;
    at(server, run, standing).await
}

/// A run whose write got no answer until only a person can tell.
async fn unknown(server: &Server) -> (String, String) {
    let workflow = server.active(WELCOME).await;
    let run = started(server, &workflow).await;
    at(server, &run, "retry").await;
    server.runs.go_on(id_of(&run), LATE).await;
    let data = at(server, &run, "outcome_unknown").await;
    assert_eq!((&data["status"], &data["waiting"]["stepId"]), (&json!("waiting"), &json!("create")));
    (workflow, run)
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str, message: &str) {
    assert_eq!((reply.status, &*reply.text("/error/code")), (status, code), "{}", reply.body);
    let told = format!("{} {}", reply.text("/error/message"), reply.json()["error"]["details"]);
    assert!(told.contains(message), "{told}");
}

#[tokio::test]
async fn a_run_is_cancelled_once() {
    let server = server(&[Answer::Fails(Finding::NoConnection)]).await;
    let run = started(&server, &server.active(WELCOME).await).await;
    at(&server, &run, "connection").await;
    let reply = server.post(&format!("{run}/cancel"), "").await;
    assert_eq!((reply.status, reply.text("/data/status")), (202, "cancelled".to_owned()), "{}", reply.body);
    assert_eq!(server.get(&run).await.json()["data"], reply.json()["data"]);
    refused(&server.post(&format!("{run}/cancel"), "{}").await, 409, "INVALID_STATE", "is cancelled already");
    refused(&server.post(&format!("{run}/retry"), "").await, 409, "INVALID_STATE", "restart it");
    let logs = server.get(&format!("{run}/logs?limit=100")).await;
    assert!(logs.body.contains("`test` wants the run cancelled"), "{}", logs.body);
}

#[tokio::test]
async fn a_cancelled_run_waits_for_the_outcome_of_its_write() {
    let server = server(&[Answer::LostBefore]).await;
    let run = started(&server, &server.active(WELCOME).await).await;
    at(&server, &run, "retry").await;
    for _ in 0..2 {
        let reply = server.post(&format!("{run}/cancel"), "").await;
        assert_eq!(reply.status, 202);
        let waiting = &reply.json()["data"]["waiting"];
        assert_eq!(
            (&waiting["reason"], &waiting["then"]),
            (&json!("outcome_unknown"), &json!("cancelled")),
            "{}",
            reply.body
        );
    }
    let body = r#"{"reason":"looked","outcome":"fail"}"#;
    let reply = server.post(&format!("{run}/steps/create/resolve"), body).await;
    let data = &reply.json()["data"];
    assert_eq!((reply.status, &data["status"]), (200, &json!("cancelled")), "{}", reply.body);
    assert_eq!(data["steps"][2]["error"]["code"], "OUTCOME_UNKNOWN");
}

#[tokio::test]
async fn a_failed_run_goes_on_at_the_failed_step() {
    let server = server(&[Answer::Refused("card_declined"), MADE]).await;
    let run = started(&server, &server.active(WELCOME).await).await;
    at(&server, &run, "failed").await;
    let reply = server.post(&format!("{run}/retry"), "").await;
    assert_eq!((reply.status, reply.text("/data/status")), (202, "running".to_owned()), "{}", reply.body);
    let data = then(&server, &run, "completed").await;
    assert_eq!(data["output"], json!({"id": "cus_1"}));
    let sent = server.runs.provider.lock().unwrap().sent();
    let actions: Vec<&str> = sent.iter().map(|sent| sent.action.as_str()).collect();
    assert_eq!(actions, ["stripe.listCustomers", "stripe.createCustomer", "stripe.createCustomer"]);
    assert_ne!(sent[1].key, sent[2].key, "a person's retry is a new try");
    refused(&server.post(&format!("{run}/retry"), "").await, 409, "INVALID_STATE", "is completed");
}

#[tokio::test]
async fn a_person_says_what_became_of_a_write() {
    for (body, status, output) in [
        (r#"{"reason":"seen","outcome":"done","id":"cus_9"}"#, "completed", json!({"id": "cus_9"})),
        (
            r#"{"reason":"seen","outcome":"done","output":{"id":"cus_8"}}"#,
            "completed",
            json!({"id": "cus_8"}),
        ),
        (r#"{"reason":"looked","outcome":"retry","notDone":true}"#, "completed", json!({"id": "cus_1"})),
        (r#"{"reason":"gave up","outcome":"fail"}"#, "failed", Value::Null),
    ] {
        let server = server(&[Answer::LostBefore, MADE]).await;
        let (_, run) = unknown(&server).await;
        let reply = server.post(&format!("{run}/steps/create/resolve"), body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let data = then(&server, &run, status).await;
        assert_eq!(data["output"], output, "{body}");
        let events = server.get(&format!("{run}/events")).await;
        assert!(events.body.contains("outcome.resolved"), "{}", events.body);
        if status == "failed" {
            assert_eq!(data["error"]["code"], "OUTCOME_UNKNOWN");
            refused(&server.post(&format!("{run}/retry"), "").await, 409, "INVALID_STATE", "`notDone: true`");
            assert_eq!(server.post(&format!("{run}/retry"), r#"{"notDone":true}"#).await.status, 202);
            then(&server, &run, "completed").await;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_resolved_so_is_refused() {
    let server = server(&[Answer::LostBefore]).await;
    let (_, run) = unknown(&server).await;
    let path = format!("{run}/steps/create/resolve");
    for (body, details) in [
        ("{}", &["reason: `reason` is missing", "outcome: `outcome` is missing"][..]),
        (
            r#"{"reason":"","outcome":"gone","x":1}"#,
            &[
                "reason: `reason` must have 1 to 1000 characters, it has 0",
                "outcome: unknown outcome `gone`",
                "x: unknown key `x`",
            ],
        ),
        (r#"{"reason":" ","outcome":"fail"}"#, &["reason: `reason` must say how you know"]),
        (
            r#"{"reason":"a","outcome":"done"}"#,
            &["id: `done` needs the object's `id`, or the `output` itself"],
        ),
        (
            r#"{"reason":"a","outcome":"done","id":"cus_1","output":{}}"#,
            &["output: give `id` or `output`, not both"],
        ),
        (
            r#"{"reason":"a","outcome":"fail","id":"cus_1","notDone":1}"#,
            &[
                "notDone: `notDone` must be true or false, not a number",
                "id: `id` belongs to the outcome `done`",
            ],
        ),
        (
            r#"{"reason":"a","outcome":"done","id":"cus_1","notDone":false}"#,
            &["notDone: `notDone` belongs to the outcome `retry`"],
        ),
        (r#"{"reason":"a","outcome":"done","id":"missing"}"#, &["id: `missing` does not exist"]),
    ] {
        server.post(&path, body).await.check_error(400, "VALIDATION_ERROR", details);
    }
    let away = server.post(&path, r#"{"reason":"a","outcome":"done","id":"away"}"#).await;
    refused(&away, 503, "UNAVAILABLE", "cannot be reached");
    let retry = r#"{"reason":"a","outcome":"retry"}"#;
    refused(&server.post(&path, retry).await, 409, "INVALID_STATE", "`notDone: true`");
    let other = server.post(&format!("{run}/steps/find/resolve"), retry).await;
    refused(&other, 409, "INVALID_STATE", "step `find` is success");
    let unknown = server.post(&format!("{run}/steps/nothing/resolve"), retry).await;
    refused(&unknown, 404, "NOT_FOUND", "no step `nothing`");
    refused(&server.post(&format!("{run}/restart"), "").await, 409, "INVALID_STATE", "is waiting");
    assert_eq!(at(&server, &run, "outcome_unknown").await["status"], "waiting", "nothing was changed");
}

#[tokio::test]
async fn candidates_are_what_the_provider_has() {
    let server = server(&[Answer::LostBefore]).await;
    let (_, run) = unknown(&server).await;
    let path = format!("{run}/steps/create/candidates");
    let one = Candidate { id: "cus_7".to_owned(), object: "customer".to_owned(), ..Candidate::default() };
    let paid = Candidate {
        id: "pi_7".to_owned(),
        object: "payment_intent".to_owned(),
        created: 1_767_323_045,
        amount: Some(9900),
        currency: Some("usd".to_owned()),
        status: Some("succeeded".to_owned()),
    };
    *server.runs.found.lock().unwrap() =
        Candidates { found: vec![one.clone(), paid], searched: 9, complete: true, changes: false };
    server.post(&path, "").await.check(concat!(
        r#"200 {"success":true,"data":{"candidates":[{"id":"cus_7","object":"customer","created":"1970-01-01T00:00:00.000Z"},"#,
        r#"{"id":"pi_7","object":"payment_intent","created":"2026-01-02T03:04:05.000Z","amount":9900,"currency":"usd","#,
        r#""status":"succeeded"}],"searched":{"objects":9,"complete":true,"#,
        r#""note":"these carry the run and the step in their metadata"}}}"#,
    ));
    for complete in [true, false] {
        *server.runs.found.lock().unwrap() =
            Candidates { found: vec![], searched: 9, complete, changes: false };
        let none = server.post(&path, "{}").await;
        assert_eq!(none.json()["data"]["candidates"], json!([]));
        let note = none.text("/data/searched/note");
        assert!(note.contains("prove"), "{note}");
    }
    // A call that changes an object marks nothing, so that the object is there says nothing.
    *server.runs.found.lock().unwrap() =
        Candidates { found: vec![one], searched: 1, complete: true, changes: true };
    let note = server.post(&path, "").await.text("/data/searched/note");
    assert!(note.contains("look whether it shows the change") && !note.contains("metadata"), "{note}");
    server.post(&path, r#"{"x":1}"#).await.check_error(400, "VALIDATION_ERROR", &["x: unknown key `x`"]);
    for (error, status) in [
        (ActError::Unfit("no objects".to_owned()), 400),
        (ActError::Missing("no step".to_owned()), 404),
        (ActError::State("no call".to_owned()), 409),
        (ActError::Unavailable("away".to_owned()), 503),
    ] {
        *server.runs.refuse_act.lock().unwrap() = Some(error);
        assert_eq!(server.post(&path, "").await.status, status);
    }
}

#[tokio::test]
async fn a_run_is_started_anew_with_what_it_had() {
    let server = server(&[Answer::Refused("card_declined"), MADE]).await;
    let workflow = server.active(WELCOME).await;
    let run = started(&server, &workflow).await;
    at(&server, &run, "failed").await;
    // The current version counts.
    let edited = server.request(&format!("PUT /api/v1/workflows/{workflow}")).body(r#"{"description":"x"}"#);
    assert_eq!(edited.send().await.status, 200);
    for (body, calls) in [(r#"{"fromStep":"create"}"#, 1), ("", 2)] {
        let before = server.runs.provider.lock().unwrap().sent().len();
        let reply = server.post(&format!("{run}/restart"), body).await;
        reply.check(
            r#"202 {"success":true,"data":{"runId":"run_*","status":"pending","workflowId":"wf_*","workflowVersion":2}}"#,
        );
        let anew = format!("/runs/{}", reply.text("/data/runId"));
        let data = then(&server, &anew, "completed").await;
        let old = run.trim_start_matches("/runs/");
        assert_eq!((&data["restartedFrom"], &data["workflowVersion"]), (&json!(old), &json!(2)));
        assert_eq!(data["input"], json!({"email": "a@b.example"}));
        assert_eq!(data["steps"][0]["output"], json!({"object": "list", "data": []}));
        let listed = server.get("/runs?limit=1").await.json();
        assert_eq!(listed["data"][0]["restartedFrom"], json!(old));
        assert_eq!(server.runs.provider.lock().unwrap().sent().len() - before, calls, "{body}");
    }
}

#[tokio::test]
async fn a_restart_that_cannot_be_is_refused() {
    let server = server(&[Answer::Refused("card_declined")]).await;
    let twice = WELCOME.replace(
        r#""config": {"email": "{{input.email}}"}}
  ]"#,
        r#""config": {"email": "{{input.email}}"}},
    {"id": "last", "type": "action", "action": "stripe.createCustomer", "config": {"email": "{{input.email}}"}}
  ]"#,
    );
    let workflow = server.active(&twice).await;
    let run = started(&server, &workflow).await;
    at(&server, &run, "failed").await;
    let path = format!("{run}/restart");
    for (body, details) in [
        (r#"{"fromStep":"nothing"}"#, "fromStep: the workflow has no step `nothing`"),
        (
            r#"{"fromStep":"last"}"#,
            "fromStep: step `create` comes before `last` and has no result in run `run_*`",
        ),
        (r#"{"fromStep":1}"#, "fromStep: `fromStep` must be text, not a number"),
        (r#"{"froce":true}"#, "froce: unknown key `froce`"),
    ] {
        let mut reply = server.post(&path, body).await;
        reply.body = crate::server::without_uuids(&reply.body);
        reply.check_error(400, "VALIDATION_ERROR", &[details]);
    }
    let schema = r#"{"inputSchema":{"required":["other"]}}"#;
    server.request(&format!("PUT /api/v1/workflows/{workflow}")).body(schema).send().await;
    refused(&server.post(&path, "").await, 400, "VALIDATION_ERROR", "other");
    server.post(&format!("/workflows/{workflow}/pause"), "").await;
    refused(&server.post(&path, "").await, 409, "INVALID_STATE", "is paused");
    let unknown = server.post("/runs/run_00000000-0000-7000-8000-000000000000/restart", "").await;
    refused(&unknown, 404, "NOT_FOUND", "does not exist");
    assert_eq!(server.get("/runs").await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_run_with_an_unknown_write_is_restarted_only_by_force() {
    let server = server(&[Answer::LostBefore, MADE]).await;
    let (_, run) = unknown(&server).await;
    let fail = r#"{"reason":"gave up","outcome":"fail"}"#;
    assert_eq!(server.post(&format!("{run}/steps/create/resolve"), fail).await.status, 200);
    let path = format!("{run}/restart");
    refused(&server.post(&path, "").await, 409, "INVALID_STATE", "step `create` may be done");
    let forced = server.post(&path, r#"{"force":true}"#).await;
    assert_eq!(forced.status, 202, "{}", forced.body);
    then(&server, &format!("/runs/{}", forced.text("/data/runId")), "completed").await;
}

#[tokio::test]
async fn wait_goes_on_through_a_retry() {
    let server = server(&[Answer::Fails(Finding::Throttled), MADE]).await;
    let workflow = server.active(WELCOME).await;
    let path = format!("/workflows/{workflow}/run?wait=60");
    let (reply, ()) = tokio::join!(server.post(&path, ""), async {
        let id = server.runs.started().await;
        server.runs.finish(id).await;
        at(&server, &format!("/runs/{id}"), "pace").await;
        server.runs.go_on(id, LATE).await;
    });
    assert_eq!((reply.status, reply.text("/data/status")), (200, "completed".to_owned()), "{}", reply.body);
}

#[tokio::test]
async fn a_host_that_cannot_do_it_says_why() {
    let server = Server::start().await;
    let run = started(&server, &server.active(WELCOME).await).await;
    let journal = |error| ActError::Journal(error);
    for (error, status, message) in [
        (ActError::Stopping, 503, "stopping"),
        (journal(JournalError::Full("secret".to_owned())), 503, "is full or takes no writes"),
        (journal(JournalError::Storage("secret".to_owned())), 503, "could not be recorded"),
        (journal(JournalError::Missing("secret".to_owned())), 500, "a defect"),
    ] {
        *server.runs.refuse_act.lock().unwrap() = Some(error);
        for path in [format!("{run}/cancel"), format!("{run}/steps/find/candidates")] {
            let reply = server.post(&path, "").await;
            assert_eq!(reply.status, status, "{}", reply.body);
            assert!(reply.text("/error/message").contains(message) && !reply.body.contains("secret"));
        }
    }
}

#[tokio::test]
async fn a_run_whose_answer_cannot_be_stored_waits_for_storage() {
    let server = Server::start().await;
    let workflow = server.active(WELCOME).await;
    server.post(&format!("/workflows/{workflow}/run"), "").await;
    let id = server.runs.started().await;
    let run = format!("/runs/{id}");
    server.runs.stalled.lock().unwrap().insert(id);
    let data = server.get(&run).await.json()["data"].clone();
    assert_eq!(data["status"], "waiting");
    assert_eq!(data["waiting"], json!({"reason": "storage", "stepId": "find"}));
    let listed = server.get("/runs").await.json()["data"][0].clone();
    assert_eq!((&listed["status"], &listed["waiting"]), (&json!("waiting"), &json!({"reason": "storage"})));
    server.runs.stalled.lock().unwrap().clear();
    assert_eq!(server.get(&run).await.json()["data"]["status"], "running");
}
