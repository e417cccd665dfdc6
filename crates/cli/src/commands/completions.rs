//! `loopfour completions`: what a shell needs to complete command lines.

use clap::CommandFactory as _;
use clap::builder::PossibleValue;
use clap_complete::{Generator as _, Shell};

use crate::failure::{DONE, Failure};
use crate::{CommandLine, print};

/// Print what a shell needs to complete loopfour's command lines.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  loopfour completions bash > ~/.local/share/bash-completion/completions/loopfour
  loopfour completions zsh > \"${fpath[1]}/_loopfour\"
  loopfour completions fish > ~/.config/fish/completions/loopfour.fish")]
pub struct Completions {
    /// The shell.
    shell: Known,
}

/// The shells that are supported.
#[derive(Clone, Copy)]
enum Known {
    Bash,
    Zsh,
    Fish,
}

impl clap::ValueEnum for Known {
    fn value_variants<'a>() -> &'a [Known] {
        &[Known::Bash, Known::Zsh, Known::Fish]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Known::Bash => "bash",
            Known::Zsh => "zsh",
            Known::Fish => "fish",
        }))
    }
}

impl Completions {
    /// Prints it.
    pub fn carry_out(self) -> Result<u8, Failure> {
        let shell = match self.shell {
            Known::Bash => Shell::Bash,
            Known::Zsh => Shell::Zsh,
            Known::Fish => Shell::Fish,
        };
        let mut command = CommandLine::command();
        command.set_bin_name("loopfour");
        command.build();
        let mut script = Vec::new();
        shell.generate(&command, &mut script);
        print::out(String::from_utf8_lossy(&script).trim_end())?;
        Ok(DONE)
    }
}
