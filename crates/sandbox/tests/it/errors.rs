//! What is refused, and how: the door (keys, versions, URLs), the parameters, the state.

use reqwest::Method;

use crate::stripe::{KEY, Stripe, id};

/// Expects status, type, code and parameter, and a part of the message.
#[track_caller]
fn expect(reply: &crate::stripe::Reply, error: &str, message: &str) {
    assert_eq!(reply.error(), error, "{}", reply.body);
    let told = reply.body["error"]["message"].as_str().unwrap();
    assert!(told.contains(message), "`{told}` does not tell `{message}`");
}

#[tokio::test]
async fn the_door_lets_only_test_keys_through() {
    let stripe = Stripe::start().await;
    let refused = "401 invalid_request_error - -";
    let rows = [
        ("", "did not provide an API key"),
        ("Bearer", "did not provide an API key"),
        ("Bearer ", "did not provide an API key"),
        ("Digest sk_test_x", "did not provide an API key"),
        ("Basic ****", "did not provide an API key"),
        ("Bearer sk_live_abcdefgh1234", "live key"),
        ("Bearer rk_live_abcdefgh1234", "live key"),
        ("Bearer sk_test_", "Invalid API Key provided: ********"),
        ("Bearer sk_test_no spaces", "Invalid API Key"),
        ("Bearer pk_test_abcdefgh1234", "Invalid API Key provided: pk_test_********1234"),
    ];
    for (authorization, message) in rows {
        let reply = stripe.send(Method::GET, "/v1/customers", "", &[("authorization", authorization)]).await;
        expect(&reply.unwrap(), refused, message);
    }
    // `sk_test_x:` and `rk_test_x:` in base64.
    for authorization in
        ["Bearer rk_test_x", "bearer sk_test_x", "Basic c2tfdGVzdF94Og==", "Basic cmtfdGVzdF94Og=="]
    {
        let reply = stripe.send(Method::GET, "/v1/account", "", &[("authorization", authorization)]).await;
        reply.unwrap().ok();
    }
}

#[tokio::test]
async fn keys_keep_their_accounts_apart() {
    let accounts = [("sk_test_b".to_owned(), "acct_b".to_owned())].into();
    let stripe = Stripe::with(loopfour_sandbox::Config { accounts, ..Default::default() }).await;
    let customer = stripe.customer("ada@example.com").await;
    let other = [("authorization", "Bearer sk_test_b")];
    let account = stripe.send(Method::GET, "/v1/account", "", &other).await.unwrap().ok();
    assert_eq!(account["id"], "acct_b");
    let reply = stripe.send(Method::GET, &format!("/v1/customers/{customer}"), "", &other).await.unwrap();
    expect(&reply, "404 invalid_request_error resource_missing id", &customer);
    let named = [("authorization", "Bearer sk_test_b"), ("stripe-account", "acct_b")];
    stripe.send(Method::GET, "/v1/account", "", &named).await.unwrap().ok();
    let foreign = [("authorization", "Bearer sk_test_b"), ("stripe-account", "acct_c")];
    let reply = stripe.send(Method::GET, "/v1/account", "", &foreign).await.unwrap();
    expect(&reply, "403 invalid_request_error account_invalid -", "acct_c");
}

#[tokio::test]
async fn versions_urls_and_operations_it_does_not_know_are_named() {
    let stripe = Stripe::start().await;
    let with = |version| [("stripe-version", version)];
    stripe.send(Method::GET, "/v1/account", "", &with("2026-08-26.dahlia")).await.unwrap().ok();
    let reply = stripe.send(Method::GET, "/v1/account", "", &with("2023-10-16")).await.unwrap();
    expect(&reply, "400 invalid_request_error - -", "Invalid Stripe API version: 2023-10-16");

    let reply = stripe.get("/v1/custmers").await;
    expect(&reply, "404 invalid_request_error - -", "Unrecognized request URL (GET: /v1/custmers)");
    let reply = stripe.send(Method::PUT, "/v1/customers", "", &[]).await.unwrap();
    expect(&reply, "404 invalid_request_error - -", "(PUT: /v1/customers)");
    let unsupported = "400 invalid_request_error sandbox_unsupported -";
    expect(&stripe.get("/v1/payouts").await, unsupported, "GetPayouts");
    expect(&stripe.post("/v1/setup_intents", &[]).await, unsupported, "PostSetupIntents");
    let reply = stripe.get("/v1/invoices/..%2Fcustomers%2Fcus_x").await;
    expect(&reply, "404 invalid_request_error resource_missing invoice", "../customers/cus_x");
}

#[tokio::test]
async fn bodies_are_forms() {
    let stripe = Stripe::start().await;
    let json = [("content-type", "application/json")];
    let reply = stripe.send(Method::POST, "/v1/customers", r#"{"name":"Ada"}"#, &json).await.unwrap();
    expect(&reply, "400 invalid_request_error - -", "application/x-www-form-urlencoded");
    let reply = stripe.send(Method::POST, "/v1/customers", "name=%ff", &[]).await.unwrap();
    expect(&reply, "400 invalid_request_error - -", "UTF-8");
    let reply = stripe.send(Method::POST, "/v1/customers", "name=a&name[b]=c", &[]).await.unwrap();
    expect(&reply, "400 invalid_request_error - -", "`name[b]`");
    let huge = format!("name={}", "x".repeat(3_000_000));
    let reply = stripe.send(Method::POST, "/v1/customers", &huge, &[]).await;
    // The answer may be lost when the sandbox stops reading before everything is sent.
    assert!(reply.is_err() || reply.is_ok_and(|reply| reply.status == 413));
}

#[tokio::test]
async fn parameters_are_checked_against_the_table() {
    let stripe = Stripe::start().await;
    let bad = "400 invalid_request_error";
    let long = "x".repeat(257);
    let key = format!("metadata[{}]", "k".repeat(41));
    let value = "v".repeat(501);
    let customer_rows: &[(&str, &str, &str)] = &[
        ("emial", "a@b.ch", "parameter_unknown emial"),
        ("address[zip]", "8000", "parameter_unknown address[zip]"),
        ("tax_id_data[0][tyqe]", "x", "parameter_unknown tax_id_data[0][tyqe]"),
        ("tax_id_data[][tyqe]", "x", "parameter_unknown tax_id_data[0][tyqe]"),
        ("shipping[name]", "Ada", "parameter_missing shipping[address]"),
        ("balance", "99.5", "parameter_invalid_integer balance"),
        ("balance", "9900.0", "parameter_invalid_integer balance"),
        ("balance", "1e4", "parameter_invalid_integer balance"),
        ("balance", "9,900", "parameter_invalid_integer balance"),
        ("balance", "+5", "parameter_invalid_integer balance"),
        ("balance", "99999999999999999999", "parameter_invalid_integer balance"),
        ("balance[a]", "5", "parameter_invalid_integer balance"),
        ("balance", "", "parameter_invalid_empty balance"),
        ("address[city]", "", "parameter_invalid_empty address[city]"),
        ("tax_exempt", "maybe", "- tax_exempt"),
        ("validate", "yes", "- validate"),
        ("validate", "true", "sandbox_unsupported validate"),
        ("source", "tok_visa", "sandbox_unsupported source"),
        ("name", &long, "- name"),
        ("name[]", "Ada", "- name"),
        ("address", "Bern", "- address"),
        ("address[]", "Bern", "- address"),
        ("preferred_locales", "de", "- preferred_locales"),
        ("preferred_locales[x]", "de", "- preferred_locales"),
        ("email", "ada", "email_invalid email"),
        ("email", "ada@localhost", "email_invalid email"),
        ("email", "a b@example.com", "email_invalid email"),
        ("metadata", "x", "- metadata"),
        ("metadata[]", "x", "- metadata"),
        ("metadata[a][b]", "x", "- metadata[a]"),
        (&key, "x", &format!("- {key}")),
        ("metadata[a]", &value, "- metadata[a]"),
        ("invoice_prefix", "abc", "- invoice_prefix"),
        ("next_invoice_sequence", "0", "- next_invoice_sequence"),
    ];
    for (name, value, error) in customer_rows {
        let reply = stripe.post("/v1/customers", &[(name, value)]).await;
        assert_eq!(reply.error(), format!("{bad} {error}"), "{name}={value}: {}", reply.body);
    }
    let reply = stripe.post("/v1/customers", &[("a", "1"), ("b", "2")]).await;
    expect(&reply, "400 invalid_request_error parameter_unknown a", "unknown parameters: a, b");
    let found = stripe.get("/v1/customers").await.ok();
    assert_eq!(found["data"].as_array().unwrap().len(), 0, "nothing that was refused is stored");
    let queries: &[(&str, &str)] = &[
        ("limit=0", "parameter_invalid_integer limit"),
        ("limit=101", "parameter_invalid_integer limit"),
        ("limit=ten", "parameter_invalid_integer limit"),
        ("limit=", "parameter_invalid_empty limit"),
        ("starting_after=", "parameter_invalid_empty starting_after"),
        ("starting_after=cus_x", "resource_missing starting_after"),
        ("ending_before=cus_x", "resource_missing ending_before"),
        ("starting_after=a&ending_before=b", "parameters_exclusive starting_after"),
        ("created[gte]=soon", "parameter_invalid_integer created[gte]"),
        ("created[since]=1", "parameter_unknown created[since]"),
        ("created=soon", "parameter_invalid_integer created"),
        ("status=open", "parameter_unknown status"),
    ];
    for (query, error) in queries {
        let reply = stripe.get(&format!("/v1/customers?{query}")).await;
        assert_eq!(reply.error(), format!("{bad} {error}"), "{query}: {}", reply.body);
    }
}

#[tokio::test]
async fn metadata_holds_fifty_texts() {
    let stripe = Stripe::start().await;
    let names: Vec<String> = (0..51).map(|index| format!("metadata[key_{index}]")).collect();
    let params: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "1")).collect();
    let reply = stripe.post("/v1/customers", &params).await;
    expect(&reply, "400 invalid_request_error - metadata", "50 metadata keys");
    let customer = stripe.post("/v1/customers", &params[..50]).await.ok();
    assert_eq!(customer["metadata"].as_object().unwrap().len(), 50);
    let params = [("metadata[a]", ""), ("metadata[0]", "1"), ("metadata[b]", "true")];
    let customer = stripe.post("/v1/customers", &params).await.ok();
    assert_eq!(customer["metadata"], serde_json::json!({"0": "1", "b": "true"}));
    let customer = stripe.post("/v1/customers", &[("metadata", "")]).await.ok();
    assert_eq!(customer["metadata"], serde_json::json!({}));
}

#[tokio::test]
async fn invoices_refuse_what_does_not_go_together() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let send = ("collection_method", "send_invoice");
    let owner = ("customer", &*customer);
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[], "parameter_missing customer"),
        (&[("customer", "cus_x")], "resource_missing customer"),
        (&[owner, ("days_until_due", "30")], "- days_until_due"),
        (&[owner, ("due_date", "99999999999")], "- due_date"),
        (&[owner, send], "- days_until_due"),
        (
            &[owner, send, ("days_until_due", "3"), ("due_date", "99999999999")],
            "parameters_exclusive days_until_due",
        ),
        (&[owner, send, ("due_date", "1000")], "- due_date"),
        (&[owner, send, ("days_until_due", "-1")], "- days_until_due"),
        (&[owner, ("currency", "xyz")], "- currency"),
        (&[owner, ("auto_advance", "1")], "- auto_advance"),
        (&[owner, ("collection_method", "by_mail")], "- collection_method"),
        (&[owner, ("subscription", "sub_x")], "sandbox_unsupported subscription"),
        (&[owner, ("description", &"x".repeat(1501))], "- description"),
    ];
    for (params, error) in rows {
        let reply = stripe.post("/v1/invoices", params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{params:?}: {}", reply.body);
    }
}

#[tokio::test]
async fn items_refuse_what_does_not_go_together() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let stranger = stripe.customer("bob@example.com").await;
    let (draft, open) = (stripe.invoice(&customer).await, stripe.invoice(&customer).await);
    stripe
        .post("/v1/invoiceitems", &[("customer", &customer), ("invoice", &open), ("amount", "1")])
        .await
        .ok();
    stripe.post(&format!("/v1/invoices/{open}/finalize"), &[]).await.ok();
    let owner = ("customer", &*customer);
    let on = ("invoice", &*draft);
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[("amount", "1")], "parameter_missing customer"),
        (&[owner], "parameter_missing amount"),
        (&[owner, ("quantity", "2")], "parameter_missing amount"),
        (&[owner, ("amount", "9900"), ("quantity", "1")], "parameters_exclusive amount"),
        (&[owner, ("amount", "9900"), ("unit_amount_decimal", "1")], "parameters_exclusive amount"),
        (&[owner, ("amount", "99.5")], "parameter_invalid_integer amount"),
        (&[owner, ("amount", "1000000000000")], "amount_too_large amount"),
        (&[owner, ("amount", "-1000000000000")], "amount_too_small amount"),
        (&[owner, ("unit_amount_decimal", "1e3")], "- unit_amount_decimal"),
        (&[owner, ("unit_amount_decimal", "0.1234567890123")], "- unit_amount_decimal"),
        (&[owner, ("unit_amount_decimal", "1"), ("quantity", "-1")], "parameter_invalid_integer quantity"),
        (&[owner, ("unit_amount", "1")], "parameter_unknown unit_amount"),
        (&[owner, ("price", "price_x")], "parameter_unknown price"),
        (&[owner, ("pricing[price]", "price_x")], "resource_missing pricing[price]"),
        (&[owner, ("pricing[price]", "price_x"), ("amount", "1")], "parameters_exclusive amount"),
        (&[owner, ("tax_behavior", "inclusive")], "sandbox_unsupported tax_behavior"),
        (&[owner, ("amount", "1"), ("period[start]", "5")], "parameter_missing period[end]"),
        (&[owner, ("amount", "1"), ("invoice", "in_x")], "resource_missing invoice"),
        (&[owner, ("amount", "1"), ("invoice", &*open)], "invoice_not_editable invoice"),
        (&[("customer", &*stranger), ("amount", "1"), on], "- invoice"),
        (&[owner, ("amount", "1"), on, ("currency", "eur")], "- currency"),
    ];
    for (params, error) in rows {
        let reply = stripe.post("/v1/invoiceitems", params).await;
        assert_eq!(reply.error(), format!("400 invalid_request_error {error}"), "{params:?}: {}", reply.body);
    }
    let refused = stripe.post("/v1/invoiceitems", rows[3].0).await;
    expect(&refused, "400 invalid_request_error parameters_exclusive amount", "amount, quantity");
    let untouched = stripe.get(&format!("/v1/invoices/{draft}")).await.ok();
    assert_eq!(untouched["total"], 0);
    assert_eq!(stripe.get("/v1/invoiceitems").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_invoice_takes_250_items_and_a_bounded_total() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let invoice = stripe.invoice(&customer).await;
    let item =
        |amount| [("customer", &*customer), ("invoice", &*invoice), ("amount", amount)].map(|pair| pair);
    stripe.post("/v1/invoiceitems", &item("999999999999")).await.ok();
    let reply = stripe.post("/v1/invoiceitems", &item("1")).await;
    expect(&reply, "400 invalid_request_error amount_too_large amount", "total");
    for _ in 0..249 {
        stripe.post("/v1/invoiceitems", &item("0")).await.ok();
    }
    let reply = stripe.post("/v1/invoiceitems", &item("0")).await;
    expect(&reply, "400 invalid_request_error - invoice", "at most 250");
    let lines = stripe.get(&format!("/v1/invoices/{invoice}/lines?limit=100")).await.ok();
    assert_eq!((lines["data"].as_array().unwrap().len(), &lines["has_more"]), (100, &true.into()));
}

#[tokio::test]
async fn finalizing_and_sending_need_the_right_invoice() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    for step in ["finalize", "send"] {
        let reply = stripe.post(&format!("/v1/invoices/in_x/{step}"), &[]).await;
        expect(&reply, "404 invalid_request_error resource_missing invoice", "No such invoice: 'in_x'");
        let reply = stripe.post(&format!("/v1/invoices/{customer}/{step}"), &[]).await;
        expect(&reply, "404 invalid_request_error resource_missing invoice", &customer);
    }
    let empty = stripe.invoice(&customer).await;
    assert_eq!(stripe.post(&format!("/v1/invoices/{empty}/finalize"), &[]).await.ok()["status"], "paid");
    let reply = stripe.post(&format!("/v1/invoices/{empty}/finalize"), &[]).await;
    expect(&reply, "400 invalid_request_error invoice_not_editable -", "paid already");
    let reply = stripe.post(&format!("/v1/invoices/{empty}/send"), &[]).await;
    expect(&reply, "400 invalid_request_error invoice_not_editable -", "paid");

    let charged = id(&stripe.post("/v1/invoices", &[("customer", &customer)]).await.ok());
    let reply = stripe.post(&format!("/v1/invoices/{charged}/send"), &[]).await;
    expect(&reply, "400 invalid_request_error - -", "send_invoice");
    let nameless = id(&stripe.post("/v1/customers", &[]).await.ok());
    let unsendable = stripe.invoice(&nameless).await;
    let reply = stripe.post(&format!("/v1/invoices/{unsendable}/send"), &[]).await;
    expect(&reply, "400 invalid_request_error - customer", "no e-mail");
    assert_eq!(stripe.get(&format!("/v1/invoices/{unsendable}")).await.ok()["status"], "draft");
    let reply = stripe.post(&format!("/v1/invoices/{charged}/finalize"), &[("note", "x")]).await;
    expect(&reply, "400 invalid_request_error parameter_unknown note", "note");
}

#[tokio::test]
async fn dates_and_headers_are_there_on_refusals_too() {
    let stripe = Stripe::start().await;
    let headers = [("authorization", format!("Bearer {KEY}")), ("idempotency-key", "k".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
    let reply = stripe.send(Method::POST, "/v1/customers", "nope=1", &headers).await.unwrap();
    assert_eq!(reply.status, 400);
    assert!(reply.header("date").unwrap().ends_with(" GMT"));
    assert_eq!(reply.header("idempotency-key"), Some("k"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
}
