//! Whether the database says one thing only: the state that is stored beside each run's journal is exactly the fold of
//! its entries. Reads in small parts, so that neither memory nor a server that works meanwhile suffers.

use std::fmt;

use loopfour_engine::definitions::Definitions;
use loopfour_engine::{Entry, Event, Run, RunId};
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use crate::sqlite::journal::{entries, source};
use crate::sqlite::runs::{COLUMNS, RunRow, read_row};
use crate::sqlite::uuid;

/// So many runs are read at one moment.
const PART: i64 = 500;

/// Something that is wrong. Its text is one line that names the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The run; none where it is the file.
    pub run: Option<RunId>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.run {
            Some(run) => write!(f, "{run}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// What was looked at and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Runs.
    pub runs: u64,
    /// Entries of their journals.
    pub entries: u64,
    /// Things that are wrong.
    pub differ: u64,
}

/// See [`crate::ReadOnly::verify`].
pub(crate) fn verify(db: &Connection, mut tell: impl FnMut(&Difference)) -> rusqlite::Result<Verified> {
    let mut verified = Verified::default();
    let mut differs = |run, what: String| {
        tell(&Difference { run, what });
        1
    };
    db.prepare("PRAGMA integrity_check")?.query_map([], |row| row.get::<_, String>(0))?.try_for_each(
        |line| {
            let line = line?;
            if line != "ok" {
                verified.differ += differs(None, line.lines().collect::<Vec<_>>().join(" "));
            }
            Ok::<(), rusqlite::Error>(())
        },
    )?;
    let definitions = Definitions::default();
    let mut after = Uuid::nil();
    loop {
        let moment = db.unchecked_transaction()?;
        let rows = part(&moment, after)?;
        let Some((last, _)) = rows.last() else { break };
        after = last.0;
        for (run, row) in rows {
            let entries = readable(entries(&moment, run))?;
            verified.runs += 1;
            verified.entries += entries.as_ref().map_or(0, |entries| entries.len() as u64);
            let agree = match (row, entries) {
                (Ok(row), Ok(entries)) => check(&moment, &definitions, &row, &entries)?,
                (Err(what), _) | (_, Err(what)) => Err(what),
            };
            if let Err(what) = agree {
                verified.differ += differs(Some(run), what);
            }
        }
    }
    for (sql, what) in COUNTS {
        let count: i64 = db.query_row(sql, [], |row| row.get(0))?;
        if count > 0 {
            verified.differ += differs(None, format!("{count} {what}"));
        }
    }
    Ok(verified)
}

/// Things of which there is none, and what they are.
const COUNTS: [(&str, &str); 4] = [
    (
        "SELECT count(*) FROM events e WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = e.run)",
        "entries belong to no run",
    ),
    (
        "SELECT count(*) FROM hand_overs h WHERE h.cause GLOB 'evt_*' AND NOT EXISTS (
             SELECT 1 FROM provider_events e WHERE e.id = unhex(substr(h.cause, 5, 36), '-') AND e.company = h.company)",
        "hand-overs belong to no event",
    ),
    (
        "SELECT count(*) FROM provider_events e WHERE
         e.status <> 'dead' AND EXISTS (SELECT 1 FROM dead_hand_overs d WHERE d.event = e.id AND d.company = e.company)
         OR e.status IN ('dispatched', 'unrouted') AND EXISTS (SELECT 1 FROM hand_overs h
             WHERE h.company = e.company AND h.cause >= e.cause AND h.cause < e.cause || '!')",
        "events stand otherwise than their hand-overs say",
    ),
    (
        "SELECT count(*) FROM workflows w LEFT JOIN schedules s ON s.workflow = w.id AND s.company = w.company
         WHERE (w.status = 'active' AND w.trigger IS 'schedule') <> (s.workflow IS NOT NULL)",
        "workflows have a schedule that is not followed, or none that is",
    ),
];

/// Some rows in order of their ids, each as far as it can be read.
fn part(db: &Connection, after: Uuid) -> rusqlite::Result<Vec<(RunId, Result<RunRow, String>)>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id > ?1 ORDER BY id LIMIT ?2");
    let read = |row: &Row<'_>| Ok((RunId(uuid(row, 0)?), readable(read_row(row))?));
    db.prepare_cached(&sql)?.query_map(params![after.as_bytes(), PART], read)?.collect()
}

/// Tells what cannot be understood from what cannot be read.
fn readable<T>(read: rusqlite::Result<T>) -> rusqlite::Result<Result<T, String>> {
    match read {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.sqlite_error().is_some() => Err(error),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// The state of a run by its journal.
pub(crate) fn fold_run(
    db: &Connection,
    definitions: &Definitions,
    run: RunId,
) -> rusqlite::Result<Result<Run, String>> {
    match readable(entries(db, run))? {
        Ok(entries) => fold(db, definitions, &entries),
        Err(what) => Ok(Err(what)),
    }
}

/// The state of a run by these entries.
fn fold(
    db: &Connection,
    definitions: &Definitions,
    entries: &[Entry],
) -> rusqlite::Result<Result<Run, String>> {
    let first = entries.first().filter(|first| first.seq == 1);
    let Some(Event::RunStarted { workflow, version, .. }) = first.map(|first| &first.event) else {
        return Ok(Err("its journal does not begin with its start".to_owned()));
    };
    let definition = match definitions.get(*workflow, *version) {
        Some(definition) => definition,
        None => {
            let Some(source) = source(db, *workflow, *version)? else {
                return Ok(Err(format!("version {version} of {workflow} does not exist")));
            };
            match definitions.insert(*workflow, *version, &source) {
                Some(definition) => definition,
                None => {
                    return Ok(Err(format!("version {version} of {workflow} no longer passes the checks")));
                }
            }
        }
    };
    Ok(Run::fold(definition, entries).map_err(|cause| cause.to_string()))
}

fn check(
    db: &Connection,
    definitions: &Definitions,
    row: &RunRow,
    entries: &[Entry],
) -> rusqlite::Result<Result<(), String>> {
    let run = match fold(db, definitions, entries)? {
        Ok(run) => run,
        Err(what) => return Ok(Err(what)),
    };
    let summary = run.summary();
    let mut differences = Differences(Vec::new());
    differences.compare("id", &row.id, &run.id);
    differences.compare("company", &row.company, &run.company);
    differences.compare("workflow", &row.workflow, &run.workflow);
    differences.compare("version", &row.version, &run.version);
    differences.compare("trigger", &row.trigger, &run.trigger);
    differences.compare("status", &row.status, &summary.status);
    differences.compare("waiting", &row.waiting, &summary.waiting);
    differences.compare("created at", &row.created_at, &run.created_at);
    differences.compare("started at", &row.started_at, &summary.started_at);
    differences.compare("completed at", &row.completed_at, &summary.completed_at);
    differences.compare("length", &row.length, &run.length);
    differences.compare("output at", &row.output_at, &summary.output_at);
    differences.compare("due at", &row.due_at, &summary.due_at);
    differences.compare("restarted from", &row.restarted_from, &run.restarted_from);
    let first = entries.first().map(|entry| &entry.event);
    if let Some(Event::RunStarted { idempotency_key, cause, queue, .. }) = first {
        differences.compare("idempotency key", &row.idempotency_key, idempotency_key);
        differences.compare("cause", &row.cause, cause);
        differences.compare("queue", &row.queue, queue);
    }
    Ok(if differences.0.is_empty() { Ok(()) } else { Err(differences.0.join("; ")) })
}

/// What differs between a row and a fold.
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + fmt::Debug>(&mut self, name: &str, stored: &T, folded: &T) {
        if stored != folded {
            self.0.push(format!("{name} is {stored:?}, its journal says {folded:?}"));
        }
    }
}
