//! HTTP/1.1 in and out: the accept loop, request bodies, response headers, cut connections.
//! What a request means is decided in `call` and `controls`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::call::{self, Answer, Cut, Request, Shared};
use crate::clock::http_date;
use crate::controls;
use crate::errors::Failure;
use crate::ids;
use crate::sender;

/// The largest request body, in bytes.
const LARGEST_BODY: usize = 2 * 1024 * 1024;
/// How long a request body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);
/// How long calls in flight have to end once the sandbox is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Serves until `shutdown` ends, then lets the calls in flight end.
pub(crate) async fn serve(shared: Arc<Shared>, listener: &TcpListener, shutdown: impl Future<Output = ()>) {
    let (stop, stopped) = watch::channel(());
    let sender = tokio::spawn(sender::run(Arc::clone(&shared)));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(Arc::clone(&shared), stream, stopped.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the sandbox could not take a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(stop);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIME, drained).await.is_err() {
        connections.shutdown().await;
    }
    // What it has under way is sent again after the next start.
    sender.abort();
    drop(sender.await);
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, mut stopped: watch::Receiver<()>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(move |request| respond(Arc::clone(&shared), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        // The sender is never used, only dropped.
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the sandbox ended early");
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(BODY_TIME, Limited::new(body, LARGEST_BODY).collect()).await;
    let body = match body {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Ok(too_large(&shared)),
        // The client went away, or is too slow to be waited for.
        Ok(Err(_)) | Err(_) => return Err(Cut),
    };
    let request = Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    let answer = if request.path == "/_sandbox" || request.path.starts_with("/_sandbox/") {
        controls::answer(&shared, &request).await
    } else {
        call::answer(&shared, &request).await?
    };
    Ok(response(&shared, answer))
}

fn too_large(shared: &Shared) -> Response<Full<Bytes>> {
    let failure = Failure::too_large(LARGEST_BODY);
    let body = Bytes::from(format!("{:#}\n", failure.body()));
    let headers = call::headers(&ids::fresh("req_", 14));
    response(shared, Answer { status: failure.status, headers, body })
}

fn response(shared: &Shared, answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(date) = HeaderValue::try_from(http_date(shared.clock.seconds())) {
        headers.insert(DATE, date);
    }
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    response
}
