//! What a provider answers, field by field: lets the checker find a path that no answer can have.
//!
//! Only names are looked at. Values of enumerations are not, since a provider may add some at any time.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Table};

/// The objects that are answered, by the value of their `object` field.
#[derive(Debug, Default)]
pub struct Objects {
    objects: Map<String, Table>,
    types: Map<String, Table>,
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment<'a> {
    /// `.name`, `["name"]`, `.0`.
    Key(&'a str),
    /// `[0]`, `[expression]`.
    Index,
}

impl Objects {
    pub(super) fn parse(text: &str) -> Objects {
        let mut table: Map<String, Table> =
            serde_json::from_str(text).expect("objects.json is a JSON object");
        let mut take = |key: &str| match table.remove(key) {
            Some(Table::Object(members)) => members,
            _ => panic!("objects.json has {key}"),
        };
        Objects { objects: take("objects"), types: take("types") }
    }

    /// Where a path into the answer leaves what can be there: the position of that segment, and the names that could
    /// stand in its place. `None` where the path is possible or nothing is known about it.
    ///
    /// ```
    /// use loopfour_lang::catalog::Segment::{Index, Key};
    /// let objects = &loopfour_lang::Catalog::builtin().objects;
    /// assert_eq!(objects.leaves("customer", true, &[Key("data"), Index, Key("id")]), None);
    /// assert_eq!(objects.leaves("customer", false, &[Key("data")]).unwrap().0, 0);
    /// ```
    pub fn leaves(
        &self,
        object: &str,
        list: bool,
        path: &[Segment<'_>],
    ) -> Option<(usize, BTreeSet<String>)> {
        let item = serde_json::json!({ "ref": object });
        let root = if list { serde_json::json!({ "page": item }) } else { item };
        let mut here = vec![root];
        for (position, segment) in path.iter().enumerate() {
            let mut there = Vec::new();
            let mut names = BTreeSet::new();
            for table in &here {
                match self.enter(table, segment, &mut there, &mut names) {
                    Known::Yes => {}
                    Known::No => return None,
                }
            }
            if there.is_empty() {
                return Some((position, names));
            }
            here = there;
        }
        None
    }

    /// Adds what `segment` of `table` may be to `there`, and the names that `table` has to `names`.
    fn enter(
        &self,
        table: &Table,
        segment: &Segment<'_>,
        there: &mut Vec<Table>,
        names: &mut BTreeSet<String>,
    ) -> Known {
        let number = match segment {
            Segment::Index => true,
            Segment::Key(name) => name.parse::<usize>().is_ok(),
        };
        if let Some(scalar) = table.as_str() {
            let text = matches!(scalar, "string" | "decimal" | "file");
            if text && *segment == Segment::Key("length") {
                there.push("integer".into());
            }
            return if scalar == "any" { Known::No } else { Known::Yes };
        }
        let Some((form, inner)) = table.as_object().and_then(form) else { return Known::No };
        match (form, inner) {
            ("t", scalar) => return self.enter(scalar, segment, there, names),
            ("obj", Table::Object(members)) => {
                names.extend(members.keys().cloned());
                if let Segment::Key(name) = segment {
                    there.extend(members.get(*name).cloned());
                }
            }
            ("list", item) => match segment {
                Segment::Key("length") => there.push("integer".into()),
                Segment::Key(_) | Segment::Index if number => there.push(item.clone()),
                Segment::Key(_) | Segment::Index => {}
            },
            ("page", item) => {
                names.extend(["object", "data", "has_more", "url"].map(str::to_owned));
                match segment {
                    Segment::Key("data") => there.push(serde_json::json!({ "list": item })),
                    Segment::Key("object" | "url") => there.push("string".into()),
                    Segment::Key("has_more") => there.push("boolean".into()),
                    Segment::Key(_) | Segment::Index => {}
                }
            }
            ("enum" | "const", _) => {
                if *segment == Segment::Key("length") {
                    there.push("integer".into());
                }
            }
            ("use", Table::String(name)) => match self.types.get(name) {
                Some(table) => return self.enter(table, segment, there, names),
                None => return Known::No,
            },
            ("ref" | "exp", Table::String(name)) => match self.objects.get(name) {
                Some(table) => return self.enter(table, segment, there, names),
                None => return Known::No,
            },
            ("any", Table::Array(tables)) => {
                for table in tables {
                    match self.enter(table, segment, there, names) {
                        Known::Yes => {}
                        Known::No => return Known::No,
                    }
                }
            }
            // Free keys, and objects that are one of many.
            _ => return Known::No,
        }
        Known::Yes
    }
}

/// Whether the tables say everything about a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

/// The key that tells which form of type it is, and what it holds.
fn form(table: &Map<String, Table>) -> Option<(&str, &Table)> {
    const FORMS: [&str; 11] =
        ["t", "obj", "list", "page", "enum", "const", "use", "ref", "exp", "any", "map"];
    FORMS.iter().find_map(|form| table.get(*form).map(|inner| (*form, inner)))
}
