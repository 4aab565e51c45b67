-- When somebody's last stream ended; while one is open, some time after it began. See src/chat/presence.h.
CREATE TABLE last_seen (
    user_id INTEGER PRIMARY KEY, at INTEGER NOT NULL
) WITHOUT ROWID;
