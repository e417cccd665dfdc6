//! Lists: order, cursors, filters.

use serde_json::{Value, json};

use crate::stripe::{Stripe, id};

#[track_caller]
fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test]
async fn pages_go_both_ways_newest_first() {
    let stripe = Stripe::start().await;
    let mut made = Vec::new();
    for index in 0..7 {
        made.push(stripe.customer(&format!("c{index}@example.com")).await);
    }
    made.reverse();
    let first = stripe.get("/v1/customers?limit=3").await.ok();
    assert_eq!((ids(&first), &first["has_more"]), (made[..3].to_vec(), &json!(true)));
    let next = stripe.get(&format!("/v1/customers?limit=3&starting_after={}", made[2])).await.ok();
    assert_eq!((ids(&next), &next["has_more"]), (made[3..6].to_vec(), &json!(true)));
    let last = stripe.get(&format!("/v1/customers?limit=3&starting_after={}", made[5])).await.ok();
    assert_eq!((ids(&last), &last["has_more"]), (made[6..].to_vec(), &json!(false)));
    let back = stripe.get(&format!("/v1/customers?limit=3&ending_before={}", made[5])).await.ok();
    assert_eq!((ids(&back), &back["has_more"]), (made[2..5].to_vec(), &json!(true)));
    let front = stripe.get(&format!("/v1/customers?limit=3&ending_before={}", made[2])).await.ok();
    assert_eq!((ids(&front), &front["has_more"]), (made[..2].to_vec(), &json!(false)));
    assert_eq!(ids(&stripe.get("/v1/customers?limit=7").await.ok()), made);
    let exact = stripe.get("/v1/customers?limit=7").await.ok();
    assert_eq!(exact["has_more"], false);
}

#[tokio::test]
async fn ten_come_unless_told() {
    let stripe = Stripe::start().await;
    for _ in 0..11 {
        stripe.customer("ada@example.com").await;
    }
    let page = stripe.get("/v1/customers").await.ok();
    assert_eq!((ids(&page).len(), &page["has_more"]), (10, &json!(true)));
    let narrowed = stripe.get("/v1/customers?email=ada%40example.com&limit=11").await.ok();
    assert_eq!(ids(&narrowed).len(), 11);
}

#[tokio::test]
async fn filters_narrow() {
    let stripe = Stripe::start().await;
    let (ada, bob) = (stripe.customer("ada@example.com").await, stripe.customer("bob@example.com").await);
    let (one, two, three) =
        (stripe.invoice(&ada).await, stripe.invoice(&bob).await, stripe.invoice(&ada).await);
    stripe.post("/v1/invoiceitems", &[("customer", &ada), ("invoice", &one), ("amount", "5")]).await.ok();
    let open = stripe.post(&format!("/v1/invoices/{one}/finalize"), &[]).await.ok();
    let (created, due) = (open["created"].as_i64().unwrap(), open["due_date"].as_i64().unwrap());
    let rows = [
        (format!("customer={ada}"), vec![&three, &one]),
        (format!("customer={ada}&status=open"), vec![&one]),
        ("status=draft".to_owned(), vec![&three, &two]),
        ("status=void".to_owned(), vec![]),
        ("collection_method=charge_automatically".to_owned(), vec![]),
        (format!("due_date={due}"), vec![&one]),
        (format!("due_date[lt]={due}"), vec![]),
        (format!("created[gte]={created}&created[lt]={}", created + 60), vec![&three, &two, &one]),
        (format!("created[gt]={}", created + 60), vec![]),
        ("customer=cus_x".to_owned(), vec![]),
    ];
    for (query, expect) in rows {
        let page = stripe.get(&format!("/v1/invoices?{query}")).await.ok();
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), expect, "{query}");
    }
}

#[tokio::test]
async fn an_invoice_shows_ten_lines_and_lists_the_others() {
    let stripe = Stripe::start().await;
    let customer = stripe.customer("ada@example.com").await;
    let invoice = stripe.invoice(&customer).await;
    for amount in 1..=12 {
        let amount = amount.to_string();
        let item = [("customer", &*customer), ("invoice", &*invoice), ("amount", &*amount)];
        stripe.post("/v1/invoiceitems", &item).await.ok();
    }
    let shown = stripe.get(&format!("/v1/invoices/{invoice}")).await.ok();
    let lines = &shown["lines"];
    assert_eq!((ids(lines).len(), &lines["has_more"], &shown["total"]), (10, &json!(true), &json!(78)));
    let url = lines["url"].as_str().unwrap();
    let rest = stripe.get(&format!("{url}?starting_after={}", ids(lines)[9])).await.ok();
    let amounts: Vec<&Value> = rest["data"].as_array().unwrap().iter().map(|line| &line["amount"]).collect();
    assert_eq!(amounts, [&json!(11), &json!(12)]);
    let back = stripe.get(&format!("{url}?ending_before={}", ids(&rest)[0])).await.ok();
    assert_eq!(ids(&back), ids(lines));
}
