-- Ids are the 16 bytes of a UUID, instants milliseconds since 1970 UTC. A file that was released is never edited.

CREATE TABLE companies (
    id          BLOB    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Only the SHA-256 of a key is kept; `prefix` is what people recognise it by. `scopes` is a JSON array of names.
CREATE TABLE keys (
    id           BLOB    NOT NULL PRIMARY KEY,
    company      BLOB    NOT NULL REFERENCES companies (id),
    hash         BLOB    NOT NULL UNIQUE,
    prefix       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_by_time ON keys (company, created_at, id) WHERE revoked_at IS NULL;

-- The head of a workflow; `search` is its name in lower case.
CREATE TABLE workflows (
    id         BLOB    NOT NULL PRIMARY KEY,
    company    BLOB    NOT NULL REFERENCES companies (id),
    status     TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    search     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX workflows_by_status ON workflows (company, status, created_at, id);

-- Rows are never changed: runs keep the version that they began with. The company is in the key so that a run cannot name
-- another company's workflow.
CREATE TABLE workflow_versions (
    workflow       BLOB    NOT NULL REFERENCES workflows (id),
    version        INTEGER NOT NULL,
    company        BLOB    NOT NULL REFERENCES companies (id),
    source         TEXT    NOT NULL,
    change_summary TEXT,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (workflow, version, company)
) STRICT;

-- How each run stands, made from its journal in the same commit. What it was given and what it gave stands only in
-- the journal: in entry 1, in entry `output_at`, and the error in the last entry.
CREATE TABLE runs (
    id              BLOB    NOT NULL PRIMARY KEY,
    company         BLOB    NOT NULL,
    workflow        BLOB    NOT NULL,
    version         INTEGER NOT NULL,
    status          TEXT    NOT NULL,
    waiting         TEXT,
    trigger         TEXT    NOT NULL,
    idempotency_key TEXT,
    created_at      INTEGER NOT NULL,
    started_at      INTEGER,
    completed_at    INTEGER,
    length          INTEGER NOT NULL,
    output_at       INTEGER,
    FOREIGN KEY (workflow, version, company) REFERENCES workflow_versions (workflow, version, company)
) STRICT, WITHOUT ROWID;

-- Lists without a status merge one look-up per status, so two indexes serve four kinds of lists.
CREATE INDEX runs_by_status ON runs (company, status, created_at, id);
CREATE INDEX runs_by_workflow ON runs (workflow, status, created_at, id);
CREATE INDEX runs_by_key ON runs (workflow, idempotency_key, created_at) WHERE idempotency_key IS NOT NULL;

-- The journal. `body` is the event as JSON. Not WITHOUT ROWID: bodies above 1 KiB would take pages of their own, twice
-- the space.
CREATE TABLE events (
    run     BLOB    NOT NULL,
    seq     INTEGER NOT NULL,
    company BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT;
