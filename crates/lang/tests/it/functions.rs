//! Every function, its null, its wrong types.

use proptest::prelude::*;

use super::support::{World, check, fails, gives, parsed};

const INPUT: &str = r#"{"text":"a,b","list":[3,1.5,"x"],"numbers":[1,2,3.5],"object":{"a":1,"b":2},"items":[{"p":{"n":1}},{"p":{"n":2}},{}],"empty":[],"n":null}"#;

#[test]
fn null_first_gives_null() {
    for call in [
        "number(null)",
        "upper(null)",
        "lower(null)",
        "trim(null)",
        "split(null, ',')",
        "split(null, 5)",
        "join(null)",
        "join(null, ';')",
        "first(null)",
        "last(null)",
        "map(null, 'x')",
        "sum(null)",
        "sum(null, 'x')",
        "round(null)",
        "round(null, 2)",
        "floor(null)",
        "ceil(null)",
        "date(null)",
        "date(null, 5, 5)",
        "addDays(null, 1)",
        "format(null, 'usd')",
        "input.missing | upper",
    ] {
        gives(call, "{}", "null");
    }
}

#[test]
fn length_counts() {
    gives("length(input.list)", INPUT, "3");
    gives("length('añ🦀')", INPUT, "3");
    gives("length('')", INPUT, "0");
    gives("length(input.object)", INPUT, "2");
    gives("length(input.empty)", INPUT, "0");
    gives("length(null)", INPUT, "0");
    gives("input.list | length", INPUT, "3");
    fails("length(5)", INPUT, &["`length` takes text, an array or an object, not 5"]);
    fails("length(true)", INPUT, &["`length` takes", "true"]);
}

#[test]
fn json_writes_compactly() {
    gives("json(null)", INPUT, r#""null""#);
    gives("json('a\"')", INPUT, r#""\"a\\\"\"""#);
    gives("json(input.object)", INPUT, r#""{\"a\":1,\"b\":2}""#);
    gives("json(1.50)", INPUT, r#""1.5""#);
    gives("json(input.list)", INPUT, r#""[3,1.5,\"x\"]""#);
}

#[test]
fn number_reads_numeric_text() {
    gives("number('12')", INPUT, "12");
    gives("number('-1.50')", INPUT, "-1.5");
    gives("number('9900.0')", INPUT, "9900");
    gives("number('007')", INPUT, "7");
    gives("number(5)", INPUT, "5");
    gives("number(0.5)", INPUT, "0.5");
    gives("number('-9223372036854775808')", INPUT, "-9223372036854775808");
    gives("number('0.1234567890123456789012345678')", INPUT, "0.1234567890123456789012345678");
    gives("number('1.0000000000000000000000000000000000')", INPUT, "1");
    gives("number('2') + 3", INPUT, "5");
    for text in [
        "",
        " 1",
        "1 ",
        "+1",
        "1e2",
        "1.",
        ".5",
        "-",
        "1,5",
        "abc",
        "٣",
        "9223372036854775808",
        "NaN",
        "0x10",
    ] {
        fails(&format!("number('{text}')"), INPUT, &["number", &format!("\"{text}\"")]);
    }
    fails("number('1.2345678901234567890123456789')", INPUT, &["number"]);
    fails("number(true)", INPUT, &["`number` takes numeric text or a number, not true"]);
    fails("number(input.list)", INPUT, &["`number` takes", "an array of 3"]);
    fails("number(input.object)", INPUT, &["an object"]);
}

#[test]
fn default_replaces_null_and_empty_text() {
    gives("default(null, 1)", INPUT, "1");
    gives("default('', 1)", INPUT, "1");
    gives("default(0, 1)", INPUT, "0");
    gives("default(false, 1)", INPUT, "false");
    gives("default(' ', 1)", INPUT, r#"" ""#);
    gives("default(input.empty, 1)", INPUT, "[]");
    gives("input.missing | default(null)", INPUT, "null");
}

#[test]
fn text_functions_give_text() {
    gives("upper('aß')", INPUT, r#""ASS""#);
    gives("lower('AÉ')", INPUT, r#""aé""#);
    gives("trim('  a b\\n\\t')", INPUT, r#""a b""#);
    for function in ["upper", "lower", "trim"] {
        fails(&format!("{function}(5)"), INPUT, &[&format!("`{function}` takes text, not 5")]);
        fails(&format!("{function}(input.list)"), INPUT, &["takes text"]);
    }
}

#[test]
fn split_and_join_are_opposites() {
    gives("split(input.text, ',')", INPUT, r#"["a","b"]"#);
    gives("split('', ',')", INPUT, r#"[""]"#);
    gives("split('a', ',')", INPUT, r#"["a"]"#);
    gives("split(',', ',')", INPUT, r#"["",""]"#);
    gives("split('a--b', '--')", INPUT, r#"["a","b"]"#);
    gives("split('aé', '')", INPUT, r#"["a","é"]"#);
    gives("join(input.list)", INPUT, r#""3,1.5,x""#);
    gives("join(input.list, ' - ')", INPUT, r#""3 - 1.5 - x""#);
    gives("join(input.empty)", INPUT, r#""""#);
    gives("join(input.items, ';')", INPUT, r#""{\"p\":{\"n\":1}};{\"p\":{\"n\":2}};{}""#);
    gives("map(input.items, 'p.n') | join", INPUT, r#""1,2,""#);
    fails("split(5, ',')", INPUT, &["`split` takes text, not 5"]);
    fails("split('a', 5)", INPUT, &["`split` takes text, not 5"]);
    fails("split('a', null)", INPUT, &["`split` takes text, not null"]);
    fails("join('a')", INPUT, &["`join` takes an array, not \"a\""]);
    fails("join(input.list, 5)", INPUT, &["`join` takes text, not 5"]);
}

#[test]
fn first_and_last_give_items() {
    gives("first(input.list)", INPUT, "3");
    gives("last(input.list)", INPUT, r#""x""#);
    gives("first(input.empty)", INPUT, "null");
    gives("last(input.empty)", INPUT, "null");
    fails("first('ab')", INPUT, &["`first` takes an array, not \"ab\""]);
    fails("last(input.object)", INPUT, &["`last` takes an array, not an object"]);
}

#[test]
fn map_reads_a_path_in_each() {
    gives("map(input.items, 'p')", INPUT, r#"[{"n":1},{"n":2},null]"#);
    gives("map(input.items, 'p.n')", INPUT, "[1,2,null]");
    gives("map(input.empty, 'p')", INPUT, "[]");
    gives("map(input.lists, '1')", r#"{"lists":[[1,2],[3]]}"#, "[2,null]");
    gives("map(input.lists, '[0]')", r#"{"lists":[[1,2],[3]]}"#, "[1,3]");
    gives("map(input.lists, 'x[1].y')", r#"{"lists":[{"x":[0,{"y":7}]}]}"#, "[7]");
    gives("map(input.lists, 'length')", r#"{"lists":[[1,2],"abc"]}"#, "[2,3]");
    fails("map('a', 'p')", INPUT, &["`map` takes an array"]);
    fails("map(input.items, 5)", INPUT, &["`map` takes text, not 5"]);
}

#[test]
fn sum_adds_exactly() {
    gives("sum(input.numbers)", INPUT, "6.5");
    gives("sum(input.empty)", INPUT, "0");
    gives("sum(input.x)", r#"{"x":[0.1,0.2]}"#, "0.3");
    gives("sum(input.x, 'p.n')", r#"{"x":[{"p":{"n":1}},{"p":{"n":2}}]}"#, "3");
    fails("sum(input.items, 'p.n')", INPUT, &["`sum` takes numbers, not null"]);
    fails("sum(input.list)", INPUT, &["`sum` takes numbers, not \"x\""]);
    fails("sum(input.x)", r#"{"x":["1"]}"#, &["`sum` takes numbers, not \"1\""]);
    fails("sum(input.x)", r#"{"x":[9223372036854775807,1]}"#, &["out of range"]);
    fails("sum(5)", INPUT, &["`sum` takes an array, not 5"]);
    fails("sum(input.items, 5)", INPUT, &["`sum` takes text, not 5"]);
}

#[test]
fn rounding_is_that_of_invoices() {
    gives("round(2.5)", INPUT, "3");
    gives("round(-2.5)", INPUT, "-3");
    gives("round(2.4)", INPUT, "2");
    gives("round(0.5)", INPUT, "1");
    gives("round(1.005, 2)", INPUT, "1.01");
    gives("round(-1.005, 2)", INPUT, "-1.01");
    gives("round(1.2, 5)", INPUT, "1.2");
    gives("round(7)", INPUT, "7");
    gives("round(1.999, 2)", INPUT, "2");
    gives("round(10 / 3, 2)", INPUT, "3.33");
    gives("round(1 / 3, 28)", INPUT, "0.3333333333333333333333333333");
    gives("round(-0.4)", INPUT, "0");
    gives("floor(2.9)", INPUT, "2");
    gives("floor(-2.1)", INPUT, "-3");
    gives("floor(5)", INPUT, "5");
    gives("ceil(2.1)", INPUT, "3");
    gives("ceil(-2.9)", INPUT, "-2");
    fails("round('2.5')", INPUT, &["`round` takes a number, not \"2.5\""]);
    fails("floor('2.5')", INPUT, &["`floor` takes a number"]);
    fails("ceil(true)", INPUT, &["`ceil` takes a number, not true"]);
    fails("round(1.5, '1')", INPUT, &["`round`", "\"1\""]);
    fails("round(1.5, -1)", INPUT, &["`round`", "-1"]);
    fails("round(1.5, 29)", INPUT, &["`round`", "29"]);
    fails("round(9223372036854775807.5)", INPUT, &["out of range"]);
}

#[test]
fn date_writes_in_zones() {
    gives("date('2026-03-29T00:30:00Z')", INPUT, r#""2026-03-29""#);
    gives("date(0)", INPUT, r#""1970-01-01""#);
    gives("date(-1, '%Y-%m-%dT%H:%M:%S')", INPUT, r#""1969-12-31T23:59:59""#);
    gives("date('2026-03-29T00:30:00Z', '%H:%M', 'Europe/Berlin')", INPUT, r#""01:30""#);
    gives("date('2026-03-29T01:30:00Z', '%H:%M', 'Europe/Berlin')", INPUT, r#""03:30""#);
    gives("date('2026-03-29T01:30:00+02:00', '%Y-%m-%d %H:%M')", INPUT, r#""2026-03-28 23:30""#);
    gives("date('2026-01-15')", INPUT, r#""2026-01-15""#);
    gives("date('2026-01-15T10:00:00')", INPUT, r#""2026-01-15""#);
    gives("date('2026-01-15T23:00:00.123Z', '%d.%m.%Y', 'Asia/Tokyo')", INPUT, r#""16.01.2026""#);
    gives("date(now, '%B %e, %Y')", INPUT, r#""January 31, 2026""#);
    gives("now | date('%Y')", INPUT, r#""2026""#);
    gives("date(0, '')", INPUT, r#""""#);
    fails("date('yesterday')", INPUT, &["`date` takes an ISO time or Unix seconds, not \"yesterday\""]);
    fails("date('')", INPUT, &["`date` takes"]);
    fails("date('2026-02-30')", INPUT, &["2026-02-30"]);
    fails("date(1.5)", INPUT, &["`date` takes", "1.5"]);
    fails("date(true)", INPUT, &["`date` takes", "true"]);
    fails("date(9223372036854775807)", INPUT, &["`date` takes"]);
    fails("date(0, 5)", INPUT, &["`date` takes a format as text, not 5"]);
    fails("date(0, '%Y', 'Mars/Base')", INPUT, &["there is no time zone `Mars/Base`", "Europe/Berlin"]);
    fails("date(0, '%Y', null)", INPUT, &["time zone"]);
    fails("date(0, '%')", INPUT, &["`date` cannot write the format \"%\""]);
    fails("date(0, '%é')", INPUT, &["`date` cannot write the format"]);
    fails("date(0, '%!')", INPUT, &["`date` cannot write the format"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_format_of_a_date_does_harm(format in "(%[0_^#.:-]{0,2}[0-9]{0,12}[a-zA-Z%é]|[ -&(-\\[é]){0,6}", seconds in any::<i64>()) {
        let world = World::new(&format!("[{seconds},{}]", seconds % 100_000_000_000));
        for zone in ["UTC", "Asia/Kathmandu"] {
            for index in 0..2 {
                let template = parsed(&format!("{{{{ date(input[{index}], '{format}', '{zone}') }}}}"));
                let _ = template.evaluate(&world);
            }
        }
        let _ = parsed("{{ addDays(input[1], input[0]) }}").evaluate(&world);
    }
}

#[test]
fn add_days_gives_iso_times() {
    gives("addDays('2026-01-31T12:00:00Z', 30)", INPUT, r#""2026-03-02T12:00:00.000Z""#);
    gives("addDays('2026-01-31', -31)", INPUT, r#""2025-12-31T00:00:00.000Z""#);
    gives("addDays(0, 1)", INPUT, r#""1970-01-02T00:00:00.000Z""#);
    gives("addDays(now, 0)", INPUT, r#""2026-01-31T12:00:00.000Z""#);
    gives("addDays('2024-02-28T23:59:59.999Z', 1)", INPUT, r#""2024-02-29T23:59:59.999Z""#);
    fails("addDays(now, 1.5)", INPUT, &["`addDays` takes a whole number of days, not 1.5"]);
    fails("addDays(now, '1')", INPUT, &["`addDays` takes a whole number of days"]);
    fails("addDays(now, null)", INPUT, &["`addDays`", "null"]);
    fails("addDays('soon', 1)", INPUT, &["`addDays` takes an ISO time"]);
    for days in ["9223372036854775807", "-9223372036854775808", "100000000", "-100000000", "3000000"] {
        fails(&format!("addDays(now, {days})"), INPUT, &["out of range", days]);
    }
}

#[test]
fn format_counts_as_stripe_does() {
    for (amount, currency, expected) in [
        ("9900", "usd", "99.00 USD"),
        ("9900", "USD", "99.00 USD"),
        ("5", "eur", "0.05 EUR"),
        ("0", "eur", "0.00 EUR"),
        ("-5", "eur", "-0.05 EUR"),
        ("-9900", "usd", "-99.00 USD"),
        ("500", "jpy", "500 JPY"),
        ("-500", "jpy", "-500 JPY"),
        ("500", "mga", "500 MGA"),
        ("500", "ugx", "5.00 UGX"),
        ("500", "isk", "5.00 ISK"),
        ("500", "huf", "5.00 HUF"),
        ("500", "twd", "5.00 TWD"),
        ("1234", "kwd", "1.234 KWD"),
        ("-4", "kwd", "-0.004 KWD"),
        ("-9223372036854775808", "usd", "-92233720368547758.08 USD"),
    ] {
        gives(&format!("format({amount}, '{currency}')"), INPUT, &format!("{expected:?}"));
    }
    for zero in "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(' ') {
        gives(&format!("format(1, '{zero}')"), INPUT, &format!("\"1 {}\"", zero.to_uppercase()));
    }
    for thousandths in "bhd jod kwd omr tnd".split(' ') {
        gives(
            &format!("format(1, '{thousandths}')"),
            INPUT,
            &format!("\"0.001 {}\"", thousandths.to_uppercase()),
        );
    }
    fails("format(99.5, 'usd')", INPUT, &["`format` takes a whole amount in minor units, not 99.5"]);
    fails("format('9900', 'usd')", INPUT, &["`format` takes a whole amount", "number(x)"]);
    fails("format(1, 'dollar')", INPUT, &["`format` takes a currency", "\"dollar\""]);
    fails("format(1, 'é1')", INPUT, &["`format` takes a currency"]);
    fails("format(1, null)", INPUT, &["`format` takes a currency", "null"]);
}

#[test]
fn results_are_bounded() {
    let text = "x".repeat(1_000_000);
    let input = format!(r#"{{"x":"{text}","q":"{}"}}"#, r"\\".repeat(500_000));
    fails(
        "join(split(input.x, 'y') && input.many, input.x)",
        &input.replacen('{', r#"{"many":[1,2,3,4,5,6,7,8,9,0,1],"#, 1),
        &["8 MiB"],
    );
    fails("json(input.q) | json | json | json | json | json", &input, &["8 MiB"]);
    fails(
        "input.x + input.x + input.x + input.x + input.x + input.x + input.x + input.x + input.x",
        &input,
        &["8 MiB"],
    );
    check("{{ length(input.x + input.x) }}", &input, "2000000");
}
