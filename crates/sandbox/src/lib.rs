//! An offline Stripe: it keeps state, refuses what Stripe refuses, honours idempotency keys and
//! misbehaves when asked. It speaks one version of the API, `2026-08-26.dahlia`, and knows some of
//! its operations; what it does not know it refuses by name instead of faking it.
//!
//! Each change of state is told by events (`/v1/events`), kept for thirty days; what fixtures bring is not. They are
//! delivered, signed, to the webhook endpoints that want them, and tried again by the sandbox's clock for three days
//! (after 5 s, 1 min, 10 min, 1 h, 3 h, 6 h, 12 h, 24 h, 24 h); the time in a signature is the real one. An endpoint
//! with `connect` is the default account's, and gets the events of all other accounts.
//!
//! The API lives under `/v1/`, for any key `sk_test_…` or `rk_test_…` and any OAuth token that it was told of by
//! `POST /_sandbox/keys` (`{"key", "account"?, "connected"?, "revoked"?, "expires_at"?, "permissions"?}`, the
//! whole of it each time). Each key is an account's, and each account's objects are its own. The sandbox's own controls
//! live under `/_sandbox/` and need no key: `calls`, `in_flight`, `objects`, `faults`, `storm`,
//! `clock`, `fixtures`, `limits`, `keys`, `authenticate`, `deliveries` (what was delivered and what waits; POST
//! `{"paused"?, "duplicates"?, "newest_first"?}` holds it back, sends it more than once, or backwards),
//! `events/<id>/resend`, `trigger` (GET lists the events that can be caused; POST `{"event", "account"?}` makes the
//! changes that cause one), `reset`.
//! In a data folder every change is on the disk before it is answered; without one all is in memory.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use loopfour_sandbox::{Config, Sandbox};
//!
//! let sandbox = Sandbox::open(Config::default())?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
//! let shutdown = async { /* ends when the sandbox should stop */ };
//! sandbox.serve(listener, shutdown).await
//! # }).unwrap();
//! ```

mod calendar;
mod call;
mod calls;
mod cards;
mod clock;
mod controls;
mod deliveries;
mod disk;
mod errors;
mod events;
mod faults;
pub mod form;
mod idempotency;
mod ids;
mod keys;
mod limits;
mod money;
mod objects;
mod paging;
mod params;
mod record;
mod resources;
mod sender;
mod server;
pub mod shape;
mod state;
mod store;
mod storm;
mod table;
mod trigger;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::net::TcpListener;

use crate::call::Shared;
use crate::calls::Calls;
use crate::controls::Fixtures;
use crate::faults::Faults;
use crate::idempotency::InFlight;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::sender::Post;
use crate::store::{Opened, Store};
use crate::storm::Weather;
use crate::table::TABLE;

/// Where the sandbox may listen. Its controls need no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// On the loopback interface only.
    #[default]
    Loopback,
    /// On any interface: whoever reaches it can read and change everything in it.
    Anywhere,
}

/// How a sandbox is set up. The default keeps all in memory and listens on loopback only.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The folder for its file `sandbox.db`, made if need be; in memory without one.
    pub data: Option<PathBuf>,
    /// A JSON file `{"objects": […]}` of objects with given ids, loaded at the start.
    /// Those whose ids are there already are left as they are.
    pub fixtures: Option<PathBuf>,
    /// Which account a key belongs to, by key; all others belong to one default account.
    pub accounts: BTreeMap<String, String>,
    /// Where it may listen.
    pub reach: Reach,
}

/// Why a sandbox could not be opened or served.
#[derive(Debug, Error)]
pub enum Error {
    /// The data folder could not be made.
    #[error("the sandbox's folder `{path}` cannot be made: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file could not be opened, read or written; another sandbox may have it open.
    #[error("the sandbox's file `sandbox.db` cannot be used: {0}; is another sandbox using it?")]
    File(#[from] rusqlite::Error),
    /// The file comes from a newer program.
    #[error("the sandbox's file `sandbox.db` has the format {found}, this program knows up to {known}")]
    Newer {
        /// The format of the file.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// The fixtures could not be loaded.
    #[error("the fixtures `{path}` cannot be loaded: {message}")]
    Fixtures {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The listener is on an interface that others can reach.
    #[error(
        "the sandbox would listen on {0}, which others can reach, and its controls need no key; use 127.0.0.1"
    )]
    NotLoopback(SocketAddr),
    /// The system refused a thread or told nothing of the listener.
    #[error("the sandbox cannot run: {0}")]
    System(#[from] std::io::Error),
}

/// An offline Stripe, opened and ready to serve.
pub struct Sandbox {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    reach: Reach,
}

impl Sandbox {
    /// Loads what the data folder holds, then the fixtures. Reads files, so it blocks for a moment.
    ///
    /// # Errors
    /// Where the folder, the file or the fixtures cannot be used, or another sandbox uses the file.
    pub fn open(config: Config) -> Result<Sandbox, Error> {
        std::sync::LazyLock::force(&TABLE);
        let fixtures = config.fixtures.map(read_fixtures).transpose()?;
        let Opened { store, clock, wake, thread } = Store::open(config.data.as_deref(), fixtures)?;
        let shared = Arc::new(Shared {
            store,
            clock,
            keys: Keys::new(config.accounts),
            faults: Mutex::new(Faults::default()),
            weather: Mutex::new(Weather::default()),
            limits: Mutex::new(Limits::default()),
            calls: Mutex::new(Calls::default()),
            in_flight: InFlight::default(),
            post: Post::new(wake),
        });
        Ok(Sandbox { shared, thread, reach: config.reach })
    }

    /// Serves HTTP/1.1 until `shutdown` ends; calls in flight then have five seconds to end. Returns
    /// only after the file is closed.
    ///
    /// # Errors
    /// [`Error::NotLoopback`] where the listener is on another interface than [`Reach`] allows.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr()?;
        if self.reach == Reach::Loopback && !address.ip().is_loopback() {
            return Err(Error::NotLoopback(address));
        }
        let Sandbox { shared, thread, .. } = self;
        server::serve(shared, &listener, shutdown).await;
        // The last handle to the store is gone now, so its thread ends after what it still has to write.
        if tokio::task::spawn_blocking(|| thread.join()).await.is_err() {
            tracing::error!("the sandbox's store ended badly");
        }
        Ok(())
    }
}

fn read_fixtures(path: PathBuf) -> Result<(PathBuf, Fixtures), Error> {
    let fail = |path: &PathBuf, message: String| Error::Fixtures { path: path.clone(), message };
    let text = std::fs::read(&path).map_err(|error| fail(&path, error.to_string()))?;
    let fixtures = serde_json::from_slice(&text).map_err(|error| fail(&path, error.to_string()))?;
    Ok((path, fixtures))
}
