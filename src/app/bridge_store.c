/* The cursor of a bridge, in the sink's database: see bridge.h. */
#include "app/bridge.h"

SQL(SQL_CURSOR, "SELECT seq FROM bridge_cursor WHERE name = $1");
SQL(SQL_ADVANCE, "INSERT INTO bridge_cursor(name, seq) VALUES($1, $2) ON CONFLICT(name) DO UPDATE"
                 " SET seq = excluded.seq WHERE bridge_cursor.seq < excluded.seq");

enum err bridge_store_cursor(struct db *db, struct str name, int64_t *ret_seq)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CURSOR);
    db_bind_str(stmt, 1, name);
    return db_get_i64(stmt, ret_seq);
}

enum err bridge_store_advance(struct db *db, struct str name, int64_t seq)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_ADVANCE);
    db_bind_str(stmt, 1, name);
    db_bind_i64(stmt, 2, seq);
    return db_exec(stmt);
}
