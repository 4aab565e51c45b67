-- The second factor of an account. The secret is needed to check codes, so it stands here as it is, and no
-- route ever shows it again; recovery codes stand here only as SHA-256.
CREATE TABLE totp (
    account_id INTEGER PRIMARY KEY REFERENCES account (id),
    secret BLOB NOT NULL, -- 20 bytes
    confirmed_at INTEGER NOT NULL DEFAULT 0, -- 0: shown, but no code of it has come yet; it counts for nothing
    last_step INTEGER NOT NULL DEFAULT 0, -- of the last code that was used: none of it or before counts again
    created_at INTEGER NOT NULL
);
CREATE TABLE recovery_code (
    account_id INTEGER NOT NULL REFERENCES account (id),
    code_hash BLOB NOT NULL,
    PRIMARY KEY (account_id, code_hash)
) WITHOUT ROWID;
