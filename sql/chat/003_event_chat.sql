-- Conversations about an event: what another service tells is posted there.
ALTER TABLE chat ADD COLUMN event_id INTEGER NOT NULL DEFAULT 0; -- what it is about; 0: nothing but itself

-- The one conversation of an event's organizer with one of its buyers.
CREATE TABLE event_chat (
    event_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL, -- the buyer
    chat_id INTEGER NOT NULL,
    PRIMARY KEY (event_id, user_id)
) WITHOUT ROWID;

-- How far the journals of other services have been made into entries (app/bridge.h).
CREATE TABLE bridge_cursor (
    name TEXT PRIMARY KEY, -- of the service
    seq INTEGER NOT NULL -- the last row that is done
);
