/*
 * The journal: see journal.h, also for its tables.
 *
 * Design
 *  - One append-only b-tree write per fact; there is no index on shard, which would be a second,
 *    random one. The head of a shard (version and hash of its last row) is kept in memory once it
 *    was used, and written once per group.
 *  - Heads are loaded when a shard is first written, because there may be a million; with more
 *    than HEADS_KEPT_MAX in memory all are dropped between two groups and loaded again as needed.
 *  - seq is SQLite's rowid, one above the largest: whatever removes old rows must leave the newest.
 *
 * PostgreSQL, where several nodes write at once:
 *  - A group has its shards locked before it begins, and may append to no others.
 *  - Heads are loaded anew for each group: other nodes may have written since.
 *  - seq = base + (transaction id << SEQ_ROW_BITS | number in the transaction). Transactions of one
 *    shard get their ids under its lock, so along a shard seq and version grow together. Across shards
 *    a lower seq may be committed later; therefore readers stop below the oldest transaction that is
 *    still open anywhere in the cluster.
 *  - base (table journal_base) keeps seq growing when a database was restored into a cluster whose
 *    transaction ids are lower. It is checked at each start.
 *
 * Invariants
 *  - A head in memory is the one in the database plus what the open group has appended.
 *  - undo holds what the running job replaced, so a job that is rolled back leaves no gap in
 *    the versions.
 *
 * Threads: struct journal belongs to the writer's thread.
 */
#include "store/journal.h"
#include "store/journal_internal.h"

#include "base/map.h"
#include "store/db_internal.h"

#include <assert.h>
#include <stdlib.h>

#define SEQ_ROW_BITS   20    /* rows of one transaction; leaves 43 bits for its id */
#define HEADS_KEPT_MAX 65536 /* checked between groups */
#define HEADS_MAX      (2 * HEADS_KEPT_MAX)

struct head {
    uint64_t shard;
    struct chain last;
    int64_t version_written; /* in journal_head */
    bool is_listed;          /* in changed */
};

struct undo {
    size_t head;
    struct chain last;
};

/* Growable array of fixed-size items; all three lists below are one. */
struct list {
    void *items;
    size_t count;
    size_t cap;
};

struct journal {
    struct db *db;
    bool has_table;
    bool is_shared; /* other nodes write, too: PostgreSQL */
    int64_t now_ms;
    int64_t base, next_seq;       /* PostgreSQL */
    const struct db_locks *locks; /* of the group; NULL or none: everything is locked */
    struct map index;             /* shard to position in heads */
    struct list heads;            /* struct head */
    struct list changed;          /* size_t, positions in heads: of this group */
    struct list undo;             /* struct undo: of this job */
};

SQL_PAIR(SQL_HAS_TABLE,
         "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'journal'",
         "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname = 'journal' AND"
         " relnamespace = CAST(current_schema() AS regnamespace)");
SQL(SQL_APPEND_SEQ, "INSERT INTO journal(seq, shard, version, at_ms, type, data, hash)"
                    " VALUES($7, $1, $2, $3, $4, $5, $6)");
SQL(SQL_BASE_GET, "SELECT seq FROM journal_base WHERE id = 1");
SQL(SQL_BASE_PUT, "INSERT INTO journal_base(id, seq) VALUES(1, $1)"
                  " ON CONFLICT(id) DO UPDATE SET seq = excluded.seq");
SQL(SQL_LAST_SEQ, "SELECT COALESCE(MAX(seq), 0) FROM journal");
SQL(SQL_APPEND, "INSERT INTO journal(shard, version, at_ms, type, data, hash)"
                " VALUES($1, $2, $3, $4, $5, $6)");
SQL(SQL_HEAD_GET, "SELECT version, hash FROM journal_head WHERE shard = $1");
SQL(SQL_HEAD_PUT, "INSERT INTO journal_head(shard, version, hash) VALUES($1, $2, $3)"
                  " ON CONFLICT(shard) DO UPDATE SET version = excluded.version,"
                  " hash = excluded.hash");
#define READ_COLUMNS "SELECT seq, shard, version, at_ms, type, data, hash FROM journal"
SQL(SQL_READ_ALL, READ_COLUMNS " WHERE seq > $1 ORDER BY seq LIMIT $2");
SQL_PAIR(SQL_READ, READ_COLUMNS " WHERE seq > $1 ORDER BY seq LIMIT $2",
         READ_COLUMNS " WHERE seq > $1 AND seq < (SELECT seq FROM journal_base WHERE id = 1) +"
                      " (CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS TEXT) AS BIGINT)"
                      " << 20) ORDER BY seq LIMIT $2");

/* ---- helpers ---- */

/* Room for one more item behind count. NULL when out of memory. */
static void *list_add(struct list *list, size_t size)
{
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        void *items = reallocarray(list->items, cap, size);
        if (!items) {
            return NULL;
        }
        list->items = items;
        list->cap = cap;
    }
    return (char *)list->items + size * list->count++;
}

static void list_release(struct list *list)
{
    free(list->items);
    *list = (struct list){0};
}

static struct str hash_str(const uint8_t hash[static SHA256_SIZE])
{
    return str_from((const char *)hash, SHA256_SIZE);
}

static uint8_t *put_u64(uint8_t *to, uint64_t value)
{
    for (int shift = 56; shift >= 0; shift -= 8) {
        *to++ = (uint8_t)(value >> shift);
    }
    return to;
}

void journal_row_hash(const uint8_t prev[static SHA256_SIZE], const struct journal_row *row,
                      uint8_t ret_hash[static SHA256_SIZE])
{
    uint8_t head[SHA256_SIZE + 3 * 8 + 1 + JOURNAL_TYPE_MAX];
    assert(row->type.len <= JOURNAL_TYPE_MAX);
    memcpy(head, prev, SHA256_SIZE);
    uint8_t *to = put_u64(head + SHA256_SIZE, row->shard);
    to = put_u64(to, (uint64_t)row->version);
    to = put_u64(to, (uint64_t)row->at_ms);
    *to++ = (uint8_t)row->type.len;
    memcpy(to, row->type.data, row->type.len);
    to += row->type.len;
    crypto_sha256_2(str_from((const char *)head, (size_t)(to - head)), row->data, ret_hash);
}

/* ---- heads ---- */

static struct head *head_at(struct journal *journal, size_t position)
{
    assert(position < journal->heads.count);
    return (struct head *)journal->heads.items + position;
}

static enum err chain_load(struct db *db, uint64_t shard, struct chain *ret_chain)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_HEAD_GET);
    db_bind_i64(stmt, 1, (int64_t)shard);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK) {
        return err;
    }
    struct chain chain = {0};
    if (has_row) {
        struct str hash = db_col_blob(stmt, 1);
        if (hash.len != SHA256_SIZE) {
            db_done(stmt);
            return ERR_CORRUPT;
        }
        chain.version = db_col_i64(stmt, 0);
        memcpy(chain.hash, hash.data, SHA256_SIZE);
        db_done(stmt);
    }
    *ret_chain = chain;
    return ERR_OK;
}

/* The position of the shard's head, loaded when it is not yet known. */
static enum err head_find(struct journal *journal, uint64_t shard, size_t *ret_position)
{
    uintptr_t known;
    if (map_get(&journal->index, shard, &known)) {
        *ret_position = known;
        return ERR_OK;
    }
    struct chain last;
    enum err err = chain_load(journal->db, shard, &last);
    if (err != ERR_OK) {
        return err;
    }
    size_t position = journal->heads.count;
    err = map_put(&journal->index, shard, position);
    if (err != ERR_OK) {
        return err;
    }
    struct head *head = list_add(&journal->heads, sizeof(*head));
    if (!head) {
        (void)map_remove(&journal->index, shard);
        return ERR_NOMEM;
    }
    *head = (struct head){.shard = shard, .last = last, .version_written = last.version};
    *ret_position = position;
    return ERR_OK;
}

/* Remembers the head for undoing and for the flush. */
static enum err head_touch(struct journal *journal, size_t position)
{
    struct head *head = head_at(journal, position);
    if (!head->is_listed) {
        size_t *changed = list_add(&journal->changed, sizeof(*changed));
        if (!changed) {
            return ERR_NOMEM;
        }
        *changed = position;
        head->is_listed = true;
    }
    struct undo *undo = list_add(&journal->undo, sizeof(*undo));
    if (!undo) {
        return ERR_NOMEM;
    }
    *undo = (struct undo){.head = position, .last = head->last};
    return ERR_OK;
}

static void heads_forget(struct journal *journal)
{
    map_release(&journal->index);
    map_init(&journal->index, HEADS_MAX);
    list_release(&journal->heads);
    journal->changed.count = 0;
    journal->undo.count = 0;
}

/* ---- appending ---- */

static enum err row_insert(struct journal *journal, const struct journal_row *row)
{
    struct db_stmt *stmt = db_stmt(journal->db, journal->is_shared ? &SQL_APPEND_SEQ : &SQL_APPEND);
    if (journal->is_shared) {
        db_bind_i64(stmt, 7, journal->next_seq++);
    }
    db_bind_i64(stmt, 1, (int64_t)row->shard);
    db_bind_i64(stmt, 2, row->version);
    db_bind_i64(stmt, 3, row->at_ms);
    db_bind_str(stmt, 4, row->type);
    db_bind_str(stmt, 5, row->data);
    db_bind_blob(stmt, 6, row->hash);
    return db_exec_later(stmt);
}

static bool is_locked(const struct journal *journal, uint64_t shard)
{
    const struct db_locks *locks = journal->locks;
    bool is_locked = !locks || locks->count == 0;
    for (size_t i = 0; !is_locked && i < locks->count; i++) {
        is_locked = locks->shards[i] == shard;
    }
    return is_locked;
}

enum err journal_append(struct journal *journal, uint64_t shard, const char *type, struct str data,
                        int64_t *ret_version)
{
    if (!journal->has_table || !is_locked(journal, shard)) {
        return ERR_DENIED;
    }
    struct str type_str = str_from_c(type);
    if (type_str.len == 0 || type_str.len > JOURNAL_TYPE_MAX) {
        return ERR_INVALID;
    }
    size_t position;
    enum err err = head_find(journal, shard, &position);
    if (err != ERR_OK) {
        return err;
    }
    struct head *head = head_at(journal, position);
    struct chain next = {.version = head->last.version + 1};
    struct journal_row row = {.shard = shard,
                              .version = next.version,
                              .at_ms = journal->now_ms,
                              .type = type_str,
                              .data = data,
                              .hash = hash_str(next.hash)};
    journal_row_hash(head->last.hash, &row, next.hash);
    err = head_touch(journal, position);
    if (err == ERR_OK) {
        err = row_insert(journal, &row);
    }
    if (err != ERR_OK) {
        return err;
    }
    head->last = next;
    if (ret_version) {
        *ret_version = next.version;
    }
    return ERR_OK;
}

enum err journal_staged_version(struct journal *journal, uint64_t shard, int64_t *ret_version)
{
    if (!journal->has_table) {
        return ERR_DENIED;
    }
    size_t position;
    enum err err = head_find(journal, shard, &position);
    if (err == ERR_OK) {
        *ret_version = head_at(journal, position)->last.version;
    }
    return err;
}

/* ---- the writer's side ---- */

static int64_t seq_of_transaction(const struct journal *journal)
{
    return journal->base + (int64_t)(db_status(journal->db).xid << SEQ_ROW_BITS);
}

/* In a transaction: base as it must be for the next row to get the highest seq. */
static enum err base_settle(struct journal *journal)
{
    int64_t base = 0, last = 0;
    enum err err = db_get_i64(db_stmt(journal->db, &SQL_BASE_GET), &base);
    bool is_new = err == ERR_NOT_FOUND;
    if (err == ERR_OK || is_new) {
        err = db_get_i64(db_stmt(journal->db, &SQL_LAST_SEQ), &last);
    }
    if (err != ERR_OK) {
        return err;
    }
    journal->base = base;
    int64_t missing = last + 1 - seq_of_transaction(journal);
    if (missing > 0) {
        journal->base += missing;
    }
    if (missing <= 0 && !is_new) {
        return ERR_OK;
    }
    struct db_stmt *stmt = db_stmt(journal->db, &SQL_BASE_PUT);
    db_bind_i64(stmt, 1, journal->base);
    return db_exec(stmt);
}

static enum err base_load(struct journal *journal)
{
    enum err err = db_begin(journal->db);
    if (err != ERR_OK) {
        return err;
    }
    err = base_settle(journal);
    if (err != ERR_OK) {
        db_rollback(journal->db);
        return err;
    }
    return db_commit(journal->db);
}

enum err journal_new(struct db *db, struct journal **ret_journal)
{
    int64_t tables = 0;
    enum err err = db_get_i64(db_stmt(db, &SQL_HAS_TABLE), &tables);
    if (err != ERR_OK) {
        return err;
    }
    struct journal *journal = calloc(1, sizeof(*journal));
    if (!journal) {
        return ERR_NOMEM;
    }
    journal->db = db;
    journal->has_table = tables > 0;
    journal->is_shared = db_is_pgsql(db);
    map_init(&journal->index, HEADS_MAX);
    err = journal->has_table && journal->is_shared ? base_load(journal) : ERR_OK;
    if (err != ERR_OK) {
        journal_free(journal);
        return err;
    }
    *ret_journal = journal;
    return ERR_OK;
}

void journal_free(struct journal *journal)
{
    if (!journal) {
        return;
    }
    map_release(&journal->index);
    list_release(&journal->heads);
    list_release(&journal->changed);
    list_release(&journal->undo);
    free(journal);
}

void journal_group_begin(struct journal *journal, int64_t now_ms, const struct db_locks *locks)
{
    assert(journal->changed.count == 0);
    if (journal->is_shared || journal->heads.count > HEADS_KEPT_MAX) {
        heads_forget(journal);
    }
    journal->now_ms = now_ms;
    journal->locks = journal->is_shared ? locks : NULL;
    journal->next_seq = journal->is_shared ? seq_of_transaction(journal) : 0;
    journal->undo.count = 0;
}

void journal_job_begin(struct journal *journal)
{
    journal->undo.count = 0;
}

void journal_job_rollback(struct journal *journal)
{
    const struct undo *undo = journal->undo.items;
    for (size_t i = journal->undo.count; i > 0; i--) {
        head_at(journal, undo[i - 1].head)->last = undo[i - 1].last;
    }
    journal->undo.count = 0;
}

enum err journal_group_flush(struct journal *journal)
{
    const size_t *changed = journal->changed.items;
    for (size_t i = 0; i < journal->changed.count; i++) {
        struct head *head = head_at(journal, changed[i]);
        if (head->last.version == head->version_written) { /* the job was rolled back */
            continue;
        }
        struct db_stmt *stmt = db_stmt(journal->db, &SQL_HEAD_PUT);
        db_bind_i64(stmt, 1, (int64_t)head->shard);
        db_bind_i64(stmt, 2, head->last.version);
        db_bind_blob(stmt, 3, hash_str(head->last.hash));
        enum err err = db_exec_later(stmt);
        if (err != ERR_OK) {
            return err;
        }
    }
    return ERR_OK;
}

void journal_group_end(struct journal *journal, bool is_committed)
{
    const size_t *changed = journal->changed.items;
    bool is_stale = false;
    for (size_t i = 0; i < journal->changed.count; i++) {
        struct head *head = head_at(journal, changed[i]);
        head->is_listed = false;
        if (is_committed) {
            head->version_written = head->last.version;
        } else if (head->last.version != head->version_written) {
            is_stale = true;
        }
    }
    journal->changed.count = 0;
    journal->undo.count = 0;
    if (is_stale) { /* rare, so the simplest thing that is surely right: what the database says */
        heads_forget(journal);
    }
}

/* ---- reading ---- */

static void row_load(struct db_stmt *stmt, struct journal_row *ret_row)
{
    *ret_row = (struct journal_row){
        .seq = db_col_i64(stmt, 0),
        .shard = (uint64_t)db_col_i64(stmt, 1),
        .version = db_col_i64(stmt, 2),
        .at_ms = db_col_i64(stmt, 3),
        .type = db_col_str(stmt, 4),
        .data = db_col_str(stmt, 5),
        .hash = db_col_blob(stmt, 6),
    };
}

static enum err read_rows(struct db_stmt *stmt, int64_t after_seq, size_t limit,
                          enum err (*on_row)(const struct journal_row *row, void *ctx), void *ctx)
{
    db_bind_i64(stmt, 1, after_seq);
    db_bind_i64(stmt, 2, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
    for (;;) {
        bool has_row;
        enum err err = db_step(stmt, &has_row);
        if (err != ERR_OK || !has_row) {
            return err;
        }
        struct journal_row row;
        row_load(stmt, &row);
        err = on_row(&row, ctx);
        if (err != ERR_OK) {
            db_done(stmt);
            return err;
        }
    }
}

enum err journal_read(struct db *db, int64_t after_seq, size_t limit,
                      enum err (*on_row)(const struct journal_row *row, void *ctx), void *ctx)
{
    return read_rows(db_stmt(db, &SQL_READ), after_seq, limit, on_row, ctx);
}

enum err journal_read_all(struct db *db, int64_t after_seq, size_t limit,
                          enum err (*on_row)(const struct journal_row *row, void *ctx), void *ctx)
{
    return read_rows(db_stmt(db, &SQL_READ_ALL), after_seq, limit, on_row, ctx);
}

/* One row; the bounds of a journal in which nothing is under way while nobody sees it are its end. */
SQL_PAIR(SQL_BOUNDS, "SELECT COALESCE(MAX(seq), 0) + 1, COALESCE(MAX(seq), 0) + 1 FROM journal",
         "SELECT b.seq + (CAST(CAST(pg_snapshot_xmin(s.now) AS TEXT) AS BIGINT) << 20),"
         " b.seq + (CAST(CAST(pg_snapshot_xmax(s.now) AS TEXT) AS BIGINT) << 20)"
         " FROM journal_base b, (SELECT pg_current_snapshot() AS now) s WHERE b.id = 1");

enum err journal_bounds(struct db *db, struct journal_bounds *ret_bounds)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BOUNDS);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK) {
        return err;
    }
    if (!has_row) {
        return ERR_CORRUPT;
    }
    *ret_bounds = (struct journal_bounds){db_col_i64(stmt, 0), db_col_i64(stmt, 1)};
    db_done(stmt);
    return ERR_OK;
}

enum err journal_head_read(struct db *db, uint64_t shard, int64_t *ret_version,
                           uint8_t ret_hash[static SHA256_SIZE])
{
    struct chain chain;
    enum err err = chain_load(db, shard, &chain);
    if (err == ERR_OK) {
        *ret_version = chain.version;
        memcpy(ret_hash, chain.hash, SHA256_SIZE);
    }
    return err;
}

enum err journal_version(struct db *db, uint64_t shard, int64_t *ret_version)
{
    struct chain chain;
    enum err err = chain_load(db, shard, &chain);
    if (err == ERR_OK) {
        *ret_version = chain.version;
    }
    return err;
}
