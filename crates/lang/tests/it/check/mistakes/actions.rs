//! Actions and their parameters.

use super::Row;

/// One mistake or several, and all that is said.
pub const ROWS: &[Row] = &[
    Row {
        what: "an unknown action",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoce"}
]}"#,
        found: &[
            "LF0301 steps[0].action 2:23 there is no action `stripe.createInvoce` | did you mean `stripe.createInvoice`?",
        ],
    },
    Row {
        what: "an action without its provider",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "createInvoice", "config": {"customerId": "cus_x"}}
]}"#,
        found: &[
            "LF0301 steps[0].action 2:23 there is no action `createInvoice` | did you mean `stripe.createInvoice`?",
        ],
    },
    Row {
        what: "an unknown parameter",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "autoAdvanc": true}}
]}"#,
        found: &[
            "LF0102 steps[0].config.autoAdvanc 2:81 `stripe.createInvoice` has no parameter `autoAdvanc` | did you mean `autoAdvance`?",
        ],
    },
    Row {
        what: "a misspelled required parameter",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"custmerId": "cus_x"}}
]}"#,
        found: &[
            "LF0102 steps[0].config.custmerId 2:58 `stripe.createInvoice` has no parameter `custmerId` | did you mean `customerId`?",
        ],
    },
    Row {
        what: "a required parameter is missing",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.finalizeInvoice"}
]}"#,
        found: &["LF0101 steps[0].config.invoiceId 2:1 `stripe.finalizeInvoice` needs `invoiceId`"],
    },
    Row {
        what: "two spellings of one parameter",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "customer": "cus_y"}}
]}"#,
        found: &[
            "LF0107 steps[0].config.customer 2:81 `customer` and `customerId` are one parameter in two spellings | keep one of them",
        ],
    },
    Row {
        what: "a fraction of a cent",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoiceItem", "config": {"customerId": "cus_x", "amount": 99.5, "currency": "usd"}}
]}"#,
        found: &[
            "LF0103 steps[0].config.amount 2:95 `amount` must be a whole number, not the number 99.5 | amounts are whole numbers in the currency's smallest unit: 99 dollars are 9900",
        ],
    },
    Row {
        what: "an amount with decimals as text",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoiceItem", "config": {"customerId": "cus_x", "amount": "99.00", "currency": "usd"}}
]}"#,
        found: &[
            "LF0103 steps[0].config.amount 2:95 `amount` must be a whole number, not the text `99.00` | amounts are whole numbers in the currency's smallest unit: 99 dollars are 9900",
        ],
    },
    Row {
        what: "a list limit out of range",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.listCustomers", "config": {"limit": 101}}
]}"#,
        found: &["LF0105 steps[0].config.limit 2:67 `limit` is 101, but must be 1 to 100"],
    },
    Row {
        what: "a boolean in quotes",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "autoAdvance": "false"}}
]}"#,
        found: &[
            "LF0103 steps[0].config.autoAdvance 2:96 `autoAdvance` must be `true` or `false`, not the text `false` | write it without quotes",
        ],
    },
    Row {
        what: "an unknown enum value",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "collectionMethod": "send_invoce"}}
]}"#,
        found: &[
            "LF0104 steps[0].config.collectionMethod 2:101 there is no `collectionMethod` `send_invoce` | did you mean `send_invoice`?",
        ],
    },
    Row {
        what: "a text that is too long",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"phone": "111111111111111111111"}}
]}"#,
        found: &["LF0105 steps[0].config.phone 2:68 `phone` has 21 characters, but 20 is the most"],
    },
    Row {
        what: "an unknown key of a nested object",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"address": {"postal_cod": "1", "line1": 7}}}
]}"#,
        found: &[
            "LF0102 steps[0].config.address.postal_cod 2:71 `address` has no key `postal_cod` | did you mean `postal_code`?",
            "LF0103 steps[0].config.address.line1 2:99 `line1` must be a text, not the number 7",
        ],
    },
    Row {
        what: "a missing key of a nested object",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "issuer": {}}}
]}"#,
        found: &["LF0101 steps[0].config.issuer.type 2:91 `issuer` needs `type`"],
    },
    Row {
        what: "a list that is none",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"preferredLocales": "de"}}
]}"#,
        found: &[
            "LF0103 steps[0].config.preferredLocales 2:79 `preferredLocales` must be a list, not the text `de`",
        ],
    },
    Row {
        what: "metadata beyond the limits",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"metadata": {"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk": "v", "o": {}}}}
]}"#,
        found: &[
            "LF0105 steps[0].config.metadata.kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk 2:72 the key `kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk` has 41 characters, but 40 is the most",
            "LF0103 steps[0].config.metadata.o 2:127 `o` must be a text, not an object",
        ],
    },
    Row {
        what: "an empty filter of a list",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.listCustomers", "config": {"email": ""}}
]}"#,
        found: &[
            "LF0302 steps[0].config.email 2:67 `email` is written but empty | give it a value, or leave the key out if that is meant",
        ],
    },
    Row {
        what: "null for a required parameter",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": null}}
]}"#,
        found: &[
            "LF0302 steps[0].config.customerId 2:72 `customerId` is written but empty | it is required: give it a value",
        ],
    },
    Row {
        what: "a path parameter that leaves its place",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.sendInvoice", "config": {"invoiceId": ".."}}
]}"#,
        found: &["LF0106 steps[0].config.invoiceId 2:69 `invoiceId` cannot be the text `..`"],
    },
    Row {
        what: "a due date on an invoice that is charged",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "daysUntilDue": 30}}
]}"#,
        found: &[
            r#"LF0303 steps[0].config.daysUntilDue 2:97 `daysUntilDue` is only for invoices that are sent | add `"collectionMethod": "send_invoice"`"#,
        ],
    },
    Row {
        what: "an invoice that is sent without a due date",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "collectionMethod": "send_invoice"}}
]}"#,
        found: &[
            "LF0303 steps[0].config.collectionMethod 2:101 an invoice that is sent needs a due date | add `daysUntilDue` or `dueDate`",
        ],
    },
    Row {
        what: "a due date that may come out empty",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "daysUntilDue": "{{input.days}}"}}
]}"#,
        found: &[
            r#"LF0304 steps[0].config.daysUntilDue 2:97 `daysUntilDue` is only for invoices that are sent | add `"collectionMethod": "send_invoice"`"#,
        ],
    },
];
