//! Schemas: what is wrong with them, and with values.

use loopfour_lang::schema::{Misfit, Schema};
use loopfour_lang::{Catalog, Options, check, json};

fn lines(misfits: Vec<Misfit>) -> Vec<String> {
    misfits.into_iter().map(|misfit| format!("{}: {}", misfit.field, misfit.message)).collect()
}

fn compile(schema: &str) -> Result<Schema, Vec<String>> {
    Schema::compile("inputSchema", &json::parse(schema.as_bytes()).expect("JSON")).map_err(lines)
}

#[track_caller]
fn check_value(schema: &str, value: &str, expected: &[&str]) {
    let schema = compile(schema).expect("a schema");
    assert_eq!(lines(schema.misfits("input", &json::parse(value.as_bytes()).expect("JSON"))), expected);
}

#[test]
fn every_problem_of_a_value_is_told_at_its_place() {
    let schema = r#"{
        "type": "object", "required": ["email", "total"], "additionalProperties": false,
        "properties": {
            "email": {"type": "string", "maxLength": 5}, "total": {"type": ["integer", "null"]},
            "status": {"enum": ["open", "paid"]}, "a.b": {"minimum": 1},
            "items": {"type": "array", "items": {"required": ["price"], "properties": {"price": {"multipleOf": 0.01}}}}
        }
    }"#;
    check_value(schema, r#"{"email": "a@b.c", "total": 1, "items": [{"price": 19.99}]}"#, &[]);
    check_value(
        schema,
        r#"{"email": 1, "status": "new", "a.b": 0, "items": [{"price": 19.995}, {}], "x/y": 1}"#,
        &[
            r#"input["a.b"]: the value is less than the minimum of 1"#,
            "input.email: must be of type string, not integer",
            "input.items[0].price: the value is not a multiple of 0.01",
            "input.items[1].price: `price` is missing",
            r#"input.status: the value is not one of "open" or "paid""#,
            "input.total: `total` is missing",
            r#"input["x/y"]: unknown key `x/y`"#,
        ],
    );
    check_value(
        schema,
        r#"{"email": "a@b.cd", "total": 1.5}"#,
        &[
            "input.email: the value is longer than 5 characters",
            "input.total: must be of type null or integer, not number",
        ],
    );
    check_value(schema, "[]", &["input: must be of type object, not array"]);
    check_value(schema, "null", &["input: must be of type object, not null"]);
    check_value(
        r#"{"anyOf": [{"type": "string"}, {"required": ["a"]}]}"#,
        "{}",
        &["input: fits none of the alternatives"],
    );
    check_value(
        r#"{"oneOf": [{"minimum": 1}, {"minimum": 2}]}"#,
        "3",
        &["input: fits more than one of the alternatives"],
    );
    check_value(
        r#"{"$schema": "http://json-schema.org/draft-07/schema#", "exclusiveMinimum": 0}"#,
        "0",
        &["input: the value is less than or equal to the minimum of 0"],
    );
}

#[test]
fn of_very_many_problems_a_hundred_are_told() {
    let schema = compile(r#"{"items": {"type": "string"}}"#).expect("a schema");
    let value = format!("[{}1]", "1,".repeat(10_000));
    assert_eq!(schema.misfits("input", &json::parse(value.as_bytes()).expect("JSON")).len(), 100);
}

#[track_caller]
fn check_schema(schema: &str, expected: &[&str]) {
    assert_eq!(compile(schema).err().unwrap_or_default(), expected, "{schema}");
}

#[test]
fn every_mistake_in_a_schema_is_told_at_its_place() {
    check_schema(
        r#"{"type": "objct", "properties": {"a": {"minimum": "0"}, "b": {"required": "b"}}}"#,
        &[
            "inputSchema.properties.a.minimum: must be of type number, not string",
            "inputSchema.properties.b.required: must be of type array, not string",
            "inputSchema.type: fits none of the alternatives",
        ],
    );
    check_schema(
        r#"{"properties": {"a": {"$ref": "https://example.com/a.json"}}}"#,
        &[
            "inputSchema.properties.a[\"$ref\"]: `https://example.com/a.json` lies outside the schema, and nothing is fetched; \
         put it under `$defs`",
        ],
    );
    check_schema(
        r#"{"allOf": [{}, {"$ref": "a.json"}]}"#,
        &[
            "inputSchema.allOf[1][\"$ref\"]: `a.json` lies outside the schema, and nothing is fetched; put it under `$defs`",
        ],
    );
    check_schema(
        r##"{"items": {"$ref": "#/$defs/none"}}"##,
        &["inputSchema.items[\"$ref\"]: `#/$defs/none` points at nothing in the schema"],
    );
    check_schema(
        r#"{"$schema": "https://example.com/mine"}"#,
        &["inputSchema: `$schema` names no draft of JSON Schema that is known"],
    );
    check_schema(
        r#"{"pattern": "(?=a)b"}"#,
        &[
            "inputSchema.pattern: is no pattern that can be used: it does not parse, looks around or back, or is too large",
        ],
    );
    check_schema(r##"{"properties": {"child": {"$ref": "#"}}}"##, &[]);
    check_schema(r##"{"$ref": "#"}"##, &[]);
    check_schema("{}", &[]);
}

#[test]
fn a_schema_that_grows_without_end_or_has_too_many_patterns_is_refused() {
    let twice = |n| {
        format!(
            r##""d{n}": {{"allOf": [{{"$ref": "#/$defs/d{}"}}, {{"$ref": "#/$defs/d{}"}}]}}"##,
            n + 1,
            n + 1
        )
    };
    let doubling: Vec<String> = (0..30).map(twice).collect();
    let schema = format!(r##"{{"$ref": "#/$defs/d0", "$defs": {{{}, "d30": {{}}}}}}"##, doubling.join(","));
    check_schema(
        &schema,
        &["inputSchema: the schema has more than 10000 places once its references are followed"],
    );
    let patterns: Vec<String> = (0..101).map(|n| format!(r#""a{n}": {{"pattern": "a"}}"#)).collect();
    let schema = format!(r#"{{"properties": {{{}}}}}"#, patterns.join(","));
    check_schema(&schema, &["inputSchema: the schema has more than 100 patterns"]);
    check_schema(
        r#"{"pattern": "a{1000}{1000}"}"#,
        &[
            "inputSchema.pattern: is no pattern that can be used: it does not parse, looks around or back, or is too large",
        ],
    );
}

#[test]
fn the_checker_points_into_the_schema() {
    let text = "{\"name\": \"w\", \"trigger\": {\"type\": \"api\"},\n \"outputSchema\": {\"properties\": {\"a\": {\"items\": [1]}}},\n\
                \"inputSchema\": {\"anyOf\": [{\"type\": 1}]},\n \"steps\": [{\"id\": \"a\", \"action\": \"stripe.createCustomer\"}]}";
    let checked = check(text, Options { catalog: Catalog::builtin(), environment: &[] });
    let found: Vec<String> = checked
        .diagnostics
        .iter()
        .map(|one| format!("{} {} {}:{}", one.code, one.field, one.line, one.column))
        .collect();
    assert_eq!(
        found,
        ["LF0205 outputSchema.properties.a.items 2:49", "LF0205 inputSchema.anyOf[0].type 3:36",]
    );
}
