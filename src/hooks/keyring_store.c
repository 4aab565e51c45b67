/* The known text of a database: see keyring.h. */
#include "base/log.h"
#include "hooks/keyring.h"

#define KNOWN_TEXT "foyer hooks"

SQL(SQL_GET, "SELECT sealed FROM seal WHERE id = 1");
SQL(SQL_PUT, "INSERT INTO seal(id, sealed) VALUES(1, $1) ON CONFLICT DO NOTHING");

static enum err known_get(struct db *db, struct arena *arena, struct str *ret_sealed)
{
    bool has_row;
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    enum err err = db_step(stmt, &has_row);
    if (err || !has_row)
        return err ? err : ERR_NOT_FOUND;
    *ret_sealed = arena_str_dup(arena, db_col_blob(stmt, 0));
    db_done(stmt);
    return ret_sealed->data ? ERR_OK : ERR_NOMEM;
}

enum err keyring_is_in_use(struct db *db, bool *ret_is_in_use)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_GET);
    enum err err = db_step(stmt, ret_is_in_use);
    db_done(stmt);
    return err;
}

/* Of two nodes that begin at once the first one's text stays. */
static enum err known_put(struct db *db, const struct keyring *keyring, struct arena *arena)
{
    struct str sealed = keyring_seal(keyring, arena, STR(KNOWN_TEXT));
    if (!sealed.data)
        return ERR_NOMEM;
    enum err err = db_begin(db);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT);
    db_bind_blob(stmt, 1, sealed);
    err = db_exec(stmt);
    if (!err)
        err = db_commit(db);
    if (err)
        db_rollback(db);
    return err;
}

static enum err check(const struct keyring *keyring, struct db *db, struct arena *arena)
{
    struct str sealed, plain;
    enum err err = known_get(db, arena, &sealed);
    if (err == ERR_NOT_FOUND)
        err = known_put(db, keyring, arena);
    if (!err)
        err = known_get(db, arena, &sealed);
    if (!err)
        err = keyring_open(keyring, arena, sealed, &plain);
    if (!err && !str_eq(plain, STR(KNOWN_TEXT)))
        err = ERR_CORRUPT;
    return err;
}

enum err keyring_check(const struct keyring *keyring, struct db *writer_db)
{
    struct arena arena;
    arena_init(&arena, 4096);
    enum err err = check(keyring, writer_db, &arena);
    arena_release(&arena);
    if (err == ERR_CORRUPT)
        log_error("hooks_key", "hint=\"the database is sealed with another key: give it as "
                               "hooks-key, or put its hooks.key into the data directory\"");
    return err;
}
