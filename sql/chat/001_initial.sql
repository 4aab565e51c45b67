-- A chat. Its row is the head of its log: whoever appends takes the next seq from here, in the same transaction.
CREATE TABLE chat (
    id INTEGER PRIMARY KEY,
    type INTEGER NOT NULL, -- enum chat_type
    title TEXT NOT NULL, -- '' in direct chats
    user_a INTEGER NOT NULL, -- direct: the two, the smaller id first; else 0
    user_b INTEGER NOT NULL,
    created_by INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, -- of the newest entry; 0: none
    last_at INTEGER NOT NULL, -- its time; never goes back
    last_day INTEGER NOT NULL, -- its day, counted from 1970; 0: none
    day_bits INTEGER NOT NULL, -- bit i: entries were written on last_day - i
    shown_seq INTEGER NOT NULL, -- of the newest text, media or system entry; 0: none
    active_id INTEGER NOT NULL, -- an id of its time, by which lists are sorted; the chat's own at first
    texts INTEGER NOT NULL, -- text and media entries so far
    member_count INTEGER NOT NULL,
    members_version INTEGER NOT NULL -- grows with each change of members, roles or title
);

-- The one direct chat of two users.
CREATE TABLE direct_chat (
    user_a INTEGER NOT NULL, -- the smaller id
    user_b INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    PRIMARY KEY (user_a, user_b)
) WITHOUT ROWID;

-- Members, with their watermarks, which only grow.
CREATE TABLE chat_member (
    chat_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    role INTEGER NOT NULL, -- enum member_role
    name TEXT NOT NULL, -- as it was when they joined
    joined_seq INTEGER NOT NULL, -- what is older is not theirs to see
    joined_at INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    read_seq INTEGER NOT NULL,
    read_texts INTEGER NOT NULL, -- text and media entries up to read_seq
    PRIMARY KEY (chat_id, user_id)
) WITHOUT ROWID;
CREATE INDEX chat_member_by_user ON chat_member (user_id, chat_id);

-- Changes when the database went back to a backup, and only grows: seqs may have been given before. One row.
CREATE TABLE log_epoch (
    id INTEGER PRIMARY KEY, -- 1
    epoch INTEGER NOT NULL
);
INSERT INTO log_epoch (id, epoch) VALUES (1, 1);

CREATE TABLE device (
    user_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    platform TEXT NOT NULL,
    push TEXT NOT NULL, -- JSON object; '': none
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, id)
) WITHOUT ROWID;

-- What a device says it has of a chat; only grows.
CREATE TABLE device_cursor (
    user_id INTEGER NOT NULL,
    device_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, chat_id)
) WITHOUT ROWID;

CREATE TABLE block (
    user_id INTEGER NOT NULL, -- who blocks
    blocked_id INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
) WITHOUT ROWID;

-- Reports for moderators, with what stood around the message then.
CREATE TABLE report (
    id INTEGER PRIMARY KEY,
    chat_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    reporter_id INTEGER NOT NULL,
    reason TEXT NOT NULL,
    context TEXT NOT NULL, -- JSON array of messages, the reported one last
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX report_once ON report (chat_id, seq, epoch, reporter_id);

-- Answers to Idempotency-Keys (app/idempotency.h).
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

-- Which day the tables NN of the log hold, and which period the tables N of client ids; see src/chat/days.h.
CREATE TABLE log_slot (
    slot INTEGER PRIMARY KEY,
    day INTEGER NOT NULL
);
CREATE TABLE sent_slot (
    slot INTEGER PRIMARY KEY,
    period INTEGER NOT NULL
);

-- Client ids: what a sender has sent, in tables of 11 days each.
CREATE TABLE sent_0 (
    chat_id INTEGER NOT NULL, sender_id INTEGER NOT NULL, client_hash BLOB NOT NULL, body_hash BLOB NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (chat_id, sender_id, client_hash)
) WITHOUT ROWID;
CREATE TABLE sent_1 (
    chat_id INTEGER NOT NULL, sender_id INTEGER NOT NULL, client_hash BLOB NOT NULL, body_hash BLOB NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (chat_id, sender_id, client_hash)
) WITHOUT ROWID;
CREATE TABLE sent_2 (
    chat_id INTEGER NOT NULL, sender_id INTEGER NOT NULL, client_hash BLOB NOT NULL, body_hash BLOB NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (chat_id, sender_id, client_hash)
) WITHOUT ROWID;
CREATE TABLE sent_3 (
    chat_id INTEGER NOT NULL, sender_id INTEGER NOT NULL, client_hash BLOB NOT NULL, body_hash BLOB NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (chat_id, sender_id, client_hash)
) WITHOUT ROWID;

-- The log: entries of a day, and the reactions that messages of that day have now.
CREATE TABLE message_00 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_00 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_01 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_01 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_02 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_02 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_03 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_03 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_04 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_04 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_05 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_05 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_06 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_06 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_07 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_07 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_08 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_08 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_09 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_09 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_10 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_10 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_11 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_11 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_12 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_12 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_13 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_13 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_14 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_14 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_15 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_15 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_16 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_16 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_17 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_17 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_18 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_18 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_19 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_19 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_20 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_20 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_21 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_21 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_22 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_22 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_23 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_23 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_24 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_24 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_25 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_25 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_26 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_26 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_27 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_27 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_28 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_28 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_29 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_29 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_30 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_30 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_31 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_31 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
CREATE TABLE message_32 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL, type INTEGER NOT NULL, sender_id INTEGER NOT NULL,
    client_id TEXT NOT NULL, body TEXT NOT NULL, media_id INTEGER NOT NULL, reply_to INTEGER NOT NULL, target INTEGER NOT NULL,
    texts INTEGER NOT NULL, reactions INTEGER NOT NULL, edited_at INTEGER NOT NULL, deleted_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL, PRIMARY KEY (chat_id, seq)
) WITHOUT ROWID;
CREATE TABLE reaction_32 (
    chat_id INTEGER NOT NULL, seq INTEGER NOT NULL, emoji TEXT NOT NULL, user_id INTEGER NOT NULL,
    PRIMARY KEY (chat_id, seq, emoji, user_id)
) WITHOUT ROWID;
