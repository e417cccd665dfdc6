//! Sign-in of people by an OpenID provider: the port between the HTTP API, which knows browsers and members, and whoever
//! speaks to the provider.

use crate::ports::BoxFuture;

/// A sign-in that has begun: kept until the browser comes back, and used once.
#[derive(Clone)]
pub struct SignIn {
    /// Where the browser goes.
    pub url: String,
    /// What it brings back.
    pub state: String,
    /// What the token must hold.
    pub nonce: String,
    /// The secret of PKCE, which never leaves the server before the code is exchanged.
    pub verifier: String,
}

/// Whom the provider says the person is; its token was verified: signature, issuer, audience, nonce, time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The provider.
    pub issuer: String,
    /// The person there; never given to another.
    pub subject: String,
    /// The e-mail address, if the provider says that it was verified.
    pub email: Option<String>,
    /// The groups that the person is in.
    pub groups: Vec<String>,
}

/// Why nobody was signed in. The texts are for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The provider gave no answer, or none that can be understood.
    #[error("{0}")]
    Unavailable(String),
    /// What came back is not good: the code, or the token.
    #[error("{0}")]
    Refused(String),
}

/// An OpenID provider.
pub trait IdentityProvider: Send + Sync + 'static {
    /// Begins a sign-in that comes back to `redirect_uri`.
    fn begin<'a>(&'a self, redirect_uri: &'a str) -> BoxFuture<'a, Result<SignIn, SignInError>>;

    /// Exchanges the code that the browser brought back, and verifies the token.
    fn finish<'a>(
        &'a self,
        sign_in: SignIn,
        redirect_uri: &'a str,
        code: &'a str,
    ) -> BoxFuture<'a, Result<Identity, SignInError>>;
}
