//! Products: create, retrieve, update, list, delete.

use serde_json::{Map, Value, json};

use super::{Action, Context, answer, deleted};
use crate::errors::Failure;
use crate::ids;
use crate::objects::keep;
use crate::paging::{self, Listing, Order};
use crate::state::{Record, Transaction};

/// What is copied from the parameters as it was sent.
const COPIED: &[&str] = &[
    "active",
    "default_price",
    "description",
    "images",
    "name",
    "shippable",
    "statement_descriptor",
    "tax_code",
    "type",
    "unit_label",
    "url",
];

pub(super) const ACTIONS: &[Action] = &[
    Action {
        operation: "PostProducts",
        takes: &[
            "active",
            "description",
            "id",
            "images",
            "metadata",
            "name",
            "shippable",
            "statement_descriptor",
            "type",
            "unit_label",
            "url",
        ],
        clears: &[],
        run: create,
    },
    Action { operation: "GetProductsId", takes: &[], clears: &[], run: retrieve },
    Action {
        operation: "PostProductsId",
        takes: &[
            "active",
            "default_price",
            "description",
            "images",
            "metadata",
            "name",
            "shippable",
            "statement_descriptor",
            "unit_label",
            "url",
        ],
        clears: &[],
        run: update,
    },
    Action {
        operation: "GetProducts",
        takes: &["active", "created", "ending_before", "ids", "limit", "shippable", "starting_after", "type"],
        clears: &[],
        run: list,
    },
    Action { operation: "DeleteProductsId", takes: &[], clears: &[], run: delete },
];

fn create(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut set = Map::new();
    params.copy(COPIED, &mut set);
    set.insert("metadata".to_owned(), params.metadata(&Value::Null)?);
    let id = params.text("id").map_or_else(|| ids::fresh("prod_", 14), str::to_owned);
    if ctx.tx.find(&id).is_some() {
        let message = format!("a product '{id}' is there already");
        return Err(Failure::refused(message).code("resource_already_exists").param("id"));
    }
    let record = make(&mut ctx.tx, &id, set);
    Ok(answer(&ctx.tx, &record))
}

/// Stores a new product.
pub(super) fn make(tx: &mut Transaction<'_>, id: &str, set: Map<String, Value>) -> Record {
    let created = set.get("created").and_then(Value::as_i64).unwrap_or(tx.now);
    let defaults = json!({
        "id": id,
        "active": true,
        "created": created,
        "images": [],
        "livemode": false,
        "marketing_features": [],
        "metadata": {},
        "type": "service",
        "updated": created,
    });
    tx.create(id, created, keep("product", defaults, set))
}

fn retrieve(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("product", "id")?;
    Ok(answer(&ctx.tx, &record))
}

fn update(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let mut record = ctx.named("product", "id")?;
    if let Some(id) = params.text("default_price") {
        let price = ctx.tx.get("price", id).filter(|price| price.text("product") == record.id);
        price.ok_or_else(|| Failure::missing_reference("price", id, "default_price"))?;
    }
    let mut set = Map::new();
    params.copy(COPIED, &mut set);
    if set.get("images").is_some_and(Value::is_null) {
        set.insert("images".to_owned(), json!([]));
    }
    let before = record.value.get("metadata").cloned().unwrap_or_default();
    set.insert("metadata".to_owned(), params.metadata(&before)?);
    set.insert("updated".to_owned(), json!(ctx.tx.now));
    record.apply(set);
    ctx.tx.put(record.clone());
    Ok(answer(&ctx.tx, &record))
}

fn list(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let params = ctx.params;
    let url = "/v1/products".to_owned();
    let listing = Listing { object: "product", url, by: None, order: Order::NewestFirst };
    let ids = params.get("ids").and_then(Value::as_array);
    let flag = |record: &Record, name: &str| {
        params.flag(name).is_none_or(|wanted| record.value.get(name) == Some(&json!(wanted)))
    };
    paging::page(ctx, &listing, |record| {
        ids.is_none_or(|ids| ids.iter().any(|id| *id == record.id))
            && flag(record, "active")
            && flag(record, "shippable")
            && params.text("type").is_none_or(|kind| record.text("type") == kind)
            && paging::within(params.get("created"), Some(record.integer("created")))
    })
}

fn delete(ctx: &mut Context<'_>) -> Result<Value, Failure> {
    let record = ctx.named("product", "id")?;
    if ctx.tx.all("price", ("product", &record.id)).next().is_some() {
        let message = "this product has prices, so it cannot be deleted; make it inactive instead";
        return Err(Failure::refused(message));
    }
    ctx.tx.remove(&record.id);
    Ok(deleted("product", &record.id))
}

/// Stores a product from a fixture.
pub(super) fn load(tx: &mut Transaction<'_>, id: &str, given: Map<String, Value>) {
    make(tx, id, given);
}
