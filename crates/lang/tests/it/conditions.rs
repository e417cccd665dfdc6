//! Every operator of conditions, and joined conditions.

use loopfour_lang::step::condition::{Operator, Test, compile};
use loopfour_lang::template::Tree;

use super::support::{World, parsed, value};

fn compare(left: &str, operator: &str, right: &str) -> Test {
    let operator = Operator::ALL.into_iter().find(|known| known.name() == operator).expect("an operator");
    Test::Compare {
        left: Tree::Literal(value(left)),
        operator,
        right: Tree::Literal(value(right)),
        pattern: None,
    }
}

#[track_caller]
fn check(left: &str, operator: &str, right: &str, expected: bool) {
    let (held, _) = compare(left, operator, right).evaluate(&World::new("null")).expect("no error");
    assert_eq!(held, expected, "{left} {operator} {right}");
}

#[test]
fn equality_is_that_of_expressions() {
    for (left, right, equal) in [
        ("1", "1.0", true),
        ("1", "\"1\"", true),
        ("true", "\"true\"", true),
        ("\"5\"", "\"5.0\"", false),
        ("null", "null", true),
        ("null", "false", false),
        ("null", "\"\"", false),
        ("[1]", "[1]", true),
        ("[1]", "[\"1\"]", false),
        (r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, true),
    ] {
        check(left, "eq", right, equal);
        check(left, "ne", right, !equal);
    }
}

#[test]
fn order_is_that_of_expressions() {
    for (left, right, less, equal, greater) in [
        ("1", "2", true, false, false),
        ("2", "2.0", false, true, false),
        ("\"10000\"", "9999", false, false, true),
        ("\"10\"", "\"9\"", false, false, true),
        ("\"a\"", "\"b\"", true, false, false),
        ("null", "0", false, false, false),
        ("0", "null", false, false, false),
        ("null", "null", false, false, false),
        ("true", "false", false, false, false),
        ("1", "\"a\"", false, false, false),
    ] {
        check(left, "lt", right, less);
        check(left, "lte", right, less || equal);
        check(left, "gt", right, greater);
        check(left, "gte", right, greater || equal);
    }
}

#[test]
fn text_operators_look_into_text() {
    check("\"abc\"", "contains", "\"b\"", true);
    check("\"abc\"", "contains", "\"\"", true);
    check("\"abc\"", "contains", "\"B\"", false);
    check("\"a1c\"", "contains", "1", false);
    check("[1,2]", "contains", "2", true);
    check("[1,2]", "contains", "\"2\"", true);
    check("[\"true\"]", "contains", "true", true);
    check("[\"abc\"]", "contains", "\"b\"", false);
    check("[[1]]", "contains", "[1]", true);
    check("[null]", "contains", "null", true);
    check("[]", "contains", "null", false);
    check("null", "contains", "null", false);
    check("12", "contains", "1", false);
    check(r#"{"a":1}"#, "contains", "\"a\"", false);
    check("true", "contains", "true", false);
    check("\"abc\"", "startsWith", "\"ab\"", true);
    check("\"abc\"", "startsWith", "\"b\"", false);
    check("\"abc\"", "startsWith", "\"\"", true);
    check("\"abc\"", "endsWith", "\"bc\"", true);
    check("\"abc\"", "endsWith", "\"b\"", false);
    check("12", "startsWith", "1", false);
    check("\"12\"", "startsWith", "1", false);
    check("[1]", "endsWith", "1", false);
    check("null", "startsWith", "\"\"", false);
}

#[test]
fn existence_and_emptiness() {
    for (left, exists, empty) in [
        ("null", false, true),
        ("\"\"", true, true),
        ("[]", true, true),
        ("{}", true, true),
        ("0", true, false),
        ("false", true, false),
        ("\"  \"", true, false),
        ("\"a\"", true, false),
        ("[null]", true, false),
        (r#"{"a":null}"#, true, false),
        ("0.5", true, false),
    ] {
        check(left, "exists", "null", exists);
        check(left, "isEmpty", "null", empty);
    }
}

#[test]
fn matches_finds_anywhere() {
    for (left, pattern, found) in [
        ("\"abc\"", "b", true),
        ("\"abc\"", "^b", false),
        ("\"abc\"", "^a.c$", true),
        ("\"abc\"", "", true),
        ("\"größe\"", "^\\p{L}+$", true),
        ("12", "1", false),
        ("null", "", false),
        ("[\"a\"]", "a", false),
    ] {
        check(left, "matches", &format!("{pattern:?}"), found);
        let Test::Compare { left, operator, right, .. } = compare(left, "matches", "null") else {
            unreachable!()
        };
        let constant = Test::Compare { left, operator, right, pattern: Some(compile(pattern).unwrap()) };
        assert_eq!(constant.evaluate(&World::new("null")).unwrap().0, found, "{pattern}");
    }
}

#[test]
fn a_bad_pattern_is_an_error() {
    for (pattern, reason) in [
        ("\"(\"", "unclosed group"),
        ("\"[\"", "unclosed character class"),
        ("\"(?=a)\"", "look-around"),
        ("\"(a{1000}){1000}\"", "1 MiB"),
        ("5", "the pattern is a number, not text"),
        ("null", "the pattern is null, not text"),
    ] {
        let error = compare("\"a\"", "matches", pattern).evaluate(&World::new("null")).unwrap_err();
        assert!(error.to_string().contains(reason), "{pattern}: {error}");
        assert!(error.hint.is_some());
    }
    let right = Tree::Template(parsed("{{ input.pattern }}"));
    let test = Test::Compare {
        left: Tree::Literal(value("\"ab\"")),
        operator: Operator::Matches,
        right,
        pattern: None,
    };
    assert!(test.evaluate(&World::new(r#"{"pattern":"^a"}"#)).unwrap().0);
    assert!(test.evaluate(&World::new(r#"{"pattern":"*"}"#)).is_err());
}

#[test]
fn joined_conditions_stop_where_they_are_decided() {
    let yes = || compare("1", "eq", "1");
    let no = || compare("1", "eq", "2");
    let bad = || compare("\"a\"", "matches", "\"(\"");
    let held = |test: Test| test.evaluate(&World::new("null")).map(|(held, _)| held).ok();
    assert_eq!(held(Test::And(vec![yes()])), Some(true));
    assert_eq!(held(Test::And(vec![yes(), no()])), Some(false));
    assert_eq!(held(Test::And(vec![no(), bad()])), Some(false));
    assert_eq!(held(Test::And(vec![yes(), bad()])), None);
    assert_eq!(held(Test::Or(vec![no()])), Some(false));
    assert_eq!(held(Test::Or(vec![no(), yes()])), Some(true));
    assert_eq!(held(Test::Or(vec![yes(), bad()])), Some(true));
    assert_eq!(held(Test::Or(vec![no(), bad()])), None);
    assert_eq!(held(Test::Not(Box::new(yes()))), Some(false));
    assert_eq!(held(Test::Not(Box::new(Test::And(vec![yes(), no()])))), Some(true));
    assert_eq!(held(Test::Not(Box::new(bad()))), None);
}

#[test]
fn what_was_compared_is_shown() {
    let left = Tree::Template(parsed("{{ input.n }}"));
    let right = Tree::Literal(value("5"));
    let compare = Test::Compare { left, operator: Operator::Gt, right, pattern: None };
    let exists = Test::Compare {
        left: Tree::Literal(value("1")),
        operator: Operator::Exists,
        right: Tree::Literal(value("null")),
        pattern: None,
    };
    let test = Test::Or(vec![Test::Not(Box::new(exists)), compare]);
    let (held, input) = test.evaluate(&World::new(r#"{"n":7}"#)).unwrap();
    assert!(held);
    assert_eq!(
        input.to_string(),
        r#"{"operator":"or","conditions":[{"operator":"not","conditions":[{"left":1,"operator":"exists"}]},{"left":7,"operator":"gt","right":5}]}"#
    );
}
