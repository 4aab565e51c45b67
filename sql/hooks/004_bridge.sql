-- How far the journals of other services have been made into messages.
CREATE TABLE bridge_cursor (
    name TEXT PRIMARY KEY, -- of the service
    seq INTEGER NOT NULL -- the last row that is done
);
