//! The actions of the source document's example, as the document writes them, and what the others refuse when a
//! template comes out empty. `documented` has every call in plain values.

use insta::assert_snapshot;
use loopfour_lang::Catalog;

use crate::support::{Stamp, prepare, shown};

/// What the document's templates read.
const INPUT: &str = r#"{
    "email": "ada@example.com", "name": "Ada", "phone": "+49 30 1", "orderId": "ord_7", "companyId": 12,
    "address": {"street": "Main St 1", "city": "Berlin", "state": "", "zip": "10115", "country": "DE"},
    "steps": {"customer": {"id": "cus_1"}, "create-invoice": {"id": "in_1"}, "finalize": {"id": "in_1"}}
}"#;

fn request(action: &str, config: &str) -> String {
    let action = Catalog::builtin().action(action).unwrap();
    shown(&prepare(action, config, INPUT, Stamp::On).unwrap()).replace('&', "\n  &")
}

#[test]
fn list_customers() {
    let config = r#"{"limit": 100, "email": "{{input.email}}", "startingAfter": "{{steps.previous.output.data[99].id}}"}"#;
    assert_snapshot!(request("stripe.listCustomers", config), @r"
    GET /v1/customers?limit=100
      &email=ada%40example.com
    ");
}

#[test]
fn create_customer() {
    let config = r#"{
        "email": "{{input.email}}", "name": "{{input.name}}", "description": "Customer from workflow",
        "phone": "{{input.phone}}",
        "address": {
            "line1": "{{input.address.street}}", "city": "{{input.address.city}}",
            "state": "{{input.address.state}}", "postal_code": "{{input.address.zip}}",
            "country": "{{input.address.country}}"
        },
        "metadata": {"source": "workflow", "company_id": "{{input.companyId}}"}
    }"#;
    assert_snapshot!(request("stripe.createCustomer", config), @r"
    POST /v1/customers email=ada%40example.com
      &name=Ada
      &description=Customer%20from%20workflow
      &phone=%2B49%2030%201
      &address[line1]=Main%20St%201
      &address[city]=Berlin
      &address[postal_code]=10115
      &address[country]=DE
      &metadata[source]=workflow
      &metadata[company_id]=12
      &metadata[loopfour_run]=run_00000000-0000-0000-0000-000000000007
      &metadata[loopfour_step]=create-it
    ");
}

#[test]
fn create_invoice() {
    let config = r#"{
        "customerId": "{{steps.customer.output.id}}", "autoAdvance": false, "collectionMethod": "send_invoice",
        "daysUntilDue": 30, "description": "Invoice for services", "metadata": {"order_id": "{{input.orderId}}"}
    }"#;
    assert_snapshot!(request("stripe.createInvoice", config), @r"
    POST /v1/invoices customer=cus_1
      &auto_advance=false
      &collection_method=send_invoice
      &days_until_due=30
      &description=Invoice%20for%20services
      &metadata[order_id]=ord_7
      &metadata[loopfour_run]=run_00000000-0000-0000-0000-000000000007
      &metadata[loopfour_step]=create-it
    ");
    // The document's default, which Stripe does not share.
    assert_snapshot!(request("stripe.createInvoice", r#"{"customerId": "cus_1"}"#), @r"
    POST /v1/invoices customer=cus_1
      &auto_advance=true
      &metadata[loopfour_run]=run_00000000-0000-0000-0000-000000000007
      &metadata[loopfour_step]=create-it
    ");
}

#[test]
fn create_invoice_item() {
    let config = r#"{
        "customerId": "{{steps.customer.output.id}}", "invoiceId": "{{steps.create-invoice.output.id}}",
        "amount": 9900, "currency": "usd", "description": "Professional Services - January 2024", "quantity": 1
    }"#;
    assert_snapshot!(request("stripe.createInvoiceItem", config), @r"
    POST /v1/invoiceitems customer=cus_1
      &invoice=in_1
      &amount=9900
      &currency=usd
      &description=Professional%20Services%20-%20January%202024
      &metadata[loopfour_run]=run_00000000-0000-0000-0000-000000000007
      &metadata[loopfour_step]=create-it
    ");
}

#[test]
fn finalize_and_send_invoice() {
    let config = r#"{"invoiceId": "{{steps.create-invoice.output.id}}"}"#;
    assert_snapshot!(request("stripe.finalizeInvoice", config), @"POST /v1/invoices/in_1/finalize");
    let config = r#"{"invoiceId": "{{steps.finalize.output.id}}"}"#;
    assert_snapshot!(request("stripe.sendInvoice", config), @"POST /v1/invoices/in_1/send");
}

#[test]
fn payments_and_subscriptions_are_stamped() {
    let config = r#"{"amount": 9900, "currency": "usd", "metadata": {"order_id": "{{input.orderId}}"}}"#;
    assert_snapshot!(request("stripe.createPaymentIntent", config), @r"
    POST /v1/payment_intents amount=9900
      &currency=usd
      &metadata[order_id]=ord_7
      &metadata[loopfour_run]=run_00000000-0000-0000-0000-000000000007
      &metadata[loopfour_step]=create-it
    ");
    let config = r#"{"customerId": "cus_1", "items": [{"price": "price_1"}]}"#;
    assert_snapshot!(request("stripe.createSubscription", config), @r"
    POST /v1/subscriptions customer=cus_1
      &items[0][price]=price_1
      &metadata[loopfour_run]=run_00000000-0000-0000-0000-000000000007
      &metadata[loopfour_step]=create-it
    ");
}

/// What stays out would widen the call, or move another amount.
#[test]
fn what_may_not_come_out_empty() {
    let check = |name: &str, config: &str, place: &str| {
        let action = Catalog::builtin().action(name).unwrap();
        let error = prepare(action, config, INPUT, Stamp::On).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.param.as_deref()),
            ("EMPTY_PARAMETER", Some(place)),
            "{name} {config}"
        );
        assert!(error.message.contains("input.none"), "{}", error.message);
    };
    let path = r#"{"paymentIntentId": "pi_1", "amountToCapture": "{{input.none}}"}"#;
    check("stripe.capturePaymentIntent", path, "amountToCapture");
    check("stripe.capturePaymentIntent", r#"{"paymentIntentId": "{{input.none}}"}"#, "paymentIntentId");
    check("stripe.cancelSubscription", r#"{"subscriptionId": "{{input.none}}"}"#, "subscriptionId");
    for (action, filters) in [
        ("stripe.listCustomers", &["email", "created"] as &[&str]),
        ("stripe.listInvoices", &["customerId", "status", "subscription", "dueDate"]),
        ("stripe.listPaymentIntents", &["customerId", "created"]),
        ("stripe.listSubscriptions", &["customerId", "status", "price"]),
        ("stripe.listBalanceTransactions", &["type", "payout", "currency", "source"]),
    ] {
        for filter in filters {
            check(action, &format!(r#"{{"{filter}": "{{{{input.none}}}}"}}"#), filter);
        }
    }
    let items = r#"{"customerId": "c", "items": [{"price": "p", "quantity": "{{input.none}}"}]}"#;
    check("stripe.createSubscription", items, "items[0].quantity");
}
