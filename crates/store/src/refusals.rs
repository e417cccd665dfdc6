//! How many requests were refused at the doors of webhooks: counted in memory, since whoever sends many must not keep the
//! disk busy, and written down about once a second. What was counted last may be lost with a sudden end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use loopfour_engine::{CompanyId, Timestamp};

/// The counts are written down at most this often, in milliseconds.
const WRITE_INTERVAL: i64 = 1000;

/// Requests that were refused at a provider's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRefusals {
    /// `stripe` or `custom`.
    pub provider: String,
    /// How many.
    pub count: u64,
    /// When the last one came.
    pub last_at: Timestamp,
}

/// The counts of every company.
pub(crate) struct Refusals(Mutex<Counts>);

struct Counts {
    /// Companies that exist have an entry; for others nothing is counted, they cost no memory.
    companies: HashMap<CompanyId, BTreeMap<String, Count>>,
    written_at: Option<Timestamp>,
}

#[derive(Clone, Copy)]
struct Count {
    count: u64,
    last_at: Timestamp,
    is_written: bool,
}

impl Refusals {
    /// What was written down of these companies.
    pub(crate) fn of(companies: Vec<(CompanyId, Vec<WebhookRefusals>)>) -> Refusals {
        let known = companies.into_iter().map(|(company, refusals)| {
            let counts = refusals.into_iter().map(|refused| {
                let count = Count { count: refused.count, last_at: refused.last_at, is_written: true };
                (refused.provider, count)
            });
            (company, counts.collect())
        });
        Refusals(Mutex::new(Counts { companies: known.collect(), written_at: None }))
    }

    /// There is another company.
    pub(crate) fn add_company(&self, company: CompanyId) {
        self.lock().companies.entry(company).or_default();
    }

    /// Counts one, and says whether it is time to write the counts down.
    pub(crate) fn add(&self, company: CompanyId, provider: &'static str, now: Timestamp) -> bool {
        let mut counts = self.lock();
        let Some(of_company) = counts.companies.get_mut(&company) else { return false };
        let new = Count { count: 0, last_at: now, is_written: false };
        let count = of_company.entry(provider.to_owned()).or_insert(new);
        *count = Count { count: count.count.saturating_add(1), last_at: now, is_written: false };
        let since = counts.written_at.map(|at| now.0.saturating_sub(at.0));
        let is_time = since.is_none_or(|since| !(0..WRITE_INTERVAL).contains(&since));
        if is_time {
            counts.written_at = Some(now);
        }
        is_time
    }

    /// Takes the counts that are not written down, and takes them for written.
    pub(crate) fn take_unwritten(&self) -> Vec<(CompanyId, WebhookRefusals)> {
        let mut counts = self.lock();
        let all =
            counts.companies.iter_mut().flat_map(|(company, of)| of.iter_mut().map(|one| (*company, one)));
        let unwritten = all.filter(|(_, (_, count))| !count.is_written);
        let taken = unwritten.map(|(company, (provider, count))| {
            count.is_written = true;
            (company, shown(provider, count))
        });
        taken.collect()
    }

    /// The company's counts, by provider.
    pub(crate) fn of_company(&self, company: CompanyId) -> Vec<WebhookRefusals> {
        let counts = self.lock();
        let of_company = counts.companies.get(&company).into_iter().flatten();
        of_company.map(|(provider, count)| shown(provider, count)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(provider: &str, count: &Count) -> WebhookRefusals {
    WebhookRefusals { provider: provider.to_owned(), count: count.count, last_at: count.last_at }
}
