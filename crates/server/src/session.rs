//! Sessions in browsers: the cookie that carries one, and the proof that a writing request comes from our own pages.

use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use loopfour_store::Opened;

use crate::App;
use crate::error::{Code, Error};

/// The cookie that carries a session.
pub const SESSION: &str = "loopfour_session";

/// The value of a cookie; none where it is missing, or given more than once: who can add one is not to choose.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(found, _)| found.trim() == name).map(|(_, value)| value.trim());
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.to_owned()),
        _ => None,
    }
}

/// A cookie for this server's pages alone, out of reach of scripts, for `path` and so many seconds.
pub fn set_cookie(app: &App, name: &str, value: &str, path: &str, seconds: i64) -> String {
    let mut cookie = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    if app.settings().is_https() {
        cookie.push_str("; Secure");
    }
    cookie
}

/// The cookie of a session that was just opened.
pub fn open(app: &App, session: &Opened) -> String {
    let left = session.expires_at.0.saturating_sub(app.now().0) / 1000;
    set_cookie(app, SESSION, session.token.reveal(), "/", left)
}

/// What takes the session's cookie away.
pub fn close(app: &App) -> String {
    set_cookie(app, SESSION, "", "/", 0)
}

/// Demands that a request comes from one of our own pages: browsers say so, and other pages cannot make them lie.
///
/// # Errors
/// 403.
pub fn own_origin(parts: &Parts, app: &App) -> Result<(), Error> {
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next().map(|origin| origin.to_str()), origins.next()) {
        (Some(Ok(origin)), None) => origin,
        _ => return Err(foreign("the header `origin` is missing")),
    };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_host =
        |host: &str| origin.strip_prefix("http://").or(origin.strip_prefix("https://")) == Some(host);
    let is_own = origin == own(app) || host.is_some_and(is_host);
    if is_own { Ok(()) } else { Err(foreign("the request comes from another site")) }
}

/// The origin of the public address: it without its path.
fn own(app: &App) -> &str {
    let address = app.settings().public_url.as_str();
    let authority = address.find("://").map_or(0, |at| at + 3);
    let path = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    &address[..path]
}

fn foreign(why: &str) -> Error {
    let message =
        format!("{why}: with a session, changes are made from this server's own pages; programs use a key");
    Error::new(Code::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[&str], expected: Option<&str>) {
        let mut map = HeaderMap::new();
        for text in headers {
            map.append(header::COOKIE, text.parse().expect("a header"));
        }
        assert_eq!(cookie(&map, SESSION).as_deref(), expected, "{headers:?}");
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_only_once() {
        check(&["loopfour_session=a"], Some("a"));
        check(&["x=1; loopfour_session=a; y=2"], Some("a"));
        check(&["x=1", "loopfour_session=a=b"], Some("a=b"));
        check(&["loopfour_session="], Some(""));
        check(&["xloopfour_session=a", "loopfour_sessions=b", "loopfour_session"], None);
        check(&["loopfour_session=a; loopfour_session=b"], None);
        check(&["loopfour_session=a", "loopfour_session=a"], None);
        check(&[], None);
    }
}
