//! `POST /webhooks/nango/:attempt`: Nango's news of an authorisation. It is believed only as far as to ask Nango at once,
//! which happens anyway when somebody looks; so a replay does no harm, and a lost one none either.

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::header::{self, HeaderMap, HeaderValue};
use loopfour_engine::connections::{AuthorizationNews, ConnectionError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use sha2::Sha256;

use crate::App;
use crate::auth::AttemptId;
use crate::body;
use crate::error::{Code, Error, Problem};
use crate::query::Query;
use crate::rate::Peer;

/// Hex of the HMAC-SHA256 of the body. Nango's older `x-nango-signature` can be forged, and is not looked at.
const SIGNATURE: &str = "x-nango-hmac-sha256";
/// Longest reason that is handed on, characters.
const LONGEST_REASON: usize = 1000;

/// What Nango says; it says more, and may say other things tomorrow.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct News {
    r#type: String,
    operation: Option<String>,
    success: Option<bool>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    r#type: Option<String>,
    description: Option<String>,
}

/// `POST /webhooks/nango/:attempt`.
///
/// # Errors
/// 401 for a signature that is missing or bad, without a signing key, and for an unknown try, all alike; 400, 408, 413; 429
/// for too many from one address; 503 where the storage fails or Nango does not answer, so that it sends it again.
pub async fn receive(
    State(app): State<App>,
    AttemptId(attempt): AttemptId,
    request: Request,
) -> Result<Response, Error> {
    if let Some(Peer(address)) = request.extensions().get() {
        app.rates().webhook(*address, app.now())?;
    }
    Query::of(request.uri()).finish()?;
    let headers = request.headers().clone();
    let body = body::raw(request).await?;
    let key = app.settings().nango_signing_key.as_ref();
    if !key.is_some_and(|key| is_signed(key, &headers, &body)) {
        return Err(refused());
    }
    let attempt = attempt.ok_or_else(refused)?;
    let news: News = serde_json::from_slice(&body).map_err(|error| {
        Error::invalid("the body is no webhook of Nango's", vec![Problem::new("", error.to_string())])
    })?;
    if news.r#type == "auth" {
        match app.connections().look_at_attempt(attempt, news.told()).await {
            Ok(_) => {}
            Err(ConnectionError::Missing(_)) => return Err(refused()),
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = r#"{"received":true}"#.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn refused() -> Error {
    Error::new(Code::Unauthorized, "the signature in `x-nango-hmac-sha256` is missing or not good")
}

/// Whether the body was signed with this key; compared in constant time.
fn is_signed(key: &SecretString, headers: &HeaderMap, body: &[u8]) -> bool {
    let mut given = headers.get_all(SIGNATURE).iter();
    let (Some(signature), None) = (given.next(), given.next()) else { return false };
    let Some(signature) = from_hex(signature.as_bytes()) else { return false };
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()) else { return false };
    mac.chain_update(body).verify_slice(&signature).is_ok()
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.chunks(2).map(|pair| match *pair {
        [high, low] => Some((digit(high)? << 4) | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

impl News {
    /// What it says of the try. News of a token's refresh say nothing of one.
    fn told(self) -> Option<AuthorizationNews> {
        let success = self.success.filter(|_| self.operation.as_deref() != Some("refresh"))?;
        let reason = self.error.and_then(|fault| fault.description.or(fault.r#type));
        let reason = reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
        Some(AuthorizationNews { success, reason })
    }
}
