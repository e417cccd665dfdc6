-- `due_at`: when an unfinished run goes on by itself, or its time limit ends it. `restarted_from`: the run that this one
-- was made of.
ALTER TABLE runs ADD COLUMN due_at INTEGER;
ALTER TABLE runs ADD COLUMN restarted_from BLOB;

-- Facts about the database itself, by name: when it was backed up, of which backup it was restored.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value ANY  NOT NULL
) STRICT, WITHOUT ROWID;
