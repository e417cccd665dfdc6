//! The definition itself: JSON, keys, names, settings.

use super::Row;

/// One mistake or several, and all that is said.
pub const ROWS: &[Row] = &[
    Row {
        what: "text that is not JSON",
        text: r#"{"name": "w",
 "trigger": {"type": "api"},
 "steps": [,]}"#,
        found: &["LF0001  3:12 expected a JSON value, found `,`"],
    },
    Row {
        what: "an integer beyond 2^63",
        text: r#"{"name": "w", "variables": {"n": 9223372036854775808}}"#,
        found: &["LF0001  1:34 the number 9223372036854775808 is out of range"],
    },
    Row {
        what: "a definition that is no object",
        text: r#"[1]"#,
        found: &["LF0103  1:1 `workflow` must be an object, not a list"],
    },
    Row {
        what: "nothing that is required",
        text: r#"{}"#,
        found: &[
            "LF0101 name 1:1 the workflow needs `name`",
            "LF0101 trigger 1:1 the workflow needs `trigger`",
            "LF0101 steps 1:1 the workflow needs `steps`",
        ],
    },
    Row {
        what: "a duplicate key, the second is named",
        text: r#"{"name": "w",
 "trigger": {"type": "api"}, "name": "v", "steps": [{"id": "a", "action": "stripe.createCustomer"}]}"#,
        found: &["LF0002 name 2:30 the key `name` stands twice in one object"],
    },
    Row {
        what: "a duplicate key deep inside",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"metadata": {"k": "1", "k": "2"}}}
]}"#,
        found: &["LF0002 steps[0].config.metadata.k 2:82 the key `k` stands twice in one object"],
    },
    Row {
        what: "a misspelled key is not reported missing",
        text: r#"{"nmae": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}]}"#,
        found: &["LF0102 nmae 1:2 the workflow has no key `nmae` | did you mean `name`?"],
    },
    Row {
        what: "an unknown key",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"version": 2
}"#,
        found: &[
            "LF0102 version 2:1 the workflow has no key `version` | known here: `name`, `description`, `trigger`, `steps`, `inputSchema`, `outputSchema`, `variables` and `settings`",
        ],
    },
    Row {
        what: "an empty name",
        text: r#"{"name": "", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}]}"#,
        found: &["LF0105 name 1:10 `name` has 0 characters, but must have 1 to 255"],
    },
    Row {
        what: "no steps",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": []}"#,
        found: &["LF0105 steps 1:52 a workflow needs at least one step"],
    },
    Row {
        what: "steps of the wrong kind",
        text: r#"{"name": "w", "trigger": "api", "steps": {"id": "a"}}"#,
        found: &[
            "LF0103 trigger 1:26 `trigger` must be an object, not the text `api`",
            "LF0103 steps 1:42 `steps` must be a list, not an object",
        ],
    },
    Row {
        what: "a schema that is no object",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"inputSchema": [], "outputSchema": true
}"#,
        found: &[
            "LF0103 inputSchema 2:16 `inputSchema` must be an object, not a list",
            "LF0103 outputSchema 2:36 `outputSchema` must be an object, not `true`",
        ],
    },
    Row {
        what: "schemas that cannot be used",
        text: r##"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"inputSchema": {"required": "a"}, "outputSchema": {"$ref": "#/$defs/none"}
}"##,
        found: &[
            "LF0205 inputSchema.required 2:29 must be of type array, not string",
            "LF0205 outputSchema[\"$ref\"] 2:60 `#/$defs/none` points at nothing in the schema",
        ],
    },
    Row {
        what: "variables that are no object",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"variables": [1]
}"#,
        found: &["LF0103 variables 2:14 `variables` must be an object, not a list"],
    },
    Row {
        what: "a template in a variable",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"variables": {"a": {"b": "{{input.x}}"}}
}"#,
        found: &[
            "LF0204 variables.a.b 2:26 the template in `b` is not evaluated | here it is taken as text, braces and all",
        ],
    },
    Row {
        what: "settings that do not exist or do not fit",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"settings": {"timeout": 5, "timeoutMs": 0, "stampMetadata": "no"}
}"#,
        found: &[
            "LF0102 settings.timeout 2:14 `settings` has no key `timeout` | did you mean `timeoutMs`?",
            "LF0105 settings.timeoutMs 2:41 `timeoutMs` is 0, but must be 1 to 31622400000",
            "LF0103 settings.stampMetadata 2:61 `stampMetadata` must be `true` or `false`, not the text `no`",
        ],
    },
    Row {
        what: "a key of concurrency that reads a step, and one that reads what no run has",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"settings": {"concurrency": {"key": "{{steps.a.output.id}} {{run.customer}} {{variables.a}}", "limit": 0}}
}"#,
        found: &[
            "LF0404 settings.concurrency.key 2:40 step `a` has not run yet when this is evaluated | this is evaluated as the run starts: read `input` or `variables`",
            "LF0405 settings.concurrency.key 2:62 `run` has no `customer`, only `id`, `workflowId` and `startedAt`",
            "LF0405 settings.concurrency.key 2:79 `variables` has no `a`",
            "LF0105 settings.concurrency.limit 2:104 `limit` is 0, but must be 1 to 10000",
        ],
    },
    Row {
        what: "codes that cannot be ignored",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"settings": {"ignore": ["LF0101", "LF0411", 7]}
}"#,
        found: &[
            "LF0108 settings.ignore[0] 2:25 `LF0101` is an error, and errors cannot be ignored | it means: a required key is missing",
            "LF0108 settings.ignore[1] 2:35 there is no code `LF0411` | did you mean `LF0410`?",
            "LF0103 settings.ignore[2] 2:45 `ignore[2]` must be a text, not the number 7",
        ],
    },
    Row {
        what: "a title that reads a step",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"settings": {"title": "{{steps.a.output.id}}"}
}"#,
        found: &[
            "LF0404 settings.title 2:26 step `a` has not run yet when this is evaluated | this is evaluated as the run starts: read `input` or `variables`",
        ],
    },
    Row {
        what: "retries out of limits",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"settings": {"retryConfig": {"maxAttempts": 0, "backoffMultiplier": 0.5, "initialDelay": 5}}
}"#,
        found: &[
            "LF0105 settings.retryConfig.maxAttempts 2:45 `maxAttempts` is 0, but must be 1 to 100",
            "LF0102 settings.retryConfig.initialDelay 2:74 `retryConfig` has no key `initialDelay` | did you mean `initialDelayMs`?",
        ],
    },
    Row {
        what: "a first delay that is longer than the longest, where both are written",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer",
"retryConfig": {"maxDelayMs": 999}}, {"id": "b", "action": "stripe.createCustomer",
"retryConfig": {"maxDelayMs": 999, "initialDelayMs": 1000}}],
"settings": {"retryConfig": {"initialDelayMs": 30001}, "timeoutMs": 60000}
}"#,
        found: &[
            "LF0105 steps[1].retryConfig.initialDelayMs 3:54 the first delay of 1000 ms is longer than the longest, 999 ms | give `maxDelayMs` that is at least `initialDelayMs`, or leave it out",
        ],
    },
    Row {
        what: "a limit that is no number of runs",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
"settings": {"concurrency": {"key": 1}}
}"#,
        found: &[
            "LF0101 settings.concurrency.limit 2:29 `concurrency` needs `limit`",
            "LF0103 settings.concurrency.key 2:37 `key` must be a text, not the number 1",
        ],
    },
];
