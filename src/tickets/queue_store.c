/* SQL of waiting rooms and their entries; the tables and their reasons stand in
 * sql/tickets/005_queue.sql. The log is in queue_log_store.c. */
#include "tickets/queue_store.h"

enum queue_mode queue_mode_of(struct str waiting_room)
{
    if (str_eq(waiting_room, STR("on")))
        return QUEUE_ON;
    return str_eq(waiting_room, STR("auto")) ? QUEUE_AUTO : QUEUE_OFF;
}

static struct db_stmt *stmt_of(struct db *db, struct sql *sql, uint64_t event_id)
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    return stmt;
}

static enum err exec_one(struct db *db, struct db_stmt *stmt)
{
    enum err err = db_exec(stmt);
    return !err && db_changes(db) != 1 ? ERR_CONFLICT : err;
}

/* --- Rooms --- */

#define TERMS                                                                                      \
    "SELECT e.id, e.status, e.onsale_at, e.starts_at, e.waiting_room, s.admitted_max,"             \
    " s.admit_per_minute, s.opens_before_s, s.admission_s, s.quiet_s, s.auto_above, r.created_at," \
    " r.is_engaged, r.is_over, r.closed_at, r.entry_count, r.placed, r.places, r.admitted_place,"  \
    " r.entries_hash IS NOT NULL"
SQL(SQL_TERMS, TERMS " FROM event e LEFT JOIN queue_settings s ON s.event_id = e.id"
                     " LEFT JOIN queue_room r ON r.event_id = e.id WHERE e.id = $1");
SQL(SQL_ROOMS, TERMS " FROM queue_room r JOIN event e ON e.id = r.event_id"
                     " LEFT JOIN queue_settings s ON s.event_id = r.event_id"
                     " WHERE r.is_over = 0 ORDER BY ABS(e.onsale_at - $1), r.event_id LIMIT $2");

SQL(SQL_ALL_ROOMS, TERMS " FROM queue_room r JOIN event e ON e.id = r.event_id"
                         " LEFT JOIN queue_settings s ON s.event_id = r.event_id"
                         " WHERE r.event_id > $1 ORDER BY r.event_id LIMIT $2");

static void terms_read(struct db_stmt *stmt, struct queue_terms *ret_terms)
{
    *ret_terms = (struct queue_terms){
        .event_id = (uint64_t)db_col_i64(stmt, 0),
        .status = (enum event_status)db_col_i64(stmt, 1),
        .onsale_at = db_col_i64(stmt, 2),
        .starts_at = db_col_i64(stmt, 3),
        .mode = queue_mode_of(db_col_str(stmt, 4)),
        .has_room = !db_col_is_null(stmt, 11),
    };
    if (db_col_is_null(stmt, 5))
        queue_settings_default(&ret_terms->settings);
    else
        ret_terms->settings = (struct queue_settings){
            .admitted_max = db_col_i64(stmt, 5),
            .admit_per_minute = db_col_i64(stmt, 6),
            .opens_before_s = db_col_i64(stmt, 7),
            .admission_s = db_col_i64(stmt, 8),
            .quiet_s = db_col_i64(stmt, 9),
            .auto_above = db_col_i64(stmt, 10),
        };
    if (!ret_terms->has_room)
        return;
    ret_terms->created_at = db_col_i64(stmt, 11);
    ret_terms->is_engaged = db_col_i64(stmt, 12) != 0;
    ret_terms->is_over = db_col_i64(stmt, 13) != 0;
    ret_terms->closed_at = db_col_i64(stmt, 14);
    ret_terms->entry_count = db_col_i64(stmt, 15);
    ret_terms->placed = db_col_i64(stmt, 16);
    ret_terms->places = db_col_i64(stmt, 17);
    ret_terms->admitted_place = db_col_i64(stmt, 18);
    ret_terms->is_revealed = db_col_i64(stmt, 19) != 0;
}

enum err queue_store_terms(struct db *db, uint64_t event_id, struct queue_terms *ret_terms)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_TERMS, event_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    terms_read(stmt, ret_terms);
    db_done(stmt);
    return ERR_OK;
}

static enum err rooms_read(struct db_stmt *stmt, size_t limit, struct queue_terms *ret_terms,
                           size_t *ret_count)
{
    db_bind_i64(stmt, 2, (int64_t)limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        terms_read(stmt, &ret_terms[count++]);
    *ret_count = count;
    return err;
}

enum err queue_store_rooms(struct db *db, int64_t now_ms, size_t limit,
                           struct queue_terms *ret_terms, size_t *ret_count)
{
    return rooms_read(stmt_of(db, &SQL_ROOMS, (uint64_t)now_ms), limit, ret_terms, ret_count);
}

enum err queue_store_all_rooms(struct db *db, uint64_t after_event_id, size_t limit,
                               struct queue_terms *ret_terms, size_t *ret_count)
{
    return rooms_read(stmt_of(db, &SQL_ALL_ROOMS, after_event_id), limit, ret_terms, ret_count);
}

SQL(SQL_SECRET, "SELECT seed, commitment, entries_hash FROM queue_room WHERE event_id = $1");

enum err queue_store_secret(struct db *db, uint64_t event_id, struct queue_secret *ret_secret)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_SECRET, event_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    struct str seed = db_col_blob(stmt, 0), commitment = db_col_blob(stmt, 1);
    struct str hash = db_col_blob(stmt, 2);
    *ret_secret = (struct queue_secret){.is_revealed = !db_col_is_null(stmt, 2)};
    bool is_sane = seed.len == SHA256_SIZE && commitment.len == SHA256_SIZE &&
                   (!ret_secret->is_revealed || hash.len == SHA256_SIZE);
    if (is_sane) {
        memcpy(ret_secret->seed, seed.data, SHA256_SIZE);
        memcpy(ret_secret->commitment, commitment.data, SHA256_SIZE);
        if (ret_secret->is_revealed)
            memcpy(ret_secret->entries_hash, hash.data, SHA256_SIZE);
    }
    db_done(stmt);
    return is_sane ? ERR_OK : ERR_CORRUPT;
}

static void bind_hash(struct db_stmt *stmt, int index, const uint8_t hash[static SHA256_SIZE])
{
    db_bind_blob(stmt, index, str_from((const char *)hash, SHA256_SIZE));
}

SQL(SQL_OPEN, "INSERT INTO queue_room (event_id, seed, commitment, created_at)"
              " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING");

enum err queue_store_open(struct db *db, uint64_t event_id, const struct queue_secret *secret,
                          int64_t now_ms, bool *ret_is_new)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_OPEN, event_id);
    bind_hash(stmt, 2, secret->seed);
    bind_hash(stmt, 3, secret->commitment);
    db_bind_i64(stmt, 4, now_ms);
    enum err err = db_exec(stmt);
    if (!err)
        *ret_is_new = db_changes(db) == 1;
    return err;
}

SQL(SQL_COUNT_EARLY, "SELECT COUNT(CASE WHEN state = 1 THEN 1 END), COALESCE(MAX(ended_at), 0)"
                     " FROM queue_entry WHERE event_id = $1");

enum err queue_store_count_early(struct db *db, uint64_t event_id, int64_t *ret_count,
                                 int64_t *ret_last_end)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_COUNT_EARLY, event_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    *ret_count = has_row ? db_col_i64(stmt, 0) : 0;
    *ret_last_end = has_row ? db_col_i64(stmt, 1) : 0;
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_CLOSE, "UPDATE queue_room SET closed_at = $2, entry_count = $3, places = $3"
               " WHERE event_id = $1 AND closed_at IS NULL");

enum err queue_store_close(struct db *db, uint64_t event_id, int64_t closed_at, int64_t entry_count)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_CLOSE, event_id);
    db_bind_i64(stmt, 2, closed_at);
    db_bind_i64(stmt, 3, entry_count);
    return exec_one(db, stmt);
}

SQL(SQL_REVEAL, "UPDATE queue_room SET entries_hash = $2 WHERE event_id = $1 AND closed_at IS NOT"
                " NULL AND entries_hash IS NULL");

enum err queue_store_reveal(struct db *db, uint64_t event_id,
                            const uint8_t entries_hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = stmt_of(db, &SQL_REVEAL, event_id);
    bind_hash(stmt, 2, entries_hash);
    return exec_one(db, stmt);
}

SQL(SQL_PLACED, "UPDATE queue_room SET placed = $3 WHERE event_id = $1 AND placed = $2");

enum err queue_store_placed(struct db *db, uint64_t event_id, int64_t from, int64_t placed)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_PLACED, event_id);
    db_bind_i64(stmt, 2, from);
    db_bind_i64(stmt, 3, placed);
    return exec_one(db, stmt);
}

SQL(SQL_NEXT_PLACE,
    "UPDATE queue_room SET places = places + 1 WHERE event_id = $1 RETURNING places");

enum err queue_store_next_place(struct db *db, uint64_t event_id, int64_t *ret_place)
{
    return db_get_i64(stmt_of(db, &SQL_NEXT_PLACE, event_id), ret_place);
}

SQL(SQL_ADMITTED_PLACE,
    "UPDATE queue_room SET admitted_place = $2 WHERE event_id = $1 AND admitted_place < $2");

enum err queue_store_admitted_place(struct db *db, uint64_t event_id, int64_t place)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_ADMITTED_PLACE, event_id);
    db_bind_i64(stmt, 2, place);
    return exec_one(db, stmt);
}

SQL(SQL_ENGAGE, "UPDATE queue_room SET is_engaged = $2 WHERE event_id = $1 AND is_engaged <> $2");

enum err queue_store_engage(struct db *db, uint64_t event_id, bool is_engaged)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_ENGAGE, event_id);
    db_bind_i64(stmt, 2, is_engaged);
    return exec_one(db, stmt);
}

SQL(SQL_OVER, "UPDATE queue_room SET is_over = 1 WHERE event_id = $1 AND is_over = 0");

enum err queue_store_over(struct db *db, uint64_t event_id)
{
    return exec_one(db, stmt_of(db, &SQL_OVER, event_id));
}

/* --- Entries --- */

SQL(SQL_INSERT, "INSERT INTO queue_entry (event_id, id, account_id, state, is_early, joined_at,"
                " place) VALUES ($1, $2, $3, $4, $5, $6, $7)");

enum err queue_store_insert(struct db *db, const struct queue_entry *entry)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_INSERT, entry->event_id);
    db_bind_i64(stmt, 2, (int64_t)entry->id);
    db_bind_i64(stmt, 3, (int64_t)entry->account_id);
    db_bind_i64(stmt, 4, entry->state);
    db_bind_i64(stmt, 5, entry->is_early);
    db_bind_i64(stmt, 6, entry->joined_at);
    if (entry->place)
        db_bind_i64(stmt, 7, entry->place);
    else
        db_bind_null(stmt, 7);
    return db_exec(stmt);
}

#define ENTRY_COLUMNS                                                                              \
    "event_id, id, account_id, state, is_early, joined_at, place, admitted_at, admitted_until,"    \
    " seen_at, ended_at, holds"

static void entry_read(struct db_stmt *stmt, struct queue_entry *ret_entry)
{
    *ret_entry = (struct queue_entry){
        .event_id = (uint64_t)db_col_i64(stmt, 0),
        .id = (uint64_t)db_col_i64(stmt, 1),
        .account_id = (uint64_t)db_col_i64(stmt, 2),
        .state = (enum queue_state)db_col_i64(stmt, 3),
        .is_early = db_col_i64(stmt, 4) != 0,
        .joined_at = db_col_i64(stmt, 5),
        .place = db_col_i64(stmt, 6),
        .admitted_at = db_col_i64(stmt, 7),
        .admitted_until = db_col_i64(stmt, 8),
        .seen_at = db_col_i64(stmt, 9),
        .ended_at = db_col_i64(stmt, 10),
        .holds = db_col_i64(stmt, 11),
    };
}

static enum err entry_get(struct db_stmt *stmt, struct queue_entry *ret_entry)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    entry_read(stmt, ret_entry);
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_ENTRY, "SELECT " ENTRY_COLUMNS " FROM queue_entry WHERE event_id = $1 AND id = $2");

enum err queue_store_entry(struct db *db, uint64_t event_id, uint64_t entry_id,
                           struct queue_entry *ret_entry)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_ENTRY, event_id);
    db_bind_i64(stmt, 2, (int64_t)entry_id);
    return entry_get(stmt, ret_entry);
}

SQL_PAIR(SQL_OPEN_ENTRY,
         "SELECT " ENTRY_COLUMNS " FROM queue_entry INDEXED BY queue_open WHERE event_id = $1 AND"
         " account_id = $2 AND state <= 3",
         "SELECT " ENTRY_COLUMNS " FROM queue_entry WHERE event_id = $1 AND account_id = $2 AND"
         " state <= 3");

enum err queue_store_open_entry(struct db *db, uint64_t event_id, uint64_t account_id,
                                struct queue_entry *ret_entry)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_OPEN_ENTRY, event_id);
    db_bind_i64(stmt, 2, (int64_t)account_id);
    return entry_get(stmt, ret_entry);
}

SQL(SQL_PLACE, "UPDATE queue_entry SET place = $3, state = CASE state WHEN 1 THEN 2 ELSE state END"
               " WHERE event_id = $1 AND id = $2 AND place IS NULL");

enum err queue_store_place(struct db *db, uint64_t event_id, uint64_t entry_id, int64_t place)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_PLACE, event_id);
    db_bind_i64(stmt, 2, (int64_t)entry_id);
    db_bind_i64(stmt, 3, place);
    return db_exec_one(stmt);
}

#define NEXT(index)                                                                                \
    "SELECT " ENTRY_COLUMNS " FROM queue_entry " index "WHERE event_id = $1 AND place > $2 AND"    \
    " place <= $3 AND state = 2 ORDER BY place LIMIT $4"
SQL_PAIR(SQL_NEXT, NEXT("INDEXED BY queue_place "), NEXT(""));

enum err queue_store_next(struct db *db, uint64_t event_id, int64_t after_place,
                          int64_t until_place, size_t limit, struct queue_entry *ret_entries,
                          size_t *ret_count)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_NEXT, event_id);
    db_bind_i64(stmt, 2, after_place);
    db_bind_i64(stmt, 3, until_place);
    db_bind_i64(stmt, 4, (int64_t)limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        entry_read(stmt, &ret_entries[count++]);
    *ret_count = count;
    return err;
}

#define BUSY(index)                                                                                \
    "SELECT COUNT(*) FROM queue_entry " index "WHERE event_id = $1 AND busy_until > $2"
SQL_PAIR(SQL_BUSY, BUSY("INDEXED BY queue_busy "), BUSY(""));

enum err queue_store_busy(struct db *db, uint64_t event_id, int64_t now_ms, int64_t *ret_count)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_BUSY, event_id);
    db_bind_i64(stmt, 2, now_ms);
    return db_get_i64(stmt, ret_count);
}

#define RATE(index)                                                                                \
    "SELECT COUNT(*) FROM (SELECT 1 FROM queue_entry " index "WHERE event_id = $1 AND admitted_at" \
    " > $2 LIMIT $3) AS a"
SQL_PAIR(SQL_RATE, RATE("INDEXED BY queue_admission "), RATE(""));

enum err queue_store_rate(struct db *db, uint64_t event_id, int64_t after_ms, int64_t most,
                          int64_t *ret_count)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_RATE, event_id);
    db_bind_i64(stmt, 2, after_ms);
    db_bind_i64(stmt, 3, most);
    return db_get_i64(stmt, ret_count);
}

#define FOR_EVER "9223372036854775807"

SQL(SQL_ADMIT,
    "UPDATE queue_entry SET state = 3, admitted_at = $3, admitted_until = $4,"
    " seen_at = $3, busy_until = " FOR_EVER " WHERE event_id = $1 AND id = $2 AND state = 2");

enum err queue_store_admit(struct db *db, const struct queue_entry *entry)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_ADMIT, entry->event_id);
    db_bind_i64(stmt, 2, (int64_t)entry->id);
    db_bind_i64(stmt, 3, entry->admitted_at);
    db_bind_i64(stmt, 4, entry->admitted_until);
    return db_exec_one(stmt);
}

/* A list that is closed keeps who ends afterwards, whatever the clock says. */
SQL(SQL_END, "UPDATE queue_entry SET state = $4, ended_at = COALESCE((SELECT r.closed_at + 1 FROM"
             " queue_room r WHERE r.event_id = $1 AND r.closed_at >= $5), $5),"
             " busy_until = CASE WHEN holds > 0 THEN busy_until ELSE $6 END"
             " WHERE event_id = $1 AND id = $2 AND state = $3");

static void bind_until(struct db_stmt *stmt, int index, int64_t busy_until)
{
    if (busy_until)
        db_bind_i64(stmt, index, busy_until);
    else
        db_bind_null(stmt, index);
}

enum err queue_store_end(struct db *db, const struct queue_entry *entry, enum queue_state to,
                         int64_t ended_at, int64_t busy_until)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_END, entry->event_id);
    db_bind_i64(stmt, 2, (int64_t)entry->id);
    db_bind_i64(stmt, 3, entry->state);
    db_bind_i64(stmt, 4, to);
    db_bind_i64(stmt, 5, ended_at);
    bind_until(stmt, 6, busy_until);
    return exec_one(db, stmt);
}

#define LAPSING(index)                                                                             \
    "SELECT id FROM queue_entry " index "WHERE event_id = $1 AND busy_until = " FOR_EVER           \
    " AND state = 3 AND holds = 0 AND (admitted_until <= $2 OR seen_at <= $3) LIMIT $4"
SQL_PAIR(SQL_LAPSING, LAPSING("INDEXED BY queue_busy "), LAPSING(""));

enum err queue_store_lapsing(struct db *db, uint64_t event_id, int64_t now_ms,
                             int64_t quiet_before_ms, size_t limit, uint64_t *ret_ids,
                             size_t *ret_count)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_LAPSING, event_id);
    db_bind_i64(stmt, 2, now_ms);
    db_bind_i64(stmt, 3, quiet_before_ms);
    db_bind_i64(stmt, 4, (int64_t)limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row)
        ret_ids[count++] = (uint64_t)db_col_i64(stmt, 0);
    *ret_count = count;
    return err;
}

SQL(SQL_SEEN, "UPDATE queue_entry SET seen_at = $3 WHERE event_id = $1 AND id = $2 AND state = 3"
              " AND seen_at < $3");

enum err queue_store_seen(struct db *db, uint64_t event_id, uint64_t entry_id, int64_t seen_at)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_SEEN, event_id);
    db_bind_i64(stmt, 2, (int64_t)entry_id);
    db_bind_i64(stmt, 3, seen_at);
    return db_exec_later(stmt);
}

SQL(SQL_HOLD, "UPDATE queue_entry SET holds = holds + 1 WHERE event_id = $1 AND id = $2 AND"
              " account_id = $3 AND state = 3");

enum err queue_store_hold(struct db *db, uint64_t event_id, uint64_t entry_id, uint64_t account_id)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_HOLD, event_id);
    db_bind_i64(stmt, 2, (int64_t)entry_id);
    db_bind_i64(stmt, 3, (int64_t)account_id);
    return exec_one(db, stmt);
}

SQL(SQL_UNHOLD, "UPDATE queue_entry SET holds = holds - 1 WHERE event_id = $1 AND id = $2 AND"
                " holds > 0");

enum err queue_store_unhold(struct db *db, uint64_t event_id, uint64_t entry_id)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_UNHOLD, event_id);
    db_bind_i64(stmt, 2, (int64_t)entry_id);
    return exec_one(db, stmt);
}

SQL(SQL_RELEASE, "UPDATE queue_entry SET busy_until = $3 WHERE event_id = $1 AND id = $2 AND"
                 " state > 3 AND holds = 0");

enum err queue_store_release(struct db *db, uint64_t event_id, uint64_t entry_id,
                             int64_t busy_until)
{
    struct db_stmt *stmt = stmt_of(db, &SQL_RELEASE, event_id);
    db_bind_i64(stmt, 2, (int64_t)entry_id);
    bind_until(stmt, 3, busy_until);
    return db_exec(stmt);
}
