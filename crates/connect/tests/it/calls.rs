//! What a config and the values in it become on the wire, rule by rule.

use loopfour_connect::stripe::Config;
use loopfour_connect::{Connect, Error};
use loopfour_lang::Catalog;
use loopfour_lang::catalog::Action;

use crate::support::{Stamp, every_type, listing, needing_items, prepare, removal, shown, with_key};

/// `Ok`: the request. `Err`: code, parameter, and a piece of the message.
type Expected<'a> = Result<&'a str, (&'a str, &'a str, &'a str)>;

#[track_caller]
fn check(action: &Action, config: &str, input: &str, expected: Expected<'_>) {
    let result = prepare(action, config, input, Stamp::Off);
    match (&result, expected) {
        (Ok(request), Ok(expected)) => assert_eq!(shown(request), expected, "{config} with {input}"),
        (Err(error), Err((code, parameter, piece))) => {
            assert_eq!((error.code.as_str(), error.param.as_deref()), (code, Some(parameter)), "{error:?}");
            assert!(error.message.contains(piece), "{config} with {input}: {}", error.message);
            assert!(!error.hint.is_empty() && error.provider.as_deref() == Some("stripe"), "{error:?}");
            assert!(!error.retryable, "{error:?}");
        }
        _ => panic!("{config} with {input}: {result:?}, expected {expected:?}"),
    }
}

/// One parameter of [`every_type`] beside its path; the default that it adds is left away.
#[track_caller]
fn sends(config: &str, input: &str, form: &str) {
    let config = format!(r#"{{"thingId": "t", {config}}}"#);
    let and = if form.is_empty() { "" } else { "&" };
    check(&every_type(), &config, input, Ok(&format!("POST /v1/things/t/do {form}{and}auto_advance=true")));
}

#[track_caller]
fn refuses(config: &str, input: &str, expected: (&str, &str, &str)) {
    let config = format!(r#"{{"thingId": "t", {config}}}"#);
    check(&every_type(), &config, input, Err(expected));
}

const EMPTY: &str = "EMPTY_PARAMETER";
const INVALID: &str = "INVALID_PARAMETER";

#[test]
fn names_are_taken_in_both_spellings() {
    sends(r#""shortText": "a""#, "{}", "short_text=a");
    sends(r#""short_text": "a""#, "{}", "short_text=a");
    sends(r#""address": {"postalCode": "1", "city": "B"}"#, "{}", "address[postal_code]=1&address[city]=B");
    sends(r#""address": {"postal_code": "1"}"#, "{}", "address[postal_code]=1");
    sends(
        r#""metadata": {"postalCode": "a", "postal_code": "b"}"#,
        "{}",
        "metadata[postalCode]=a&metadata[postal_code]=b",
    );
    refuses(r#""shortText": "a", "short_text": "b""#, "{}", (INVALID, "short_text", "`shortText`"));
    refuses(
        r#""address": {"postalCode": "1", "postal_code": "2"}"#,
        "{}",
        (INVALID, "address.postal_code", "twice"),
    );
    refuses(r#""shortTxt": "a""#, "{}", (INVALID, "shortTxt", "stripe.everyType"));
    refuses(r#""address": {"street": "a"}"#, "{}", (INVALID, "address.street", "not known"));
}

#[test]
fn nulls_and_empty_results_are_left_out_at_every_depth() {
    sends(r#""shortText": null"#, "{}", "");
    sends(r#""shortText": "{{input.a}}""#, "{}", "");
    sends(r#""shortText": "{{input.a}}""#, r#"{"a": ""}"#, "");
    sends(r#""shortText": "{{input.a}}{{input.b}}""#, r#"{"a": "", "b": ""}"#, "");
    sends(r#""address": {"line1": "{{input.a}}", "city": "B"}"#, r#"{"a": ""}"#, "address[city]=B");
    sends(r#""address": {"line1": null}"#, "{}", "");
    sends(
        r#""address": "{{input.a}}""#,
        r#"{"a": {"line1": "", "city": "B", "street": null}}"#,
        "address[city]=B",
    );
    sends(r#""types": ["a", null, "{{input.none}}", "b"]"#, "{}", "types[0]=a&types[1]=b");
    sends(r#""types": "{{input.a}}""#, r#"{"a": ["", "b", null]}"#, "types[0]=b");
    sends(r#""types": []"#, "{}", "");
    sends(r#""metadata": {"a": "{{input.a}}", "b": "1"}"#, r#"{"a": ""}"#, "metadata[b]=1");
    sends(r#""anything": {"a": [null, {"b": null}, {"c": 1}]}"#, "{}", "anything[a][0][c]=1");
}

#[test]
fn a_literal_empty_text_clears() {
    sends(r#""clearText": """#, "{}", "clear_text=");
    sends(r#""shortText": """#, "{}", "short_text=");
    sends(r#""address": """#, "{}", "address=");
    sends(r#""metadata": """#, "{}", "metadata=");
    sends(
        r#""metadata": {"old": "", "new": "{{input.a}}"}"#,
        r#"{"a": "x"}"#,
        "metadata[old]=&metadata[new]=x",
    );
    sends(
        r#""address": {"line1": "", "city": "{{input.a}}"}"#,
        r#"{"a": "x"}"#,
        "address[line1]=&address[city]=x",
    );
    refuses(r#""mode": """#, "{}", (INVALID, "mode", "`draft`, `open`"));
    refuses(r#""flag": """#, "{}", (INVALID, "flag", "true or false"));
    refuses(r#""types": """#, "{}", (INVALID, "types", "a list"));
}

#[test]
fn what_would_widen_the_call_is_refused() {
    let list = listing();
    check(
        &list,
        r#"{"email": "{{input.email}}", "limit": 1}"#,
        r#"{"email": "a@b.c"}"#,
        Ok("GET /v1/things?email=a%40b.c&limit=1"),
    );
    check(
        &list,
        r#"{"email": "{{input.email}}"}"#,
        "{}",
        Err((EMPTY, "email", "`{{input.email}}` gives no value")),
    );
    check(
        &list,
        r#"{"email": "{{input.email}}"}"#,
        r#"{"email": ""}"#,
        Err((EMPTY, "email", "{{input.email}}")),
    );
    check(&list, r#"{"email": ""}"#, "{}", Err((EMPTY, "email", "without a value")));
    check(&list, r#"{"email": null}"#, "{}", Err((EMPTY, "email", "without a value")));
    check(&list, r#"{"startingAfter": "{{input.last}}"}"#, "{}", Ok("GET /v1/things"));
    check(
        &list,
        r#"{"created": {"gte": 1, "lte": 2}}"#,
        "{}",
        Ok("GET /v1/things?created[gte]=1&created[lte]=2"),
    );
    check(
        &list,
        r#"{"created": {"gte": 1, "lte": "{{input.to}}"}}"#,
        "{}",
        Err((EMPTY, "created.lte", "{{input.to}}")),
    );
    check(
        &list,
        r#"{"created": "{{input.range}}"}"#,
        r#"{"range": {}}"#,
        Err((EMPTY, "created", "{{input.range}}")),
    );
    check(&list, "{}", "{}", Ok("GET /v1/things"));
    refuses(r#""amount": "{{input.amount}}""#, "{}", (EMPTY, "amount", "{{input.amount}}"));
    refuses(
        r#""items": [{"price": "p", "quantity": "{{input.q}}"}]"#,
        "{}",
        (EMPTY, "items[0].quantity", "{{input.q}}"),
    );
    refuses(
        r#""items": "{{input.items}}""#,
        r#"{"items": [{"price": "p"}, {"price": null}]}"#,
        (EMPTY, "items[1].price", "{{input.items}}"),
    );
    refuses(r#""items": [{"quantity": 1}]"#, "{}", (EMPTY, "items[0].price", "missing"));
    let update = Catalog::builtin().action("stripe.updateSubscription").unwrap();
    let changed = r#"{"subscriptionId": "sub_1", "items": [{"id": "{{input.itemId}}", "price": "price_2"}]}"#;
    for absent in ["{}", r#"{"itemId": null}"#, r#"{"itemId": ""}"#] {
        check(update, changed, absent, Err((EMPTY, "items[0].id", "{{input.itemId}}")));
    }
    check(
        update,
        r#"{"subscriptionId": "sub_1", "items": [{"price": "price_2"}]}"#,
        "{}",
        Ok("POST /v1/subscriptions/sub_1 items[0][price]=price_2"),
    );
    let needing = needing_items();
    check(
        update,
        r#"{"subscription_id": "sub_1", "proration_behavior": "none"}"#,
        "{}",
        Ok("POST /v1/subscriptions/sub_1 proration_behavior=none"),
    );
    check(&needing, "{}", "{}", Err((EMPTY, "items", "missing")));
    check(&needing, r#"{"items": []}"#, "{}", Err((EMPTY, "items", "without a value")));
    check(&needing, r#"{"items": [{"price": "{{input.p}}"}]}"#, "{}", Err((EMPTY, "items", "{{input.p}}")));
    check(
        &needing,
        r#"{"items": [{"price": "{{input.p}}"}]}"#,
        r#"{"p": "price_1"}"#,
        Ok("POST /v1/needs items[0][price]=price_1"),
    );
}

#[test]
fn a_path_value_is_one_segment() {
    let remove = removal();
    let path = |given: &str, expected: Expected<'_>| {
        check(&remove, r#"{"thingId": "{{input.id}}"}"#, given, expected);
    };
    path(r#"{"id": "sub_1"}"#, Ok("DELETE /v1/things/sub_1"));
    path(r#"{"id": 12}"#, Ok("DELETE /v1/things/12"));
    path(r#"{"id": "../customers/cus_x"}"#, Ok("DELETE /v1/things/..%2Fcustomers%2Fcus_x"));
    path(r#"{"id": "a b?c#d%2e\\é"}"#, Ok("DELETE /v1/things/a%20b%3Fc%23d%252e%5C%C3%A9"));
    path(r#"{"id": "."}"#, Err((INVALID, "thingId", "another address")));
    path(r#"{"id": ".."}"#, Err((INVALID, "thingId", "another address")));
    path(r#"{"id": "..."}"#, Ok("DELETE /v1/things/..."));
    path("{}", Err((EMPTY, "thingId", "{{input.id}}")));
    path(r#"{"id": ""}"#, Err((EMPTY, "thingId", "{{input.id}}")));
    path(r#"{"id": true}"#, Err((INVALID, "thingId", "an id, not true")));
    path(r#"{"id": 1.5}"#, Err((INVALID, "thingId", "1.5")));
    path(r#"{"id": ["a"]}"#, Err((INVALID, "thingId", "a list of 1")));
    path(r#"{"id": {"id": "a"}}"#, Err((INVALID, "thingId", "an object")));
    check(&remove, r#"{"thingId": ""}"#, "{}", Err((EMPTY, "thingId", "without a value")));
    check(&remove, "{}", "{}", Err((EMPTY, "thingId", "missing")));
    check(&remove, r#"{"thing": "a", "invoiceNow": true}"#, "{}", Ok("DELETE /v1/things/a?invoice_now=true"));
}

#[test]
fn integers_are_plain_digits() {
    let amount =
        |given: &str, form: &str| sends(r#""amount": "{{input.a}}""#, &format!(r#"{{"a": {given}}}"#), form);
    amount("9900", "amount=9900");
    amount(r#""9900""#, "amount=9900");
    amount("9900.0", "amount=9900");
    amount("9.9e3", "amount=9900");
    amount("-50", "amount=-50");
    amount("0", "amount=0");
    amount("9223372036854775807", "amount=9223372036854775807");
    for given in [
        "99.5",
        r#""99.00""#,
        r#""9,900""#,
        r#""1e4""#,
        r#"" 5""#,
        r#""+5""#,
        r#""-""#,
        "true",
        "[1]",
        r#"{"a": 1}"#,
    ] {
        let input = format!(r#"{{"a": {given}}}"#);
        refuses(r#""amount": "{{input.a}}""#, &input, (INVALID, "amount", "a whole number, not"));
    }
    refuses(r#""amount": "9223372036854775808""#, "{}", (INVALID, "amount", "9223372036854775808"));
    sends(r#""dueDate": "1767225600""#, "{}", "due_date=1767225600");
    refuses(r#""dueDate": "2026-01-01T00:00:00.000Z""#, "{}", (INVALID, "dueDate", "seconds since 1970"));
    sends(r#""days": 730"#, "{}", "days=730");
    refuses(r#""days": "731""#, "{}", (INVALID, "days", "from 1 to 730, not 731"));
}

#[test]
fn only_money_is_told_of_cents() {
    let hint = |config: &str| {
        let config = format!(r#"{{"thingId": "t", {config}}}"#);
        prepare(&every_type(), &config, "{}", Stamp::Off).unwrap_err().hint
    };
    for (config, money) in [
        (r#""amount": 99.5"#, true),
        (r#""days": 1.5"#, false),
        (r#""items": [{"price": "p", "quantity": 1.5}]"#, false),
    ] {
        assert_eq!(hint(config).contains("smallest unit"), money, "{config}: {}", hint(config));
    }
}

#[test]
fn other_scalars_keep_to_their_type() {
    sends(r#""percent": 12.50"#, "{}", "percent=12.5");
    sends(r#""percent": "12.5""#, "{}", "percent=12.5");
    refuses(r#""percent": "12.""#, "{}", (INVALID, "percent", "a number"));
    sends(r#""unitAmountDecimal": 0.000001"#, "{}", "unit_amount_decimal=0.000001");
    sends(r#""unitAmountDecimal": "1.50""#, "{}", "unit_amount_decimal=1.50");
    sends(r#""flag": false"#, "{}", "flag=false");
    sends(r#""flag": "true""#, "{}", "flag=true");
    refuses(r#""flag": 1"#, "{}", (INVALID, "flag", "not 1"));
    refuses(r#""flag": "yes""#, "{}", (INVALID, "flag", "\"yes\""));
    sends(r#""mode": "{{input.m}}""#, r#"{"m": "open"}"#, "mode=open");
    refuses(r#""mode": "{{input.m}}""#, r#"{"m": "Open"}"#, (INVALID, "mode", "\"Open\""));
    sends(r#""shortText": 12.5"#, "{}", "short_text=12.5");
    sends(r#""shortText": true"#, "{}", "short_text=true");
    sends(r#""shortText": "ääääé""#, "{}", "short_text=%C3%A4%C3%A4%C3%A4%C3%A4%C3%A9");
    refuses(r#""shortText": "abcdef""#, "{}", (INVALID, "shortText", "6 characters, Stripe takes 5"));
    refuses(r#""shortText": ["a"]"#, "{}", (INVALID, "shortText", "a list of 1"));
    sends(r#""offSession": true"#, "{}", "off_session=true");
    sends(r#""offSession": "one_off""#, "{}", "off_session=one_off");
    refuses(r#""offSession": "never""#, "{}", (INVALID, "offSession", "never"));
}

#[test]
fn lists_and_objects_are_written_with_brackets() {
    sends(
        r#""items": [{"price": "p1", "quantity": 2, "taxRates": ["t1", "t2"]}, {"price": "p2", "metadata": {"aB": 1}}]"#,
        "{}",
        "items[0][price]=p1&items[0][quantity]=2&items[0][tax_rates][0]=t1&items[0][tax_rates][1]=t2\
         &items[1][price]=p2&items[1][metadata][aB]=1",
    );
    refuses(r#""items": {"price": "p"}"#, "{}", (INVALID, "items", "must be a list"));
    refuses(r#""types": "card""#, "{}", (INVALID, "types", "must be a list, not \"card\""));
    refuses(r#""types": ["a", ["b"]]"#, "{}", (INVALID, "types[1]", "a text"));
    refuses(r#""items": [{"price": "p", "quantity": "2.5"}]"#, "{}", (INVALID, "items[0].quantity", "2.5"));
    refuses(r#""address": "Street 1""#, "{}", (INVALID, "address", "an object"));
    sends(r#""shipTo": "billing""#, "{}", "ship_to=billing");
    sends(r#""shipTo": {"city": "B"}"#, "{}", "ship_to[city]=B");
    refuses(r#""shipTo": {"town": "B"}"#, "{}", (INVALID, "shipTo.town", "not known"));
    sends(
        r#""options": {"usd": {"price": "p", "quantity": 1}}"#,
        "{}",
        "options[usd][price]=p&options[usd][quantity]=1",
    );
    sends(r#""shortText": "a&b=c""#, "{}", "short_text=a%26b%3Dc");
}

#[test]
fn metadata_is_text_within_stripes_limits() {
    sends(
        r#""metadata": {"n": 1, "d": 1.50, "b": true}"#,
        "{}",
        "metadata[n]=1&metadata[d]=1.5&metadata[b]=true",
    );
    sends(r#""metadata": {"a b&c": "ü"}"#, "{}", "metadata[a%20b%26c]=%C3%BC");
    refuses(r#""metadata": {"a": {"b": 1}}"#, "{}", (INVALID, "metadata.a", "an object"));
    refuses(r#""metadata": {"a": [1]}"#, "{}", (INVALID, "metadata.a", "a list of 1"));
    refuses(r#""metadata": ["a"]"#, "{}", (INVALID, "metadata", "an object"));
    refuses(r#""metadata": {"a[b]": "1"}"#, "{}", (INVALID, "metadata.a[b]", "cannot be a key"));
    refuses(r#""metadata": {"": "1"}"#, "{}", (INVALID, "metadata", "an empty key"));
    let (key, longer) = ("k".repeat(40), "k".repeat(41));
    sends(&format!(r#""metadata": {{"{key}": "1"}}"#), "{}", &format!("metadata[{key}]=1"));
    refuses(
        &format!(r#""metadata": {{"{longer}": "1"}}"#),
        "{}",
        (INVALID, &format!("metadata.{longer}"), "41 characters"),
    );
    let (text, longer) = ("v".repeat(500), "v".repeat(501));
    sends(&format!(r#""metadata": {{"a": "{text}"}}"#), "{}", &format!("metadata[a]={text}"));
    refuses(&format!(r#""metadata": {{"a": "{longer}"}}"#), "{}", (INVALID, "metadata.a", "501 characters"));
    let keys =
        |count: usize| (0..count).map(|key| format!(r#""k{key}": "1""#)).collect::<Vec<_>>().join(", ");
    let fifty: Vec<String> = (0..50).map(|key| format!("metadata[k{key}]=1")).collect();
    sends(&format!(r#""metadata": {{{}}}"#, keys(50)), "{}", &fifty.join("&"));
    refuses(&format!(r#""metadata": {{{}}}"#, keys(51)), "{}", (INVALID, "metadata", "51 keys"));
}

#[test]
fn defaults_stand_in_for_what_is_left_out() {
    let row = every_type();
    check(
        &row,
        r#"{"thingId": "t", "autoAdvance": false}"#,
        "{}",
        Ok("POST /v1/things/t/do auto_advance=false"),
    );
    check(
        &row,
        r#"{"thingId": "t", "autoAdvance": null}"#,
        "{}",
        Ok("POST /v1/things/t/do auto_advance=true"),
    );
    check(
        &row,
        r#"{"thingId": "t", "autoAdvance": "{{input.a}}"}"#,
        "{}",
        Ok("POST /v1/things/t/do auto_advance=true"),
    );
    check(
        &row,
        r#"{"autoAdvance": true, "mode": "open", "thingId": "t"}"#,
        "{}",
        Ok("POST /v1/things/t/do auto_advance=true&mode=open"),
    );
}

#[test]
fn a_config_that_is_no_object_is_refused() {
    check(&listing(), "[1]", "{}", Err((INVALID, "config", "a list of 1")));
    check(&listing(), "null", "{}", Ok("GET /v1/things"));
}

#[test]
fn an_amount_with_a_quantity_becomes_a_unit_amount() {
    let row = Catalog::builtin().action("stripe.createInvoiceItem").unwrap();
    let item = |config: &str, expected: &str| {
        let config = format!(r#"{{"customerId": "cus_1", {config}}}"#);
        check(
            row,
            &config,
            r#"{"q": "1", "many": 3, "amount": "9900"}"#,
            Ok(&format!("POST /v1/invoiceitems customer=cus_1&{expected}")),
        );
    };
    item(r#""amount": 9900, "currency": "usd", "quantity": 1"#, "amount=9900&currency=usd");
    item(r#""amount": 9900, "currency": "usd", "quantity": "{{input.q}}""#, "amount=9900&currency=usd");
    item(
        r#""amount": "{{input.amount}}", "quantity": "{{input.many}}", "currency": "usd""#,
        "unit_amount_decimal=9900&quantity=3&currency=usd",
    );
    item(r#""quantity": 0, "amount": -5"#, "quantity=0&unit_amount_decimal=-5");
    item(r#""amount": 9900"#, "amount=9900");
    item(r#""unitAmountDecimal": "0.5", "quantity": 1"#, "unit_amount_decimal=0.5&quantity=1");
    check(
        row,
        r#"{"customerId": "c", "amount": 5, "quantity": "{{input.q}}"}"#,
        "{}",
        Err((EMPTY, "quantity", "{{input.q}}")),
    );
    check(
        row,
        r#"{"customerId": "c", "amount": 5, "quantity": "1.5"}"#,
        "{}",
        Err((INVALID, "quantity", "1.5")),
    );
    check(
        row,
        r#"{"customerId": "c", "amount": 99.5, "quantity": 2}"#,
        "{}",
        Err((INVALID, "amount", "99.5")),
    );
}

#[test]
fn created_objects_are_stamped() {
    let row = every_type();
    let run = "metadata[loopfour_run]=run_00000000-0000-0000-0000-000000000007";
    let step = "metadata[loopfour_step]=create-it";
    let stamped = |config: &str, input: &str| {
        let config = format!(r#"{{"thingId": "t", "autoAdvance": true{config}}}"#);
        let request = prepare(&row, &config, input, Stamp::On).unwrap();
        request.form.strip_prefix("auto_advance=true").unwrap().trim_start_matches('&').to_owned()
    };
    assert_eq!(stamped("", "{}"), format!("{run}&{step}"));
    assert_eq!(
        stamped(r#", "metadata": {"a": 1}, "mode": "open""#, "{}"),
        format!("metadata[a]=1&mode=open&{run}&{step}")
    );
    // Nothing is there to be cleared on a new object.
    assert_eq!(stamped(r#", "metadata": """#, "{}"), format!("{run}&{step}"));
    // Copied from what another run created.
    let copied = r#"{"m": {"loopfour_run": "run_x", "a": "1", "loopfour_step": "y"}}"#;
    assert_eq!(stamped(r#", "metadata": "{{input.m}}""#, copied), format!("metadata[a]=1&{run}&{step}"));
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count).map(|key| format!(r#""k{key}": "1""#)).collect();
        stamped(&format!(r#", "metadata": {{{}}}"#, keys.join(", ")), "{}")
    };
    assert!(keys(48).ends_with(step), "48 keys and the stamp are Stripe's 50");
    assert!(!keys(49).contains("loopfour"), "the user's keys go first");
    let update = Action { stamps: false, ..every_type() };
    let request = prepare(&update, r#"{"thingId": "t", "metadata": ""}"#, "{}", Stamp::On).unwrap();
    assert_eq!(request.form, "metadata=&auto_advance=true");
}

#[test]
fn a_configuration_that_cannot_be_used_stops_the_start() {
    let refused = |key: &'static str, base: &str, sandbox: bool, piece: &str| {
        let config = Config { sandbox, ..with_key(key, base) };
        let error = Connect::new(config).expect_err(piece);
        let text = format!("{error} {error:?}");
        assert!(text.contains(piece), "{text}");
        assert!(!text.contains("secret"), "{text}");
        assert!(matches!(error, Error::Key(_) | Error::Base { .. }), "{text}");
    };
    refused("pk_test_secret", "http://127.0.0.1:9", false, "sk_live_");
    refused("é_secret", "http://127.0.0.1:9", false, "sk_live_");
    refused("sk_test_secret secret", "http://127.0.0.1:9", false, "characters");
    refused("sk_test_secret", "127.0.0.1:9", false, "cannot be the base");
    refused("sk_test_secret", "ftp://127.0.0.1", false, "http or https");
    refused("sk_test_secret", "http://u@127.0.0.1", false, "name or password");
    refused("sk_test_secret", "http://127.0.0.1/?a=1", false, "query");
    refused("sk_live_secret", "http://127.example.com", false, "plain http");
    refused("sk_test_secret", "https://api.stripe.com", true, "nothing goes to Stripe");
}
