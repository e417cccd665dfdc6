//! A server on the loopback interface that does what its script says and remembers what came in.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// What the server does with one request, after having read it to its end.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Writes these bytes and waits for the next request on the connection.
    Write(Vec<u8>),
    /// Writes these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Writes nothing until the client gives up.
    Silence,
}

/// A whole answer with these headers (`Name: value` lines).
pub fn answer(status: &str, headers: &[&str], body: &str) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    Answer::Write(
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes(),
    )
}

#[derive(Debug, Default)]
pub struct Seen {
    pub requests: Vec<String>,
    pub connections: usize,
}

pub struct Server {
    pub base: String,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Serves the script and ends with it.
    pub fn start(script: Vec<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let mut script = VecDeque::from(script);
            while !script.is_empty() {
                let (stream, _) = listener.accept().unwrap();
                shared.lock().unwrap().connections += 1;
                serve(stream, &mut script, &shared);
            }
        });
        Server { base, seen, thread }
    }

    /// Waits until the script is done.
    pub fn finish(self) -> Seen {
        self.thread.join().unwrap();
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn serve(mut stream: TcpStream, script: &mut VecDeque<Answer>, seen: &Mutex<Seen>) {
    while let Some(request) = read_request(&mut stream) {
        seen.lock().unwrap().requests.push(request);
        match script.pop_front().expect("more requests than the script has answers") {
            // The client may have closed already, having read enough.
            Answer::Write(bytes) => drop(stream.write_all(&bytes)),
            Answer::Cut(bytes) => {
                stream.write_all(&bytes).unwrap();
                return;
            }
            Answer::Silence => {
                let _ = stream.read(&mut [0]);
                return;
            }
        }
        if script.is_empty() {
            return;
        }
    }
}

/// One request with its body; none when the client closes.
pub fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}
