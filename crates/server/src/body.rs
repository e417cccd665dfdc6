//! Bodies of requests: read once, as raw bytes, within size and time; then strict JSON, and an object field by field.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::HeaderMap;
use hyper::body::Body as _;
use hyper::header;
use loopfour_lang::nearest::nearest;
use loopfour_lang::{Object, Value, json};

use crate::error::{Code, Error, Problem};
use crate::limits;

/// The raw body of a request, which must be there and say that it is JSON.
///
/// # Errors
/// 408, 413, 415, or a connection that broke.
pub async fn read(request: Request) -> Result<Bytes, Error> {
    let (parts, body) = request.into_parts();
    check_length(&body)?;
    check_type(&parts.headers)?;
    collect(body).await
}

/// The raw body of a request, whatever it says that it is.
///
/// # Errors
/// 408, 413, or a connection that broke.
pub async fn raw(request: Request) -> Result<Bytes, Error> {
    let body = request.into_body();
    check_length(&body)?;
    collect(body).await
}

/// The body of a request as text. Whether it is JSON is not looked at.
///
/// # Errors
/// As [`read`], and 400 for invalid UTF-8.
pub async fn text(request: Request) -> Result<String, Error> {
    let bytes = read(request).await?;
    String::from_utf8(bytes.into()).map_err(|error| {
        // The JSON reader knows the place.
        parse(error.as_bytes()).err().unwrap_or_else(|| Error::invalid("the body is not UTF-8", Vec::new()))
    })
}

/// The object in the body of a request.
///
/// # Errors
/// As [`read`], and 400 for what is not a JSON object.
pub async fn required_object(request: Request) -> Result<Object, Error> {
    object(&read(request).await?)
}

/// The object in the body of a request in which nothing is required; an empty one if nothing was sent.
///
/// # Errors
/// As [`read`], and 400 for what is not a JSON object.
pub async fn optional_object(request: Request) -> Result<Object, Error> {
    let (parts, body) = request.into_parts();
    check_length(&body)?;
    if body.is_end_stream() {
        return Ok(Object::new());
    }
    // A chunked body may turn out to be empty; then its type does not matter.
    let typed = check_type(&parts.headers);
    let bytes = collect(body).await?;
    if bytes.is_empty() {
        return Ok(Object::new());
    }
    typed?;
    object(&bytes)
}

/// The JSON object in some bytes.
///
/// # Errors
/// 400: it is not strict JSON, or no object.
pub fn object(bytes: &[u8]) -> Result<Object, Error> {
    match parse(bytes)? {
        Value::Object(object) => Ok(Arc::unwrap_or_clone(object)),
        other => {
            let message = format!("the body must be a JSON object, not {}", kind(&other));
            Err(Error::invalid("the body is not valid", vec![Problem::new("", message)]))
        }
    }
}

/// The JSON value in some bytes.
///
/// # Errors
/// 400: it is not strict JSON.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    json::parse(bytes).map_err(|error| {
        let place =
            Problem { line: Some(error.line), column: Some(error.column), ..Problem::new("", error.message) };
        Error::invalid("the body is not valid JSON", vec![place])
    })
}

fn check_length(body: &Body) -> Result<(), Error> {
    // Where the length is known, it is refused before a byte is read.
    let least = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if least > limits::BODY { Err(too_large()) } else { Ok(()) }
}

fn too_large() -> Error {
    Error::new(Code::PayloadTooLarge, format!("the body is larger than {} bytes", limits::BODY))
}

fn check_type(headers: &HeaderMap) -> Result<(), Error> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(Error::new(Code::UnsupportedMediaType, "the body must not be compressed"));
    }
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let wanted = "send JSON with `content-type: application/json`";
    let Some(given) = given else {
        return Err(Error::new(Code::UnsupportedMediaType, format!("the content type is missing; {wanted}")));
    };
    let mut parts = given.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        Some(_) | None => true,
    });
    if json && utf8 {
        return Ok(());
    }
    Err(Error::new(Code::UnsupportedMediaType, format!("`{given}` is not taken; {wanted}")))
}

async fn collect(body: Body) -> Result<Bytes, Error> {
    let collected = tokio::time::timeout(limits::BODY_TIME, Limited::new(body, limits::BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Error {
            close: true,
            ..Error::invalid(
                "the body could not be read",
                vec![Problem::new("", "the body ended before its length")],
            )
        }),
        Err(_) => {
            let message = format!("the body did not come within {} s", limits::BODY_TIME.as_secs());
            Err(Error { close: true, ..Error::new(Code::RequestTimeout, message) })
        }
    }
}

/// The fields of an object, read strictly: whatever no reader asked for is refused, and everything that is wrong is
/// reported at once.
#[derive(Debug)]
pub struct Fields {
    object: Object,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl Fields {
    /// The fields of this object.
    pub fn of(object: Object) -> Fields {
        Fields { object, known: Vec::new(), problems: Vec::new() }
    }

    /// A field of any value, null included.
    pub fn value(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.get(name).cloned()
    }

    /// A field that must be there.
    pub fn required(&mut self, name: &'static str) -> Option<Value> {
        let value = self.value(name);
        if value.is_none() {
            self.problem(name, format!("`{name}` is missing"));
        }
        value
    }

    /// Takes a value for text of 1 to `most` characters.
    pub fn text(&mut self, name: &'static str, value: &Value, most: usize) -> Option<String> {
        let Value::Text(text) = value else {
            self.problem(name, format!("`{name}` must be text, not {}", kind(value)));
            return None;
        };
        let length = text.chars().count();
        if length == 0 || length > most {
            self.problem(name, format!("`{name}` must have 1 to {most} characters, it has {length}"));
            return None;
        }
        Some(text.to_string())
    }

    /// A field that is true or false.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        match self.value(name)? {
            Value::Boolean(value) => Some(value),
            other => {
                self.problem(name, format!("`{name}` must be true or false, not {}", kind(&other)));
                None
            }
        }
    }

    /// The object in a field, to be read in the same way and then handed to [`Fields::close`].
    pub fn inner(&mut self, name: &'static str) -> Option<Fields> {
        match self.value(name)? {
            Value::Object(object) => Some(Fields::of(Arc::unwrap_or_clone(object))),
            other => {
                self.problem(name, format!("`{name}` must be an object, not {}", kind(&other)));
                None
            }
        }
    }

    /// Takes over what is wrong with the object in a field.
    pub fn close(&mut self, name: &str, inner: Fields) {
        let problems = inner.problems();
        self.problems.extend(
            problems
                .into_iter()
                .map(|problem| Problem { field: format!("{name}.{}", problem.field), ..problem }),
        );
    }

    /// Notes something wrong with a field.
    pub fn problem(&mut self, field: &str, message: String) {
        self.problems.push(Problem::new(field, message));
    }

    /// Notes an unknown name in a field.
    pub fn unknown(&mut self, kind: &str, field: &str, name: &str, known: &[&str]) {
        self.problems.push(Problem { field: field.to_owned(), ..unknown(kind, name, known) });
    }

    /// Refuses what was not asked for.
    ///
    /// # Errors
    /// All that is wrong with the object.
    pub fn finish(self) -> Result<(), Error> {
        let problems = self.problems();
        if problems.is_empty() { Ok(()) } else { Err(Error::invalid("the body is not valid", problems)) }
    }

    fn problems(mut self) -> Vec<Problem> {
        for key in self.object.keys().filter(|key| !self.known.contains(&key.as_str())) {
            self.problems.push(unknown("key", key, &self.known));
        }
        self.problems
    }
}

/// An unknown name where only these are known.
pub fn unknown(kind: &str, name: &str, known: &[&str]) -> Problem {
    let hint = match (nearest(name, known.iter().copied()), known) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => format!("there is no {kind} here"),
        (None, known) => format!("known here: {}", known.join(", ")),
    };
    let shown: String = name.chars().take(80).collect();
    Problem::new(&*shown, format!("unknown {kind} `{shown}`")).hint(hint)
}

/// A value's kind, for messages.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) | Value::Decimal(_) => "a number",
        Value::Text(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
