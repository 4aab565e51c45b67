-- Notifications of what was not read: see src/chat/push.h.

-- 1: some member may have a push subscription. Set when in doubt, and cleared by who looked for them.
ALTER TABLE chat ADD COLUMN push_wanted INTEGER NOT NULL DEFAULT 1;
-- Until when this member is not notified of the chat; 0: is.
ALTER TABLE chat_member ADD COLUMN muted_until INTEGER NOT NULL DEFAULT 0;
-- SHA-256 of the endpoint of a Web Push subscription; '': push is none, or something else.
ALTER TABLE device ADD COLUMN push_hash TEXT NOT NULL DEFAULT '';
-- Notifications in a row that were given up on.
ALTER TABLE device ADD COLUMN push_failures INTEGER NOT NULL DEFAULT 0;
CREATE INDEX device_by_push ON device (push_hash) WHERE push_hash <> '';

-- The key with which this server signs what it sends to push services (VAPID). One row; browsers bind their subscriptions to it.
CREATE TABLE push_key (
    id INTEGER PRIMARY KEY, -- 1
    public_key BLOB NOT NULL,
    secret BLOB NOT NULL
);

-- Chats with messages that nobody has looked at yet for whom to notify. One row a chat, however many messages.
CREATE TABLE push_chat (
    chat_id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL, -- of the first of them
    due_at INTEGER NOT NULL
);
CREATE INDEX push_chat_due ON push_chat (due_at);

-- What a device is to be notified of, or has been, of one chat.
CREATE TABLE push_job (
    chat_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL,
    seq INTEGER NOT NULL, -- of the newest message that it does not have
    sent_seq INTEGER NOT NULL, -- of the newest one that it was notified of; 0: none
    sent_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL, -- that failed, of what is to be sent now
    next_at INTEGER NOT NULL, -- when to look again; negative: at once, for the user has read up to -next_at
    PRIMARY KEY (chat_id, user_id, device_id)
) WITHOUT ROWID;
CREATE INDEX push_job_due ON push_job (next_at);

-- What the operator's webhooks are to be told: see src/chat/fact.h. Deleted when it is.
CREATE TABLE fact (
    id INTEGER PRIMARY KEY,
    chat_id INTEGER NOT NULL,
    type TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
