//! Every command and every JSON example in the README, the guides and the concepts works as written.
//!
//! The blocks of a page run in order in one shell, in an empty directory with the binary on the `PATH`. A block `json
//! file=NAME` or `toml file=NAME` is saved as that file, `sh` must succeed, and `sh fails` must fail. Lines that begin with `cargo` are left
//! out: they are the commands that build and test the project itself. A sandbox takes the place of Stripe, so that pages
//! may call it with a key as their readers do; on the page about Nango a fake takes its place, and `xdg-open` is a person
//! who types a key into its form.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use loopfour_lang::{Catalog, Options, Severity, check};
use loopfour_testkit::nango::{self, Nango};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::process::{Place, Server};

/// A fenced block: its info string, its text and the line that it begins in.
struct Block {
    info: String,
    text: String,
    line: usize,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                open = Some(Block { info: info.to_owned(), text: String::new(), line: number + 1 });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn pages(folder: &str) -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "md") => pages.push(path),
                false => {}
            }
        }
    }
    pages.sort();
    pages
}

/// The page as a script for bash.
fn script(page: &str, address: &str) -> String {
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
    for block in blocks(page) {
        let words: Vec<&str> = block.info.split_whitespace().collect();
        match words.as_slice() {
            ["json" | "toml", file] => {
                let name = file.strip_prefix("file=").expect("a file to save the example as");
                writeln!(script, "cat > {name} <<'END_OF_EXAMPLE'\n{}END_OF_EXAMPLE", block.text).unwrap();
            }
            ["sh", rest @ ..] => {
                let lines = block.text.lines().filter(|line| !line.starts_with("cargo "));
                let text = lines.collect::<Vec<_>>().join("\n").replace("127.0.0.1:3000", address);
                writeln!(script, "echo '--- line {}'", block.line).unwrap();
                match rest {
                    [] => writeln!(script, "{text}").unwrap(),
                    ["fails"] => writeln!(script, "if (set -e\n{text}\n); then exit 97; fi").unwrap(),
                    other => panic!("unknown words {other:?} in line {}", block.line),
                }
                if text.trim_end().ends_with('&') {
                    writeln!(script, "until curl -sf http://{address}/readyz >/dev/null; do :; done")
                        .unwrap();
                }
            }
            _ => {}
        }
    }
    script
}

/// A Nango, and somebody with a browser.
struct FakeNango {
    url: String,
    browser: TempDir,
    _running: (Nango, Runtime),
}

impl FakeNango {
    /// The key that the page gives.
    const KEY: &str = "4f0c2f6e-5d43-4f2c-9d6e-0123456789ab";
    const BROWSER: &str = "#!/bin/sh
exec curl -sf \"$NANGO_SERVER_URL/api-auth/basic/stripe-api-key?connect_session_token=${1##*session_token=}\" \\
  -H 'content-type: application/json' --data '{\"username\": \"rk_test_typed\", \"password\": \"\"}'
";

    fn start(stripe: &Server) -> FakeNango {
        let runtime = Runtime::new().unwrap();
        let config = nango::Config {
            stripe: Some(format!("http://{}", stripe.address)),
            integrations: vec!["stripe-api-key".to_owned()],
            key: Some(FakeNango::KEY.to_owned()),
            ..nango::Config::default()
        };
        let nango = runtime.block_on(Nango::start(config)).unwrap();
        let browser = tempfile::tempdir().unwrap();
        let program = browser.path().join("xdg-open");
        fs::write(&program, FakeNango::BROWSER).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        FakeNango { url: nango.url().to_owned(), browser, _running: (nango, runtime) }
    }

    /// The `PATH` with the browser on it.
    fn before(&self, path: &str) -> String {
        format!("{}:{path}", self.browser.path().display())
    }
}

#[track_caller]
fn follow(page: &Path) {
    let text = fs::read_to_string(page).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let place = Place::new();
    let stripe = Server::start(place.command(&["sandbox", "--listen", "127.0.0.1:0"]));
    let binary = Path::new(env!("CARGO_BIN_EXE_loopfour")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let nango = page.ends_with("connect-with-nango.md").then(|| FakeNango::start(&stripe));
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", &script(&text, &address)])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", nango.as_ref().map_or(path.clone(), |nango| nango.before(&path)))
        .envs(nango.iter().map(|nango| ("NANGO_SERVER_URL", nango.url.as_str())))
        .env("LOOPFOUR_LISTEN", &address)
        .env("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", stripe.address))
        .output()
        .unwrap();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{} ended with {}\n{}\n{}",
        page.display(),
        output.status,
        shown(&output.stdout),
        shown(&output.stderr)
    );
}

#[test]
fn the_readme_works_as_written() {
    follow(&root().join("README.md"));
}

#[test]
fn the_guides_work_as_written() {
    let guides = pages("docs/guides");
    assert!(!guides.is_empty());
    for guide in guides {
        follow(&guide);
    }
}

#[test]
fn the_concepts_work_as_written() {
    let concepts = pages("docs/concepts");
    assert!(!concepts.is_empty());
    for concept in concepts {
        follow(&concept);
    }
}

/// The index leads to every page but those of the codes.
#[test]
fn the_index_names_every_page() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for page in ["docs/guides", "docs/concepts", "docs/reference"].into_iter().flat_map(pages) {
        let path = page.strip_prefix(root().join("docs")).unwrap().display().to_string();
        assert!(index.contains(&format!("]({path})")), "docs/README.md does not name {path}");
    }
}

/// Each JSON block is JSON; a workflow among them has no error, except on the page of the code that it provokes.
#[test]
fn json_examples_are_right() {
    let mut checked = 0;
    let mut all = pages("docs");
    all.push(root().join("README.md"));
    for page in all {
        let code = page.file_stem().unwrap().to_str().unwrap().to_owned();
        for block in blocks(&fs::read_to_string(&page).unwrap()) {
            if !block.info.starts_with("json") {
                continue;
            }
            let place = format!("{}:{}", page.display(), block.line);
            let options = Options { catalog: Catalog::builtin(), environment: &[] };
            let diagnostics = check(&block.text, options).diagnostics;
            checked += 1;
            if code.starts_with("LF") {
                assert!(
                    diagnostics.iter().any(|found| found.code == code),
                    "{place} does not provoke {code}"
                );
                continue;
            }
            let value = loopfour_lang::json::parse(block.text.as_bytes());
            let value = value.unwrap_or_else(|error| panic!("{place}: {error}"));
            if value.get("steps").is_some() {
                let errors: Vec<_> =
                    diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
                assert!(errors.is_empty(), "{place}: {errors:#?}");
            }
        }
    }
    assert!(checked > 0);
}
