//! Secrets at rest: nothing that is stored gives one away, the key file is needed and never overwritten, and an exchange
//! of the key can end at any point.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use loopfour_engine::connections::{ConnectionStore as _, SecretChange};
use loopfour_store::{KEY_FILE, OpenError, ReadOnly, Role, SecretsError, SessionOf};
use proptest::prelude::*;
use secrecy::SecretString;

use super::connections::{connection, keep, loaded, secrets, set};
use super::*;

/// A place with two connections by key, one of them with webhook secrets.
async fn place_of_two() -> Place {
    let place = Place::new().await;
    let (one, two) = (connection(place.company, "one"), connection(place.company, "two"));
    keep(&place.store, &one, set("rk_live_first_secret")).await.unwrap();
    keep(&place.store, &two, set("rk_live_second_secret")).await.unwrap();
    let webhooks = vec![SecretString::from("whsec_third_secret")];
    place.store.keep_webhook_secrets(place.company, one.id, webhooks, &by()).await.unwrap();
    place
}

/// Every secret is read as it was kept.
async fn check_whole(store: &Store) {
    let found = secrets(store).await;
    let named = |name: &str, secret: &str| (name.to_owned(), Some(secret.to_owned()));
    assert_eq!(found, [named("one", "rk_live_first_secret"), named("two", "rk_live_second_secret")]);
    let one = loaded(store).await.unwrap().into_iter().find(|(row, _)| row.name == "one").unwrap().0;
    assert_eq!(store.webhook_secrets(one.company, one.id).await.unwrap().len(), 1);
}

/// How often the bytes hold the text, also in base64 (at each of its three places) and in hexadecimal digits.
fn count(bytes: &[u8], text: &str) -> usize {
    let mut forms: Vec<Vec<u8>> = vec![text.into()];
    for skipped in 0..3 {
        let shifted = [&vec![b'x'; skipped], text.as_bytes()].concat();
        let encoded = BASE64.encode(&shifted[..shifted.len() / 3 * 3]);
        // What stands beside the text changes its first and last letters.
        forms.push(encoded.as_bytes()[skipped.div_ceil(3) * 4..].to_vec());
    }
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.extend([hex.to_uppercase().into(), hex.into()]);
    let found = |form: &Vec<u8>| bytes.windows(form.len()).filter(|part| *part == &**form).count();
    forms.iter().map(found).sum()
}

#[tokio::test]
async fn what_is_stored_gives_no_secret_away() {
    let place = place_of_two().await;
    let ada = place.store.create_member(place.company, "a@b.example", Role::Admin, &by(), NOW).await.unwrap();
    let link = place.store.invite(place.company, ada.id, &by(), NOW).await.unwrap().token;
    let session =
        place.store.open_session(place.company, SessionOf::Member(ada.id), &by(), NOW).await.unwrap().token;
    place.store.rotate_secrets(true, &by(), NOW).await.unwrap();
    let stored = || {
        let files = ["loopfour.db", "loopfour.db-wal"].map(|name| place.directory.path().join(name));
        files.map(|file| std::fs::read(file).unwrap()).concat()
    };
    let key = std::fs::read_to_string(place.directory.path().join(KEY_FILE)).unwrap();
    let keys: Vec<&str> = key.lines().filter_map(|line| line.split_once(' ')).map(|(_, key)| key).collect();
    let raw = keys.iter().filter_map(|key| BASE64.decode(key).ok()).collect::<Vec<_>>();
    assert_eq!(raw.len(), 2, "the title is none");
    let bytes = stored();
    for secret in ["rk_live_first_secret", "second_secret", "third_secret", link.reveal(), session.reveal()] {
        assert_eq!(count(&bytes, secret), 0, "{secret}");
    }
    for key in raw {
        assert!(!bytes.windows(key.len()).any(|part| part == key), "a key of the file");
    }
    // One planted in each form is found.
    for planted in [
        "second_secret".to_owned(),
        BASE64.encode("xysecond_secretz"),
        "7365636f6e645f736563726574".to_owned(),
    ] {
        place.store.create_workflow(place.company, "planted", &planted, &by(), NOW).await.unwrap();
        assert!(count(&stored(), "second_secret") > 0, "{planted}");
        let before = count(&stored(), "second_secret");
        place.store.create_workflow(place.company, "planted", &planted, &by(), NOW).await.unwrap();
        assert!(count(&stored(), "second_secret") > before, "{planted}");
    }
}

#[tokio::test]
async fn a_sealed_secret_in_another_row_or_changed_is_refused() {
    let place = place_of_two().await;
    let db = place.outside();
    let check = async |sql: &str| {
        db.execute_batch("SAVEPOINT spoilt").unwrap();
        db.execute_batch(sql).unwrap();
        db.execute_batch("RELEASE spoilt").unwrap();
        let error = loaded(&place.store).await.map(drop).unwrap_err().to_string();
        assert!(
            error.contains("conn_") && error.contains("was changed, or belongs to another row"),
            "{error}"
        );
    };
    db.execute_batch("CREATE TEMP TABLE kept AS SELECT id, secret, webhook_secrets FROM connections")
        .unwrap();
    let mend = "UPDATE connections SET secret = (SELECT secret FROM kept WHERE kept.id = connections.id)";
    check("UPDATE connections SET secret = (SELECT secret FROM kept WHERE kept.id <> connections.id)").await;
    db.execute(mend, []).unwrap();
    check_whole(&place.store).await;
    check("UPDATE connections SET secret = webhook_secrets WHERE webhook_secrets IS NOT NULL").await;
    db.execute(mend, []).unwrap();
    check("UPDATE connections SET secret = substr(secret, 1, length(secret) - 1)").await;
    db.execute(mend, []).unwrap();
    check("UPDATE connections SET secret = x'01'").await;
}

/// A directory with these two files of others.
fn joined(database: &Path, key: Option<&Path>) -> TempDir {
    let joined = tempfile::tempdir().unwrap();
    for name in ["loopfour.db", "loopfour.db-wal"] {
        if let Ok(bytes) = std::fs::read(database.join(name)) {
            std::fs::write(joined.path().join(name), bytes).unwrap();
        }
    }
    if let Some(key) = key {
        std::fs::copy(key, joined.path().join(KEY_FILE)).unwrap();
    }
    joined
}

#[tokio::test]
async fn a_key_file_that_is_lost_or_another_is_refused_and_left_alone() {
    let (place, other) = (place_of_two().await, Place::new().await);
    let lost = joined(place.directory.path(), None);
    let error = Store::open(lost.path(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Secrets(SecretsError::Lost { .. })), "{error}");
    assert!(!lost.path().join(KEY_FILE).exists());

    let wrong = joined(place.directory.path(), Some(&other.directory.path().join(KEY_FILE)));
    let before = std::fs::read(wrong.path().join(KEY_FILE)).unwrap();
    let error = Store::open(wrong.path(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Secrets(SecretsError::Wrong { .. })), "{error}");
    assert_eq!(std::fs::read(wrong.path().join(KEY_FILE)).unwrap(), before);

    // The right id before another key.
    let text = std::fs::read_to_string(place.directory.path().join(KEY_FILE)).unwrap();
    let (start, _) = text.trim_end().rsplit_once(' ').unwrap();
    std::fs::write(wrong.path().join(KEY_FILE), format!("{start} {}\n", BASE64.encode([7; 32]))).unwrap();
    let error = Store::open(wrong.path(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Secrets(SecretsError::Wrong { .. })), "{error}");

    for text in ["", "not a key\n", "0011223344556677 AAAA\n"] {
        std::fs::write(wrong.path().join(KEY_FILE), text).unwrap();
        let error = Store::open(wrong.path(), NOW).unwrap_err();
        assert!(matches!(error, OpenError::Secrets(SecretsError::Malformed { .. })), "{text:?}: {error}");
        assert_eq!(std::fs::read_to_string(wrong.path().join(KEY_FILE)).unwrap(), text);
        assert_eq!(error.to_string().lines().count(), 1);
    }
    std::fs::copy(place.directory.path().join(KEY_FILE), wrong.path().join(KEY_FILE)).unwrap();
    check_whole(&Store::open(wrong.path(), NOW).unwrap()).await;
}

#[tokio::test]
async fn the_key_file_may_be_elsewhere_and_readable_for_others() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = elsewhere.path().join("loopfour-secrets");
    let store = Store::open_with(data.path(), Some(&file), NOW).unwrap();
    assert_eq!(store.secrets_file(), file);
    keep(&store, &connection(store.default_company(), "one"), set("rk_live_1")).await.unwrap();
    drop(store);
    assert!(!data.path().join(KEY_FILE).exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let store = Store::open_with(data.path(), Some(&file), NOW).unwrap();
    assert_eq!(secrets(&store).await[0].1.as_deref(), Some("rk_live_1"));
    drop(store);
    let error = Store::open(data.path(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Secrets(SecretsError::Lost { .. })), "{error}");
}

/// Several data directories that begin with one key file at the same time all have the one that was first.
#[test]
fn of_several_starts_one_makes_the_key_file() {
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("key");
    let directories: Vec<TempDir> = (0..8).map(|_| tempfile::tempdir().unwrap()).collect();
    std::thread::scope(|scope| {
        for directory in &directories {
            scope.spawn(|| drop(Store::open_with(directory.path(), Some(&file), NOW).unwrap()));
        }
    });
    for directory in &directories {
        Store::open_with(directory.path(), Some(&file), NOW).unwrap();
    }
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing is left beside it");
}

/// The files as they are at each point of an exchange; a start from each reads everything.
#[tokio::test]
async fn an_exchange_of_the_key_loses_nothing_wherever_it_ends() {
    let place = place_of_two().await;
    let file = place.directory.path().join(KEY_FILE);
    let before = joined(place.directory.path(), Some(&file));
    let first = std::fs::read_to_string(&file).unwrap();
    let rotated = place.store.rotate_secrets(true, &by(), NOW).await.unwrap();
    assert_eq!((rotated.secrets, rotated.old_keys_kept), (3, true));
    let both = std::fs::read_to_string(&file).unwrap();
    assert!(both.starts_with(first.trim_end()) && both.lines().count() == first.lines().count() + 1);
    assert!(both.trim_end().lines().last().unwrap().starts_with(&rotated.key.to_string()));
    check_whole(&place.store).await;
    // The file has the new key and nothing is sealed with it; everything is and the file has the old one too.
    for (database, key) in [(before.path(), &file), (place.directory.path(), &file)] {
        let reached = joined(database, Some(key));
        check_whole(&Store::open(reached.path(), NOW).unwrap()).await;
    }
    // Sealed with the new key, and a file from before: refused, and whole with the right one.
    let wrong = joined(place.directory.path(), Some(&before.path().join(KEY_FILE)));
    let error = Store::open(wrong.path(), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Secrets(SecretsError::Wrong { .. })), "{error}");

    let again = place.store.rotate_secrets(false, &by(), NOW).await.unwrap();
    assert_eq!((again.secrets, again.old_keys_kept), (3, false));
    assert_ne!(again.key, rotated.key);
    let last = std::fs::read_to_string(&file).unwrap();
    assert_eq!(last.lines().count(), first.lines().count(), "only what is needed");
    check_whole(&place.store).await;
    keep(&place.store, &connection(place.company, "three"), SecretChange::Keep).await.unwrap();
    let reached = joined(place.directory.path(), Some(&file));
    let store = Store::open(reached.path(), NOW).unwrap();
    assert_eq!(secrets(&store).await.len(), 3);
    let verified = ReadOnly::open(reached.path()).unwrap().audit_verify(None).unwrap();
    assert_eq!(verified.broken, None);
}

/// The key cannot be added where the file cannot be written: nothing is sealed anew.
#[cfg(unix)]
#[tokio::test]
async fn an_exchange_that_cannot_write_the_file_changes_nothing() {
    let (data, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let directory = elsewhere.path().join("keys");
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("key");
    let store = Store::open_with(data.path(), Some(&file), NOW).unwrap();
    keep(&store, &connection(store.default_company(), "one"), set("rk_live_1")).await.unwrap();
    let moved = elsewhere.path().join("moved");
    std::fs::rename(&directory, &moved).unwrap();
    let error = store.rotate_secrets(false, &by(), NOW).await.unwrap_err();
    assert!(error.to_string().contains("cannot be used"), "{error}");
    std::fs::rename(&moved, &directory).unwrap();
    keep(&store, &connection(store.default_company(), "two"), set("rk_live_2")).await.unwrap();
    drop(store);
    let store = Store::open_with(data.path(), Some(&file), NOW).unwrap();
    assert_eq!(secrets(&store).await.len(), 2);
}

/// Keys that are kept while the key is exchanged are sealed with one that stays.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_come_in_during_an_exchange_are_not_lost() {
    let place = Arc::new(place_of_two().await);
    let busy = Arc::clone(&place);
    let work = tokio::spawn(async move {
        for number in 0..60 {
            let row = connection(busy.company, &format!("n{number}"));
            keep(&busy.store, &row, set(&format!("rk_{number}"))).await.unwrap();
        }
    });
    for _ in 0..6 {
        place.store.rotate_secrets(false, &by(), NOW).await.unwrap();
    }
    work.await.unwrap();
    let reached = joined(place.directory.path(), Some(&place.directory.path().join(KEY_FILE)));
    let found = secrets(&Store::open(reached.path(), NOW).unwrap()).await;
    assert_eq!(found.len(), 62);
    assert!(found.iter().all(|(_, secret)| secret.is_some()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever a secret is, it comes back after a rotation too, and in no other form than sealed.
    #[test]
    fn secrets_come_back_whatever_they_are(texts in proptest::collection::vec("\\PC{0,80}", 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let place = Place::new().await;
            for (number, text) in texts.iter().enumerate() {
                keep(&place.store, &connection(place.company, &format!("{number}")), set(text)).await.unwrap();
            }
            place.store.rotate_secrets(false, &by(), NOW).await.unwrap();
            let found = secrets(&place.store).await.into_iter().map(|(_, secret)| secret.unwrap());
            assert_eq!(found.collect::<Vec<_>>(), texts);
        });
    }
}
