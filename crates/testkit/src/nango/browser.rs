//! What a person does with a link, for tests that have no browser.

use std::io;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::client::{self, Call, Reply};
use super::{Nango, sessions};

/// The page at which the person ends up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its status.
    pub status: u16,
    /// Its text.
    pub body: String,
}

impl Nango {
    /// Follows a link to the provider's page and allows the access to that account; the last page.
    ///
    /// # Errors
    /// Where a page does not answer.
    pub async fn allow(&self, link: &str, account: &str) -> io::Result<Page> {
        let account = utf8_percent_encode(account, NON_ALPHANUMERIC);
        consent(link, &format!("&account={account}&allow=1")).await
    }

    /// Follows a link to the provider's page and denies the access; the last page.
    ///
    /// # Errors
    /// Where a page does not answer.
    pub async fn deny(&self, link: &str) -> io::Result<Page> {
        consent(link, "&deny=1").await
    }

    /// Types a key into the hosted page that a link leads to, for the first integration that its session allows.
    ///
    /// # Errors
    /// Where the link is none of a session that allows one integration, or nothing answers.
    pub async fn give_key(&self, link: &str, key: &str) -> io::Result<Page> {
        let token = link.split_once("session_token=").map_or("", |(_, token)| token);
        let session = sessions::find(&self.shared, token).ok();
        let integration = session.and_then(|session| session.allowed?.into_iter().next());
        let integration = integration.ok_or_else(|| io::Error::other(format!("no session: {link}")))?;
        let call = Call {
            method: "POST",
            url: &format!("{}/api-auth/basic/{integration}?connect_session_token={token}", self.url()),
            headers: vec![("content-type", "application/json".to_owned())],
            body: json!({"username": key, "password": ""}).to_string().into(),
            ..Call::default()
        };
        client::send(call).await.map(page)
    }
}

/// From the link to the consent page, presses the button there, and goes back.
async fn consent(link: &str, pressed: &str) -> io::Result<Page> {
    let asked = open(link).await?;
    let Some(at) = location(&asked) else { return Ok(page(asked)) };
    let pressed = open(&format!("{at}{pressed}")).await?;
    let Some(back) = location(&pressed) else { return Ok(page(pressed)) };
    open(&back).await.map(page)
}

async fn open(url: &str) -> io::Result<Reply> {
    client::send(Call { method: "GET", url, ..Call::default() }).await
}

fn location(reply: &Reply) -> Option<String> {
    reply.headers.get("location").and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn page(reply: Reply) -> Page {
    Page { status: reply.status, body: String::from_utf8_lossy(&reply.body).into_owned() }
}
