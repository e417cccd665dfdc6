//! Stripe's operations and objects, read from the catalogue's tables once per process.
//! It resolves a method and a path to an operation; what the types mean for a call or an answer
//! is said in `params` and `objects`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use indexmap::IndexMap;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The version of the API that the tables describe, the only one the sandbox speaks.
pub(crate) const VERSION: &str = "2026-08-26.dahlia";

const OPERATIONS: &str = include_str!("../../../catalog/stripe/2026-08-26.dahlia/operations.json");
const OBJECTS: &str = include_str!("../../../catalog/stripe/2026-08-26.dahlia/objects.json");

/// The tables.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

/// A type, and whether the empty text clears it.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) shape: Shape,
    pub(crate) clear: bool,
}

#[derive(Debug)]
pub(crate) enum Shape {
    Text {
        max: usize,
    },
    Integer,
    Number,
    Boolean,
    Decimal,
    Anything,
    Enum(Vec<String>),
    /// Always the value `true`, and there only when it holds.
    Mark,
    List(Box<Type>),
    Map(Box<Type>),
    OneOf(Vec<Type>),
    Object(Fields),
    Use(String),
    /// An object in line.
    Inline(String),
    /// An id, or one of these objects when expanded.
    Expandable(Vec<String>),
    /// An embedded list.
    Page(Box<Type>),
}

/// The fields of an object, or the parameters of a call.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) types: IndexMap<String, Type>,
    pub(crate) required: Vec<String>,
    pub(crate) nullable: HashSet<String>,
}

/// One operation of the API.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Stripe's operation id, like `PostCustomers`.
    pub(crate) id: String,
    method: String,
    segments: Vec<Segment>,
    pub(crate) parameters: Fields,
    /// The object it answers with, where that is one.
    pub(crate) returns: Option<String>,
    /// Whether it answers a page of them.
    pub(crate) list: bool,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Parameter,
}

/// An operation with the values of its path parameters.
pub(crate) struct Route {
    pub(crate) operation: &'static Operation,
    pub(crate) path: Vec<String>,
}

pub(crate) struct Table {
    operations: Vec<Operation>,
    /// Places in `operations` by the number of segments of their paths.
    by_length: HashMap<usize, Vec<usize>>,
    request_types: HashMap<String, Type>,
    objects: HashMap<String, Type>,
    object_types: HashMap<String, Type>,
}

impl Table {
    fn read() -> Table {
        let operations: Value = serde_json::from_str(OPERATIONS).expect("the operations table is JSON");
        let objects: Value = serde_json::from_str(OBJECTS).expect("the objects table is JSON");
        let rows = entries(&operations["operations"]);
        let operations_read: Vec<Operation> = rows.map(|(id, row)| operation(id, row)).collect();
        let mut by_length: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, operation) in operations_read.iter().enumerate() {
            by_length.entry(operation.segments.len()).or_default().push(at);
        }
        Table {
            operations: operations_read,
            by_length,
            request_types: types(&operations["types"]),
            objects: types(&objects["objects"]),
            object_types: types(&objects["types"]),
        }
    }

    /// The operation that a method and a raw path (still percent-encoded) name. A segment is decoded
    /// after the path is taken apart, so that an encoded slash reaches no other operation.
    pub(crate) fn route(&'static self, method: &str, path: &str) -> Option<Route> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let places = self.by_length.get(&parts.len())?;
        let fitting = places.iter().map(|at| &self.operations[*at]).filter(|it| it.method == method);
        let operation = fitting
            .filter(|operation| {
                operation.segments.iter().zip(&parts).all(|(segment, part)| segment.fits(part))
            })
            .min_by_key(|operation| operation.parameter_count())?;
        let values = operation.segments.iter().zip(&parts).filter_map(|(segment, part)| match segment {
            Segment::Parameter => Some(percent_decode_str(part).decode_utf8_lossy().into_owned()),
            Segment::Literal(_) => None,
        });
        Some(Route { operation, path: values.collect() })
    }

    /// The type behind a name in a request.
    pub(crate) fn request_type(&self, name: &str) -> Option<&Type> {
        self.request_types.get(name)
    }

    /// The type behind a name in an answer.
    pub(crate) fn object_type(&self, name: &str) -> Option<&Type> {
        self.object_types.get(name)
    }

    /// The types of events that there are.
    pub(crate) fn event_types(&self) -> &[String] {
        match self.object("event").and_then(|event| event.types.get("type")).map(|kind| &kind.shape) {
            Some(Shape::Enum(kinds)) => kinds,
            _ => &[],
        }
    }

    /// The fields of an object by the value of its `object` field.
    pub(crate) fn object(&self, name: &str) -> Option<&Fields> {
        let kind = self.objects.get(name)?;
        if let Shape::Object(fields) = &kind.shape { Some(fields) } else { None }
    }
}

impl Operation {
    fn parameter_count(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Parameter)).count()
    }
}

impl Segment {
    fn fits(&self, part: &str) -> bool {
        match self {
            Segment::Literal(text) => text == part,
            Segment::Parameter => !part.is_empty(),
        }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn types(value: &Value) -> HashMap<String, Type> {
    entries(value).map(|(name, row)| (name.clone(), read_type(row))).collect()
}

fn operation(id: &str, row: &Value) -> Operation {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let segments = text("path").trim_start_matches('/').split('/').map(|part| {
        if part.starts_with('{') { Segment::Parameter } else { Segment::Literal(part.to_owned()) }
    });
    let parameters = row.get("form").or_else(|| row.get("query")).map(|row| read_type(row).shape);
    Operation {
        id: id.to_owned(),
        method: text("method").to_owned(),
        segments: segments.collect(),
        parameters: if let Some(Shape::Object(fields)) = parameters { fields } else { Fields::default() },
        returns: row["returns"].as_str().map(str::to_owned),
        list: row["list"].as_bool().unwrap_or(false),
    }
}

fn read_type(row: &Value) -> Type {
    Type { shape: read_shape(row), clear: row.get("clear").is_some() }
}

fn read_shape(row: &Value) -> Shape {
    let boxed = |row: &Value| Box::new(read_type(row));
    if let Some(name) = row.as_str().or_else(|| row["t"].as_str()) {
        let max = row["max"].as_u64().and_then(|max| usize::try_from(max).ok());
        return scalar(name, max.unwrap_or(5000));
    }
    if let Some(fields) = row.get("obj") {
        return Shape::Object(Fields {
            types: entries(fields).map(|(name, row)| (name.clone(), read_type(row))).collect(),
            required: names(&row["req"]),
            nullable: names(&row["null"]).into_iter().collect(),
        });
    }
    if let Some(name) = row["use"].as_str() {
        return Shape::Use(name.to_owned());
    }
    if let Some(name) = row["ref"].as_str() {
        return Shape::Inline(name.to_owned());
    }
    if let Some(name) = row["exp"].as_str() {
        return Shape::Expandable(vec![name.to_owned()]);
    }
    match row.as_object().and_then(|row| row.iter().next()) {
        Some((key, value)) if key == "enum" => Shape::Enum(names(value)),
        Some((key, value)) if key == "list" => Shape::List(boxed(value)),
        Some((key, value)) if key == "map" => Shape::Map(boxed(value)),
        Some((key, value)) if key == "page" => Shape::Page(boxed(value)),
        Some((key, value)) if key == "exp" => Shape::Expandable(names(value)),
        Some((key, value)) if key == "any" => {
            Shape::OneOf(value.as_array().into_iter().flatten().map(read_type).collect())
        }
        Some((key, _)) if key == "const" => Shape::Mark,
        _ => Shape::Anything,
    }
}

fn scalar(name: &str, max: usize) -> Shape {
    match name {
        "string" | "file" => Shape::Text { max },
        "integer" | "timestamp" => Shape::Integer,
        "number" => Shape::Number,
        "boolean" => Shape::Boolean,
        "decimal" => Shape::Decimal,
        _ => Shape::Anything,
    }
}

fn names(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.filter_map(|value| value.as_str().map(str::to_owned)).collect()
}
