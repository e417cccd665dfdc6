//! Configs, rows of the catalogue and connections for the tests.

use std::collections::BTreeMap;

use loopfour_connect::{Connect, stripe};
use loopfour_engine::call::{Account, Bound};
use loopfour_engine::ports::{Call, Prepare, Unprepared};
use loopfour_engine::{CompanyId, ConnectionId, Request, RunId, StepError, StepPath};
use loopfour_lang::catalog::{Action, Method, Parameter, Place, Type};
use loopfour_lang::template::{Scope, StepField, Template, Tree};
use loopfour_lang::{Value, json};
use uuid::Uuid;

pub const RUN: RunId = RunId(Uuid::from_u128(7));
pub const COMPANY: CompanyId = CompanyId(Uuid::from_u128(8));

pub fn value(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// The config with its templates compiled, as the checker makes it.
pub fn tree(value: &Value) -> Tree {
    let has_template = |tree: &Tree| !matches!(tree, Tree::Literal(_));
    match value {
        Value::Text(text) if text.contains("{{") => Tree::Template(Template::parse(text).0),
        Value::Array(items) => {
            let items: Vec<Tree> = items.iter().map(tree).collect();
            if items.iter().any(has_template) { Tree::Array(items) } else { Tree::Literal(value.clone()) }
        }
        Value::Object(members) => {
            let members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), tree(value))).collect();
            let any = members.iter().any(|(_, member)| has_template(member));
            if any { Tree::Object(members) } else { Tree::Literal(value.clone()) }
        }
        scalar => Tree::Literal(scalar.clone()),
    }
}

struct Input(Value);

impl Scope for Input {
    fn input(&self) -> Value {
        self.0.clone()
    }
    fn variables(&self) -> Value {
        Value::Null
    }
    /// The input's `steps` stand for outputs.
    fn step(&self, id: &str, field: StepField) -> Value {
        let member = |value: &Value, name: &str| match value {
            Value::Object(members) => members.get(name).cloned().unwrap_or_default(),
            _ => Value::Null,
        };
        assert_eq!(field, StepField::Output);
        member(&member(&self.0, "steps"), id)
    }
    fn now(&self) -> Value {
        Value::Null
    }
    fn run(&self) -> Value {
        Value::Null
    }
    fn environment(&self, _: &str) -> Value {
        Value::Null
    }
    fn local(&self, _: &str) -> Option<Value> {
        None
    }
}

/// Whether created objects are stamped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    On,
    Off,
}

pub fn connect(config: stripe::Config) -> Connect {
    Connect::new(config).unwrap()
}

pub fn test_key(api_base: &str) -> stripe::Config {
    with_key("sk_test_abc123", api_base)
}

pub fn with_key(key: &str, api_base: &str) -> stripe::Config {
    let api_base = api_base.to_owned();
    stripe::Config { api_key: Some(key.into()), api_base, ..stripe::Config::default() }
}

/// Where the connections of [`test_key`] are, whoever's account that is.
pub fn anybodys() -> Account {
    Account { connection: "environment".to_owned(), mode: "test".to_owned(), id: None }
}

/// Prepares a call that goes out under any account; nothing is sent.
pub fn prepare(action: &Action, config: &str, input: &str, stamp: Stamp) -> Result<Request, StepError> {
    let config = tree(&value(config));
    let input = config.evaluate(&Input(value(input))).unwrap();
    let path = StepPath("create-it".to_owned());
    let stamp = stamp == Stamp::On;
    let bound = Bound { account: anybodys(), version: Some(stripe::API_VERSION.to_owned()) };
    let call = Call {
        company: COMPANY,
        action,
        config: &config,
        input: &input,
        connection: None,
        run: RUN,
        path: &path,
        stamp,
        bound: Some(&bound),
        used: &[],
    };
    connect(test_key("http://127.0.0.1:9")).prepare(&call).map_err(|unprepared| match unprepared {
        Unprepared::Refused(error) => error,
        Unprepared::NotReady { error, .. } => panic!("{error:?}"),
    })
}

/// Prepares a list of everything, by a run that asks for a connection or is bound to an account.
pub fn prepare_under(
    connect: &Connect,
    connection: Option<ConnectionId>,
    bound: Option<&Account>,
) -> Result<Request, Unprepared> {
    let (action, config, input) = (&listing(), &tree(&value("{}")), &value("{}"));
    let path = &StepPath("create-it".to_owned());
    let bound = bound
        .map(|account| Bound { account: account.clone(), version: Some(stripe::API_VERSION.to_owned()) });
    connect.prepare(&Call {
        company: COMPANY,
        action,
        config,
        input,
        connection,
        run: RUN,
        path,
        stamp: false,
        bound: bound.as_ref(),
        used: &[],
    })
}

/// `POST /v1/x?query form`.
pub fn shown(request: &Request) -> String {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    format!("{} {}{query} {}", request.method, request.path, request.form).trim_end().to_owned()
}

fn parameter(name: &str, wire: &str, place: Place, kind: Type) -> Parameter {
    Parameter {
        name: name.to_owned(),
        wire: wire.to_owned(),
        place,
        kind,
        required: false,
        refuses_empty: false,
        default: None,
        limits: None,
        documented: false,
    }
}

fn refuses_empty(mut parameter: Parameter) -> Parameter {
    parameter.refuses_empty = true;
    parameter
}

fn required(mut parameter: Parameter) -> Parameter {
    parameter.required = true;
    parameter
}

fn row(name: &str, operation: &str, method: Method, path: &str, parameters: Vec<Parameter>) -> Action {
    Action {
        name: name.to_owned(),
        provider: "stripe".to_owned(),
        operation: operation.to_owned(),
        summary: String::new(),
        method,
        path: path.to_owned(),
        stamps: method == Method::Post,
        parameters,
        returns: None,
        list: method == Method::Get,
        unfinished: None,
        absent: BTreeMap::new(),
        notes: Vec::new(),
    }
}

fn text() -> Type {
    Type::Text { max: 5000 }
}

fn object(members: &[(&str, Type)], required: &[&str]) -> Type {
    let members: BTreeMap<String, Type> =
        members.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect();
    Type::Object { members, required: required.iter().map(|name| (*name).to_owned()).collect() }
}

fn words(words: &[&str]) -> Type {
    Type::Enumeration(words.iter().map(|word| (*word).to_owned()).collect())
}

/// A write with a parameter of each type.
pub fn every_type() -> Action {
    let form = |name: &str, wire: &str, kind: Type| parameter(name, wire, Place::Form, kind);
    let metadata = || Type::Clearable(Box::new(Type::Map(Box::new(text()))));
    let item = object(
        &[
            ("price", text()),
            ("quantity", Type::Integer),
            ("tax_rates", Type::List(Box::new(text()))),
            ("metadata", metadata()),
        ],
        &["price"],
    );
    let address = object(&[("line1", text()), ("postal_code", text()), ("city", text())], &[]);
    let mut limited = form("days", "days", Type::Integer);
    limited.limits = Some(1..=730);
    let mut defaulted = form("autoAdvance", "auto_advance", Type::Boolean);
    defaulted.default = Some(Value::Boolean(true));
    let parameters = vec![
        parameter("thingId", "thing", Place::Path, text()),
        refuses_empty(form("amount", "amount", Type::Integer)),
        form("shortText", "short_text", Type::Text { max: 5 }),
        form("clearText", "clear_text", Type::Clearable(Box::new(text()))),
        form("dueDate", "due_date", Type::Timestamp),
        form("percent", "percent", Type::Number),
        form("unitAmountDecimal", "unit_amount_decimal", Type::Decimal),
        form("offSession", "off_session", Type::OneOf(vec![Type::Boolean, words(&["one_off", "recurring"])])),
        form("flag", "flag", Type::Boolean),
        form("mode", "mode", words(&["draft", "open"])),
        form("types", "types", Type::List(Box::new(text()))),
        form("items", "items", Type::List(Box::new(item.clone()))),
        form(
            "shipTo",
            "ship_to",
            Type::OneOf(vec![address.clone(), Type::Enumeration(vec!["billing".to_owned()])]),
        ),
        form("address", "address", Type::Clearable(Box::new(address))),
        form("options", "options", Type::Map(Box::new(item))),
        form("metadata", "metadata", metadata()),
        form("anything", "anything", Type::Any),
        limited,
        defaulted,
    ];
    row("stripe.everyType", "PostThings", Method::Post, "/v1/things/{thing}/do", parameters)
}

/// A list with filters, a cursor and an `expand`.
pub fn listing() -> Action {
    let range = object(&[("gte", Type::Integer), ("lte", Type::Integer)], &[]);
    let query = |name: &str, wire: &str, kind: Type| parameter(name, wire, Place::Query, kind);
    let parameters = vec![
        refuses_empty(query("email", "email", Type::Text { max: 512 })),
        refuses_empty(query("created", "created", Type::OneOf(vec![range, Type::Integer]))),
        query("limit", "limit", Type::Integer),
        query("startingAfter", "starting_after", text()),
        query("expand", "expand", Type::List(Box::new(text()))),
    ];
    row("stripe.listThings", "GetThings", Method::Get, "/v1/things", parameters)
}

/// A delete.
pub fn removal() -> Action {
    let parameters = vec![
        required(parameter("thingId", "thing", Place::Path, text())),
        parameter("invoiceNow", "invoice_now", Place::Query, Type::Boolean),
    ];
    row("stripe.removeThing", "DeleteThings", Method::Delete, "/v1/things/{thing}", parameters)
}

/// A write that must be told its items.
pub fn needing_items() -> Action {
    let item = object(&[("price", text()), ("quantity", Type::Integer)], &[]);
    let parameters = vec![required(parameter("items", "items", Place::Form, Type::List(Box::new(item))))];
    row("stripe.needItems", "PostNeeds", Method::Post, "/v1/needs", parameters)
}

/// A write that takes anything under one name.
pub fn anything() -> Action {
    let parameters = vec![parameter("x", "x", Place::Form, Type::Any)];
    Action { stamps: false, ..row("stripe.any", "PostAny", Method::Post, "/v1/any", parameters) }
}
