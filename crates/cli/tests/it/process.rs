//! Runs the binary in a directory of its own, without the settings of whoever runs the tests.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

/// A key of the right form.
pub const KEY: &str = "wfk_0123456789abcdefghijklmnopqrstuv";
/// Long enough for a slow machine; a test that needs it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// An empty directory and the binary.
pub struct Place {
    pub directory: TempDir,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Place {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    /// With a file in it.
    pub fn with(self, name: &str, text: impl AsRef<[u8]>) -> Place {
        std::fs::write(self.directory.path().join(name), text).unwrap();
        self
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The binary with these arguments, not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loopfour"));
        command.args(arguments).current_dir(self.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("LOOPFOUR_") || name.starts_with("STRIPE_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments))
    }

    /// Runs a command against that server, with the usual key, to its end.
    pub fn ask(&self, server: &Server, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        command.env("LOOPFOUR_API_KEY", KEY);
        command.env("LOOPFOUR_SERVER", format!("http://{}", server.address));
        ended(command)
    }

    /// The same where it goes well; what it prints.
    #[track_caller]
    pub fn done(&self, server: &Server, arguments: &[&str]) -> String {
        let ended = self.ask(server, arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }
}

/// Runs a command to its end.
pub fn ended(mut command: Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command to its end with that on its stdin.
pub fn fed(mut command: Command, stdin: &str) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A server process that said where it listens. It is killed when it is dropped.
pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub address: SocketAddr,
    log: NamedTempFile,
}

impl Server {
    /// Starts a command that prints its address on the first line.
    pub fn start(mut command: Command) -> Server {
        let log = NamedTempFile::new().unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log.reopen().unwrap()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address =
            line.strip_prefix("listening on http://").and_then(|address| address.trim().parse().ok());
        let Some(address) = address else {
            child.kill().unwrap();
            panic!(
                "no address in the first line: {line:?}; {}",
                std::fs::read_to_string(log.path()).unwrap()
            );
        };
        Server { child, stdout, address, log }
    }

    /// `serve` on a free port with the usual key.
    pub fn serve(place: &Place, arguments: &[&str]) -> Server {
        Server::start(Server::command(place, arguments))
    }

    /// What [`Server::serve`] starts.
    pub fn command(place: &Place, arguments: &[&str]) -> Command {
        let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments).env("LOOPFOUR_API_KEY", KEY);
        command
    }

    /// `serve` that takes a sandbox of its own process for Stripe.
    pub fn beside(place: &Place, sandbox: &Server) -> Server {
        Server::start(Server::command_beside(place, sandbox))
    }

    /// What [`Server::beside`] starts.
    pub fn command_beside(place: &Place, sandbox: &Server) -> Command {
        let mut command = Server::command(place, &[]);
        command.env("STRIPE_API_KEY", "sk_test_abc");
        command.env("LOOPFOUR_STRIPE_API_BASE", format!("http://{}", sandbox.address));
        command
    }

    /// What it said on stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    /// Where the sandbox inside it listens.
    pub fn sandbox(&self) -> SocketAddr {
        let log = self.log();
        let address = log.lines().find_map(|line| line.strip_prefix("offline Stripe on http://"));
        address.unwrap_or_else(|| panic!("it says where: {log}")).parse().unwrap()
    }

    /// Creates and activates the example and starts a run of it; the run's id.
    pub fn start_example(&self, email: &str) -> String {
        let (status, created) = self.call("POST", "/api/v1/workflows", crate::EXAMPLE);
        assert_eq!(status, 201, "{created}");
        let id = created["data"]["id"].as_str().unwrap();
        assert_eq!(self.call("POST", &format!("/api/v1/workflows/{id}/activate"), "").0, 200);
        let input = json!({"email": email, "name": "Ada", "amount": 9900, "description": "Consulting"});
        let body = json!({ "input": input }).to_string();
        let (status, started) = self.call("POST", &format!("/api/v1/workflows/{id}/run"), &body);
        assert_eq!(status, 202, "{started}");
        started["data"]["runId"].as_str().unwrap().to_owned()
    }

    /// Waits until the only run has ended, and gives it.
    pub fn await_end(&self) -> Value {
        within(|| {
            let runs = self.call("GET", "/api/v1/runs", "").1;
            let run = &runs["data"][0];
            let id = run["id"].as_str()?;
            run["completedAt"].as_str()?;
            Some(self.call("GET", &format!("/api/v1/runs/{id}"), "").1["data"].clone())
        })
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, waits, and gives the exit code and what else it printed to stdout.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        let code = within(|| self.child.try_wait().unwrap()).code();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (code, rest)
    }

    /// A request of the API, with the usual key: status and body.
    pub fn call(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        call(self.address, method, path, body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP request: status and JSON body.
pub fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nx-api-key: {KEY}\r\n\
         authorization: Bearer sk_test_sandbox\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {body}")))
}

/// Asks until there is an answer.
#[track_caller]
pub fn within<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not happen in time");
        std::thread::sleep(Duration::from_millis(10));
    }
}
