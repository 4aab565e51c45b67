/* See lease_internal.h. */
#include "store/lease_internal.h"

#include <stdatomic.h>

SQL(SQL_LEASE_GET, "SELECT until_id FROM id_lease WHERE node = $1");
SQL(SQL_LEASE_PUT, "INSERT INTO id_lease(node, until_id) VALUES($1, $2)"
                   " ON CONFLICT(node) DO UPDATE SET until_id = excluded.until_id");

enum err lease_init(struct lease *lease, struct db *db, struct id_gen *ids, uint32_t node)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LEASE_GET);
    db_bind_i64(stmt, 1, node);
    int64_t until_id = 0;
    enum err err = db_get_i64(stmt, &until_id);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        return err;
    }
    if (until_id < 0) {
        return ERR_CORRUPT;
    }
    id_gen_init(ids, node, (uint64_t)until_id);
    *lease = (struct lease){.ids = ids, .until_id = (uint64_t)until_id};
    return ERR_OK;
}

static enum err lease_put(struct lease *lease, struct db *db, uint64_t until_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LEASE_PUT);
    db_bind_i64(stmt, 1, lease->ids->node);
    db_bind_i64(stmt, 2, (int64_t)until_id);
    return db_exec(stmt);
}

enum err lease_reserve(struct lease *lease, struct db *db)
{
    uint64_t last = atomic_load_explicit(&lease->ids->last, memory_order_relaxed);
    if (last == 0 || id_at_ms(id_time_ms(last) + LEASE_RENEW_MS) <= lease->until_id) {
        return ERR_OK;
    }
    uint64_t until_id = id_at_ms(id_time_ms(last) + LEASE_MS);
    enum err err = lease_put(lease, db, until_id);
    if (err == ERR_OK) {
        lease->pending_id = until_id;
    }
    return err;
}

void lease_end(struct lease *lease, bool is_committed)
{
    if (is_committed && lease->pending_id != 0) {
        lease->until_id = lease->pending_id;
    }
    lease->pending_id = 0;
}

enum err lease_settle(struct lease *lease, struct db *db)
{
    uint64_t last = atomic_load_explicit(&lease->ids->last, memory_order_relaxed);
    if (last >= lease->until_id) { /* none made, so none to remember */
        return ERR_OK;
    }
    enum err err = lease_put(lease, db, last);
    if (err == ERR_OK) {
        lease->until_id = last;
    }
    return err;
}
