/*
 * See days.h.
 *
 * What memory knows of the slots is set by effects, after the commit, and only ever moves forward; it
 * spares the hot path a look into the tables.
 *
 * On PostgreSQL several nodes may open a day at once, each under its own chats' locks. The update of the
 * slot's row judges: whoever comes second waits for the first's commit, then changes no row.
 */
#include "chat/days.h"

#include <stdatomic.h>
#include <stdlib.h>

struct days {
    _Atomic int64_t days[LOG_SLOTS]; /* 0: not known */
    _Atomic int64_t periods[SENT_SLOTS];
};

enum err days_new(struct days **ret_days)
{
    struct days *days = calloc(1, sizeof(*days));
    if (!days)
        return ERR_NOMEM;
    *ret_days = days;
    return ERR_OK;
}

void days_free(struct days *days)
{
    free(days);
}

/* ---- whose a slot is ---- */

/* A table of slots: how it is asked, and what is emptied when a slot gets its next holder. */
struct slots {
    struct sql *get;
    struct sql *put;
    struct sql *empties[2];
    size_t empty_count;
};

SQL(SQL_DAY_GET, "SELECT day FROM log_slot WHERE slot = $1");
SQL(SQL_DAY_PUT, "INSERT INTO log_slot(slot, day) VALUES($1, $2)"
                 " ON CONFLICT(slot) DO UPDATE SET day = excluded.day"
                 " WHERE log_slot.day < excluded.day");
SQL(SQL_PERIOD_GET, "SELECT period FROM sent_slot WHERE slot = $1");
SQL(SQL_PERIOD_PUT, "INSERT INTO sent_slot(slot, period) VALUES($1, $2)"
                    " ON CONFLICT(slot) DO UPDATE SET period = excluded.period"
                    " WHERE sent_slot.period < excluded.period");

/* Without a condition SQLite throws the pages away unread. */
#define MESSAGES_DELETE(NN)    "DELETE FROM message_" NN
#define MESSAGES_TRUNCATE(NN)  "TRUNCATE message_" NN
#define REACTIONS_DELETE(NN)   "DELETE FROM reaction_" NN
#define REACTIONS_TRUNCATE(NN) "TRUNCATE reaction_" NN
DAYS_SQL_PAIR(SQL_MESSAGES_EMPTY, MESSAGES_DELETE, MESSAGES_TRUNCATE);
DAYS_SQL_PAIR(SQL_REACTIONS_EMPTY, REACTIONS_DELETE, REACTIONS_TRUNCATE);

static struct sql SQL_SENT_EMPTY[SENT_SLOTS] = {
    {.text = "DELETE FROM sent_0", .pgsql = "TRUNCATE sent_0"},
    {.text = "DELETE FROM sent_1", .pgsql = "TRUNCATE sent_1"},
    {.text = "DELETE FROM sent_2", .pgsql = "TRUNCATE sent_2"},
    {.text = "DELETE FROM sent_3", .pgsql = "TRUNCATE sent_3"},
};

static struct slots day_slots(size_t slot)
{
    return (struct slots){
        &SQL_DAY_GET, &SQL_DAY_PUT, {&SQL_MESSAGES_EMPTY[slot], &SQL_REACTIONS_EMPTY[slot]}, 2};
}

static struct slots sent_slots(size_t slot)
{
    return (struct slots){&SQL_PERIOD_GET, &SQL_PERIOD_PUT, {&SQL_SENT_EMPTY[slot]}, 1};
}

/* 0: nobody's yet. */
static enum err holder_get(struct db *db, const struct slots *slots, size_t slot,
                           int64_t *ret_holder)
{
    struct db_stmt *stmt = db_stmt(db, slots->get);
    db_bind_i64(stmt, 1, (int64_t)slot);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    *ret_holder = has_row ? db_col_i64(stmt, 0) : 0;
    db_done(stmt);
    return ERR_OK;
}

static enum err slot_empty(struct db *db, const struct slots *slots)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < slots->empty_count; i++)
        err = db_exec(db_stmt(db, slots->empties[i]));
    return err;
}

/* Gives the slot to holder, if it is free or an older one's. */
static enum err slot_take(struct db *db, const struct slots *slots, size_t slot, int64_t holder)
{
    int64_t before = 0;
    enum err err = holder_get(db, slots, slot, &before);
    if (err || before >= holder)
        return err ? err : before == holder ? ERR_OK : ERR_CORRUPT;
    struct db_stmt *stmt = db_stmt(db, slots->put);
    db_bind_i64(stmt, 1, (int64_t)slot);
    db_bind_i64(stmt, 2, holder);
    err = db_exec(stmt);
    if (!err && db_changes(db) == 1)
        return slot_empty(db, slots);
    if (!err) /* another node was first */
        err = holder_get(db, slots, slot, &before);
    return err ? err : before == holder ? ERR_OK : ERR_CORRUPT;
}

struct remember {
    _Atomic int64_t *holder;
    int64_t value;
};

static void remember_run(void *data)
{
    struct remember *remember = data;
    if (atomic_load_explicit(remember->holder, memory_order_relaxed) < remember->value)
        atomic_store_explicit(remember->holder, remember->value, memory_order_relaxed);
}

static enum err slot_open(struct writer_tx *tx, const struct slots *slots, size_t slot,
                          int64_t holder, _Atomic int64_t *known)
{
    if (atomic_load_explicit(known, memory_order_relaxed) == holder)
        return ERR_OK;
    enum err err = slot_take(tx->db, slots, slot, holder);
    if (err)
        return err;
    struct remember *remember = writer_effect(tx, remember_run, sizeof(*remember));
    if (!remember)
        return ERR_NOMEM;
    *remember = (struct remember){known, holder};
    return ERR_OK;
}

enum err days_open(struct days *days, struct writer_tx *tx, int64_t day)
{
    size_t slot = day_slot(day);
    struct slots slots = day_slots(slot);
    return slot_open(tx, &slots, slot, day, &days->days[slot]);
}

/* ---- retention ---- */

SQL(SQL_OLD, "SELECT slot FROM log_slot WHERE day < $1 ORDER BY day LIMIT 33");
SQL(SQL_FORGET, "DELETE FROM log_slot WHERE slot = $1 AND day < $2");
SQL(SQL_SENT_OLD, "SELECT slot FROM sent_slot WHERE period < $1 ORDER BY period LIMIT 4");
SQL(SQL_SENT_FORGET, "DELETE FROM sent_slot WHERE slot = $1 AND period < $2");

/* What is old is listed first, and emptied then: one statement at a time reads a table. */
static enum err sweep(struct db *db, struct sql *list, struct sql *forget, int64_t oldest,
                      struct slots (*slots_of)(size_t slot))
{
    size_t old[LOG_SLOTS];
    size_t count = 0;
    struct db_stmt *stmt = db_stmt(db, list);
    db_bind_i64(stmt, 1, oldest);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < LOG_SLOTS; err = db_step(stmt, &has_row))
        old[count++] = (size_t)db_col_i64(stmt, 0);
    db_done(stmt);
    for (size_t i = 0; !err && i < count; i++) {
        stmt = db_stmt(db, forget);
        db_bind_i64(stmt, 1, (int64_t)old[i]);
        db_bind_i64(stmt, 2, oldest);
        err = db_exec(stmt);
        struct slots slots = slots_of(old[i]);
        if (!err && db_changes(db) == 1)
            err = slot_empty(db, &slots);
    }
    return err;
}

static int64_t period_of_ms(int64_t at_ms)
{
    return day_of_ms(at_ms) / SENT_DAYS;
}

enum err days_sweep(struct writer_tx *tx)
{
    enum err err =
        sweep(tx->db, &SQL_OLD, &SQL_FORGET, day_of_ms(tx->now_ms) - LOG_DAYS, day_slots);
    if (err)
        return err;
    return sweep(tx->db, &SQL_SENT_OLD, &SQL_SENT_FORGET,
                 period_of_ms(tx->now_ms) - (SENT_SLOTS - 1), sent_slots);
}

/* ---- client ids ---- */

#define SENT_FIND(N)                                                                               \
    {                                                                                              \
        .text = "SELECT seq, body_hash FROM sent_" N                                               \
                " WHERE chat_id = $1 AND sender_id = $2 AND client_hash = $3"                      \
    }
static struct sql SQL_SENT_FIND[SENT_SLOTS] = {SENT_FIND("0"), SENT_FIND("1"), SENT_FIND("2"),
                                               SENT_FIND("3")};

/* What was there belonged to a message that is not kept any more. */
#define SENT_PUT(N)                                                                                \
    {                                                                                              \
        .text = "INSERT INTO sent_" N "(chat_id, sender_id, client_hash, body_hash, seq)"          \
                " VALUES($1, $2, $3, $4, $5) ON CONFLICT(chat_id, sender_id, client_hash)"         \
                " DO UPDATE SET body_hash = excluded.body_hash, seq = excluded.seq"                \
    }
static struct sql SQL_SENT_PUT[SENT_SLOTS] = {SENT_PUT("0"), SENT_PUT("1"), SENT_PUT("2"),
                                              SENT_PUT("3")};

static void bind_sent(struct db_stmt *stmt, const struct sent *sent)
{
    db_bind_i64(stmt, 1, (int64_t)sent->chat_id);
    db_bind_i64(stmt, 2, (int64_t)sent->sender_id);
    db_bind_blob(stmt, 3, str_from((const char *)sent->client_hash, SENT_HASH_SIZE));
}

static enum err sent_find_in(struct db *db, size_t slot, struct sent *sent)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SENT_FIND[slot]);
    bind_sent(stmt, sent);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    struct str body_hash = db_col_blob(stmt, 1);
    sent->seq = db_col_i64(stmt, 0);
    bool is_whole = body_hash.len == SENT_HASH_SIZE;
    if (is_whole)
        memcpy(sent->body_hash, body_hash.data, SENT_HASH_SIZE);
    db_done(stmt);
    return is_whole ? ERR_OK : ERR_CORRUPT;
}

/* A table may still hold a period that has gone by: its ids are of messages that are not kept any more,
 * which the caller finds out. */
enum err days_sent_find(struct writer_tx *tx, int64_t since_ms, struct sent *sent)
{
    int64_t newest = period_of_ms(tx->now_ms);
    int64_t oldest = period_of_ms(since_ms);
    if (oldest <= newest - SENT_SLOTS)
        oldest = newest - SENT_SLOTS + 1;
    enum err err = ERR_NOT_FOUND;
    for (int64_t period = newest; err == ERR_NOT_FOUND && period >= oldest && period > 0; period--)
        err = sent_find_in(tx->db, (size_t)period % SENT_SLOTS, sent);
    return err;
}

enum err days_sent_put(struct days *days, struct writer_tx *tx, const struct sent *sent)
{
    int64_t period = period_of_ms(tx->now_ms);
    size_t slot = (size_t)period % SENT_SLOTS;
    struct slots slots = sent_slots(slot);
    enum err err = slot_open(tx, &slots, slot, period, &days->periods[slot]);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_SENT_PUT[slot]);
    bind_sent(stmt, sent);
    db_bind_blob(stmt, 4, str_from((const char *)sent->body_hash, SENT_HASH_SIZE));
    db_bind_i64(stmt, 5, sent->seq);
    return db_exec_later(stmt);
}
