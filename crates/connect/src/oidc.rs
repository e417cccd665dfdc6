//! Sign-in by an OpenID provider: discovery, the code flow with PKCE, and a verified token. The protocol and every check
//! of the token are the library's; what its claims mean here is ours. Who may sign in is decided elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use loopfour_engine::identity::{Identity, IdentityProvider, SignIn, SignInError};
use loopfour_engine::ports::BoxFuture;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenClaims, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse as _, UserInfoClaims,
};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::Instant;

use crate::Error;
use crate::http::{Client as HttpClient, Failure, Outgoing, Tls};

/// So long the provider's addresses and keys are taken from memory.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// For each call of the provider.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How a token may be signed: by the provider's own key. Not with the client's secret, and never not at all.
const SIGNATURES: [CoreJwsSigningAlgorithm; 8] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// How the provider is reached.
#[derive(Debug)]
pub struct Config {
    /// Its address, as its tokens name it.
    pub issuer: String,
    /// How it knows this server.
    pub client_id: String,
    /// None for a public client, which PKCE alone protects.
    pub client_secret: Option<SecretString>,
}

/// An OpenID provider. Nothing is asked of it before somebody signs in.
#[derive(Debug)]
pub struct OpenId {
    http: HttpClient,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<SecretString>,
    discovered: Mutex<Option<(Instant, Arc<CoreProviderMetadata>)>>,
}

/// What the token says beyond the standard, under the names that providers give it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Groups {
    #[serde(default, deserialize_with = "one_or_many")]
    groups: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    roles: Vec<String>,
    /// In place of `email_verified`, which Microsoft Entra never sends: whether the address is of a domain that the tenant
    /// has proved to be its own.
    #[serde(default, deserialize_with = "yes")]
    xms_edov: bool,
}

impl AdditionalClaims for Groups {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Groups,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;
type Claims = IdTokenClaims<Groups, CoreGenderClaim>;
type Client = openidconnect::Client<
    Groups,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl OpenId {
    /// The provider as configured.
    ///
    /// # Errors
    /// Its address cannot be used: it must be https, or on this machine.
    pub fn new(config: Config) -> Result<OpenId, Error> {
        let refused =
            |reason: &str| Error::Issuer { issuer: config.issuer.clone(), reason: reason.to_owned() };
        let url = Url::parse(&config.issuer).map_err(|error| refused(&error.to_string()))?;
        let tls = match url.scheme() {
            "https" => Tls::SystemRoots,
            "http" if crate::http::is_loopback(&url) => Tls::Unused,
            _ => return Err(refused("it must begin with https://, or be on this machine")),
        };
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|error| refused(&error.to_string()))?;
        Ok(OpenId {
            http: HttpClient::new(tls)?,
            issuer,
            client_id: ClientId::new(config.client_id),
            client_secret: config.client_secret,
            discovered: Mutex::default(),
        })
    }

    /// The provider's addresses and keys, from memory unless they are old or `anew`.
    async fn metadata(&self, anew: bool) -> Result<Arc<CoreProviderMetadata>, SignInError> {
        let known = self.discovered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((since, metadata)) = known
            && !anew
            && since.elapsed() < FRESH
        {
            return Ok(metadata);
        }
        let ask = self.asking();
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &ask).await;
        let metadata = Arc::new(metadata.map_err(|error| {
            let issuer = self.issuer.as_str();
            SignInError::Unavailable(format!(
                "the OpenID provider {issuer} cannot be asked: {}",
                causes(&error)
            ))
        })?);
        let mut discovered = self.discovered.lock().unwrap_or_else(PoisonError::into_inner);
        *discovered = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    fn client(&self, metadata: &CoreProviderMetadata, redirect_uri: &str) -> Result<Client, SignInError> {
        let secret =
            self.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let redirect = RedirectUrl::new(redirect_uri.to_owned())
            .map_err(|error| SignInError::Unavailable(format!("this server's own address: {error}")))?;
        let client = Client::from_provider_metadata(metadata.clone(), self.client_id.clone(), secret);
        Ok(client.set_redirect_uri(redirect))
    }

    /// The HTTP client in the form that the library takes.
    fn asking(&self) -> impl Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse, Unanswered>> + use<> {
        let http = self.http.clone();
        move |request| {
            let http = http.clone();
            Box::pin(async move { ask(&http, request).await })
        }
    }

    async fn exchange(
        &self,
        sign_in: SignIn,
        redirect_uri: &str,
        code: &str,
    ) -> Result<Identity, SignInError> {
        let metadata = self.metadata(false).await?;
        let client = self.client(&metadata, redirect_uri)?;
        let ask = self.asking();
        let exchange = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|error| SignInError::Unavailable(error.to_string()))?;
        let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(sign_in.verifier));
        let tokens: Tokens = exchange.request_async(&ask).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(refusal) => SignInError::Refused(format!(
                "the OpenID provider refused the code: {}",
                shown(refusal.error().as_ref(), 80)
            )),
            RequestTokenError::Request(Unanswered(cause)) => {
                SignInError::Unavailable(format!("the OpenID provider cannot be asked: {cause}"))
            }
            // Neither the answer nor what is wrong in it is repeated: it may hold tokens.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                SignInError::Unavailable("the OpenID provider's answer cannot be read".to_owned())
            }
        })?;
        let nonce = Nonce::new(sign_in.nonce);
        let claims = match verified(&client, &tokens, &nonce) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                // The provider changed its keys since it was asked for them.
                let client = self.client(&*self.metadata(true).await?, redirect_uri)?;
                verified(&client, &tokens, &nonce)
            }
            other => other,
        };
        let claims = claims.map_err(|error| {
            SignInError::Refused(format!("the OpenID provider's token is not good: {}", causes(&error)))
        })?;
        let more = self.user_info(&client, &tokens, &claims).await?;
        Ok(identity(&claims, more.as_ref()))
    }

    /// What the provider says about the person beside the token; many put the e-mail address and the groups only there.
    async fn user_info(
        &self,
        client: &Client,
        tokens: &Tokens,
        claims: &Claims,
    ) -> Result<Option<UserInfoClaims<Groups, CoreGenderClaim>>, SignInError> {
        let subject = claims.subject().clone();
        let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject)) else {
            return Ok(None);
        };
        let ask = self.asking();
        let info = request.request_async(&ask).await;
        info.map(Some).map_err(|error| {
            SignInError::Unavailable(format!(
                "the OpenID provider did not say who the person is: {}",
                causes(&error)
            ))
        })
    }
}

impl IdentityProvider for OpenId {
    fn begin<'a>(&'a self, redirect_uri: &'a str) -> BoxFuture<'a, Result<SignIn, SignInError>> {
        Box::pin(async move {
            let client = self.client(&*self.metadata(false).await?, redirect_uri)?;
            let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
            let (url, state, nonce) = client
                .authorize_url(
                    CoreAuthenticationFlow::AuthorizationCode,
                    CsrfToken::new_random,
                    Nonce::new_random,
                )
                .add_scope(Scope::new("email".to_owned()))
                .add_scope(Scope::new("profile".to_owned()))
                .set_pkce_challenge(challenge)
                .url();
            Ok(SignIn {
                url: url.into(),
                state: state.into_secret(),
                nonce: nonce.secret().clone(),
                verifier: verifier.into_secret(),
            })
        })
    }

    fn finish<'a>(
        &'a self,
        sign_in: SignIn,
        redirect_uri: &'a str,
        code: &'a str,
    ) -> BoxFuture<'a, Result<Identity, SignInError>> {
        Box::pin(self.exchange(sign_in, redirect_uri, code))
    }
}

async fn ask(http: &HttpClient, request: HttpRequest) -> Result<HttpResponse, Unanswered> {
    let (parts, body) = request.into_parts();
    let url = Url::parse(&parts.uri.to_string()).map_err(|error| Unanswered(error.to_string()))?;
    let outgoing = Outgoing {
        method: parts.method,
        url,
        headers: parts.headers,
        body: (!body.is_empty()).then(|| Bytes::from(body)),
        timeout: TIMEOUT,
    };
    let answer = http.send(outgoing).await.map_err(|failure| match failure {
        Failure::NotConnected(cause) | Failure::Lost(cause) => Unanswered(cause),
    })?;
    let body = answer.body.ok_or_else(|| Unanswered("its answer is too large".to_owned()))?;
    let mut response = HttpResponse::new(body.to_vec());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

/// The token's claims, if it is good: signature, issuer, audience, time, nonce, and the access token that came with it.
fn verified(client: &Client, tokens: &Tokens, nonce: &Nonce) -> Result<Claims, ClaimsVerificationError> {
    let missing = |what: &str| ClaimsVerificationError::Other(what.to_owned());
    let token = tokens.id_token().ok_or_else(|| missing("there is none"))?;
    let verifier = client.id_token_verifier().set_allowed_algs(SIGNATURES);
    let claims = token.claims(&verifier, nonce)?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(ClaimsVerificationError::SignatureVerification)?;
        let key = token.signing_key(&verifier).map_err(ClaimsVerificationError::SignatureVerification)?;
        let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)
            .map_err(|error| ClaimsVerificationError::Other(error.to_string()))?;
        if actual != *expected {
            return Err(missing("it belongs to another access token"));
        }
    }
    Ok(claims.clone())
}

fn identity(claims: &Claims, more: Option<&UserInfoClaims<Groups, CoreGenderClaim>>) -> Identity {
    let is_verified = claims.email_verified() == Some(true)
        || (claims.email_verified().is_none() && claims.additional_claims().xms_edov);
    let from_token = claims.email().filter(|_| is_verified);
    let from_info = more.and_then(|more| more.email().filter(|_| more.email_verified() == Some(true)));
    let additional =
        [Some(claims.additional_claims()), more.map(UserInfoClaims::additional_claims)].into_iter().flatten();
    let mut groups: Vec<String> = additional
        .flat_map(|Groups { groups, roles, xms_edov: _ }| groups.iter().chain(roles))
        .cloned()
        .collect();
    groups.sort_unstable();
    groups.dedup();
    Identity {
        issuer: claims.issuer().to_string(),
        subject: claims.subject().to_string(),
        email: from_token.or(from_info).map(|email| email.to_string()),
        groups,
    }
}

/// No answer from the provider.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

/// What the provider says, short enough for a message.
fn shown(text: &str, longest: usize) -> String {
    text.chars().filter(|character| !character.is_control()).take(longest).collect()
}

/// An error and what it came from.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    shown(&text, 300)
}

/// A claim that is one text or a list of them; anything else says nothing.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Claim {
        Many(Vec<String>),
        One(String),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Claim::deserialize(deserializer)? {
        Claim::Many(groups) => groups,
        Claim::One(group) => vec![group],
        Claim::Other(_) => Vec::new(),
    })
}

/// A claim that says yes as Entra does: `true`, or one.
fn yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let claim = serde_json::Value::deserialize(deserializer)?;
    Ok(claim == true || claim == 1 || claim == "1" || claim == "true")
}
