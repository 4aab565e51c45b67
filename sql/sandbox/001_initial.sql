-- The sandbox bank's own books: nothing here is shared with the service that sells.
CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY, -- time-ordered, with 64 random bits: whoever knows it may pay
    idempotency_key TEXT NOT NULL,
    reference TEXT NOT NULL, -- the merchant's
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    description TEXT NOT NULL,
    callback_url TEXT NOT NULL,
    return_url TEXT NOT NULL,
    status INTEGER NOT NULL, -- enum session_status
    payment_ref TEXT,        -- once there is money
    captured INTEGER NOT NULL DEFAULT 0,
    captured_currency TEXT NOT NULL DEFAULT '',
    refunded INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    CHECK (captured >= 0 AND refunded >= 0 AND refunded <= captured)
) WITHOUT ROWID;
CREATE UNIQUE INDEX session_by_key ON session (idempotency_key);
CREATE INDEX session_by_reference ON session (reference);
CREATE UNIQUE INDEX session_by_payment ON session (payment_ref) WHERE payment_ref IS NOT NULL;

CREATE TABLE refund (
    id TEXT NOT NULL PRIMARY KEY,
    idempotency_key TEXT NOT NULL,
    session_id TEXT NOT NULL,
    reference TEXT NOT NULL, -- the merchant's
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX refund_by_key ON refund (idempotency_key);

-- Every movement of money, append-only; sessions carry the sums.
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, -- capture, refund
    session_id TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    at_ms INTEGER NOT NULL
);

-- Callbacks to be sent: at least once each, until somebody says 2xx or a day is over.
CREATE TABLE callback (
    id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    body TEXT NOT NULL,
    forgery INTEGER NOT NULL, -- enum forgery; 0: an honest one
    state INTEGER NOT NULL,   -- 0 waiting, 1 delivered, 2 given up
    attempts INTEGER NOT NULL DEFAULT 0,
    last_status INTEGER,
    due_at INTEGER,
    created_at INTEGER NOT NULL
);
CREATE INDEX callback_due ON callback (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

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
