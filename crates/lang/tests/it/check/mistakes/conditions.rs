//! Conditions, branches, and what can be read in them.

use super::Row;

/// One mistake or several, and all that is said.
pub const ROWS: &[Row] = &[
    Row {
        what: "a condition without config",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition"}
]}"#,
        found: &["LF0101 steps[0].config 2:1 `steps[0]` needs `config`"],
    },
    Row {
        what: "conditions as a list",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": [{"left": "{{input.x}}", "operator": "exists"}], "then": []}}
]}"#,
        found: &[
            r#"LF0103 steps[0].config.conditions 2:59 `conditions` must be an object, not a list | write `{"operator": "and", "conditions": […]}` around it"#,
        ],
    },
    Row {
        what: "a condition without then",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}}}
]}"#,
        found: &["LF0101 steps[0].config.then 2:44 `config` needs `then`"],
    },
    Row {
        what: "an unknown operator",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": 1, "operator": "greater", "right": 2}, "then": []}},
{"id": "d", "type": "condition", "config": {"conditions": {"left": 1, "operator": ">", "right": 2}, "then": []}}
]}"#,
        found: &[
            "LF0104 steps[0].config.conditions.operator 2:83 there is no operator `greater` | there are `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `contains`, `startsWith`, `endsWith`, `exists`, `isEmpty`, `matches`, `and`, `or` and `not`",
            "LF0104 steps[1].config.conditions.operator 3:83 there is no operator `>` | did you mean `gt`?",
        ],
    },
    Row {
        what: "a comparison without its right side",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": 1, "operator": "eq"}, "then": []}}
]}"#,
        found: &["LF0101 steps[0].config.conditions.right 2:59 `conditions` needs `right`"],
    },
    Row {
        what: "a right side that is not compared",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists", "right": false}, "then": []}}
]}"#,
        found: &[
            r#"LF0107 steps[0].config.conditions.right 2:114 this operator compares with nothing, so it takes no `right` | for the opposite, put it into `{"operator": "not", "conditions": […]}`"#,
        ],
    },
    Row {
        what: "groups of the wrong size",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"operator": "and", "conditions": []}, "then": []}},
{"id": "d", "type": "condition", "config": {"conditions": {"operator": "not", "conditions": [{"left": "{{input.x}}", "operator": "exists"}, {"left": "{{input.x}}", "operator": "exists"}]}, "then": []}}
]}"#,
        found: &[
            "LF0105 steps[0].config.conditions.conditions 2:93 `and` takes at least one condition, not 0",
            "LF0105 steps[1].config.conditions.conditions 3:93 `not` takes exactly one condition, not 2",
        ],
    },
    Row {
        what: "a regular expression that is none",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "matches", "right": "(?=a)"}, "then": []}}
]}"#,
        found: &[
            "LF0506 steps[0].config.conditions.right 2:115 `(?=a)` is no regular expression: look-around, including look-ahead and look-behind, is not supported | look-around and back-references do not exist, so that matching takes linear time",
        ],
    },
    Row {
        what: "branches that name what they may not",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer"},
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["a", "c", "bb", 1], "else": ["b", "b"]}},
{"id": "b", "action": "stripe.createCustomer", "config": {}}
]}"#,
        found: &[
            "LF0501 steps[1].config.then[0] 3:115 step `a` comes before the condition that names it | a condition decides on steps that come after it",
            "LF0501 steps[1].config.then[1] 3:120 condition `c` names itself | a condition decides on steps that come after it",
            "LF0403 steps[1].config.then[2] 3:125 there is no step `bb` | did you mean `b`?",
            "LF0103 steps[1].config.then[3] 3:131 `then[3]` must be a text, not the number 1",
            "LF0502 steps[1].config.else[1] 3:149 the condition names step `b` twice | a step that runs either way is named by no condition",
        ],
    },
    Row {
        what: "two conditions that may both decide",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["a"]}},
{"id": "d", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": [], "else": ["a"]}},
{"id": "a", "action": "stripe.createCustomer"}
]}"#,
        found: &[
            "LF0503 steps[1].config.else[0] 3:127 conditions `c` and `d` can both run, and neither leads to the other, so that both would decide on step `a` | write one condition with `and` or `or`",
        ],
    },
    Row {
        what: "an output that can never be there",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["a"], "else": ["b"]}},
{"id": "a", "action": "stripe.createCustomer"},
{"id": "b", "action": "stripe.createCustomer", "config": {"name": "{{steps.a.output.name}}"}}
]}"#,
        found: &[
            "LF0408 steps[2].config.name 4:70 `steps.a.output.name` can never be there: step `a` is skipped whenever this is read | give a fallback, as in `{{ steps.a.output.id || steps.b.output.id }}`",
        ],
    },
    Row {
        what: "an output that may be absent",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["a"]}},
{"id": "a", "action": "stripe.createCustomer"},
{"id": "b", "action": "stripe.createCustomer", "config": {"name": "{{steps.a.output.name}}"}}
]}"#,
        found: &[
            "LF0409 steps[2].config.name 4:70 `steps.a.output.name` may be absent: step `a` can be skipped while this is read | give a fallback, as in `{{ steps.a.output.id || steps.b.output.id }}`",
        ],
    },
    Row {
        what: "a step in which branches meet",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["i"], "else": ["a"]}},
{"id": "a", "action": "stripe.createCustomer"},
{"id": "i", "action": "stripe.createInvoice", "config": {"customerId": "{{input.x ?? steps.a.output.id}}"}}
]}"#,
        found: &[
            "LF0504 steps[2].config.customerId 4:72 step `i` also runs when `c` did not choose it: it reads the output of the other branch, so the branches meet here",
        ],
    },
    Row {
        what: "a run's output that may be absent",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["b"]}}, {"id": "b", "action": "stripe.createCustomer"}, {"id": "a", "action": "stripe.createCustomer"}],
"settings": {"output": "{{steps.b.output.id}}"}
}"#,
        found: &[
            "LF0409 settings.output 2:27 `steps.b.output.id` may be absent: step `b` can be skipped while this is read | give a fallback, as in `{{ steps.a.output.id || steps.b.output.id }}`",
        ],
    },
    Row {
        what: "a joined step that is read by nobody else",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["i", "j"], "else": ["a"]}},
{"id": "a", "action": "stripe.createCustomer"},
{"id": "i", "action": "stripe.createInvoice", "config": {"customerId": "{{input.x || steps.a.output.id}}"}},
{"id": "j", "action": "stripe.createInvoice", "config": {"customerId": "{{input.x || steps.i.output.customer}}"}}
]}"#,
        found: &[
            "LF0504 steps[2].config.customerId 4:72 step `i` also runs when `c` did not choose it: it reads the output of the other branch, so the branches meet here",
            "LF0504 steps[3].config.customerId 5:72 step `j` also runs when `c` did not choose it: it reads the output of the other branch, so the branches meet here",
        ],
    },
    Row {
        what: "a literal arm makes no join",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["i"], "else": ["a"]}},
{"id": "a", "action": "stripe.createCustomer"},
{"id": "i", "action": "stripe.createInvoice", "config": {"customerId": "{{steps.a.output.id || 'cus_x'}}"}},
{"id": "s", "action": "stripe.sendInvoice", "config": {"invoiceId": "{{steps.i.output.id}}"}}
]}"#,
        found: &[
            "LF0409 steps[3].config.invoiceId 5:72 `steps.i.output.id` may be absent: step `i` can be skipped while this is read | give a fallback, as in `{{ steps.a.output.id || steps.b.output.id }}`",
        ],
    },
    Row {
        what: "an optional parameter makes no join",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["i"], "else": ["a"]}},
{"id": "a", "action": "stripe.createCustomer"},
{"id": "i", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "description": "{{input.x || steps.a.output.id}}"}},
{"id": "s", "action": "stripe.sendInvoice", "config": {"invoiceId": "{{steps.i.output.id}}"}}
]}"#,
        found: &[
            "LF0409 steps[3].config.invoiceId 5:72 `steps.i.output.id` may be absent: step `i` can be skipped while this is read | give a fallback, as in `{{ steps.a.output.id || steps.b.output.id }}`",
        ],
    },
    Row {
        what: "a condition in which branches meet, and what it does not give",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{input.x}}", "operator": "exists"}, "then": ["d"], "else": ["a"]}},
{"id": "a", "action": "stripe.createCustomer"},
{"id": "d", "type": "condition", "config": {"conditions": {"left": "{{input.x || steps.a.output.id}}", "operator": "exists"}, "then": ["b"]}},
{"id": "b", "action": "stripe.createCustomer", "config": {"name": "{{steps.d.output.branch}}", "phone": "{{steps.d.output.brunch}}"}}
]}"#,
        found: &[
            "LF0504 steps[2].config.conditions.left 4:68 step `d` also runs when `c` did not choose it: it reads the output of the other branch, so the branches meet here",
            "LF0410 steps[3].config.phone 5:108 `steps.d.output.brunch`: what step `d` gives, a condition's result, has no `brunch` | did you mean `branch`?",
        ],
    },
];
