//! The source document's example, limits at their edges, and texts that nobody would write.

use loopfour_lang::catalog::Segment::{self, Index, Key};
use loopfour_lang::graph::Verdict;
use loopfour_lang::step::StepKind;
use loopfour_lang::step::condition::Branch;
use loopfour_lang::{Catalog, Checked, Options, Severity};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../../../../../docs/examples/create-and-send-invoice.json");

fn check(text: &str) -> Checked {
    loopfour_lang::check(text, Options { catalog: Catalog::builtin(), environment: &[] })
}

#[test]
fn the_example_is_right_and_joins() {
    let checked = check(EXAMPLE);
    let [info] = checked.diagnostics.as_slice() else { panic!("one finding: {:#?}", checked.diagnostics) };
    assert_eq!((info.severity, info.code), (Severity::Info, "LF0504"));
    assert_eq!(info.field, "steps[3].config.customerId");
    assert_eq!((info.line, info.column), (43, 23));
    assert_eq!(
        info.message,
        "step `create-invoice` also runs when `check-customer` did not choose it: it reads the output of the other branch, so the branches meet here",
    );
    let workflow = checked.workflow.expect("no error");
    assert_eq!(workflow.name, "Create and Send Invoice");
    let ids: Vec<&str> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
    let expected = [
        "get-or-create-customer",
        "check-customer",
        "create-customer",
        "create-invoice",
        "add-line-item",
        "finalize",
        "send",
    ];
    assert_eq!(ids, expected);
    let StepKind::Condition(condition) = &workflow.steps[1].kind else { panic!("a condition") };
    assert_eq!((&condition.then, &condition.otherwise), (&vec![3], &vec![2]));
    let verdicts =
        |branch| (0..7).map(move |step| workflow.graph.verdict(step, &|_| Some(branch))).collect::<Vec<_>>();
    let [run, join, skip] = [Verdict::Run, Verdict::Join, Verdict::Skip];
    assert_eq!(verdicts(Branch::Then), [run, run, skip, run, run, run, run]);
    let workflow = check(EXAMPLE).workflow.expect("no error");
    let verdicts: Vec<_> = (0..7).map(|step| workflow.graph.verdict(step, &|_| Some(Branch::Else))).collect();
    assert_eq!(verdicts, [run, run, run, join, run, run, run]);
}

#[test]
fn the_info_can_be_ignored() {
    let text = EXAMPLE.replacen('{', "{\"settings\": {\"ignore\": [\"LF0504\"]},", 1);
    assert_eq!(check(&text).diagnostics, []);
}

/// A workflow whose variables nest so deep that the whole has `levels` levels.
fn nested(levels: usize) -> String {
    let inner = levels - 2;
    let variables = format!("{{\"v\": {}{}}}", "[".repeat(inner), "]".repeat(inner));
    EXAMPLE.replacen('{', &format!("{{\"variables\": {variables},"), 1)
}

#[test]
fn sixty_four_levels_are_taken_and_one_more_is_not() {
    assert!(check(&nested(64)).workflow.is_some());
    let checked = check(&nested(65));
    assert_eq!(checked.diagnostics[0].message, "this is nested more than 64 levels deep");
    assert!(!checked.has_shape);
    assert!(check(&nested(10_000)).workflow.is_none());
}

#[test]
fn a_hundred_constant_patterns_are_compiled() {
    let test = r#"{"left": "{{input.x}}", "operator": "matches", "right": "^a"}"#;
    let found = |count: usize| {
        let tests = vec![test; count].join(",");
        let condition = format!(r#"{{"operator": "or", "conditions": [{tests}]}}"#);
        let text = format!(
            r#"{{"name": "w", "trigger": {{"type": "api"}}, "steps": [{{"id": "c", "type": "condition",
            "config": {{"conditions": {condition}, "then": []}}}}]}}"#
        );
        check(&text).diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>()
    };
    assert_eq!(found(100), [""; 0]);
    assert_eq!(found(101), ["LF0105"]);
}

#[test]
fn names_have_1_to_255_characters() {
    let named = |length: usize| check(&EXAMPLE.replace("Create and Send Invoice", &"é".repeat(length)));
    assert!(named(1).workflow.is_some());
    assert!(named(255).workflow.is_some());
    assert_eq!(named(256).diagnostics[0].field, "name");
    assert_eq!(named(0).diagnostics[0].field, "name");
}

#[test]
fn a_draft_needs_the_shape_of_a_workflow() {
    let shape = |text: &str| check(text).has_shape;
    assert!(shape(EXAMPLE));
    assert!(shape(r#"{"name": "", "trigger": {}, "steps": [1], "more": 1}"#));
    assert!(shape(r#"{"name": "w", "trigger": {}, "steps": []}"#));
    assert!(!shape(r#"{"name": "w", "trigger": {"type": "api", "type": "api"}, "steps": []}"#));
    assert!(!shape(r#"{"name": "w", "trigger": {}}"#));
    assert!(!shape(r#"{"name": "w", "trigger": {}, "steps": {}}"#));
    assert!(!shape(r#"{"name": "w", "trigger": "api", "steps": [1]}"#));
    assert!(!shape(r#"{"name": 1, "trigger": {}, "steps": [1]}"#));
    assert!(!shape("[]"));
    assert!(!shape("{"));
}

/// Checks that a path into an answer is possible.
#[track_caller]
fn possible(object: &str, list: bool, path: &[Segment<'_>]) {
    assert_eq!(Catalog::builtin().objects.leaves(object, list, path), None);
}

/// Checks that a path is not, at which position, and one of the names that would be.
#[track_caller]
fn impossible(object: &str, list: bool, path: &[Segment<'_>], position: usize, name: &str) {
    let found = Catalog::builtin().objects.leaves(object, list, path);
    let (at, names) = found.expect("the path leaves what can be there");
    assert_eq!(at, position);
    assert!(name.is_empty() || names.contains(name), "{names:?}");
}

#[test]
fn paths_into_answers_are_known() {
    possible("customer", true, &[Key("data"), Key("length")]);
    possible("customer", true, &[Key("data"), Index, Key("id")]);
    possible("customer", true, &[Key("data"), Key("99"), Key("email")]);
    possible("customer", false, &[Key("address"), Key("postal_code")]);
    possible("customer", false, &[Key("metadata"), Key("anything"), Key("length")]);
    possible("invoice", false, &[Key("id")]);
    possible("invoice", false, &[Key("customer"), Key("email")]);
    possible("invoice", false, &[Key("lines"), Key("data"), Index, Key("amount")]);
    possible("no such object", false, &[Key("x")]);
    impossible("customer", true, &[Key("items")], 0, "data");
    impossible("customer", true, &[Index], 0, "data");
    impossible("customer", true, &[Key("data"), Key("id")], 1, "");
    impossible("customer", true, &[Key("data"), Index, Key("emial")], 2, "email");
    impossible("invoice", false, &[Key("amount_due"), Key("x")], 1, "");
    impossible("invoice", false, &[Key("payment_intent")], 0, "payments");
}

/// Pieces that break things.
const PIECES: [&str; 24] = [
    "{{",
    "}}",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\u00e9",
    "\\ud800",
    ",",
    ":",
    "null",
    "1e999",
    "-0.5",
    "steps.",
    "input",
    "||",
    "\"then\"",
    "\"customerId\"",
    "[]",
    "{}",
    "é",
    "99999999999999999999",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn no_text_makes_the_checker_panic(text in "\\PC{0,200}") {
        check(&text);
    }

    #[test]
    fn no_change_of_the_example_makes_the_checker_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(&PIECES[..])), 1..4),
    ) {
        let mut characters: Vec<char> = EXAMPLE.chars().collect();
        for (at, removed, piece) in changes {
            let start = at.index(characters.len());
            let end = (start + removed).min(characters.len());
            characters.splice(start..end, piece.chars());
        }
        let text: String = characters.into_iter().collect();
        let checked = check(&text);
        let mut before = 0;
        for diagnostic in &checked.diagnostics {
            prop_assert!(diagnostic.span.start >= before, "in the order of the text");
            before = diagnostic.span.start;
            prop_assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some(), "{diagnostic:?}");
            prop_assert!(diagnostic.line >= 1 && diagnostic.column >= 1);
        }
    }

    #[test]
    fn no_value_in_the_example_makes_the_checker_panic(
        value in prop::sample::select(&["null", "0", "\"\"", "\"{{input.x}}\"", "[]", "{}", "[{}]", "{\"a\": {\"b\": []}}", "true"][..]),
        at in any::<prop::sample::Index>(),
    ) {
        let values: Vec<usize> = EXAMPLE.match_indices(": ").map(|(start, _)| start + 2).collect();
        let start = values[at.index(values.len())];
        let mut rest = serde_json::Deserializer::from_str(&EXAMPLE[start..]).into_iter::<serde_json::Value>();
        rest.next().expect("a value").expect("that is JSON");
        let end = start + rest.byte_offset();
        check(&format!("{}{value}{}", &EXAMPLE[..start], &EXAMPLE[end..]));
    }
}

/// A rule that came after a version was accepted stops no run of it; what is no workflow at all is none.
#[test]
fn accepted_versions_are_read_again() {
    let text = r#"{"name":"w","trigger":{"type":"api"},"steps":[
        {"id":"a","action":"stripe.createInvoice","config":{"customerId":"cus_1","daysUntilDue":30}}]}"#;
    let options = Options { catalog: Catalog::builtin(), environment: &[] };
    assert!(check(text).workflow.is_none(), "the checker refuses it today");
    assert_eq!(loopfour_lang::read_accepted(text, options).map(|workflow| workflow.steps.len()), Some(1));
    assert!(loopfour_lang::read_accepted("{}", options).is_none());
    assert!(loopfour_lang::read_accepted("", options).is_none());
}

/// One misspelt action is one error, and no false alarm about the branches that meet in its step.
#[test]
fn a_misspelt_action_says_nothing_of_its_branches() {
    let found = check(&EXAMPLE.replace("stripe.createInvoice\"", "stripe.createInvoce\"")).diagnostics;
    let codes: Vec<_> = found.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["LF0301", "LF0504"]);
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `stripe.createInvoice`?"));
}
