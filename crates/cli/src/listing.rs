//! Lists of a server: one page, or all of them as they come.

use serde::de::DeserializeOwned;

use crate::client::{Client, Page, Refused};
use crate::failure::{DONE, Failure};
use crate::print::{self, Reader, one_line};
use crate::table::{Cell, Table};

/// How many rows a page of `--all` has: the most that the API gives.
const WHOLE_PAGE: u32 = 100;

/// Which part of a list, and how it is printed.
#[derive(clap::Args)]
pub struct Part {
    /// At most so many, 1 to 100.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// All of them, however many there are.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Print each as one JSON object a line, as the API's list has it.
    #[arg(long)]
    json: bool,
}

/// What a list shows.
pub struct List<'a, T> {
    /// The address.
    pub path: &'a str,
    /// The filters.
    pub query: Vec<(&'a str, String)>,
    /// The names of the columns.
    pub head: &'static [&'static str],
    /// A row of them.
    pub row: fn(&T) -> Vec<Cell>,
}

impl Part {
    /// Prints that part of a list, and says on stderr if it goes on.
    ///
    /// # Errors
    /// The server cannot be reached or answers an error.
    pub async fn print<T: DeserializeOwned>(self, client: &Client, list: List<'_, T>) -> Result<u8, Failure> {
        let mut table = Table::new(list.head, print::room());
        let limit = if self.all { WHOLE_PAGE } else { self.limit };
        let mut query = list.query.clone();
        query.push(("limit", limit.to_string()));
        let fixed = query.len();
        loop {
            let page = client.page(list.path, &query).await?;
            for line in self.lines(&page, &mut table, list.row)? {
                if print::out(&line)? == Reader::Gone {
                    return Ok(DONE);
                }
            }
            match page.next {
                Some(cursor) if self.all => {
                    query.truncate(fixed);
                    query.push(("cursor", cursor));
                    continue;
                }
                Some(_) => print::talk("more follow: --all shows all of them"),
                None => {}
            }
            page.refused.iter().for_each(|refused| print::talk(&refusals(refused)));
            return Ok(DONE);
        }
    }

    fn lines<T: DeserializeOwned>(
        &self,
        page: &Page,
        table: &mut Table,
        row: fn(&T) -> Vec<Cell>,
    ) -> Result<Vec<String>, Failure> {
        if self.json {
            return Ok(page.rows.iter().map(|row| row.get().to_owned()).collect());
        }
        let rows: Vec<Vec<Cell>> =
            page.rows.iter().map(|text| read(text.get()).map(|item| row(&item))).collect::<Result<_, _>>()?;
        Ok(table.draw(&rows))
    }
}

fn refusals(Refused { provider, count, last_at }: &Refused) -> String {
    let were = if *count == 1 { "webhook was" } else { "webhooks were" };
    let (provider, at) = (one_line(provider), one_line(last_at));
    format!(
        "{count} {provider} {were} refused for the signature, the last at {at}: is the secret the sender's?"
    )
}

/// All of a list, for commands that look for one thing in it.
///
/// # Errors
/// The server cannot be reached or answers an error.
pub async fn whole<T: DeserializeOwned>(client: &Client, path: &str) -> Result<Vec<T>, Failure> {
    let mut found = Vec::new();
    let mut query = vec![("limit", WHOLE_PAGE.to_string())];
    loop {
        let page = client.page(path, &query).await?;
        for row in &page.rows {
            found.push(read(row.get())?);
        }
        let Some(cursor) = page.next else { return Ok(found) };
        query.truncate(1);
        query.push(("cursor", cursor));
    }
}

/// One thing that the API answered.
///
/// # Errors
/// It lacks what it must have.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|cause| {
        Failure::failed(format!("the server does not answer as a LoopFour server does: {cause}"))
    })
}
