/* See abuse_store.h. Why INDEXED BY: booking_store.c. */
#include "tickets/abuse_store.h"

#include "tickets/limits.h"

/* The words of the partial indexes: an index is only used where they stand the same. */
#define COUNTS "state BETWEEN 1 AND 3 AND given_back < places"

#define ACCOUNT_COLUMNS                                                                            \
    "id, account_id, device, pay_device, card, state, places - given_back, created_at, ended_at, " \
    "network"

/* The plus: an account has few bookings, an event many. */
SQL(SQL_ACCOUNT, "SELECT " ACCOUNT_COLUMNS " FROM booking WHERE account_id = $1 AND +event_id = $2 "
                 "AND (+state BETWEEN 1 AND 3 OR ended_at > $3)");

#define COUNTED_COLUMNS "id, account_id, device, pay_device, card, state, places - given_back"
#define BY_DEVICE(by_device, by_pay_device)                                                        \
    "SELECT " COUNTED_COLUMNS " FROM booking " by_device                                           \
    " WHERE event_id = $1 AND device = $2 AND " COUNTS " UNION ALL SELECT " COUNTED_COLUMNS        \
    " FROM booking " by_pay_device " WHERE event_id = $1 AND pay_device = $2 AND " COUNTS
SQL_PAIR(SQL_DEVICE, BY_DEVICE("INDEXED BY booking_by_device", "INDEXED BY booking_by_pay_device"),
         BY_DEVICE("", ""));

#define BY_CARD(by_card)                                                                           \
    "SELECT " COUNTED_COLUMNS " FROM booking " by_card                                             \
    " WHERE event_id = $1 AND card = $2 AND " COUNTS
SQL_PAIR(SQL_CARD, BY_CARD("INDEXED BY booking_by_card"), BY_CARD(""));

#define NETWORK_SUMS                                                                               \
    "SELECT CAST(COALESCE(SUM(places - given_back), 0) AS BIGINT), "                               \
    "CAST(COALESCE(SUM(CASE WHEN solution IS NULL THEN places - given_back ELSE 0 END), 0) AS "    \
    "BIGINT) FROM booking "
#define BY_NETWORK(by_network, by_pay_network)                                                     \
    NETWORK_SUMS by_network " WHERE event_id = $1 AND network = $2 AND " COUNTS                    \
                            " UNION ALL " NETWORK_SUMS by_pay_network                              \
                            " WHERE event_id = $1 AND pay_network = $2 AND " COUNTS
SQL_PAIR(SQL_NETWORK,
         BY_NETWORK("INDEXED BY booking_by_network", "INDEXED BY booking_by_pay_network"),
         BY_NETWORK("", ""));

static struct db_stmt *account_stmt(struct db *db, uint64_t event_id, uint64_t account_id,
                                    int64_t since_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)event_id);
    db_bind_i64(stmt, 3, since_ms);
    return stmt;
}

/* Of an event's key. */
static struct db_stmt *key_stmt(struct db *db, struct sql *sql, uint64_t event_id, uint64_t key)
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)key);
    return stmt;
}

static struct counted counted_read(struct db_stmt *stmt)
{
    return (struct counted){
        .id = (uint64_t)db_col_i64(stmt, 0),
        .account_id = (uint64_t)db_col_i64(stmt, 1),
        .device = (uint64_t)db_col_i64(stmt, 2),
        .pay_device = (uint64_t)db_col_i64(stmt, 3),
        .card = (uint64_t)db_col_i64(stmt, 4),
        .state = (enum booking_state)db_col_i64(stmt, 5),
        .places = db_col_i64(stmt, 6),
    };
}

static enum err read_counted(struct db_stmt *stmt, const struct counted_sink *sink)
{
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        struct counted row = counted_read(stmt);
        sink->take(sink->ctx, &row);
    }
    return err;
}

static void note_end(struct account_facts *facts, const struct counted *row, int64_t created_at,
                     int64_t ended_at)
{
    bool is_quick = row->state == BOOKING_CANCELLED && ended_at - created_at < CHURN_QUICK_MS;
    *(is_quick ? &facts->quick_ends : &facts->slow_ends) += 1;
    if (ended_at > facts->last_end_ms)
        facts->last_end_ms = ended_at;
}

static void note_account_row(struct account_facts *facts, const struct counted *row)
{
    facts->places += row->places;
    if (row->state == BOOKING_CONFIRMED)
        return;
    if (facts->open_count < OPEN_BOOKINGS_SHOWN)
        facts->open_ids[facts->open_count] = row->id;
    facts->open_count++;
}

static bool is_over(enum booking_state state)
{
    return state == BOOKING_EXPIRED || state == BOOKING_CANCELLED || state == BOOKING_FAILED;
}

/* facts NULL: only those that count are wanted. Bookings that nobody counts link nothing. */
static enum err read_account(struct db_stmt *stmt, const struct counted_sink *sink,
                             struct account_facts *facts)
{
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        struct counted row = counted_read(stmt);
        if (facts && is_over(row.state))
            note_end(facts, &row, db_col_i64(stmt, 7), db_col_i64(stmt, 8));
        else if (facts)
            note_account_row(facts, &row);
        if (!is_over(row.state) && row.places > 0 && !db_col_is_null(stmt, 9))
            sink->take(sink->ctx, &row);
    }
    return err;
}

static enum err read_network(struct db_stmt *stmt, struct network_facts *facts)
{
    bool has_row;
    enum err err;
    *facts = (struct network_facts){0};
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        facts->places += db_col_i64(stmt, 0);
        facts->unsolved += db_col_i64(stmt, 1);
    }
    return err;
}

enum err abuse_store_send(struct db *db, const struct booking *booking, int64_t since_ms,
                          struct abuse_reads *ret_reads)
{
    const struct booking_origin *origin = &booking->origin;
    *ret_reads = (struct abuse_reads){
        .account = account_stmt(db, booking->event_id, booking->account_id, since_ms),
        .network = key_stmt(db, &SQL_NETWORK, booking->event_id, origin->network)};
    if (origin->device)
        ret_reads->device = key_stmt(db, &SQL_DEVICE, booking->event_id, origin->device);
    enum err err = db_send(ret_reads->account);
    if (!err && ret_reads->device)
        err = db_send(ret_reads->device);
    return err ? err : db_send(ret_reads->network);
}

enum err abuse_store_read(const struct abuse_reads *reads, const struct counted_sink *sink,
                          struct account_facts *ret_account, struct network_facts *ret_network)
{
    *ret_account = (struct account_facts){0};
    enum err err = read_account(reads->account, sink, ret_account);
    if (!err && reads->device)
        err = read_counted(reads->device, sink);
    return err ? err : read_network(reads->network, ret_network);
}

void abuse_store_drop(const struct abuse_reads *reads)
{
    db_done(reads->account);
    if (reads->device)
        db_done(reads->device);
    db_done(reads->network);
}

enum err abuse_store_by_account(struct db *db, uint64_t event_id, uint64_t account_id,
                                const struct counted_sink *sink)
{
    return read_account(account_stmt(db, event_id, account_id, INT64_MAX), sink, NULL);
}

enum err abuse_store_by_device(struct db *db, uint64_t event_id, uint64_t device,
                               const struct counted_sink *sink)
{
    return read_counted(key_stmt(db, &SQL_DEVICE, event_id, device), sink);
}

enum err abuse_store_by_card(struct db *db, uint64_t event_id, uint64_t card,
                             const struct counted_sink *sink)
{
    return read_counted(key_stmt(db, &SQL_CARD, event_id, card), sink);
}

enum err abuse_store_network(struct db *db, uint64_t event_id, uint64_t network,
                             struct network_facts *ret_network)
{
    return read_network(key_stmt(db, &SQL_NETWORK, event_id, network), ret_network);
}

#define CARD_PLACES(by_card)                                                                       \
    "SELECT CAST(COALESCE((SELECT SUM(places - given_back) FROM booking " by_card                  \
    " WHERE event_id = $1 AND card = $2 AND " COUNTS " AND id <> $3), 0) AS BIGINT), per_card "    \
    "FROM event WHERE id = $1"
SQL_PAIR(SQL_CARD_PLACES, CARD_PLACES("INDEXED BY booking_by_card"), CARD_PLACES(""));

enum err abuse_store_card(struct db *db, const struct booking *booking, int64_t *ret_places,
                          int64_t *ret_cap)
{
    struct db_stmt *stmt = key_stmt(db, &SQL_CARD_PLACES, booking->event_id, booking->origin.card);
    bool has_row;
    db_bind_i64(stmt, 3, (int64_t)booking->id);
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_CORRUPT;
    *ret_places = db_col_i64(stmt, 0);
    *ret_cap = db_col_i64(stmt, 1);
    db_done(stmt);
    return ERR_OK;
}

#define IS_USED(by_solution)                                                                       \
    "SELECT COUNT(*) FROM booking " by_solution                                                    \
    " WHERE event_id = $1 AND solution = $2 AND solution IS NOT NULL"
SQL_PAIR(SQL_IS_USED, IS_USED("INDEXED BY booking_by_solution"), IS_USED(""));

enum err abuse_store_is_used(struct db *db, uint64_t event_id, uint64_t solution, bool *ret_is_used)
{
    int64_t count = 0;
    enum err err = db_get_i64(key_stmt(db, &SQL_IS_USED, event_id, solution), &count);
    *ret_is_used = count != 0;
    return err;
}

SQL(SQL_SAVE, "UPDATE booking SET solution = $3, pay_device = $4, pay_network = $5, card = $6, "
              "device = $7, network = $8 WHERE event_id = $1 AND id = $2");

enum err abuse_store_save(struct db *db, const struct booking *booking)
{
    const struct booking_origin *origin = &booking->origin;
    const uint64_t numbers[] = {origin->solution, origin->pay_device, origin->pay_network,
                                origin->card,     origin->device,     origin->network};
    struct db_stmt *stmt = key_stmt(db, &SQL_SAVE, booking->event_id, booking->id);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i])
            db_bind_i64(stmt, (int)i + 3, (int64_t)numbers[i]);
        else
            db_bind_null(stmt, (int)i + 3);
    }
    return db_exec_one(stmt);
}
