//! Everything that cargo itself does not do: `cargo xtask` lists it.

mod catalog;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["catalog", facts] => catalog::run(Path::new(facts)),
        _ => bail!("usage: cargo xtask catalog FACTS"),
    }
}

/// The root of the workspace.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}
