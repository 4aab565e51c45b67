/* SQL of tickets and of the key that signs them. */
#include "tickets/ticket_store.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "tickets/ticket_key.h"

SQL(SQL_INSERT, "INSERT INTO ticket (event_id, id, booking_id, seat_no, area_no, price, state) "
                "VALUES ($1, $2, $3, $4, $5, $6, 0)");

enum err ticket_store_insert(struct db *db, const struct ticket *ticket)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_INSERT);
    db_bind_i64(stmt, 1, (int64_t)ticket->event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket->id);
    db_bind_i64(stmt, 3, (int64_t)ticket->booking_id);
    if (ticket->is_area) {
        db_bind_null(stmt, 4);
        db_bind_i64(stmt, 5, ticket->area_no);
    } else {
        db_bind_i64(stmt, 4, ticket->seat_no);
        db_bind_null(stmt, 5);
    }
    db_bind_i64(stmt, 6, ticket->price);
    return db_exec_later(stmt);
}

#define TICKET_COLUMNS                                                                             \
    "event_id, id, booking_id, seat_no, area_no, price, state, used_at, refund_id"

static struct ticket ticket_read(struct db_stmt *stmt)
{
    return (struct ticket){
        .event_id = (uint64_t)db_col_i64(stmt, 0),
        .id = (uint64_t)db_col_i64(stmt, 1),
        .booking_id = (uint64_t)db_col_i64(stmt, 2),
        .is_area = db_col_is_null(stmt, 3),
        .seat_no = (uint32_t)db_col_i64(stmt, 3),
        .area_no = (uint32_t)db_col_i64(stmt, 4),
        .price = db_col_i64(stmt, 5),
        .is_revoked = db_col_i64(stmt, 6) != 0,
        .used_at = db_col_i64(stmt, 7),
        .refund_id = (uint64_t)db_col_i64(stmt, 8),
    };
}

SQL(SQL_LOAD, "SELECT " TICKET_COLUMNS " FROM ticket WHERE event_id = $1 AND id = $2");

enum err ticket_store_load(struct db *db, uint64_t event_id, uint64_t ticket_id,
                           struct ticket *ret_ticket)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LOAD);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    *ret_ticket = ticket_read(stmt);
    db_done(stmt);
    return ERR_OK;
}

#define OF_BOOKING " WHERE event_id = $1 AND booking_id = $2 ORDER BY id LIMIT $3"
SQL_PAIR(SQL_LIST, "SELECT " TICKET_COLUMNS " FROM ticket INDEXED BY ticket_by_booking" OF_BOOKING,
         "SELECT " TICKET_COLUMNS " FROM ticket" OF_BOOKING);

enum err ticket_list(struct db *db, uint64_t event_id, uint64_t booking_id,
                     struct ticket *ret_tickets, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)booking_id);
    db_bind_i64(stmt, 3, BOOKING_PLACES_MAX);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_tickets[count++] = ticket_read(stmt);
    *ret_count = count;
    return err;
}

SQL(SQL_REVOKE, "UPDATE ticket SET state = 1, refund_id = $3 "
                "WHERE event_id = $1 AND id = $2 AND state = 0 AND used_at IS NULL");

enum err ticket_store_revoke(struct db *db, uint64_t event_id, uint64_t ticket_id,
                             uint64_t refund_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REVOKE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket_id);
    if (refund_id)
        db_bind_i64(stmt, 3, (int64_t)refund_id);
    else
        db_bind_null(stmt, 3);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

/* --- Check-in --- */

SQL(SQL_USE, "UPDATE ticket SET used_at = $3, used_gate = $4 "
             "WHERE event_id = $1 AND id = $2 AND state = 0 AND used_at IS NULL");

enum err ticket_store_use(struct db *db, const struct ticket *ticket, int64_t now_ms,
                          struct str gate)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_USE);
    db_bind_i64(stmt, 1, (int64_t)ticket->event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket->id);
    db_bind_i64(stmt, 3, now_ms);
    db_bind_str(stmt, 4, gate);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_LOAD_USE, "SELECT state, used_at, used_gate FROM ticket WHERE event_id = $1 AND id = $2");

enum err ticket_store_load_use(struct db *db, uint64_t event_id, uint64_t ticket_id,
                               struct arena *arena, struct ticket_use *ret_use)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LOAD_USE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    ret_use->is_revoked = db_col_i64(stmt, 0) != 0;
    ret_use->used_at = db_col_i64(stmt, 1);
    ret_use->gate = arena_str_dup(arena, db_col_str(stmt, 2));
    db_done(stmt);
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_USE_EARLIER, "UPDATE ticket SET used_at = $3, used_gate = $4 "
                     "WHERE event_id = $1 AND id = $2 AND state = 0 AND used_at > $3");

enum err ticket_store_use_earlier(struct db *db, uint64_t event_id, uint64_t ticket_id,
                                  const struct ticket_scan *scan)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_USE_EARLIER);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket_id);
    db_bind_i64(stmt, 3, scan->at_ms);
    db_bind_str(stmt, 4, scan->gate);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_ADD_SCAN, "INSERT INTO ticket_scan (event_id, ticket_id, at_ms, gate) "
                  "VALUES ($1, $2, $3, $4)");

enum err ticket_store_add_scan(struct db *db, uint64_t event_id, uint64_t ticket_id,
                               const struct ticket_scan *scan)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADD_SCAN);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket_id);
    db_bind_i64(stmt, 3, scan->at_ms);
    db_bind_str(stmt, 4, scan->gate);
    return db_exec(stmt);
}

SQL(SQL_SCANS, "SELECT at_ms, gate FROM ticket_scan WHERE event_id = $1 AND ticket_id = $2 "
               "ORDER BY at_ms, gate LIMIT $3");

enum err ticket_store_scans(struct db *db, uint64_t event_id, uint64_t ticket_id, int64_t limit,
                            struct arena *arena, struct ticket_scan *ret_scans, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SCANS);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)ticket_id);
    db_bind_i64(stmt, 3, limit);
    size_t count = 0;
    bool has_row = false;
    enum err err = ERR_OK;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_scans[count++] = (struct ticket_scan){
            .at_ms = db_col_i64(stmt, 0), .gate = arena_str_dup(arena, db_col_str(stmt, 1))};
    *ret_count = count;
    if (err)
        return err;
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

SQL(SQL_REVOKED, "SELECT id FROM ticket WHERE event_id = $1 AND id > $2 AND state = 1 "
                 "ORDER BY id LIMIT $3");

enum err ticket_store_revoked(struct db *db, uint64_t event_id, uint64_t after_id, int64_t limit,
                              uint64_t *ret_ids, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REVOKED);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)after_id);
    db_bind_i64(stmt, 3, limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        ret_ids[count++] = (uint64_t)db_col_i64(stmt, 0);
    *ret_count = count;
    return err;
}

SQL(SQL_COUNT_VALID, "SELECT COUNT(*) FROM ticket WHERE event_id = $1 AND state = 0");

enum err ticket_store_count_valid(struct db *db, uint64_t event_id, int64_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_COUNT_VALID);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    return db_get_i64(stmt, ret_count);
}

/* --- The signing key --- */

SQL(SQL_PUBLIC_KEY, "SELECT public_key FROM signing_key WHERE id = $1");

enum err ticket_store_public_key(struct db *db, uint64_t key_id,
                                 uint8_t ret_key[static ED25519_PUBLIC_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUBLIC_KEY);
    db_bind_i64(stmt, 1, (int64_t)key_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    struct str key = db_col_blob(stmt, 0);
    bool is_sound = key.len == ED25519_PUBLIC_SIZE;
    if (is_sound)
        memcpy(ret_key, key.data, key.len);
    db_done(stmt);
    return is_sound ? ERR_OK : ERR_CORRUPT;
}

SQL(SQL_KEY, "SELECT id, public_key, secret_key FROM signing_key ORDER BY id DESC LIMIT 1");
SQL(SQL_KEY_INSERT, "INSERT INTO signing_key (id, public_key, secret_key, created_at) "
                    "VALUES ($1, $2, $3, $4)");

static enum err key_read(struct db *db, struct tickets *tickets)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_KEY);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    struct str public_key = db_col_blob(stmt, 1), secret_key = db_col_blob(stmt, 2);
    bool is_sound = public_key.len == sizeof(tickets->ticket_public_key) &&
                    secret_key.len == sizeof(tickets->ticket_secret_key);
    if (is_sound) {
        tickets->ticket_key_id = (uint64_t)db_col_i64(stmt, 0);
        memcpy(tickets->ticket_public_key, public_key.data, public_key.len);
        memcpy(tickets->ticket_secret_key, secret_key.data, secret_key.len);
    }
    db_done(stmt);
    return is_sound ? ERR_OK : ERR_CORRUPT;
}

static enum err key_make(struct db *db, struct tickets *tickets)
{
    tickets->ticket_key_id = 1;
    crypto_ed25519_keypair(tickets->ticket_public_key, tickets->ticket_secret_key);
    struct db_stmt *stmt = db_stmt(db, &SQL_KEY_INSERT);
    db_bind_i64(stmt, 1, (int64_t)tickets->ticket_key_id);
    db_bind_blob(
        stmt, 2,
        str_from((const char *)tickets->ticket_public_key, sizeof(tickets->ticket_public_key)));
    db_bind_blob(
        stmt, 3,
        str_from((const char *)tickets->ticket_secret_key, sizeof(tickets->ticket_secret_key)));
    db_bind_i64(stmt, 4, clock_now_ms());
    enum err err = db_begin(db);
    if (err)
        return err;
    err = db_exec(stmt);
    if (!err)
        err = db_commit(db);
    if (err)
        db_rollback(db);
    return err;
}

enum err ticket_key_load(struct db *writer_db, struct tickets *tickets)
{
    enum err err = key_read(writer_db, tickets);
    if (err == ERR_NOT_FOUND)
        err = key_make(writer_db, tickets);
    /* Another node was faster: its key is everybody's. */
    return err == ERR_CONFLICT ? key_read(writer_db, tickets) : err;
}
