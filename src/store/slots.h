/*
 * A ring of slots: sets of tables that are used in turn, each by one holder (a day, a span of days), so
 * that what is old goes by emptying whole tables, never row by row. A table of slots says who holds each.
 *
 * Invariants
 *  1. A slot only moves forward: from a holder to a later one.
 *  2. A slot is emptied in the transaction that gives it to its next holder.
 *  3. What memory knows of a slot's holder was committed, or is older.
 *
 * On PostgreSQL several nodes may open a slot at once, each under its own locks. The update of the slot's row
 * judges: whoever comes second waits for the first's commit, then changes no row.
 */
#ifndef STORE_SLOTS_H
#define STORE_SLOTS_H

#include "store/writer.h"

#define SLOTS_MAX        33 /* of a ring */
#define SLOT_EMPTIES_MAX 4  /* statements that empty one */

/* A ring: static, of one database. */
struct slots {
    size_t count;
    struct sql *get;    /* $1 slot: its holder */
    struct sql *put;    /* $1 slot, $2 holder: no change if the holder there is as late */
    struct sql *old;    /* $1 holder: slots of earlier ones */
    struct sql *forget; /* $1 slot, $2 holder: unless it is held by this one or a later */
    struct sql *
        empties[SLOT_EMPTIES_MAX]; /* each an array, one a slot, run in this order; NULL: no more */
};

/* The first four statements, as NAME_GET and so on, for the table TABLE(slot, HOLDER); both are strings. */
#define SLOTS_TABLE(NAME, TABLE, HOLDER)                                                           \
    SQL(NAME##_GET, "SELECT " HOLDER " FROM " TABLE " WHERE slot = $1");                           \
    SQL(NAME##_PUT, "INSERT INTO " TABLE "(slot, " HOLDER ") VALUES($1, $2)"                       \
                    " ON CONFLICT(slot) DO UPDATE SET " HOLDER " = excluded." HOLDER               \
                    " WHERE " TABLE "." HOLDER " < excluded." HOLDER);                             \
    SQL(NAME##_OLD,                                                                                \
        "SELECT slot FROM " TABLE " WHERE " HOLDER " < $1 ORDER BY " HOLDER " LIMIT 33");          \
    SQL(NAME##_FORGET, "DELETE FROM " TABLE " WHERE slot = $1 AND " HOLDER " < $2")
#define SLOTS_STATEMENTS(NAME)                                                                     \
    .get = &NAME##_GET, .put = &NAME##_PUT, .old = &NAME##_OLD, .forget = &NAME##_FORGET

/*
 * A statement over a ring of 33 slots: an array of struct sql, made from a macro that takes the slot's number
 * as text:
 *
 *     #define GET(NN) "SELECT body FROM message_" NN " WHERE id = $1"
 *     SLOTS_SQL(SQL_GET, GET);
 *     ... db_stmt(db, &SQL_GET[slot]) ...
 */
#define SLOTS_SQL(name, TEXT) SLOTS_ARRAY(name, SLOTS_ONE, TEXT, TEXT)
/* Where the dialects differ. */
#define SLOTS_SQL_PAIR(name, SQLITE_TEXT, PGSQL_TEXT)                                              \
    SLOTS_ARRAY(name, SLOTS_TWO, SQLITE_TEXT, PGSQL_TEXT)

#define SLOTS_ONE(NN, A, B)                                                                        \
    {                                                                                              \
        .text = A(NN)                                                                              \
    }
#define SLOTS_TWO(NN, A, B)                                                                        \
    {                                                                                              \
        .text = A(NN), .pgsql = B(NN)                                                              \
    }
#define SLOTS_ARRAY(name, ONE, A, B)                                                               \
    static struct sql name[SLOTS_MAX] = {                                                          \
        ONE("00", A, B), ONE("01", A, B), ONE("02", A, B), ONE("03", A, B), ONE("04", A, B),       \
        ONE("05", A, B), ONE("06", A, B), ONE("07", A, B), ONE("08", A, B), ONE("09", A, B),       \
        ONE("10", A, B), ONE("11", A, B), ONE("12", A, B), ONE("13", A, B), ONE("14", A, B),       \
        ONE("15", A, B), ONE("16", A, B), ONE("17", A, B), ONE("18", A, B), ONE("19", A, B),       \
        ONE("20", A, B), ONE("21", A, B), ONE("22", A, B), ONE("23", A, B), ONE("24", A, B),       \
        ONE("25", A, B), ONE("26", A, B), ONE("27", A, B), ONE("28", A, B), ONE("29", A, B),       \
        ONE("30", A, B), ONE("31", A, B), ONE("32", A, B)}

/* In apply, before rows of this holder (> 0) are written: slot holder % count is the holder's from here on,
 * emptied of an earlier one, if need be. known: what memory knows of each slot's holder, 0: nothing; set after
 * the commit. ERR_NOT_FOUND: a later one holds it. */
ERR_MUST_USE enum err slots_open(const struct slots *slots, _Atomic int64_t *known,
                                 struct writer_tx *tx, int64_t holder);
/* In apply: empties the slots whose holder is before this one. */
ERR_MUST_USE enum err slots_sweep(const struct slots *slots, struct db *db, int64_t oldest);

#endif
