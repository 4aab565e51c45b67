/*
 * Media: files that people upload and send.
 *
 *   create        all bytes are there, hashed       nobody refers to it, and it is not fresh
 *   ──────▶ UPLOADING ──────────────▶ FINISHED ─────────────────────────────────▶ gone
 *               └── 24 h, or its owner gives it up ─────────────────────────────▶ gone
 *
 * A finished one is kept while a message that is kept refers to it, and for MEDIA_FRESH_MS for its owner
 * alone. References are rows by the day of the message (media_ref_NN) and go with the day's tables; the
 * row of the media knows on which days there may be some, and a time at which the collector looks.
 *
 * Invariants
 *  1. received only grows, and bytes up to it are on disk: they were synced before the commit.
 *  2. media_blob.refs is how many rows of media have that blob_id; one with none is gone in the transaction
 *     that took the last.
 *  3. collect_at is not before the end of the last day on which a message that refers is kept, unless
 *     such a message was deleted meanwhile. The collector asks the references themselves, so a collect_at
 *     that is too early costs a look and loses nothing.
 *  4. A file is removed only by a task that stands in media_task, written in the transaction that took the
 *     last row that names the file. Names of files are never given again (media_files.h). So whoever
 *     uploads the same bytes while they are being collected either finds the blob's row, and the collector's
 *     transaction comes behind and sees the reference, or finds none, and brings a file of another name.
 *
 * Who finishes, gives up or collects holds all shards (shard 0); who creates or appends, the owner's; who
 * sends, the chat's, and judges by the media's row, whose change waits for the collector's on PostgreSQL.
 */
#ifndef CHAT_MEDIA_H
#define CHAT_MEDIA_H

#include "chat/log.h"
#include "chat/media_files.h"

struct media_files;

enum media_state {
    MEDIA_UPLOADING,
    MEDIA_FINISHED
};

struct media {
    uint64_t id;
    uint64_t owner_id;
    enum media_state state;
    int64_t bytes, received;
    struct str name, claimed_type;
    int64_t created_at, finished_at, collect_at;
    int64_t ref_day, ref_bits;
    /* Of a finished one. */
    uint64_t blob_id;
    uint8_t hash[SHA256_SIZE];
    struct str type;
    int64_t width, height; /* 0: not known */
    bool has_thumb;
};

/* What finishing has found out. */
struct media_result {
    uint8_t hash[SHA256_SIZE];
    struct str type;
    int64_t width, height;
    bool has_thumb;
};

/* ---- media.c: in apply ---- */

/* A new upload, if the owner's quota has room; ERR_LIMIT: *ret_what and *ret_max are exceeded. */
ERR_MUST_USE enum err media_create(struct writer_tx *tx, const struct media *media,
                                   const char **ret_what, int64_t *ret_max);
/* From *received* bytes to received + count. ERR_CONFLICT: it has another number of them, or is finished.
 * ERR_NOT_FOUND. */
ERR_MUST_USE enum err media_append(struct writer_tx *tx, uint64_t id, uint64_t owner_id,
                                   int64_t received, int64_t count);
/* After the last append. */
ERR_MUST_USE enum err media_finish(struct writer_tx *tx, const struct media *media,
                                   const struct media_result *result);
/* Takes the row, and the bytes when nobody else has them. */
ERR_MUST_USE enum err media_remove(struct writer_tx *tx, const struct media *media);

/* One that this user may send: finished, and their own or one that they see; and it stays as long as entries
 * of that day. ERR_NOT_FOUND. Before the entry is appended, whose reference is media_store_add_ref's. */
ERR_MUST_USE enum err media_hold(struct writer_tx *tx, uint64_t id, uint64_t user_id, int64_t day,
                                 struct media *ret_media);
/* It does not any more; slot is that of its day. */
ERR_MUST_USE enum err media_release(struct writer_tx *tx, const struct message *message,
                                    size_t slot);
/* Collects at most MEDIA_SWEEP_MAX; *ret_has_more: there may be others. */
ERR_MUST_USE enum err media_collect(struct writer_tx *tx, bool *ret_has_more);

/* ---- media.c: any connection ---- */

/* The user is a member of a chat with a message that is kept, refers to it and is theirs to see. */
ERR_MUST_USE enum err media_is_visible(struct db *db, const struct media *media, uint64_t user_id,
                                       int64_t now_ms, bool *ret_is_visible);
/* A message that is kept refers to it. */
ERR_MUST_USE enum err media_has_refs(struct db *db, const struct media *media, int64_t now_ms,
                                     bool *ret_has);
/* As messages show it: a JSON object, which is the body of their entries. */
struct str media_show(struct arena *arena, const struct media *media);

/* ---- media_store.c ---- */

/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err media_store_get(struct db *db, struct arena *arena, uint64_t id,
                                      struct media *ret_media);
struct media_usage {
    int64_t files, bytes, uploads;
};
ERR_MUST_USE enum err media_store_usage(struct db *db, uint64_t owner_id,
                                        struct media_usage *ret_usage);
ERR_MUST_USE enum err media_store_add(struct db *db, const struct media *media);
/* *ret_changed: whether there was one in this state. */
ERR_MUST_USE enum err media_store_append(struct db *db, uint64_t id, uint64_t owner_id,
                                         int64_t received, int64_t count, bool *ret_changed);
/* state, blob_id, finished_at, collect_at */
ERR_MUST_USE enum err media_store_put_finished(struct db *db, const struct media *media);
ERR_MUST_USE enum err media_store_delete(struct db *db, uint64_t id);
/* Ids whose time has come, oldest first. */
ERR_MUST_USE enum err media_store_due(struct db *db, int64_t now_ms, int64_t limit,
                                      uint64_t *ret_ids, size_t *ret_count);
ERR_MUST_USE enum err media_store_put_collect(struct db *db, uint64_t id, int64_t collect_at);
/* Notes a day of references. *ret_is_there: false when the row is gone, or not finished. */
ERR_MUST_USE enum err media_store_note_day(struct db *db, uint64_t id, int64_t day,
                                           int64_t collect_at, bool *ret_is_there);

ERR_MUST_USE enum err media_store_add_ref(struct db *db, size_t slot,
                                          const struct message *message);
ERR_MUST_USE enum err media_store_delete_ref(struct db *db, size_t slot,
                                             const struct message *message);
ERR_MUST_USE enum err media_store_has_ref(struct db *db, size_t slot, uint64_t id, bool *ret_has);
/* The same, of one that the user sees. */
ERR_MUST_USE enum err media_store_sees_ref(struct db *db, size_t slot, uint64_t id,
                                           uint64_t user_id, bool *ret_sees);

/* 0: nobody has these bytes. */
ERR_MUST_USE enum err media_store_find_blob(struct db *db, const uint8_t hash[static SHA256_SIZE],
                                            uint64_t *ret_id);
ERR_MUST_USE enum err media_store_add_blob(struct db *db, const struct media *media,
                                           const struct media_result *result);
/* change: 1 or -1. */
ERR_MUST_USE enum err media_store_count_blob(struct db *db, uint64_t id, int64_t change);
/* When nobody has it; *ret_is_gone. */
ERR_MUST_USE enum err media_store_drop_blob(struct db *db, uint64_t id, bool *ret_is_gone);

enum media_task_kind {
    TASK_SETTLE,        /* a finished file gets its second name */
    TASK_REMOVE,        /* a file that nobody has */
    TASK_REMOVE_UPLOAD, /* what is left of an upload that has become nothing, or a second copy */
};
struct media_task {
    uint64_t id;
    enum media_task_kind kind;
    struct media_file file;
};
ERR_MUST_USE enum err media_store_add_task(struct writer_tx *tx, enum media_task_kind kind,
                                           uint64_t file_id, const uint8_t *hash); /* NULL: none */
/* In order of their ids. */
ERR_MUST_USE enum err media_store_tasks(struct db *db, int64_t limit, struct media_task *ret_tasks,
                                        size_t *ret_count);
ERR_MUST_USE enum err media_store_delete_task(struct db *db, uint64_t id);

#endif
