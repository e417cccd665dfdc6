//! Sign-in by OpenID against a provider of ours whose tokens are good or bad in one point each.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use loopfour_connect::oidc::{Config, OpenId};
use loopfour_engine::identity::{Identity, IdentityProvider as _, SignInError};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use serde_json::{Map, Value, json};

use crate::server::read_request;

/// A key that only this test has.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIHXLeru1wtEr6OBwItBvlY4501d/NJ1kyrg7FTFSHKfA
-----END PRIVATE KEY-----
";
const CLIENT: &str = "loopfour";
const BACK: &str = "http://localhost:3000/api/v1/session/oidc/callback";

/// A token: its header, its claims, and whether the last byte of its signature is another.
#[derive(Clone, Debug)]
struct Token {
    header: Value,
    claims: Map<String, Value>,
    forged: bool,
}

/// What the provider answers with.
#[derive(Clone, Debug, Default)]
struct Answers {
    token: Option<String>,
    user_info: Option<Value>,
    /// The key's name in the set, which changes when keys roll.
    kid: String,
    refuses: bool,
    seen: Vec<String>,
}

struct Issuer {
    base: String,
    answers: Arc<Mutex<Answers>>,
}

impl Issuer {
    fn start() -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(Answers { kid: "one".to_owned(), ..Answers::default() }));
        let (shared, own) = (Arc::clone(&answers), base.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (shared, own) = (Arc::clone(&shared), own.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &own, &shared));
            }
        });
        Issuer { base, answers }
    }

    fn open(&self) -> OpenId {
        OpenId::new(Config {
            issuer: self.base.clone(),
            client_id: CLIENT.to_owned(),
            client_secret: Some("client-secret".into()),
        })
        .unwrap()
    }

    /// A good token for this nonce.
    fn token(&self, nonce: &str) -> Token {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": self.base, "sub": "ada", "aud": CLIENT, "nonce": nonce, "iat": now, "exp": now + 300,
            "email": "ada@example.com", "email_verified": true, "groups": ["finance", "staff"],
        });
        let Value::Object(claims) = claims else { unreachable!() };
        Token { header: json!({"alg": "EdDSA", "kid": "one"}), claims, forged: false }
    }

    /// Signs in; the token is changed before it is sent.
    async fn sign_in(&self, open: &OpenId, change: impl FnOnce(&mut Token)) -> Result<Identity, SignInError> {
        let sign_in = open.begin(BACK).await.unwrap();
        let mut token = self.token(&sign_in.nonce);
        change(&mut token);
        self.answers.lock().unwrap().token = Some(token.text());
        open.finish(sign_in, BACK, "the-code").await
    }
}

impl Token {
    fn text(&self) -> String {
        let key = CoreEdDsaPrivateSigningKey::from_ed25519_pem(KEY, None).unwrap();
        let (header, claims) = (self.header.to_string(), Value::Object(self.claims.clone()).to_string());
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let mut signature = match self.header["alg"].as_str() {
            Some("none") => Vec::new(),
            _ => key.sign(&CoreJwsSigningAlgorithm::EdDsa, signed.as_bytes()).unwrap(),
        };
        if self.forged {
            *signature.last_mut().unwrap() ^= 1;
        }
        format!("{signed}.{}", BASE64.encode(signature))
    }
}

fn serve(mut stream: TcpStream, base: &str, answers: &Mutex<Answers>) {
    while let Some(request) = read_request(&mut stream) {
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let mut answers = answers.lock().unwrap();
        let (status, body) = match path.as_str() {
            "/.well-known/openid-configuration" => (
                "200 OK",
                json!({
                    "issuer": base,
                    "authorization_endpoint": format!("{base}/auth"),
                    "token_endpoint": format!("{base}/token"),
                    "userinfo_endpoint": format!("{base}/me"),
                    "jwks_uri": format!("{base}/jwks"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["EdDSA"],
                }),
            ),
            "/jwks" => {
                let kid = JsonWebKeyId::new(answers.kid.clone());
                let key = CoreEdDsaPrivateSigningKey::from_ed25519_pem(KEY, Some(kid)).unwrap();
                let keys = CoreJsonWebKeySet::new(vec![key.as_verification_key()]);
                ("200 OK", serde_json::to_value(keys).unwrap())
            }
            "/token" if answers.refuses => ("400 Bad Request", json!({"error": "invalid_grant"})),
            "/token" => (
                "200 OK",
                json!({
                    "access_token": "access", "token_type": "Bearer", "id_token": answers.token,
                }),
            ),
            "/me" => ("200 OK", answers.user_info.clone().unwrap_or(json!({"sub": "ada"}))),
            _ => ("404 Not Found", json!({})),
        };
        answers.seen.push(request);
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_good_token_says_who_it_is() {
    let issuer = Issuer::start();
    let open = issuer.open();
    let identity = issuer.sign_in(&open, |_| {}).await.unwrap();
    let expected = Identity {
        issuer: issuer.base.clone(),
        subject: "ada".to_owned(),
        email: Some("ada@example.com".to_owned()),
        groups: vec!["finance".to_owned(), "staff".to_owned()],
    };
    assert_eq!(identity, expected);
    let seen = issuer.answers.lock().unwrap().seen.clone();
    let exchange = seen.iter().find(|request| request.starts_with("POST /token")).unwrap();
    assert!(exchange.contains("code=the-code") && exchange.contains("code_verifier="), "{exchange}");
    let asked = seen.iter().filter(|request| request.contains("openid-configuration")).count();
    assert_eq!(asked, 1, "the second look is from memory");
}

#[tokio::test]
async fn the_link_carries_state_nonce_and_challenge() {
    let issuer = Issuer::start();
    let sign_in = issuer.open().begin(BACK).await.unwrap();
    let url = reqwest::Url::parse(&sign_in.url).unwrap();
    let query: std::collections::HashMap<_, _> = url.query_pairs().collect();
    assert_eq!((&*query["state"], &*query["nonce"]), (&*sign_in.state, &*sign_in.nonce));
    assert_eq!((&*query["code_challenge_method"], &*query["response_type"]), ("S256", "code"));
    assert_eq!((&*query["redirect_uri"], &*query["scope"]), (BACK, "openid email profile"));
    assert!(!sign_in.url.contains(&sign_in.verifier));
}

#[tokio::test]
async fn a_bad_token_signs_nobody_in() {
    let issuer = Issuer::start();
    let open = issuer.open();
    type Change = fn(&mut Token);
    let rows: [(&str, Change); 12] = [
        ("issuer", |token| drop(token.claims.insert("iss".into(), json!("https://evil.example")))),
        ("audience", |token| drop(token.claims.insert("aud".into(), json!("other")))),
        ("two audiences", |token| drop(token.claims.insert("aud".into(), json!([CLIENT, "other"])))),
        ("nonce", |token| drop(token.claims.insert("nonce".into(), json!("another")))),
        ("no nonce", |token| drop(token.claims.remove("nonce"))),
        ("expired", |token| drop(token.claims.insert("exp".into(), json!(1_600_000_000)))),
        ("alg none", |token| token.header = json!({"alg": "none"})),
        ("alg HS256", |token| token.header = json!({"alg": "HS256"})),
        ("alg RS256", |token| token.header = json!({"alg": "RS256", "kid": "one"})),
        ("signature", |token| token.forged = true),
        ("access token", |token| drop(token.claims.insert("at_hash".into(), json!("AAAA")))),
        ("key", |token| token.header = json!({"alg": "EdDSA", "kid": "unknown"})),
    ];
    for (name, change) in rows {
        let refused = issuer.sign_in(&open, change).await;
        assert!(matches!(refused, Err(SignInError::Refused(_))), "{name}: {refused:?}");
    }
    issuer.sign_in(&open, |_| {}).await.expect("nothing of that stays");
}

#[tokio::test]
async fn an_address_counts_only_when_it_was_verified() {
    let issuer = Issuer::start();
    let open = issuer.open();
    let identity =
        issuer.sign_in(&open, |token| drop(token.claims.insert("email_verified".into(), json!(false))));
    assert_eq!(identity.await.unwrap().email, None);
    // Entra's own word for it counts where the standard one is missing, and nothing else does.
    for (claim, is_verified) in [
        (json!(true), true),
        (json!("1"), true),
        (json!(1), true),
        (json!(false), false),
        (json!("0"), false),
    ] {
        let identity = issuer.sign_in(&open, |token| {
            token.claims.remove("email_verified");
            token.claims.insert("xms_edov".into(), claim);
        });
        assert_eq!(identity.await.unwrap().email.is_some(), is_verified);
    }
    let info = json!({"sub": "ada", "email": "info@example.com", "email_verified": true, "roles": "admins"});
    issuer.answers.lock().unwrap().user_info = Some(info);
    let identity = issuer.sign_in(&open, |token| {
        token.claims.remove("email");
        token.claims.remove("groups");
    });
    let identity = identity.await.unwrap();
    assert_eq!(
        (identity.email.as_deref(), identity.groups),
        (Some("info@example.com"), vec!["admins".to_owned()])
    );

    issuer.answers.lock().unwrap().user_info = Some(json!({"sub": "eve", "email": "eve@example.com"}));
    let refused = issuer.sign_in(&open, |_| {}).await;
    assert!(refused.is_err(), "what is said of another person: {refused:?}");
}

#[tokio::test]
async fn keys_may_roll() {
    let issuer = Issuer::start();
    let open = issuer.open();
    issuer.sign_in(&open, |_| {}).await.unwrap();
    issuer.answers.lock().unwrap().kid = "two".to_owned();
    issuer.sign_in(&open, |token| token.header = json!({"alg": "EdDSA", "kid": "two"})).await.unwrap();
}

#[tokio::test]
async fn a_refused_code_and_a_provider_that_is_away() {
    let issuer = Issuer::start();
    let open = issuer.open();
    issuer.answers.lock().unwrap().refuses = true;
    let refused = issuer.sign_in(&open, |_| {}).await;
    let message = "the OpenID provider refused the code: invalid_grant";
    assert_eq!(refused, Err(SignInError::Refused(message.to_owned())));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away =
        Config { issuer: format!("http://{closed}"), client_id: CLIENT.to_owned(), client_secret: None };
    let away = OpenId::new(away).unwrap().begin(BACK).await.map(|sign_in| sign_in.url);
    assert!(matches!(away, Err(SignInError::Unavailable(_))), "{away:?}");
}

#[test]
fn only_https_or_this_machine() {
    let open = |issuer: &str| {
        let config = Config { issuer: issuer.to_owned(), client_id: CLIENT.to_owned(), client_secret: None };
        OpenId::new(config).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(open("http://localhost:9"), Ok(()));
    assert!(open("http://idp.example.com").unwrap_err().contains("https"));
    assert!(open("idp.example.com").is_err());
}
