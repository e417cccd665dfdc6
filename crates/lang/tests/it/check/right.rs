//! Workflows in which nothing is wrong: the source's snippets, and what is taken although it looks odd.

use loopfour_lang::{Catalog, Options, check};

/// Checks that nothing is said.
#[track_caller]
fn right(text: &str) {
    let checked = check(text, Options { catalog: Catalog::builtin(), environment: &["BRAND".to_owned()] });
    assert!(checked.diagnostics.is_empty(), "{text}: {:#?}", checked.diagnostics);
    assert!(checked.workflow.is_some());
}

#[track_caller]
fn steps(steps: &str) {
    right(&format!(
        r#"{{"name": "w", "trigger": {{"type": "api"}}, "variables": {{"a": {{"b": [1, "x"]}}}}, "steps": [{steps}]}}"#
    ));
}

#[track_caller]
fn action(action: &str, config: &str) {
    steps(&format!(r#"{{"id": "a", "action": "stripe.{action}", "config": {{{config}}}}}"#));
}

#[track_caller]
fn trigger(trigger: &str) {
    right(&format!(
        r#"{{"name": "w", "trigger": {trigger}, "steps": [{{"id": "a", "action": "stripe.createCustomer"}}]}}"#
    ));
}

#[track_caller]
fn condition(conditions: &str) {
    steps(&format!(
        r#"{{"id": "c", "type": "condition", "config": {{"conditions": {conditions}, "then": ["a"], "else": []}}}},
        {{"id": "a", "action": "stripe.createCustomer"}}"#
    ));
}

#[test]
fn the_sources_snippets() {
    steps(
        r#"{"id": "previous", "action": "stripe.listCustomers"},
        {"id": "list", "action": "stripe.listCustomers", "config": {
            "limit": 100, "email": "{{input.email}}", "startingAfter": "{{steps.previous.output.data[99].id}}"}},
        {"id": "customer", "type": "action", "action": "stripe.createCustomer", "config": {
            "email": "{{input.email}}", "name": "{{input.name}}", "description": "Customer from workflow",
            "phone": "{{input.phone}}",
            "address": {"line1": "{{input.address.street}}", "city": "{{input.address.city}}",
                "state": "{{input.address.state}}", "postal_code": "{{input.address.zip}}",
                "country": "{{input.address.country}}"},
            "metadata": {"source": "workflow", "company_id": "{{input.companyId}}"}}},
        {"id": "create-invoice", "type": "action", "action": "stripe.createInvoice", "config": {
            "customerId": "{{steps.customer.output.id}}", "autoAdvance": false, "collectionMethod": "send_invoice",
            "daysUntilDue": 30, "description": "Invoice for services", "metadata": {"order_id": "{{input.orderId}}"}}},
        {"id": "item", "action": "stripe.createInvoiceItem", "config": {
            "customerId": "{{steps.customer.output.id}}", "invoiceId": "{{steps.create-invoice.output.id}}",
            "amount": 9900, "currency": "usd", "description": "Professional Services - January 2024", "quantity": 1}},
        {"id": "finalize", "action": "stripe.finalizeInvoice", "config": {"invoiceId": "{{steps.create-invoice.output.id}}"}},
        {"id": "send", "action": "stripe.sendInvoice", "config": {"invoiceId": "{{steps.finalize.output.id}}"}},
        {"id": "create-payment", "type": "action", "action": "stripe.createPaymentIntent", "config": {
            "amount": 9900, "currency": "usd", "customerId": "{{input.customerId}}",
            "description": "Order #{{input.orderId}}", "paymentMethodTypes": ["card"], "captureMethod": "automatic",
            "metadata": {"order_id": "{{input.orderId}}"}}},
        {"id": "confirm", "action": "stripe.confirmPaymentIntent", "config": {
            "paymentIntentId": "{{steps.create-payment.output.id}}", "paymentMethod": "{{input.paymentMethodId}}",
            "returnUrl": "https://example.com/payment/complete"}},
        {"id": "create-subscription", "type": "action", "action": "stripe.createSubscription", "config": {
            "customerId": "{{input.customerId}}", "items": [{"price": "price_xxx"}],
            "collectionMethod": "charge_automatically", "trialPeriodDays": 14,
            "metadata": {"plan": "{{input.planName}}"}}}"#,
    );
    action("getCustomer", r#""customerId": "cus_xxx""#);
    action(
        "updateCustomer",
        r#""customerId": "{{input.customerId}}", "email": "{{input.newEmail}}", "metadata": {"updated_at": "{{now}}"}"#,
    );
    action("getInvoice", r#""invoiceId": "in_xxx""#);
    action("listInvoices", r#""customerId": "{{input.customerId}}", "status": "open", "limit": 50"#);
    action("voidInvoice", r#""invoiceId": "{{input.invoiceId}}""#);
    action("getPaymentIntent", r#""paymentIntentId": "pi_xxx""#);
    action(
        "capturePaymentIntent",
        r#""paymentIntentId": "{{input.paymentIntentId}}", "amountToCapture": 5000"#,
    );
    action(
        "cancelPaymentIntent",
        r#""paymentIntentId": "{{input.paymentIntentId}}", "cancellationReason": "requested_by_customer""#,
    );
    action("listPaymentIntents", r#""customerId": "{{input.customerId}}", "limit": 50"#);
    action("getSubscription", r#""subscriptionId": "sub_xxx""#);
    action(
        "updateSubscription",
        r#""subscriptionId": "{{input.subscriptionId}}",
        "items": [{"id": "{{input.itemId}}", "price": "price_new_xxx"}], "prorationBehavior": "create_prorations""#,
    );
    action(
        "cancelSubscription",
        r#""subscriptionId": "{{input.subscriptionId}}", "invoiceNow": true, "prorate": true"#,
    );
    action("listSubscriptions", r#""customerId": "{{input.customerId}}", "status": "active", "limit": 50"#);
    action("getBalance", "");
    action("listBalanceTransactions", r#""limit": 100, "type": "charge""#);
}

#[test]
fn combinations_that_stripe_takes() {
    action(
        "createPaymentIntent",
        r#""amount": 1, "currency": "usd", "confirm": true, "offSession": true, "paymentMethodTypes": ["card"]"#,
    );
    action(
        "createPaymentIntent",
        r#""amount": 1, "currency": "usd", "confirm": true, "returnUrl": "https://a.example""#,
    );
    action(
        "createPaymentIntent",
        r#""amount": 1, "currency": "usd", "confirm": true,
        "automaticPaymentMethods": {"enabled": true, "allowRedirects": "never"}"#,
    );
    action(
        "createPaymentIntent",
        r#""amount": 1, "currency": "usd", "confirm": "{{input.now}}", "offSession": true"#,
    );
    action(
        "createPaymentIntent",
        r#""amount": 1, "currency": "eur", "statementDescriptor": "A", "paymentMethodTypes": ["sepa_debit", "card"]"#,
    );
    action("createPaymentIntent", r#""amount": 1, "currency": "eur", "statementDescriptor": "A""#);
    action(
        "createSubscription",
        r#""customerId": "c", "items": [{"price": "p"}], "collectionMethod": "send_invoice", "daysUntilDue": 14"#,
    );
    action("updateSubscription", r#""subscriptionId": "s", "daysUntilDue": 14"#);
    action("updateSubscription", r#""subscriptionId": "s", "items": "{{input.items}}""#);
}

#[test]
fn conditions_that_forget_no_outcome() {
    let after = |action: &str, config: &str| {
        steps(&format!(
            r#"{{"id": "a", "action": "stripe.{action}"}},
            {{"id": "c", "type": "condition", "config": {config}}}, {{"id": "b", "action": "stripe.getBalance"}}"#
        ));
    };
    let create = r#"createPaymentIntent", "config": {"amount": 1, "currency": "usd"}, "name": "a"#;
    let status = |operator: &str, right: &str| {
        format!(
            r#"{{"left": "{{{{steps.a.output.status}}}}", "operator": "{operator}", "right": "{right}"}}"#
        )
    };
    let succeeded = status("eq", "succeeded");
    after(create, &format!(r#"{{"conditions": {succeeded}, "then": [], "else": ["b"]}}"#));
    after(create, &format!(r#"{{"conditions": {}, "then": ["b"]}}"#, status("ne", "succeeded")));
    after(create, &format!(r#"{{"conditions": {}, "then": ["b"]}}"#, status("eq", "requires_action")));
    let either = status("eq", "requires_action");
    after(
        create,
        &format!(
            r#"{{"conditions": {{"operator": "or", "conditions": [{succeeded}, {either}]}}, "then": ["b"]}}"#
        ),
    );
    after(
        r#"getPaymentIntent", "config": {"paymentIntentId": "pi_1"}, "name": "a"#,
        &format!(r#"{{"conditions": {succeeded}, "then": ["b"]}}"#),
    );
}

#[test]
fn every_documented_parameter_is_known_by_both_names() {
    let catalog = Catalog::builtin();
    let documented: Vec<(&str, Vec<&str>)> = catalog
        .actions
        .values()
        .map(|action| {
            let names = action
                .parameters
                .iter()
                .filter(|parameter| parameter.documented)
                .map(|parameter| parameter.name.as_str());
            (action.name.as_str(), names.collect())
        })
        .collect();
    let expected = [
        ("stripe.cancelPaymentIntent", vec!["paymentIntentId", "cancellationReason"]),
        ("stripe.cancelSubscription", vec!["subscriptionId", "invoiceNow", "prorate"]),
        ("stripe.capturePaymentIntent", vec!["paymentIntentId", "amountToCapture"]),
        ("stripe.confirmPaymentIntent", vec!["paymentIntentId", "paymentMethod", "returnUrl"]),
        ("stripe.createCustomer", vec!["email", "name", "description", "phone", "address", "metadata"]),
        (
            "stripe.createInvoice",
            vec!["customerId", "autoAdvance", "collectionMethod", "daysUntilDue", "description", "metadata"],
        ),
        (
            "stripe.createInvoiceItem",
            vec!["customerId", "invoiceId", "amount", "currency", "description", "quantity"],
        ),
        (
            "stripe.createPaymentIntent",
            vec![
                "amount",
                "currency",
                "customerId",
                "description",
                "paymentMethodTypes",
                "paymentMethod",
                "captureMethod",
                "confirm",
                "offSession",
                "setupFutureUsage",
                "receiptEmail",
                "statementDescriptor",
                "metadata",
            ],
        ),
        (
            "stripe.createSubscription",
            vec![
                "customerId",
                "items",
                "defaultPaymentMethod",
                "collectionMethod",
                "daysUntilDue",
                "trialPeriodDays",
                "cancelAtPeriodEnd",
                "prorationBehavior",
                "metadata",
            ],
        ),
        ("stripe.finalizeInvoice", vec!["invoiceId"]),
        ("stripe.getBalance", Vec::new()),
        ("stripe.getCustomer", vec!["customerId"]),
        ("stripe.getInvoice", vec!["invoiceId"]),
        ("stripe.getPaymentIntent", vec!["paymentIntentId"]),
        ("stripe.getSubscription", vec!["subscriptionId"]),
        ("stripe.listBalanceTransactions", vec!["limit", "type"]),
        ("stripe.listCustomers", vec!["limit", "email", "startingAfter"]),
        ("stripe.listInvoices", vec!["customerId", "status", "limit"]),
        ("stripe.listPaymentIntents", vec!["customerId", "limit"]),
        ("stripe.listSubscriptions", vec!["customerId", "status", "limit"]),
        ("stripe.sendInvoice", vec!["invoiceId"]),
        ("stripe.updateCustomer", vec!["customerId", "email", "metadata"]),
        ("stripe.updateSubscription", vec!["subscriptionId", "items", "prorationBehavior"]),
        ("stripe.voidInvoice", vec!["invoiceId"]),
    ];
    for row in expected {
        assert!(documented.contains(&row), "{row:?} is in {documented:?}");
    }
    for action in catalog.actions.values() {
        for parameter in &action.parameters {
            for name in [&parameter.name, &parameter.wire] {
                assert_eq!(
                    action.parameter(name).map(|found| &found.wire),
                    Some(&parameter.wire),
                    "{name} of {}",
                    action.name
                );
            }
        }
    }
}

#[test]
fn what_may_not_come_out_empty() {
    let marked = |action: &str| -> Vec<&str> {
        let action = Catalog::builtin().action(action).expect("an action");
        action
            .parameters
            .iter()
            .filter(|parameter| parameter.refuses_empty)
            .map(|parameter| parameter.wire.as_str())
            .collect()
    };
    assert_eq!(marked("stripe.listCustomers"), ["email", "created", "test_clock"]);
    assert_eq!(marked("stripe.createCustomer"), [""; 0]);
    assert_eq!(marked("stripe.createInvoice"), ["customer", "application_fee_amount"]);
    let item = ["customer", "amount", "quantity", "quantity_decimal", "unit_amount_decimal"];
    assert_eq!(marked("stripe.createInvoiceItem"), item);
    assert_eq!(marked("stripe.sendInvoice"), ["invoice"]);
    assert_eq!(
        marked("stripe.capturePaymentIntent"),
        ["intent", "amount_to_capture", "application_fee_amount"]
    );
    assert_eq!(marked("stripe.listPaymentIntents"), ["customer", "created", "customer_account"]);
    assert_eq!(marked("stripe.listBalanceTransactions"), ["type", "created", "currency", "payout", "source"]);
    let stamped =
        Catalog::builtin().actions.values().filter(|action| action.stamps).map(|action| action.name.as_str());
    assert_eq!(
        stamped.collect::<Vec<_>>(),
        [
            "stripe.createCustomer",
            "stripe.createInvoice",
            "stripe.createInvoiceItem",
            "stripe.createPaymentIntent",
            "stripe.createSubscription"
        ]
    );
}

#[test]
fn both_spellings_at_every_depth() {
    action("createCustomer", r#""address": {"postalCode": "1", "line1": "x"}, "preferredLocales": ["de"]"#);
    action("createCustomer", r#""address": {"postal_code": "1"}, "preferred_locales": ["de"]"#);
    action(
        "createInvoice",
        r#""customer": "cus_x", "collection_method": "send_invoice", "days_until_due": 30"#,
    );
    action("createCustomer", r#""metadata": {"postalCode": "1", "postal_code": "2"}"#);
}

#[test]
fn literals_that_the_wire_rules_put_right() {
    action("createInvoiceItem", r#""customerId": "cus_x", "amount": -100, "currency": "usd""#);
    action("createInvoiceItem", r#""customerId": "cus_x", "amount": "9900", "currency": "usd""#);
    action("createInvoiceItem", r#""customerId": "cus_x", "amount": 9900.0, "currency": "usd""#);
    action("createInvoiceItem", r#""customerId": "cus_x", "unitAmountDecimal": "0.000000000001""#);
    action("createCustomer", r#""metadata": {"a": 1, "b": true, "c": null, "d": 1.5}, "email": null"#);
    action("createCustomer", r#""address": "", "businessName": """#);
    action("listCustomers", r#""created": {"gte": 1700000000}, "limit": "100""#);
    action("listCustomers", r#""created": 1700000000, "limit": 1"#);
}

#[test]
fn templates_are_taken_as_possibly_right() {
    action(
        "createInvoiceItem",
        r#""customerId": "cus_{{input.x}}", "amount": "{{input.dollars * 100}}", "currency": "{{input.c | lower}}""#,
    );
    action(
        "createInvoice",
        r#""customerId": "{{input.x}}", "autoAdvance": "{{input.auto}}", "collectionMethod": "{{input.how}}", "daysUntilDue": 5"#,
    );
    action(
        "createInvoice",
        r#""customerId": "{{input.x}}", "collectionMethod": "send_invoice", "dueDate": "{{input.due}}""#,
    );
    action("createCustomer", r#""address": "{{input.address}}", "metadata": "{{input.metadata}}""#);
    action(
        "createCustomer",
        r#""name": "{{run.id}} {{run.startedAt}} {{now}} {{env.BRAND}} {{variables.a.b[1]}} {{variables}}""#,
    );
    action(
        "createCustomer",
        r#""name": "{{input.first-name}} {{input[\"total-1\"]}} {{input.a - 1}} }} {{ \"{{\" }}""#,
    );
}

#[test]
fn all_triggers() {
    trigger(r#"{"type": "api"}"#);
    trigger(
        r#"{"type": "webhook", "provider": "stripe", "events": ["invoice.paid", "customer.subscription.updated"]}"#,
    );
    trigger(
        r#"{"type": "webhook", "provider": "stripe", "events": ["invoice.*", "customer.subscription.*"], "verifySignature": true}"#,
    );
    trigger(
        r#"{"type": "webhook", "provider": "custom", "path": "orders", "verifySignature": false, "events": ["order.made"]}"#,
    );
    trigger(
        r#"{"type": "webhook", "provider": "stripe", "filter": {"data.object.amount_due": {"$gte": 100, "$lt": 1000},
        "type": {"$in": ["invoice.paid"], "$regex": "^invoice"}, "data.object.lines.data.0.id": {"$exists": true}}}"#,
    );
    trigger(
        r#"{"type": "schedule", "cron": "0 9 * * 1-5", "timezone": "Europe/Berlin", "missed": "skip", "overlap": "queue"}"#,
    );
    trigger(r#"{"type": "schedule", "cron": "0 0 29 2 *", "enabled": false}"#);
    trigger(r#"{"type": "schedule", "interval": {"value": 52, "unit": "weeks"}}"#);
    trigger(r#"{"type": "failure"}"#);
    trigger(r#"{"type": "failure", "workflows": ["wf_01890a5d-ac96-774b-bcce-b302099a8057"]}"#);
}

#[test]
fn the_sources_events() {
    for event in [
        "invoice.paid",
        "invoice.payment_failed",
        "customer.subscription.created",
        "customer.subscription.updated",
        "customer.subscription.deleted",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "charge.refunded",
    ] {
        trigger(&format!(r#"{{"type": "webhook", "provider": "stripe", "events": ["{event}"]}}"#));
    }
}

#[test]
fn what_triggers_give_as_input() {
    let reads = |trigger: &str, name: &str| {
        right(&format!(
            r#"{{"name": "w", "trigger": {trigger}, "steps": [{{"id": "a", "action": "stripe.createCustomer",
            "config": {{"name": "{name}"}}}}], "settings": {{"title": "{name}",
            "concurrency": {{"key": "{{{{input.data.object.id}}}} {{{{run.workflowId}}}} {{{{env.BRAND}}}}", "limit": 1}}}}}}"#
        ));
    };
    let webhook = r#"{"type": "webhook", "provider": "stripe", "events": ["invoice.paid"]}"#;
    reads(
        webhook,
        "{{input.type}} {{input.data.object.customer_email}} {{input.payload.data.object.lines.data[0].id}}",
    );
    reads(webhook, "{{input.payload}}");
    reads(
        r#"{"type": "schedule", "cron": "0 9 * * *"}"#,
        "{{input.timestamp}} {{input.runId}} {{input.scheduleName}}",
    );
    reads(r#"{"type": "failure"}"#, "{{input.run.id}} {{input.run.workflowId}} {{input.error.code}}");
}

#[test]
fn filters_of_every_kind_of_value() {
    let filter = |operators: &str| {
        trigger(&format!(
            r#"{{"type": "webhook", "provider": "stripe", "filter": {{"data.object.x": {operators}}}}}"#
        ));
    };
    filter(r#"{"$eq": {"a": [1, null]}, "$ne": [], "$contains": {"a": 1}, "$exists": false}"#);
    filter(r#"{"$gt": 1, "$gte": 1.5, "$lt": "100", "$lte": "b"}"#);
    filter(r#"{"$in": [null, true, {"a": 1}], "$nin": [], "$regex": "x{2}"}"#);
}

#[test]
fn codes_that_nothing_is_reported_with_any_more_may_still_be_ignored() {
    right(
        r#"{"name": "w", "trigger": {"type": "schedule", "cron": "0 9 * * *"}, "steps": [{"id": "a", "action": "stripe.createCustomer"}],
        "settings": {"ignore": ["LF0203", "LF0409"]}}"#,
    );
}

#[test]
fn all_conditions() {
    condition(r#"{"left": "{{input.a}}", "operator": "matches", "right": "^\\d+$"}"#);
    condition(r#"{"left": "{{input.a}}", "operator": "matches", "right": "{{input.pattern}}"}"#);
    condition(r#"{"left": "{{input.a}}", "operator": "isEmpty"}"#);
    condition(r#"{"left": ["a", 1], "operator": "contains", "right": null}"#);
    condition(
        r#"{"operator": "and", "conditions": [{"left": 1, "operator": "eq", "right": "1"},
        {"operator": "not", "conditions": [{"operator": "or", "conditions": [{"left": "{{input.a}}", "operator": "exists"}]}]}]}"#,
    );
}

#[test]
fn what_settles_that_an_output_may_be_absent() {
    let reads = |config: &str| {
        steps(&format!(
            r#"{{"id": "c", "type": "condition", "config": {{"conditions": {{"left": 1, "operator": "eq", "right": 1}}, "then": ["a"]}}}},
            {{"id": "a", "action": "stripe.createCustomer"}}, {config}"#
        ));
    };
    let customer = |name: &str| {
        reads(&format!(
            r#"{{"id": "b", "action": "stripe.createCustomer", "config": {{"name": "{name}"}}}}"#
        ));
    };
    customer("{{steps.a.output.name || 'nobody'}}");
    customer("{{steps.a.output.name ?? input.name}}");
    customer("{{steps.a.output.name | default('nobody')}}");
    customer("{{steps.a.output.name | upper | default('nobody')}}");
    customer("{{steps.a.status}} {{steps.a.error.code}}");
    reads(
        r#"{"id": "b", "type": "condition", "config": {"conditions": {"left": "{{steps.a.output.id}}", "operator": "exists"}, "then": []}}"#,
    );
}

#[test]
fn error_handling_that_goes_on_has_its_own_output() {
    steps(
        r#"{"id": "a", "action": "stripe.listCustomers", "errorHandling": {"strategy": "continue", "fallback": {"none": true}}},
        {"id": "b", "action": "stripe.createCustomer", "config": {"name": "{{steps.a.output.none}}"}}"#,
    );
}

#[test]
fn settings_of_every_kind() {
    right(
        r#"{"name": "w", "description": "", "trigger": {"type": "api"}, "inputSchema": {"properties": {"total-1": {}}}, "outputSchema": {},
        "steps": [{"id": "a", "name": "{{no template}", "action": "stripe.createCustomer", "config": {"name": "{{input.total-1}}"},
        "retryConfig": {"maxAttempts": 1, "backoffMultiplier": 1.5}, "timeoutMs": 1000}],
        "settings": {"stampMetadata": false, "output": {"id": "{{steps.a.output.id}}"}, "title": "For {{input.name}}", "ignore": ["LF0409"]}}"#,
    );
}
