//! The key by which runs count together.

use loopfour_lang::{Catalog, Options, check};

use crate::support::World;

fn key(template: &str, input: &str) -> Result<String, String> {
    let text = format!(
        r#"{{"name": "w", "trigger": {{"type": "api"}}, "variables": {{"plan": "basic"}}, "steps": [
        {{"id": "a", "action": "stripe.createCustomer"}}], "settings": {{"concurrency": {{"key": "{template}", "limit": 2}}}}}}"#
    );
    let checked = check(&text, Options { catalog: Catalog::builtin(), environment: &["REGION".to_owned()] });
    assert!(checked.diagnostics.is_empty(), "{template}: {:#?}", checked.diagnostics);
    let concurrency =
        checked.workflow.and_then(|workflow| workflow.settings.concurrency).expect("it is right");
    assert_eq!(concurrency.limit, 2);
    concurrency.key_of(&World::new(input)).map_err(|error| error.to_string())
}

#[test]
fn a_key_is_text_whatever_the_template_gives() {
    let gives = |template: &str, input: &str, expected: &str| {
        assert_eq!(key(template, input).as_deref(), Ok(expected), "{template} with {input}");
    };
    let event = r#"{"data": {"object": {"id": "in_1", "amount": 5, "tags": ["a"]}}}"#;
    gives("{{input.data.object.id}}", event, "in_1");
    gives("{{input.data.object.amount}}", event, "5");
    gives("{{input.data.object.tags}}", event, r#"["a"]"#);
    gives("{{input.data.object.customer}}", event, "");
    gives("{{input.data.object.customer}}", "null", "");
    gives("{{input.data.object.customer || input.data.object.id}}", event, "in_1");
    gives("{{run.workflowId}}/{{variables.plan}}/{{env.REGION}}", event, "wf_1/pro/eu");
    gives("all", event, "all");
}

#[test]
fn a_key_that_cannot_be_evaluated_is_an_error() {
    let error = key("{{input.a / 0}}", r#"{"a": 1}"#).unwrap_err();
    assert!(error.contains("input.a / 0"), "{error}");
}
