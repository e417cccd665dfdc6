//! Calls out: webhooks, the sandbox, and what a person's browser would do. Plain HTTP only, one connection a call.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{HeaderMap, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long a call may take, as long as Nango waits for a webhook.
const TIME: Duration = Duration::from_secs(20);

/// A call to be made.
#[derive(Default)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) body: Bytes,
    /// Where to connect to, without TLS, whatever the URL names: as behind a proxy that ends TLS.
    pub(super) connect_to: Option<String>,
}

/// What came back.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Makes a call, and follows no redirect.
pub(super) async fn send(call: Call<'_>) -> io::Result<Reply> {
    let answered = tokio::time::timeout(TIME, exchange(call)).await;
    answered.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

async fn exchange(call: Call<'_>) -> io::Result<Reply> {
    let uri: Uri = call.url.parse().map_err(io::Error::other)?;
    let is_plain = uri.scheme_str() == Some("http") || call.connect_to.is_some();
    let authority = uri.authority().filter(|_| is_plain);
    let authority = authority.ok_or_else(|| io::Error::other(format!("not http: {}", call.url)))?;
    let address = format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(call.connect_to.unwrap_or(address)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder().method(call.method).uri(path).header(HOST, authority.as_str());
    for (name, value) in call.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(call.body)).map_err(io::Error::other)?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        Ok::<_, hyper::Error>((parts, body.collect().await?.to_bytes()))
    };
    // The connection only moves while it is polled, and its own end says nothing that the answer does not.
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        _ = &mut connection => answer.await,
    };
    let (parts, body) = answered.map_err(io::Error::other)?;
    Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
}
