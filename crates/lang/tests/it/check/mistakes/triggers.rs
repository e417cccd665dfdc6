//! Triggers.

use super::Row;

/// One mistake or several, and all that is said.
pub const ROWS: &[Row] = &[
    Row {
        what: "an unknown trigger type",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhok"}
}"#,
        found: &["LF0104 trigger.type 2:10 there is no trigger type `webhok` | did you mean `webhook`?"],
    },
    Row {
        what: "a key of another trigger",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "api", "cron": "* * * * *"}
}"#,
        found: &["LF0102 trigger.cron 2:17 `trigger` has no key `cron` | known here: `type`"],
    },
    Row {
        what: "an unknown provider",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "strip"}
}"#,
        found: &["LF0104 trigger.provider 2:33 there is no provider `strip` | did you mean `stripe`?"],
    },
    Row {
        what: "an unknown event and an unknown family",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "stripe", "events": ["invoice.payed", "invioce.*", "invoice.*"]}
}"#,
        found: &[
            "LF0601 trigger.events[0] 2:54 Stripe sends no event `invoice.payed` | did you mean `invoice.paid`?",
            "LF0601 trigger.events[1] 2:71 Stripe sends no event `invioce.*` | did you mean `invoice.*`?",
        ],
    },
    Row {
        what: "no events",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "stripe", "events": []}
}"#,
        found: &[
            "LF0105 trigger.events 2:53 `events` is empty, so that nothing would start the workflow | leave the key out for all events",
        ],
    },
    Row {
        what: "a custom webhook without its path",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "custom"}
}"#,
        found: &["LF0101 trigger.path 2:1 `trigger` needs `path`"],
    },
    Row {
        what: "a path that is none",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "custom", "path": "a/b"}
}"#,
        found: &[
            "LF0106 trigger.path 2:51 `a/b` cannot be the last part of an address | use 1 to 255 letters, digits, `-`, `_`, `.` and `~`",
        ],
    },
    Row {
        what: "an unverified webhook of Stripe",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "stripe", "verifySignature": false, "path": "x"}
}"#,
        found: &[
            "LF0107 trigger.verifySignature 2:62 events of the provider `stripe` are always verified",
            "LF0107 trigger.path 2:77 `path` is only for the provider `custom`",
        ],
    },
    Row {
        what: "filters that cannot work",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "stripe", "filter": {"data..x": {"$eq": 1}, "type": "x", "a": {"$regx": "x"}, "b": {"$regex": "("}, "c": {"$in": 1}, "d": {}}}
}"#,
        found: &[
            r#"LF0106 trigger.filter["data..x"] 2:54 `data..x` is no path into an event | write names with dots between them, as in `data.object.amount_due`"#,
            r#"LF0103 trigger.filter.type 2:85 `type` must be an object of operators, not the text `x` | write `{"$eq": …}` for a value"#,
            r#"LF0102 trigger.filter.a["$regx"] 2:96 there is no operator `$regx` | did you mean `$regex`?"#,
            r#"LF0506 trigger.filter.b["$regex"] 2:127 `(` is no regular expression: unclosed group"#,
            r#"LF0103 trigger.filter.c["$in"] 2:146 `$in` must be a list, not the number 1"#,
            "LF0105 trigger.filter.d 2:155 `d` compares with nothing",
        ],
    },
    Row {
        what: "a schedule without a rhythm",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule"}
}"#,
        found: &["LF0101 trigger.cron 2:1 a schedule needs `cron` or `interval`"],
    },
    Row {
        what: "a schedule with two rhythms",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "cron": "0 9 * * 1", "interval": {"value": 1, "unit": "days"}}
}"#,
        found: &["LF0107 trigger.interval 2:55 a schedule has either `cron` or `interval`, not both"],
    },
    Row {
        what: "a cron expression with six fields",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "cron": "0 0 9 * * 1"}
}"#,
        found: &[
            "LF0602 trigger.cron 2:30 `0 0 9 * * 1` has 6 fields, not 5 | minute, hour, day of the month, month, day of the week",
        ],
    },
    Row {
        what: "a cron expression out of range",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "cron": "0 25 * * *"}
}"#,
        found: &[
            "LF0602 trigger.cron 2:30 `0 25 * * *` cannot be read: number out of bounds | minute, hour, day of the month, month, day of the week; Sunday is 0",
        ],
    },
    Row {
        what: "a cron expression that never fires",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "cron": "0 0 30 2 *"}
}"#,
        found: &["LF0603 trigger.cron 2:30 `0 0 30 2 *` never fires | there is no such day in any year"],
    },
    Row {
        what: "an interval of an unknown unit",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "interval": {"value": 1, "unit": "day"}}
}"#,
        found: &["LF0104 trigger.interval.unit 2:55 there is no unit `day` | did you mean `days`?"],
    },
    Row {
        what: "an interval beyond a year",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "interval": {"value": 60, "unit": "weeks"}}
}"#,
        found: &["LF0105 trigger.interval.value 2:44 60 weeks are more than a year"],
    },
    Row {
        what: "an unknown time zone",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "cron": "0 9 * * *", "timezone": "Europe/Berln"}
}"#,
        found: &[
            "LF0604 trigger.timezone 2:55 there is no time zone `Europe/Berln` | did you mean `Europe/Berlin`?",
        ],
    },
    Row {
        what: "unknown choices of a schedule",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "schedule", "cron": "0 9 * * *", "missed": "all", "overlap": "queued", "enabled": 1}
}"#,
        found: &[
            "LF0104 trigger.missed 2:53 there is no choice `all` | there are `once` and `skip`",
            "LF0104 trigger.overlap 2:71 there is no choice `queued` | did you mean `queue`?",
            "LF0103 trigger.enabled 2:92 `enabled` must be `true` or `false`, not the number 1",
        ],
    },
    Row {
        what: "a failure trigger with odd ids",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "failure", "workflows": ["invoices"]}
}"#,
        found: &[
            "LF0106 trigger.workflows[0] 2:35 `invoices` is no id of a workflow | it is `wf_` and a UUID, as the list of workflows has it",
        ],
    },
    Row {
        what: "ids that are those of no workflow",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "failure", "workflows": ["wf_01890A5D-ac96-774b-bcce-b302099a8057", "run_01890a5d-ac96-774b-bcce-b302099a8057", "wf_1",
 "wf_01890a5d-ac96-774b-bcce-b302099a8057"]}
}"#,
        found: &[
            "LF0106 trigger.workflows[0] 2:35 `wf_01890A5D-ac96-774b-bcce-b302099a8057` is no id of a workflow | it is `wf_` and a UUID, as the list of workflows has it",
            "LF0106 trigger.workflows[1] 2:78 `run_01890a5d-ac96-774b-bcce-b302099a8057` is no id of a workflow | it is `wf_` and a UUID, as the list of workflows has it",
            "LF0106 trigger.workflows[2] 2:122 `wf_1` is no id of a workflow | it is `wf_` and a UUID, as the list of workflows has it",
        ],
    },
    Row {
        what: "all events, by a star",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "stripe", "events": ["*", "invoice*", "customer.subscriptions.*"]}
}"#,
        found: &[
            "LF0601 trigger.events[0] 2:54 Stripe sends no event `*` | leave `events` out for all events",
            "LF0601 trigger.events[1] 2:59 Stripe sends no event `invoice*` | did you mean `invoice.*`?",
            "LF0601 trigger.events[2] 2:71 Stripe sends no event `customer.subscriptions.*` | did you mean `customer.subscription.*`?",
        ],
    },
    Row {
        what: "events of another API version",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "stripe", "events": ["apps.install.created", "three_d_secure.*"]}
}"#,
        found: &[
            "LF0601 trigger.events[0] 2:54 Stripe sends no event `apps.install.created` | it comes with API version 2026-10-28.endive, and this server knows 2026-08-26.dahlia",
            "LF0601 trigger.events[1] 2:78 Stripe sends no event `three_d_secure.*` | it comes with API version 2026-10-28.endive, and this server knows 2026-08-26.dahlia",
        ],
    },
    Row {
        what: "values that no operator takes",
        text: r#"{"name": "w", "steps": [{"id": "a", "action": "stripe.createCustomer"}], "trigger":
{"type": "webhook", "provider": "stripe", "filter": {
 "a": {"$gt": {"b": 1}, "$gte": [1], "$lt": true, "$lte": null},
 "b": {"$in": [], "$nin": {}, "$exists": 1, "$regex": 5},
 "c": {"$eq": "{{variables.x}}", "$in": ["{{input.y}}"]}}}
}"#,
        found: &[
            r#"LF0103 trigger.filter.a["$gt"] 3:15 `$gt` must be a number or a text, not an object"#,
            r#"LF0103 trigger.filter.a["$gte"] 3:33 `$gte` must be a number or a text, not a list"#,
            r#"LF0103 trigger.filter.a["$lt"] 3:45 `$lt` must be a number or a text, not `true`"#,
            r#"LF0103 trigger.filter.a["$lte"] 3:59 `$lte` must be a number or a text, not null"#,
            r#"LF0105 trigger.filter.b["$in"] 4:15 `$in` is empty, so that nothing would match"#,
            r#"LF0103 trigger.filter.b["$nin"] 4:27 `$nin` must be a list, not an object"#,
            r#"LF0103 trigger.filter.b["$exists"] 4:42 `$exists` must be `true` or `false`, not the number 1"#,
            r#"LF0103 trigger.filter.b["$regex"] 4:55 `$regex` must be a text, not the number 5"#,
            r#"LF0204 trigger.filter.c["$eq"] 5:15 the template in `$eq` is not evaluated | here it is taken as text, braces and all"#,
            r#"LF0204 trigger.filter.c["$in"][0] 5:42 the template in `$in[0]` is not evaluated | here it is taken as text, braces and all"#,
        ],
    },
];
