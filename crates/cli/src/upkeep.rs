//! What a server does beside answering and running: it passes on that a connection can be used again, keeps Stripe told of
//! where to send events, and drops what is old.

use std::time::Duration;

use loopfour_connect::Connect;
use loopfour_engine::ports::Clock as _;
use loopfour_engine::{Actor, CompanyId};
use loopfour_host::{Host, SystemClock};
use loopfour_server::App;
use loopfour_server::api::listening;
use loopfour_store::{Order, Span, StorageError, Store};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tracing::warn;

/// How often it is looked for events that are old.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// Companies that are read at a time.
const PAGE: u32 = 100;

/// Begins all of it; it ends when the set is dropped.
pub fn begin(
    app: &App,
    store: &Store,
    host: &Host<Store, Connect, SystemClock>,
    changes: UnboundedReceiver<CompanyId>,
    keep_events: i64,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(pass_on(changes, host.clone(), app.clone()));
    tasks.spawn(settle_all(store.clone(), app.clone()));
    tasks.spawn(sweep(store.clone(), keep_events));
    tasks
}

/// Lets runs go on that wait for a connection, whenever one of their company can be used again; Stripe may not know yet where
/// to send its events.
async fn pass_on(
    mut changes: UnboundedReceiver<CompanyId>,
    host: Host<Store, Connect, SystemClock>,
    app: App,
) {
    let mut settling = JoinSet::new();
    while let Some(company) = changes.recv().await {
        host.connection_changed(company).await;
        while settling.try_join_next().is_some() {}
        let app = app.clone();
        // Stripe may be slow, and runs are not to wait for that.
        settling.spawn(async move { settle(&app, company).await });
    }
}

/// What was changed while the server was down, its own address perhaps, is told to Stripe.
async fn settle_all(store: Store, app: App) {
    match companies(&store).await {
        Ok(companies) => {
            for company in companies {
                settle(&app, company).await;
            }
        }
        Err(cause) => warn!(%cause, "Stripe's endpoints are not looked after before the next change"),
    }
}

async fn companies(store: &Store) -> Result<Vec<CompanyId>, StorageError> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.companies(Span { limit: PAGE, order: Order::Ascending, after }).await?;
        found.extend(page.rows.into_iter().map(|company| company.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

async fn settle(app: &App, company: CompanyId) {
    match listening::settle(app, company, &Actor::system("server")).await {
        Ok(endpoints) => {
            for endpoint in
                endpoints.iter().filter(|endpoint| !endpoint.settled && !endpoint.events.is_empty())
            {
                warn!(%company, "{}", endpoint.note);
            }
        }
        Err(cause) => warn!(%company, %cause, "Stripe's endpoints are not looked after"),
    }
}

/// Drops what events brought so long ago, a few at a time.
async fn sweep(store: Store, keep_events: i64) {
    loop {
        match store.sweep_events(SystemClock.now(), keep_events).await {
            Ok(true) => {}
            Ok(false) => tokio::time::sleep(SWEEP).await,
            Err(cause) => {
                warn!(%cause, "old events stay for now");
                tokio::time::sleep(SWEEP).await;
            }
        }
    }
}
