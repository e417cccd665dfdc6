-- People of a company. `email_key` is the address in lower case; `invited_as` the role that a person gave, none where a group
-- of the OpenID provider did. A person of an OpenID provider is one member at most.
CREATE TABLE members (
    id           BLOB    NOT NULL PRIMARY KEY,
    company      BLOB    NOT NULL REFERENCES companies (id),
    email        TEXT    NOT NULL,
    email_key    TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    invited_as   TEXT,
    active       INTEGER NOT NULL,
    issuer       TEXT,
    subject      TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    last_seen_at INTEGER,
    UNIQUE (company, email_key),
    UNIQUE (issuer, subject),
    UNIQUE (id, company)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_time ON members (company, created_at, id);
CREATE INDEX members_by_email ON members (email_key);

-- The member whose key it is; none for a machine's.
ALTER TABLE keys ADD COLUMN member BLOB REFERENCES members (id);
CREATE UNIQUE INDEX keys_of_company ON keys (id, company);
CREATE INDEX keys_of_member ON keys (member) WHERE member IS NOT NULL;

-- Links that sign a member in once. As of keys, only hashes are kept. The company is in the references so that nothing
-- leads from one to another.
CREATE TABLE login_links (
    hash       BLOB    NOT NULL PRIMARY KEY,
    company    BLOB    NOT NULL,
    member     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    FOREIGN KEY (member, company) REFERENCES members (id, company)
) STRICT, WITHOUT ROWID;

CREATE INDEX login_links_of_member ON login_links (company, member);

-- Sessions of members, and of keys that were given to a browser.
CREATE TABLE sessions (
    hash       BLOB    NOT NULL PRIMARY KEY,
    company    BLOB    NOT NULL,
    member     BLOB,
    key        BLOB,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at   INTEGER,
    CHECK ((member IS NULL) <> (key IS NULL)),
    FOREIGN KEY (member, company) REFERENCES members (id, company),
    FOREIGN KEY (key, company) REFERENCES keys (id, company)
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_end ON sessions (company, expires_at);
CREATE INDEX sessions_of_member ON sessions (company, member) WHERE member IS NOT NULL;

-- Credentials for providers. `source`, `same_accounts`, `settings` and `attempt` are JSON; `attempt_ends_at` stands in
-- `attempt` too. `secret` and `webhook_secrets` are sealed with a key that is not in the database.
CREATE TABLE connections (
    id                  BLOB    NOT NULL PRIMARY KEY,
    company             BLOB    NOT NULL REFERENCES companies (id),
    provider            TEXT    NOT NULL,
    name                TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    source              TEXT    NOT NULL,
    mode                TEXT,
    external_account_id TEXT,
    former_account      TEXT,
    same_accounts       TEXT    NOT NULL,
    settings            TEXT    NOT NULL,
    last_error          TEXT,
    last_synced_at      INTEGER,
    attempt             TEXT,
    attempt_ends_at     INTEGER,
    secret              BLOB,
    webhook_secrets     BLOB,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    UNIQUE (company, provider, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX connections_by_time ON connections (company, created_at, id);

-- Who did what: a chain for each company, each row's hash covering the row and the hash before it. Rows are only added.
CREATE TABLE audit (
    company     BLOB    NOT NULL REFERENCES companies (id),
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    actor_id    TEXT    NOT NULL,
    actor_name  TEXT    NOT NULL,
    address     TEXT,
    action      TEXT    NOT NULL,
    object_type TEXT    NOT NULL,
    object_id   TEXT    NOT NULL,
    before      TEXT,
    after       TEXT,
    hash        BLOB    NOT NULL,
    PRIMARY KEY (company, seq),
    CHECK (seq > 0)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT raise(ABORT, 'rows of the audit log are never changed');
END;

CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit
BEGIN
    SELECT raise(ABORT, 'rows of the audit log are never removed');
END;
