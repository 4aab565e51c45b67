/*
 * Migrations: see migrate.h. Beside schema_migration it makes the one other table that every
 * database has, id_lease (see lease.c), and on PostgreSQL journal_base (see journal.c).
 *
 * Numbers count from 001 without gaps, so a database is described by how many it has. Each file
 * runs in one transaction with its row in schema_migration: a crash leaves it applied whole or not
 * at all. Nodes that start at once take turns, because each transaction has the database for itself.
 */
#include "store/migrate.h"
#include "store/migrate_internal.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "store/db_internal.h"

SQL(SQL_FIND, "SELECT sha256 FROM schema_migration WHERE number = $1");
SQL(SQL_COUNT, "SELECT count(*) FROM schema_migration");
SQL(SQL_RECORD, "INSERT INTO schema_migration(number, name, sha256, at_ms) VALUES($1, $2, $3, $4)");

struct migration {
    int64_t number;
    struct str name; /* "initial" */
    struct str text;
};

/* False when the path is not of this service. */
static bool is_of_service(struct str path, struct str service, struct str *ret_file)
{
    struct str directory = STR("sql/");
    if (!str_starts_with(path, directory)) {
        return false;
    }
    struct str rest = str_sub(path, directory.len, path.len);
    if (!str_eq(str_split(&rest, '/'), service)) {
        return false;
    }
    *ret_file = rest;
    return true;
}

/* "001_initial.sql" */
static enum err parse_file(struct str file, struct migration *ret_migration)
{
    struct str suffix = STR(".sql");
    struct str rest = file;
    struct str number = str_split(&rest, '_');
    if (number.len != 3 || !str_ends_with(rest, suffix) || rest.len == suffix.len) {
        return ERR_INVALID;
    }
    ret_migration->name = str_sub(rest, 0, rest.len - suffix.len);
    return str_to_i64(number, &ret_migration->number);
}

/* ERR_NOT_FOUND: not applied yet; ERR_CORRUPT: applied with another text. */
static enum err check_applied(struct db *db, const struct migration *migration,
                              const uint8_t hash[static SHA256_SIZE])
{
    struct db_stmt *stmt = db_stmt(db, &SQL_FIND);
    db_bind_i64(stmt, 1, migration->number);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err != ERR_OK) {
        return err;
    }
    if (!has_row) {
        return ERR_NOT_FOUND;
    }
    bool is_same = str_eq(db_col_blob(stmt, 0), str_from((const char *)hash, SHA256_SIZE));
    db_done(stmt);
    if (!is_same) {
        db_set_message(db, "migration %03d %.*s was changed after it had been applied",
                       (int)migration->number, STR_ARG(migration->name));
        return ERR_CORRUPT;
    }
    return ERR_OK;
}

static enum err run_and_record(struct db *db, const struct migration *migration,
                               const uint8_t hash[static SHA256_SIZE])
{
    enum err err = db_script(db, migration->text);
    if (err != ERR_OK) {
        return err;
    }
    if (!db_in_transaction(db)) {
        db_set_message(db, "migration %03d %.*s ends its own transaction", (int)migration->number,
                       STR_ARG(migration->name));
        return ERR_INVALID;
    }
    struct db_stmt *stmt = db_stmt(db, &SQL_RECORD);
    db_bind_i64(stmt, 1, migration->number);
    db_bind_str(stmt, 2, migration->name);
    db_bind_blob(stmt, 3, str_from((const char *)hash, SHA256_SIZE));
    db_bind_i64(stmt, 4, clock_now_ms());
    return db_exec(stmt);
}

static enum err apply(struct db *db, const struct migration *migration, size_t *applied)
{
    uint8_t hash[SHA256_SIZE];
    crypto_sha256(migration->text, hash);
    enum err err = check_applied(db, migration, hash);
    if (err != ERR_NOT_FOUND) {
        return err;
    }
    err = db_begin(db);
    if (err != ERR_OK) {
        return err;
    }
    err = check_applied(db, migration, hash); /* another node may have been first */
    bool is_new = err == ERR_NOT_FOUND;
    if (is_new) {
        err = run_and_record(db, migration, hash);
    }
    if (err != ERR_OK || !is_new) {
        db_rollback(db);
        return err;
    }
    err = db_commit(db);
    if (err == ERR_OK) {
        (*applied)++;
    }
    return err;
}

/* PostgreSQL's functions, which belong to every schema; see sql/pgsql. */
static enum err make_functions(struct db *db)
{
    for (const struct embed_file *file = embed_files; file->path; file++) {
        if (strcmp(file->path, "sql/pgsql/functions.sql") == 0) {
            return db_script(db, str_from(file->begin, (size_t)(file->end - file->begin)));
        }
    }
    db_set_message(db, "the program lacks its functions for PostgreSQL");
    return ERR_INVALID;
}

/* In a transaction. */
static enum err make_own(struct db *db)
{
    enum err err = db_script(db, STR("CREATE TABLE IF NOT EXISTS schema_migration("
                                     " number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                                     " sha256 BLOB NOT NULL, at_ms INTEGER NOT NULL);"
                                     "CREATE TABLE IF NOT EXISTS id_lease("
                                     " node INTEGER PRIMARY KEY, until_id INTEGER NOT NULL);"));
    if (err == ERR_OK && db_is_pgsql(db)) {
        err = db_script(db, STR("CREATE TABLE IF NOT EXISTS journal_base("
                                " id INTEGER PRIMARY KEY, seq INTEGER NOT NULL);"));
    }
    if (err == ERR_OK && db_is_pgsql(db)) {
        err = make_functions(db);
    }
    return err;
}

static enum err make_own_tables(struct db *db)
{
    enum err err = db_begin(db);
    if (err != ERR_OK) {
        return err;
    }
    err = make_own(db);
    if (err != ERR_OK) {
        db_rollback(db);
        return err;
    }
    return db_commit(db);
}

enum err migrate_run_files(struct db *db, const char *service, const struct embed_file *files,
                           size_t *ret_applied)
{
    enum err err = make_own_tables(db);
    size_t applied = 0;
    int64_t known = 0;
    for (const struct embed_file *file = files; err == ERR_OK && file->path; file++) {
        struct str name;
        if (!is_of_service(str_from_c(file->path), str_from_c(service), &name)) {
            continue;
        }
        struct migration migration = {.text =
                                          str_from(file->begin, (size_t)(file->end - file->begin))};
        err = parse_file(name, &migration);
        if (err != ERR_OK || migration.number != known + 1) {
            db_set_message(db, "%s is not migration number %03d", file->path, (int)known + 1);
            return ERR_INVALID;
        }
        known++;
        err = apply(db, &migration, &applied);
    }
    int64_t count = 0;
    if (err == ERR_OK) {
        err = db_get_i64(db_stmt(db, &SQL_COUNT), &count);
    }
    if (err == ERR_OK && count > known) {
        db_set_message(db, "the database has %d migrations, this program knows %d: it is older",
                       (int)count, (int)known);
        return ERR_DENIED;
    }
    if (err == ERR_OK && ret_applied) {
        *ret_applied = applied;
    }
    return err;
}

enum err migrate_run(struct db *db, const char *service, size_t *ret_applied)
{
    return migrate_run_files(db, service, embed_files, ret_applied);
}

enum err migrate_model(struct db *db, const char *service)
{
    enum err err = make_own(db);
    for (const struct embed_file *file = embed_files; err == ERR_OK && file->path; file++) {
        struct str name;
        if (is_of_service(str_from_c(file->path), str_from_c(service), &name)) {
            err = db_script(db, str_from(file->begin, (size_t)(file->end - file->begin)));
        }
    }
    return err;
}
