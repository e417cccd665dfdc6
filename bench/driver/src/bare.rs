//! The bare loop: the example's six calls as the server sends them, one after the other, answers read and thrown away.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Method, redirect, retry};

/// The calls after the first, which is a GET.
const POSTS: [(&str, &str); 5] = [
    ("/v1/customers", "email=buyer%40bench.example&name=Bench+Buyer"),
    (
        "/v1/invoices",
        "customer=cus_ThBench0000001&auto_advance=false&collection_method=send_invoice&days_until_due=30",
    ),
    (
        "/v1/invoiceitems",
        "customer=cus_ThBench0000001&invoice=in_1ThBench00000000000001&amount=9900&currency=usd&description=Consulting",
    ),
    ("/v1/invoices/in_1ThBench00000000000001/finalize", ""),
    ("/v1/invoices/in_1ThBench00000000000001/send", ""),
];

/// A client with the settings that the server's has.
pub struct Loop {
    client: Client,
    base: String,
}

impl Loop {
    /// For the provider at this address.
    pub fn new(provider: &str) -> Result<Loop> {
        // A second installation is refused, and some provider is there then.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(80))
            .pool_max_idle_per_host(1024)
            .tls_certs_only([])
            .build()?;
        Ok(Loop { client, base: format!("http://{provider}") })
    }

    /// Makes the six calls again and again for that time; answers how long each six took.
    pub fn worker(&self, time: Duration) -> impl Future<Output = Result<Vec<Duration>>> + Send + 'static {
        let (client, base) = (self.client.clone(), self.base.clone());
        async move {
            let end = Instant::now() + time;
            let mut took = Vec::new();
            while Instant::now() < end {
                let start = Instant::now();
                let list = format!("{base}/v1/customers?email=buyer%40bench.example&limit=1");
                call(&client, Method::GET, &list, None).await?;
                for (path, form) in POSTS {
                    call(&client, Method::POST, &format!("{base}{path}"), Some(form)).await?;
                }
                took.push(start.elapsed());
            }
            Ok(took)
        }
    }
}

async fn call(client: &Client, method: Method, url: &str, form: Option<&'static str>) -> Result<()> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(AUTHORIZATION, HeaderValue::from_static(concat!("Bearer ", "sk_test_bench")));
    headers.insert("stripe-version", HeaderValue::from_static("2026-08-26.dahlia"));
    let mut request = client.request(method, url).timeout(Duration::from_secs(80));
    if let Some(form) = form {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert("idempotency-key", HeaderValue::try_from(uuid::Uuid::now_v7().to_string())?);
        request = request.body(form);
    }
    let response = request.headers(headers).send().await.with_context(|| format!("calling {url}"))?;
    response.error_for_status()?.bytes().await?;
    Ok(())
}
