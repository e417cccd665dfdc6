-- What comes in from providers. `path` is the last part of a custom webhook's address, else empty; a provider's event of the
-- same id is the same event. `cause` is how a run's cause names the event: the same text, or one that goes on with a space.
CREATE TABLE provider_events (
    id                BLOB    NOT NULL PRIMARY KEY,
    company           BLOB    NOT NULL REFERENCES companies (id),
    provider          TEXT    NOT NULL,
    path              TEXT    NOT NULL,
    provider_event_id TEXT,
    type              TEXT    NOT NULL,
    connection        BLOB,
    status            TEXT    NOT NULL,
    reason            TEXT,
    attempts          INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    cause             TEXT GENERATED ALWAYS AS ('evt_' || lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' ||
        substr(hex(id), 17, 4) || '-' || substr(hex(id), 21))) VIRTUAL
) STRICT;

CREATE UNIQUE INDEX provider_events_once ON provider_events (company, provider, path, provider_event_id)
    WHERE provider_event_id IS NOT NULL;
CREATE INDEX provider_events_by_status ON provider_events (company, status, created_at, id);

-- Apart from their events: a change of an event does not write its body anew, and bodies go before their events.
CREATE TABLE provider_event_bodies (
    event      BLOB    NOT NULL PRIMARY KEY REFERENCES provider_events (id),
    company    BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    body       TEXT    NOT NULL
) STRICT;

CREATE INDEX provider_event_bodies_by_time ON provider_event_bodies (company, created_at);

-- A workflow is to get a run for a cause; gone with the commit that begins the run. `place` is the order.
CREATE TABLE hand_overs (
    place    INTEGER NOT NULL PRIMARY KEY,
    company  BLOB    NOT NULL REFERENCES companies (id),
    cause    TEXT    NOT NULL,
    workflow BLOB    NOT NULL,
    attempts INTEGER NOT NULL,
    next_at  INTEGER NOT NULL,
    UNIQUE (company, cause, workflow)
) STRICT;

-- A workflow did not get an event, and is not tried again by itself.
CREATE TABLE dead_hand_overs (
    event    BLOB NOT NULL REFERENCES provider_events (id),
    workflow BLOB NOT NULL,
    company  BLOB NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (event, workflow)
) STRICT, WITHOUT ROWID;

-- `cause`: why a run was started, where nobody asked for it by name. `queue`: whose turn it waits for, as JSON.
ALTER TABLE runs ADD COLUMN cause TEXT;
ALTER TABLE runs ADD COLUMN queue TEXT;
CREATE UNIQUE INDEX runs_by_cause ON runs (company, cause, workflow) WHERE cause IS NOT NULL;

-- The type of the current version's trigger.
ALTER TABLE workflows ADD COLUMN trigger TEXT;
UPDATE workflows SET trigger = (
    SELECT CASE WHEN json_valid(v.source) THEN v.source ->> '$.trigger.type' END FROM workflow_versions v
    WHERE v.workflow = workflows.id AND v.version = workflows.version AND v.company = workflows.company);
CREATE INDEX workflows_by_trigger ON workflows (company, trigger, id) WHERE status = 'active';

-- How far the schedules of active workflows are: every firing up to `after` has its run or is not to have one.
CREATE TABLE schedules (
    workflow BLOB    NOT NULL PRIMARY KEY REFERENCES workflows (id),
    company  BLOB    NOT NULL,
    version  INTEGER NOT NULL,
    anchor   INTEGER NOT NULL,
    after    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO schedules (workflow, company, version, anchor, after)
SELECT id, company, version, unixepoch() * 1000, unixepoch() * 1000 FROM workflows
WHERE status = 'active' AND trigger = 'schedule';

-- A company's secrets that sign what comes in at an entrance, sealed; those of connections stand with the connections.
CREATE TABLE webhook_secrets (
    id       BLOB    NOT NULL PRIMARY KEY,
    company  BLOB    NOT NULL REFERENCES companies (id),
    provider TEXT    NOT NULL,
    path     TEXT    NOT NULL,
    secrets  BLOB    NOT NULL,
    UNIQUE (company, provider, path)
) STRICT, WITHOUT ROWID;

-- How many requests were refused at a webhook's door.
CREATE TABLE webhook_refusals (
    company  BLOB    NOT NULL REFERENCES companies (id),
    provider TEXT    NOT NULL,
    count    INTEGER NOT NULL,
    last_at  INTEGER NOT NULL,
    PRIMARY KEY (company, provider)
) STRICT, WITHOUT ROWID;

-- Where providers were told to send a company's events of a connection's account: which endpoint that is there, what it
-- signs with, sealed, and what else it was told; `events` is a JSON array. The connection may be one that is not stored.
CREATE TABLE registrations (
    id          BLOB NOT NULL PRIMARY KEY,
    company     BLOB NOT NULL REFERENCES companies (id),
    connection  BLOB NOT NULL,
    endpoint    TEXT NOT NULL,
    secret      BLOB NOT NULL,
    url         TEXT NOT NULL,
    api_version TEXT NOT NULL,
    events      TEXT NOT NULL,
    UNIQUE (company, connection)
) STRICT, WITHOUT ROWID;

-- How far a connection's events were asked for and taken in.
CREATE TABLE event_cursors (
    company    BLOB NOT NULL REFERENCES companies (id),
    connection BLOB NOT NULL,
    cursor     TEXT NOT NULL,
    PRIMARY KEY (company, connection)
) STRICT, WITHOUT ROWID;
