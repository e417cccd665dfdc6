//! Operators, literals, names and paths.

use loopfour_lang::{Catalog, Options};

use super::support::{World, check, evaluate, fails, gives, parsed, refused};

#[test]
fn operators_bind_as_the_table_says() {
    gives("1 + 2 * 3", "null", "7");
    gives("(1 + 2) * 3", "null", "9");
    gives("10 - 3 - 2", "null", "5");
    gives("10 - (3 - 2)", "null", "9");
    gives("2 * 3 % 4", "null", "2");
    gives("24 / 4 / 2", "null", "3");
    gives("24 / 4 * 2", "null", "12");
    gives("1 + 2 < 4", "null", "true");
    gives("1 < 2 == true", "null", "true");
    gives("true == 1 < 2", "null", "true");
    gives("3 > 2 === true", "null", "true");
    gives("1 == 2 && false", "null", "false");
    gives("null ?? 0 && 1", "null", "0");
    gives("1 && null ?? 2", "null", "2");
    gives("0 || null ?? 3", "null", "3");
    gives("0 ?? 1 || 2", "null", "2");
    gives("1 || 0 && 0", "null", "1");
    gives("!0 == 1 || 7", "null", "7");
    gives("!1 == false", "null", "true");
    gives("-2 * -3", "null", "6");
    gives("-input.a.b", r#"{"a":{"b":4}}"#, "-4");
    gives("!input.a.length", r#"{"a":[]}"#, "true");
    gives("'a' + 'b' | upper", "null", r#""AB""#);
    gives("0 || 'x' | upper", "null", r#""X""#);
    gives("input | default('a') | upper", "null", r#""A""#);
    gives("upper('a' | default('b'))", "null", r#""A""#);
    gives("input.a | join(';') | length()", r#"{"a":[1,2]}"#, "3");
}

#[test]
fn operators_of_a_row_group_from_the_left() {
    gives("1 == 1 == true", "null", "true");
    gives("3 > 2 > 1", "null", "false");
    gives("'a' + 1 + 2", "null", r#""a12""#);
    fails("1 + 2 + '3'", "null", &["join 3 and \"3\""]);
    gives("1 + 2 + 'a'", "null", r#""3a""#);
    gives("7 % 4 % 2", "null", "1");
    gives("2 / 4 * 2", "null", "1");
    gives("0 || '' || null || 4", "null", "4");
    gives("null ?? null ?? false", "null", "false");
    gives("1 && 2 && 3", "null", "3");
}

#[test]
fn falsehood_decides_the_logical_operators() {
    for (literal, truth) in [
        ("null", false),
        ("input.missing", false),
        ("false", false),
        ("0", false),
        ("0.0", false),
        ("''", false),
        ("true", true),
        ("1", true),
        ("-1", true),
        ("0.1", true),
        ("'0'", true),
        ("' '", true),
        ("'false'", true),
        ("input.list", true),
        ("input.object", true),
    ] {
        let input = r#"{"list":[],"object":{}}"#;
        gives(&format!("!{literal}"), input, &(!truth).to_string());
        gives(&format!("!!{literal}"), input, &truth.to_string());
        let (or, and) = (if truth { "1" } else { "2" }, if truth { "2" } else { "1" });
        gives(&format!("({literal} || 'right') == 'right'"), input, &(!truth).to_string());
        gives(&format!("({literal} && 'right') == 'right'"), input, &truth.to_string());
        gives(&format!("{literal} && 1 || 2"), input, or);
        gives(&format!("!{literal} && 1 || 2"), input, and);
    }
    gives("0 ?? 1", "null", "0");
    gives("'' ?? 1", "null", r#""""#);
    gives("false ?? 1", "null", "false");
    gives("null ?? 1", "null", "1");
    gives("input.a.b ?? 1", "{}", "1");
    gives("0 && 1", "null", "0");
    gives("'' && 1", "null", r#""""#);
    gives("input.list || 1", r#"{"list":[]}"#, "[]");
}

#[test]
fn the_right_side_is_evaluated_only_where_it_counts() {
    gives("1 || 1 / 0", "null", "1");
    gives("0 && 1 / 0", "null", "0");
    gives("0 ?? 1 / 0", "null", "0");
    fails("0 || 1 / 0", "null", &["division by zero"]);
    fails("1 && 1 / 0", "null", &["division by zero"]);
    fails("null ?? 1 / 0", "null", &["division by zero"]);
    fails("default(1, 1 / 0)", "null", &["division by zero"]);
}

#[test]
fn equality_converts_numbers_and_booleans_only() {
    for (left, right, equal, identical) in [
        ("1", "1.0", true, true),
        ("1", "'1'", true, false),
        ("1", "'1.0'", true, false),
        ("1.5", "'1.50'", true, false),
        ("-1", "'-1'", true, false),
        ("0", "'-0'", true, false),
        ("7", "'007'", true, false),
        ("1", "' 1'", false, false),
        ("1", "'+1'", false, false),
        ("1", "'1.'", false, false),
        ("1", "'.1'", false, false),
        ("100", "'1e2'", false, false),
        ("0", "''", false, false),
        ("'5'", "'5.0'", false, false),
        ("'5'", "'5'", true, true),
        ("true", "'true'", true, false),
        ("false", "'false'", true, false),
        ("true", "'True'", false, false),
        ("true", "1", false, false),
        ("false", "0", false, false),
        ("false", "''", false, false),
        ("null", "null", true, true),
        ("null", "input.missing", true, true),
        ("null", "0", false, false),
        ("null", "''", false, false),
        ("null", "false", false, false),
        ("null", "'null'", false, false),
        ("input.a", "input.b", true, true),
        ("input.a", "input.c", false, false),
        ("input.a", "'[1,2]'", false, false),
        ("input.o", "input.p", true, true),
        ("input.o", "input.q", false, false),
    ] {
        let input =
            r#"{"a":[1,2],"b":[1,2.0],"c":["1",2],"o":{"x":1,"y":2},"p":{"y":2,"x":1},"q":{"x":"1","y":2}}"#;
        for (left, right) in [(left, right), (right, left)] {
            gives(&format!("{left} == {right}"), input, &equal.to_string());
            gives(&format!("{left} != {right}"), input, &(!equal).to_string());
            gives(&format!("{left} === {right}"), input, &identical.to_string());
            gives(&format!("{left} !== {right}"), input, &(!identical).to_string());
        }
    }
}

#[test]
fn order_is_of_numbers_or_of_texts() {
    #[track_caller]
    fn ordered(left: &str, right: &str, order: Option<std::cmp::Ordering>) {
        let input = r#"{"a":[1],"o":{}}"#;
        for (sign, holds) in [
            ("<", order.is_some_and(std::cmp::Ordering::is_lt)),
            ("<=", order.is_some_and(std::cmp::Ordering::is_le)),
            (">", order.is_some_and(std::cmp::Ordering::is_gt)),
            (">=", order.is_some_and(std::cmp::Ordering::is_ge)),
        ] {
            gives(&format!("{left} {sign} {right}"), input, &holds.to_string());
        }
    }
    use std::cmp::Ordering::{Equal, Greater, Less};
    ordered("1", "2", Some(Less));
    ordered("1.5", "1.50", Some(Equal));
    ordered("10000", "'9999'", Some(Greater));
    ordered("'10'", "9", Some(Greater));
    ordered("'10'", "'9'", Some(Greater));
    ordered("'-2'", "'-1'", Some(Less));
    ordered("'5'", "'5.0'", Some(Equal));
    ordered("'10'", "'9a'", Some(Less));
    ordered("'a'", "'b'", Some(Less));
    ordered("'a'", "'B'", Some(Greater));
    ordered("'Z'", "'é'", Some(Less));
    ordered("'\u{ffff}'", "'\u{10000}'", Some(Less));
    ordered("''", "'a'", Some(Less));
    ordered("' 1'", "'0'", Some(Less));
    ordered("1", "'a'", None);
    ordered("1", "''", None);
    ordered("null", "null", None);
    ordered("null", "0", None);
    ordered("null", "'a'", None);
    ordered("true", "false", None);
    ordered("true", "'true'", None);
    ordered("input.a", "input.a", None);
    ordered("input.o", "input.o", None);
    // More digits than a number can have are still compared exactly.
    ordered("'123456789012345678901234567890123'", "'123456789012345678901234567890124'", Some(Less));
    ordered("'99999999999999999999999999999999'", "5", Some(Greater));
    ordered("'-99999999999999999999999999999999'", "-5", Some(Less));
    ordered("'0.00000000000000000000000000000000000000001'", "0", Some(Greater));
}

#[test]
fn plus_adds_numbers_and_joins_text() {
    gives("1 + 2", "null", "3");
    gives("0.1 + 0.2", "null", "0.3");
    gives("0.5 + 0.5", "null", "1");
    gives("'a' + 'b'", "null", r#""ab""#);
    gives("'1' + '2'", "null", r#""12""#);
    gives("'a' + 1", "null", r#""a1""#);
    gives("1.50 + 'a'", "null", r#""1.5a""#);
    gives("'a' + null", "null", r#""a""#);
    gives("input.missing + 'a'", "{}", r#""a""#);
    gives("'a' + true", "null", r#""atrue""#);
    gives("'1' + true", "null", r#""1true""#);
    gives("'1' + null", "null", r#""1""#);
    gives("'' + 1", "null", r#""1""#);
    gives("'a' + input", r#"[1,{"b":"c"}]"#, r#""a[1,{\"b\":\"c\"}]""#);
    for pair in
        ["1 + '2'", "'2' + 1", "1.5 + '-2'", "'007' + 1", "1 + '1234567890123456789012345678901234567890'"]
    {
        fails(
            pair,
            "null",
            &["cannot tell whether to add or to join", "number(x)", "{{a}}{{b}}", pair_text(pair)],
        );
    }
    for pair in
        ["1 + null", "null + 1", "null + null", "true + 1", "true + true", "input + 1", "input + input"]
    {
        fails(pair, "[1]", &["`+` takes numbers"]);
    }
}

fn pair_text(pair: &str) -> &str {
    pair.split(" + ").next().map_or("", |text| text.trim_matches('\''))
}

#[test]
fn other_arithmetic_is_for_numbers_only() {
    gives("5 - 7", "null", "-2");
    gives("1 - 0.9", "null", "0.1");
    gives("0.1 * 3", "null", "0.3");
    gives("2.5 * 4", "null", "10");
    gives("7 / 2", "null", "3.5");
    gives("8 / 2", "null", "4");
    gives("1 / 3", "null", "0.3333333333333333333333333333");
    gives("2 / 3", "null", "0.6666666666666666666666666667");
    gives("10000 / 3", "null", "3333.333333333333333333333333");
    gives("9900 * 0.19", "null", "1881");
    gives("7 % 3", "null", "1");
    gives("-7 % 3", "null", "-1");
    gives("7 % -3", "null", "1");
    gives("-7 % -3", "null", "-1");
    gives("5.5 % 2", "null", "1.5");
    gives("-5.5 % 2", "null", "-1.5");
    gives("1 % 0.3", "null", "0.1");
    for sign in ["-", "*", "/", "%"] {
        for (left, right) in
            [("'3'", "1"), ("1", "'3'"), ("null", "1"), ("1", "null"), ("true", "1"), ("input", "1")]
        {
            fails(&format!("{left} {sign} {right}"), "[1]", &[&format!("`{sign}` takes numbers")]);
        }
    }
    for text in ["'3'", "null", "true", "input"] {
        fails(&format!("-{text}"), "[1]", &["`-` takes a number"]);
    }
    for sign in ["/", "%"] {
        fails(&format!("7 {sign} 0"), "null", &["division by zero", "7", "0"]);
        fails(&format!("7.5 {sign} 0.0"), "null", &["division by zero"]);
    }
}

#[test]
fn overflow_is_an_error() {
    gives("9223372036854775806 + 1", "null", "9223372036854775807");
    gives("-9223372036854775808", "null", "-9223372036854775808");
    gives("-9223372036854775807 - 1", "null", "-9223372036854775808");
    gives("-9223372036854775808 % -1", "null", "0");
    gives("9223372036854775807.5 - 0.5", "null", "9223372036854775807");
    gives("3037000500 * 3037000499", "null", "9223372033963249500");
    for expression in [
        "9223372036854775807 + 1",
        "-9223372036854775808 - 1",
        "3037000500 * 3037000500",
        "-9223372036854775808 / -1",
        "-(input)",
        "9223372036854775807 + 0.5 + 0.5",
        "9223372036854775807 / 0.5",
    ] {
        let input = if expression.contains("list") {
            r#"{"list":[9223372036854775807,1]}"#
        } else {
            "-9223372036854775808"
        };
        fails(expression, input, &["out of range"]);
    }
}

#[test]
fn literals_are_read() {
    gives("42", "null", "42");
    gives("007", "null", "7");
    gives("1.50", "null", "1.5");
    gives("2.0", "null", "2");
    gives("-0.5", "null", "-0.5");
    gives("-0", "null", "0");
    gives("1234567890.123456789012345678", "null", "1234567890.123456789012345678");
    gives("true", "null", "true");
    gives("false", "null", "false");
    gives("null", "null", "null");
    gives(r#"'a"b'"#, "null", r#""a\"b""#);
    gives(r#""a'b""#, "null", r#""a'b""#);
    gives(r#"'\'\"\\\n\t\u00e9'"#, "null", r#""'\"\\\n\té""#);
    gives(r#""}}""#, "null", r#""}}""#);
    gives(r#"'a }} b'"#, "null", r#""a }} b""#);
    gives(r#"'\'}}'"#, "null", r#""'}}""#);
    gives("'🦀é' + \"ß\"", "null", r#""🦀éß""#);
    refused(r"{{ 'a\x' }}", "this escape does not exist", r"\x");
    refused(r"{{ 'a\u00g0' }}", "this escape does not exist", r"\u");
    refused(r"{{ 'a\ud800' }}", "this escape does not exist", r"\u");
    refused(r"{{ 'a\é' }}", "this escape does not exist", r"\é");
    refused(
        "{{ 9223372036854775808 }}",
        "the number 9223372036854775808 is out of range",
        "9223372036854775808",
    );
    refused(
        "{{ 1.23456789012345678901234567890 }}",
        "the number 1.23456789012345678901234567890 is out of range",
        "1.23456789012345678901234567890",
    );
    refused("{{ 1e5 }}", "expected an operator after the number, found `e`", "e");
    refused("{{ 1_000 }}", "expected an operator after the number, found `_`", "_");
}

#[test]
fn names_may_have_hyphens() {
    let input = r#"{"a-b":1,"a":10,"b":3,"a-1":5,"größe":2,"名前":4,"_x":6,"a--b":7}"#;
    gives("input.a-b", input, "1");
    gives("input.a - input.b", input, "7");
    gives("input.a -input.b", input, "7");
    gives("input.a- input.b", input, "7");
    gives("input.a-1", input, "5");
    gives("input.a - 1", input, "9");
    gives("input.a -1", input, "9");
    gives("input.größe", input, "2");
    gives("input.名前", input, "4");
    gives("input._x", input, "6");
    gives("input.a--b", input, "7");
    gives("5-3", input, "2");
    gives("5--3", input, "8");
    gives("(5)-3", input, "2");
    gives("input['a']-3", input, "7");
    gives("input['a']-input.b", input, "7");
    gives("length('ab')-1", input, "1");
    gives("line-item.n", input, "3");
    gives("steps.find-customer.output.data.0.id", input, r#""cus_1""#);
}

#[test]
fn paths_read_what_is_there_and_null_elsewhere() {
    let input = r#"{"list":[10,[20,21],{"x":30}],"map":{"0":"zero","a b":"spaced","length":"long","-1":"minus"},"text":"añ🦀","n":5,"i":1,"k":"map","flag":true}"#;
    gives("input.list[0]", input, "10");
    gives("input.list.0", input, "10");
    gives("input.list[1][1]", input, "21");
    gives("input.list.1.1", input, "21");
    gives("input.list[2].x", input, "30");
    gives("input.list[input.i][0]", input, "20");
    gives("input.list[input.i + 1].x", input, "30");
    gives("input.list['1'][0]", input, "20");
    gives("input[input.k].0", input, r#""zero""#);
    gives("input.list[3]", input, "null");
    gives("input.list[-1]", input, "null");
    gives("input.list[9223372036854775807]", input, "null");
    gives("input.list.99999999999999999999999", input, "null");
    gives("input.list[1.5]", input, "null");
    gives("input.list[true]", input, "null");
    gives("input.list[null]", input, "null");
    gives("input.list['+1']", input, "null");
    gives("input.list.x", input, "null");
    gives("input.map.0", input, r#""zero""#);
    gives("input.map[0]", input, r#""zero""#);
    gives("input.map['a b']", input, r#""spaced""#);
    gives("input.map.length", input, r#""long""#);
    gives("input.list[2].length", input, "null");
    gives("input.list.length", input, "3");
    gives("input.list['length']", input, "3");
    gives("input.text.length", input, "3");
    gives("'añ🦀'.length", input, "3");
    gives("input.text.0", input, "null");
    gives("input.text[0]", input, "null");
    gives("input.n.length", input, "null");
    gives("input.n.x.y", input, "null");
    gives("input.flag.x", input, "null");
    gives("input.missing.x[0].y", input, "null");
    gives("input . list [ 0 ]", input, "10");
    gives("variables.rate", input, "0.19");
    gives("variables['plan']", input, r#""pro""#);
    gives("now", input, r#""2026-01-31T12:00:00.000Z""#);
    gives("run.id", input, r#""run_1""#);
    gives("run.workflowId + run.startedAt", input, r#""wf_12026-01-31T11:59:59.000Z""#);
    gives("env.REGION", input, r#""eu""#);
    gives("env['REGION']", input, r#""eu""#);
    gives("env.OTHER", input, "null");
    gives("steps.find-customer.output.data[0].id", input, r#""cus_1""#);
    gives("steps['find-customer']['output'].data[0].id", input, r#""cus_1""#);
    gives("steps.find-customer.status", input, r#""completed""#);
    gives("steps.find-customer.output.status", input, r#""odd""#);
    gives("steps.broken.error.code", input, r#""card_declined""#);
    gives("steps.missing.output.id", input, "null");
    gives("item.n", input, "3");
    gives("nothing.n", input, "null");
}

#[test]
fn errors_name_the_expression_and_the_values() {
    let error = evaluate("Total: {{ input.a * input.b }}", r#"{"a":3,"b":"x"}"#).unwrap_err();
    assert_eq!(error.expression, "input.a * input.b");
    assert_eq!(error.to_string(), "`*` takes numbers, not 3 and \"x\" in `input.a * input.b`");
    assert!(error.hint.unwrap().contains("number(x)"));
    let error = evaluate("{{ 1 / input.a }}", r#"{"a":0}"#).unwrap_err();
    assert_eq!(error.to_string(), "division by zero: 1 / 0 in `1 / input.a`");
}

#[test]
fn mistakes_are_told_where_they_are() {
    refused("{{ }}", "there is no expression between `{{` and `}}`", "{{ }}");
    refused("é{{\u{3000}}}", "there is no expression between `{{` and `}}`", "{{\u{3000}}}");
    refused("{{ 'a' | upper || 'b' }}", "expected the name of a function after `|`, found `|`", "|");
    refused("{{ 1 + }}", "the expression ends where a value is expected", "");
    refused("{{ a é b }}", "expected an operator or the end of the expression, found `é`", "é");
    refused("{{ input.a = 1 }}", "expected an operator or the end of the expression, found `=`", "=");
    refused("{{ (1 + 2 }}", "the expression ends where `)` is expected", "");
    refused("{{ input[1 }}", "the expression ends where `]` is expected", "");
    refused("{{ input. }}", "the expression ends where a name or a number after `.` is expected", "");
    refused("{{ input.+ }}", "expected a name or a number after `.`, found `+`", "+");
    refused("{{ input.1x }}", "expected a name or a number after `.`, found `1`", "1");
    refused("{{ 'abc }}", "this text is not closed", "'abc ");
    refused("{{ a | }}", "the expression ends where the name of a function after `|` is expected", "");
    refused("{{ a | 5 }}", "expected the name of a function after `|`, found `5`", "5");
    refused("{{ upper('a',) }}", "expected a value, found `)`", ")");
    refused("{{ upper('a' 'b') }}", "expected `,` or `)`, found `'`", "'");
    refused("{{ uper('a') }}", "there is no function `uper`", "uper");
    refused("{{ 'a' | uper }}", "there is no function `uper`", "uper");
    refused("{{ upper() }}", "`upper` takes 1 argument, not 0", "upper");
    refused("{{ upper(1, 2) }}", "`upper` takes 1 argument, not 2", "upper");
    refused("{{ 1 | upper(2) }}", "`upper` takes 1 argument, not 2", "upper");
    refused("{{ date() }}", "`date` takes 1 to 3 arguments, not 0", "date");
    refused("{{ split('a') }}", "`split` takes 2 arguments, not 1", "split");
    refused("{{ {a} }}", "expected a value, found `{`", "{");
}

#[test]
fn limits_are_those_of_the_reference() {
    let nested = |levels: usize| format!("{{{{{}1{}}}}}", "(".repeat(levels - 1), ")".repeat(levels - 1));
    check(&nested(64), "null", "1");
    refused_for(&nested(65), "an expression may be nested 64 levels deep at most");
    refused_for(&nested(4000), "an expression may be nested 64 levels deep at most");
    refused_for(
        &format!("{{{{{}1}}}}", "-".repeat(65)),
        "an expression may be nested 64 levels deep at most",
    );
    refused_for(
        &format!("{{{{{}1}}}}", "!".repeat(64)),
        "an expression may be nested 64 levels deep at most",
    );
    refused_for(
        &format!("{{{{{}1}}}}", "length(".repeat(64)),
        "an expression may be nested 64 levels deep at most",
    );
    refused_for(
        &format!("{{{{{}1}}}}", "input[".repeat(64)),
        "an expression may be nested 64 levels deep at most",
    );
    check(&format!("{{{{'{}'.length}}}}", "é".repeat(9_991)), "null", "9991");
    refused_for(
        &format!("{{{{'{}'.length}}}}", "é".repeat(9_992)),
        "an expression may have 10000 characters at most",
    );
    check(&format!("{{{{{}}}}}", vec!["1"; 5_000].join("+")), "null", "5000");
    check(&format!("{{{{input{}}}}}", ".a".repeat(4_900)), r#"{"a":1}"#, "null");
    check(&format!("{{{{{}}}}}", vec!["0"; 3_000].join("||")), "null", "0");
    check(&format!("{{{{0{}}}}}", "|ceil".repeat(63)), "null", "0");
    refused_for(
        &format!("{{{{0{}}}}}", "|ceil".repeat(64)),
        "an expression may be nested 64 levels deep at most",
    );
}

/// On a small stack, since servers have many.
#[test]
fn long_chains_do_not_exhaust_the_stack() {
    let nested = (0..63).fold("1".to_owned(), |inner, _| format!("({inner}{})", "+1".repeat(76)));
    for expression in [
        vec!["1"; 5_000].join("+"),
        vec!["input.x"; 1_100].join("||"),
        format!("input{}", ".a".repeat(4_900)),
        format!("input{}", "[0]".repeat(3_300)),
        nested,
    ] {
        let template = format!("{{{{{expression}}}}}");
        let text = format!(
            r#"{{"name":"a","trigger":{{"type":"manual"}},"steps":[{{"id":"s","action":"stripe.createCustomer","config":{{"email":"{template}"}}}}]}}"#
        );
        let run = move || {
            let options = Options { catalog: Catalog::builtin(), environment: &[] };
            let messages = loopfour_lang::check(&text, options).diagnostics;
            assert!(messages.iter().all(|found| !found.message.contains("level")), "{messages:?}");
            let parsed = parsed(&template);
            assert!(parsed.to_string().len() > 9_000);
            assert!(parsed.evaluate(&World::new("1")).is_ok());
        };
        let thread = std::thread::Builder::new().stack_size(1_500_000).spawn(run).unwrap();
        assert!(thread.join().is_ok());
    }
}

#[track_caller]
fn refused_for(template: &str, message: &str) {
    let (_, problems) = loopfour_lang::template::Template::parse(template);
    assert_eq!(problems.first().map(|problem| problem.message.as_str()), Some(message));
}
