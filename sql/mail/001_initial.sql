-- Mail to be sent. A row is written together with the cursor that says how far the journal was read.
CREATE TABLE mail (
    id INTEGER PRIMARY KEY, -- seq of the journal row that caused it
    dedupe_key TEXT NOT NULL UNIQUE, -- kind and what it is about: never two mails for one fact
    kind INTEGER NOT NULL, -- enum mail_kind
    to_email TEXT NOT NULL,
    to_name TEXT NOT NULL,
    event_id INTEGER NOT NULL,
    booking_id INTEGER NOT NULL,
    refund_id INTEGER, -- refunds, with what they gave back and why
    amount INTEGER,
    currency TEXT,
    reason TEXT,
    state INTEGER NOT NULL, -- 0 waiting, 1 sent, 2 dead
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER, -- sent or given up
    last_error TEXT
);
CREATE INDEX mail_due ON mail (next_at) WHERE state = 0;
CREATE TABLE cursor (
    name TEXT PRIMARY KEY, -- of the journal
    seq INTEGER NOT NULL
);
