//! The calls of `checks/calls.json`, which holds each action of the source document and each of its parameters: they
//! come out as they are written there in Stripe's own names. That the official SDK sends the same is checked beside it.

use loopfour_lang::Catalog;
use serde_json::Value as Json;

use crate::form::{decode, expected};
use crate::support::{Stamp, prepare};

#[test]
fn every_call_goes_out_in_stripes_names() {
    let text = include_str!("../../../../checks/calls.json");
    let calls: Vec<Json> = serde_json::from_str(text).unwrap();
    for call in &calls {
        let name = call["name"].as_str().unwrap();
        let action = Catalog::builtin().action(call["action"].as_str().unwrap()).unwrap();
        let request = prepare(action, &call["config"].to_string(), "{}", Stamp::Off)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let line = format!("{} {}", request.method, request.path);
        assert_eq!(line, call["request"].as_str().unwrap(), "{name}");
        let parameters = if request.form.is_empty() { &request.query } else { &request.form };
        assert_eq!(decode(parameters), expected(&call["params"]).unwrap_or_default(), "{name}");
    }
    assert!(calls.len() >= Catalog::builtin().actions.len());
}
