//! Secrets that people hand to a command: from a variable of the environment or from stdin, and never as an argument, which
//! everybody on the machine can read. On a terminal nothing is shown of what is typed.

use std::io::{self, IsTerminal as _, Read as _};

use secrecy::SecretString;

use crate::config;
use crate::failure::Failure;
use crate::print;

/// More than any secret has, bytes.
const MOST: u64 = 64 * 1024;

/// The secret that stands in that variable, or else on stdin; `what` says what it is. The white space around it is gone.
///
/// # Errors
/// There is none.
pub async fn given(variable: Option<&str>, what: &str) -> Result<SecretString, Failure> {
    let (text, place) = match variable {
        Some(name) => {
            let found = config::environment(name)?;
            (found.ok_or_else(|| Failure::refused(format!("{name}: is not set")))?, name)
        }
        None => (from_stdin(what).await?, "stdin"),
    };
    match text.trim() {
        "" => Err(Failure::refused(format!("{place}: holds no {what}"))),
        secret => Ok(SecretString::from(secret)),
    }
}

async fn from_stdin(what: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return read(|text| io::stdin().lock().take(MOST).read_to_string(text)).await;
    }
    print::talk(&format!("{what}, then Enter (it is not shown):"));
    let _silence = terminal::Silence::begin();
    tokio::select! {
        line = read(|text| io::stdin().read_line(text)) => line,
        // The terminal is to show again what is typed.
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    }
}

async fn read(
    read: impl FnOnce(&mut String) -> io::Result<usize> + Send + 'static,
) -> Result<String, Failure> {
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        read(&mut text).map(|_| text)
    });
    let text = text.await.unwrap_or_else(|cause| Err(io::Error::other(cause)));
    text.map_err(|cause| Failure::refused(format!("stdin: cannot be read: {cause}")))
}

#[cfg(unix)]
mod terminal {
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    /// While it lives, stdin's terminal does not show what is typed.
    pub struct Silence(Option<Termios>);

    impl Silence {
        pub fn begin() -> Silence {
            let before = tcgetattr(std::io::stdin()).ok();
            if let Some(mut modes) = before.clone() {
                modes.local_modes.remove(LocalModes::ECHO);
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &modes);
            }
            Silence(before)
        }
    }

    impl Drop for Silence {
        fn drop(&mut self) {
            if let Some(before) = &self.0 {
                let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
            }
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    /// Terminals of this system show what is typed.
    pub struct Silence;

    impl Silence {
        pub fn begin() -> Silence {
            Silence
        }
    }
}
