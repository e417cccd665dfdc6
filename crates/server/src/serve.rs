//! The accept loop: connections, their limits, and the graceful stop.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::rate::Peer;
use crate::wire::Wire;
use crate::{App, limits, router};

/// Serves until `shutdown` resolves. Then it accepts nothing more, ends streams of events and waits for runs, lets
/// requests under way finish for at most [`limits::STOP_TIME`], and returns.
///
/// # Errors
/// The listener's address cannot be read any more.
pub async fn serve(
    listener: TcpListener,
    app: App,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let router = router(app.clone());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    debug!(address = %listener.local_addr()?, "accepting connections");
    let mut full = false;
    loop {
        full = told_if_full(full, connections.len());
        let (stream, peer) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            // Slow clients are cut off in a while, so that one place after another comes free.
            accepted = listener.accept(), if connections.len() < limits::CONNECTIONS => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    // Out of descriptors, mostly: some will come free, and trying at once would only burn the processor.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        connections.spawn(connection(stream, Peer(peer.ip()), router.clone(), app.stopping()));
    }
    drop(listener);
    app.stop();
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits::STOP_TIME, finished).await.is_err() {
        warn!(connections = connections.len(), "some requests did not finish in time and are cut off");
        connections.shutdown().await;
    }
    Ok(())
}

/// Warns when there are as many connections as there may be, once until half of them have gone.
fn told_if_full(told: bool, connections: usize) -> bool {
    if connections >= limits::CONNECTIONS && !told {
        warn!(connections, "as many connections as there may be; further clients wait until one ends");
    }
    connections >= limits::CONNECTIONS || (told && connections > limits::CONNECTIONS / 2)
}

async fn connection(stream: TcpStream, peer: Peer, router: Router, mut stopping: watch::Receiver<bool>) {
    // An answer goes out at once; it is one write as a rule.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIME)
        .max_header_size(limits::HEADERS);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Wire::new(stream)), service));
    let early = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    let ended = match early {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}
