//! SIGTERM and Ctrl-C: the first asks for a graceful stop, the second ends the process at once.

use crate::failure::{Failure, INTERRUPTED};

/// Hears what the process is asked from its making on.
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// From now on signals are heard here and end nothing by themselves.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new() -> Result<Signals, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let refused = |cause| Failure::refused(format!("cannot listen for signals: {cause}"));
        let terminate = signal(SignalKind::terminate()).map_err(refused)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
        Ok(Signals { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// From now on signals are heard here and end nothing by themselves.
    ///
    /// # Errors
    /// Never on this system.
    pub fn new() -> Result<Signals, Failure> {
        Ok(Signals {})
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Signals {
    /// Returns once a stop is asked for.
    pub async fn stop(mut self) {
        self.next().await;
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(i32::from(INTERRUPTED));
        });
    }
}
