use loopfour_engine::ports::Journal as _;
use loopfour_engine::{Receipt, StepError};
use loopfour_lang::{Document, Object};
use proptest::prelude::*;

use super::*;

/// A number with up to 28 digits, some after the point.
fn decimal() -> impl Strategy<Value = Value> {
    ("-?[1-9][0-9]{0,13}", "[0-9]{0,13}[1-9]").prop_map(|(whole, fraction)| {
        serde_json::from_str(&format!("{whole}.{fraction}")).expect("a decimal in range")
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x1f\"\\\\/\u{7f}\u{2028}\u{feff}\u{fffd}😀]{0,12}",
        Just("{{ steps.a.output }}".to_owned()),
        Just("'; DROP TABLE events; --".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        decimal(),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4)
                .prop_map(|members| Value::from(members.into_iter().collect::<Object>())),
        ]
    })
}

fn event() -> impl Strategy<Value = Event> {
    let path = || text().prop_map(StepPath);
    let receipt =
        Receipt { status: 200, request_id: Some("req_1".to_owned()), replayed: true, date: Some(7) };
    prop_oneof![
        (path(), any::<u32>(), value()).prop_map(move |(path, epoch, output)| Event::StepSucceeded {
            path,
            epoch,
            output: output.into(),
            receipt: receipt.clone(),
        }),
        (path(), prop::option::of(value()), text(), prop::option::of(value())).prop_map(
            |(path, input, message, fallback)| Event::StepFailed {
                path,
                epoch: 1,
                input,
                error: Box::new(StepError::new("card_declined", message, "ask for another card")),
                fallback,
            }
        ),
        path().prop_map(|path| Event::StepSkipped { path }),
        prop::option::of(value())
            .prop_map(|output| Event::RunCompleted { output: output.map(Document::from) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In batches of any sizes.
    #[test]
    fn what_is_written_is_read_back_exactly(
        input in value(),
        batches in prop::collection::vec(prop::collection::vec((any::<i64>(), event()), 0..4), 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let place = Place::new().await;
            let start = place.start(NOW, None);
            let run = start.run;
            let mut written = start.entries.to_vec();
            if let Event::RunStarted { input: slot, .. } = &mut written[0].event {
                *slot = input;
            }
            place.store.append(Append { entries: written.clone().into(), ..start }).await.unwrap();
            for batch in batches {
                let expected = written.len() as u64;
                let numbered = (expected + 1..).zip(batch);
                let entries: Vec<Entry> =
                    numbered.map(|(seq, (at, event))| Entry { seq, at: Timestamp(at), event }).collect();
                written.extend(entries.iter().cloned());
                let summary = summary(RunStatus::Running);
                place.store.append(Append { run, expected, entries: entries.into(), summary }).await.unwrap();
            }
            let read = place.store.load(run).await.unwrap();
            assert_eq!(&read, &written);
            // Equal values may be written differently (1.0 and 1); stored text must not change either.
            assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&written).unwrap());
        });
    }
}
