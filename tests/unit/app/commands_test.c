/* The data directory's lock, and the subcommands that respect it. */
#include "app/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/data_dir.h"
#include "app/identity_import.h"
#include "app/identity_list.h"
#include "app/identity_state.h"

static char dir[64];
static char data[96];
static char message[DATA_DIR_MESSAGE_SIZE];
static char output[4096];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/foyer-commands-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(data, sizeof(data), "%s/a/b", dir);
    return crypto_init() == ERR_OK ? 0 : -1;
}

static int on_entry(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(dir, on_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Runs a command with its standard output in `output` and its complaints out of the way. */
static int run(int (*command)(int, char *const *), const char *const *args)
{
    int count = 0;
    while (args[count])
        count++;
    FILE *out = tmpfile();
    FILE *complaints = tmpfile();
    assert_non_null(out);
    assert_non_null(complaints);
    (void)fflush(stdout);
    int saved_out = dup(STDOUT_FILENO);
    int saved_err = dup(STDERR_FILENO);
    assert_true(dup2(fileno(out), STDOUT_FILENO) >= 0);
    assert_true(dup2(fileno(complaints), STDERR_FILENO) >= 0);
    int status = command(count, (char *const *)(uintptr_t)args);
    (void)fflush(stdout);
    assert_true(dup2(saved_out, STDOUT_FILENO) >= 0);
    assert_true(dup2(saved_err, STDERR_FILENO) >= 0);
    (void)close(saved_out);
    (void)close(saved_err);
    FILE *shown = status == 0 ? out : complaints;
    rewind(shown);
    output[fread(output, 1, sizeof(output) - 1, shown)] = '\0';
    (void)fclose(out);
    (void)fclose(complaints);
    return status;
}

#define RUN(command, ...) run(command, (const char *const[]){__VA_ARGS__, NULL})

static void lock_has_one_holder(void **state)
{
    int first, second;
    (void)state;
    assert_int_equal(data_dir_lock(data, &first, message), ERR_OK);
    assert_int_equal(data_dir_lock(data, &second, message), ERR_CONFLICT);
    char own[32];
    (void)snprintf(own, sizeof(own), "process %ld", (long)getpid());
    assert_non_null(strstr(message, own));
    assert_non_null(strstr(message, data));
    (void)close(first);
    assert_int_equal(data_dir_lock(data, &second, message), ERR_OK);
    (void)close(second);
}

static void directory_is_private(void **state)
{
    int fd;
    struct stat info;
    (void)state;
    assert_int_equal(data_dir_lock(data, &fd, message), ERR_OK);
    (void)close(fd);
    assert_int_equal(stat(data, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
}

static void impossible_directory_is_named(void **state)
{
    char path[128];
    int fd;
    (void)state;
    (void)snprintf(path, sizeof(path), "%s/file", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(path, sizeof(path), "%s/file/data", dir);
    assert_int_equal(data_dir_lock(path, &fd, message), ERR_IO);
    assert_non_null(strstr(message, path));
}

static enum err find_key(const char *key, struct arena *arena, struct credential_row *ret_row)
{
    char path[128];
    uint8_t hash[SHA256_SIZE];
    struct db *db = NULL;
    assert_int_equal(data_dir_path(data, "platform.db", path, sizeof(path)), ERR_OK);
    assert_int_equal(db_open(path, DB_READER, &db), ERR_OK);
    secret_hash(str_from_c(key), hash);
    enum err err = api_key_find(db, arena, hash, ret_row);
    db_close(db);
    return err;
}

static void key_is_made_offline(void **state)
{
    struct arena arena;
    struct credential_row row;
    (void)state;
    arena_init(&arena, 1u << 16);
    assert_int_equal(RUN(command_admin, "create-key", "--data", data, "--name", "box office",
                         "--scopes=organizer,check-in"),
                     0);
    output[strcspn(output, "\n")] = '\0';
    assert_true(config_is_api_key(str_from_c(output)));
    assert_int_equal(find_key(output, &arena, &row), ERR_OK);
    assert_int_equal(row.scopes, SCOPE_ORGANIZER | SCOPE_CHECK_IN);
    assert_int_equal(row.account_id, row.id);
    assert_false(row.has_account);
    assert_true(str_eq(row.name, STR("box office")));
    assert_int_equal(find_key("sk_another_key_of_this_length", &arena, &row), ERR_NOT_FOUND);
    arena_release(&arena);
}

static void running_server_keeps_commands_out(void **state)
{
    int fd;
    (void)state;
    assert_int_equal(data_dir_lock(data, &fd, message), ERR_OK);
    assert_int_equal(RUN(command_admin, "create-key", "--data", data, "--name", "x"), 1);
    assert_non_null(strstr(output, "in use by another foyer"));
    assert_int_equal(RUN(command_migrate, "--data", data), 1);
    assert_non_null(strstr(output, "in use by another foyer"));
    (void)close(fd);
}

static void wrong_arguments_are_explained(void **state)
{
    (void)state;
    assert_int_equal(RUN(command_admin, "create-key", "--data", data), 2);
    assert_non_null(strstr(output, "usage"));
    assert_int_equal(RUN(command_admin, "destroy"), 2);
    assert_int_equal(
        RUN(command_admin, "create-key", "--data", data, "--name", "x", "--scopes", "king"), 2);
    assert_non_null(strstr(output, "--scopes"));
    assert_int_equal(RUN(command_admin, "create-key", "--name", "x", "--bogus"), 2);
    assert_non_null(strstr(output, "--bogus"));
    assert_int_equal(RUN(command_config, "--bogus"), 2);
    assert_int_equal(access(data, F_OK), -1); /* nothing was made */
}

static void migrating_twice_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(RUN(command_migrate, "--data", data), 0);
    assert_non_null(strstr(output, "platform.db: "));
    assert_null(strstr(output, " 0 applied"));
    assert_int_equal(RUN(command_migrate, "--data", data), 0);
    assert_non_null(strstr(output, "platform.db: 0 applied"));
    assert_non_null(strstr(output, "tickets.db: 0 applied"));
}

/* ---- admin import-users ---- */

static char list_path[128], tokens_path[128];

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static size_t read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    assert_int_equal(fclose(file), 0);
    return len;
}

static int import_setup(void **state)
{
    if (setup(state) != 0)
        return -1;
    (void)snprintf(list_path, sizeof(list_path), "%s/list.csv", dir);
    (void)snprintf(tokens_path, sizeof(tokens_path), "%s/tokens", dir);
    return 0;
}

/* The number that the accounts' database answers. */
static int64_t ask(struct sql *sql)
{
    char path[160];
    struct db *db = NULL;
    int64_t value = -1;
    (void)snprintf(path, sizeof(path), "%s/platform.db", data);
    assert_int_equal(db_open(path, DB_READER, &db), ERR_OK);
    assert_int_equal(db_get_i64(db_stmt(db, sql), &value), ERR_OK);
    db_close(db);
    return value;
}

SQL(SQL_ACCOUNTS, "SELECT count(*) FROM account");
SQL(SQL_SESSIONS, "SELECT count(*) FROM session");
SQL(SQL_CREATED, "SELECT count(*) FROM journal WHERE type = 'user.created'");
SQL(SQL_PASSWORDS, "SELECT count(*) FROM account WHERE password_hash <> '' OR roles <> 0");

/* More than one transaction's worth, and then again: nothing new, and the very same tokens. */
static void users_are_imported_once(void **state)
{
    static char first[1u << 17], again[1u << 17];
    struct stat info;
    (void)state;
    const char *count = "1203";
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", count,
                         "--sessions", tokens_path),
                     0);
    assert_non_null(strstr(output, "1203 accounts made, 0 kept as they were; 1203 sessions"));
    assert_int_equal(stat(tokens_path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    size_t len = read_file(tokens_path, first, sizeof(first));
    assert_non_null(strstr(first, "guest000001@example.invalid,ses_"));
    assert_non_null(strstr(first, "guest001203@example.invalid,ses_"));
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", count,
                         "--sessions", tokens_path),
                     0);
    assert_non_null(strstr(output, "0 accounts made, 1203 kept as they were; 1203 sessions"));
    assert_int_equal(read_file(tokens_path, again, sizeof(again)), len);
    assert_memory_equal(first, again, len);
    assert_int_equal(ask(&SQL_ACCOUNTS), 1203);
    assert_int_equal(ask(&SQL_SESSIONS), 1203);
    assert_int_equal(ask(&SQL_CREATED), 1203);
    assert_int_equal(ask(&SQL_PASSWORDS), 0);
}

/* A run that was killed after its tokens and some of its transactions: what the next one does. */
static void import_that_was_cut_off_goes_on(void **state)
{
    (void)state;
    assert_int_equal(
        RUN(command_admin, "import-users", "--data", data, "--count", "600", "--prefix", "p"), 0);
    assert_int_equal(ask(&SQL_SESSIONS), 0);
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "700",
                         "--prefix", "p", "--sessions", tokens_path),
                     0);
    assert_non_null(strstr(output, "100 accounts made, 600 kept as they were; 700 sessions"));
}

/* The first wrong line is named, and nothing at all is imported. */
static void wrong_list_is_named_and_imports_nothing(void **state)
{
    static const struct {
        const char *text;
        const char *complaint;
    } lists[] = {
        {"a@example.com,Ada\nb@example.com\n", "list.csv: line 2: must be email,name"},
        {"email,name\n", "line 1: does not begin with an email address"},
        {"a@example.com,Ada\n\n", "line 2: must be email,name"},
        {"a@example.com,\n", "line 1: the name must be printable"},
        {"a@example.com,A\tda\n", "line 1: the name must be printable"},
        {"a@example.com,Ada, Bee\n", "line 1: a name with a comma"},
        {"a@example.com,\"Ada\n", "line 1: the name's quotes do not match"},
        {"a@example.com,\"A\"da\"\n", "line 1: the name's quotes do not match"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        write_file(list_path, lists[i].text);
        assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--csv", list_path,
                             "--sessions", tokens_path),
                         1);
        assert_non_null(strstr(output, lists[i].complaint));
        assert_int_equal(access(tokens_path, F_OK), -1);
    }
    char path[160];
    (void)snprintf(path, sizeof(path), "%s/platform.db", data);
    assert_int_equal(access(path, F_OK), -1);
}

static void overlong_line_is_refused(void **state)
{
    static char text[LIST_LINE_MAX + 64];
    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "a@example.com,Ada\n", 18);
    write_file(list_path, text);
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--csv", list_path), 1);
    assert_non_null(strstr(output, "line 2: is longer than 1,024 bytes"));
}

static void tokens_of_another_list_are_refused(void **state)
{
    (void)state;
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "3",
                         "--sessions", tokens_path),
                     0);
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "2",
                         "--sessions", tokens_path),
                     1);
    assert_non_null(strstr(output, "tokens: line 3: is one too many"));
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "4",
                         "--sessions", tokens_path),
                     1);
    assert_non_null(strstr(output, "tokens: line 4: is missing"));
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "3", "--prefix",
                         "other", "--sessions", tokens_path),
                     1);
    assert_non_null(strstr(output, "tokens: line 1: is of somebody else"));
    write_file(tokens_path, "guest000001@example.invalid,ses_short\n");
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "1",
                         "--sessions", tokens_path),
                     1);
    assert_non_null(strstr(output, "tokens: line 1: has no session's token"));
    assert_int_equal(ask(&SQL_ACCOUNTS), 3);
    assert_int_equal(ask(&SQL_SESSIONS), 3);
}

static void person_lines_are_read(void **state)
{
    struct person_line line;
    (void)state;
    assert_null(person_line_parse(STR("Ada@Example.com,Ada Lovelace"), &line));
    assert_string_equal(line.email, "ada@example.com");
    assert_string_equal(line.name, "Ada Lovelace");
    assert_null(person_line_parse(STR("a@example.com,\"King, \"\"Ada\"\"\""), &line));
    assert_string_equal(line.name, "King, \"Ada\"");
    assert_non_null(person_line_parse(STR("a@example.com,\""), &line));
    assert_non_null(person_line_parse(STR("a@example.com,\"\"\""), &line));
    assert_non_null(person_line_parse(STR("a@example.com,\"\""), &line));
    assert_non_null(person_line_parse(STR_NONE, &line));
}

static void import_arguments_are_explained(void **state)
{
    (void)state;
    assert_int_equal(RUN(command_admin, "import-users", "--data", data), 2);
    assert_non_null(strstr(output, "give either --count or --csv"));
    assert_int_equal(
        RUN(command_admin, "import-users", "--data", data, "--count", "1", "--csv", list_path), 2);
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "0"), 2);
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--count", "10000001"), 2);
    assert_non_null(strstr(output, "at most 10,000,000"));
    assert_int_equal(
        RUN(command_admin, "import-users", "--data", data, "--count", "1", "--prefix", "a@b"), 2);
    assert_non_null(strstr(output, "--prefix"));
    assert_int_equal(RUN(command_admin, "import-users", "--data", data, "--csv", "/nowhere"), 1);
    assert_non_null(strstr(output, "/nowhere: No such file"));
}

#define import_test(function)   cmocka_unit_test_setup_teardown(function, import_setup, teardown)
#define commands_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        commands_test(lock_has_one_holder),
        commands_test(directory_is_private),
        commands_test(impossible_directory_is_named),
        commands_test(key_is_made_offline),
        commands_test(running_server_keeps_commands_out),
        commands_test(wrong_arguments_are_explained),
        commands_test(migrating_twice_changes_nothing),
        import_test(users_are_imported_once),
        import_test(import_that_was_cut_off_goes_on),
        import_test(wrong_list_is_named_and_imports_nothing),
        import_test(overlong_line_is_refused),
        import_test(tokens_of_another_list_are_refused),
        import_test(person_lines_are_read),
        import_test(import_arguments_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
