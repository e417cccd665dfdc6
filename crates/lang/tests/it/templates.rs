//! Text and expressions in one string; trees of templates.

use loopfour_lang::Value;
use loopfour_lang::template::{Part, Template, Tree};

use super::support::{World, check, parsed, refused, value};

#[test]
fn a_whole_template_keeps_the_type() {
    let input = r#"{"n":5,"d":1.50,"t":true,"z":null,"l":[1,"a"],"o":{"b":1,"a":[2]},"s":"x"}"#;
    check("{{input.n}}", input, "5");
    check("{{ input.d }}", input, "1.5");
    check("{{\n\tinput.t\n}}", input, "true");
    check("{{input.z}}", input, "null");
    check("{{input.missing}}", input, "null");
    check("{{input.l}}", input, r#"[1,"a"]"#);
    check("{{input.o}}", input, r#"{"b":1,"a":[2]}"#);
    check("{{input.s}}", input, r#""x""#);
    check("{{'{{'}}", input, r#""{{""#);
}

#[test]
fn anything_else_is_text() {
    let input =
        r#"{"n":5,"d":1.50,"t":true,"z":null,"l":[1,"a"],"o":{"b":1.0,"a":[2]},"s":"x","tiny":0.0000001}"#;
    check(" {{input.n}}", input, r#"" 5""#);
    check("{{input.n}} ", input, r#""5 ""#);
    check("{{input.n}}\n", input, r#""5\n""#);
    check("{{input.n}}{{input.n}}", input, r#""55""#);
    check("{{input.z}}{{input.missing}}", input, r#""""#);
    check("<{{input.d}}|{{input.t}}|{{input.z}}|{{input.s}}>", input, r#""<1.5|true||x>""#);
    check("<{{input.l}}{{input.o}}>", input, r#""<[1,\"a\"]{\"b\":1,\"a\":[2]}>""#);
    check("<{{input.tiny}}>", input, r#""<0.0000001>""#);
    check("<{{9223372036854775807}}>", input, r#""<9223372036854775807>""#);
    check("", input, r#""""#);
    check("plain", input, r#""plain""#);
}

#[test]
fn braces_that_are_text() {
    check("a }} b", "null", r#""a }} b""#);
    check("}}", "null", r#""}}""#);
    check("{ a }", "null", r#""{ a }""#);
    check("{{ '}}' }}", "null", r#""}}""#);
    check("{{ \"}}\" }}}}", "null", r#""}}}}""#);
    check("{{ \"{{\" }}", "null", r#""{{""#);
    check("a{{ '{{' }}b{{ '}}' }}", "null", r#""a{{b}}""#);
    check("{{ 'it\\'s }}' }}", "null", r#""it's }}""#);
    check("é{{ '🦀' }}é", "null", r#""é🦀é""#);
}

#[test]
fn what_is_not_closed_is_refused() {
    refused("a {{ b", "this `{{` is never closed", "{{ b");
    refused("{{", "this `{{` is never closed", "{{");
    refused("{{ 'a }} b", "this text is not closed", "'a ");
    refused("{{ 'a", "this `{{` is never closed", "{{ 'a");
    refused("{{{ a }}", "expected a value, found `{`", "{");
    refused("{{ a }", "this `{{` is never closed", "{{ a }");
    refused("{{ \\", "this `{{` is never closed", "{{ \\");
    refused("{{ '\\", "this `{{` is never closed", "{{ '\\");
    refused("{{ a {{ b }}", "expected an operator or the end of the expression, found `{`", "{");
}

#[test]
fn the_rest_stands_beside_a_problem() {
    let (template, problems) = Template::parse("a{{ 1 + }}b{{ 2 }}c{{ 3 | no }}");
    assert_eq!(problems.len(), 2);
    assert_eq!(template.parts.len(), 6);
    assert_eq!(template.evaluate(&World::new("null")).unwrap().to_string(), r#""ab2c""#);
}

#[test]
fn a_value_is_never_evaluated_again() {
    check("{{ input.a }}", r#"{"a":"{{ 1 + 1 }}"}"#, r#""{{ 1 + 1 }}""#);
    check("<{{ input.a }}>", r#"{"a":"{{ 1 + 1 }}"}"#, r#""<{{ 1 + 1 }}>""#);
    check("{{ '{{' + ' 1 }}' }}", "null", r#""{{ 1 }}""#);
}

#[test]
fn spans_count_in_the_string() {
    let template = parsed("é {{ input.ü + 1 }}");
    let Part::Expression(expression) = &template.parts[1] else { panic!("{template:?}") };
    assert_eq!(&template.source[expression.span.start..expression.span.end], "input.ü + 1");
    let template = parsed("{{ 'a' | upper  }}");
    assert_eq!(
        template.whole().map(|whole| &template.source[whole.span.start..whole.span.end]),
        Some("'a' | upper")
    );
}

#[test]
fn trees_keep_their_form() {
    let tree = Tree::Object(vec![
        ("{{ key }}".to_owned(), Tree::Template(parsed("{{ input.n }}"))),
        (
            "list".to_owned(),
            Tree::Array(vec![Tree::Literal(value("1")), Tree::Template(parsed("<{{ input.n }}>"))]),
        ),
    ]);
    let found = tree.evaluate(&World::new(r#"{"n":5}"#)).unwrap();
    assert_eq!(found.to_string(), r#"{"{{ key }}":5,"list":[1,"<5>"]}"#);
    let tree = Tree::Array(vec![Tree::Template(parsed("{{ 1 / 0 }}"))]);
    assert_eq!(tree.evaluate(&World::new("null")).unwrap_err().expression, "1 / 0");
}

#[test]
fn what_a_tree_makes_is_bounded() {
    let world = World { input: Value::from("x".repeat(1_000_000)) };
    let text = Tree::Template(parsed("<{{ input }}>"));
    assert!(Tree::Array(vec![text.clone(); 30]).evaluate(&world).is_ok());
    let error = Tree::Array(vec![text; 10_000]).evaluate(&world).unwrap_err();
    assert!(error.message.contains("32 MiB"), "{error}");
    assert!(
        parsed("{{input}}{{input}}{{input}}{{input}}{{input}}{{input}}{{input}}{{input}}{{input}}")
            .evaluate(&world)
            .is_err()
    );
}

#[test]
fn printing_keeps_the_tree() {
    for (written, printed) in [
        ("{{input.a||'x'}}", r#"{{ input.a || "x" }}"#),
        ("a {{ (1+2)*3 }}", "a {{ (1 + 2) * 3 }}"),
        ("{{ 1-(2-3) }}", "{{ 1 - (2 - 3) }}"),
        ("{{ ((1)) }}", "{{ 1 }}"),
        ("{{ 'a' | upper | default('b') }}", r#"{{ default(upper("a"), "b") }}"#),
        ("{{ input['a b'][\"c\"][0][input.x] }}", r#"{{ input["a b"].c[0][input.x] }}"#),
        ("{{ -(5) }}", "{{ -(5) }}"),
        ("{{ - 5 - -5 }}", "{{ -5 - -5 }}"),
        ("{{ !(a && b) }}", "{{ !(a && b) }}"),
        ("{{ (-a).b }}", "{{ (-a).b }}"),
        ("{{ 'a\\nb\\'\"' }}", r#"{{ "a\nb'\"" }}"#),
        ("{{ (1 | json).length }}", "{{ json(1).length }}"),
    ] {
        let template = parsed(written);
        assert_eq!(template.to_string(), printed, "{written}");
        assert_eq!(parsed(printed).to_string(), printed);
    }
}

/// Each of these is 1 MiB; a parser that looks at all of it for every `{{` would need minutes.
#[test]
fn hostile_texts_are_parsed_in_linear_time() {
    for unit in [
        "{{",
        "}}",
        "{{}}",
        "'",
        "{{'",
        "{{'}}",
        "{{\\'}}",
        "{{\"}}'",
        "{{ a }}",
        "{{'a'}}",
        "{{\\",
        "{{(",
        "{{ 'a\\'}}",
    ] {
        let text = unit.repeat(1_048_576 / unit.len());
        let began = std::time::Instant::now();
        let (_, problems) = Template::parse(&text);
        assert!(began.elapsed().as_secs() < 10, "{unit} took {:?}", began.elapsed());
        for problem in problems {
            assert!(text.get(problem.span.start..problem.span.end).is_some());
        }
    }
}
