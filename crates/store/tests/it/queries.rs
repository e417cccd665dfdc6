//! Every query that names a tenant's table names the company too, after the table: what does not is here, with the
//! reason. The texts are read from the source, so a new query without a company does not pass.

use std::path::Path;

/// The tables whose rows are a company's.
const TABLES: [&str; 21] = [
    "keys",
    "members",
    "login_links",
    "sessions",
    "connections",
    "workflows",
    "workflow_versions",
    "runs",
    "events",
    "audit",
    "provider_events",
    "provider_event_bodies",
    "hand_overs",
    "dead_hand_overs",
    "schedules",
    "webhook_secrets",
    "webhook_refusals",
    "registrations",
    "event_cursors",
    "notices",
    "outbox",
];

/// Queries without a company: where, a part of the text that tells them apart, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("migrate.rs", "SELECT id FROM runs WHERE status", "a migration goes over every run"),
    ("migrate.rs", "UPDATE runs SET due_at", "a migration goes over every run"),
    (
        "verify.rs",
        "FROM events e WHERE NOT EXISTS",
        "verifying goes over everything, and shows nobody anything",
    ),
    ("verify.rs", "FROM runs WHERE id > ?1", "verifying goes over everything, and shows nobody anything"),
    ("restore.rs", "FROM runs r JOIN events e", "restoring goes over every run"),
    ("meta.rs", "SELECT coalesce(max(at), 0) FROM events", "restoring asks how old the whole database is"),
    (
        "signing.rs",
        "FROM webhook_secrets ORDER BY company",
        "who checks signatures knows every company's secrets",
    ),
    ("notices.rs", "SELECT DISTINCT company FROM notices", "an opening asks which companies listen"),
    ("outbox.rs", "FROM outbox WHERE notice > ?1", "whoever sends messages goes over every company's"),
    ("outbox.rs", "SELECT min(next_at) FROM outbox", "the clock is set for whichever company's comes first"),
    (
        "run_notices.rs",
        "FROM runs WHERE id = ?1",
        "the engine's port: it knows runs, and what is told goes to the run's own company",
    ),
    (
        "signing.rs",
        "FROM registrations ORDER BY company",
        "who checks signatures knows every company's secrets",
    ),
    ("signing.rs", "FROM event_cursors ORDER BY company", "who asks for events asks for every company's"),
    (
        "keys.rs",
        "SELECT EXISTS (SELECT 1 FROM keys)",
        "whether this is a first start, before any company has a key",
    ),
    ("members.rs", "WHERE issuer = ?1 AND subject = ?2", "signing in: the company is what is looked for"),
    ("members.rs", "WHERE email_key = ?1", "signing in: the company is what is looked for"),
    (
        "schedules.rs",
        "SELECT created_at FROM workflow_versions",
        "the engine's port: who follows schedules goes over every company's",
    ),
    (
        "schedules.rs",
        "SELECT 1 FROM runs WHERE workflow = ?1 AND status IN",
        "the engine's port: who follows schedules goes over every company's",
    ),
    (
        "journal.rs",
        "SELECT 1 FROM runs WHERE id = ?1",
        "the engine's port: it knows runs, the API asks for their owner before",
    ),
    (
        "hand_overs.rs",
        "FROM hand_overs WHERE next_at <= ?1",
        "the engine's port: who hands over goes over every company's",
    ),
    (
        "hand_overs.rs",
        "SELECT min(next_at) FROM hand_overs",
        "the engine's port: who hands over goes over every company's",
    ),
    ("journal.rs", "FROM events WHERE run = ?1 AND seq = ?2", "of a run whose row was found by its company"),
    (
        "journal.rs",
        "FROM events WHERE run = ?1 ORDER BY seq",
        "the engine's port: it knows runs, the API asks for their owner before",
    ),
    (
        "journal.rs",
        "SELECT source FROM workflow_versions",
        "the engine's port: of a run, which its company is tied to by the schema",
    ),
];

/// The texts in a source file that are SQL, each on one line.
fn queries(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let (mut texts, mut characters) = (Vec::new(), source.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '/' if characters.peek() == Some(&'/') => {
                for character in characters.by_ref() {
                    if character == '\n' {
                        break;
                    }
                }
            }
            '"' => {
                let mut text = String::new();
                while let Some(character) = characters.next() {
                    match character {
                        '"' => break,
                        '\\' => text.extend(characters.next().filter(|next| *next != '\n')),
                        _ => text.push(character),
                    }
                }
                texts.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
            }
            _ => {}
        }
    }
    let is_sql =
        |text: &String| ["SELECT ", "INSERT ", "UPDATE ", "DELETE "].iter().any(|verb| text.contains(verb));
    texts.into_iter().filter(is_sql).collect()
}

/// The words of a query, without signs.
fn words(query: &str) -> Vec<&str> {
    query.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').collect()
}

/// Whether a query names a tenant's table, and the company after it.
fn names(query: &str) -> Option<bool> {
    let words = words(query);
    let is_table = |pair: &[&str]| {
        matches!(pair[0], "FROM" | "JOIN" | "INTO" | "UPDATE" | "IGNORE") && TABLES.contains(&pair[1])
    };
    let table = words.windows(2).position(is_table)?;
    Some(words[table..].contains(&"company"))
}

#[test]
fn the_check_can_fail() {
    let source = r#"
        // "SELECT id FROM runs"
        let sql = "SELECT id FROM runs WHERE id = ?1 \
                   AND company = ?2";
        let bad = "SELECT company FROM runs WHERE id = ?1";
        let told = "no query";
    "#;
    let found = queries(source);
    assert_eq!(found.iter().map(|query| names(query)).collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(names("SELECT id FROM companies"), None);
    assert_eq!(names("UPDATE OR IGNORE members SET role = 1"), Some(false));
}

#[test]
fn every_query_names_the_company() {
    let mut found = Vec::new();
    let mut used = vec![false; EXCEPTIONS.len()];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut count = 0;
    for directory in [directory.clone(), directory.join("sqlite")] {
        for file in std::fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            for query in queries(&std::fs::read_to_string(&path).unwrap()) {
                let Some(is_named) = names(&query) else { continue };
                count += 1;
                let known = |(file, part, _): &(&str, &str, &str)| *file == name && query.contains(part);
                match EXCEPTIONS.iter().position(known) {
                    Some(index) => used[index] = true,
                    None if is_named => {}
                    None => found.push(format!("{name}: {query}")),
                }
            }
        }
    }
    assert!(count > 50, "the texts were found: {count}");
    assert!(found.is_empty(), "without a company:\n{}", found.join("\n"));
    let unused: Vec<_> = EXCEPTIONS.iter().zip(used).filter(|(_, used)| !used).collect();
    assert!(unused.is_empty(), "there is no such query any more: {unused:?}");
}
