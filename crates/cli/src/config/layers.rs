//! Where each setting is looked for, and what is done with what stands there.

mod services;

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use loopfour_connect::pace::PaceConfig;
use loopfour_engine::Policy;
use loopfour_server::rate::{BadLimits, Limit, RateLimits};
use loopfour_store::{BadSecret, Secret};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Config, DEFAULT_LISTEN, Flags, Setting};
use crate::failure::Failure;
use services::{NangoTable, OidcTable};

/// Where the settings file is looked for.
const DEFAULT_FILE: &str = "loopfour.toml";
const DEFAULT_DATA: &str = "loopfour-data";
/// Stripe forgets idempotency keys after 24 hours; an hour less leaves room for clocks that differ.
const LONGEST_MARGIN: SignedDuration = SignedDuration::from_hours(23);
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(365 * 24);
const LONGEST_KEPT: SignedDuration = SignedDuration::from_hours(3660 * 24);

/// The settings, and where each comes from.
///
/// # Errors
/// The file cannot be read, has an unknown key, or a value cannot be used.
pub fn settle(
    flags: Flags,
    environment: impl Fn(&str) -> Result<Option<String>, Failure>,
) -> Result<(Config, Vec<Setting>), Failure> {
    let (name, file) = read_file(flags.config.as_deref())?;
    Layers { flags, environment, file, name, settings: Vec::new() }.settle()
}

/// The address that `text` names, where `origin` is the flag or variable that it comes from.
///
/// # Errors
/// It is none.
pub fn address(origin: &'static str, text: &str) -> Result<SocketAddr, Failure> {
    parse((text.to_owned(), Origin::Named(origin)), socket_address)
}

/// The file, key by key.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<String>,
    data: Option<PathBuf>,
    public_url: Option<String>,
    sandbox: Option<bool>,
    stripe: Option<StripeTable>,
    rate_limits: Option<RateLimits>,
    connection_wait: Option<String>,
    redirect_origins: Option<Vec<String>>,
    outbound_allow: Option<Vec<String>>,
    keep_events: Option<String>,
    nango: Option<NangoTable>,
    oidc: Option<OidcTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StripeTable {
    api_base: Option<String>,
    pace: Option<toml::Value>,
    safety_margin: Option<String>,
}

/// Where a value was written.
enum Origin {
    Default,
    /// A flag or a variable, by its name.
    Named(&'static str),
    File {
        name: String,
        key: &'static str,
    },
}

/// For messages.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Named(name) => f.write_str(name),
            Origin::File { name, key } => write!(f, "{name}: {key}"),
        }
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
    /// What was settled so far.
    settings: Vec<Setting>,
}

/// One setting in all places.
#[derive(Default)]
struct Places {
    key: &'static str,
    flag: Option<(&'static str, String)>,
    /// Empty: it cannot be set there.
    variable: &'static str,
    file: Option<String>,
    default: Option<&'static str>,
}

type Written = (String, Origin);

impl<E: Fn(&str) -> Result<Option<String>, Failure>> Layers<E> {
    fn settle(mut self) -> Result<(Config, Vec<Setting>), Failure> {
        let Flags { listen, data, public_url, sandbox, fixtures, config: _ } =
            std::mem::take(&mut self.flags);
        let file = std::mem::take(&mut self.file);
        let stripe = file.stripe.unwrap_or_default();
        let config = Config {
            listen: self.listen(listen, file.listen)?,
            data: self.data(data, file.data)?,
            public_url: self.public_url(public_url, file.public_url)?,
            sandbox: self.sandbox(sandbox, file.sandbox)?,
            fixtures,
            stripe_api_base: self.api_base(stripe.api_base)?,
            stripe_api_key: self.secret("STRIPE_API_KEY")?.map(SecretString::from),
            stripe_webhook_secrets: self.webhook_secrets()?,
            api_key: self.api_key()?,
            rate_limits: self.rate_limits(file.rate_limits)?,
            stripe_pace: self.pace(stripe.pace.as_ref())?,
            policy: Policy {
                safety_margin: self.safety_margin(stripe.safety_margin)?,
                connection_wait: self.connection_wait(file.connection_wait)?,
            },
            redirect_origins: self.redirect_origins(file.redirect_origins)?,
            outbound_allow: self.outbound_allow(file.outbound_allow)?,
            keep_events: self.keep_events(file.keep_events)?,
            nango: self.nango(file.nango.unwrap_or_default())?,
            oidc: self.oidc(file.oidc.unwrap_or_default())?,
            secrets_key_file: self.secrets_key_file()?,
        };
        if config.fixtures.is_some() && !config.sandbox {
            return Err(Failure::refused("--fixtures: there is no sandbox to load them into")
                .hint("`--sandbox` sends actions to the built-in offline Stripe"));
        }
        if let Some(file) = &config.fixtures {
            let (value, source) = (Some(file.display().to_string()), "--fixtures".to_owned());
            self.settings.push(Setting { key: "fixtures", value, source });
        }
        Ok((config, self.settings))
    }

    fn listen(&mut self, flag: Option<String>, file: Option<String>) -> Result<SocketAddr, Failure> {
        let (flag, default) = (flag.map(|value| ("--listen", value)), Some(DEFAULT_LISTEN));
        let places = Places { key: "listen", flag, variable: "LOOPFOUR_LISTEN", file, default };
        let written = self.pick(places)?.unwrap_or((DEFAULT_LISTEN.to_owned(), Origin::Default));
        parse(written, socket_address)
    }

    fn data(&mut self, flag: Option<PathBuf>, file: Option<PathBuf>) -> Result<PathBuf, Failure> {
        let text = |path: PathBuf| path.into_os_string().into_string().map_err(|_| ());
        let flag = flag.map(text).transpose().map_err(|()| Failure::refused("--data: is not UTF-8"))?;
        let (flag, file) = (flag.map(|value| ("--data", value)), file.and_then(|path| text(path).ok()));
        let places =
            Places { key: "data", flag, variable: "LOOPFOUR_DATA", file, default: Some(DEFAULT_DATA) };
        parse(self.pick(places)?.unwrap_or((DEFAULT_DATA.to_owned(), Origin::Default)), directory)
    }

    fn public_url(&mut self, flag: Option<String>, file: Option<String>) -> Result<Option<String>, Failure> {
        let flag = flag.map(|value| ("--public-url", value));
        let places = Places { key: "public_url", flag, variable: "LOOPFOUR_PUBLIC_URL", file, default: None };
        self.pick(places)?.map(|written| parse(written, web_address)).transpose()
    }

    fn sandbox(&mut self, flag: bool, file: Option<bool>) -> Result<bool, Failure> {
        let flag = flag.then(|| ("--sandbox", "on".to_owned()));
        let file = file.map(|on| if on { "on" } else { "off" }.to_owned());
        let default = Some("off");
        let places = Places { key: "sandbox", flag, variable: "LOOPFOUR_SANDBOX", file, default };
        self.pick(places)?.map_or(Ok(false), |written| parse(written, switch))
    }

    fn api_base(&mut self, file: Option<String>) -> Result<Option<String>, Failure> {
        let (variable, default) = ("LOOPFOUR_STRIPE_API_BASE", Some(loopfour_connect::stripe::API_BASE));
        let places = Places { key: "stripe.api_base", flag: None, variable, file, default };
        self.pick(places)?.map(|written| parse(written, web_address)).transpose()
    }

    fn redirect_origins(&mut self, file: Option<Vec<String>>) -> Result<Vec<String>, Failure> {
        let key = "redirect_origins";
        let file = file.unwrap_or_default();
        let (value, source) = match file.is_empty() {
            true => (None, "default".to_owned()),
            false => (Some(file.join(", ")), self.name.clone()),
        };
        self.settings.push(Setting { key, value, source });
        let written = |text| (text, Origin::File { name: self.name.clone(), key });
        file.into_iter().map(|text| parse(written(text), web_origin)).collect()
    }

    fn secrets_key_file(&mut self) -> Result<Option<PathBuf>, Failure> {
        let variable = "LOOPFOUR_SECRETS_KEY_FILE";
        let default = Some("secrets.key in the data directory");
        let written = self.pick(Places { key: variable, variable, default, ..Places::default() })?;
        Ok(written.map(|(path, _)| PathBuf::from(path)))
    }

    /// The first that is written of flag, environment and file, and where that is.
    fn pick(&mut self, places: Places) -> Result<Option<Written>, Failure> {
        self.pick_shown(places, without_password)
    }

    /// The same, of which people are shown what `shown` makes of it.
    fn pick_shown(
        &mut self,
        Places { key, flag, variable, file, default }: Places,
        shown: fn(&str) -> String,
    ) -> Result<Option<Written>, Failure> {
        let variable_set = if variable.is_empty() { None } else { (self.environment)(variable)? };
        let written = match (flag, variable_set) {
            (Some((name, value)), _) => Some((value, Origin::Named(name))),
            (None, Some(value)) => Some((value, Origin::Named(variable))),
            (None, None) => file.map(|value| (value, Origin::File { name: self.name.clone(), key })),
        };
        let (value, source) = match &written {
            Some((value, origin)) => (Some(shown(value)), self.source(origin)),
            None => (default.map(str::to_owned), "default".to_owned()),
        };
        self.settings.push(Setting { key, value, source });
        Ok(written)
    }

    fn source(&self, origin: &Origin) -> String {
        match origin {
            Origin::File { name, .. } => name.clone(),
            named @ (Origin::Default | Origin::Named(_)) => named.to_string(),
        }
    }

    /// A secret, which only the environment may hold.
    fn secret(&mut self, variable: &'static str) -> Result<Option<String>, Failure> {
        let secret = (self.environment)(variable)?;
        let source = if secret.is_some() { variable } else { "default" };
        let value = secret.as_deref().map(masked);
        self.settings.push(Setting { key: variable, value, source: source.to_owned() });
        Ok(secret)
    }

    /// Several while one is rolled, with commas between them.
    fn webhook_secrets(&mut self) -> Result<Vec<SecretString>, Failure> {
        let list = self.secret("STRIPE_WEBHOOK_SECRET")?.unwrap_or_default();
        let secrets = list.split(',').map(str::trim).filter(|secret| !secret.is_empty());
        Ok(secrets.map(SecretString::from).collect())
    }

    /// The message never repeats what was given: it may be a secret that was put in the wrong place.
    fn api_key(&mut self) -> Result<Option<Secret>, Failure> {
        let key = self.secret("LOOPFOUR_API_KEY")?.map(|text| text.parse());
        key.transpose().map_err(|wrong: BadSecret| Failure::refused(format!("LOOPFOUR_API_KEY: {wrong}")))
    }

    fn rate_limits(&mut self, file: Option<RateLimits>) -> Result<RateLimits, Failure> {
        let variable = "LOOPFOUR_RATE_LIMITS";
        let (limits, source) = match ((self.environment)(variable)?, file) {
            (Some(text), _) => {
                let limits = text.parse();
                let wrong = |wrong: BadLimits| Failure::refused(format!("{variable}: {wrong}"));
                (limits.map_err(wrong)?, variable.to_owned())
            }
            (None, Some(limits)) => (limits, self.name.clone()),
            (None, None) => (RateLimits::default(), "default".to_owned()),
        };
        let value = Some(limits_text(limits));
        self.settings.push(Setting { key: "rate_limits", value, source });
        Ok(limits)
    }

    fn pace(&mut self, file: Option<&toml::Value>) -> Result<PaceConfig, Failure> {
        let (variable, key) = ("LOOPFOUR_STRIPE_PACE", "stripe.pace");
        let file = file.map(pace_text);
        let places = Places { key, flag: None, variable, file, default: Some("usual") };
        let Some((text, origin)) = self.pick(places)? else { return Ok(PaceConfig::default()) };
        text.parse().map_err(|wrong| Failure::refused(format!("{origin}: {wrong}")))
    }

    fn safety_margin(&mut self, file: Option<String>) -> Result<i64, Failure> {
        let (key, default) = ("stripe.safety_margin", "20h");
        let written = self.pick(Places { key, file, default: Some(default), ..Places::default() })?;
        milliseconds(written.unwrap_or((default.to_owned(), Origin::Default)), LONGEST_MARGIN)
    }

    fn connection_wait(&mut self, file: Option<String>) -> Result<i64, Failure> {
        let (key, variable, default) = ("connection_wait", "LOOPFOUR_CONNECTION_WAIT", "72h");
        let written = self.pick(Places { key, flag: None, variable, file, default: Some(default) })?;
        milliseconds(written.unwrap_or((default.to_owned(), Origin::Default)), LONGEST_WAIT)
    }

    fn keep_events(&mut self, file: Option<String>) -> Result<i64, Failure> {
        let (key, default) = ("keep_events", "35d");
        let written = self.pick(Places { key, file, default: Some(default), ..Places::default() })?;
        let (value, origin) = written.unwrap_or((default.to_owned(), Origin::Default));
        // Days are what people count such times in; elsewhere they mean different lengths.
        let days = value.strip_suffix('d').and_then(|days| days.trim().parse::<i32>().ok());
        let hours = days.map_or(value.clone(), |days| format!("{}h", i64::from(days) * 24));
        milliseconds((hours, Origin::Default), LONGEST_KEPT).map_err(|_| {
            let days = LONGEST_KEPT.as_hours() / 24;
            Failure::refused(format!(
                "{origin}: `{value}` is not a time from 0d to {days}d, such as 35d or 12h"
            ))
        })
    }
}

/// The table of paces in the form that the variable has. What is neither text nor table is refused by what reads it.
fn pace_text(value: &toml::Value) -> String {
    let plain = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value.as_table() {
        Some(table) => {
            let parts: Vec<String> =
                table.iter().map(|(name, figure)| format!("{name}={}", plain(figure))).collect();
            parts.join(",")
        }
        None => plain(value),
    }
}

/// A length of time as people write it, from nothing to `longest`.
fn milliseconds((value, origin): Written, longest: SignedDuration) -> Result<i64, Failure> {
    let length = value.parse::<SignedDuration>().ok();
    let length = length.filter(|length| (SignedDuration::ZERO..=longest).contains(length));
    length.and_then(|length| i64::try_from(length.as_millis()).ok()).ok_or_else(|| {
        let hours = longest.as_hours();
        Failure::refused(format!("{origin}: `{value}` is not a time from 0s to {hours}h, such as 90m or 20h"))
    })
}

/// As much of a secret as tells what it is: a key of the test mode, say.
fn masked(secret: &str) -> String {
    let known = ["sk_test_", "sk_live_", "rk_test_", "rk_live_", "wfk_", "whsec_"];
    let kind = known.into_iter().find(|kind| secret.starts_with(kind)).unwrap_or_default();
    format!("{kind}****")
}

/// An address without the name and password that may stand in it; other texts as they are.
pub(crate) fn without_password(text: &str) -> String {
    let masked = text.split_once("://").and_then(|(scheme, rest)| {
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (_, host) = authority.rsplit_once('@')?;
        Some(format!("{scheme}://****@{host}{path}"))
    });
    masked.unwrap_or_else(|| text.to_owned())
}

fn limits_text(RateLimits { read, write, execute, webhooks }: RateLimits) -> String {
    let parts = [("read", read), ("write", write), ("execute", execute), ("webhooks", webhooks)];
    let parts = parts.map(|(name, limit)| match limit {
        Limit::Off => format!("{name}=off"),
        Limit::PerMinute(number) => format!("{name}={number}"),
    });
    parts.join(",")
}

fn parse<T>((value, origin): Written, parser: fn(&str) -> Result<T, &'static str>) -> Result<T, Failure> {
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

/// Scheme, host and port, and nothing after them.
fn web_origin(value: &str) -> Result<String, &'static str> {
    let wanted = "an origin such as https://app.example.com";
    let url = reqwest::Url::parse(&web_address(value).map_err(|_| wanted)?).map_err(|_| wanted)?;
    let is_bare = url.path() == "/" && url.username().is_empty() && url.password().is_none();
    if is_bare { Ok(url.origin().ascii_serialization()) } else { Err(wanted) }
}

fn switch(value: &str) -> Result<bool, &'static str> {
    match value {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err("on or off"),
    }
}

#[cfg(test)]
mod tests;
