-- Within an endpoint live deliveries are read before those sent again by hand, and these before replayed ones.
DROP INDEX delivery_00_due;
CREATE INDEX delivery_00_due ON delivery_00 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_01_due;
CREATE INDEX delivery_01_due ON delivery_01 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_02_due;
CREATE INDEX delivery_02_due ON delivery_02 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_03_due;
CREATE INDEX delivery_03_due ON delivery_03 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_04_due;
CREATE INDEX delivery_04_due ON delivery_04 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_05_due;
CREATE INDEX delivery_05_due ON delivery_05 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_06_due;
CREATE INDEX delivery_06_due ON delivery_06 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_07_due;
CREATE INDEX delivery_07_due ON delivery_07 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_08_due;
CREATE INDEX delivery_08_due ON delivery_08 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_09_due;
CREATE INDEX delivery_09_due ON delivery_09 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_10_due;
CREATE INDEX delivery_10_due ON delivery_10 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_11_due;
CREATE INDEX delivery_11_due ON delivery_11 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_12_due;
CREATE INDEX delivery_12_due ON delivery_12 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_13_due;
CREATE INDEX delivery_13_due ON delivery_13 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_14_due;
CREATE INDEX delivery_14_due ON delivery_14 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_15_due;
CREATE INDEX delivery_15_due ON delivery_15 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_16_due;
CREATE INDEX delivery_16_due ON delivery_16 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_17_due;
CREATE INDEX delivery_17_due ON delivery_17 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_18_due;
CREATE INDEX delivery_18_due ON delivery_18 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_19_due;
CREATE INDEX delivery_19_due ON delivery_19 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_20_due;
CREATE INDEX delivery_20_due ON delivery_20 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_21_due;
CREATE INDEX delivery_21_due ON delivery_21 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_22_due;
CREATE INDEX delivery_22_due ON delivery_22 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_23_due;
CREATE INDEX delivery_23_due ON delivery_23 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_24_due;
CREATE INDEX delivery_24_due ON delivery_24 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_25_due;
CREATE INDEX delivery_25_due ON delivery_25 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_26_due;
CREATE INDEX delivery_26_due ON delivery_26 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_27_due;
CREATE INDEX delivery_27_due ON delivery_27 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_28_due;
CREATE INDEX delivery_28_due ON delivery_28 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_29_due;
CREATE INDEX delivery_29_due ON delivery_29 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_30_due;
CREATE INDEX delivery_30_due ON delivery_30 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_31_due;
CREATE INDEX delivery_31_due ON delivery_31 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;
DROP INDEX delivery_32_due;
CREATE INDEX delivery_32_due ON delivery_32 (app_id, endpoint_id, lane, next_at, created_at) WHERE next_at IS NOT NULL;

-- Jobs that send many deliveries again. What one does is done endpoint by endpoint: replay_endpoint.
CREATE TABLE replay (
    app_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind INTEGER NOT NULL, -- enum replay_kind
    state INTEGER NOT NULL, -- enum replay_state
    endpoint_id INTEGER NOT NULL, -- 0: all of the application
    since_at INTEGER NOT NULL, -- of messages, as it was asked for; 0: open
    until_at INTEGER NOT NULL,
    event_types TEXT NOT NULL, -- a name a line; '': all
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    ended_at INTEGER, -- NULL: it runs
    PRIMARY KEY (app_id, id)
) WITHOUT ROWID;
CREATE INDEX replay_running ON replay (app_id, id) WHERE state = 0;
CREATE INDEX replay_by_end ON replay (ended_at) WHERE ended_at IS NOT NULL;

-- A job's way through one endpoint's messages, the oldest first. position: the last message it has looked at.
CREATE TABLE replay_endpoint (
    app_id INTEGER NOT NULL,
    replay_id INTEGER NOT NULL,
    endpoint_id INTEGER NOT NULL,
    state INTEGER NOT NULL, -- enum leg_state
    position INTEGER NOT NULL,
    until_id INTEGER NOT NULL, -- messages below it
    total INTEGER NOT NULL, -- counted when the job was made
    queued INTEGER NOT NULL,
    waiting INTEGER NOT NULL, -- queued, and not attempted yet
    done INTEGER NOT NULL,
    failed INTEGER NOT NULL, -- attempted without success so far, or given up
    PRIMARY KEY (app_id, replay_id, endpoint_id)
) WITHOUT ROWID;
CREATE INDEX replay_endpoint_hungry ON replay_endpoint (app_id, replay_id, endpoint_id) WHERE state = 0;

-- Deliveries that a job has queued and that have not ended yet, with what they were before.
CREATE TABLE replay_delivery (
    app_id INTEGER NOT NULL,
    endpoint_id INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    replay_id INTEGER NOT NULL,
    was_state INTEGER NOT NULL, -- enum delivery_state; -1: there was no row
    was_attempts INTEGER NOT NULL,
    was_lane INTEGER NOT NULL,
    was_created_at INTEGER NOT NULL,
    was_ended_at INTEGER NOT NULL,
    is_begun INTEGER NOT NULL, -- an attempt was made, and counted
    PRIMARY KEY (app_id, endpoint_id, message_id)
) WITHOUT ROWID;
CREATE INDEX replay_delivery_waiting ON replay_delivery (app_id, replay_id, endpoint_id, message_id) WHERE is_begun = 0;
