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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
