/* See days.h; whose a slot is, store/slots.c decides. */
#include "chat/days.h"

#include <stdlib.h>

_Static_assert(LOG_SLOTS == SLOTS_MAX, "statements are made for all slots");

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

SLOTS_TABLE(SQL_DAY, "log_slot", "day");
SLOTS_TABLE(SQL_PERIOD, "sent_slot", "period");

/* Without a condition SQLite throws the pages away unread. */
#define MESSAGES_DELETE(NN)    "DELETE FROM message_" NN
#define MESSAGES_TRUNCATE(NN)  "TRUNCATE message_" NN
#define REACTIONS_DELETE(NN)   "DELETE FROM reaction_" NN
#define REACTIONS_TRUNCATE(NN) "TRUNCATE reaction_" NN
DAYS_SQL_PAIR(SQL_MESSAGES_EMPTY, MESSAGES_DELETE, MESSAGES_TRUNCATE);
DAYS_SQL_PAIR(SQL_REACTIONS_EMPTY, REACTIONS_DELETE, REACTIONS_TRUNCATE);
#define MEDIA_DELETE(NN)   "DELETE FROM media_ref_" NN
#define MEDIA_TRUNCATE(NN) "TRUNCATE media_ref_" NN
DAYS_SQL_PAIR(SQL_MEDIA_EMPTY, MEDIA_DELETE, MEDIA_TRUNCATE);

static struct sql SQL_SENT_EMPTY[SENT_SLOTS] = {
    {.text = "DELETE FROM sent_0", .pgsql = "TRUNCATE sent_0"},
    {.text = "DELETE FROM sent_1", .pgsql = "TRUNCATE sent_1"},
    {.text = "DELETE FROM sent_2", .pgsql = "TRUNCATE sent_2"},
    {.text = "DELETE FROM sent_3", .pgsql = "TRUNCATE sent_3"},
};

static const struct slots day_slots = {
    .count = LOG_SLOTS,
    SLOTS_STATEMENTS(SQL_DAY),
    .empties = {SQL_MESSAGES_EMPTY, SQL_REACTIONS_EMPTY, SQL_MEDIA_EMPTY}};
static const struct slots sent_slots = {
    .count = SENT_SLOTS, SLOTS_STATEMENTS(SQL_PERIOD), .empties = {SQL_SENT_EMPTY}};

static int64_t period_of_ms(int64_t at_ms)
{
    return day_of_ms(at_ms) / SENT_DAYS;
}

static enum err open_slot(const struct slots *slots, _Atomic int64_t *known, struct writer_tx *tx,
                          int64_t holder)
{
    enum err err = slots_open(slots, known, tx, holder);
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

enum err days_open(struct days *days, struct writer_tx *tx, int64_t day)
{
    return open_slot(&day_slots, days->days, tx, day);
}

enum err days_sweep(struct writer_tx *tx)
{
    enum err err = slots_sweep(&day_slots, tx->db, day_of_ms(tx->now_ms) - LOG_DAYS);
    if (err)
        return err;
    return slots_sweep(&sent_slots, tx->db, period_of_ms(tx->now_ms) - (SENT_SLOTS - 1));
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
    enum err err = open_slot(&sent_slots, days->periods, tx, period);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_SENT_PUT[slot]);
    bind_sent(stmt, sent);
    db_bind_blob(stmt, 4, str_from((const char *)sent->body_hash, SENT_HASH_SIZE));
    db_bind_i64(stmt, 5, sent->seq);
    return db_exec_later(stmt);
}
