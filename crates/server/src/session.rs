//! Sessions in browsers: the cookie that carries one, and the proof that a writing request comes from our own pages.

use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;
use loopfour_engine::Timestamp;
use loopfour_store::Token;

use crate::App;
use crate::error::{Code, Error};

/// The cookie that carries a session.
pub const SESSION: &str = "loopfour_session";

/// The value of a cookie; none where it is missing, or given more than once: who can add one is not to choose. Only whole
/// names count, and what else browsers send along may be any bytes.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().map(|line| line.as_bytes());
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    match (values.next(), values.next()) {
        (Some(value), None) => String::from_utf8(value.to_vec()).ok(),
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

/// The cookie of a session that was just opened, until it ends.
pub fn open(app: &App, token: &Token, end: Timestamp) -> String {
    set_cookie(app, SESSION, token.reveal(), "/", end.0.saturating_sub(app.now().0) / 1000)
}

/// What takes the session's cookie away.
pub fn close(app: &App) -> String {
    set_cookie(app, SESSION, "", "/", 0)
}

/// Demands that a request comes from one of our own pages: browsers say so, and other pages cannot make them lie. Ours are
/// those of the public address and, as long as that is not https, of the host that was asked, since a server on one's own
/// machine has several names.
///
/// # Errors
/// 403.
pub fn own_origin(parts: &Parts, app: &App) -> Result<(), Error> {
    let mut origins = parts.headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.to_str().unwrap_or_default(),
        (None, _) => return Err(foreign("the header `origin` is missing")),
        (Some(_), Some(_)) => return Err(foreign("the header `origin` is given more than once")),
    };
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let is_hosts = !app.settings().is_https() && !host.is_empty() && named == Some(host);
    if is_hosts || origin == own(&app.settings().public_url) {
        return Ok(());
    }
    Err(foreign("the request comes from another site"))
}

/// The origin of an address, as browsers write it.
fn own(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let host = rest.split('/').next().unwrap_or_default();
    let usual = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    format!("{scheme}://{}", host.strip_suffix(usual).unwrap_or(host)).to_ascii_lowercase()
}

fn foreign(why: &str) -> Error {
    let message =
        format!("{why}: with a session, changes are made from this server's own pages; programs use a key");
    Error::new(Code::Forbidden, message)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(headers: &[&str], expected: Option<&str>) {
        let mut map = HeaderMap::new();
        for text in headers {
            map.append(header::COOKIE, HeaderValue::from_bytes(text.as_bytes()).expect("a header"));
        }
        assert_eq!(cookie(&map, SESSION).as_deref(), expected, "{headers:?}");
    }

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (address, origin) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("https://Flow.Example.com/loopfour", "https://flow.example.com"),
            ("https://flow.example.com:443", "https://flow.example.com"),
            ("http://flow.example.com:80", "http://flow.example.com"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(own(address), origin);
        }
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
        check(&["loopfour_session =a", "Loopfour_session=a"], None);
        check(&[], None);
        // Other programs at the same host have cookies too.
        check(&["other=\u{e9}; loopfour_session=a"], Some("a"));
        check(&["loopfour_session=a", "other=\u{e9}; loopfour_session=b"], None);
    }
}
