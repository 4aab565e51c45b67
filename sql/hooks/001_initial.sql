-- Applications: customers of whoever sends messages. All below belongs to one and is found by it.
CREATE TABLE application (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL, -- whose it is
    uid TEXT, -- the account's own name for it; NULL: none
    name TEXT NOT NULL,
    metadata TEXT NOT NULL, -- JSON object of texts
    throttle_rate INTEGER NOT NULL, -- deliveries a second; 0: no limit
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX application_by_uid ON application (account_id, uid) WHERE uid IS NOT NULL;
CREATE INDEX application_by_account ON application (account_id, id);

-- Endpoints. Secrets and headers are sealed with the key of the configuration.
CREATE TABLE endpoint (
    app_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    version INTEGER NOT NULL, -- grows with each change
    uid TEXT, -- NULL: none
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    disabled_by INTEGER NOT NULL, -- enum disabled_by; 0: it is not
    failing_since INTEGER NOT NULL, -- 0: it is not
    event_types TEXT NOT NULL, -- a name or pattern a line; '': all
    channels TEXT NOT NULL, -- a name a line; '': all
    metadata TEXT NOT NULL, -- JSON object of texts
    headers BLOB NOT NULL, -- sealed JSON object of texts
    secret BLOB NOT NULL, -- sealed
    throttle_rate INTEGER NOT NULL, -- deliveries a second; 0: no limit
    retry_schedule TEXT NOT NULL, -- seconds before each attempt, with a comma between them; '': the default
    signature_format INTEGER NOT NULL, -- enum signature_format
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX endpoint_by_uid ON endpoint (app_id, uid) WHERE uid IS NOT NULL;

-- Secrets that were rotated away and still sign until their time ends.
CREATE TABLE endpoint_old_secret (
    app_id INTEGER NOT NULL,
    endpoint_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    secret BLOB NOT NULL, -- sealed
    until_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, endpoint_id, id)
) WITHOUT ROWID;

-- A known text under the key that all these are sealed with: whoever comes with another key is told at its start.
CREATE TABLE seal (
    id INTEGER PRIMARY KEY, -- 1
    sealed BLOB NOT NULL
);

CREATE TABLE event_type (
    account_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    is_archived INTEGER NOT NULL,
    is_deprecated INTEGER NOT NULL,
    group_name TEXT, -- NULL: none
    schemas TEXT, -- JSON object; NULL: none
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, name)
) WITHOUT ROWID;

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

-- Which day (since 1970) the tables message_NN, delivery_NN and attempt_NN hold, and which eleven days event_seen_N.
CREATE TABLE ring_slot (
    slot INTEGER PRIMARY KEY,
    day INTEGER NOT NULL
);
CREATE TABLE seen_slot (
    slot INTEGER PRIMARY KEY,
    period INTEGER NOT NULL
);

-- EventIds, to know a message that comes again.
CREATE TABLE event_seen_0 (
    app_id INTEGER NOT NULL,
    event_hash BLOB NOT NULL,
    message_id INTEGER NOT NULL,
    body_hash BLOB NOT NULL,
    PRIMARY KEY (app_id, event_hash)
) WITHOUT ROWID;
CREATE TABLE event_seen_1 (
    app_id INTEGER NOT NULL,
    event_hash BLOB NOT NULL,
    message_id INTEGER NOT NULL,
    body_hash BLOB NOT NULL,
    PRIMARY KEY (app_id, event_hash)
) WITHOUT ROWID;
CREATE TABLE event_seen_2 (
    app_id INTEGER NOT NULL,
    event_hash BLOB NOT NULL,
    message_id INTEGER NOT NULL,
    body_hash BLOB NOT NULL,
    PRIMARY KEY (app_id, event_hash)
) WITHOUT ROWID;
CREATE TABLE event_seen_3 (
    app_id INTEGER NOT NULL,
    event_hash BLOB NOT NULL,
    message_id INTEGER NOT NULL,
    body_hash BLOB NOT NULL,
    PRIMARY KEY (app_id, event_hash)
) WITHOUT ROWID;

-- A day of messages, their deliveries and attempts, 33 times. state: enum delivery_state; 2 is a dead letter.
CREATE TABLE message_00 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_00 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_00_due ON delivery_00 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_00_dead ON delivery_00 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_00 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_00_by_endpoint ON attempt_00 (app_id, endpoint_id, id);
CREATE TABLE message_01 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_01 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_01_due ON delivery_01 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_01_dead ON delivery_01 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_01 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_01_by_endpoint ON attempt_01 (app_id, endpoint_id, id);
CREATE TABLE message_02 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_02 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_02_due ON delivery_02 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_02_dead ON delivery_02 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_02 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_02_by_endpoint ON attempt_02 (app_id, endpoint_id, id);
CREATE TABLE message_03 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_03 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_03_due ON delivery_03 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_03_dead ON delivery_03 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_03 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_03_by_endpoint ON attempt_03 (app_id, endpoint_id, id);
CREATE TABLE message_04 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_04 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_04_due ON delivery_04 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_04_dead ON delivery_04 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_04 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_04_by_endpoint ON attempt_04 (app_id, endpoint_id, id);
CREATE TABLE message_05 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_05 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_05_due ON delivery_05 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_05_dead ON delivery_05 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_05 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_05_by_endpoint ON attempt_05 (app_id, endpoint_id, id);
CREATE TABLE message_06 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_06 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_06_due ON delivery_06 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_06_dead ON delivery_06 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_06 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_06_by_endpoint ON attempt_06 (app_id, endpoint_id, id);
CREATE TABLE message_07 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_07 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_07_due ON delivery_07 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_07_dead ON delivery_07 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_07 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_07_by_endpoint ON attempt_07 (app_id, endpoint_id, id);
CREATE TABLE message_08 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_08 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_08_due ON delivery_08 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_08_dead ON delivery_08 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_08 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_08_by_endpoint ON attempt_08 (app_id, endpoint_id, id);
CREATE TABLE message_09 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_09 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_09_due ON delivery_09 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_09_dead ON delivery_09 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_09 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_09_by_endpoint ON attempt_09 (app_id, endpoint_id, id);
CREATE TABLE message_10 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_10 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_10_due ON delivery_10 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_10_dead ON delivery_10 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_10 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_10_by_endpoint ON attempt_10 (app_id, endpoint_id, id);
CREATE TABLE message_11 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_11 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_11_due ON delivery_11 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_11_dead ON delivery_11 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_11 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_11_by_endpoint ON attempt_11 (app_id, endpoint_id, id);
CREATE TABLE message_12 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_12 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_12_due ON delivery_12 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_12_dead ON delivery_12 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_12 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_12_by_endpoint ON attempt_12 (app_id, endpoint_id, id);
CREATE TABLE message_13 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_13 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_13_due ON delivery_13 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_13_dead ON delivery_13 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_13 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_13_by_endpoint ON attempt_13 (app_id, endpoint_id, id);
CREATE TABLE message_14 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_14 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_14_due ON delivery_14 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_14_dead ON delivery_14 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_14 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_14_by_endpoint ON attempt_14 (app_id, endpoint_id, id);
CREATE TABLE message_15 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_15 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_15_due ON delivery_15 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_15_dead ON delivery_15 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_15 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_15_by_endpoint ON attempt_15 (app_id, endpoint_id, id);
CREATE TABLE message_16 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_16 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_16_due ON delivery_16 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_16_dead ON delivery_16 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_16 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_16_by_endpoint ON attempt_16 (app_id, endpoint_id, id);
CREATE TABLE message_17 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_17 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_17_due ON delivery_17 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_17_dead ON delivery_17 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_17 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_17_by_endpoint ON attempt_17 (app_id, endpoint_id, id);
CREATE TABLE message_18 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_18 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_18_due ON delivery_18 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_18_dead ON delivery_18 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_18 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_18_by_endpoint ON attempt_18 (app_id, endpoint_id, id);
CREATE TABLE message_19 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_19 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_19_due ON delivery_19 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_19_dead ON delivery_19 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_19 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_19_by_endpoint ON attempt_19 (app_id, endpoint_id, id);
CREATE TABLE message_20 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_20 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_20_due ON delivery_20 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_20_dead ON delivery_20 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_20 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_20_by_endpoint ON attempt_20 (app_id, endpoint_id, id);
CREATE TABLE message_21 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_21 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_21_due ON delivery_21 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_21_dead ON delivery_21 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_21 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_21_by_endpoint ON attempt_21 (app_id, endpoint_id, id);
CREATE TABLE message_22 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_22 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_22_due ON delivery_22 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_22_dead ON delivery_22 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_22 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_22_by_endpoint ON attempt_22 (app_id, endpoint_id, id);
CREATE TABLE message_23 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_23 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_23_due ON delivery_23 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_23_dead ON delivery_23 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_23 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_23_by_endpoint ON attempt_23 (app_id, endpoint_id, id);
CREATE TABLE message_24 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_24 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_24_due ON delivery_24 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_24_dead ON delivery_24 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_24 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_24_by_endpoint ON attempt_24 (app_id, endpoint_id, id);
CREATE TABLE message_25 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_25 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_25_due ON delivery_25 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_25_dead ON delivery_25 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_25 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_25_by_endpoint ON attempt_25 (app_id, endpoint_id, id);
CREATE TABLE message_26 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_26 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_26_due ON delivery_26 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_26_dead ON delivery_26 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_26 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_26_by_endpoint ON attempt_26 (app_id, endpoint_id, id);
CREATE TABLE message_27 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_27 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_27_due ON delivery_27 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_27_dead ON delivery_27 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_27 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_27_by_endpoint ON attempt_27 (app_id, endpoint_id, id);
CREATE TABLE message_28 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_28 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_28_due ON delivery_28 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_28_dead ON delivery_28 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_28 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_28_by_endpoint ON attempt_28 (app_id, endpoint_id, id);
CREATE TABLE message_29 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_29 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_29_due ON delivery_29 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_29_dead ON delivery_29 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_29 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_29_by_endpoint ON attempt_29 (app_id, endpoint_id, id);
CREATE TABLE message_30 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_30 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_30_due ON delivery_30 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_30_dead ON delivery_30 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_30 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_30_by_endpoint ON attempt_30 (app_id, endpoint_id, id);
CREATE TABLE message_31 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_31 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_31_due ON delivery_31 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_31_dead ON delivery_31 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_31 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_31_by_endpoint ON attempt_31 (app_id, endpoint_id, id);
CREATE TABLE message_32 (
    app_id INTEGER NOT NULL, id INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT, channels TEXT NOT NULL,
    payload BLOB NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE TABLE delivery_32 (
    app_id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, message_id INTEGER NOT NULL, state INTEGER NOT NULL,
    attempts INTEGER NOT NULL, next_at INTEGER, lane INTEGER NOT NULL, created_at INTEGER NOT NULL, ended_at INTEGER,
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX delivery_32_due ON delivery_32 (app_id, endpoint_id, next_at, created_at) WHERE next_at IS NOT NULL;
CREATE INDEX delivery_32_dead ON delivery_32 (app_id, message_id, endpoint_id) WHERE state = 2;
CREATE TABLE attempt_32 (
    app_id INTEGER NOT NULL, message_id INTEGER NOT NULL, id INTEGER NOT NULL, endpoint_id INTEGER NOT NULL, at INTEGER NOT NULL,
    status INTEGER NOT NULL, code INTEGER NOT NULL, trigger_type INTEGER NOT NULL, url TEXT NOT NULL, queued_ms INTEGER NOT NULL,
    dns_ms INTEGER NOT NULL, connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL, error_class TEXT NOT NULL, error_text TEXT NOT NULL, response BLOB NOT NULL,
    response_headers TEXT NOT NULL, PRIMARY KEY (app_id, message_id, id)
) WITHOUT ROWID;
CREATE INDEX attempt_32_by_endpoint ON attempt_32 (app_id, endpoint_id, id);
