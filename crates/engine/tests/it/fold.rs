//! The journal: what was written reads back, and no impossible history is folded.

use std::sync::Arc;

use loopfour_engine::{Entry, Run};
use loopfour_testkit::MemoryJournal;
use proptest::prelude::*;

use crate::scenario::{EXAMPLE, EXAMPLE_NEW, Scenario, end};

const INPUT: &str = r#"{"email":"a@example.com","name":"A","amount":0.1,"description":"d"}"#;

fn whole() -> (Scenario, Vec<Entry>) {
    let scenario = Scenario::new(EXAMPLE, INPUT, EXAMPLE_NEW);
    let journal = MemoryJournal::default();
    scenario.run(&scenario.provider(), &journal, None);
    let entries = journal.entries(Scenario::run_id());
    (scenario, entries)
}

#[test]
fn decimals_read_back_to_the_last_digit() {
    let source = r#"{"name":"w","trigger":{"type":"api"},"settings":{"output":"{{10 / 3}}"},
        "steps":[{"id":"list","action":"stripe.listCustomers","config":{"limit":1}}]}"#;
    let scenario = Scenario::new(source, "{}", EXAMPLE_NEW);
    let journal = MemoryJournal::default();
    let (run, _) = scenario.run(&scenario.provider(), &journal, None);
    let folded = Run::fold(Arc::clone(&scenario.definition), &journal.entries(run.id)).unwrap();
    assert_eq!(folded.output.to_string(), "3.333333333333333333333333333");
    assert_eq!(folded.output, run.output);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any prefix folds, one entry at a time or all at once, to the same state.
    #[test]
    fn prefixes_fold(length in 1..15_usize) {
        let (scenario, entries) = whole();
        let prefix = &entries[..length];
        let folded = Run::fold(Arc::clone(&scenario.definition), prefix).unwrap();
        let mut stepwise = Run::begin(Arc::clone(&scenario.definition), &prefix[0]).unwrap();
        for entry in &prefix[1..] {
            stepwise.apply(entry).unwrap();
        }
        prop_assert_eq!(end(&folded), end(&stepwise));
        prop_assert_eq!(folded.summary(), stepwise.summary());
    }

    /// A journal with two entries exchanged, one left out or one twice is refused, and folding it does not panic.
    #[test]
    fn damaged_journals_are_refused(first in 0..15_usize, second in 0..15_usize, renumber in any::<bool>(), kind in 0..3) {
        let (scenario, mut entries) = whole();
        match kind {
            0 if first != second => entries.swap(first, second),
            1 if first < 14 => { entries.remove(first); }
            _ => { let entry = entries[first].clone(); entries.insert(second, entry); }
        }
        if renumber {
            for (index, entry) in entries.iter_mut().enumerate() {
                entry.seq = index as u64 + 1;
            }
        }
        prop_assert!(Run::fold(Arc::clone(&scenario.definition), &entries).is_err());
    }
}
