#include "store/fixture.h"

#include "store/migrate_internal.h"

#define FILES_MAX 8

/* A table of embedded files as a test wants it. */
struct table {
    struct embed_file files[FILES_MAX + 1];
    size_t count;
};

static void add_file(struct table *table, const char *path, const char *text)
{
    assert_true(table->count < FILES_MAX);
    table->files[table->count++] = (struct embed_file){path, text, text + strlen(text)};
}

#define FIRST  "CREATE TABLE a(x INTEGER); CREATE TABLE b(x INTEGER);\n"
#define SECOND "INSERT INTO a(x) VALUES(2); -- no newline at the end"

static struct table two_files(void)
{
    struct table table = {0};
    add_file(&table, "sql/shop/001_initial.sql", FIRST);
    add_file(&table, "sql/shop/002_more.sql", SECOND);
    return table;
}

static enum err run(struct db *db, const struct table *table, size_t *ret_applied)
{
    return migrate_run_files(db, "shop", table->files, ret_applied);
}

static void test_each_file_is_applied_once(void **state)
{
    struct db *db = open_writer(*state);
    struct table table = two_files();
    size_t applied = 99;
    assert_ok(run(db, &table, &applied));
    assert_int_equal(applied, 2);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM a"), 1);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM schema_migration"
                                   " WHERE at_ms > 1600000000000 AND length(sha256) = 32"),
                     2);
    assert_int_equal(query_i64(db, "SELECT number FROM schema_migration WHERE name = 'more'"), 2);
    assert_ok(run(db, &table, &applied));
    assert_int_equal(applied, 0);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM a"), 1);
    add_file(&table, "sql/shop/003_later.sql", "INSERT INTO a(x) VALUES(3)");
    assert_ok(run(db, &table, &applied));
    assert_int_equal(applied, 1);
    assert_ok(run(db, &table, NULL));
    assert_int_equal(query_i64(db, "SELECT sum(x) FROM a"), 5);
    db_close(db);
}

static void test_a_service_without_migrations_has_the_common_tables(void **state)
{
    struct db *db = open_writer(*state);
    struct table table = {0};
    size_t applied = 99;
    assert_ok(run(db, &table, &applied));
    assert_int_equal(applied, 0);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM id_lease"), 0);
    assert_ok(migrate_run(db, "no-such-service", &applied));
    assert_int_equal(applied, 0);
    db_close(db);
}

static void test_files_of_others_are_left_alone(void **state)
{
    struct db *db = open_writer(*state);
    struct table table = {0};
    add_file(&table, "docs/api/shop.json", "{}");
    add_file(&table, "sql/sho/001_initial.sql", "NONSENSE");
    add_file(&table, "sql/shop/001_initial.sql", FIRST);
    add_file(&table, "sql/shops/001_initial.sql", "NONSENSE");
    size_t applied = 0;
    assert_ok(run(db, &table, &applied));
    assert_int_equal(applied, 1);
    db_close(db);
}

static void test_a_changed_text_is_found(void **state)
{
    struct db *db = open_writer(*state);
    struct table table = two_files();
    assert_ok(run(db, &table, NULL));
    table.files[0].end--; /* even by a newline */
    assert_int_equal(run(db, &table, NULL), ERR_CORRUPT);
    assert_non_null(strstr(db_message(db), "001 initial was changed"));
    db_close(db);
}

static void test_a_database_of_a_newer_program_is_refused(void **state)
{
    struct db *db = open_writer(*state);
    struct table table = two_files();
    assert_ok(run(db, &table, NULL));
    table.files[1].path = NULL;
    assert_int_equal(run(db, &table, NULL), ERR_DENIED);
    assert_non_null(strstr(db_message(db), "older"));
    db_close(db);
}

static void test_a_failing_migration_leaves_no_trace(void **state)
{
    struct db *db = open_writer(*state);
    struct table table = {0};
    add_file(&table, "sql/shop/001_initial.sql", FIRST);
    add_file(&table, "sql/shop/002_more.sql",
             "CREATE TABLE c(x INTEGER); INSERT INTO nowhere VALUES(1);");
    size_t applied = 99;
    assert_int_equal(run(db, &table, &applied), ERR_IO);
    assert_int_equal(applied, 99);
    assert_non_null(strstr(db_message(db), "nowhere"));
    assert_false(db_in_transaction(db));
    assert_int_equal(query_i64_pair(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'c'",
                                    "SELECT count(*) FROM pg_tables WHERE tablename = 'c' AND"
                                    " schemaname = current_schema()"),
                     0);
    assert_int_equal(query_i64(db, "SELECT max(number) FROM schema_migration"), 1);
    /* The corrected text is applied where it stopped. */
    add_file(&table, NULL, "");
    table.files[1].begin = SECOND;
    table.files[1].end = table.files[1].begin + strlen(SECOND);
    assert_ok(run(db, &table, &applied));
    assert_int_equal(applied, 1);
    db_close(db);
}

static void test_a_migration_may_not_end_its_transaction(void **state)
{
    struct db *db = open_writer(*state);
    struct table table = {0};
    add_file(&table, "sql/shop/001_initial.sql", "CREATE TABLE a(x INTEGER); COMMIT;");
    assert_int_equal(run(db, &table, NULL), ERR_INVALID);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM schema_migration"), 0);
    db_close(db);
}

static void test_names_and_numbers_are_strict(void **state)
{
    static const char *const bad[] = {
        "sql/shop/002_initial.sql", "sql/shop/000_initial.sql", "sql/shop/1_initial.sql",
        "sql/shop/001initial.sql",  "sql/shop/001_.sql",        "sql/shop/001_initial.txt",
        "sql/shop/abc_initial.sql", "sql/shop/readme",
    };
    struct db *db = open_writer(*state);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct table table = {0};
        add_file(&table, bad[i], FIRST);
        assert_int_equal(run(db, &table, NULL), ERR_INVALID);
        assert_non_null(strstr(db_message(db), bad[i]));
    }
    struct table twice = {0};
    add_file(&twice, "sql/shop/001_initial.sql", FIRST);
    add_file(&twice, "sql/shop/001_other.sql", SECOND);
    assert_int_equal(run(db, &twice, NULL), ERR_INVALID);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_each_file_is_applied_once),
        fixture_test(test_a_service_without_migrations_has_the_common_tables),
        fixture_test(test_files_of_others_are_left_alone),
        fixture_test(test_a_changed_text_is_found),
        fixture_test(test_a_database_of_a_newer_program_is_refused),
        fixture_test(test_a_failing_migration_leaves_no_trace),
        fixture_test(test_a_migration_may_not_end_its_transaction),
        fixture_test(test_names_and_numbers_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
