//! Whether the audit log is whole: every company's chain is followed from its first row. Reads in parts, so that neither
//! memory nor a server that works meanwhile suffers; what is added while it reads is read too.

use std::fmt;

use loopfour_engine::CompanyId;
use rusqlite::{Connection, Row};

use crate::DEFAULT_COMPANY;
use crate::sqlite::audit::{AuditHash, AuditHead, part};
use crate::sqlite::uuid;

/// So many rows are read at one moment.
const PART: u32 = 1000;

/// What was found of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditVerified {
    /// The log of each company, as far as it is whole, the oldest company first.
    pub companies: Vec<AuditChain>,
    /// The first thing that is wrong, in this order; none if all is whole.
    pub broken: Option<AuditBreak>,
}

/// The log of a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditChain {
    /// The company.
    pub company: CompanyId,
    /// Its name.
    pub name: String,
    /// Its last row.
    pub head: AuditHead,
}

/// Something that is wrong with the audit log. Its text is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditBreak {
    /// A row's hash is not that of the row: the row, or one before it, was changed.
    Changed {
        /// The company's name.
        company: String,
        /// The row.
        seq: u64,
    },
    /// A row is not there.
    Missing {
        /// The company's name.
        company: String,
        /// The row.
        seq: u64,
    },
    /// A row cannot be read.
    Unreadable {
        /// The company's name.
        company: String,
        /// A row after this one.
        after: u64,
        /// What was found.
        cause: String,
    },
    /// A row is in no company's log: its company is not there, or its number is none.
    Stray,
    /// No row has the hash that a log ended with once: its end was cut off, or it was made anew.
    Cut {
        /// That hash.
        head: AuditHash,
    },
}

impl fmt::Display for AuditBreak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditBreak::Changed { company, seq } => {
                write!(f, "company `{company}`: row {seq} was changed: its hash is not that of what it says")
            }
            AuditBreak::Missing { company, seq } => write!(f, "company `{company}`: row {seq} is missing"),
            AuditBreak::Unreadable { company, after, cause } => {
                write!(f, "company `{company}`: a row after row {after} cannot be read: {cause}")
            }
            AuditBreak::Stray => f.write_str(
                "a row is in no company's log: its company is not there any more, or its number is below 1",
            ),
            AuditBreak::Cut { head } => {
                write!(
                    f,
                    "no row has the hash {head}: the end of a log was cut off, or the log was made anew"
                )
            }
        }
    }
}

/// See [`crate::ReadOnly::audit_verify`].
pub(crate) fn verify(db: &Connection, head: Option<AuditHash>) -> rusqlite::Result<AuditVerified> {
    let mut verified = AuditVerified { companies: Vec::new(), broken: None };
    // Nothing was there yet when the log was empty.
    let mut is_found = head.is_none_or(|head| head == AuditHash::NONE);
    let read = |row: &Row<'_>| Ok((CompanyId(uuid(row, 0)?), row.get(1)?));
    let mut companies = db.prepare("SELECT id, name FROM companies ORDER BY created_at, id")?;
    let companies: Vec<(CompanyId, String)> =
        companies.query_map([], read)?.collect::<rusqlite::Result<_>>()?;
    for (company, name) in companies {
        let (end, broken) = follow(db, (company, &name), |hash| is_found |= Some(hash) == head)?;
        verified.companies.push(AuditChain { company, name, head: end });
        verified.broken = verified.broken.or(broken);
    }
    let stray = "SELECT 1 FROM audit WHERE seq < 1 OR company NOT IN (SELECT id FROM companies)";
    if db.prepare(stray)?.exists([])? {
        verified.broken = verified.broken.or(Some(AuditBreak::Stray));
    }
    if let Some(head) = head.filter(|_| !is_found) {
        verified.broken = verified.broken.or(Some(AuditBreak::Cut { head }));
    }
    Ok(verified)
}

/// Follows a company's chain to its end or its first break.
fn follow(
    db: &Connection,
    (company, name): (CompanyId, &str),
    mut passed: impl FnMut(AuditHash),
) -> rusqlite::Result<(AuditHead, Option<AuditBreak>)> {
    let mut end = AuditHead { count: 0, hash: AuditHash::NONE };
    loop {
        let rows = match part(db, company, end.count, PART) {
            // Every company's log tells of its making first, but that of a database which is older than the log.
            Ok(rows) if rows.is_empty() && end.count == 0 && name != DEFAULT_COMPANY => {
                return Ok((end, Some(AuditBreak::Missing { company: name.to_owned(), seq: 1 })));
            }
            Ok(rows) if rows.is_empty() => return Ok((end, None)),
            Ok(rows) => rows,
            Err(error) if error.sqlite_error().is_some() => return Err(error),
            Err(error) => {
                let (company, after, cause) = (name.to_owned(), end.count, error.to_string());
                return Ok((end, Some(AuditBreak::Unreadable { company, after, cause })));
            }
        };
        for row in rows {
            let (company_name, seq) = (name.to_owned(), end.count + 1);
            if row.seq != seq {
                return Ok((end, Some(AuditBreak::Missing { company: company_name, seq })));
            }
            if row.after_hash(company, end.hash) != row.hash {
                return Ok((end, Some(AuditBreak::Changed { company: company_name, seq })));
            }
            end = AuditHead { count: seq, hash: row.hash };
            passed(row.hash);
        }
    }
}
