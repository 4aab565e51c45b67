-- Waiting rooms. What an organizer has set for an event; no row: the defaults.
CREATE TABLE queue_settings (
    event_id INTEGER PRIMARY KEY,
    admitted_max INTEGER NOT NULL CHECK (admitted_max > 0),
    admit_per_minute INTEGER NOT NULL CHECK (admit_per_minute > 0),
    opens_before_s INTEGER NOT NULL CHECK (opens_before_s >= 0),
    admission_s INTEGER NOT NULL CHECK (admission_s > 0),
    quiet_s INTEGER NOT NULL CHECK (quiet_s > 0),
    auto_above INTEGER NOT NULL CHECK (auto_above > 0)
);

-- One an event, from its publication or the first person on.
CREATE TABLE queue_room (
    event_id INTEGER PRIMARY KEY,
    seed BLOB NOT NULL,       -- secret until entries_hash stands beside it
    commitment BLOB NOT NULL, -- SHA-256 of the seed
    created_at INTEGER NOT NULL,
    is_engaged INTEGER NOT NULL DEFAULT 0, -- auto: the doors are closed
    closed_at INTEGER,        -- who comes from now on stands behind the list
    entry_count INTEGER,      -- of the closed list
    entries_hash BLOB,        -- SHA-256 of the closed list's text
    placed INTEGER NOT NULL DEFAULT 0,         -- places of the list that stand in the entries
    places INTEGER NOT NULL DEFAULT 0,         -- the last place given out
    admitted_place INTEGER NOT NULL DEFAULT 0, -- the last place admitted; nobody before it waits
    is_over INTEGER NOT NULL DEFAULT 0,
    CHECK ((closed_at IS NULL) = (entry_count IS NULL)),
    CHECK (entries_hash IS NULL OR closed_at IS NOT NULL),
    CHECK (placed = 0 OR (placed <= entry_count AND entries_hash IS NOT NULL)),
    CHECK (admitted_place <= places)
);
CREATE INDEX queue_room_live ON queue_room (event_id) WHERE is_over = 0;

-- People. A row is never deleted.
CREATE TABLE queue_entry (
    event_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 6), -- enum queue_state
    is_early INTEGER NOT NULL, -- came before the list was closed
    joined_at INTEGER NOT NULL,
    place INTEGER,          -- the order of admission, from 1
    admitted_at INTEGER,
    admitted_until INTEGER, -- without a hold
    seen_at INTEGER,        -- admitted: when it last said something; written seldom
    holds INTEGER NOT NULL DEFAULT 0 CHECK (holds >= 0), -- open holds that carry this admission
    busy_until INTEGER,     -- takes one of the admitted_max until then
    ended_at INTEGER,
    PRIMARY KEY (event_id, id),
    CHECK (state <> 2 OR place IS NOT NULL),
    CHECK (state <> 3 OR (place IS NOT NULL AND admitted_at IS NOT NULL AND admitted_until IS NOT NULL
        AND seen_at IS NOT NULL AND busy_until IS NOT NULL)),
    CHECK (holds = 0 OR busy_until IS NOT NULL),
    CHECK ((ended_at IS NULL) = (state <= 3))
) WITHOUT ROWID;
CREATE UNIQUE INDEX queue_open ON queue_entry (event_id, account_id) WHERE state <= 3;
CREATE UNIQUE INDEX queue_place ON queue_entry (event_id, place) WHERE place IS NOT NULL;
CREATE INDEX queue_busy ON queue_entry (event_id, busy_until) WHERE busy_until IS NOT NULL;
CREATE INDEX queue_admission ON queue_entry (event_id, admitted_at) WHERE admitted_at IS NOT NULL;

-- What happened in a room, in order and without gaps: memory of all nodes follows it.
CREATE TABLE queue_log (
    event_id INTEGER NOT NULL,
    no INTEGER NOT NULL,
    kind INTEGER NOT NULL,     -- enum queue_kind
    entry_id INTEGER NOT NULL, -- 0: the room itself
    amount INTEGER NOT NULL,   -- see enum queue_kind
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (event_id, no)
) WITHOUT ROWID;

-- The admission that a booking was made under.
ALTER TABLE booking ADD COLUMN admission_id INTEGER;
