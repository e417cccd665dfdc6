//! The graph of branches against the reference's sentences, read one by one over every way in which the conditions of a
//! small workflow can choose.

use loopfour_lang::graph::{Graph, Lists, Outline, Verdict};
use loopfour_lang::step::condition::Branch::{self, Else, Then};
use proptest::prelude::*;

/// What the sentences give for one way of choosing.
struct Told {
    verdicts: Vec<Verdict>,
    /// A step for which two conditions decide.
    conflict: bool,
}

/// Reads the sentences. `choices[i]` is what condition `i` chooses if it runs; `None`: it fails and the run goes on.
fn tell(steps: &[Outline], choices: &[Option<Branch>]) -> Told {
    let mut told = Told { verdicts: Vec::new(), conflict: false };
    let mut decider: Vec<Option<usize>> = Vec::new();
    for (step, outline) in steps.iter().enumerate() {
        let names = |condition: usize| {
            steps[condition]
                .condition
                .as_ref()
                .is_some_and(|lists| lists.then.contains(&step) || lists.otherwise.contains(&step))
        };
        let ran_and_chose =
            |condition: &usize| told.verdicts[*condition] != Verdict::Skip && choices[*condition].is_some();
        if !(0..step).any(names) {
            // A step that no condition names runs in its order.
            told.verdicts.push(Verdict::Run);
            decider.push(None);
            continue;
        }
        let namers: Vec<usize> =
            (0..step).filter(|condition| names(*condition)).filter(ran_and_chose).collect();
        // Of the conditions that name the step and ran, one that led to another of them gives way to it.
        let led = |from: usize, to: usize| led_by(steps, choices, &told.verdicts, from).contains(&to);
        let kept: Vec<usize> = namers
            .iter()
            .copied()
            .filter(|from| !namers.iter().any(|to| to != from && led(*from, *to)))
            .collect();
        for one in &namers {
            for other in &namers {
                told.conflict |= one < other && !led(*one, *other) && !led(*other, *one);
            }
        }
        let verdict = match kept.first() {
            None => Verdict::Skip,
            Some(condition) if chosen_by(steps, choices, *condition).contains(&step) => Verdict::Run,
            Some(condition) => {
                let because = because_of(steps, choices, &told.verdicts, &decider, *condition);
                if outline.feeds.iter().any(|feed| because.contains(feed)) {
                    Verdict::Join
                } else {
                    Verdict::Skip
                }
            }
        };
        told.verdicts.push(verdict);
        decider.push(kept.first().copied());
    }
    told
}

/// The list that a condition chose.
fn chosen_by(steps: &[Outline], choices: &[Option<Branch>], condition: usize) -> Vec<usize> {
    match (&steps[condition].condition, choices[condition]) {
        (Some(lists), Some(Then)) => lists.then.clone(),
        (Some(lists), Some(Else)) => lists.otherwise.clone(),
        (_, None) | (None, _) => Vec::new(),
    }
}

/// Every step that a condition chose, directly or through conditions between that ran.
fn led_by(steps: &[Outline], choices: &[Option<Branch>], verdicts: &[Verdict], from: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = chosen_by(steps, choices, from);
    while let Some(step) = open.pop() {
        if !found.contains(&step) {
            found.push(step);
            if verdicts.get(step).is_some_and(|verdict| *verdict != Verdict::Skip) {
                open.extend(chosen_by(steps, choices, step));
            }
        }
    }
    found
}

/// Every step that ran because a condition chose as it did: named in its list, joined since it was not, or either of both
/// through a condition that is itself one of them.
fn because_of(
    steps: &[Outline],
    choices: &[Option<Branch>],
    verdicts: &[Verdict],
    decider: &[Option<usize>],
    condition: usize,
) -> Vec<usize> {
    let mut found = Vec::new();
    let mut open = vec![condition];
    while let Some(from) = open.pop() {
        let joined = (0..verdicts.len())
            .filter(|step| verdicts[*step] == Verdict::Join && decider[*step] == Some(from));
        let next: Vec<usize> = chosen_by(steps, choices, from).into_iter().chain(joined).collect();
        for step in next {
            let ran = verdicts.get(step).is_some_and(|verdict| *verdict != Verdict::Skip);
            if ran && !found.contains(&step) {
                found.push(step);
                open.push(step);
            }
        }
    }
    found
}

/// Every way in which the conditions can choose.
fn ways(steps: &[Outline]) -> Vec<Vec<Option<Branch>>> {
    let mut ways = vec![Vec::new()];
    for outline in steps {
        let choices: &[Option<Branch>] = match &outline.condition {
            None => &[None],
            Some(lists) if lists.may_fail => &[Some(Then), Some(Else), None],
            Some(_) => &[Some(Then), Some(Else)],
        };
        ways = ways
            .into_iter()
            .flat_map(|way| choices.iter().map(move |choice| [way.clone(), vec![*choice]].concat()))
            .collect();
    }
    ways
}

/// A workflow: for each step, whether it is a condition, whether that may fail, whom it names, what feeds it.
fn outlines() -> impl Strategy<Value = Vec<Outline>> {
    let naming = prop_oneof![6 => Just(None), 2 => Just(Some(Then)), 2 => Just(Some(Else))];
    let step = (
        any::<bool>(),
        prop::bool::weighted(0.15),
        prop::collection::vec(naming, 8),
        prop::collection::vec(prop::bool::weighted(0.3), 8),
    );
    prop::collection::vec(step, 2..9).prop_map(|drawn| {
        let length = drawn.len();
        let mut outlines = Vec::new();
        for (position, (is_condition, may_fail, names, feeds)) in drawn.into_iter().enumerate() {
            let list =
                |branch| (position + 1..length).filter(|step| names[step - 1] == Some(branch)).collect();
            let lists = || Lists { then: list(Then), otherwise: list(Else), may_fail };
            let feeds = (0..position).filter(|feed| feeds[*feed]).collect();
            outlines.push(Outline { condition: is_condition.then(lists), feeds });
        }
        outlines
    })
}

/// Compares everything that the graph says with the sentences; tells whether the workflow is without conflict.
fn compare(steps: &[Outline]) -> bool {
    let (graph, conflicts) = Graph::build(steps).expect("small workflows are never too entangled");
    let told: Vec<(Vec<Option<Branch>>, Told)> =
        ways(steps).into_iter().map(|way| (way.clone(), tell(steps, &way))).collect();
    assert_eq!(!conflicts.is_empty(), told.iter().any(|(_, told)| told.conflict), "{steps:?}");
    if !conflicts.is_empty() {
        return false;
    }
    let ran = |told: &Told, step: usize| told.verdicts[step] != Verdict::Skip;
    for (way, told) in &told {
        for (step, verdict) in told.verdicts.iter().enumerate() {
            let chosen = |condition: usize| way[condition].filter(|_| ran(told, condition));
            assert_eq!(graph.verdict(step, &chosen), *verdict, "step {step} when {way:?} of {steps:?}");
        }
    }
    for reader in 0..steps.len() {
        let joins = told.iter().any(|(_, told)| told.verdicts[reader] == Verdict::Join);
        assert_eq!(graph.can_join(reader), joins, "{reader} joins in {steps:?}");
        assert_eq!(graph.can_run(reader), told.iter().any(|(_, told)| ran(told, reader)));
        for source in 0..reader {
            let both = told.iter().any(|(_, told)| ran(told, reader) && ran(told, source));
            let without = told.iter().any(|(_, told)| ran(told, reader) && !ran(told, source));
            assert_eq!(graph.can_both_run(Some(reader), source), both, "{reader} with {source} in {steps:?}");
            assert_eq!(
                graph.can_run_without(Some(reader), source),
                without,
                "{reader} without {source} in {steps:?}"
            );
        }
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn the_graph_says_what_the_sentences_say(steps in outlines()) {
        compare(&steps);
    }
}

/// A condition with these lists.
fn condition(then: &[usize], otherwise: &[usize]) -> Outline {
    Outline {
        condition: Some(Lists { then: then.to_vec(), otherwise: otherwise.to_vec(), may_fail: false }),
        feeds: Vec::new(),
    }
}

/// Any other step, fed by these.
fn step(feeds: &[usize]) -> Outline {
    Outline { condition: None, feeds: feeds.to_vec() }
}

/// Checks the verdict of every step for one way of choosing, in letters: `r` runs, `j` joins, `-` is skipped.
#[track_caller]
fn verdicts(steps: &[Outline], choices: &[(usize, Branch)], expect: &str) {
    assert!(compare(steps), "no two conditions decide");
    let (graph, _) = Graph::build(steps).expect("not too entangled");
    let mut ran: Vec<Verdict> = Vec::new();
    for step in 0..steps.len() {
        let choice =
            |condition| choices.iter().find(|(step, _)| *step == condition).map(|(_, branch)| *branch);
        let chosen = |condition: usize| choice(condition).filter(|_| ran[condition] != Verdict::Skip);
        let verdict = graph.verdict(step, &chosen);
        ran.push(verdict);
    }
    let letter = |verdict: &Verdict| match verdict {
        Verdict::Run => 'r',
        Verdict::Join => 'j',
        Verdict::Skip => '-',
    };
    assert_eq!(ran.iter().map(letter).collect::<String>(), expect);
}

#[test]
fn the_sources_example_joins() {
    // list, check, create-customer, create-invoice, the rest
    let steps = [step(&[]), condition(&[3], &[2]), step(&[]), step(&[0, 2]), step(&[0, 2])];
    verdicts(&steps, &[(1, Then)], "rr-rr");
    verdicts(&steps, &[(1, Else)], "rrrjr");
}

#[test]
fn pairs_that_do_not_feed_each_other_stay_exclusive() {
    let steps = [condition(&[1], &[2]), step(&[]), step(&[])];
    verdicts(&steps, &[(0, Then)], "rr-");
    verdicts(&steps, &[(0, Else)], "r-r");
}

#[test]
fn a_skipped_condition_chooses_nothing() {
    let steps = [condition(&[1], &[]), condition(&[2], &[3]), step(&[]), step(&[])];
    verdicts(&steps, &[(0, Else), (1, Then)], "r---");
    verdicts(&steps, &[(0, Then), (1, Else)], "rr-r");
}

#[test]
fn an_else_if_chain_may_share_a_step() {
    let steps = [condition(&[2], &[1]), condition(&[2], &[3]), step(&[]), step(&[])];
    verdicts(&steps, &[(0, Then)], "r-r-");
    verdicts(&steps, &[(0, Else), (1, Then)], "rrr-");
    verdicts(&steps, &[(0, Else), (1, Else)], "rr-r");
}

#[test]
fn the_condition_inside_decides_on_a_step_of_the_branch() {
    let steps = [condition(&[1, 2, 3], &[]), condition(&[2], &[]), step(&[]), step(&[])];
    verdicts(&steps, &[(0, Then), (1, Else)], "rr-r");
    verdicts(&steps, &[(0, Then), (1, Then)], "rrrr");
}

#[test]
fn a_join_is_fed_through_a_condition_in_the_branch() {
    let steps = [condition(&[3], &[1]), condition(&[2], &[]), step(&[]), step(&[2])];
    verdicts(&steps, &[(0, Else), (1, Then)], "rrrj");
    verdicts(&steps, &[(0, Else), (1, Else)], "rr--");
}

#[test]
fn a_joined_step_feeds_another_join() {
    let steps = [condition(&[2, 3], &[1]), step(&[]), step(&[1]), step(&[2])];
    verdicts(&steps, &[(0, Else)], "rrjj");
    verdicts(&steps, &[(0, Then)], "r-rr");
}

#[test]
fn a_joined_condition_decides() {
    let mut joined = condition(&[3], &[]);
    joined.feeds = vec![1];
    let steps = [condition(&[2], &[1]), step(&[]), joined, step(&[])];
    verdicts(&steps, &[(0, Else), (2, Then)], "rrjr");
    verdicts(&steps, &[(0, Else), (2, Else)], "rrj-");
}

#[test]
fn two_conditions_that_can_both_run_may_not_share_a_step() {
    let steps = [condition(&[2], &[]), condition(&[], &[2]), step(&[])];
    let (_, conflicts) = Graph::build(&steps).expect("not too entangled");
    let pairs: Vec<_> =
        conflicts.iter().map(|conflict| (conflict.step, conflict.first, conflict.second)).collect();
    assert_eq!(pairs, [(2, 0, 1)]);
}

#[test]
fn a_long_chain_is_followed_and_a_tangle_is_given_up() {
    let length = 500;
    let chain: Vec<Outline> = (0..length)
        .map(|step| if step + 2 < length { condition(&[length - 1], &[step + 1]) } else { self::step(&[]) })
        .collect();
    let (graph, conflicts) = Graph::build(&chain).expect("a chain is simple");
    assert_eq!(conflicts, []);
    assert!(graph.can_run_without(None, length - 1));
    let tangle: Vec<Outline> = (0..2000).map(|_| condition(&[1999], &[])).collect();
    assert!(Graph::build(&tangle).is_err());
}
