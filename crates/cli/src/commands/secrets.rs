//! `loopfour secrets`: the key that seals the secrets in a database.

use loopfour_engine::event::Actor;
use loopfour_engine::ports::Clock as _;
use loopfour_host::SystemClock;
use serde_json::json;

use crate::config::DataFlags;
use crate::failure::{DONE, Failure};
use crate::instance;
use crate::print::{self, counted};

/// Look after the key that seals the secrets in the database.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour secrets rotate")]
pub struct Secrets {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Rotate(Rotate),
}

/// Make a new key, and seal every secret in the database anew with it. The server must be stopped.
///
/// The new key is added to the key file: LOOPFOUR_SECRETS_KEY_FILE, else `secrets.key` in the data directory. The old keys
/// stay in it, since backups that were made before need them, unless they are to be forgotten. Interrupted, it leaves
/// everything readable, and may be done again.
///
/// What a key seals are this server's credentials for others. Where they may have been seen, replace them at the provider:
/// a new key here does not help.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints one object: {key, secrets, oldKeysKept, file}.

Exit codes: 0 done, 1 it went wrong and nothing is lost, 2 not begun.

Examples:
  loopfour secrets rotate
  loopfour secrets rotate --forget-old-keys --data /var/lib/loopfour")]
struct Rotate {
    #[command(flatten)]
    data: DataFlags,
    /// Take the old keys out of the file: backups made before now can be restored with a copy of the old file only.
    #[arg(long)]
    forget_old_keys: bool,
    /// Print what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Secrets {
    /// Does what was asked for.
    pub async fn carry_out(self) -> Result<u8, Failure> {
        let Command::Rotate(rotate) = self.command;
        rotate.carry_out().await
    }
}

impl Rotate {
    async fn carry_out(self) -> Result<u8, Failure> {
        let config = self.data.config()?;
        // A directory without a database would get one: there is nothing to rotate in it.
        loopfour_store::ReadOnly::open(&config.data).map_err(|cause| Failure::refused(cause.to_string()))?;
        let store = instance::open(&config)?;
        let by = Actor::system("loopfour secrets rotate");
        let rotated = store.rotate_secrets(!self.forget_old_keys, &by, SystemClock.now()).await;
        let rotated = rotated.map_err(|cause| Failure::failed(cause.to_string()))?;
        let (file, secrets) = (store.secrets_file(), rotated.secrets);
        if self.json {
            let record = json!({
                "key": rotated.key.to_string(),
                "secrets": secrets,
                "oldKeysKept": rotated.old_keys_kept,
                "file": file,
            });
            print::out(&record.to_string())?;
            return Ok(DONE);
        }
        let file = file.display();
        print::out(&format!(
            "sealed {} anew with key {} of {file}",
            counted(secrets, "secret", "secrets"),
            rotated.key
        ))?;
        print::talk(if rotated.old_keys_kept {
            "backups made before now need the old keys, which stay in the file; copy the file to where you keep it"
        } else {
            "backups made before now need the old key file: keep your copy of it as long as them, and the new one beside it"
        });
        Ok(DONE)
    }
}
