//! JSON Schemas of inputs and outputs: compiled when a workflow is checked, applied to values when it runs.
//!
//! The draft is 2020-12 unless `$schema` names another. Nothing is ever fetched: a reference must lie inside the schema.
//! Patterns are linear-time, so they know no look-around.

use std::collections::HashMap;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value as Json;

use crate::source::Place;
use crate::value::Value;

/// Of a value with more problems only so many are told.
const MOST_PROBLEMS: usize = 100;
/// So many places a schema may have with its references followed; those that repeat each other grow without end.
const MOST_PLACES: u64 = 10_000;
/// So many patterns a schema may have; each takes time and memory.
const MOST_PATTERNS: usize = 100;
/// A compiled pattern, bytes.
const PATTERN_SIZE: usize = 1024 * 1024;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema(Validator);

/// Something wrong with a schema, or with a value that it does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// JSON Pointer inside the schema or value; for a missing key its own.
    pub pointer: String,
    /// The same as a path that begins with the name of the whole.
    pub field: String,
    /// What is wrong; lower case, no full stop.
    pub message: String,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// All that is wrong with it, places beginning with `name`.
    ///
    /// ```
    /// use loopfour_lang::{json, schema::Schema};
    ///
    /// let schema = json::parse(br#"{"required": ["email"]}"#).unwrap();
    /// let schema = Schema::compile("inputSchema", &schema).unwrap();
    /// let misfits = schema.misfits("input", &json::parse(b"{}").unwrap());
    /// assert_eq!((&*misfits[0].field, &*misfits[0].message), ("input.email", "`email` is missing"));
    /// ```
    pub fn compile(name: &str, schema: &Value) -> Result<Schema, Vec<Misfit>> {
        let schema = json(schema);
        let whole = |message: String| vec![at(name, &schema, "", message)];
        let meta = jsonschema::meta::validator_for(&schema);
        let meta =
            meta.map_err(|_| whole("`$schema` names no draft of JSON Schema that is known".to_owned()))?;
        let mut wrong: Vec<Misfit> = Vec::new();
        for misfit in meta.iter_errors(&schema).flat_map(|error| misfits(name, &schema, &error)) {
            // Each vocabulary of a draft finds the same.
            if wrong.len() < MOST_PROBLEMS && !wrong.contains(&misfit) {
                wrong.push(misfit);
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let (places, patterns) = weigh(&schema);
        if places > MOST_PLACES {
            let message =
                format!("the schema has more than {MOST_PLACES} places once its references are followed");
            return Err(whole(message));
        }
        if patterns > MOST_PATTERNS {
            return Err(whole(format!("the schema has more than {MOST_PATTERNS} patterns")));
        }
        let patterns = PatternOptions::regex().size_limit(PATTERN_SIZE).dfa_size_limit(PATTERN_SIZE);
        let built = jsonschema::options().offline().with_pattern_options(patterns).build(&schema);
        built.map(Schema).map_err(|error| vec![refused(name, &schema, &error)])
    }

    /// What the schema does not allow in a value, places beginning with `name` and in their order; at most a
    /// hundred.
    pub fn misfits(&self, name: &str, value: &Value) -> Vec<Misfit> {
        let value = json(value);
        if self.0.is_valid(&value) {
            return Vec::new();
        }
        let errors = self.0.iter_errors(&value);
        let found = errors.flat_map(|error| misfits(name, &value, &error)).take(MOST_PROBLEMS);
        let mut found: Vec<Misfit> = found.collect();
        found.sort_by(|one, other| one.pointer.cmp(&other.pointer));
        found
    }
}

/// Decimals become floats here, which compare and divide well enough; the value itself stays as it is.
fn json(value: &Value) -> Json {
    serde_json::from_str(&value.to_string()).unwrap_or_default()
}

/// What one finding comes to, in our words where it is a common one.
fn misfits(name: &str, value: &Json, error: &ValidationError<'_>) -> Vec<Misfit> {
    let pointer = error.instance_path().as_str();
    let unknown = |keys: &[String]| {
        let one = |key: &String| at(name, value, &below(pointer, key), format!("unknown key `{key}`"));
        keys.iter().map(one).collect()
    };
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            vec![at(name, value, &below(pointer, key), format!("`{key}` is missing"))]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unknown(unexpected),
        ValidationErrorKind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(kind) => kind.to_string(),
                TypeKind::Multiple(kinds) => {
                    let names: Vec<String> = kinds.iter().map(|kind| kind.to_string()).collect();
                    names.join(" or ")
                }
            };
            let found = value.pointer(pointer).map_or("nothing", kind_of);
            vec![at(name, value, pointer, format!("must be of type {wanted}, not {found}"))]
        }
        ValidationErrorKind::AnyOf { .. } | ValidationErrorKind::OneOfNotValid { .. } => {
            vec![at(name, value, pointer, "fits none of the alternatives".to_owned())]
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => {
            vec![at(name, value, pointer, "fits more than one of the alternatives".to_owned())]
        }
        ValidationErrorKind::Format { format } => {
            vec![at(name, value, pointer, format!("is not of the form `{format}`"))]
        }
        // The others are many and speak well of themselves; the value is not repeated, it may be long or a secret.
        _ => vec![at(name, value, pointer, error.masked_with("the value").to_string())],
    }
}

fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// Why a schema that its draft allows cannot be compiled: as a rule a reference, whose place is looked for.
fn refused(name: &str, schema: &Json, error: &ValidationError<'_>) -> Misfit {
    let pointer = error.instance_path().as_str();
    let cause = match error.kind() {
        ValidationErrorKind::Referencing(cause) => cause.to_string(),
        ValidationErrorKind::Format { .. } => {
            let message =
                "is no pattern that can be used: it does not parse, looks around or back, or is too large";
            return at(name, schema, pointer, message.to_owned());
        }
        _ => return at(name, schema, pointer, error.masked_with("the value").to_string()),
    };
    let mut found = None;
    references(schema, String::new(), &mut |pointer, reference| {
        if found.is_none() && cause.contains(reference.trim_start_matches('#')) {
            found = Some((pointer.to_owned(), reference.to_owned()));
        }
    });
    let (pointer, reference) = found.unwrap_or_default();
    let message = if reference.starts_with('#') {
        format!("`{reference}` points at nothing in the schema")
    } else {
        format!("`{reference}` lies outside the schema, and nothing is fetched; put it under `$defs`")
    };
    at(name, schema, &pointer, message)
}

/// Calls back with the place and text of each reference.
fn references(schema: &Json, pointer: String, found: &mut dyn FnMut(&str, &str)) {
    match schema {
        Json::Object(members) => {
            for (key, member) in members {
                let place = below(&pointer, key);
                match member {
                    Json::String(text) if key == "$ref" || key == "$dynamicRef" => found(&place, text),
                    member => references(member, place, found),
                }
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                references(item, below(&pointer, &index.to_string()), found);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// How many places a schema has when every reference is replaced by what it names, a recursion counting once; and how
/// many patterns it has as it stands.
fn weigh(schema: &Json) -> (u64, usize) {
    fn places<'s>(root: &'s Json, schema: &'s Json, known: &mut HashMap<&'s str, u64>) -> u64 {
        match schema {
            Json::Object(members) => {
                let mut sum = 1_u64;
                for (key, member) in members {
                    let more = match member.as_str().filter(|_| key == "$ref" || key == "$dynamicRef") {
                        Some(reference) => match known.get(reference) {
                            Some(places) => *places,
                            None => {
                                // What comes back here while it is counted is a recursion.
                                known.insert(reference, 1);
                                let target =
                                    reference.strip_prefix('#').and_then(|target| root.pointer(target));
                                let counted = target.map_or(1, |target| places(root, target, known));
                                known.insert(reference, counted);
                                counted
                            }
                        },
                        None => places(root, member, known),
                    };
                    sum = sum.saturating_add(more);
                }
                sum
            }
            Json::Array(items) => {
                items.iter().fold(0_u64, |sum, item| sum.saturating_add(places(root, item, known)))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
        }
    }
    fn patterns(schema: &Json) -> usize {
        match schema {
            Json::Object(members) => members
                .iter()
                .map(|(key, member)| match (key.as_str(), member) {
                    ("pattern", Json::String(_)) => 1,
                    ("patternProperties", Json::Object(inner)) => inner.len() + patterns(member),
                    _ => patterns(member),
                })
                .sum(),
            Json::Array(items) => items.iter().map(patterns).sum(),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => 0,
        }
    }
    (places(schema, schema, &mut HashMap::new()), patterns(schema))
}

fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A misfit at a place, whose last part need not exist.
fn at(name: &str, whole: &Json, pointer: &str, message: String) -> Misfit {
    fn field(place: &Place<'_>, value: Option<&Json>, tokens: &[String]) -> String {
        let Some((token, rest)) = tokens.split_first() else { return place.field() };
        match (value, token.parse()) {
            (Some(Json::Array(items)), Ok(index)) => field(&place.index(index), items.get(index), rest),
            (value, _) => field(&place.key(token), value.and_then(|value| value.get(token)), rest),
        }
    }
    let tokens = pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"));
    let tokens: Vec<String> = tokens.collect();
    let field = field(&Place::Root.key(name), Some(whole), &tokens);
    Misfit { pointer: pointer.to_owned(), field, message }
}
