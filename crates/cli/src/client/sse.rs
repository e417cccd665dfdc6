//! The framing of server-sent events, as far as our server uses it.

use std::time::Duration;

use crate::failure::Failure;

/// The server sends a sign of life more often than this.
const SILENCE: Duration = Duration::from_secs(60);
/// Larger than any event: a step's output may have 8 MiB.
const MAX_EVENT: usize = 32 * 1024 * 1024;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveEvent {
    /// Its kind (`event:`).
    pub kind: String,
    /// What it says (`data:`).
    pub data: String,
}

/// A stream of events.
pub struct LiveEvents {
    response: reqwest::Response,
    frames: Frames,
}

impl LiveEvents {
    pub(super) fn new(response: reqwest::Response) -> LiveEvents {
        LiveEvents { response, frames: Frames::default() }
    }

    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    /// The connection broke or fell silent.
    pub async fn next(&mut self) -> Result<Option<LiveEvent>, Failure> {
        let lost = |cause: String| Failure::failed(format!("the server's events broke off: {cause}"));
        loop {
            if let Some(event) = self.frames.next() {
                return Ok(Some(event));
            }
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            match chunk.map_err(|_| lost("nothing came for a minute".to_owned()))? {
                Ok(Some(bytes)) if self.frames.take(&bytes) => {}
                Ok(Some(_)) => return Err(lost("an event is too large".to_owned())),
                Ok(None) => return Ok(None),
                Err(cause) => return Err(lost(super::deepest(&cause))),
            }
        }
    }
}

/// Bytes in, events out.
#[derive(Default)]
struct Frames {
    bytes: Vec<u8>,
    /// How far the bytes were looked at: up to here there is no end of a line.
    seen: usize,
    event: LiveEvent,
    has_data: bool,
}

impl Frames {
    /// Takes bytes; false once an event has too many.
    fn take(&mut self, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        self.bytes.len() + self.event.data.len() <= MAX_EVENT
    }

    fn next(&mut self) -> Option<LiveEvent> {
        let mut begin = 0;
        let found = loop {
            let Some(length) = self.bytes[self.seen.max(begin)..].iter().position(|byte| *byte == b'\n')
            else {
                self.seen = self.bytes.len();
                break None;
            };
            let end = self.seen.max(begin) + length;
            let line = String::from_utf8_lossy(&self.bytes[begin..end]).into_owned();
            begin = end + 1;
            self.seen = begin;
            if let Some(event) = self.line(line.trim_end_matches('\r')) {
                break Some(event);
            }
        };
        self.bytes.drain(..begin);
        self.seen -= begin;
        found
    }

    fn line(&mut self, line: &str) -> Option<LiveEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            // Comments keep the connection alive; ids and retry times are for those who come back.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, LiveEvent};

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let text = ": hello\n\nid: 1\nevent: step\ndata: {\"ä\":1}\n\nevent: run\r\ndata: a\r\ndata:b\r\n\r\nevent: half\n";
        let event = |kind: &str, data: &str| LiveEvent { kind: kind.to_owned(), data: data.to_owned() };
        for size in 1..text.len() {
            let mut frames = Frames::default();
            let mut events = Vec::new();
            for chunk in text.as_bytes().chunks(size) {
                assert!(frames.take(chunk));
                events.extend(std::iter::from_fn(|| frames.next()));
            }
            assert_eq!(events, [event("step", "{\"ä\":1}"), event("run", "a\nb")], "cut every {size} bytes");
        }
    }
}
