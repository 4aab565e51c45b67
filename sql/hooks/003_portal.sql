-- Portal links: each opens one application to a customer without an account. Only hashes of the tokens are kept.
CREATE TABLE portal_token (
    app_id INTEGER NOT NULL,
    token_hash BLOB NOT NULL, -- SHA-256
    id INTEGER NOT NULL, -- in the order in which they were made
    scopes INTEGER NOT NULL, -- bits of enum scope: what it may do
    session_id TEXT NOT NULL, -- a name that its maker gave to it, to end it by; '': none
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, token_hash)
) WITHOUT ROWID;
CREATE INDEX portal_token_by_age ON portal_token (app_id, id);
