//! Idempotency keys never change, since a run may outlive the version that began it.

use loopfour_engine::run::idempotency_key;
use loopfour_engine::{RunId, StepPath};
use uuid::Uuid;

#[track_caller]
fn key(run: u128, path: &str, epoch: u32) -> String {
    idempotency_key(RunId(Uuid::from_u128(run)), &StepPath(path.to_owned()), epoch).to_string()
}

#[test]
fn keys_are_pinned() {
    assert_eq!(key(1, "create-invoice", 1), "896e7b4b-e740-56c3-8441-0104867c50f3");
}

#[test]
fn run_path_and_epoch_each_make_another_key() {
    let keys =
        [key(1, "a", 1), key(2, "a", 1), key(1, "b", 1), key(1, "a", 2), key(1, "a[1]", 1), key(1, "a/1", 1)];
    let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}
