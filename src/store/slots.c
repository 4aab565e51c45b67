/* See slots.h. What memory knows spares the hot path a look into the table of slots. */
#include "store/slots.h"

#include <stdatomic.h>

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

static enum err slot_empty(struct db *db, const struct slots *slots, size_t slot)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < SLOT_EMPTIES_MAX && slots->empties[i]; i++)
        err = db_exec(db_stmt(db, &slots->empties[i][slot]));
    return err;
}

/* Gives the slot to holder, if it is free or an earlier one's. It is emptied either way: something that came
 * late may have left a row after a sweep. */
static enum err slot_take(struct db *db, const struct slots *slots, size_t slot, int64_t holder)
{
    int64_t before = 0;
    enum err err = holder_get(db, slots, slot, &before);
    if (err || before >= holder)
        return err ? err : before == holder ? ERR_OK : ERR_NOT_FOUND;
    struct db_stmt *stmt = db_stmt(db, slots->put);
    db_bind_i64(stmt, 1, (int64_t)slot);
    db_bind_i64(stmt, 2, holder);
    err = db_exec(stmt);
    if (!err && db_changes(db) == 1)
        return slot_empty(db, slots, slot);
    if (!err) /* another node was first */
        err = holder_get(db, slots, slot, &before);
    return err ? err : before == holder ? ERR_OK : ERR_NOT_FOUND;
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

enum err slots_open(const struct slots *slots, _Atomic int64_t *known, struct writer_tx *tx,
                    int64_t holder)
{
    size_t slot = (size_t)holder % slots->count;
    int64_t known_holder = atomic_load_explicit(&known[slot], memory_order_relaxed);
    if (known_holder >= holder)
        return known_holder == holder ? ERR_OK : ERR_NOT_FOUND;
    enum err err = slot_take(tx->db, slots, slot, holder);
    if (err)
        return err;
    struct remember *remember = writer_effect(tx, remember_run, sizeof(*remember));
    if (!remember)
        return ERR_NOMEM;
    *remember = (struct remember){&known[slot], holder};
    return ERR_OK;
}

/* What is old is listed first, and emptied then: one statement at a time reads a table. */
enum err slots_sweep(const struct slots *slots, struct db *db, int64_t oldest)
{
    size_t old[SLOTS_MAX];
    size_t count = 0;
    struct db_stmt *stmt = db_stmt(db, slots->old);
    db_bind_i64(stmt, 1, oldest);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    for (; !err && has_row && count < SLOTS_MAX; err = db_step(stmt, &has_row))
        old[count++] = (size_t)db_col_i64(stmt, 0);
    db_done(stmt);
    for (size_t i = 0; !err && i < count; i++) {
        if (old[i] >= slots->count)
            return ERR_CORRUPT;
        stmt = db_stmt(db, slots->forget);
        db_bind_i64(stmt, 1, (int64_t)old[i]);
        db_bind_i64(stmt, 2, oldest);
        err = db_exec(stmt);
        if (!err && db_changes(db) == 1)
            err = slot_empty(db, slots, old[i]);
    }
    return err;
}
