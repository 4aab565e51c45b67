/* SQL of bookings and claims; the tables and their reasons stand in sql/tickets/001_initial.sql. */
#include "tickets/booking_store.h"

#include <stdio.h>

SQL(SQL_SALE, "SELECT status, onsale_at, starts_at, updated_at FROM event WHERE id = $1");

static struct db_stmt *sale_stmt(struct db *db, uint64_t event_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SALE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    return stmt;
}

static enum err sale_read(struct db_stmt *stmt, struct event_sale *ret_sale)
{
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    ret_sale->status = (enum event_status)db_col_i64(stmt, 0);
    ret_sale->onsale_at = db_col_i64(stmt, 1);
    ret_sale->starts_at = db_col_i64(stmt, 2);
    ret_sale->updated_at = db_col_i64(stmt, 3);
    db_done(stmt);
    return ERR_OK;
}

/* INDEXED BY, here and wherever rows of a booking are looked for: without statistics SQLite takes the
 * primary key, whose first column it shares, and reads all rows of the event. PostgreSQL has no such
 * words and needs none. The plus keeps both planners off the primary key: an account has few
 * bookings, an event many. */
SQL(SQL_PLACES, "SELECT CAST(COALESCE(SUM(places - given_back), 0) AS BIGINT) FROM booking "
                "WHERE account_id = $1 AND +event_id = $2 AND +state BETWEEN 1 AND 3");

static struct db_stmt *places_stmt(struct db *db, uint64_t account_id, uint64_t event_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PLACES);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)event_id);
    return stmt;
}

enum err booking_store_sale(struct db *db, uint64_t event_id, struct event_sale *ret_sale)
{
    return sale_read(sale_stmt(db, event_id), ret_sale);
}

enum err booking_store_places(struct db *db, uint64_t account_id, uint64_t event_id,
                              int64_t *ret_places)
{
    return db_get_i64(places_stmt(db, account_id, event_id), ret_places);
}

enum err booking_store_sale_send(struct db *db, uint64_t event_id, struct db_stmt **ret_stmt)
{
    *ret_stmt = sale_stmt(db, event_id);
    return db_send(*ret_stmt);
}

enum err booking_store_sale_read(struct db_stmt *stmt, struct event_sale *ret_sale)
{
    return sale_read(stmt, ret_sale);
}

SQL(SQL_BY_KEY, "SELECT id FROM booking WHERE account_id = $1 AND id >= $2 AND +event_id = $3 AND "
                "key_hash = $4 LIMIT 1");

enum err booking_store_by_key(struct db *db, uint64_t account_id, uint64_t event_id,
                              uint64_t since_id, const uint8_t key_hash[static 16],
                              uint64_t *ret_booking_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_BY_KEY);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)since_id);
    db_bind_i64(stmt, 3, (int64_t)event_id);
    db_bind_blob(stmt, 4, str_from((const char *)key_hash, 16));
    int64_t id;
    enum err err = db_get_i64(stmt, &id);
    if (!err)
        *ret_booking_id = (uint64_t)id;
    return err;
}

SQL(SQL_CLAIM,
    "INSERT INTO seat_claim (event_id, seat_no, booking_id, state) VALUES ($1, $2, $3, 1) "
    "ON CONFLICT (event_id, seat_no) DO NOTHING");

enum err booking_store_claim(struct db *db, const struct booking *booking,
                             int64_t ret_claimed[static BOOKING_PLACES_MAX])
{
    for (size_t i = 0; i < booking->seat_count; i++) {
        struct db_stmt *stmt = db_stmt(db, &SQL_CLAIM);
        db_bind_i64(stmt, 1, (int64_t)booking->event_id);
        db_bind_i64(stmt, 2, booking->seats[i].seat_no);
        db_bind_i64(stmt, 3, (int64_t)booking->id);
        enum err err = db_exec_counted(stmt, &ret_claimed[i]);
        if (err)
            return err;
    }
    return db_flush(db);
}

SQL(SQL_IS_CLAIMED, "SELECT COUNT(*) FROM seat_claim WHERE event_id = $1 AND seat_no = $2");

enum err booking_store_is_claimed(struct db *db, uint64_t event_id, uint32_t seat_no,
                                  bool *ret_is_claimed)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_IS_CLAIMED);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, seat_no);
    int64_t count = 0;
    enum err err = db_get_i64(stmt, &count);
    *ret_is_claimed = count != 0;
    return err;
}

/* Runs a change of one claim that must hit its row. */
static enum err claim_change(struct db *db, struct sql *sql, uint64_t event_id, uint32_t seat_no,
                             uint64_t booking_id)
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, seat_no);
    db_bind_i64(stmt, 3, (int64_t)booking_id);
    return db_exec_one(stmt);
}

SQL(SQL_CLAIM_BOOK, "UPDATE seat_claim SET state = 2 "
                    "WHERE event_id = $1 AND seat_no = $2 AND booking_id = $3 AND state = 1");

enum err booking_store_claim_book(struct db *db, uint64_t event_id, uint32_t seat_no,
                                  uint64_t booking_id)
{
    return claim_change(db, &SQL_CLAIM_BOOK, event_id, seat_no, booking_id);
}

SQL(SQL_CLAIM_FREE, "DELETE FROM seat_claim WHERE event_id = $1 AND seat_no = $2 AND booking_id = "
                    "$3 AND state = 1");

enum err booking_store_claim_free(struct db *db, uint64_t event_id, uint32_t seat_no,
                                  uint64_t booking_id)
{
    return claim_change(db, &SQL_CLAIM_FREE, event_id, seat_no, booking_id);
}

SQL(SQL_AREA_TAKE, "UPDATE event_area SET available = available - $3 "
                   "WHERE event_id = $1 AND area_no = $2 AND available >= $3 RETURNING available");

enum err booking_store_area_take(struct db *db, uint64_t event_id, uint32_t area_no,
                                 int64_t quantity, int64_t *ret_free)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_AREA_TAKE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, area_no);
    db_bind_i64(stmt, 3, quantity);
    enum err err = db_get_i64(stmt, ret_free);
    if (err != ERR_NOT_FOUND)
        return err;
    *ret_free = AREA_NOT_TAKEN;
    return ERR_OK;
}

SQL(SQL_AREA_AVAILABLE, "SELECT available FROM event_area WHERE event_id = $1 AND area_no = $2");

enum err booking_store_area_available(struct db *db, uint64_t event_id, uint32_t area_no,
                                      int64_t *ret_available)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_AREA_AVAILABLE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, area_no);
    return db_get_i64(stmt, ret_available);
}

/* --- Bookings --- */

void booking_write_seats(struct json_writer *writer, const struct booking *booking)
{
    json_open_array(writer);
    for (size_t i = 0; i < booking->seat_count; i++) {
        json_open_array(writer);
        json_i64(writer, booking->seats[i].seat_no);
        json_i64(writer, booking->seats[i].price);
        json_close_array(writer);
    }
    json_close_array(writer);
}

void booking_write_areas(struct json_writer *writer, const struct booking *booking)
{
    json_open_array(writer);
    for (size_t i = 0; i < booking->area_count; i++) {
        json_open_array(writer);
        json_i64(writer, booking->areas[i].area_no);
        json_i64(writer, booking->areas[i].quantity);
        json_i64(writer, booking->areas[i].price);
        json_close_array(writer);
    }
    json_close_array(writer);
}

/* Reads the numbers of "[[1,2],[3,4]]": what booking_write_seats and booking_write_areas made. */
static enum err places_parse(struct str text, int64_t *ret_numbers, size_t max, size_t *ret_count)
{
    size_t count = 0;
    bool in_number = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c >= '0' && c <= '9') {
            if (!in_number) {
                if (count == max)
                    return ERR_CORRUPT;
                ret_numbers[count++] = 0;
            }
            in_number = true;
            ret_numbers[count - 1] = ret_numbers[count - 1] * 10 + (c - '0');
        } else if (c == '[' || c == ']' || c == ',') {
            in_number = false;
        } else {
            return ERR_CORRUPT;
        }
    }
    *ret_count = count;
    return ERR_OK;
}

static enum err booking_parse_places(struct booking *booking, struct str seats, struct str areas)
{
    int64_t numbers[BOOKING_PLACES_MAX * 3];
    size_t count;
    enum err err = places_parse(seats, numbers, BOOKING_PLACES_MAX * 2, &count);
    if (err || count % 2)
        return ERR_CORRUPT;
    booking->seat_count = count / 2;
    for (size_t i = 0; i < booking->seat_count; i++)
        booking->seats[i] = (struct booking_seat){(uint32_t)numbers[i * 2], numbers[i * 2 + 1]};
    err = places_parse(areas, numbers, BOOKING_PLACES_MAX * 3, &count);
    if (err || count % 3)
        return ERR_CORRUPT;
    booking->area_count = count / 3;
    for (size_t i = 0; i < booking->area_count; i++)
        booking->areas[i] = (struct booking_area){(uint32_t)numbers[i * 3],
                                                  (uint32_t)numbers[i * 3 + 1], numbers[i * 3 + 2]};
    return ERR_OK;
}

SQL(SQL_INSERT,
    "INSERT INTO booking (event_id, id, account_id, state, created_at, expires_at, amount, "
    "currency, seats, areas, "
    "places, key_hash, body_hash, device, network, solution, admission_id) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)");

static void bind_number(struct db_stmt *stmt, int index, uint64_t number)
{
    if (number)
        db_bind_i64(stmt, index, (int64_t)number);
    else
        db_bind_null(stmt, index);
}

/* A buffer over memory on the stack: at its maximum from the start, so it never grows. */
static struct buf stack_buf(char *text, size_t size)
{
    return (struct buf){.data = text, .cap = size - 1, .max = size - 1};
}

enum err booking_store_insert(struct db *db, const struct booking *booking)
{
    char seats_text[BOOKING_PLACES_MAX * 48], areas_text[BOOKING_PLACES_MAX * 72];
    struct buf seats = stack_buf(seats_text, sizeof(seats_text));
    struct buf areas = stack_buf(areas_text, sizeof(areas_text));
    struct json_writer writer;
    json_begin(&writer, &seats);
    booking_write_seats(&writer, booking);
    json_begin(&writer, &areas);
    booking_write_areas(&writer, booking);
    struct db_stmt *stmt = db_stmt(db, &SQL_INSERT);
    db_bind_i64(stmt, 1, (int64_t)booking->event_id);
    db_bind_i64(stmt, 2, (int64_t)booking->id);
    db_bind_i64(stmt, 3, (int64_t)booking->account_id);
    db_bind_i64(stmt, 4, booking->state);
    db_bind_i64(stmt, 5, booking->created_at);
    db_bind_i64(stmt, 6, booking->expires_at);
    db_bind_i64(stmt, 7, booking->amount);
    db_bind_str(stmt, 8, str_from_c(booking->currency));
    db_bind_str(stmt, 9, buf_str(&seats));
    db_bind_str(stmt, 10, buf_str(&areas));
    db_bind_i64(stmt, 11, booking->places);
    db_bind_blob(stmt, 12, str_from((const char *)booking->key_hash, 16));
    db_bind_blob(stmt, 13, str_from((const char *)booking->body_hash, 16));
    bind_number(stmt, 14, booking->origin.device);
    bind_number(stmt, 15, booking->origin.network);
    bind_number(stmt, 16, booking->origin.solution);
    bind_number(stmt, 17, booking->admission_id);
    return db_exec_later(stmt);
}

#define BOOKING_COLUMNS                                                                            \
    "event_id, id, account_id, state, created_at, expires_at, ended_at, amount, currency, seats, " \
    "areas, places, "                                                                              \
    "key_hash, body_hash, extended_ms, device, network, solution, pay_device, pay_network, card, " \
    "given_back, admission_id"

static struct booking_origin origin_read(struct db_stmt *stmt)
{
    return (struct booking_origin){
        .device = (uint64_t)db_col_i64(stmt, 15),
        .network = (uint64_t)db_col_i64(stmt, 16),
        .solution = (uint64_t)db_col_i64(stmt, 17),
        .pay_device = (uint64_t)db_col_i64(stmt, 18),
        .pay_network = (uint64_t)db_col_i64(stmt, 19),
        .card = (uint64_t)db_col_i64(stmt, 20),
    };
}

static enum err booking_read(struct db_stmt *stmt, struct booking *ret_booking)
{
    struct booking booking = {
        .event_id = (uint64_t)db_col_i64(stmt, 0),
        .id = (uint64_t)db_col_i64(stmt, 1),
        .account_id = (uint64_t)db_col_i64(stmt, 2),
        .state = (enum booking_state)db_col_i64(stmt, 3),
        .created_at = db_col_i64(stmt, 4),
        .expires_at = db_col_i64(stmt, 5),
        .ended_at = db_col_i64(stmt, 6),
        .amount = db_col_i64(stmt, 7),
        .places = (uint32_t)db_col_i64(stmt, 11),
        .extended_ms = db_col_i64(stmt, 14),
        .origin = origin_read(stmt),
        .given_back = (uint32_t)db_col_i64(stmt, 21),
        .admission_id = (uint64_t)db_col_i64(stmt, 22),
    };
    enum err err = str_to_c(db_col_str(stmt, 8), booking.currency, sizeof(booking.currency));
    if (!err)
        err = booking_parse_places(&booking, db_col_str(stmt, 9), db_col_str(stmt, 10));
    struct str key_hash = db_col_blob(stmt, 12), body_hash = db_col_blob(stmt, 13);
    if (err || key_hash.len != 16 || body_hash.len != 16)
        return ERR_CORRUPT;
    memcpy(booking.key_hash, key_hash.data, 16);
    memcpy(booking.body_hash, body_hash.data, 16);
    *ret_booking = booking;
    return ERR_OK;
}

SQL(SQL_LOAD, "SELECT " BOOKING_COLUMNS " FROM booking WHERE event_id = $1 AND id = $2");

enum err booking_load(struct db *db, uint64_t event_id, uint64_t booking_id,
                      struct booking *ret_booking)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LOAD);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)booking_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row)
        return ERR_NOT_FOUND;
    err = booking_read(stmt, ret_booking);
    db_done(stmt);
    return err;
}

SQL(SQL_SET_STATE,
    "UPDATE booking SET state = $4, ended_at = $5 WHERE event_id = $1 AND id = $2 AND state = $3");

enum err booking_store_set_state(struct db *db, const struct booking *booking,
                                 enum booking_state from, enum booking_state to, int64_t ended_at)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_SET_STATE);
    db_bind_i64(stmt, 1, (int64_t)booking->event_id);
    db_bind_i64(stmt, 2, (int64_t)booking->id);
    db_bind_i64(stmt, 3, from);
    db_bind_i64(stmt, 4, to);
    if (ended_at)
        db_bind_i64(stmt, 5, ended_at);
    else
        db_bind_null(stmt, 5);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_GIVE_BACK,
    "UPDATE booking SET given_back = given_back + $3 WHERE event_id = $1 AND id = $2 "
    "AND given_back + $3 <= places");

enum err booking_store_give_back(struct db *db, const struct booking *booking, int64_t places)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GIVE_BACK);
    db_bind_i64(stmt, 1, (int64_t)booking->event_id);
    db_bind_i64(stmt, 2, (int64_t)booking->id);
    db_bind_i64(stmt, 3, places);
    return db_exec_one(stmt);
}

SQL(SQL_EXTEND, "UPDATE booking SET expires_at = expires_at + $3, extended_ms = extended_ms + $3 "
                "WHERE event_id = $1 AND id = $2 AND state IN (1, 2)");

enum err booking_store_extend(struct db *db, const struct booking *booking, int64_t by_ms)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_EXTEND);
    db_bind_i64(stmt, 1, (int64_t)booking->event_id);
    db_bind_i64(stmt, 2, (int64_t)booking->id);
    db_bind_i64(stmt, 3, by_ms);
    enum err err = db_exec(stmt);
    if (err)
        return err;
    return db_changes(db) == 1 ? ERR_OK : ERR_CONFLICT;
}

SQL(SQL_OPEN,
    "SELECT event_id, id, expires_at, state FROM booking "
    "WHERE state IN (1, 2) AND expires_at >= $1 AND expires_at < $2 ORDER BY expires_at LIMIT $3");

enum err booking_store_open(struct db *db, int64_t from_ms, int64_t until_ms, int64_t limit,
                            enum err (*on_row)(const struct open_booking *row, void *ctx),
                            void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_OPEN);
    db_bind_i64(stmt, 1, from_ms);
    db_bind_i64(stmt, 2, until_ms);
    db_bind_i64(stmt, 3, limit);
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        struct open_booking row = {
            .event_id = (uint64_t)db_col_i64(stmt, 0),
            .id = (uint64_t)db_col_i64(stmt, 1),
            .expires_at = db_col_i64(stmt, 2),
            .state = (enum booking_state)db_col_i64(stmt, 3),
        };
        err = on_row(&row, ctx);
        if (err) {
            db_done(stmt);
            return err;
        }
    }
    return err;
}

SQL(SQL_LIST, "SELECT " BOOKING_COLUMNS
              " FROM booking WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");

enum err booking_store_list(struct db *db, uint64_t account_id, uint64_t before_id, int64_t limit,
                            struct booking *ret_bookings, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST);
    db_bind_i64(stmt, 1, (int64_t)account_id);
    db_bind_i64(stmt, 2, (int64_t)before_id);
    db_bind_i64(stmt, 3, limit);
    size_t count = 0;
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        err = booking_read(stmt, &ret_bookings[count]);
        if (err) {
            db_done(stmt);
            return err;
        }
        count++;
    }
    *ret_count = count;
    return err;
}

#define REFUNDS(by_booking)                                                                        \
    "SELECT state, CASE WHEN reason IN ('requested', 'event_cancelled') THEN 1 ELSE 0 END, "       \
    "CAST(SUM(amount) AS BIGINT) FROM refund " by_booking                                          \
    " WHERE event_id = $1 AND booking_id = $2 GROUP BY 1, 2"
SQL_PAIR(SQL_REFUNDS, REFUNDS("INDEXED BY refund_by_booking"), REFUNDS(""));

enum err booking_store_refunds(struct db *db, uint64_t event_id, uint64_t booking_id,
                               struct booking_refunds *ret_refunds)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_REFUNDS);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, (int64_t)booking_id);
    struct booking_refunds refunds = {0};
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row) {
        bool is_done = db_col_i64(stmt, 0) == 1;
        int64_t amount = db_col_i64(stmt, 2);
        *(is_done ? &refunds.succeeded : &refunds.pending) += amount;
        if (db_col_i64(stmt, 1))
            *(is_done ? &refunds.requested_succeeded : &refunds.requested_pending) += amount;
    }
    *ret_refunds = refunds;
    return err;
}
