//! Bodies and queries are checked strictly: what is missing, of a wrong type or unknown is refused, all of it at once.

use serde_json::{Map, Value};

use super::answer::{Issue, Refusal};
use super::http::Request;

/// A field of a body.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

/// What a field holds.
pub(super) enum Kind {
    /// Text of that many characters.
    Text(usize, usize),
    /// An address of e-mail.
    Email,
    /// An absolute URL.
    Url,
    /// A list of texts.
    Texts,
    /// A table of anything.
    Map,
    /// A table of texts whose keys follow a rule.
    Tags,
    /// A table of these fields.
    Table(&'static [Field]),
}

/// A field that may be left out.
pub(super) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, required: false, kind }
}

/// A field that may not.
pub(super) const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, required: true, kind }
}

/// The table that the body is, with these fields and no others.
pub(super) fn body<'a>(value: &'a Value, fields: &[Field]) -> Result<&'a Map<String, Value>, Refusal> {
    let mut issues = Vec::new();
    table(value, fields, &mut Vec::new(), &mut issues);
    match value.as_object().filter(|_| issues.is_empty()) {
        Some(table) => Ok(table),
        None => Err(Refusal::invalid("invalid_body", &issues)),
    }
}

/// Refuses a query with other parameters; `tags[…]` stands for all of its kind.
pub(super) fn query(request: &Request, known: &[&str]) -> Result<(), Refusal> {
    let root = |name: &str| name.split_once('[').map_or(name.to_owned(), |(root, _)| format!("{root}[…]"));
    let unknown = request.query.iter().find(|(name, _)| !known.contains(&root(name).as_str()));
    unknown.map_or(Ok(()), |(name, _)| {
        let issue = Issue::new("unrecognized_keys", format!("Unrecognized key: \"{name}\""), &[]);
        Err(Refusal::invalid("invalid_query_params", &[issue]))
    })
}

/// Lower-case keys, as tags are stored.
pub(super) fn tags(given: Option<&Value>) -> Map<String, Value> {
    let given = given.and_then(Value::as_object).into_iter().flatten();
    given.map(|(key, value)| (key.to_lowercase(), value.clone())).collect()
}

fn table(value: &Value, fields: &[Field], path: &mut Vec<String>, issues: &mut Vec<Issue>) {
    let Some(given) = value.as_object() else { return wrong_type("object", value, path, issues) };
    for field in fields {
        path.push(field.name.to_owned());
        match given.get(field.name) {
            Some(value) => check(value, &field.kind, path, issues),
            None if field.required => issues.push(Issue {
                code: "invalid_type",
                message: format!("Invalid input: expected {}, received undefined", expected(&field.kind)),
                path: path.clone(),
            }),
            None => {}
        }
        path.pop();
    }
    for name in given.keys().filter(|name| fields.iter().all(|field| field.name != **name)) {
        let message = format!("Unrecognized key: \"{name}\"");
        issues.push(Issue { code: "unrecognized_keys", message, path: path.clone() });
    }
}

fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text(..) | Kind::Email | Kind::Url => "string",
        Kind::Texts => "array",
        Kind::Map | Kind::Tags | Kind::Table(_) => "object",
    }
}

fn check(value: &Value, kind: &Kind, path: &mut Vec<String>, issues: &mut Vec<Issue>) {
    let mut wrong = |code: &'static str, message: String, path: &[String]| {
        issues.push(Issue { code, message, path: path.to_vec() });
    };
    match (kind, value) {
        (Kind::Table(fields), Value::Object(_)) => table(value, fields, path, issues),
        (Kind::Text(least, most), Value::String(text)) => match text.chars().count() {
            length if length < *least => {
                wrong("too_small", format!("Too small: expected string to have >={least} characters"), path);
            }
            length if length > *most => {
                wrong("too_big", format!("Too big: expected string to have <={most} characters"), path);
            }
            _ => {}
        },
        (Kind::Email, Value::String(text)) if is_email(text) => {}
        (Kind::Email, Value::String(_)) => wrong("invalid_format", "Invalid email address".to_owned(), path),
        (Kind::Url, Value::String(text)) if is_url(text) => {}
        (Kind::Url, Value::String(_)) => wrong("invalid_format", "Invalid URL".to_owned(), path),
        (Kind::Texts, Value::Array(all)) if all.iter().all(Value::is_string) => {}
        (Kind::Map, Value::Object(_)) => {}
        (Kind::Tags, Value::Object(given)) => tag_issues(given, path, issues),
        _ => wrong_type(expected(kind), value, path, issues),
    }
}

fn tag_issues(given: &Map<String, Value>, path: &[String], issues: &mut Vec<Issue>) {
    let mut wrong = |key: Option<&String>, message: &str| {
        let path = path.iter().chain(key).cloned().collect();
        issues.push(Issue { code: "custom", message: message.to_owned(), path });
    };
    if given.len() > 10 {
        wrong(None, "Tags cannot contain more than 10 keys");
    }
    for (key, value) in given {
        let mut characters = key.chars();
        let sound = characters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && characters.all(|next| next.is_ascii_alphanumeric() || "_-./".contains(next));
        if !sound || key.len() > 64 {
            wrong(Some(key), "Tag keys must start with a letter");
        }
        let length = value.as_str().map_or(0, |text| text.chars().count());
        if !(1..=255).contains(&length) {
            wrong(Some(key), "Tag values are strings of 1 to 255 characters");
        }
        let email = key.eq_ignore_ascii_case("end_user_email");
        if email && !value.as_str().is_some_and(is_email) {
            wrong(Some(key), "Tag end_user_email must be a valid email address");
        }
    }
}

fn wrong_type(expected: &str, value: &Value, path: &[String], issues: &mut Vec<Issue>) {
    let received = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let message = format!("Invalid input: expected {expected}, received {received}");
    issues.push(Issue { code: "invalid_type", message, path: path.to_vec() });
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

fn is_url(text: &str) -> bool {
    let uri: Result<hyper::Uri, _> = text.parse();
    uri.is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty()))
}
