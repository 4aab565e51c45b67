-- What was appended and read, for the other nodes that share the database: see src/chat/feed.h. Two tables in turn, emptied whole. Nothing is written
-- where a database has one node for itself (SQLite).
CREATE TABLE feed_0 (
    tx INTEGER NOT NULL, chat_id INTEGER NOT NULL, kind INTEGER NOT NULL, item INTEGER NOT NULL, node INTEGER NOT NULL,
    PRIMARY KEY (tx, chat_id, kind, item)
) WITHOUT ROWID;
CREATE TABLE feed_1 (
    tx INTEGER NOT NULL, chat_id INTEGER NOT NULL, kind INTEGER NOT NULL, item INTEGER NOT NULL, node INTEGER NOT NULL,
    PRIMARY KEY (tx, chat_id, kind, item)
) WITHOUT ROWID;
