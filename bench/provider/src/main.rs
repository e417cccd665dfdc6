//! What the benchmark calls instead of Stripe: the six calls of the example, answered at once with canned bodies of the
//! size that Stripe's have, on one thread.
//! It keeps nothing, checks nothing and waits for nothing; the sandbox is the one that behaves like Stripe.
#![expect(clippy::print_stdout, reason = "the driver reads its address there")]

use std::convert::Infallible;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

const CUSTOMERS: &[u8] = include_bytes!("answers/customers.json");
const CUSTOMER: &[u8] = include_bytes!("answers/customer.json");
const DRAFT: &[u8] = include_bytes!("answers/draft.json");
const ITEM: &[u8] = include_bytes!("answers/item.json");
const OPEN: &[u8] = include_bytes!("answers/open.json");

/// Serves until its standard input ends; prints its address when it is ready.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    println!("{}", listener.local_addr()?);
    std::thread::spawn(end_with_standard_input);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client that breaks off ends its own connection and nothing else.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    while let Some(Ok(_)) = body.frame().await {}
    let canned = canned(&head.method, head.uri.path());
    let mut response = Response::new(Full::new(Bytes::from_static(canned.unwrap_or(b"{}"))));
    if canned.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("request-id"), HeaderValue::from_static("req_ThBench0000001"));
    headers.insert(HeaderName::from_static("stripe-version"), HeaderValue::from_static("2026-08-26.dahlia"));
    Ok(response)
}

fn canned(method: &Method, path: &str) -> Option<&'static [u8]> {
    match (method, path) {
        (&Method::GET, "/v1/customers") => Some(CUSTOMERS),
        (&Method::POST, "/v1/customers") => Some(CUSTOMER),
        (&Method::POST, "/v1/invoices") => Some(DRAFT),
        (&Method::POST, "/v1/invoiceitems") => Some(ITEM),
        (&Method::POST, path) if path.ends_with("/finalize") || path.ends_with("/send") => Some(OPEN),
        _ => None,
    }
}

/// The driver holds the other end, so this process ends with the driver in every case.
fn end_with_standard_input() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_s_six_calls_are_answered() {
        let calls = [
            (Method::GET, "/v1/customers", CUSTOMERS),
            (Method::POST, "/v1/customers", CUSTOMER),
            (Method::POST, "/v1/invoices", DRAFT),
            (Method::POST, "/v1/invoiceitems", ITEM),
            (Method::POST, "/v1/invoices/in_1/finalize", OPEN),
            (Method::POST, "/v1/invoices/in_1/send", OPEN),
        ];
        for (method, path, expected) in calls {
            assert_eq!(canned(&method, path), Some(expected), "{method} {path}");
        }
        assert_eq!(canned(&Method::GET, "/v1/invoices"), None);
    }
}
