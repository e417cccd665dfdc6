use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use loopfour_server::openapi::DOCUMENT;
use loopfour_server::routes::routes;

use crate::contract::{API, references, validator};
use crate::server::Server;

/// The document in the repository, for reviews and readers. `UPDATE_REFERENCE=1` writes it anew.
#[test]
fn the_document_changes_only_on_purpose() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &**DOCUMENT).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap();
    let differs = stored.lines().zip(DOCUMENT.lines()).position(|(old, new)| old != new);
    assert!(
        stored == **DOCUMENT,
        "docs/reference/openapi.json is old from line {} on; if that is meant: UPDATE_REFERENCE=1",
        differs.map_or(0, |line| line + 1),
    );
}

/// `/x/{id}` as an address.
fn address(path: &str) -> String {
    path.replace("{id}", "x")
        .replace("{version}", "1")
        .replace("{stepId}", "s")
        .replace("{attempt}", "x")
        .replace("{provider}", "x")
        .replace("{companyId}", "x")
        .replace("{path}", "x")
}

#[tokio::test]
async fn document_and_router_know_the_same_calls() {
    let server = Server::start().await;
    let mut methods: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for route in routes() {
        methods.entry(route.path).or_default().insert(route.method.to_uppercase());
    }
    let documented = API["paths"].as_object().unwrap();
    assert_eq!(
        documented.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        methods.keys().copied().collect()
    );
    for (path, mut taken) in methods {
        let in_document: BTreeSet<String> =
            documented[path].as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        assert_eq!(in_document, taken, "{path}");
        // Nobody takes OPTIONS, so its answer lists what the router takes.
        let refused = server.request(&format!("OPTIONS {}", address(path))).send().await;
        if taken.contains("GET") {
            taken.insert("HEAD".to_owned());
        }
        let allowed: BTreeSet<String> = refused.headers["allow"].split(',').map(str::to_owned).collect();
        assert_eq!((refused.status, allowed), (405, taken), "{path}");
    }
}

/// Public calls that refuse somebody who comes with nothing, and how.
const REFUSED: [(&str, u16); 10] = [
    ("GET /connect/x", 404),
    ("GET /connect/x/state", 404),
    ("POST /webhooks/nango/x", 401),
    ("POST /webhooks/stripe/x", 401),
    ("POST /webhooks/custom/x/x", 401),
    ("POST /api/v1/session", 415),
    ("GET /api/v1/session", 401),
    ("DELETE /api/v1/session", 401),
    ("GET /api/v1/session/oidc", 409),
    ("GET /api/v1/session/oidc/callback", 401),
];

#[tokio::test]
async fn what_is_public_needs_no_key_and_all_else_does() {
    let server = Server::start().await;
    for (path, calls) in API["paths"].as_object().unwrap() {
        for (method, operation) in calls.as_object().unwrap() {
            let line = format!("{} {}", method.to_uppercase(), address(path));
            let reply = server.request(&line).without_key().send().await;
            let public = operation["security"].as_array().unwrap().is_empty();
            let refused = REFUSED.iter().find(|(call, _)| *call == line).map(|(_, status)| *status);
            let expected = refused.filter(|_| public).unwrap_or(if public { 200 } else { 401 });
            assert_eq!(reply.status, expected, "{line}");
        }
    }
}

#[test]
fn the_document_is_whole() {
    let mut found = Vec::new();
    references(&API, &mut found);
    let used: HashSet<String> = found.into_iter().collect();
    for reference in &used {
        assert!(API.pointer(&reference[1..]).is_some(), "{reference} points at nothing");
    }
    for name in API["components"]["schemas"].as_object().unwrap().keys() {
        assert!(used.contains(&format!("#/components/schemas/{name}")), "{name} is used nowhere");
        validator(&serde_json::json!({"$ref": format!("#/components/schemas/{name}")}));
    }
    let mut ids = HashSet::new();
    for route in routes() {
        assert!(ids.insert(route.id), "{} stands twice", route.id);
        let operation = &API["paths"][route.path][route.method];
        let varying = route.path.matches('{').count();
        let parameters = operation["parameters"].as_array().map_or(0, Vec::len);
        assert_eq!(parameters, varying + route.parameters.len(), "parameters of {}", route.id);
    }
}

/// Parameters of the query string that the document has and those that the server takes.
#[tokio::test]
async fn every_parameter_is_documented() {
    let server = Server::start().await;
    for (path, calls) in API["paths"].as_object().unwrap() {
        for (method, operation) in calls.as_object().unwrap() {
            // Providers add parameters of their own to the address that people come back to.
            if path.ends_with("/callback") {
                continue;
            }
            let list = operation["parameters"].as_array().cloned().unwrap_or_default();
            let known: BTreeSet<String> = list
                .iter()
                .filter(|one| one["in"] == "query")
                .map(|one| one["name"].as_str().unwrap().to_owned())
                .collect();
            // An id of the right kind, so that the address is not refused before the query is looked at.
            let kind = [
                "workflows/wf",
                "runs/run",
                "keys/key",
                "members/mem",
                "connections/conn",
                "notices/ntc",
                "events/evt",
            ]
            .into_iter()
            .find(|kind| path.contains(&format!("/{}/", kind.split('/').next().unwrap())));
            let id = kind.map_or("x", |kind| kind.split('/').nth(1).unwrap());
            let path = path.replace("{id}", &format!("{id}_00000000-0000-7000-8000-000000000000"));
            let line = format!("{} {}?zzzzzzzz=1", method.to_uppercase(), address(&path));
            let reply = server.request(&line).send().await;
            reply.check_error(400, "VALIDATION_ERROR", &["zzzzzzzz: unknown parameter `zzzzzzzz`"]);
            let hint = reply.text("/error/details/0/hint");
            let told = hint.strip_prefix("known here: ").unwrap_or_default();
            let told: BTreeSet<String> =
                told.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            assert_eq!(told, known, "{line}");
        }
    }
}

#[tokio::test]
async fn the_page_is_served_with_all_it_needs_and_may_load_nothing_else() {
    let server = Server::start().await;
    let page = server.request("GET /docs").without_key().send().await;
    assert_eq!(page.status, 200);
    let alias = server.request("GET /docs/").without_key().send().await;
    assert_eq!((alias.status, &alias.body), (200, &page.body));
    assert!(page.headers["content-security-policy"].starts_with("default-src 'none'; script-src 'self';"));
    assert!(!page.headers["content-security-policy"].contains("unsafe"));
    let mut loaded = 0;
    for attribute in ["href=\"", "src=\""] {
        for part in page.body.split(attribute).skip(1) {
            let target = part.split('"').next().unwrap();
            if target == "data:," {
                continue;
            }
            assert!(target.starts_with('/') && !target.starts_with("//"), "{target}");
            let reply = server.request(&format!("GET {target}")).without_key().send().await;
            assert_eq!(reply.status, 200, "{target}");
            loaded += 1;
        }
    }
    assert_eq!(loaded, 4, "the style, the script, and the document twice");
    assert!(!page.body.contains("<script>") && !page.body.contains("style="), "nothing stands inline");
    let script = server.request("GET /docs/reference.js").without_key().send().await;
    assert!(!script.body.contains("innerHTML") && !script.body.contains("http"), "texts stay texts");
}

#[tokio::test]
async fn the_document_is_served_as_it_is_stored() {
    let server = Server::start().await;
    let served = server.request("GET /openapi.json").without_key().send().await;
    assert_eq!((served.status, &*served.headers["content-type"]), (200, "application/json"));
    assert_eq!(served.body, **DOCUMENT);
}
