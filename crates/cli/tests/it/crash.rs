//! kill -9 in the middle of a run, then a start: the run completes, and Stripe has each object once.

use serde_json::{Value, json};

use crate::process::{Place, Server, within};

/// Where a run of the example is cut: while Stripe works on this call.
const CALLS: [(&str, &str); 6] = [
    ("GET", "/v1/customers"),
    ("POST", "/v1/customers"),
    ("POST", "/v1/invoices"),
    ("POST", "/v1/invoiceitems"),
    ("POST", "/v1/invoices/*/finalize"),
    ("POST", "/v1/invoices/*/send"),
];

/// Calls of a crash test are not counted, and it says so.
#[expect(clippy::print_stdout, reason = "a test says under which settings it ran")]
fn unlimited(mut command: std::process::Command) -> std::process::Command {
    println!("limits off: LOOPFOUR_RATE_LIMITS=off LOOPFOUR_STRIPE_PACE=off");
    command.envs([("LOOPFOUR_RATE_LIMITS", "off"), ("LOOPFOUR_STRIPE_PACE", "off")]);
    command
}

/// `serve` with the sandbox inside.
fn inside(place: &Place) -> Server {
    Server::start(unlimited(Server::command(place, &["--sandbox"])))
}

/// Makes Stripe hold the answer of one call until long after the test.
pub fn hold(sandbox: std::net::SocketAddr, kind: &str, (method, path): (&str, &str)) {
    let fault = json!({"kind": kind, "milliseconds": 600_000, "match": {"method": method, "path": path}});
    let (status, answer) = crate::process::call(sandbox, "POST", "/_sandbox/faults", &fault.to_string());
    assert_eq!(status, 200, "{answer}");
}

/// Waits until Stripe works on that call.
fn await_call(sandbox: std::net::SocketAddr, (method, path): (&str, &str)) {
    within(|| {
        let calls = crate::process::call(sandbox, "GET", "/_sandbox/calls", "").1;
        let calls = calls["calls"].as_array()?.clone();
        let fits = |call: &Value| {
            let segments = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
            let (given, wanted) = (segments(call["path"].as_str().unwrap_or_default()), segments(path));
            call["method"] == method
                && given.len() == wanted.len()
                && given.iter().zip(&wanted).all(|(given, wanted)| wanted == "*" || given == wanted)
        };
        calls.iter().any(fits).then_some(())
    });
}

/// Waits until what that call writes is there, though its answer is held.
pub fn await_write(sandbox: std::net::SocketAddr, (_, path): (&str, &str)) {
    let kind = match path {
        "/v1/customers" => "customer",
        "/v1/invoiceitems" => "invoiceitem",
        _ => "invoice",
    };
    within(|| {
        let answer = crate::process::call(sandbox, "GET", &format!("/_sandbox/objects?type={kind}"), "").1;
        let object = answer["objects"].as_array()?.first()?;
        let is_there = match path {
            "/v1/invoices/*/finalize" => object["status"] == "open",
            "/v1/invoices/*/send" => answer["hidden"][object["id"].as_str()?]["sent_at"].is_i64(),
            _ => true,
        };
        is_there.then_some(())
    });
}

#[track_caller]
fn check_objects(sandbox: std::net::SocketAddr) {
    for kind in ["customer", "invoice", "invoiceitem"] {
        let objects = crate::process::call(sandbox, "GET", &format!("/_sandbox/objects?type={kind}"), "").1;
        let objects = objects["objects"].as_array().unwrap();
        assert_eq!(objects.len(), 1, "{kind}: {objects:?}");
        if kind == "invoice" {
            assert_eq!((&objects[0]["status"], &objects[0]["amount_due"]), (&json!("open"), &json!(9900)));
        }
    }
}

#[test]
fn with_the_sandbox_inside_each_object_exists_once() {
    for kind in ["delay", "delay_after_write"] {
        for call in CALLS {
            let place = Place::new();
            let server = inside(&place);
            hold(server.sandbox(), kind, call);
            server.start_example("ada@example.com");
            await_call(server.sandbox(), call);
            if kind == "delay_after_write" && call.0 == "POST" {
                await_write(server.sandbox(), call);
            }
            server.kill();
            let server = inside(&place);
            assert_eq!(server.await_end()["status"], "completed", "{kind} {call:?}");
            check_objects(server.sandbox());
        }
    }
}

#[test]
fn with_the_sandbox_beside_each_object_exists_once() {
    for kind in ["delay", "delay_after_write"] {
        for call in CALLS {
            let (place, elsewhere) = (Place::new(), Place::new());
            let sandbox = Server::start(elsewhere.command(&["sandbox", "--listen", "127.0.0.1:0"]));
            hold(sandbox.address, kind, call);
            let server = Server::start(unlimited(Server::command_beside(&place, &sandbox)));
            server.start_example("ada@example.com");
            await_call(sandbox.address, call);
            if kind == "delay_after_write" && call.0 == "POST" {
                await_write(sandbox.address, call);
            }
            server.kill();
            let server = Server::start(unlimited(Server::command_beside(&place, &sandbox)));
            assert_eq!(server.await_end()["status"], "completed", "{kind} {call:?}");
            check_objects(sandbox.address);
        }
    }
}
