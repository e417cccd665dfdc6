//! `loopfour serve`: the server.

use crate::config::{Config, Flags};
use crate::failure::{DONE, FAILED, Failure};
use crate::instance::{self, Instance};
use crate::print;
use crate::signals::Signals;

/// Start the server: the API, and whatever runs are under way.
///
/// Prints one line with its address on stdout once it takes requests; logs go to stderr (RUST_LOG sets how much). On
/// SIGTERM or Ctrl-C it takes no new work, waits for the calls under way and ends; runs go on at the next start.
#[derive(clap::Args)]
#[command(after_long_help = "\
Settings come from flag, environment, file and default, in this order. A setting
that cannot be used, or a key in the file that is not known, stops the start.

  in the file      environment               default
  listen           LOOPFOUR_LISTEN           127.0.0.1:3000
  data             LOOPFOUR_DATA             loopfour-data
  public_url       LOOPFOUR_PUBLIC_URL       none
  sandbox          LOOPFOUR_SANDBOX          off
  stripe.api_base  LOOPFOUR_STRIPE_API_BASE  https://api.stripe.com
  -                STRIPE_API_KEY            none; ignored with the sandbox
  -                STRIPE_WEBHOOK_SECRET     none: what signs the events of the company
                                             `default`, several with commas between them
  -                LOOPFOUR_API_KEY          the first API key, `wfk_` and 32 letters
                                             or digits; without it the first start
                                             makes one and prints it once
  rate_limits      LOOPFOUR_RATE_LIMITS      read=1000,write=100,execute=500,
                                             webhooks=10000 a minute; each, or all,
                                             may be `off`
  stripe.pace      LOOPFOUR_STRIPE_PACE      read=100,write=100,total=100 calls a second
                                             with a live key, 25 with a test key; each,
                                             or all, may be `off`
  stripe.safety_margin  -                    20h: so long a write without an answer is
                                             sent again by itself
  connection_wait  LOOPFOUR_CONNECTION_WAIT  72h: so long a run waits for credentials
  redirect_origins  -                        none: where people may be sent on to after
                                             they connected an account, beside the
                                             public address
  outbound_allow    -                        none: addresses and networks that are not
                                             public and may be told of what happens,
                                             such as 127.0.0.1 and 10.0.0.0/8
  keep_events      -                         35d: so long it is kept what provider events
                                             brought
  -                LOOPFOUR_SECRETS_KEY_FILE secrets.key in the data directory

  for Nango and OpenID       environment
  nango.server_url           NANGO_SERVER_URL, else https://api.nango.dev
  nango.secret_key           NANGO_SECRET_KEY
  nango.webhook_signing_key  NANGO_WEBHOOK_SIGNING_KEY
  nango.stripe_integration   LOOPFOUR_NANGO_STRIPE_INTEGRATION, else the only one
                             of a Stripe provider
  oidc.issuer                LOOPFOUR_OIDC_ISSUER
  oidc.client_id             LOOPFOUR_OIDC_CLIENT_ID
  oidc.client_secret         LOOPFOUR_OIDC_CLIENT_SECRET
  oidc.role_map              -, a table: group = \"role\"

`loopfour config show` tells what is in force and where it comes from.

Exit codes: 0 stopped by a signal, 1 stopped by a failing disk, 2 not started
(one line on stderr says why).

Examples:
  loopfour serve --sandbox
  loopfour serve --sandbox --fixtures objects.json
  STRIPE_API_KEY=sk_test_... loopfour serve --data /var/lib/loopfour
  loopfour serve --config /etc/loopfour.toml")]
pub struct Serve {
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    /// Serves until it is asked to stop.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let config = Config::load(self.flags)?;
        instance::log("info");
        let signals = Signals::new()?;
        let instance = Instance::start(&config).await?;
        if let Some(sandbox) = &instance.sandbox {
            print::talk(&format!("offline Stripe on {}", sandbox.address));
        }
        if let Some(key) = &instance.key {
            print::talk(&format!("API key, shown only now: {}", key.reveal()));
        }
        print::out(&format!("listening on http://{}", instance.address))?;
        tokio::select! {
            () = signals.stop() => {}
            cause = instance.broken() => {
                // At once, and without tidying up: nothing that is asked of the disk from here on is certain.
                print::talk(&format!(
                    "the database failed, and nothing after that is certain: {cause}; \
                     see to the disk, then start again: every run goes on from what is stored"
                ));
                std::process::exit(FAILED.into());
            }
        }
        instance.stop().await;
        Ok(DONE)
    }
}
