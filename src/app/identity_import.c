/*
 * Accounts and sessions in bulk.
 *
 *   list (a file, or counted) ──▶ checked whole ──▶ tokens to FILE, synced ──▶ transactions of 500
 *
 * A wrong line is found before anything is written. The tokens are in their file before the first
 * transaction, and a file that is there is read, not made anew: a run that was cut off is finished by
 * running it again, and one that was not changes nothing.
 *
 * Imported accounts have no password (the empty hash, which no password matches): their people log in
 * once somebody has set one. Sessions are made for such accounts without a role only; nobody gets into
 * an account that a person has opened, or into an organizer's, by way of a list.
 */
#include "app/identity_import.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/identity_list.h"
#include "app/identity_totp.h"

#define PARTIAL_SUFFIX ".partial"
#define ROW_BYTES_MAX  16384

struct import_row {
    struct person_line person;
    uint8_t token_hash[SHA256_SIZE];
};

struct import {
    const struct import_options *options;
    FILE *csv;      /* NULL: counted */
    FILE *sessions; /* NULL: none */
    int64_t next;   /* number of the next account, or line, from 1 */
    char *message;
    size_t count;
    struct import_row rows[IMPORT_ROWS_MAX];
    struct import_totals batch; /* of the running transaction */
    struct writer_job job;
    enum err outcome;
};

static enum err fail(const struct import *import, enum err err, const char *file, int64_t line,
                     const char *what)
{
    if (line > 0)
        (void)snprintf(import->message, IMPORT_MESSAGE_MAX, "%.480s: line %lld: %s", file,
                       (long long)line, what);
    else
        (void)snprintf(import->message, IMPORT_MESSAGE_MAX, "%.480s: %s", file, what);
    return err;
}

/* ---- the list ---- */

const char *import_options_problem(const struct import_options *options)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    size_t len = strlen(options->prefix);
    if ((options->csv != NULL) == (options->count > 0))
        return "give either --count or --csv";
    if (options->count > IMPORT_COUNT_MAX)
        return "--count: at most 10,000,000";
    if (len == 0 || len > IMPORT_PREFIX_MAX || strspn(options->prefix, allowed) != len ||
        options->prefix[0] == '.' || strstr(options->prefix, "..") != NULL)
        return "--prefix: must be 1 to 48 of letters, digits, '_', '-' and single '.'";
    return NULL;
}

static const char *line_problem(enum err err)
{
    return err == ERR_LIMIT ? "is longer than 1,024 bytes" : strerror(errno);
}

static enum err read_person(struct import *import, struct person_line *ret_person)
{
    char buffer[LIST_LINE_MAX + 2];
    struct str line = STR_NONE;
    const char *file = import->options->csv;
    enum err err = list_read_line(import->csv, buffer, &line);
    if (err == ERR_NOT_FOUND)
        return err;
    if (err != ERR_OK)
        return fail(import, ERR_INVALID, file, import->next, line_problem(err));
    if (import->next == 1 && str_starts_with(line, STR("\xEF\xBB\xBF")))
        line = str_sub(line, 3, line.len);
    const char *problem = person_line_parse(line, ret_person);
    return problem ? fail(import, ERR_INVALID, file, import->next, problem) : ERR_OK;
}

static enum err count_person(struct import *import, struct person_line *ret_person)
{
    char sent[EMAIL_SIZE];
    if (import->next > import->options->count)
        return ERR_NOT_FOUND;
    (void)snprintf(sent, sizeof(sent), "%s%06lld@example.invalid", import->options->prefix,
                   (long long)import->next);
    (void)snprintf(ret_person->name, sizeof(ret_person->name), "Guest %lld",
                   (long long)import->next);
    return email_normalize(str_from_c(sent), ret_person->email);
}

/* ERR_NOT_FOUND: that was the last one. */
static enum err next_person(struct import *import, struct person_line *ret_person)
{
    enum err err = import->csv ? read_person(import, ret_person) : count_person(import, ret_person);
    if (err == ERR_OK)
        import->next++;
    return err;
}

static void rewind_list(struct import *import)
{
    import->next = 1;
    if (import->csv)
        rewind(import->csv);
}

static enum err check_list(struct import *import)
{
    struct person_line person;
    enum err err;
    do
        err = next_person(import, &person);
    while (err == ERR_OK);
    rewind_list(import);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* ---- the tokens' file ---- */

static enum err write_tokens(struct import *import, FILE *file)
{
    struct person_line person;
    char token[SECRET_SIZE];
    enum err err = ERR_OK;
    while ((err = next_person(import, &person)) == ERR_OK) {
        secret_make("ses_", token);
        if (!token[0])
            return ERR_NOMEM;
        if (fprintf(file, "%s,%s\n", person.email, token) < 0)
            return ERR_IO;
    }
    crypto_wipe(token, sizeof(token));
    rewind_list(import);
    if (err != ERR_NOT_FOUND)
        return err;
    return fflush(file) == 0 && fsync(fileno(file)) == 0 ? ERR_OK : ERR_IO;
}

static enum err make_tokens(struct import *import, const char *path)
{
    char partial[PATH_MAX];
    int len = snprintf(partial, sizeof(partial), "%s" PARTIAL_SUFFIX, path);
    if (len < 0 || (size_t)len >= sizeof(partial))
        return fail(import, ERR_INVALID, path, 0, "the name is too long");
    (void)unlink(partial); /* of a run that was cut off; or there is none */
    int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!file) {
        enum err err = fail(import, ERR_IO, path, 0, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    enum err err = write_tokens(import, file);
    if (fclose(file) != 0 && err == ERR_OK)
        err = ERR_IO;
    if (err == ERR_OK && rename(partial, path) != 0)
        err = ERR_IO;
    if (err == ERR_OK)
        return ERR_OK;
    if (err == ERR_IO)
        err = fail(import, err, path, 0, strerror(errno));
    (void)unlink(partial);
    return err;
}

/* There afterwards, whole, nobody else's to read, and open. */
static enum err open_tokens(struct import *import)
{
    struct stat info;
    const char *path = import->options->sessions;
    if (access(path, F_OK) != 0) {
        enum err err = make_tokens(import, path);
        if (err != ERR_OK)
            return err;
    }
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return fail(import, ERR_IO, path, 0, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || fchmod(fd, 0600) != 0) {
        (void)close(fd);
        return fail(import, ERR_IO, path, 0, "must be a file of your own");
    }
    import->sessions = fdopen(fd, "r");
    if (!import->sessions) {
        (void)close(fd);
        return fail(import, ERR_NOMEM, path, 0, strerror(errno));
    }
    return ERR_OK;
}

/* The line of this person, who is the last one that next_person gave. */
static enum err next_token(struct import *import, struct import_row *row)
{
    char buffer[LIST_LINE_MAX + 2];
    struct session_line session;
    struct str line = STR_NONE;
    const char *file = import->options->sessions;
    int64_t number = import->next - 1;
    enum err err = list_read_line(import->sessions, buffer, &line);
    if (err == ERR_NOT_FOUND)
        return fail(import, ERR_INVALID, file, number, "is missing: the file is of another list");
    if (err != ERR_OK)
        return fail(import, ERR_INVALID, file, number, line_problem(err));
    const char *problem = session_line_parse(line, &session);
    if (!problem && strcmp(session.email, row->person.email) != 0)
        problem = "is of somebody else: the file is of another list";
    if (problem)
        return fail(import, ERR_INVALID, file, number, problem);
    secret_hash(str_from_c(session.token), row->token_hash);
    return ERR_OK;
}

/* Before anything is imported: the file's lines are this list's, one each. */
static enum err check_tokens(struct import *import)
{
    struct import_row *row = &import->rows[0];
    enum err err = ERR_OK;
    while ((err = next_person(import, &row->person)) == ERR_OK) {
        err = next_token(import, row);
        if (err != ERR_OK)
            return err;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    if (getc(import->sessions) != EOF)
        return fail(import, ERR_INVALID, import->options->sessions, import->next,
                    "is one too many: the file is of another list");
    rewind_list(import);
    rewind(import->sessions);
    return ERR_OK;
}

/* ---- transactions ---- */

static enum err insert_account(struct import *import, struct writer_tx *tx,
                               const struct person_line *person, uint64_t *ret_id)
{
    bool is_new = false;
    struct account account = {
        .id = id_next(tx->ids),
        .email = str_from_c(person->email),
        .name = str_from_c(person->name),
        .password_hash = STR_NONE,
        .created_at = tx->now_ms,
    };
    enum err err = account_insert_new(tx->db, &account, &is_new);
    if (err != ERR_OK)
        return err;
    *ret_id = is_new ? account.id : 0;
    if (!is_new) {
        import->batch.kept++;
        return ERR_OK;
    }
    import->batch.made++;
    return identity_journal(tx, account.id, "user.created", "roles", STR("[\"fan\"]"));
}

/* account_id 0: it was there before. */
static enum err insert_session(struct import *import, struct writer_tx *tx,
                               const struct import_row *row, uint64_t account_id)
{
    struct credential_row session = {.account_id = account_id,
                                     .id = id_next(tx->ids),
                                     .expires_at = tx->now_ms + SESSION_LIFETIME_MS};
    if (account_id == 0) {
        struct account account = {0};
        struct totp_row factor = {0};
        struct arena arena;
        arena_init(&arena, ROW_BYTES_MAX);
        enum err err = account_by_email(tx->db, &arena, str_from_c(row->person.email), &account);
        bool is_open = err == ERR_OK && account.password_hash.len == 0 && account.roles == 0;
        session.account_id = account.id;
        arena_release(&arena);
        if (err == ERR_OK && is_open)
            err = totp_get(tx->db, account.id, &factor); /* its sessions have proven it */
        crypto_wipe(factor.secret, sizeof(factor.secret));
        if (err != ERR_OK && err != ERR_NOT_FOUND)
            return err;
        if (!is_open || factor.is_confirmed) {
            import->batch.without_session++;
            return ERR_OK;
        }
    }
    import->batch.sessions++;
    return session_insert_again(tx->db, row->token_hash, &session, tx->now_ms);
}

static enum err on_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct import *import = container_of(job, struct import, job);
    enum err err = ERR_OK;
    import->batch = (struct import_totals){0};
    for (size_t i = 0; i < import->count && err == ERR_OK; i++) {
        const struct import_row *row = &import->rows[i];
        uint64_t id = 0;
        err = insert_account(import, tx, &row->person, &id);
        if (err == ERR_OK && import->sessions)
            err = insert_session(import, tx, row, id);
    }
    return err;
}

static void on_done(struct writer_job *job, enum err outcome)
{
    struct import *import = container_of(job, struct import, job);
    import->outcome = outcome;
}

static enum err fill_batch(struct import *import)
{
    enum err err = ERR_OK;
    import->count = 0;
    while (import->count < IMPORT_ROWS_MAX) {
        struct import_row *row = &import->rows[import->count];
        err = next_person(import, &row->person);
        if (err == ERR_OK && import->sessions)
            err = next_token(import, row);
        if (err != ERR_OK)
            return err == ERR_NOT_FOUND ? ERR_OK : err;
        import->count++;
    }
    return ERR_OK;
}

static enum err run_batches(struct import *import, struct writer *writer,
                            struct import_totals *totals)
{
    for (;;) {
        enum err err = fill_batch(import);
        if (err != ERR_OK || import->count == 0)
            return err;
        import->job = (struct writer_job){.apply = on_apply, .done = on_done};
        err = writer_run(writer, &import->job);
        if (err == ERR_OK)
            err = import->outcome;
        if (err != ERR_OK)
            return fail(import, err, "database", 0, err_name(err));
        totals->made += import->batch.made;
        totals->kept += import->batch.kept;
        totals->sessions += import->batch.sessions;
        totals->without_session += import->batch.without_session;
    }
}

static enum err with_writer(struct import *import, const struct config *config,
                            struct import_totals *totals)
{
    char path[CONFIG_LOCATION_MAX];
    struct writer *writer = NULL;
    enum err err = config_database(config, "platform", path);
    if (err == ERR_OK)
        err = writer_new(path, "platform", &writer);
    if (err == ERR_OK)
        err = writer_start(writer);
    if (err != ERR_OK)
        err = fail(import, err, "database", 0,
                   writer_failure()[0] ? writer_failure() : err_name(err));
    else
        err = run_batches(import, writer, totals);
    if (writer)
        writer_stop(writer);
    writer_free(writer);
    return err;
}

enum err import_run(const struct config *config, const struct import_options *options,
                    struct import_totals *ret_totals, char ret_message[static IMPORT_MESSAGE_MAX])
{
    struct import *import = calloc(1, sizeof(*import));
    *ret_totals = (struct import_totals){0};
    ret_message[0] = '\0';
    if (!import)
        return ERR_NOMEM;
    *import = (struct import){.options = options, .next = 1, .message = ret_message};
    enum err err = ERR_OK;
    if (options->csv && !(import->csv = fopen(options->csv, "re")))
        err = fail(import, ERR_IO, options->csv, 0, strerror(errno));
    if (err == ERR_OK)
        err = check_list(import);
    if (err == ERR_OK && options->sessions)
        err = open_tokens(import);
    if (err == ERR_OK && import->sessions)
        err = check_tokens(import);
    if (err == ERR_OK)
        err = with_writer(import, config, ret_totals);
    if (import->csv)
        (void)fclose(import->csv); /* only read */
    if (import->sessions)
        (void)fclose(import->sessions); /* only read */
    free(import);
    return err;
}
