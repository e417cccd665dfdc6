//! What every step has.

use super::Row;

/// One mistake or several, and all that is said.
pub const ROWS: &[Row] = &[
    Row {
        what: "a step that is no object",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
"a"
]}"#,
        found: &["LF0103 steps[0] 2:1 `steps[0]` must be an object, not the text `a`"],
    },
    Row {
        what: "a step without id and type",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{}
]}"#,
        found: &[
            "LF0101 steps[0].id 2:1 `steps[0]` needs `id`",
            "LF0101 steps[0].type 2:1 `steps[0]` needs `type`",
        ],
    },
    Row {
        what: "an id with a space",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "first step", "action": "stripe.createCustomer"}
]}"#,
        found: &[
            "LF0106 steps[0].id 2:8 `first step` cannot be a step's id | an id is made of letters, digits, `-` and `_`",
        ],
    },
    Row {
        what: "two steps with one id",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer"},
{"id": "a", "action": "stripe.createCustomer"}
]}"#,
        found: &[
            "LF0201 steps[1].id 3:8 two steps have the id `a` | the first is `steps[0]`; every step needs an id of its own",
        ],
    },
    Row {
        what: "an unknown step type",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "type": "conditon"}
]}"#,
        found: &["LF0104 steps[0].type 2:21 there is no step type `conditon` | did you mean `condition`?"],
    },
    Row {
        what: "step types to come",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "type": "approval"},
{"id": "b", "action": "http.request", "config": {}}
]}"#,
        found: &[
            "LF0202 steps[0].type 2:21 the step type `approval` is not yet available in this version",
            "LF0202 steps[1].action 3:23 the action `http.request` is not yet available in this version",
        ],
    },
    Row {
        what: "compensation to come",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "compensate": []}
]}"#,
        found: &["LF0202 steps[0].compensate 2:62 `compensate` is not yet available in this version"],
    },
    Row {
        what: "a condition with an action",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "type": "condition", "action": "stripe.createCustomer", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": []}}
]}"#,
        found: &["LF0107 steps[0].action 2:44 a condition has no `action`"],
    },
    Row {
        what: "error handling that does not fit",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "errorHandling": {"strategy": "skip"}},
{"id": "b", "action": "stripe.createCustomer", "errorHandling": {"strategy": "fail", "fallback": 1}}
]}"#,
        found: &[
            "LF0104 steps[0].errorHandling.strategy 2:78 there is no strategy `skip` | there are `fail`, `continue` and `retry`",
            "LF0107 steps[1].errorHandling.fallback 3:98 a fallback is only for the strategy `continue`",
        ],
    },
    Row {
        what: "connections that are none",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "connectionId": "conn_x"},
{"id": "b", "action": "stripe.createCustomer", "connectionId": "conn_0190C1D2-0000-7000-8000-000000000001"},
{"id": "c", "action": "stripe.createCustomer", "connectionId": ""},
{"id": "d", "action": "stripe.createCustomer", "connectionId": 7},
{"id": "e", "action": "stripe.createCustomer", "connectionId": "{{steps.f.output}}"}
]}"#,
        found: &[
            "LF0106 steps[0].connectionId 2:64 `conn_x` is no connection's id | it is `conn_` and a UUID, as the list of connections has it, or a template that gives one",
            "LF0106 steps[1].connectionId 3:64 `conn_0190C1D2-0000-7000-8000-000000000001` is no connection's id | it is `conn_` and a UUID, as the list of connections has it, or a template that gives one",
            "LF0106 steps[2].connectionId 4:64 `` is no connection's id | it is `conn_` and a UUID, as the list of connections has it, or a template that gives one",
            "LF0103 steps[3].connectionId 5:64 `connectionId` must be a text, not the number 7",
            "LF0403 steps[4].connectionId 6:67 there is no step `f`",
        ],
    },
    Row {
        what: "connections as they are given",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "connectionId": "conn_0190c1d2-0000-7000-8000-000000000001"},
{"id": "b", "action": "stripe.createCustomer", "connectionId": "{{input.connection}}"},
{"id": "c", "action": "stripe.createCustomer", "connectionId": "conn_{{input.uuid}}", "errorHandling": {"strategy": "retry"}}
]}"#,
        found: &[],
    },
];
