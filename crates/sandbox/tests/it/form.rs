//! The form decoder: the inverse of encoding, and quiet on any bytes.

use loopfour_sandbox::form::{Error, Node, Table, decode};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::stripe::encode;

fn text(value: &str) -> Node {
    Node::Text(value.to_owned())
}

fn table(entries: &[(&str, Node)]) -> Table {
    entries.iter().map(|(name, node)| ((*name).to_owned(), node.clone())).collect()
}

#[track_caller]
fn check(form: &str, expect: Result<Table, Error>) {
    assert_eq!(decode(form.as_bytes()), expect, "{form}");
}

#[test]
fn brackets_nest() {
    let line = table(&[("line1", text("Main St 1"))]);
    check("address[line1]=Main+St%201", Ok(table(&[("address", Node::Table(line))])));
    check(
        "a%5Bb%5D=1&a[c]=2",
        Ok(table(&[("a", Node::Table(table(&[("b", text("1")), ("c", text("2"))])))])),
    );
    check("a[]=1&a[]=2", Ok(table(&[("a", Node::List(vec![text("1"), text("2")]))])));
    let first = Node::Table(table(&[("price", text("p")), ("quantity", text("2"))]));
    let second = Node::Table(table(&[("price", text("q"))]));
    let items = "items[][price]=p&items[][quantity]=2&items[][price]=q";
    check(items, Ok(table(&[("items", Node::List(vec![first, second]))])));
}

#[test]
fn plain_pairs_decode() {
    check("", Ok(Table::new()));
    check("a=1&a=2", Ok(table(&[("a", text("2"))])));
    check("a", Ok(table(&[("a", text(""))])));
    check("a=b=c&&", Ok(table(&[("a", text("b=c"))])));
    check("a=%zz%e2%82%ac", Ok(table(&[("a", text("%zz€"))])));
}

#[test]
fn what_makes_no_sense_is_refused() {
    check("a=%ff", Err(Error::NotText));
    for name in ["=1", "[a]=1", "a[b=1", "a]=1", "a[b]c=1", "a[[b]]=1"] {
        check(name, Err(Error::Name(name.trim_end_matches("=1").to_owned())));
    }
    let deep = format!("a{}", "[b]".repeat(16));
    check(&format!("{deep}=1"), Err(Error::Name(deep)));
    check("a=1&a[b]=2", Err(Error::Conflict("a[b]".to_owned())));
    check("a[b]=1&a=2", Err(Error::Conflict("a".to_owned())));
    check("a[]=1&a[b]=2", Err(Error::Conflict("a[b]".to_owned())));
}

fn name() -> impl Strategy<Value = String> {
    "[^\\[\\]]{1,6}"
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        ".{0,8}".prop_map(Node::Text),
        vec(".{0,4}".prop_map(Node::Text), 1..4).prop_map(Node::List),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        btree_map(name(), inner, 1..4).prop_map(|entries| Node::Table(entries.into_iter().collect()))
    })
}

fn flatten(name: &str, node: &Node, pairs: &mut Vec<(String, String)>) {
    match node {
        Node::Text(text) => pairs.push((name.to_owned(), text.clone())),
        Node::List(items) => items.iter().for_each(|item| flatten(&format!("{name}[]"), item, pairs)),
        Node::Table(table) => {
            table.iter().for_each(|(key, node)| flatten(&format!("{name}[{key}]"), node, pairs));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn decoding_undoes_encoding(tree in btree_map(name(), node(), 0..5)) {
        let tree: Table = tree.into_iter().collect();
        let mut pairs = Vec::new();
        tree.iter().for_each(|(name, node)| flatten(name, node, &mut pairs));
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        prop_assert_eq!(decode(encode(&pairs).as_bytes()), Ok(tree));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in vec(any::<u8>(), 0..64)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn any_brackets_decode_or_are_refused(form in "[ab\\[\\]=&%0]{0,40}") {
        let _ = decode(form.as_bytes());
    }
}
