//! `/login`: the page on which people sign in, until they see the rest. It loads nothing from elsewhere.

use axum::extract::State;
use axum::response::Response;
use hyper::Uri;

use crate::App;
use crate::api::reference::served;
use crate::error::Error;

const PAGE: &str = include_str!("../../assets/login.html");
const SCRIPT: &str = include_str!("../../assets/login.js");
const STYLE: &str = include_str!("../../assets/login.css");
/// Tells the page that there is an OpenID provider.
const OPENID: &str = "<meta name=\"openid\" content=\"on\">\n</head>";

/// `GET /login`.
///
/// # Errors
/// 400.
pub async fn page(State(app): State<App>, uri: Uri) -> Result<Response, Error> {
    let page = match app.identity() {
        Some(_) => PAGE.replacen("</head>", OPENID, 1),
        None => PAGE.to_owned(),
    };
    served(&uri, "text/html; charset=utf-8", page)
}

/// `GET /login/page.js`.
///
/// # Errors
/// 400.
pub async fn script(uri: Uri) -> Result<Response, Error> {
    served(&uri, "text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /login/page.css`.
///
/// # Errors
/// 400.
pub async fn style(uri: Uri) -> Result<Response, Error> {
    served(&uri, "text/css; charset=utf-8", STYLE)
}
