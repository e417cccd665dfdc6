//! The settings of what stands beside the server: the Nango that keeps OAuth tokens, the OpenID provider that says who
//! people are, and private addresses that may be told of what happens. Half a configuration is refused; nobody is asked here whether it works.

use std::collections::BTreeMap;

use loopfour_connect::outbound::{BadNetwork, Network};
use loopfour_store::Role;
use secrecy::SecretString;
use serde::Deserialize;

use super::super::{Nango, Oidc, Setting};
use super::{Layers, Origin, Places, Written, masked, parse, web_address};
use crate::failure::Failure;

/// Nango's own service.
const NANGO_CLOUD: &str = "https://api.nango.dev";

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NangoTable {
    server_url: Option<String>,
    secret_key: Option<String>,
    webhook_signing_key: Option<String>,
    stripe_integration: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcTable {
    issuer: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    role_map: Option<BTreeMap<String, String>>,
}

impl<E: Fn(&str) -> Result<Option<String>, Failure>> Layers<E> {
    pub(super) fn nango(&mut self, file: NangoTable) -> Result<Option<Nango>, Failure> {
        let server = self.plain("nango.server_url", "NANGO_SERVER_URL", file.server_url)?;
        let key = self.confidential("nango.secret_key", "NANGO_SECRET_KEY", file.secret_key)?;
        let (name, variable) = ("nango.webhook_signing_key", "NANGO_WEBHOOK_SIGNING_KEY");
        let signing = self.confidential(name, variable, file.webhook_signing_key)?;
        let (name, variable) = ("nango.stripe_integration", "LOOPFOUR_NANGO_STRIPE_INTEGRATION");
        let integration = self.plain(name, variable, file.stripe_integration)?;
        let Some((secret_key, _)) = key else {
            let rest = [server, signing, integration];
            return lacking(
                rest,
                "nango.secret_key",
                "set NANGO_SECRET_KEY to the key of one of Nango's environments",
            );
        };
        Ok(Some(Nango {
            server_url: match server {
                Some(written) => parse(written, web_address)?,
                None => NANGO_CLOUD.to_owned(),
            },
            secret_key: secret_key.into(),
            webhook_signing_key: signing.map(secret),
            stripe_integration: integration.map(|(value, _)| value),
        }))
    }

    pub(super) fn oidc(&mut self, file: OidcTable) -> Result<Option<Oidc>, Failure> {
        let issuer = self.plain("oidc.issuer", "LOOPFOUR_OIDC_ISSUER", file.issuer)?;
        let client_id = self.plain("oidc.client_id", "LOOPFOUR_OIDC_CLIENT_ID", file.client_id)?;
        let (name, variable) = ("oidc.client_secret", "LOOPFOUR_OIDC_CLIENT_SECRET");
        let client_secret = self.confidential(name, variable, file.client_secret)?;
        let role_map = self.role_map(file.role_map.unwrap_or_default())?;
        let roles_written = (!role_map.is_empty())
            .then(|| (String::new(), Origin::File { name: self.name.clone(), key: "oidc.role_map" }));
        let Some(issuer) = issuer else {
            let rest = [client_id, client_secret, roles_written];
            return lacking(rest, "oidc.issuer", "set LOOPFOUR_OIDC_ISSUER to the provider's address");
        };
        let Some((client_id, _)) = client_id else {
            let hint = "set LOOPFOUR_OIDC_CLIENT_ID to what this server is called at the provider";
            return lacking([Some(issuer)], "oidc.client_id", hint);
        };
        let issuer = parse(issuer, issuer_address)?;
        Ok(Some(Oidc { issuer, client_id, client_secret: client_secret.map(secret), role_map }))
    }

    pub(super) fn outbound_allow(&mut self, file: Option<Vec<String>>) -> Result<Vec<Network>, Failure> {
        let key = "outbound_allow";
        let file = file.unwrap_or_default();
        let (value, source) = match file.is_empty() {
            true => (None, "default".to_owned()),
            false => (Some(file.join(", ")), self.name.clone()),
        };
        self.settings.push(Setting { key, value, source });
        let network = |text: &String| {
            text.parse()
                .map_err(|wrong: BadNetwork| Failure::refused(format!("{}: {key}: {wrong}", self.name)))
        };
        file.iter().map(network).collect()
    }

    fn role_map(&mut self, file: BTreeMap<String, String>) -> Result<BTreeMap<String, Role>, Failure> {
        let key = "oidc.role_map";
        let mut map = BTreeMap::<String, Role>::new();
        for (group, name) in file {
            let role = name.parse().map_err(|_| {
                let known = Role::ALL.map(Role::name).join(", ");
                Failure::refused(format!(
                    "{}: {key}: `{name}`, which `{group}` is to give, is none of the roles {known}",
                    self.name
                ))
            });
            map.insert(group, role?);
        }
        let (value, source) = match map.is_empty() {
            true => (None, "default".to_owned()),
            false => {
                let parts: Vec<String> =
                    map.iter().map(|(group, role)| format!("{group}={}", role.name())).collect();
                (Some(parts.join(", ")), self.name.clone())
            }
        };
        self.settings.push(Setting { key, value, source });
        Ok(map)
    }

    fn plain(
        &mut self,
        key: &'static str,
        variable: &'static str,
        file: Option<String>,
    ) -> Result<Option<Written>, Failure> {
        let written = self.pick(Places { key, variable, file, ..Places::default() })?;
        written.map(|written| trimmed(written, key)).transpose()
    }

    fn confidential(
        &mut self,
        key: &'static str,
        variable: &'static str,
        file: Option<String>,
    ) -> Result<Option<Written>, Failure> {
        let written = self.pick_shown(Places { key, variable, file, ..Places::default() }, masked)?;
        written.map(|written| trimmed(written, key)).transpose()
    }
}

fn secret((value, _): Written) -> SecretString {
    value.into()
}

/// Without the white space that copying leaves around it.
fn trimmed((value, origin): Written, key: &str) -> Result<Written, Failure> {
    match value.trim() {
        "" => Err(Failure::refused(format!("{origin}: is empty")).hint(format!("leave {key} out"))),
        bare => Ok((bare.to_owned(), origin)),
    }
}

/// Nothing is configured, unless some of it is: then the rest is missing.
fn lacking<T>(
    written: impl IntoIterator<Item = Option<Written>>,
    missing: &str,
    hint: &str,
) -> Result<Option<T>, Failure> {
    match written.into_iter().flatten().next() {
        None => Ok(None),
        Some((_, origin)) => {
            Err(Failure::refused(format!("{origin}: is of no use without {missing}")).hint(hint))
        }
    }
}

/// Whoever could read or change what the provider says could sign in as anybody. It is compared letter by letter with what
/// tokens hold, so nothing is taken from it.
fn issuer_address(value: &str) -> Result<String, &'static str> {
    let wanted = "an https address, or an http address of this machine";
    let url = reqwest::Url::parse(value).map_err(|_| wanted)?;
    let is_here = match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_here);
    let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if is_safe && is_plain { Ok(value.to_owned()) } else { Err(wanted) }
}
