//! The settings of a server: flag, environment, file, default, in that order of precedence.
//!
//! A setting that cannot be used stops the start, with a message that names where it was written. Secrets come from the
//! environment only and are never printed.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use loopfour_server::rate::{BadLimits, RateLimits};
use loopfour_store::{BadSecret, Secret};
use secrecy::SecretString;
use serde::Deserialize;

use crate::failure::Failure;

/// Where the settings file is looked for.
const DEFAULT_FILE: &str = "loopfour.toml";
/// Where a server listens that is not told.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:3000";
const DEFAULT_DATA: &str = "loopfour-data";
const NO_LIMITS: &str = "this version has no limits yet, only `off` can be said";

/// What the command line says.
#[derive(Debug, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--public-url`
    pub public_url: Option<String>,
    /// `--sandbox`
    pub sandbox: bool,
}

/// The settings in force.
#[derive(Debug)]
pub struct Config {
    /// Where the server listens.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// Whether actions go to the built-in sandbox.
    pub sandbox: bool,
    /// Stripe's address, where it is not the usual one.
    pub stripe_api_base: Option<String>,
    /// The Stripe key of the company `default`.
    pub stripe_api_key: Option<SecretString>,
    /// The first API key.
    pub api_key: Option<Secret>,
    /// How often a key may call.
    pub rate_limits: RateLimits,
}

/// The file, key by key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    data: Option<PathBuf>,
    public_url: Option<String>,
    sandbox: Option<bool>,
    stripe: Option<StripeTable>,
    rate_limits: Option<RateLimits>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StripeTable {
    api_base: Option<String>,
    pace: Option<toml::Value>,
}

/// Where a value was written, for messages.
struct Origin(String);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Config {
    /// The settings of a server of our own that reads neither environment nor file.
    pub fn on(listen: SocketAddr, data: PathBuf) -> Config {
        Config {
            listen,
            data,
            sandbox: false,
            stripe_api_base: None,
            stripe_api_key: None,
            api_key: None,
            // Its only caller is this process.
            rate_limits: RateLimits::OFF,
        }
    }

    /// Reads the settings from the flags, this process's environment and the file.
    ///
    /// # Errors
    /// The file cannot be read, has an unknown key, or a value cannot be used.
    pub fn load(flags: Flags) -> Result<Config, Failure> {
        let (name, file) = read_file(flags.config.as_deref())?;
        Layers { flags, environment, file, name }.settle()
    }
}

/// The address that `text` names, where `origin` is where it was written.
///
/// # Errors
/// It is none.
pub fn address(origin: &str, text: &str) -> Result<SocketAddr, Failure> {
    parse((text.to_owned(), Origin(origin.to_owned())), socket_address)
}

/// An environment variable; an empty one counts as absent.
///
/// # Errors
/// It is not UTF-8.
pub fn environment(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::refused(format!("{name}: is not UTF-8"))),
    }
}

fn read_file(given: Option<&Path>) -> Result<(String, File), Failure> {
    let path = given.unwrap_or(Path::new(DEFAULT_FILE));
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse_file(&name, &text).map(|file| (name, file)),
        Err(cause) if given.is_none() && cause.kind() == std::io::ErrorKind::NotFound => {
            Ok((name, File::default()))
        }
        Err(cause) => Err(Failure::refused(format!("{name}: cannot be read: {cause}"))),
    }
}

fn parse_file(name: &str, text: &str) -> Result<File, Failure> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| format!(":{}", before.matches('\n').count() + 1)).unwrap_or_default();
        Failure::refused(format!("{name}{line}: {}", error.message().replace("unknown field", "unknown key")))
    })
}

/// All places where a setting may be written.
struct Layers<E> {
    flags: Flags,
    environment: E,
    file: File,
    /// The file's name.
    name: String,
}

impl<E: Fn(&str) -> Result<Option<String>, Failure>> Layers<E> {
    fn settle(mut self) -> Result<Config, Failure> {
        let stripe = self.file.stripe.take().unwrap_or_default();
        self.only_off("LOOPFOUR_STRIPE_PACE", "stripe.pace", stripe.pace.as_ref())?;

        let text = |path: PathBuf| path.into_os_string().into_string().map_err(|_| ());
        let data = self.flags.data.take().map(text).transpose();
        let data = data.map_err(|()| Failure::refused("--data: is not UTF-8"))?;
        let file_data = self.file.data.take().and_then(|path| text(path).ok());

        let (listen, file_listen) = (self.flags.listen.take(), self.file.listen.take());
        let listen = self.pick(("--listen", listen), "LOOPFOUR_LISTEN", ("listen", file_listen))?;
        let data = self.pick(("--data", data), "LOOPFOUR_DATA", ("data", file_data))?;
        let (url, file_url) = (self.flags.public_url.take(), self.file.public_url.take());
        let public_url = self.pick(("--public-url", url), "LOOPFOUR_PUBLIC_URL", ("public_url", file_url))?;
        let base = ("stripe.api_base", stripe.api_base);
        let api_base = self.pick(("", None), "LOOPFOUR_STRIPE_API_BASE", base)?;

        // Nothing in this version hands the public address out; a wrong one is told all the same.
        public_url.map(|value| parse(value, web_address)).transpose()?;

        Ok(Config {
            listen: parse(
                listen.unwrap_or((DEFAULT_LISTEN.to_owned(), Origin("listen".to_owned()))),
                socket_address,
            )?,
            data: parse(data.unwrap_or((DEFAULT_DATA.to_owned(), Origin("data".to_owned()))), directory)?,
            sandbox: self.sandbox()?,
            stripe_api_base: api_base.map(|value| parse(value, web_address)).transpose()?,
            stripe_api_key: (self.environment)("STRIPE_API_KEY")?.map(SecretString::from),
            api_key: self.api_key()?,
            rate_limits: self.rate_limits()?,
        })
    }

    /// The first that is written of flag, environment and file, and where that is.
    fn pick(
        &self,
        flag: (&str, Option<String>),
        variable: &str,
        key: (&str, Option<String>),
    ) -> Result<Option<(String, Origin)>, Failure> {
        if let (name, Some(value)) = flag {
            return Ok(Some((value, Origin(name.to_owned()))));
        }
        if let Some(value) = (self.environment)(variable)? {
            return Ok(Some((value, Origin(variable.to_owned()))));
        }
        let (name, value) = key;
        Ok(value.map(|value| (value, Origin(format!("{}: {name}", self.name)))))
    }

    /// The message never repeats what was given: it may be a secret that was put in the wrong place.
    fn api_key(&self) -> Result<Option<Secret>, Failure> {
        let key = (self.environment)("LOOPFOUR_API_KEY")?.map(|text| text.parse());
        key.transpose().map_err(|wrong: BadSecret| Failure::refused(format!("LOOPFOUR_API_KEY: {wrong}")))
    }

    fn rate_limits(&self) -> Result<RateLimits, Failure> {
        match (self.environment)("LOOPFOUR_RATE_LIMITS")? {
            Some(text) => text
                .parse()
                .map_err(|wrong: BadLimits| Failure::refused(format!("LOOPFOUR_RATE_LIMITS: {wrong}"))),
            None => Ok(self.file.rate_limits.unwrap_or_default()),
        }
    }

    fn sandbox(&self) -> Result<bool, Failure> {
        if self.flags.sandbox {
            return Ok(true);
        }
        match (self.environment)("LOOPFOUR_SANDBOX")? {
            Some(value) => parse((value, Origin("LOOPFOUR_SANDBOX".to_owned())), switch),
            None => Ok(self.file.sandbox.unwrap_or(false)),
        }
    }

    /// For settings of limits, which this version does not have: they may be said to be off.
    fn only_off(&self, variable: &str, key: &str, file: Option<&toml::Value>) -> Result<(), Failure> {
        let value = (self.environment)(variable)?;
        if value.as_deref().is_some_and(|value| value != "off") {
            return Err(Failure::refused(format!("{variable}: {NO_LIMITS}")));
        }
        if file.is_some_and(|value| value.as_str() != Some("off")) {
            return Err(Failure::refused(format!("{}: {key}: {NO_LIMITS}", self.name)));
        }
        Ok(())
    }
}

fn parse<T>(
    (value, origin): (String, Origin),
    parser: fn(&str) -> Result<T, &'static str>,
) -> Result<T, Failure> {
    parser(&value).map_err(|wanted| Failure::refused(format!("{origin}: `{value}` is not {wanted}")))
}

fn socket_address(value: &str) -> Result<SocketAddr, &'static str> {
    let found = value.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or("an address such as 127.0.0.1:3000")
}

fn directory(value: &str) -> Result<PathBuf, &'static str> {
    if value.is_empty() { Err("a directory") } else { Ok(PathBuf::from(value)) }
}

/// Without the slash at its end.
fn web_address(value: &str) -> Result<String, &'static str> {
    let wanted = "an http or https address";
    let url = reqwest::Url::parse(value).map_err(|_| wanted)?;
    let usable = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none();
    if usable { Ok(url.as_str().trim_end_matches('/').to_owned()) } else { Err(wanted) }
}

fn switch(value: &str) -> Result<bool, &'static str> {
    match value {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err("on or off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(flags: Flags, variables: &[(&str, &str)], text: &str) -> Result<Config, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty()))
        };
        let file = parse_file("loopfour.toml", text).map_err(|failure| failure.to_string())?;
        let layers = Layers { flags, environment, file, name: "loopfour.toml".to_owned() };
        layers.settle().map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
        let listen = |flag: Option<&str>, variable: &str, file: &str| {
            let flags = Flags { listen: flag.map(str::to_owned), ..Flags::default() };
            settle(flags, &[("LOOPFOUR_LISTEN", variable)], file).unwrap().listen.port()
        };
        assert_eq!(listen(Some("127.0.0.1:1"), "127.0.0.1:2", "listen = '127.0.0.1:3'"), 1);
        assert_eq!(listen(None, "127.0.0.1:2", "listen = '127.0.0.1:3'"), 2);
        assert_eq!(listen(None, "", "listen = '127.0.0.1:3'"), 3);
        assert_eq!(listen(None, "", ""), 3000);
    }

    #[track_caller]
    fn refused(variables: &[(&str, &str)], file: &str, expected: &str) {
        assert_eq!(settle(Flags::default(), variables, file).unwrap_err(), expected);
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_place() {
        refused(
            &[],
            "data = 'x'\nlistn = 'y'",
            "loopfour.toml:2: unknown key `listn`, expected one of `listen`, `data`, `public_url`, `sandbox`, \
             `stripe`, `rate_limits`",
        );
        refused(
            &[],
            "[stripe]\nbase = ''",
            "loopfour.toml:2: unknown key `base`, expected `api_base` or `pace`",
        );
        refused(&[], "listen = 3000", "loopfour.toml:1: invalid type: integer `3000`, expected a string");
        refused(
            &[],
            "listen = '3000'",
            "loopfour.toml: listen: `3000` is not an address such as 127.0.0.1:3000",
        );
        refused(&[("LOOPFOUR_SANDBOX", "maybe")], "", "LOOPFOUR_SANDBOX: `maybe` is not on or off");
        refused(
            &[("LOOPFOUR_STRIPE_API_BASE", "api.stripe.com")],
            "",
            "LOOPFOUR_STRIPE_API_BASE: `api.stripe.com` is not an http or https address",
        );
        refused(
            &[("LOOPFOUR_PUBLIC_URL", "ftp://x")],
            "",
            "LOOPFOUR_PUBLIC_URL: `ftp://x` is not an http or https address",
        );
        refused(
            &[("LOOPFOUR_API_KEY", "wfk_short")],
            "",
            "LOOPFOUR_API_KEY: an API key is `wfk_` and 32 letters or digits",
        );
        refused(&[], "data = ''", "loopfour.toml: data: `` is not a directory");
    }

    #[test]
    fn rate_limits_come_from_the_environment_or_the_file() {
        let limits = |variable: &str, file: &str| {
            settle(Flags::default(), &[("LOOPFOUR_RATE_LIMITS", variable)], file).unwrap().rate_limits
        };
        assert_eq!(limits("", ""), RateLimits::default());
        assert_eq!(limits("", "rate_limits = 'off'"), RateLimits::OFF);
        let file = "rate_limits = { read = 5, write = 'off' }";
        assert_eq!(limits("", file), "read=5,write=off".parse().unwrap());
        assert_eq!(limits("execute=7", file), "execute=7".parse().unwrap());
        let said =
            "say `off` or some of `read=N,write=N,execute=N,webhooks=N`, N a whole number from 1 or `off`";
        refused(
            &[("LOOPFOUR_RATE_LIMITS", "read=0")],
            "",
            &format!("LOOPFOUR_RATE_LIMITS: `0` is no limit; {said}"),
        );
        refused(
            &[],
            "[rate_limits]\nreed = 5",
            &format!("loopfour.toml:1: `reed` is none of read, write, execute, webhooks; {said}"),
        );
    }

    #[test]
    fn the_pace_can_only_be_off() {
        refused(
            &[("LOOPFOUR_STRIPE_PACE", "read=1")],
            "",
            "LOOPFOUR_STRIPE_PACE: this version has no limits yet, only `off` can be said",
        );
        let off = [("LOOPFOUR_RATE_LIMITS", "off"), ("LOOPFOUR_STRIPE_PACE", "off")];
        settle(Flags::default(), &off, "rate_limits = 'off'\n[stripe]\npace = 'off'").unwrap();
    }

    #[test]
    fn addresses_lose_the_slash_at_their_end() {
        let config = settle(Flags::default(), &[("LOOPFOUR_STRIPE_API_BASE", "http://127.0.0.1:9/")], "");
        assert_eq!(config.unwrap().stripe_api_base.as_deref(), Some("http://127.0.0.1:9"));
    }
}
