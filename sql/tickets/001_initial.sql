-- Venues: reusable seats. A plan is imported once per version and never changes afterwards.
CREATE TABLE venue (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL, -- organizer that made it
    name TEXT NOT NULL,
    city TEXT NOT NULL,
    country TEXT NOT NULL,
    lat REAL NOT NULL,
    lon REAL NOT NULL,
    plan_version INTEGER NOT NULL, -- newest complete plan; 0 while the first import runs
    created_at INTEGER NOT NULL
);
CREATE INDEX venue_by_account ON venue (account_id, id);
CREATE TABLE plan (
    venue_id INTEGER NOT NULL,
    plan_version INTEGER NOT NULL,
    name TEXT NOT NULL,
    width REAL NOT NULL,
    height REAL NOT NULL,
    section_count INTEGER NOT NULL,
    seat_count INTEGER NOT NULL,
    area_count INTEGER NOT NULL,
    PRIMARY KEY (venue_id, plan_version)
) WITHOUT ROWID;
CREATE TABLE plan_category (
    venue_id INTEGER NOT NULL,
    plan_version INTEGER NOT NULL,
    category_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    color TEXT NOT NULL,
    PRIMARY KEY (venue_id, plan_version, category_no)
) WITHOUT ROWID;
CREATE TABLE section (
    venue_id INTEGER NOT NULL,
    plan_version INTEGER NOT NULL,
    section_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (venue_id, plan_version, section_no)
) WITHOUT ROWID;
CREATE TABLE venue_seat (
    venue_id INTEGER NOT NULL,
    plan_version INTEGER NOT NULL,
    seat_no INTEGER NOT NULL, -- layout order, from 0, without gaps
    guid TEXT NOT NULL,       -- the seat's id in the API
    section_no INTEGER NOT NULL,
    row_label TEXT NOT NULL,
    number TEXT NOT NULL,
    x REAL NOT NULL,
    y REAL NOT NULL,
    category_no INTEGER NOT NULL,
    is_accessible INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (venue_id, plan_version, seat_no)
) WITHOUT ROWID;
CREATE TABLE venue_area (
    venue_id INTEGER NOT NULL,
    plan_version INTEGER NOT NULL,
    area_no INTEGER NOT NULL,
    guid TEXT NOT NULL,
    section_no INTEGER NOT NULL,
    name TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    category_no INTEGER NOT NULL,
    shape TEXT NOT NULL, -- JSON {x,y,width,height}
    PRIMARY KEY (venue_id, plan_version, area_no)
) WITHOUT ROWID;

-- Events. Seats of an event exist by the plan; only claims are rows (seat_claim).
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL, -- organizer
    venue_id INTEGER NOT NULL,
    plan_version INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    starts_at INTEGER NOT NULL,
    onsale_at INTEGER NOT NULL,
    currency TEXT NOT NULL,
    status INTEGER NOT NULL, -- 0 draft, 1 published, 2 cancelled
    hold_ttl_s INTEGER NOT NULL,
    per_booking INTEGER NOT NULL,
    per_account INTEGER NOT NULL,
    waiting_room TEXT NOT NULL,
    late_payment INTEGER NOT NULL, -- 0 reclaim, 1 refund
    refund_until_s INTEGER NOT NULL DEFAULT 0, -- owner may refund until so many seconds before the start; 0: never
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX event_by_account ON event (account_id, id);
CREATE TABLE event_price (
    event_id INTEGER NOT NULL,
    category_no INTEGER NOT NULL,
    price INTEGER NOT NULL CHECK (price >= 0), -- minor units
    PRIMARY KEY (event_id, category_no)
) WITHOUT ROWID;
CREATE TABLE event_area (
    event_id INTEGER NOT NULL,
    area_no INTEGER NOT NULL,
    guid TEXT NOT NULL, -- the area's id in the API
    name TEXT NOT NULL,
    section_no INTEGER NOT NULL,
    capacity INTEGER NOT NULL CHECK (capacity >= 0),
    available INTEGER NOT NULL CHECK (available >= 0 AND available <= capacity),
    category_no INTEGER NOT NULL,
    PRIMARY KEY (event_id, area_no)
) WITHOUT ROWID;

-- Cancelled events whose holds and bookings are still being undone, and how far that is.
CREATE TABLE event_cancel (
    event_id INTEGER PRIMARY KEY,
    after_booking_id INTEGER NOT NULL
);

-- The claim: its primary key is what grants a seat.
CREATE TABLE seat_claim (
    event_id INTEGER NOT NULL,
    seat_no INTEGER NOT NULL,
    booking_id INTEGER NOT NULL, -- 0: blocked by the organizer
    state INTEGER NOT NULL CHECK (state IN (1, 2, 3)), -- 1 held, 2 booked, 3 blocked
    PRIMARY KEY (event_id, seat_no)
) WITHOUT ROWID;

CREATE TABLE booking (
    event_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    state INTEGER NOT NULL, -- enum booking_state
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    seats TEXT NOT NULL, -- JSON [[seat_no,price],...] in layout order
    areas TEXT NOT NULL, -- JSON [[area_no,quantity,price each],...]
    places INTEGER NOT NULL CHECK (places > 0), -- seats plus area quantities
    key_hash BLOB NOT NULL,  -- first 16 bytes of SHA-256 of the Idempotency-Key
    body_hash BLOB NOT NULL, -- first 16 bytes
    ended_at INTEGER,        -- confirmed, expired, cancelled or failed
    extended_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (event_id, id)
) WITHOUT ROWID;
CREATE INDEX booking_by_account ON booking (account_id, id);
CREATE INDEX booking_open ON booking (expires_at) WHERE state IN (1, 2); -- re-arming timers, backstop

-- Money. A payment is one checkout at a provider; a booking has at most one.
CREATE TABLE payment (
    event_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    booking_id INTEGER NOT NULL,
    provider TEXT NOT NULL,
    state INTEGER NOT NULL, -- enum payment_state
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    session_ref TEXT,  -- provider's checkout session
    url TEXT,          -- where the buyer pays
    provider_ref TEXT, -- provider's payment, once there is money
    captured INTEGER NOT NULL DEFAULT 0,
    refunded INTEGER NOT NULL DEFAULT 0, -- promised back: sum of the refund rows
    is_close_wanted INTEGER NOT NULL DEFAULT 0, -- session to be closed at the provider
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER, -- when the worker shall look at it again; NULL: never
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (event_id, id),
    CHECK (captured >= 0 AND refunded >= 0 AND refunded <= captured)
) WITHOUT ROWID;
CREATE UNIQUE INDEX payment_by_booking ON payment (event_id, booking_id);
CREATE UNIQUE INDEX payment_by_session ON payment (provider, session_ref) WHERE session_ref IS NOT NULL;
CREATE UNIQUE INDEX payment_by_provider_ref ON payment (provider, provider_ref) WHERE provider_ref IS NOT NULL;
CREATE INDEX payment_due ON payment (next_at) WHERE next_at IS NOT NULL AND state <> 1; -- to be asked about or closed
CREATE INDEX payment_creating ON payment (next_at) WHERE next_at IS NOT NULL AND state = 1; -- sessions to be opened

-- Every amount that a provider says it took, once per provider reference (extra captures are refunded).
CREATE TABLE capture (
    provider TEXT NOT NULL,
    provider_ref TEXT NOT NULL,
    event_id INTEGER NOT NULL,
    payment_id INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (provider, provider_ref)
) WITHOUT ROWID;

-- What providers told us, once per their event id.
CREATE TABLE provider_event (
    provider TEXT NOT NULL,
    provider_event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    event_id INTEGER,
    payment_id INTEGER,
    received_at INTEGER NOT NULL,
    PRIMARY KEY (provider, provider_event_id)
) WITHOUT ROWID;

CREATE TABLE refund (
    event_id INTEGER NOT NULL,
    id INTEGER NOT NULL, -- also the provider's idempotency key
    booking_id INTEGER NOT NULL,
    payment_id INTEGER NOT NULL,
    provider_ref TEXT NOT NULL, -- the capture that is given back
    amount INTEGER NOT NULL CHECK (amount > 0),
    currency TEXT NOT NULL,
    reason TEXT NOT NULL,   -- late, cancelled, already_paid, mismatch, requested, event_cancelled
    state INTEGER NOT NULL, -- 0 pending, 1 succeeded, 2 refused by the provider (needs a person)
    provider_refund_ref TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (event_id, id)
) WITHOUT ROWID;
CREATE INDEX refund_by_booking ON refund (event_id, booking_id);
CREATE INDEX refund_due ON refund (next_at) WHERE next_at IS NOT NULL;

-- Tickets: one per place of a confirmed booking. A valid ticket's seat is unique per event.
CREATE TABLE ticket (
    event_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    booking_id INTEGER NOT NULL,
    seat_no INTEGER, -- NULL for an area place
    area_no INTEGER,
    price INTEGER NOT NULL,
    state INTEGER NOT NULL, -- 0 valid, 1 revoked
    used_at INTEGER,
    used_gate TEXT,
    refund_id INTEGER,
    PRIMARY KEY (event_id, id),
    CHECK ((seat_no IS NULL) <> (area_no IS NULL))
) WITHOUT ROWID;
CREATE INDEX ticket_by_booking ON ticket (event_id, booking_id);
CREATE UNIQUE INDEX ticket_by_seat ON ticket (event_id, seat_no) WHERE state = 0 AND seat_no IS NOT NULL;

CREATE TABLE signing_key (
    id INTEGER PRIMARY KEY,
    public_key BLOB NOT NULL,
    secret_key BLOB NOT NULL,
    created_at INTEGER NOT NULL
);

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
    shard INTEGER NOT NULL, -- event
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
