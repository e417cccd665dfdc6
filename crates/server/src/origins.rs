//! Where people may be sent on to once they authorised a connection: to our own origin and to those of the setting
//! `redirect_origins`. Anything else would let a link that begins with our name end at a stranger's page.

use loopfour_engine::ConnectionId;
use url::{Origin, Url};

/// Longest address, characters.
const LONGEST: usize = 2048;

/// Origins that are known.
#[derive(Debug)]
pub struct Origins(Vec<Origin>);

impl Origins {
    /// The origins of these addresses; what is no address of the web is none.
    pub fn of<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Origins {
        let parsed = addresses.into_iter().filter_map(|address| Url::parse(address).ok());
        Origins(parsed.map(|url| url.origin()).filter(Origin::is_tuple).collect())
    }

    /// The address, if people may be sent there. It is as a browser reads it: what was compared is what is visited.
    ///
    /// # Errors
    /// What is wrong with it; it ends as a sentence that begins with the parameter's name.
    pub fn allow(&self, text: &str) -> Result<Url, String> {
        if text.chars().count() > LONGEST {
            return Err(format!("must have at most {LONGEST} characters"));
        }
        let url = Url::parse(text).map_err(|_| format!("must be a whole address, not `{text}`"))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(format!("must begin with https:// or http://, not `{}:`", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user name or password".to_owned());
        }
        let origin = url.origin();
        if self.0.contains(&origin) {
            return Ok(url);
        }
        let known: Vec<String> = self.0.iter().map(Origin::ascii_serialization).collect();
        Err(format!(
            "has the origin `{}`, where nobody is sent; known are {} and what the setting `redirect_origins` adds",
            origin.ascii_serialization(),
            known.join(", "),
        ))
    }
}

/// The address with what became of the connection.
pub fn told(mut url: Url, connection: ConnectionId, success: bool) -> Url {
    url.query_pairs_mut()
        .append_pair("connectionId", &connection.to_string())
        .append_pair("success", if success { "true" } else { "false" });
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [&str; 3] =
        ["https://flows.example.com/loopfour", "http://localhost:8080", "mailto:a@example.com"];

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let allowed = Origins::of(OWN).allow(text);
        let allowed =
            allowed.as_ref().map(Url::as_str).map_err(|why| why.split(';').next().unwrap_or_default());
        assert_eq!(allowed, expected, "{text}");
    }

    #[test]
    fn nobody_is_sent_to_another_origin() {
        check("https://flows.example.com/done?a=1#b", Ok("https://flows.example.com/done?a=1#b"));
        check("https://flows.example.com:443", Ok("https://flows.example.com/"));
        check("HTTPS://FLOWS.example.com/", Ok("https://flows.example.com/"));
        check("http://localhost:8080/", Ok("http://localhost:8080/"));
        // As browsers read it, which is what goes out.
        check("https:\\\\flows.example.com\\@evil.example", Ok("https://flows.example.com/@evil.example"));
        check(" https://flows.example.com/\t\n", Ok("https://flows.example.com/"));
        for (text, origin) in [
            ("https://evil.example/", "https://evil.example"),
            ("https:evil.example", "https://evil.example"),
            ("https://flows.example.com.evil.example/", "https://flows.example.com.evil.example"),
            ("https://flows.example.com./", "https://flows.example.com."),
            ("https://evilflows.example.com/", "https://evilflows.example.com"),
            ("https://evil.example\\.flows.example.com/", "https://evil.example"),
            ("https://evil.example#@flows.example.com/", "https://evil.example"),
            ("https://evil.example?flows.example.com", "https://evil.example"),
            ("http://flows.example.com/", "http://flows.example.com"),
            ("https://flows.example.com:8443/", "https://flows.example.com:8443"),
            ("http://localhost/", "http://localhost"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ] {
            check(text, Err(&format!("has the origin `{origin}`, where nobody is sent")));
        }
        for text in
            ["", "/done", "//flows.example.com/", "flows.example.com", "https://", "\\\\flows.example.com"]
        {
            check(text, Err(&format!("must be a whole address, not `{text}`")));
        }
        for text in
            ["javascript:alert(1)", "data:text/html,x", "mailto:a@example.com", "ftp://flows.example.com/"]
        {
            let scheme = text.split(':').next().unwrap_or_default();
            check(text, Err(&format!("must begin with https:// or http://, not `{scheme}:`")));
        }
        for text in [
            "https://me@flows.example.com/",
            "https://me:x@flows.example.com/",
            "https://:x@flows.example.com/",
        ] {
            check(text, Err("must hold no user name or password"));
        }
        let long = format!("https://flows.example.com/{}", "x".repeat(2048));
        check(&long, Err("must have at most 2048 characters"));
    }

    #[test]
    fn what_became_of_it_goes_before_the_fragment() {
        let url = Origins::of(OWN)
            .allow("https://flows.example.com/done?connectionId=x#top")
            .expect("it is allowed");
        let id = ConnectionId(uuid::Uuid::nil());
        let expected =
            format!("https://flows.example.com/done?connectionId=x&connectionId={id}&success=false#top");
        assert_eq!(told(url, id, false).as_str(), expected);
    }
}
