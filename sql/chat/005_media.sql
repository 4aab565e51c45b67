-- Files that people send. A row is an upload first, and what it has become then: see src/chat/media.h.
CREATE TABLE media (
    id INTEGER PRIMARY KEY,
    owner_id INTEGER NOT NULL,
    state INTEGER NOT NULL, -- enum media_state
    bytes INTEGER NOT NULL, -- as the owner announced
    received INTEGER NOT NULL, -- of them, on disk
    name TEXT NOT NULL, -- '': none
    claimed_type TEXT NOT NULL, -- as the owner calls it; never served
    created_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL, -- 0: not yet
    collect_at INTEGER NOT NULL, -- when the collector looks whether anybody still wants it
    blob_id INTEGER NOT NULL, -- its bytes; 0 until it is finished
    ref_day INTEGER NOT NULL, -- the last day with messages that refer to it, counted from 1970; 0: none
    ref_bits INTEGER NOT NULL -- bit i: there may be some on ref_day - i
);
CREATE INDEX media_by_owner ON media (owner_id, state, bytes);
CREATE INDEX media_by_collect ON media (collect_at);

-- Bytes, once however often they were uploaded. Their file is named by hash and id, and no name comes twice.
CREATE TABLE media_blob (
    id INTEGER PRIMARY KEY, -- of the upload that brought them
    hash BLOB NOT NULL, -- SHA-256
    bytes INTEGER NOT NULL,
    type TEXT NOT NULL, -- by what they begin with
    width INTEGER NOT NULL, -- 0: not an image, or nobody could tell
    height INTEGER NOT NULL,
    has_thumb INTEGER NOT NULL,
    refs INTEGER NOT NULL -- rows of media that have them
);
CREATE UNIQUE INDEX media_blob_by_hash ON media_blob (hash);

-- What is to be done to files after the commit that made it right; any of it may be done twice.
CREATE TABLE media_task (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL, -- enum media_task_kind
    file_id INTEGER NOT NULL, -- media, or media_blob
    hash BLOB NOT NULL -- of a blob; else empty
);

-- Which messages refer to which media, by the day of the message: emptied with the day.
CREATE TABLE media_ref_00 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_01 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_02 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_03 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_04 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_05 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_06 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_07 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_08 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_09 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_10 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_11 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_12 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_13 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_14 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_15 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_16 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_17 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_18 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_19 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_20 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_21 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_22 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_23 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_24 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_25 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_26 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_27 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_28 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_29 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_30 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_31 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE media_ref_32 (
    media_id INTEGER NOT NULL, chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (media_id, chat_id, seq)
) WITHOUT ROWID;
