//! Whose secret signed an event, and which connection it belongs to.

use loopfour_connect::webhook::{standard, stripe};
use loopfour_engine::connections::{
    Connection, ConnectionChange, ConnectionError, ConnectionSettings, ConnectionStatus, Connections as _,
    Source,
};
use loopfour_engine::provider_events::{Entrance, Senders as _, SignatureHeaders, Signer};
use loopfour_engine::{CompanyId, ConnectionId, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

use crate::desk::{NOW, OTHER_COMPANY, Start, World, account, actor};
use crate::support::COMPANY;

const BODY: &[u8] = b"{}";

pub fn id(number: u128) -> ConnectionId {
    ConnectionId(Uuid::from_u128(number))
}

pub fn row(number: u128, name: &str, account: Option<&str>, mode: &str) -> Connection {
    Connection {
        id: id(number),
        company: COMPANY,
        name: name.to_owned(),
        provider: "stripe".to_owned(),
        status: ConnectionStatus::Active,
        source: Source::ApiKey,
        mode: Some(mode.to_owned()),
        external_account_id: account.map(str::to_owned),
        former_account: None,
        same_accounts: Vec::new(),
        settings: ConnectionSettings::default(),
        last_error: None,
        last_synced_at: None,
        attempt: None,
        created_at: Timestamp(NOW),
        updated_at: Timestamp(NOW),
    }
}

pub fn with(status: ConnectionStatus, row: Connection) -> Connection {
    Connection { status, ..row }
}

fn acting_for(account: &str, row: Connection) -> Connection {
    let settings = ConnectionSettings { stripe_account: Some(account.to_owned()), ..row.settings.clone() };
    Connection { settings, ..row }
}

/// A server with these connections of `COMPANY`.
pub async fn with_rows(start: Start<'_>, rows: Vec<Connection>) -> World {
    let world = World::new(Start::default()).await;
    let key = |row: &Connection| match row.mode.as_deref() {
        Some("live") => format!("sk_live_{}", row.id),
        _ => format!("sk_test_{}", row.id),
    };
    let kept = rows.into_iter().map(|row| (row.clone(), Some(SecretString::from(key(&row)))));
    *world.shelf.kept.lock().unwrap() = kept.collect();
    world.again(start).await
}

impl World {
    fn route(&self, signer: Signer, account: Option<&str>, livemode: bool) -> Result<ConnectionId, String> {
        self.connect.route(COMPANY, "stripe", signer, account, livemode)
    }

    #[track_caller]
    fn routes(&self, (signer, account, livemode): (Signer, Option<&str>, bool), expect: Result<u128, &str>) {
        let routed = self.route(signer, account, livemode);
        match (&routed, expect) {
            (Ok(routed), Ok(expect)) => assert_eq!(*routed, id(expect)),
            (Err(reason), Err(piece)) if reason.contains(piece) => {}
            _ => panic!("{routed:?} is not {expect:?}"),
        }
    }

    pub fn signs(&self, company: CompanyId, secret: &str) -> Option<Signer> {
        let header = stripe::sign(&secret.into(), Timestamp(NOW), BODY);
        let headers = SignatureHeaders { stripe: Some(&header), ..SignatureHeaders::default() };
        self.connect.verify(company, &Entrance::Stripe, headers, BODY, Timestamp(NOW)).ok()
    }

    fn signs_custom(&self, company: CompanyId, path: &str, secret: &str) -> Option<Signer> {
        let signature = standard::Key::parse(&secret.into()).unwrap().sign("1", Timestamp(NOW), BODY);
        let timestamp = standard::timestamp(Timestamp(NOW));
        let headers = SignatureHeaders {
            stripe: None,
            id: Some("1"),
            timestamp: Some(&timestamp),
            signature: Some(&signature),
        };
        let entrance = Entrance::Custom { path: path.to_owned() };
        self.connect.verify(company, &entrance, headers, BODY, Timestamp(NOW)).ok()
    }

    async fn keep(&self, entrance: Entrance, secrets: &[&str]) -> Result<(), ConnectionError> {
        let secrets = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        self.connect.keep_secrets(COMPANY, entrance, secrets, &actor()).await
    }
}

const COMPANYS: Signer = Signer::Company;

fn signed_by(number: u128) -> Signer {
    Signer::Connection(id(number))
}

#[tokio::test]
async fn an_event_with_an_account_is_the_accounts() {
    let rows = vec![
        row(1, "platform", Some("acct_p"), "test"),
        row(2, "shop", Some("acct_a"), "test"),
        row(3, "shop live", Some("acct_a"), "live"),
        acting_for("acct_b", row(4, "acting", Some("acct_b"), "test")),
        with(ConnectionStatus::Error, row(5, "broken", Some("acct_c"), "test")),
        with(ConnectionStatus::Disconnected, row(6, "ended", Some("acct_d"), "test")),
        row(7, "no account", Some("key:0011"), "test"),
    ];
    let world = with_rows(Start::default(), rows).await;
    world.routes((signed_by(1), Some("acct_a"), false), Ok(2));
    world.routes((COMPANYS, Some("acct_a"), false), Ok(2));
    world.routes((COMPANYS, Some("acct_a"), true), Ok(3));
    // Whoever signed it: the mode is the event's.
    world.routes((signed_by(2), Some("acct_a"), true), Ok(3));
    world.routes((signed_by(1), Some("acct_b"), false), Ok(4));
    world.routes((signed_by(1), Some("acct_b"), true), Err("of live mode, and `acting`"));
    world.routes((signed_by(1), Some("acct_c"), false), Ok(5));
    world.routes((signed_by(1), Some("acct_d"), false), Err("`ended`"));
    world.routes((signed_by(1), Some("acct_p"), false), Ok(1));
    // Never the platform's.
    world.routes((signed_by(1), Some("acct_z"), false), Err("`acct_z`"));
    world.routes((signed_by(7), Some("acct_z"), false), Err("`acct_z`"));
    world.routes((COMPANYS, Some(""), false), Err("no connection"));
    let elsewhere = world.connect.route(OTHER_COMPANY, "stripe", COMPANYS, Some("acct_a"), false);
    assert!(elsewhere.unwrap_err().contains("`acct_a`"));
    assert!(world.connect.route(COMPANY, "other", COMPANYS, Some("acct_a"), false).is_err());
}

#[tokio::test]
async fn an_event_without_an_account_is_whose_secret_signed_it() {
    let rows = vec![
        row(1, "one", Some("acct_a"), "test"),
        row(2, "two", Some("acct_b"), "test"),
        row(3, "one live", Some("acct_a"), "live"),
        with(ConnectionStatus::Error, row(4, "broken", Some("acct_c"), "test")),
        with(ConnectionStatus::Disconnected, row(5, "ended", Some("acct_d"), "test")),
        row(6, "no account", Some("key:0011"), "live"),
    ];
    let world = with_rows(Start::default(), rows).await;
    world.routes((signed_by(1), None, false), Ok(1));
    world.routes((signed_by(2), None, false), Ok(2));
    world.routes((signed_by(2), None, true), Err("of live mode, and `two`"));
    world.routes((signed_by(1), None, true), Ok(3));
    world.routes((signed_by(3), None, false), Ok(1));
    world.routes((signed_by(4), None, false), Ok(4));
    world.routes((signed_by(5), None, false), Err("disconnected"));
    world.routes((signed_by(6), None, true), Ok(6));
    world.routes((signed_by(6), None, false), Err("of test mode, and `no account`"));
    world.routes((signed_by(9), None, false), Err("is gone"));
}

#[tokio::test]
async fn an_event_that_the_company_signed_is_its_only_connections() {
    let check = async |rows: Vec<Connection>, livemode: bool, expect: Result<u128, &str>| {
        let world = with_rows(Start::default(), rows).await;
        world.routes((COMPANYS, None, livemode), expect);
    };
    let one = || row(1, "one", Some("acct_a"), "test");
    let ended = || with(ConnectionStatus::Disconnected, row(2, "ended", Some("acct_b"), "test"));
    let broken = |number| with(ConnectionStatus::Error, row(number, "broken", Some("acct_c"), "test"));
    check(vec![], false, Err("there is no Stripe connection")).await;
    check(vec![ended()], false, Err("there is no Stripe connection")).await;
    check(vec![one()], false, Ok(1)).await;
    check(vec![one()], true, Err("of live mode, and `one`")).await;
    check(vec![one(), ended(), broken(3)], false, Ok(1)).await;
    check(vec![broken(3)], false, Ok(3)).await;
    check(vec![one(), row(2, "two", Some("acct_b"), "test")], false, Err("each of `one`")).await;
    check(vec![one(), row(2, "two", Some("acct_b"), "live")], true, Err("each of `one`")).await;
    check(vec![one(), row(2, "live", Some("acct_a"), "live")], true, Ok(2)).await;
    check(vec![one(), row(2, "live", Some("acct_a"), "live")], false, Ok(1)).await;
    check(vec![row(2, "x", None, "test"), row(3, "y", None, "test")], false, Err("each of")).await;
}

#[tokio::test]
async fn the_environments_connection_counts_while_there_is_no_other() {
    let key = || Start { key: Some("sk_test_environment"), ..Start::default() };
    let world = World::new(key()).await;
    let environment = world.row("environment").id;
    assert_eq!(world.route(COMPANYS, None, false), Ok(environment));
    assert_eq!(world.route(Signer::Connection(environment), None, false), Ok(environment));
    assert!(world.route(COMPANYS, None, true).is_err());
    assert!(world.connect.route(OTHER_COMPANY, "stripe", COMPANYS, None, false).is_err());
    world.stripe.on("GET /v1/account", &[account("acct_e")]);
    world.connect.identify(std::time::Duration::from_secs(20)).await.unwrap();
    assert_eq!(world.route(COMPANYS, Some("acct_e"), false), Ok(environment));
    let world = with_rows(key(), vec![row(1, "one", Some("acct_a"), "test")]).await;
    let environment = world.row("environment").id;
    world.routes((COMPANYS, None, false), Ok(1));
    world.routes((Signer::Connection(environment), None, false), Err("another active connection"));
}

#[tokio::test]
async fn with_the_sandbox_on_it_is_the_only_one() {
    let start = || Start { sandbox: true, webhook_secrets: &["whsec_e"], ..Start::default() };
    let world = with_rows(start(), vec![row(1, "one", Some("acct_a"), "test")]).await;
    let sandbox = world.row("sandbox").id;
    assert_eq!(world.route(COMPANYS, None, false), Ok(sandbox));
    assert_eq!(world.route(Signer::Connection(sandbox), None, false), Ok(sandbox));
    assert!(world.route(COMPANYS, None, true).unwrap_err().contains("the sandbox"));
    world.routes((signed_by(1), None, false), Err("--sandbox"));
    world.routes((COMPANYS, Some("acct_a"), false), Err("--sandbox"));
    let elsewhere = world.connect.route(OTHER_COMPANY, "stripe", COMPANYS, None, false);
    assert_eq!(elsewhere, Ok(sandbox));
}

#[tokio::test]
async fn who_signed_it_is_told_by_the_secret() {
    let rows = vec![row(1, "one", Some("acct_a"), "test"), row(2, "two", Some("acct_b"), "test")];
    let start = || Start { webhook_secrets: &["whsec_old", "whsec_new"], ..Start::default() };
    let mut world = with_rows(start(), rows).await;
    let change = |secrets: &[&str]| ConnectionChange {
        webhook_secrets: Some(secrets.iter().map(|secret| SecretString::from(*secret)).collect()),
        ..ConnectionChange::default()
    };
    let by = actor();
    world.connect.change(COMPANY, id(2), change(&["whsec_two", "whsec_rolled"]), &by).await.unwrap();
    world.keep(Entrance::Stripe, &["whsec_company", "whsec_two"]).await.unwrap();
    // What is stored counts at once, and after the next start.
    for _ in 0..2 {
        assert_eq!(world.signs(COMPANY, "whsec_two"), Some(signed_by(2)));
        assert_eq!(world.signs(COMPANY, "whsec_rolled"), Some(signed_by(2)));
        assert_eq!(world.signs(COMPANY, "whsec_company"), Some(COMPANYS));
        assert_eq!(world.signs(COMPANY, "whsec_old"), Some(COMPANYS));
        assert_eq!(world.signs(COMPANY, "whsec_new"), Some(COMPANYS));
        assert_eq!(world.signs(COMPANY, "whsec_other"), None);
        assert_eq!(world.signs(COMPANY, ""), None);
        for secret in ["whsec_two", "whsec_company", "whsec_old"] {
            assert_eq!(world.signs(OTHER_COMPANY, secret), None);
        }
        assert_eq!(world.connect.secret_counts(COMPANY), [(Entrance::Stripe, 2)]);
        assert_eq!(world.connect.secret_counts(OTHER_COMPANY), []);
        world = world.again(start()).await;
    }
    world.connect.change(COMPANY, id(2), change(&[]), &by).await.unwrap();
    assert_eq!(world.signs(COMPANY, "whsec_two"), Some(COMPANYS));
    world.keep(Entrance::Stripe, &[]).await.unwrap();
    assert_eq!(world.signs(COMPANY, "whsec_two"), None);
    assert_eq!(world.connect.secret_counts(COMPANY), []);
    let nothing = SignatureHeaders::default();
    assert!(world.connect.verify(COMPANY, &Entrance::Stripe, nothing, BODY, Timestamp(NOW)).is_err());
}

#[tokio::test]
async fn the_secrets_of_a_connection_end_with_it() {
    let rows = vec![row(1, "one", Some("acct_a"), "test"), row(2, "two", Some("acct_a"), "test")];
    let world = with_rows(Start::default(), rows).await;
    let by = actor();
    for number in [1, 2] {
        let secrets = Some(vec![format!("whsec_{number}").into()]);
        let change = ConnectionChange { webhook_secrets: secrets, ..ConnectionChange::default() };
        world.connect.change(COMPANY, id(number), change, &by).await.unwrap();
    }
    world.connect.disconnect(COMPANY, id(1), &by).await.unwrap();
    let signs = |world: &World| [world.signs(COMPANY, "whsec_1"), world.signs(COMPANY, "whsec_2")];
    assert_eq!(signs(&world), [None, Some(signed_by(2))]);
    let world = world.again(Start::default()).await;
    assert_eq!(signs(&world), [None, Some(signed_by(2))]);
}

#[tokio::test]
async fn custom_webhooks_have_a_secret_for_each_path() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let world = World::new(Start::default()).await;
    let orders = || Entrance::Custom { path: "orders".to_owned() };
    world.keep(orders(), &[OTHER, SECRET]).await.unwrap();
    assert_eq!(world.signs_custom(COMPANY, "orders", SECRET), Some(COMPANYS));
    assert_eq!(world.signs_custom(COMPANY, "orders", OTHER), Some(COMPANYS));
    assert_eq!(world.signs_custom(COMPANY, "order", SECRET), None);
    assert_eq!(world.signs_custom(OTHER_COMPANY, "orders", SECRET), None);
    assert_eq!(world.connect.secret_counts(COMPANY), [(orders(), 2)]);
    let nothing = SignatureHeaders::default();
    assert!(world.connect.verify(COMPANY, &orders(), nothing, BODY, Timestamp(NOW)).is_err());
    let world = world.again(Start::default()).await;
    assert_eq!(world.signs_custom(COMPANY, "orders", SECRET), Some(COMPANYS));
    world.keep(orders(), &[]).await.unwrap();
    assert_eq!(world.signs_custom(COMPANY, "orders", SECRET), None);
    assert_eq!(world.connect.secret_counts(COMPANY), []);
}

#[tokio::test]
async fn secrets_that_cannot_be_are_not_stored() {
    let world = World::new(Start::default()).await;
    let check = async |entrance: Entrance, secrets: &[&str], wrong: &str| {
        match world.keep(entrance, secrets).await {
            Err(ConnectionError::Invalid { field, .. }) => assert_eq!(field, wrong),
            other => panic!("{other:?}"),
        }
        assert!(world.shelf.signing.lock().unwrap().entrances.is_empty());
    };
    let custom = || Entrance::Custom { path: "orders".to_owned() };
    let long = "x".repeat(256);
    check(Entrance::Stripe, &["whsec_x", ""], "secrets[1]").await;
    check(Entrance::Stripe, &["whsec x"], "secrets[0]").await;
    check(Entrance::Stripe, &[&long], "secrets[0]").await;
    check(Entrance::Stripe, &["x"; 11], "secrets").await;
    check(custom(), &["whsec_short"], "secrets[0]").await;
    check(custom(), &["no base64!"], "secrets[0]").await;
    check(custom(), &["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"; 11], "secrets").await;
    check(Entrance::Custom { path: long }, &[], "path").await;
    *world.shelf.full.lock().unwrap() = true;
    let kept = world.keep(Entrance::Stripe, &["whsec_x"]).await;
    assert!(matches!(kept, Err(ConnectionError::Storage(_))));
    assert_eq!(world.signs(COMPANY, "whsec_x"), None);
}
