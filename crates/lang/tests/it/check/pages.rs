//! Every code has a page, and the example on the page provokes it.

use std::path::{Path, PathBuf};

use loopfour_lang::diagnostic::Code;
use loopfour_lang::{Catalog, Options, check};

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors")
}

#[test]
fn every_code_has_a_page_whose_example_provokes_it() {
    for code in Code::ALL {
        let page = std::fs::read_to_string(pages().join(format!("{}.md", code.name()))).unwrap();
        assert!(
            page.starts_with(&format!("# {}: {}\n", code.name(), code.title())),
            "title of {}",
            code.name()
        );
        assert!(page.contains("\n## What to do\n"), "what to do about {}", code.name());
        let example = page.split_once("```json\n").and_then(|(_, rest)| rest.split_once("\n```"));
        let Some((example, _)) = example else {
            assert_eq!(code, Code::TooEntangled, "{} has an example", code.name());
            continue;
        };
        let checked = check(example, Options { catalog: Catalog::builtin(), environment: &[] });
        let found: Vec<&str> = checked.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert_eq!(found, [code.name()], "the example of {}: {:#?}", code.name(), checked.diagnostics);
    }
}

#[test]
fn every_page_has_a_code() {
    for entry in std::fs::read_dir(pages()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let code = name.strip_suffix(".md").filter(|name| name.starts_with("LF"));
        assert!(code.is_none_or(|code| Code::find(code).is_some()), "{name} is about no code");
    }
}

#[test]
fn the_table_of_codes_is_in_order_and_complete() {
    for (position, code) in Code::ALL.into_iter().enumerate() {
        assert_eq!(code as usize, position, "{code:?} stands at its place");
        assert_eq!(Code::find(code.name()), Some(code), "{code:?} has a number of its own");
    }
    assert!(Code::ALL.is_sorted_by_key(|code| code.name()));
}
