//! Workflows in which nothing is wrong: the source's snippets, and what is taken although it looks odd.

use loopfour_lang::{Catalog, Options, check};

/// Checks that nothing is said but that a trigger is not carried out.
#[track_caller]
fn right(text: &str) {
    let checked = check(text, Options { catalog: Catalog::builtin(), environment: &["BRAND".to_owned()] });
    let found: Vec<_> = checked.diagnostics.iter().filter(|diagnostic| diagnostic.code != "LF0203").collect();
    assert!(found.is_empty(), "{text}: {found:#?}");
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
        {"id": "send", "action": "stripe.sendInvoice", "config": {"invoiceId": "{{steps.finalize.output.id}}"}}"#,
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
        ("stripe.createCustomer", vec!["email", "name", "description", "phone", "address", "metadata"]),
        (
            "stripe.createInvoice",
            vec!["customerId", "autoAdvance", "collectionMethod", "daysUntilDue", "description", "metadata"],
        ),
        (
            "stripe.createInvoiceItem",
            vec!["customerId", "invoiceId", "amount", "currency", "description", "quantity"],
        ),
        ("stripe.finalizeInvoice", vec!["invoiceId"]),
        ("stripe.listCustomers", vec!["limit", "email", "startingAfter"]),
        ("stripe.sendInvoice", vec!["invoiceId"]),
    ];
    assert_eq!(documented, expected);
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
    let stamped =
        Catalog::builtin().actions.values().filter(|action| action.stamps).map(|action| action.name.as_str());
    assert_eq!(
        stamped.collect::<Vec<_>>(),
        ["stripe.createCustomer", "stripe.createInvoice", "stripe.createInvoiceItem"]
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
    action("createInvoiceItem", r#""customerId": "cus_x", "amount": "9900", "currency": "usd""#);
    action("createInvoiceItem", r#""customerId": "cus_x", "amount": 9900.0, "currency": "usd""#);
    action(
        "createInvoiceItem",
        r#""customerId": "cus_x", "amount": -100, "unitAmountDecimal": "0.000000000001""#,
    );
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
