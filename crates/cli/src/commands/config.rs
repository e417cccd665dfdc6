//! `loopfour config show`: the settings in force and where each comes from.

use crate::client::local_address;
use crate::config::{self, Flags, Setting, without_password};
use crate::failure::{DONE, Failure};
use crate::print;
use crate::table::{Cell, Table};

/// Look at the settings.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  loopfour config show")]
pub struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Show(Show),
}

/// Show every setting that `serve` would use with these flags, and where it comes from.
///
/// The columns are the setting, its value and its source: a flag, a variable of the environment, a file or `default`.
/// Of secrets only the kind is shown. The last line is the address that commands which ask a server use.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints {key, value, source} for each, one object a line; value is null
where nothing is set.

Exit codes: 0 shown, 2 a setting cannot be used.

Examples:
  loopfour config show
  loopfour config show --config /etc/loopfour.toml --json | jq -r 'select(.key == \"data\") | .value'")]
struct Show {
    #[command(flatten)]
    flags: Flags,
    /// Print each as one JSON object a line.
    #[arg(long)]
    json: bool,
}

impl Config {
    /// Does what was asked for.
    pub fn carry_out(self) -> Result<u8, Failure> {
        let Command::Show(show) = self.command;
        let (config, mut settings) = config::Config::explain(show.flags)?;
        let named = config::environment("LOOPFOUR_SERVER")?;
        settings.push(Setting {
            key: "LOOPFOUR_SERVER",
            source: if named.is_some() { "LOOPFOUR_SERVER" } else { "listen" }.to_owned(),
            value: named.map(|named| without_password(&named)).or_else(|| Some(local_address(config.listen))),
        });
        let lines: Vec<String> = if show.json {
            let json = |setting| serde_json::to_string(setting).expect("texts are always JSON");
            settings.iter().map(json).collect()
        } else {
            let rows: Vec<Vec<Cell>> = settings.iter().map(row).collect();
            Table::new(&["SETTING", "VALUE", "SOURCE"], print::room()).draw(&rows)
        };
        print::out(&lines.join("\n"))?;
        Ok(DONE)
    }
}

fn row(setting: &Setting) -> Vec<Cell> {
    vec![Cell::of(setting.key), Cell::of(setting.value.as_deref().unwrap_or("-")), Cell::of(&setting.source)]
}
