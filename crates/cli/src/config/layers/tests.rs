//! Settings from every place, and what is said of those that cannot be used.

use loopfour_store::Role;
use secrecy::ExposeSecret as _;

use super::*;

fn settle(flags: Flags, variables: &[(&str, &str)], text: &str) -> Result<Config, String> {
    explain(flags, variables, text).map(|(config, _)| config)
}

fn explain(flags: Flags, variables: &[(&str, &str)], text: &str) -> Result<(Config, Vec<Setting>), String> {
    let environment = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        Ok(found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty()))
    };
    let file = parse_file("loopfour.toml", text).map_err(|failure| failure.to_string())?;
    let layers = Layers { flags, environment, file, name: "loopfour.toml".to_owned(), settings: Vec::new() };
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
         `stripe`, `rate_limits`, `connection_wait`, `redirect_origins`, `outbound_allow`, `keep_events`, `nango`, `oidc`",
    );
    refused(
        &[],
        "[stripe]\nbase = ''",
        "loopfour.toml:2: unknown key `base`, expected one of `api_base`, `pace`, `safety_margin`",
    );
    refused(&[], "listen = 3000", "loopfour.toml:1: invalid type: integer `3000`, expected a string");
    refused(&[], "listen = '3000'", "loopfour.toml: listen: `3000` is not an address such as 127.0.0.1:3000");
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
    let said = "say `off` or some of `read=N,write=N,execute=N,webhooks=N`, N a whole number from 1 or `off`";
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
fn each_setting_is_told_with_its_place_and_no_secret_is() {
    let flags = Flags { data: Some("x".into()), ..Flags::default() };
    let variables = [
        ("LOOPFOUR_LISTEN", "127.0.0.1:1"),
        ("STRIPE_API_KEY", "rk_live_confidential"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_confidential, whsec_next"),
        ("LOOPFOUR_RATE_LIMITS", "off"),
    ];
    let (_, settings) = explain(flags, &variables, "sandbox = true").unwrap();
    let lines = settings.iter().map(|setting| {
        let value = setting.value.as_deref().unwrap_or("-");
        format!("{} {value} {}", setting.key, setting.source)
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    listen 127.0.0.1:1 LOOPFOUR_LISTEN
    data x --data
    public_url - default
    sandbox on loopfour.toml
    stripe.api_base https://api.stripe.com default
    STRIPE_API_KEY rk_live_**** STRIPE_API_KEY
    STRIPE_WEBHOOK_SECRET whsec_**** STRIPE_WEBHOOK_SECRET
    LOOPFOUR_API_KEY - default
    rate_limits read=off,write=off,execute=off,webhooks=off LOOPFOUR_RATE_LIMITS
    stripe.pace usual default
    stripe.safety_margin 20h default
    connection_wait 72h default
    redirect_origins - default
    outbound_allow - default
    keep_events 35d default
    nango.server_url - default
    nango.secret_key - default
    nango.webhook_signing_key - default
    nango.stripe_integration - default
    oidc.issuer - default
    oidc.client_id - default
    oidc.client_secret - default
    oidc.role_map - default
    LOOPFOUR_SECRETS_KEY_FILE secrets.key in the data directory default
    ");
    assert_eq!(masked("confidential"), "****");
    assert_eq!(without_password("http://me:secret@host:1/p@th?q"), "http://****@host:1/p@th?q");
    assert_eq!(without_password("https://host/a@b"), "https://host/a@b");
    assert_eq!(without_password("127.0.0.1:3000"), "127.0.0.1:3000");
}

#[test]
fn fixtures_need_a_sandbox() {
    let flags = |sandbox| Flags { sandbox, fixtures: Some("x.json".into()), ..Flags::default() };
    let (config, settings) = explain(flags(true), &[], "").unwrap();
    assert_eq!(config.fixtures.as_deref(), Some(Path::new("x.json")));
    assert_eq!(settings.last().unwrap().value.as_deref(), Some("x.json"));
    let refusal = settle(flags(false), &[], "").unwrap_err();
    assert!(refusal.starts_with("--fixtures: there is no sandbox"), "{refusal}");
}

#[test]
fn the_pace_comes_from_the_environment_or_the_file() {
    let pace = |variable: &str, file: &str| {
        let variables = [("LOOPFOUR_STRIPE_PACE", variable)];
        settle(Flags::default(), &variables, file).map(|config| config.stripe_pace.to_string())
    };
    assert_eq!(pace("", "").unwrap(), "");
    assert_eq!(pace("off", "[stripe]\npace = { read = 5 }").unwrap(), "off");
    assert_eq!(pace("", "[stripe]\npace = 'off'").unwrap(), "off");
    assert_eq!(pace("", "[stripe]\npace = { read = 5, total = 'off' }").unwrap(), "read=5,total=off");
    let wrong = pace("", "[stripe]\npace = { reed = 5 }").unwrap_err();
    assert!(wrong.starts_with("loopfour.toml: stripe.pace: \"reed\" has no pace"), "{wrong}");
    let wrong = pace("read=0", "").unwrap_err();
    assert!(wrong.starts_with("LOOPFOUR_STRIPE_PACE: \"0\" is no pace"), "{wrong}");
    assert!(pace("", "[stripe]\npace = 5").unwrap_err().starts_with("loopfour.toml: stripe.pace: "));
}

#[test]
fn times_are_written_as_people_do() {
    let times = |variable: &str, file: &str| {
        let variables = [("LOOPFOUR_CONNECTION_WAIT", variable)];
        let policy = settle(Flags::default(), &variables, file)?.policy;
        Ok::<_, String>((policy.safety_margin / 1000, policy.connection_wait / 1000))
    };
    assert_eq!(times("", ""), Ok((72_000, 259_200)));
    assert_eq!(times("0s", "connection_wait = '1h'\n[stripe]\nsafety_margin = '90m'"), Ok((5_400, 0)));
    assert_eq!(times("2d", ""), Err(not_a_time("LOOPFOUR_CONNECTION_WAIT: `2d`", 8760)));
    assert_eq!(times("soon", ""), Err(not_a_time("LOOPFOUR_CONNECTION_WAIT: `soon`", 8760)));
    let long = times("", "[stripe]\nsafety_margin = '24h'");
    assert_eq!(long, Err(not_a_time("loopfour.toml: stripe.safety_margin: `24h`", 23)));
    assert_eq!(times("-1s", ""), Err(not_a_time("LOOPFOUR_CONNECTION_WAIT: `-1s`", 8760)));
}

#[test]
fn events_are_kept_for_days() {
    let kept = |file: &str| settle(Flags::default(), &[], file).map(|config| config.keep_events / 3_600_000);
    assert_eq!(
        (kept(""), kept("keep_events = '90d'"), kept("keep_events = '12h'")),
        (Ok(840), Ok(2160), Ok(12))
    );
    for wrong in ["-1d", "4000d", "soon", "d", "99999999999d"] {
        let refused = kept(&format!("keep_events = '{wrong}'"));
        let expected = format!(
            "loopfour.toml: keep_events: `{wrong}` is not a time from 0d to 3660d, such as 35d or 12h"
        );
        assert_eq!(refused, Err(expected));
    }
}

fn not_a_time(what: &str, hours: u32) -> String {
    format!("{what} is not a time from 0s to {hours}h, such as 90m or 20h")
}

#[test]
fn addresses_lose_the_slash_at_their_end() {
    let config = settle(Flags::default(), &[("LOOPFOUR_STRIPE_API_BASE", "http://127.0.0.1:9/")], "");
    assert_eq!(config.unwrap().stripe_api_base.as_deref(), Some("http://127.0.0.1:9"));
}

#[test]
fn nango_needs_its_key_and_is_the_hosted_one_unless_told() {
    let nango = |variables: &[(&str, &str)], file: &str| {
        settle(Flags::default(), variables, file).map(|config| config.nango)
    };
    assert!(nango(&[], "").unwrap().is_none());
    let hosted = nango(&[("NANGO_SECRET_KEY", "key\n")], "").unwrap().unwrap();
    assert_eq!(
        (hosted.server_url.as_str(), hosted.secret_key.expose_secret()),
        ("https://api.nango.dev", "key")
    );
    let file = "[nango]\nserver_url = 'http://nango:3003/'\nsecret_key = 'a'\nwebhook_signing_key = 'b'\n\
                stripe_integration = 'books'";
    let own = nango(&[("NANGO_WEBHOOK_SIGNING_KEY", "c")], file).unwrap().unwrap();
    assert_eq!(
        (own.server_url.as_str(), own.stripe_integration.as_deref()),
        ("http://nango:3003", Some("books"))
    );
    assert_eq!(own.webhook_signing_key.unwrap().expose_secret(), "c");
    let lacks = "is of no use without nango.secret_key (hint: set NANGO_SECRET_KEY to the key of one of Nango's \
                 environments)";
    refused(&[("NANGO_SERVER_URL", "http://nango:3003")], "", &format!("NANGO_SERVER_URL: {lacks}"));
    let file = "[nango]\nstripe_integration = 'books'";
    refused(&[], file, &format!("loopfour.toml: nango.stripe_integration: {lacks}"));
    let file = "[nango]\nsecret_key = ' '";
    refused(&[], file, "loopfour.toml: nango.secret_key: is empty (hint: leave nango.secret_key out)");
    let variables = [("NANGO_SECRET_KEY", "k"), ("NANGO_SERVER_URL", "nango:3003")];
    refused(&variables, "", "NANGO_SERVER_URL: `nango:3003` is not an http or https address");
}

#[test]
fn an_openid_provider_needs_issuer_and_client() {
    let oidc = |variables: &[(&str, &str)], file: &str| {
        settle(Flags::default(), variables, file).map(|config| config.oidc)
    };
    assert!(oidc(&[], "").unwrap().is_none());
    let file = "[oidc]\nissuer = 'https://books.example.com/'\nclient_id = 'loopfour'\nclient_secret = 's'\n\
                [oidc.role_map]\nfinance = 'operator'\n'it staff' = 'admin'";
    let found = oidc(&[], file).unwrap().unwrap();
    assert_eq!((found.issuer.as_str(), found.client_id.as_str()), ("https://books.example.com/", "loopfour"));
    assert_eq!(found.client_secret.unwrap().expose_secret(), "s");
    assert_eq!((found.role_map["finance"], found.role_map.len()), (Role::Operator, 2));
    let client = [("LOOPFOUR_OIDC_CLIENT_ID", "c")];
    let issuer =
        "is of no use without oidc.issuer (hint: set LOOPFOUR_OIDC_ISSUER to the provider's address)";
    refused(&client, "", &format!("LOOPFOUR_OIDC_CLIENT_ID: {issuer}"));
    let file = "[oidc.role_map]\na = 'admin'";
    refused(&[], file, &format!("loopfour.toml: oidc.role_map: {issuer}"));
    refused(
        &[("LOOPFOUR_OIDC_ISSUER", "https://x")],
        "",
        "LOOPFOUR_OIDC_ISSUER: is of no use without oidc.client_id (hint: set LOOPFOUR_OIDC_CLIENT_ID to what this server \
         is called at the provider)",
    );
    let file = "[oidc.role_map]\na = 'owner'";
    let roles = "viewer, operator, builder, admin";
    let said =
        format!("loopfour.toml: oidc.role_map: `owner`, which `a` is to give, is none of the roles {roles}");
    refused(&client, file, &said);
    for (issuer, is_taken) in [
        ("https://a.example/realms/b", true),
        ("http://127.0.0.1:9", true),
        ("http://localhost:9", true),
        ("http://[::1]:9", true),
        ("http://a.example", false),
        ("http://127.0.0.1.a.example", false),
        ("https://me@a.example", false),
        ("https://a.example?x", false),
        ("a.example", false),
    ] {
        let found = oidc(&[client[0], ("LOOPFOUR_OIDC_ISSUER", issuer)], "");
        assert_eq!(found.is_ok(), is_taken, "{issuer}: {found:?}");
    }
}

#[test]
fn secrets_may_stand_in_the_file_and_are_not_told() {
    let file = "[nango]\nsecret_key = 'confidential-a'\nwebhook_signing_key = 'confidential-b'\n[oidc]\n\
                issuer = 'https://a'\nclient_id = 'c'\nclient_secret = 'confidential-c'\n";
    let (config, settings) = explain(Flags::default(), &[], file).unwrap();
    let shown = format!("{config:?} {settings:?}");
    assert!(!shown.contains("confidential"), "{shown}");
    let value =
        |key: &str| settings.iter().find(|setting| setting.key == key).unwrap().value.clone().unwrap();
    for key in ["nango.secret_key", "nango.webhook_signing_key", "oidc.client_secret"] {
        assert_eq!(value(key), "****");
    }
}

#[test]
fn people_are_sent_on_to_origins_only() {
    let origins = |text: &str| {
        let config = settle(Flags::default(), &[], &format!("redirect_origins = ['{text}']"));
        config.map(|config| config.redirect_origins.join(","))
    };
    assert_eq!(origins("https://App.example.com:443/").unwrap(), "https://app.example.com");
    assert_eq!(origins("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
    for text in
        ["app.example.com", "https://app.example.com/path", "https://me@app.example.com", "*", "javascript:x"]
    {
        let said = format!(
            "loopfour.toml: redirect_origins: `{text}` is not an origin such as https://app.example.com"
        );
        assert_eq!(origins(text).unwrap_err(), said);
    }
}

#[test]
fn private_addresses_are_allowed_by_the_file() {
    let allowed = |text: &str| {
        let config = settle(Flags::default(), &[], &format!("outbound_allow = [{text}]"))?;
        Ok::<_, String>(config.outbound_allow.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(
        allowed("'127.0.0.1', '10.0.0.0/8', 'fd00::/8'").unwrap(),
        ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]
    );
    let wrong = "loopfour.toml: outbound_allow: `intranet` is no address or network, such as `127.0.0.1`, `10.0.0.0/8` or \
                 `fd00::/8`";
    assert_eq!(allowed("'127.0.0.1', 'intranet'").unwrap_err(), wrong);
    let stray = "loopfour.toml: outbound_allow: `10.1.2.3/8` names one address and a network at once; the network is \
                 `10.0.0.0/8`";
    assert_eq!(allowed("'10.1.2.3/8'").unwrap_err(), stray);
}

#[test]
fn the_public_address_and_the_key_file_are_kept() {
    let variables =
        [("LOOPFOUR_PUBLIC_URL", "https://x.example/"), ("LOOPFOUR_SECRETS_KEY_FILE", "/run/secrets/k")];
    let config = settle(Flags::default(), &variables, "").unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://x.example"));
    assert_eq!(config.secrets_key_file.as_deref(), Some(Path::new("/run/secrets/k")));
}
