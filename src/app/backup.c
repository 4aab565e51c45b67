/*
 * Backup and restore of the embedded databases.
 *
 * A backup is a directory: one file a database, and `backup.json`, which names them with their size
 * and SHA-256. The manifest is written last, so a directory without one is not a backup. The order of
 * the copies keeps any of them from knowing more than the one it depends on: first what follows the
 * journal (mail, search, hooks), then tickets and chat, then the accounts.
 *
 * Each copy is made by VACUUM INTO from a snapshot of a connection that only reads; the server's writer
 * goes on. Its write-ahead log cannot start over meanwhile and grows. The copy is checked page by
 * page and synced before the manifest names it.
 *
 * Restoring writes into a directory without databases. DIR/restoring stands there from before the
 * first byte until after the last sync, and no server starts beside it: a restore that was
 * interrupted can only be run again.
 */
#include "app/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/data_dir.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"
#include "store/db.h"

#define ARGUMENTS_MAX      64
#define EPOCH_ZERO_MS      INT64_C(1704067200000) /* 2024-01-01 */
#define EPOCH_STEP_MS      (5 * 60 * 1000)
#define MANIFEST           "backup.json"
#define MANIFEST_BYTES_MAX 65536

/* In the order of copying. */
static const char *const databases[] = {"mail.db",    "search.db", "hooks.db",
                                        "tickets.db", "chat.db",   "platform.db"};
#define DATABASE_COUNT (sizeof(databases) / sizeof(databases[0]))

struct copied {
    const char *name; /* of databases; NULL: not in the backup */
    int64_t bytes;
    char sha256[2 * SHA256_SIZE + 1];
};

/* Says why not; false, so that it can be returned. */
static bool fail(const char *what, const char *why)
{
    fprintf(stderr, "foyer: %s: %s\n", what, why);
    return false;
}

int backup_args_parse(int argc, char *const *argv, const char *flag, struct backup_args *ret_args)
{
    char message[256];
    char *rest[ARGUMENTS_MAX];
    int rest_count = 0;
    *ret_args = (struct backup_args){0};
    for (int i = 0; i < argc && rest_count < ARGUMENTS_MAX; i++) {
        if (!command_take_value(argc, argv, &i, flag, &ret_args->directory))
            rest[rest_count++] = argv[i];
    }
    if (!ret_args->directory) {
        fprintf(stderr, "foyer: %s DIR is missing\n", flag);
        return 2;
    }
    if (config_load(rest_count, rest, &ret_args->config, message) != ERR_OK) {
        fprintf(stderr, "foyer: %s\n", message);
        return 2;
    }
    if (config_is_pgsql(&ret_args->config)) {
        fprintf(stderr,
                "foyer: this copies SQLite files; a PostgreSQL store is copied by pg_dump or a "
                "base backup (docs/operations.md)\n");
        return 2;
    }
    return 0;
}

/* ---- files ---- */

/* The whole file in memory, for reading; unmap with munmap. An empty file cannot be mapped. */
static bool file_map(const char *path, struct str *ret_bytes)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd); /* only read */
    if (bytes == MAP_FAILED)
        return false;
    *ret_bytes = str_from(bytes, (size_t)status.st_size);
    return true;
}

static void hash_text(struct str bytes, char ret_text[static 2 * SHA256_SIZE + 1])
{
    uint8_t hash[SHA256_SIZE];
    crypto_sha256(bytes, hash);
    for (size_t i = 0; i < SHA256_SIZE; i++)
        (void)snprintf(ret_text + 2 * i, 3, "%02x", hash[i]); /* fits */
}

static bool path_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd); /* synced, or failed already */
    return is_synced;
}

static bool file_write(const char *path, struct str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t n = write(fd, bytes.data + done, bytes.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    bool is_written = done == bytes.len && fsync(fd) == 0;
    return close(fd) == 0 && is_written;
}

/* ---- databases ---- */

SQL(SQL_COPY, "VACUUM INTO $1");
SQL(SQL_CHECK, "SELECT integrity_check FROM pragma_integrity_check(1)");

/* Reads every page of the database at path. */
static bool database_check(const char *path)
{
    struct db *db = NULL;
    bool has_row = false;
    enum err err = db_open(path, DB_ADMIN, &db);
    if (err != ERR_OK)
        return fail(path, err_name(err));
    struct db_stmt *stmt = db_stmt(db, &SQL_CHECK);
    err = db_step(stmt, &has_row);
    bool is_whole = err == ERR_OK && has_row && str_eq(db_col_str(stmt, 0), STR("ok"));
    if (err != ERR_OK)
        (void)fail(path, db_message(db));
    else if (!is_whole)
        fprintf(stderr, "foyer: %s: %.*s\n", path, STR_ARG(db_col_str(stmt, 0)));
    db_done(stmt);
    db_close(db);
    return is_whole;
}

static bool database_copy(const char *from, const char *to)
{
    struct db *db = NULL;
    enum err err = db_open(from, DB_ADMIN, &db);
    if (err != ERR_OK)
        return fail(from, err_name(err));
    err = db_script(db, STR("PRAGMA query_only=OFF")); /* what is written is the copy */
    if (err == ERR_OK) {
        struct db_stmt *stmt = db_stmt(db, &SQL_COPY);
        db_bind_str(stmt, 1, str_from_c(to));
        err = db_exec(stmt);
    }
    if (err != ERR_OK)
        (void)fail(from, db_message(db));
    db_close(db);
    return err == ERR_OK && database_check(to) && path_sync(to);
}

/* ---- backup ---- */

static bool copy_one(const struct backup_args *args, const char *name, struct copied *ret_copied)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    struct str bytes;
    if (data_dir_path(args->config.data, name, from, sizeof(from)) != ERR_OK ||
        data_dir_path(args->directory, name, to, sizeof(to)) != ERR_OK)
        return fail(name, "the path is too long");
    if (access(from, F_OK) != 0)
        return true; /* a service that never ran */
    if (!database_copy(from, to))
        return false;
    if (!file_map(to, &bytes))
        return fail(to, strerror(errno));
    ret_copied->name = name;
    ret_copied->bytes = (int64_t)bytes.len;
    hash_text(bytes, ret_copied->sha256);
    (void)munmap((void *)bytes.data, bytes.len); /* cannot fail for what was mapped */
    printf("%s: %lld bytes\n", to, (long long)ret_copied->bytes);
    return true;
}

static bool manifest_write(const char *directory, const struct copied *copied)
{
    char path[PATH_MAX];
    struct buf text;
    struct json_writer writer;
    buf_init(&text, MANIFEST_BYTES_MAX);
    json_begin(&writer, &text);
    json_open_object(&writer);
    json_put_str(&writer, "foyer", str_from_c(FOYER_VERSION));
    json_put_time(&writer, "at", clock_now_ms());
    json_key(&writer, "files");
    json_open_array(&writer);
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        if (!copied[i].name)
            continue;
        json_open_object(&writer);
        json_put_str(&writer, "name", str_from_c(copied[i].name));
        json_put_i64(&writer, "bytes", copied[i].bytes);
        json_put_str(&writer, "sha256", str_from_c(copied[i].sha256));
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    bool is_written = !text.overflow &&
                      data_dir_path(directory, MANIFEST, path, sizeof(path)) == ERR_OK &&
                      file_write(path, buf_str(&text)) && path_sync(directory);
    if (!is_written)
        (void)fail(MANIFEST, strerror(errno));
    buf_release(&text);
    return is_written;
}

int backup_run(const struct backup_args *args)
{
    struct copied copied[DATABASE_COUNT] = {0};
    size_t count = 0;
    if (mkdir(args->directory, 0700) != 0)
        return fail(args->directory, strerror(errno)) ? 0 : 1; /* it must be new */
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        if (!copy_one(args, databases[i], &copied[i]))
            return 1;
        count += copied[i].name != NULL;
    }
    if (count == 0)
        return fail(args->config.data, "there is no database") ? 0 : 1;
    return manifest_write(args->directory, copied) ? 0 : 1;
}

/* ---- restore ---- */

struct file_entry {
    struct str name;
    int64_t bytes;
    struct str sha256;
};

static const struct json_field file_fields[] = {
    {"name", JSON_STR, offsetof(struct file_entry, name), .is_required = true, .max = 32},
    {"bytes", JSON_I64, offsetof(struct file_entry, bytes), .is_required = true, .min = 1,
     .max = INT64_MAX},
    {"sha256", JSON_STR, offsetof(struct file_entry, sha256), .is_required = true, .min = 64,
     .max = 64},
    {.name = NULL},
};

static bool entry_take(const struct file_entry *entry, struct copied *copied)
{
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        if (!str_eq(entry->name, str_from_c(databases[i])) || copied[i].name)
            continue;
        copied[i].name = databases[i];
        copied[i].bytes = entry->bytes;
        return str_to_c(entry->sha256, copied[i].sha256, sizeof(copied[i].sha256)) == ERR_OK;
    }
    return false;
}

static bool manifest_parse(struct arena *arena, struct str text, struct copied *copied)
{
    struct json_node *root = NULL;
    struct str message;
    if (json_parse(arena, text, &root, &message) != ERR_OK)
        return false;
    struct json_node *files = json_get(root, "files");
    size_t count = json_count(files);
    for (size_t i = 0; i < count; i++) {
        struct field_errors errors;
        struct file_entry entry = {0};
        struct json_node *node = json_at(files, i);
        field_errors_init(&errors, arena);
        if (!json_is_object(node) ||
            json_decode_node(arena, node, "", file_fields, &entry, &errors) != ERR_OK ||
            !entry_take(&entry, copied))
            return false;
    }
    return count > 0;
}

static bool manifest_read(const char *directory, struct copied *copied)
{
    char path[PATH_MAX];
    struct str bytes;
    struct arena arena;
    if (data_dir_path(directory, MANIFEST, path, sizeof(path)) != ERR_OK || !file_map(path, &bytes))
        return fail(directory, "there is no whole backup: " MANIFEST " is missing");
    arena_init(&arena, 4 * MANIFEST_BYTES_MAX);
    bool is_read = bytes.len <= MANIFEST_BYTES_MAX && manifest_parse(&arena, bytes, copied);
    if (!is_read)
        (void)fail(path, "not a manifest that this program can read");
    arena_release(&arena);
    (void)munmap((void *)bytes.data, bytes.len); /* cannot fail for what was mapped */
    return is_read;
}

/* The bytes of the backup, if they are what the manifest says. */
static bool restore_bytes(const struct copied *copied, const char *from, const char *to)
{
    char sha256[2 * SHA256_SIZE + 1];
    struct str bytes;
    if (!file_map(from, &bytes))
        return fail(from, strerror(errno));
    hash_text(bytes, sha256);
    bool is_same = (int64_t)bytes.len == copied->bytes && strcmp(sha256, copied->sha256) == 0;
    bool is_written = is_same && file_write(to, bytes);
    if (!is_same)
        (void)fail(from, "these are not the bytes that were backed up");
    else if (!is_written)
        (void)fail(to, strerror(errno));
    (void)munmap((void *)bytes.data, bytes.len); /* cannot fail for what was mapped */
    return is_written;
}

/* Of a restore that was interrupted, maybe of another backup with other databases. */
static bool clear_unfinished(const char *data)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[PATH_MAX];
    char file[PATH_MAX + 4];
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        if (data_dir_path(data, databases[i], path, sizeof(path)) != ERR_OK)
            return fail(data, "the path is too long");
        for (size_t j = 0; j < sizeof(suffixes) / sizeof(suffixes[0]); j++) {
            (void)snprintf(file, sizeof(file), "%s%s", path, suffixes[j]); /* fits */
            if (unlink(file) != 0 && errno != ENOENT)
                return fail(file, strerror(errno));
        }
    }
    return true;
}

/* What chats have written since the backup is gone, and its seqs are given again: devices tell the two
 * apart by the epoch. It grows with time, too, so that the same backup put back twice has two. */
SQL(SQL_NEXT_EPOCH, "UPDATE log_epoch SET epoch = CASE WHEN epoch < $1 THEN $1 ELSE epoch + 1 END");

static bool begin_epoch(const char *path)
{
    struct db *db = NULL;
    enum err err = db_open(path, DB_WRITER, &db);
    if (err == ERR_OK) {
        struct db_stmt *stmt = db_stmt(db, &SQL_NEXT_EPOCH);
        db_bind_i64(stmt, 1, (clock_now_ms() - EPOCH_ZERO_MS) / EPOCH_STEP_MS);
        err = db_exec(stmt);
        db_checkpoint(db);
    }
    db_close(db);
    return err == ERR_OK || fail(path, err_name(err));
}

static bool restore_one(const struct backup_args *args, const struct copied *copied)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    if (data_dir_path(args->directory, copied->name, from, sizeof(from)) != ERR_OK ||
        data_dir_path(args->config.data, copied->name, to, sizeof(to)) != ERR_OK)
        return fail(copied->name, "the path is too long");
    if (!restore_bytes(copied, from, to) || !database_check(to))
        return false;
    if (strcmp(copied->name, "chat.db") == 0 && !begin_epoch(to))
        return false;
    printf("%s: %lld bytes\n", to, (long long)copied->bytes);
    return true;
}

/* Is there a database that this would overwrite? */
static bool has_database(const char *data)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < DATABASE_COUNT; i++) {
        if (data_dir_path(data, databases[i], path, sizeof(path)) == ERR_OK &&
            access(path, F_OK) == 0)
            return true;
    }
    return false;
}

int restore_run(const struct backup_args *args)
{
    char message[DATA_DIR_MESSAGE_SIZE];
    struct copied copied[DATABASE_COUNT] = {0};
    int lock_fd;
    bool is_again = false;
    if (!manifest_read(args->directory, copied))
        return 1;
    if (data_dir_lock_restoring(args->config.data, &lock_fd, &is_again, message) != ERR_OK)
        return fail("cannot restore", message) ? 0 : 1;
    bool is_done = is_again || !has_database(args->config.data);
    if (!is_done)
        (void)fail(args->config.data,
                   "there are databases already; restore into an empty directory");
    is_done = is_done && data_dir_restore_begin(args->config.data) == ERR_OK &&
              clear_unfinished(args->config.data);
    for (size_t i = 0; is_done && i < DATABASE_COUNT; i++)
        is_done = !copied[i].name || restore_one(args, &copied[i]);
    is_done = is_done && data_dir_restore_end(args->config.data) == ERR_OK;
    (void)close(lock_fd); /* the process ends anyway */
    return is_done ? 0 : 1;
}
