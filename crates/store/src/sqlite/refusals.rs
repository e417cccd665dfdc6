//! The counts of refused webhooks as they are written down.

use loopfour_engine::{CompanyId, Timestamp};
use rusqlite::{Connection, Row, params};

use crate::refusals::WebhookRefusals;
use crate::sqlite::runs::count;
use crate::sqlite::{time, uuid};
use crate::{Memory, Store};

impl Store {
    /// Counts a request that was refused at a provider's door. For a company that does not exist nothing is counted.
    pub fn refuse_webhook(&self, company: CompanyId, provider: &'static str, now: Timestamp) {
        if self.0.memory.refusals.add(company, provider, now) {
            self.0.write_refusals();
        }
    }

    /// How many were refused at which door of the company, from memory; those at which none was are not there.
    pub fn webhook_refusals(&self, company: CompanyId) -> Vec<WebhookRefusals> {
        self.0.memory.refusals.of_company(company)
    }
}

/// Writes down what is not.
pub(crate) fn store(db: &Connection, memory: &Memory) -> rusqlite::Result<()> {
    // The counts are whole and not what came since, so that nothing is counted twice if this is made again.
    let sql = "INSERT INTO webhook_refusals (company, provider, count, last_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (company, provider) DO UPDATE SET count = excluded.count, last_at = excluded.last_at";
    let mut statement = db.prepare_cached(sql)?;
    for (company, refused) in memory.refusals.take_unwritten() {
        let count = i64::try_from(refused.count).unwrap_or(i64::MAX);
        statement.execute(params![company.0.as_bytes(), refused.provider, count, refused.last_at.0])?;
    }
    Ok(())
}

/// What is written down of every company there is.
pub(crate) fn load(db: &Connection) -> rusqlite::Result<Vec<(CompanyId, Vec<WebhookRefusals>)>> {
    let mut companies = db.prepare("SELECT id FROM companies")?;
    let companies = companies.query_map([], |row| uuid(row, 0).map(CompanyId))?;
    let sql = "SELECT provider, count, last_at FROM webhook_refusals WHERE company = ?1";
    let mut statement = db.prepare(sql)?;
    let read = |row: &Row<'_>| {
        Ok(WebhookRefusals { provider: row.get(0)?, count: count(row, 1)?, last_at: time(row, 2)? })
    };
    let mut all = Vec::new();
    for company in companies {
        let company = company?;
        let refusals = statement.query_map([company.0.as_bytes()], read)?.collect::<Result<_, _>>()?;
        all.push((company, refusals));
    }
    Ok(all)
}
