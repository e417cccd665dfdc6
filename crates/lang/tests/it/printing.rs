//! What is printed parses to the same tree, and nothing that is written makes parser, printer or evaluator panic.

use loopfour_lang::template::{
    BinaryOperator, Expression, ExpressionKind, Function, Part, Root, Template, UnaryOperator,
};
use loopfour_lang::{Span, Value};
use proptest::prelude::*;

use super::support::{World, value};

const OPERATORS: [BinaryOperator; 16] = [
    BinaryOperator::Or,
    BinaryOperator::Coalesce,
    BinaryOperator::And,
    BinaryOperator::Equal,
    BinaryOperator::NotEqual,
    BinaryOperator::Identical,
    BinaryOperator::NotIdentical,
    BinaryOperator::Less,
    BinaryOperator::LessOrEqual,
    BinaryOperator::Greater,
    BinaryOperator::GreaterOrEqual,
    BinaryOperator::Add,
    BinaryOperator::Subtract,
    BinaryOperator::Multiply,
    BinaryOperator::Divide,
    BinaryOperator::Remainder,
];

fn at_no_place(kind: ExpressionKind) -> Expression {
    Expression { kind, span: Span::default() }
}

/// The same tree, its places forgotten.
fn bare(expression: &Expression) -> Expression {
    let inner = |inner: &Expression| Box::new(bare(inner));
    at_no_place(match &expression.kind {
        ExpressionKind::Member(base, key) => ExpressionKind::Member(inner(base), key.clone()),
        ExpressionKind::Index(base, index) => ExpressionKind::Index(inner(base), inner(index)),
        ExpressionKind::Call(function, arguments) => {
            ExpressionKind::Call(*function, arguments.iter().map(bare).collect())
        }
        ExpressionKind::Unary(operator, operand) => ExpressionKind::Unary(*operator, inner(operand)),
        ExpressionKind::Binary(operator, left, right) => {
            ExpressionKind::Binary(*operator, inner(left), inner(right))
        }
        other @ (ExpressionKind::Literal(_) | ExpressionKind::Root(_) | ExpressionKind::Invalid) => {
            other.clone()
        }
    })
}

fn bare_parts(template: &Template) -> Vec<Part> {
    let part = |part: &Part| match part {
        Part::Text(text) => Part::Text(text.clone()),
        Part::Expression(expression) => Part::Expression(bare(expression)),
    };
    template.parts.iter().map(part).collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9_-]{0,4}", "[\"'\\\\{}\\n\\t\\r\\x00é🦀 ]{0,5}", "\\PC{0,5}"]
}

fn tree() -> impl Strategy<Value = Expression> {
    let number = ("-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,12})?").prop_map(|digits| value(&digits));
    let literal = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        number,
        text().prop_map(Value::from),
    ];
    let name = "(input|steps|variables|env|now|run|upper|[a-zé名_][a-z0-9_-]{0,3}[a-z0-9_])";
    let root = name
        .prop_filter("words are no names", |name| !["true", "false", "null"].contains(&name.as_str()))
        .prop_map(|name| ExpressionKind::Root(Root::named(&name)));
    let leaf = prop_oneof![literal.prop_map(ExpressionKind::Literal), root].prop_map(at_no_place);
    leaf.prop_recursive(6, 40, 3, |inner| {
        let one = inner.clone().prop_map(Box::new);
        let index = one.clone().prop_filter("a constant text is a member", |index| {
            !matches!(index.kind, ExpressionKind::Literal(Value::Text(_)))
        });
        let call = (0..Function::ALL.len(), proptest::collection::vec(inner, 3), any::<bool>()).prop_map(
            |(function, mut arguments, least)| {
                let function = Function::ALL[function];
                let (fewest, most) = function.arity();
                arguments.truncate(if least { fewest } else { most });
                ExpressionKind::Call(function, arguments)
            },
        );
        let unary = (any::<bool>(), one.clone()).prop_map(|(not, operand)| {
            ExpressionKind::Unary(if not { UnaryOperator::Not } else { UnaryOperator::Negate }, operand)
        });
        let binary = (0..OPERATORS.len(), one.clone(), one.clone())
            .prop_map(|(operator, left, right)| ExpressionKind::Binary(OPERATORS[operator], left, right));
        prop_oneof![
            (one.clone(), text()).prop_map(|(base, key)| ExpressionKind::Member(base, key)),
            (one, index).prop_map(|(base, index)| ExpressionKind::Index(base, index)),
            call,
            unary,
            binary.clone(),
            binary,
        ]
        .prop_map(at_no_place)
    })
}

/// Strings that are nearly templates.
fn soup() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        4 => "\\{\\{|\\}\\}|\\{|\\}| |'|\"|\\\\|\\(|\\)|\\[|\\]|,|\\.|\\||-|!",
        2 => "input|steps|a-b|b|true|null|é|🦀|\u{3000}|upper\\(|\\| *json|length|[0-9]{1,3}|[0-9]\\.[0-9]",
        1 => "\\+|\\*|/|%|==|===|!=|<=|<|>|&&|\\|\\||\\?\\?",
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

#[track_caller]
fn check_any(text: &str) {
    let (template, problems) = Template::parse(text);
    assert_eq!(template.source, text);
    for problem in &problems {
        assert!(text.get(problem.span.start..problem.span.end).is_some(), "{problem:?} in {text:?}");
    }
    let world = World::new(r#"{"a-b":[1,{"b":"c"}],"b":2.5,"length":null}"#);
    let outcome = template.evaluate(&world);
    if problems.is_empty() {
        let printed = template.to_string();
        let (again, problems) = Template::parse(&printed);
        assert_eq!(problems, [], "{printed:?} from {text:?}");
        assert_eq!(bare_parts(&again), bare_parts(&template), "{printed:?} from {text:?}");
        assert_eq!(again.evaluate(&world), outcome);
        for part in &template.parts {
            let Part::Expression(expression) = part else { continue };
            let written = &text[expression.span.start..expression.span.end];
            let (alone, _) = Template::parse(&format!("{{{{{written}}}}}"));
            assert_eq!(alone.whole().map(bare), Some(bare(expression)), "{written:?} in {text:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_printed_tree_parses_to_itself(tree in tree()) {
        let printed = format!("{{{{ {tree} }}}}");
        let (template, problems) = Template::parse(&printed);
        prop_assert_eq!(problems, [], "{}", printed);
        prop_assert_eq!(template.whole().map(bare), Some(bare(&tree)), "{}", printed);
        let _ = template.evaluate(&World::new(r#"{"a":[1,2.5,"x"]}"#));
    }

    #[test]
    fn near_templates_do_no_harm(text in soup()) {
        check_any(&text);
        check_any(&format!("{{{{{text}}}}}"));
    }

    #[test]
    fn any_text_does_no_harm(text in "\\PC{0,60}") {
        check_any(&text);
        check_any(&format!("x{{{{ {text} }}}}"));
    }
}
