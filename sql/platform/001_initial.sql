-- Accounts, sessions, API keys. Emails are stored lower-cased; tokens and keys only as SHA-256.
CREATE TABLE account (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    roles INTEGER NOT NULL DEFAULT 0, -- bits of enum scope; none: a fan
    created_at INTEGER NOT NULL
);
CREATE TABLE session (
    token_hash BLOB PRIMARY KEY,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES account (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_by_account ON session (account_id);
CREATE INDEX session_by_expiry ON session (expires_at);
CREATE TABLE api_key (
    id INTEGER PRIMARY KEY,
    key_hash BLOB NOT NULL UNIQUE,
    account_id INTEGER NOT NULL, -- owner; an operator's key is its own account: this is its id
    name TEXT NOT NULL,
    scopes INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX api_key_by_account ON api_key (account_id, id);
CREATE TABLE idempotency (
    caller_id INTEGER NOT NULL,
    key_hash BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller_id, key_hash)
) WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE TABLE journal_head (
    shard INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL
);
