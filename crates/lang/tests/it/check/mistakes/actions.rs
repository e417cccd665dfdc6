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
        what: "a documented name in snake_case is a spelling too",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.finalizeInvoice", "config": {"invoice_id": "in_x"}},
{"id": "b", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "customer_id": "cus_y"}}
]}"#,
        found: &[
            "LF0107 steps[1].config.customer_id 3:81 `customer_id` and `customerId` are one parameter in two spellings | keep one of them",
        ],
    },
    Row {
        what: "two parameters that Stripe takes only apart",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.listInvoices", "config": {"startingAfter": "in_x", "endingBefore": "in_y"}},
{"id": "b", "action": "stripe.listInvoices", "config": {"startingAfter": "{{input.a}}", "endingBefore": "in_y"}},
{"id": "c", "action": "stripe.createInvoiceItem", "config": {"customerId": "cus_x", "amount": 5, "unitAmountDecimal": "5"}}
]}"#,
        found: &[
            "LF0303 steps[0].config.endingBefore 2:98 Stripe takes `startingAfter` and `endingBefore` only apart | keep one of them",
            "LF0303 steps[2].config.unitAmountDecimal 4:119 Stripe takes `amount` and `unitAmountDecimal` only apart | keep one of them",
        ],
    },
    Row {
        what: "other parameters that Stripe takes only apart",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "collectionMethod": "send_invoice", "daysUntilDue": 30, "dueDate": 1893456000}},
{"id": "b", "action": "stripe.createSubscription", "config": {"customerId": "cus_x", "items": [{"price": "price_x"}], "trialPeriodDays": 7, "trialEnd": "now"}},
{"id": "c", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "paymentMethodTypes": ["card"], "automaticPaymentMethods": {"enabled": true}}}
]}"#,
        found: &[
            "LF0303 steps[0].config.dueDate 2:148 Stripe takes `daysUntilDue` and `dueDate` only apart | keep one of them",
            "LF0303 steps[1].config.trialEnd 3:153 Stripe takes `trialPeriodDays` and `trialEnd` only apart | keep one of them",
            "LF0303 steps[2].config.automaticPaymentMethods 4:155 Stripe takes `paymentMethodTypes` and `automaticPaymentMethods` only apart | keep one of them",
        ],
    },
    Row {
        what: "the empty text where Stripe can clear nothing",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"email": "", "name": "", "description": "", "phone": "", "source": "", "businessName": "", "tax": {"ipAddress": ""}, "metadata": {"a": ""}, "address": {"line1": ""}}},
{"id": "b", "action": "stripe.confirmPaymentIntent", "config": {"paymentIntentId": "pi_x", "returnUrl": "", "paymentMethod": "{{input.card}}"}}
]}"#,
        found: &[
            "LF0302 steps[0].config.source 2:126 `source` is empty, and Stripe cannot clear it | give it a value, or leave the key out",
            "LF0302 steps[0].config.address.line1 2:220 `line1` is empty, and Stripe cannot clear it | give it a value, or leave the key out",
            "LF0302 steps[1].config.returnUrl 3:105 `returnUrl` is empty, and Stripe cannot clear it | give it a value, or leave the key out",
        ],
    },
    Row {
        what: "lists and objects of nothing",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createSubscription", "config": {"customerId": "cus_x", "items": []}},
{"id": "b", "action": "stripe.createSubscription", "config": {"customerId": "cus_x", "items": [{}, {"price": null}]}},
{"id": "c", "action": "stripe.listInvoices", "config": {"created": {"gte": null}, "expand": []}},
{"id": "d", "action": "stripe.createSubscription", "config": {"customerId": "cus_x", "items": [{"price": "p", "quantity": null}]}},
{"id": "e", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "metadata": {}, "issuer": {"type": ""}}}
]}"#,
        found: &[
            "LF0302 steps[0].config.items 2:95 `items` is written but empty | it is required: give it a value",
            "LF0302 steps[1].config.items 3:95 `items` is written but empty | it is required: give it a value",
            "LF0302 steps[2].config.created 4:68 `created` is written but empty | give it a value, or leave the key out if that is meant",
            "LF0302 steps[3].config.items[0].quantity 5:123 `quantity` is written but empty | give it a value, or leave the key out if that is meant",
            "LF0302 steps[4].config.issuer.type 6:116 `type` is written but empty | it is required: give it a value",
        ],
    },
    Row {
        what: "an amount out of range",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 0, "currency": "usd"}},
{"id": "b", "action": "stripe.createPaymentIntent", "config": {"amount": "100000000", "currency": "usd"}},
{"id": "c", "action": "stripe.capturePaymentIntent", "config": {"paymentIntentId": "pi_x", "amountToCapture": -1}},
{"id": "d", "action": "stripe.createInvoiceItem", "config": {"customerId": "cus_x", "amount": -500}}
]}"#,
        found: &[
            "LF0105 steps[0].config.amount 2:74 `amount` is 0, but must be 1 to 99999999",
            "LF0105 steps[1].config.amount 3:74 `amount` is 100000000, but must be 1 to 99999999",
            "LF0105 steps[2].config.amountToCapture 4:111 `amountToCapture` is -1, but must be 1 to 99999999",
        ],
    },
    Row {
        what: "a misspelled name in snake_case",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoice", "config": {"custmer_id": "cus_x"}}
]}"#,
        found: &[
            "LF0102 steps[0].config.custmer_id 2:58 `stripe.createInvoice` has no parameter `custmer_id` | did you mean `customer_id`?",
        ],
    },
    Row {
        what: "metadata that LoopFour writes itself",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createCustomer", "config": {"metadata": {"loopfour_run": "x", "loopfour_step": "y", "loopfour": "z"}}}
]}"#,
        found: &[
            "LF0307 steps[0].config.metadata.loopfour_run 2:72 LoopFour writes the key `loopfour_run` of `metadata` itself | use another key: by this one a run finds what it made",
            "LF0307 steps[0].config.metadata.loopfour_step 2:93 LoopFour writes the key `loopfour_step` of `metadata` itself | use another key: by this one a run finds what it made",
        ],
    },
    Row {
        what: "a quantity and a date that are no whole numbers",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoiceItem", "config": {"customerId": "cus_x", "quantity": 1.5}},
{"id": "b", "action": "stripe.createInvoice", "config": {"customerId": "cus_x", "dueDate": 1.5, "collectionMethod": "send_invoice"}}
]}"#,
        found: &[
            "LF0103 steps[0].config.quantity 2:97 `quantity` must be a whole number, not the number 1.5",
            "LF0103 steps[1].config.dueDate 3:92 `dueDate` must be a whole number, not the number 1.5 | a time is given in seconds since 1970",
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
    Row {
        what: "off-session without confirming",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "offSession": true, "returnUrl": "{{input.url}}"}}
]}"#,
        found: &[
            r#"LF0303 steps[0].config.offSession 2:110 `offSession` is only for a payment that is confirmed at once | add `"confirm": true`, or give it to `stripe.confirmPaymentIntent`"#,
            r#"LF0304 steps[0].config.returnUrl 2:129 `returnUrl` is only for a payment that is confirmed at once | add `"confirm": true`, or give it to `stripe.confirmPaymentIntent`"#,
        ],
    },
    Row {
        what: "off-session, confirmed never",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "confirm": false, "off_session": "one_off"}}
]}"#,
        found: &[
            r#"LF0303 steps[0].config.off_session 2:129 `off_session` is only for a payment that is confirmed at once | add `"confirm": true`, or give it to `stripe.confirmPaymentIntent`"#,
        ],
    },
    Row {
        what: "off-session is false, and nothing is confirmed",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "offSession": false}}
]}"#,
        found: &[
            r#"LF0304 steps[0].config.offSession 2:110 `offSession` is only for a payment that is confirmed at once | add `"confirm": true`, or give it to `stripe.confirmPaymentIntent`"#,
        ],
    },
    Row {
        what: "a payment that is confirmed and may redirect",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "confirm": true}}
]}"#,
        found: &[
            r#"LF0303 steps[0].config.confirm 2:107 a payment that is confirmed at once, and may redirect the customer, needs `returnUrl` | add `returnUrl`, or `"paymentMethodTypes": ["card"]`, or `"automaticPaymentMethods": {"enabled": true, "allowRedirects": "never"}`"#,
        ],
    },
    Row {
        what: "a payment that is confirmed and always redirects",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "confirm": true, "automaticPaymentMethods": {"enabled": true}}}
]}"#,
        found: &[
            r#"LF0303 steps[0].config.confirm 2:107 a payment that is confirmed at once, and may redirect the customer, needs `returnUrl` | add `returnUrl`, or `"paymentMethodTypes": ["card"]`, or `"automaticPaymentMethods": {"enabled": true, "allowRedirects": "never"}`"#,
        ],
    },
    Row {
        what: "a payment that is confirmed off-session without types",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "confirm": true, "offSession": true}}
]}"#,
        found: &[
            r#"LF0304 steps[0].config.confirm 2:107 a payment that is confirmed at once, and may redirect the customer, needs `returnUrl` | add `returnUrl`, or `"paymentMethodTypes": ["card"]`, or `"automaticPaymentMethods": {"enabled": true, "allowRedirects": "never"}`"#,
        ],
    },
    Row {
        what: "a statement descriptor on a card",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "paymentMethodTypes": ["card"], "statementDescriptor": "SHOP"}}
]}"#,
        found: &[
            "LF0303 steps[0].config.statementDescriptor 2:151 `statementDescriptor` is not for payments by card | use `statementDescriptorSuffix`",
        ],
    },
    Row {
        what: "a statement descriptor on a card that may be empty",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "paymentMethodTypes": ["card"], "statementDescriptor": "{{input.text}}"}}
]}"#,
        found: &[
            "LF0304 steps[0].config.statementDescriptor 2:151 `statementDescriptor` is not for payments by card | use `statementDescriptorSuffix`",
        ],
    },
    Row {
        what: "a payment without amount and currency",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"customerId": "cus_x"}}
]}"#,
        found: &[
            "LF0101 steps[0].config.amount 2:63 `stripe.createPaymentIntent` needs `amount`",
            "LF0101 steps[0].config.currency 2:63 `stripe.createPaymentIntent` needs `currency`",
        ],
    },
    Row {
        what: "payments by status",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.listPaymentIntents", "config": {"status": "succeeded"}}
]}"#,
        found: &[
            "LF0102 steps[0].config.status 2:63 `stripe.listPaymentIntents` has no parameter `status` | Stripe cannot filter payment intents by status: look at each one's `status` in a condition",
        ],
    },
    Row {
        what: "a capture method that does not exist",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createPaymentIntent", "config": {"amount": 1, "currency": "usd", "captureMethod": "manuel"}}
]}"#,
        found: &[
            "LF0104 steps[0].config.captureMethod 2:113 there is no `captureMethod` `manuel` | did you mean `manual`?",
        ],
    },
    Row {
        what: "a reason to cancel that does not exist",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.cancelPaymentIntent", "config": {"paymentIntentId": "pi_x", "cancellationReason": "changed_mind"}}
]}"#,
        found: &[
            "LF0104 steps[0].config.cancellationReason 2:113 there is no `cancellationReason` `changed_mind` | there are `abandoned`, `duplicate`, `fraudulent` and `requested_by_customer`",
        ],
    },
    Row {
        what: "a capture of nothing",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.capturePaymentIntent", "config": {"paymentIntentId": "pi_x", "amountToCapture": ""}}
]}"#,
        found: &[
            "LF0302 steps[0].config.amountToCapture 2:111 `amountToCapture` is written but empty | give it a value, or leave the key out if that is meant",
        ],
    },
    Row {
        what: "a subscription to nothing",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createSubscription", "config": {"customerId": "cus_x"}}
]}"#,
        found: &["LF0101 steps[0].config.items 2:62 `stripe.createSubscription` needs `items`"],
    },
    Row {
        what: "a subscription that sends invoices without a due date",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createSubscription", "config": {"customerId": "cus_x", "items": [{"price": "price_x"}], "collectionMethod": "send_invoice"}}
]}"#,
        found: &[
            "LF0303 steps[0].config.collectionMethod 2:139 an invoice that is sent needs a due date | add `daysUntilDue`",
        ],
    },
    Row {
        what: "a subscription that charges with a due date",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createSubscription", "config": {"customerId": "cus_x", "items": [{"price": "price_x"}], "daysUntilDue": 30}}
]}"#,
        found: &[
            r#"LF0303 steps[0].config.daysUntilDue 2:135 `daysUntilDue` is only for invoices that are sent | add `"collectionMethod": "send_invoice"`"#,
        ],
    },
    Row {
        what: "a change to charging with a due date",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.updateSubscription", "config": {"subscriptionId": "sub_x", "collectionMethod": "charge_automatically", "daysUntilDue": 30}}
]}"#,
        found: &[
            r#"LF0303 steps[0].config.daysUntilDue 2:150 `daysUntilDue` is only for invoices that are sent | add `"collectionMethod": "send_invoice"`"#,
        ],
    },
    Row {
        what: "a trial that is too long",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createSubscription", "config": {"customerId": "cus_x", "items": [{"price": "price_x"}], "trialPeriodDays": 731}}
]}"#,
        found: &[
            "LF0105 steps[0].config.trialPeriodDays 2:138 `trialPeriodDays` is 731, but must be 0 to 730",
        ],
    },
    Row {
        what: "a change that adds an item",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.updateSubscription", "config": {"subscriptionId": "sub_x", "items": [{"id": "si_x", "quantity": 2}, {"price": "price_x"}]}}
]}"#,
        found: &[
            "LF0305 steps[0].config.items[1] 2:131 an item without `id` is added to the subscription; it replaces none | to change an item, give its `id`, such as `….output.items.data[0].id`",
        ],
    },
    Row {
        what: "a cancellation at the end of the period",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.cancelSubscription", "config": {"subscriptionId": "sub_x", "cancelAtPeriodEnd": true}}
]}"#,
        found: &[
            "LF0102 steps[0].config.cancelAtPeriodEnd 2:90 `stripe.cancelSubscription` has no parameter `cancelAtPeriodEnd` | this cancels at once: to cancel at the period's end, use `stripe.updateSubscription` with `cancelAtPeriodEnd`",
        ],
    },
    Row {
        what: "a parameter where there is none",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.getBalance", "config": {"currencyOfMine": "usd"}}
]}"#,
        found: &[
            "LF0102 steps[0].config.currencyOfMine 2:55 `stripe.getBalance` has no parameter `currencyOfMine` | it takes nothing but `expand`",
        ],
    },
    Row {
        what: "a price as of old",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.createInvoiceItem", "config": {"customerId": "cus_x", "price": "price_x"}}
]}"#,
        found: &[
            r#"LF0102 steps[0].config.price 2:85 `stripe.createInvoiceItem` has no parameter `price` | an item of a price is written `"pricing": {"price": "price_…"}`"#,
        ],
    },
    Row {
        what: "a condition that forgets that a card may need the customer",
        text: r#"{"name": "w", "trigger": {"type": "api"}, "steps": [
{"id": "a", "action": "stripe.confirmPaymentIntent", "config": {"paymentIntentId": "pi_x"}},
{"id": "c", "type": "condition", "config": {"conditions": {"left": "{{steps.a.output.status}}", "operator": "eq", "right": "succeeded"}, "then": ["b"]}},
{"id": "b", "action": "stripe.getBalance"}
]}"#,
        found: &[
            "LF0306 steps[1].config.conditions.left 3:71 `steps.a.output.status` may be `requires_action`, which is no error, and then nothing happens here | add an `else`, or a condition for `requires_action`",
        ],
    },
];
