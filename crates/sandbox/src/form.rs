//! Decodes `application/x-www-form-urlencoded` text, and its bracket names, into a tree.
//! It knows nothing of parameters: what the tree may hold is `params`' matter.

use indexmap::IndexMap;
use percent_encoding::percent_decode;
use thiserror::Error;

/// The most bracket levels that one name may have.
const MAX_DEPTH: usize = 16;

/// One decoded name and its value, in the order in which they came.
pub type Pair = (String, String);

/// A value in the decoded tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A plain value, `name=text`.
    Text(String),
    /// Values under empty brackets, `name[]=a&name[]=b`.
    List(Vec<Node>),
    /// Values under keys or indexes, `name[key]=a` or `name[0]=a`.
    Table(Table),
}

/// Named values, in the order in which the names first came.
pub type Table = IndexMap<String, Node>;

/// Why a form could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes, percent signs resolved, are no UTF-8.
    #[error("the form is not valid UTF-8")]
    NotText,
    /// A name that cannot be taken apart.
    #[error("the parameter name `{0}` is malformed; nest with brackets, like `address[line1]`")]
    Name(String),
    /// A name that is used both as a plain value and with brackets.
    #[error("the parameter `{0}` is given in two shapes at once")]
    Conflict(String),
}

/// Splits form text into decoded pairs.
///
/// # Errors
/// [`Error::NotText`] where a name or a value is not UTF-8.
pub fn pairs(bytes: &[u8]) -> Result<Vec<Pair>, Error> {
    bytes
        .split(|byte| *byte == b'&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let at = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
            let value = part.get(at + 1..).unwrap_or_default();
            Ok((text(&part[..at])?, text(value)?))
        })
        .collect()
}

/// Builds the tree of decoded pairs; of a plain name that comes twice, the last value holds.
///
/// # Errors
/// [`Error::Name`] and [`Error::Conflict`], both with the name.
pub fn tree(pairs: &[Pair]) -> Result<Table, Error> {
    let mut table = Table::new();
    for (name, value) in pairs {
        let path = path(name).ok_or_else(|| Error::Name(name.clone()))?;
        insert(&mut table, &path, value).ok_or_else(|| Error::Conflict(name.clone()))?;
    }
    Ok(table)
}

/// Decodes form text into its tree: [`pairs`], then [`tree`].
///
/// # Errors
/// Those of the two.
pub fn decode(bytes: &[u8]) -> Result<Table, Error> {
    tree(&pairs(bytes)?)
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    let spaced: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).map_err(|_| Error::NotText)
}

/// `a[b][]` becomes `["a", "b", ""]`; only the first may not be empty.
fn path(name: &str) -> Option<Vec<&str>> {
    let Some((head, rest)) = name.split_once('[') else {
        return (!name.is_empty() && !name.contains(']')).then(|| vec![name]);
    };
    let inner = rest.strip_suffix(']')?;
    let mut path = vec![head];
    path.extend(inner.split("]["));
    let sound = !head.is_empty() && path.len() <= MAX_DEPTH;
    (sound && !path.iter().any(|part| part.contains(['[', ']']))).then_some(path)
}

fn insert(table: &mut Table, path: &[&str], value: &str) -> Option<()> {
    let (head, rest) = path.split_first()?;
    if rest.is_empty() {
        match table.get_mut(*head) {
            Some(Node::Text(old)) => *old = value.to_owned(),
            Some(Node::List(_) | Node::Table(_)) => return None,
            None => {
                table.insert((*head).to_owned(), Node::Text(value.to_owned()));
            }
        }
        return Some(());
    }
    let empty = || if rest[0].is_empty() { Node::List(Vec::new()) } else { Node::Table(Table::new()) };
    let child = table.entry((*head).to_owned()).or_insert_with(empty);
    match child {
        Node::Text(_) => None,
        Node::Table(inner) if !rest[0].is_empty() => insert(inner, rest, value),
        Node::List(items) if rest[0].is_empty() => append(items, &rest[1..], value),
        Node::Table(_) | Node::List(_) => None,
    }
}

/// Appends below empty brackets. `a[][x]=1&a[][y]=2` is one element until a key comes again.
fn append(items: &mut Vec<Node>, rest: &[&str], value: &str) -> Option<()> {
    let Some(next) = rest.first() else {
        items.push(Node::Text(value.to_owned()));
        return Some(());
    };
    if next.is_empty() {
        let mut inner = Vec::new();
        append(&mut inner, &rest[1..], value)?;
        items.push(Node::List(inner));
        return Some(());
    }
    match items.last_mut() {
        Some(Node::Table(last)) if !last.contains_key(*next) => insert(last, rest, value),
        Some(Node::Table(_)) | None => {
            let mut fresh = Table::new();
            insert(&mut fresh, rest, value)?;
            items.push(Node::Table(fresh));
            Some(())
        }
        Some(Node::Text(_) | Node::List(_)) => None,
    }
}
