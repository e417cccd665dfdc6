-- Addresses that are told of what happens in their company. `events` is JSON; `secret` is sealed with a key that is not in
-- the database; `waiting` counts the rows of the outbox, `failures` the messages that were given up.
CREATE TABLE notices (
    id                BLOB    NOT NULL PRIMARY KEY,
    company           BLOB    NOT NULL REFERENCES companies (id),
    url               TEXT    NOT NULL,
    events            TEXT    NOT NULL,
    secret            BLOB    NOT NULL,
    created_at        INTEGER NOT NULL,
    disabled_at       INTEGER,
    disabled_reason   TEXT,
    failing_since     INTEGER,
    last_error        TEXT,
    last_delivered_at INTEGER,
    failures          INTEGER NOT NULL DEFAULT 0,
    waiting           INTEGER NOT NULL DEFAULT 0,
    UNIQUE (id, company)
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_by_time ON notices (company, created_at, id);

-- Messages on their way to them; one that arrived, or was given up, is gone.
CREATE TABLE outbox (
    id         BLOB    NOT NULL PRIMARY KEY,
    company    BLOB    NOT NULL,
    notice     BLOB    NOT NULL,
    type       TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    FOREIGN KEY (notice, company) REFERENCES notices (id, company)
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_of_notice ON outbox (notice, next_at, id);
CREATE INDEX outbox_by_time ON outbox (next_at);
