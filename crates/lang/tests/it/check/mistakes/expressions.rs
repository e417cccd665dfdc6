//! Templates and the names in them.

use super::Row;

/// One mistake or several, and all that is said.
pub const ROWS: &[Row] = &[
    Row {
        what: "a template that does not end",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{input.name"}}
]}"#,
        found: &[
            r#"LF0401 steps[0].config.name 2:68 this `{{` is never closed | close it with `}}`, or write `{{ "{{" }}` for the braces themselves"#,
        ],
    },
    Row {
        what: "a place inside a string with escapes",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"description": "\u00e9 \"x\" {{ inptu.name }}"}}
]}"#,
        found: &["LF0402 steps[0].config.description 2:91 nothing is called `inptu` | did you mean `input`?"],
    },
    Row {
        what: "an unknown function",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{ input.name | uper }}"}}
]}"#,
        found: &["LF0401 steps[0].config.name 2:84 there is no function `uper` | did you mean `upper`?"],
    },
    Row {
        what: "a wrong number of arguments",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{ round() }}"}}
]}"#,
        found: &[
            "LF0401 steps[0].config.name 2:71 `round` takes 1 to 2 arguments, not 0 | a value piped into it counts as the first",
        ],
    },
    Row {
        what: "an unknown root",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{ inputs.name }}"}}
]}"#,
        found: &["LF0402 steps[0].config.name 2:71 nothing is called `inputs` | did you mean `input`?"],
    },
    Row {
        what: "a step used like a root",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "customer", "action": "stripe.createCustomer", "config": {}},
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "{{customer.output.id}}"}}
]}"#,
        found: &[
            "LF0402 steps[1].config.customerId 3:75 nothing is called `customer` | write `steps.customer.output`",
        ],
    },
    Row {
        what: "an unknown step",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "customer", "action": "stripe.createCustomer", "config": {}},
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "{{steps.custoner.output.id}}"}}
]}"#,
        found: &[
            "LF0403 steps[1].config.customerId 3:75 there is no step `custoner` | did you mean `customer`?",
        ],
    },
    Row {
        what: "a step that reads itself",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{steps.a.output.name}}"}}
]}"#,
        found: &[
            "LF0404 steps[0].config.name 2:70 step `a` reads itself | a step can read the steps before it",
        ],
    },
    Row {
        what: "a step that comes later",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "{{steps.customer.output.id}}"}},
{"id": "customer", "action": "stripe.createCustomer", "config": {}}
]}"#,
        found: &[
            "LF0404 steps[0].config.customerId 2:75 step `customer` comes later and has not run yet | move it before this step, or read an earlier one",
        ],
    },
    Row {
        what: "a member that a step does not have",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "b", "action": "stripe.createCustomer", "config": {}},
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{steps.b.outpt.name}}", "email": "{{steps.b.email}}", "phone": "{{steps.b}}"}}
]}"#,
        found: &[
            "LF0405 steps[1].config.name 3:70 step `b` has no `outpt`, only `output`, `status` and `error` | did you mean `output`?",
            "LF0405 steps[1].config.email 3:105 step `b` has no `email`, only `output`, `status` and `error` | write `steps.b.output.email`",
            "LF0405 steps[1].config.phone 3:135 `steps.b` is not a value of its own | write `steps.b.output`",
        ],
    },
    Row {
        what: "members that run and variables do not have",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{run.workflowID}}", "email": "{{variables.mail}}"}}
]}"#,
        found: &[
            "LF0405 steps[0].config.name 2:70 `run` has no `workflowID`, only `id`, `workflowId` and `startedAt` | did you mean `workflowId`?",
            "LF0405 steps[0].config.email 2:101 `variables` has no `mail`",
        ],
    },
    Row {
        what: "an environment variable that is not allowed",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{env.BRANT}}", "email": "{{env.HOME}}", "phone": "{{env.BRAND}}"}}
]}"#,
        found: &[
            "LF0406 steps[0].config.name 2:70 environment variable `BRANT` is not allowed | did you mean `BRAND`?",
            "LF0406 steps[0].config.email 2:96 environment variable `HOME` is not allowed | the operator can add `HOME` to `env_allow`",
        ],
    },
    Row {
        what: "hyphens that may be meant as minus",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{input.total-1}}", "description": "{{input.a-input.b}} {{input.first-name}}"}}
]}"#,
        found: &[
            "LF0407 steps[0].config.name 2:76 `total-1` is read as one name: it ends in `-1` | to subtract, write a space on both sides of the `-`",
            "LF0407 steps[0].config.description 2:112 `a-input` is read as one name: `a` is a name of its own | to subtract, write a space on both sides of the `-`",
        ],
    },
    Row {
        what: "a field that the answer does not have",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "b", "action": "stripe.createCustomer", "config": {}},
{"id": "a", "action": "stripe.listCustomers", "config": {"limit": 1}},
{"id": "d", "action": "stripe.createCustomer", "config": {"name": "{{steps.b.output.nam}}", "email": "{{steps.a.output.data[0].emial}}", "phone": "{{steps.a.output.items}}"}}
]}"#,
        found: &[
            "LF0410 steps[2].config.name 4:70 `steps.b.output.nam`: what step `b` gives, the object `customer`, has no `nam` | did you mean `name`?",
            "LF0410 steps[2].config.email 4:105 `steps.a.output.data[0].emial`: there is no `emial` at that place of a list of `customer` | did you mean `email`?",
            "LF0410 steps[2].config.phone 4:150 `steps.a.output.items`: what step `a` gives, a list of `customer`, has no `items`",
        ],
    },
    Row {
        what: "bare roots",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{steps}}", "email": "{{env}}", "phone": "{{steps[input.x].output}}"}}
]}"#,
        found: &[
            "LF0405 steps[0].config.name 2:70 `steps` is not a value of its own | write `steps.<id>.output`",
            "LF0405 steps[0].config.email 2:92 `env` is not a value of its own | write `env.NAME`",
            "LF0403 steps[0].config.phone 2:112 a step cannot be chosen by an expression | write the id itself, as in `steps.<id>.output`",
        ],
    },
    Row {
        what: "a name that begins with a known one",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{input.fee-rate}} {{variables.fee-rate}} {{total-1}}"}}],
"variables": {"fee": 1}
}"#,
        found: &[
            "LF0407 steps[0].config.name 1:128 `fee-rate` is read as one name: `fee` is a name of its own | to subtract, write a space on both sides of the `-`",
            "LF0405 steps[0].config.name 1:141 `variables` has no `fee-rate` | `fee` is a name of its own; to subtract, write a space on both sides of the `-`",
            "LF0402 steps[0].config.name 1:164 nothing is called `total-1` | it ends in `-1`; to subtract, write a space on both sides of the `-`",
        ],
    },
    Row {
        what: "an index that reads what is not there",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"name": "{{input.items[inputs.x]}}"}}
]}"#,
        found: &["LF0402 steps[0].config.name 2:82 nothing is called `inputs` | did you mean `input`?"],
    },
];
