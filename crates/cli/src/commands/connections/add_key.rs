//! `loopfour connections add-key`.

use secrecy::ExposeSecret as _;
use serde_json::json;
use serde_json::value::RawValue;

use super::{LIST, tell};
use crate::client::Client;
use crate::failure::Failure;
use crate::secret;

/// Connect an account by an API key of the provider's, read from stdin or from a variable of the environment.
///
/// The provider is asked first: a key that it refuses is not stored. A connection of that name which is not active gets the
/// new key and keeps its id, so that the runs which wait for it go on.
#[derive(clap::Args)]
#[command(after_help = "\
The key is never an argument: everybody on the machine can read those.

Exit codes: 0 connected, 1 refused, 2 not begun: there is no key.

Examples:
  loopfour connections add-key books
  loopfour connections add-key books < stripe.key
  loopfour connections add-key books --key-env STRIPE_KEY")]
pub struct AddKey {
    /// What the connection is called.
    #[arg(value_name = "NAME")]
    name: String,
    /// Whose account it is.
    #[arg(long, value_name = "PROVIDER", default_value = "stripe")]
    provider: String,
    /// The variable that holds the key; without it, stdin does.
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// Print the connection as the API answers it.
    #[arg(long)]
    json: bool,
}

impl AddKey {
    pub(super) async fn carry_out(self, client: &Client) -> Result<u8, Failure> {
        let key = secret::given(self.key_env.as_deref(), "API key").await?;
        let body = json!({
            "provider": self.provider,
            "name": self.name,
            "credentials": { "apiKey": key.expose_secret() },
        });
        let connection: Box<RawValue> = client.post(LIST, body.to_string()).await?;
        tell(&connection, self.json)
    }
}
