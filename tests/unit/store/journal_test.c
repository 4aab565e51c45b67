#include "store/fixture.h"

#include "store/journal.h"

#define AT_MS 1700000000000

static struct db *open_with_tables(const struct fixture *fixture)
{
    struct db *db = open_writer(fixture);
    run_script(db, JOURNAL_TABLES);
    if (db_is_pgsql(db)) {
        run_script(db, PGSQL_SHIMS);
    }
    return db;
}

static struct journal *new_journal(struct db *db)
{
    struct journal *journal = NULL;
    assert_ok(journal_new(db, &journal));
    return journal;
}

static void group_begin(struct db *db, struct journal *journal)
{
    assert_ok(db_begin(db));
    journal_group_begin(journal, AT_MS, NULL);
}

static void group_commit(struct db *db, struct journal *journal)
{
    assert_ok(journal_group_flush(journal));
    assert_ok(db_commit(db));
    journal_group_end(journal, true);
}

/* One job that appends one fact; its version. */
static int64_t append(struct journal *journal, uint64_t shard, const char *data)
{
    int64_t version = -1;
    journal_job_begin(journal);
    assert_ok(journal_append(journal, shard, "seat.held", str_from_c(data), &version));
    return version;
}

struct findings {
    size_t count;
    char first[256];
};

static void on_finding(const char *line, void *ctx)
{
    struct findings *findings = ctx;
    if (findings->count++ == 0) {
        (void)snprintf(findings->first, sizeof(findings->first), "%s", line);
    }
}

static struct findings verify(struct db *db, uint64_t expected_rows)
{
    struct findings findings = {0};
    uint64_t rows = 0;
    assert_ok(journal_verify(db, on_finding, &findings, &rows));
    assert_int_equal(rows, expected_rows);
    return findings;
}

/* Shards 7 and 8, three rows each, interleaved: seq 1, 3, 5 and 2, 4, 6. */
static struct db *open_with_six_rows(const struct fixture *fixture)
{
    struct db *db = open_with_tables(fixture);
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(append(journal, 7, "{\"a\":1}"), i);
        assert_int_equal(append(journal, 8, "{\"b\":2}"), i);
    }
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(db, 6).count, 0);
    return db;
}

/* ---- appending ---- */

static void test_versions_count_per_shard_from_one(void **state)
{
    struct db *db = open_with_six_rows(*state);
    int64_t version = -1;
    assert_ok(journal_version(db, 7, &version));
    assert_int_equal(version, 3);
    assert_ok(journal_version(db, 9, &version));
    assert_int_equal(version, 0);
    /* A new process goes on where the last one ended. */
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    assert_int_equal(append(journal, 7, "{}"), 4);
    assert_int_equal(append(journal, 9, "{}"), 1);
    group_commit(db, journal);
    group_begin(db, journal);
    assert_int_equal(append(journal, 7, "{}"), 5);
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(db, 9).count, 0);
    db_close(db);
}

static void test_the_hash_is_the_documented_one(void **state)
{
    struct db *db = open_with_tables(*state);
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    (void)append(journal, 0x0102030405060708, "{\"x\":1}");
    group_commit(db, journal);
    journal_free(journal);
    /* 32 zero bytes, shard, version 1, 1700000000000 = 0x018bcfe56800, 9, "seat.held", data */
    struct str input = str_from("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                                "\1\2\3\4\5\6\7\10"
                                "\0\0\0\0\0\0\0\1"
                                "\0\0\x01\x8b\xcf\xe5\x68\0"
                                "\x09"
                                "seat.held"
                                "{\"x\":1}",
                                32 + 24 + 1 + 9 + 7);
    uint8_t hash[SHA256_SIZE];
    crypto_sha256(input, hash);
    SQL(SQL_HASH, "SELECT hash FROM journal");
    struct db_stmt *stmt = db_stmt(db, &SQL_HASH);
    bool has_row = false;
    assert_ok(db_step(stmt, &has_row));
    assert_true(has_row);
    assert_true(str_eq(db_col_blob(stmt, 0), str_from((const char *)hash, sizeof(hash))));
    db_done(stmt);
    db_close(db);
}

static void test_bad_types_are_refused(void **state)
{
    struct db *db = open_with_tables(*state);
    struct journal *journal = new_journal(db);
    char longest[66];
    memset(longest, 'x', sizeof(longest));
    longest[65] = '\0';
    group_begin(db, journal);
    journal_job_begin(journal);
    assert_int_equal(journal_append(journal, 1, "", STR("{}"), NULL), ERR_INVALID);
    assert_int_equal(journal_append(journal, 1, longest, STR("{}"), NULL), ERR_INVALID);
    longest[64] = '\0';
    assert_ok(journal_append(journal, 1, longest, STR("{}"), NULL));
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(db, 1).count, 0);
    db_close(db);
}

static void test_a_database_without_journal_refuses_appends(void **state)
{
    struct db *db = open_writer(*state);
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    journal_job_begin(journal);
    int64_t version = -1;
    assert_int_equal(journal_append(journal, 1, "seat.held", STR("{}"), NULL), ERR_DENIED);
    assert_int_equal(journal_staged_version(journal, 1, &version), ERR_DENIED);
    journal_job_rollback(journal);
    group_commit(db, journal);
    journal_free(journal);
    journal_free(NULL);
    db_close(db);
}

/* ---- rolling back ---- */

static void test_a_rolled_back_job_leaves_no_gap(void **state)
{
    struct db *db = open_with_tables(*state);
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    assert_int_equal(append(journal, 1, "{\"n\":1}"), 1);
    assert_ok(db_savepoint(db));
    assert_int_equal(append(journal, 1, "{\"n\":2}"), 2);
    assert_ok(journal_append(journal, 1, "seat.held", STR("{\"n\":3}"), NULL));
    assert_ok(journal_append(journal, 2, "seat.held", STR("{}"), NULL));
    journal_job_rollback(journal);
    assert_ok(db_savepoint_rollback(db));
    assert_int_equal(append(journal, 1, "{\"n\":4}"), 2);
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(db, 2).count, 0);
    assert_int_equal(query_i64(db, "SELECT count(*) FROM journal_head"), 1);
    db_close(db);
}

static int64_t staged_version(struct journal *journal, uint64_t shard)
{
    int64_t version = -1;
    assert_ok(journal_staged_version(journal, shard, &version));
    return version;
}

static void test_a_job_sees_the_version_of_its_group(void **state)
{
    struct db *db = open_with_six_rows(*state);
    struct journal *journal = new_journal(db);
    int64_t committed = -1;
    group_begin(db, journal);
    assert_int_equal(staged_version(journal, 7), 3);
    assert_int_equal(staged_version(journal, 9), 0);
    assert_int_equal(append(journal, 7, "{}"), 4);
    assert_int_equal(staged_version(journal, 7), 4);
    assert_ok(journal_version(db, 7, &committed));
    assert_int_equal(committed, 3);
    journal_job_rollback(journal);
    assert_int_equal(staged_version(journal, 7), 3);
    db_rollback(db);
    journal_group_end(journal, false);
    journal_free(journal);
    db_close(db);
}

/* Where an append is told at once; PostgreSQL tells a refused one when the group has been lost to it. */
static void test_a_failing_append_leaves_the_head(void **state)
{
    SQLITE_ONLY();
    struct db *db = open_with_tables(*state);
    run_script(db, "CREATE TRIGGER no BEFORE INSERT ON journal WHEN NEW.data = 'no'"
                   " BEGIN SELECT raise(FAIL, 'no'); END");
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    assert_int_equal(append(journal, 1, "{}"), 1);
    journal_job_begin(journal);
    assert_int_equal(journal_append(journal, 1, "seat.held", STR("no"), NULL), ERR_CONFLICT);
    assert_int_equal(append(journal, 1, "{}"), 2);
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(db, 2).count, 0);
    db_close(db);
}

static void test_a_lost_group_leaves_the_heads_of_the_database(void **state)
{
    struct db *db = open_with_six_rows(*state);
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    assert_int_equal(append(journal, 7, "{}"), 4);
    group_commit(db, journal);
    group_begin(db, journal);
    assert_int_equal(append(journal, 7, "{\"lost\":1}"), 5);
    assert_int_equal(append(journal, 9, "{\"lost\":1}"), 1);
    assert_ok(journal_group_flush(journal));
    db_rollback(db);
    journal_group_end(journal, false);
    group_begin(db, journal);
    assert_int_equal(append(journal, 7, "{}"), 5);
    assert_int_equal(append(journal, 9, "{}"), 1);
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(db, 9).count, 0);
    db_close(db);
}

static void test_more_shards_than_heads_are_kept(void **state)
{
    struct db *db = open_with_tables(*state);
    struct journal *journal = new_journal(db);
    uint64_t rows = 0;
    int groups = db_is_pgsql(db) ? 3 : 140; /* where none are kept from one group to the next */
    for (int group = 0; group < groups; group++) {
        group_begin(db, journal);
        for (uint64_t i = 0; i < 1000; i++) {
            uint64_t shard = 1 + (uint64_t)group * 1000 + i;
            assert_int_equal(append(journal, shard, "{}"), 1);
            rows++;
        }
        assert_int_equal(append(journal, 1, "{}"), group + 2);
        rows++;
        group_commit(db, journal);
    }
    journal_free(journal);
    assert_int_equal(verify(db, rows).count, 0);
    db_close(db);
}

/* ---- reading ---- */

struct seen {
    size_t count;
    size_t stop_at; /* 0: never */
    int64_t last_seq;
    struct journal_row last;
};

static enum err on_row(const struct journal_row *row, void *ctx)
{
    struct seen *seen = ctx;
    assert_true(row->seq > seen->last_seq);
    assert_true(str_eq(row->type, STR("seat.held")));
    assert_int_equal(row->hash.len, SHA256_SIZE);
    assert_int_equal(row->at_ms, AT_MS);
    seen->last_seq = row->seq;
    seen->last = *row;
    return ++seen->count == seen->stop_at ? ERR_AGAIN : ERR_OK;
}

static void test_rows_are_read_in_order_from_a_cursor(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = open_with_six_rows(fixture);
    struct db *reader = open_reader(fixture);
    struct seen seen = {0};
    assert_ok(journal_read(reader, 0, 100, on_row, &seen));
    assert_int_equal(seen.count, 6);
    assert_int_equal(seen.last.shard, 8);
    assert_int_equal(seen.last.version, 3);
    int64_t before = seen.last_seq - 6; /* the rows of one transaction have no gaps between them */
    seen = (struct seen){0};
    assert_ok(journal_read(reader, before + 2, 3, on_row, &seen));
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.last_seq, before + 5);
    seen = (struct seen){0};
    assert_ok(journal_read(reader, before + 6, 100, on_row, &seen));
    assert_ok(journal_read(reader, 0, 0, on_row, &seen));
    assert_int_equal(seen.count, 0);
    seen = (struct seen){.stop_at = 2};
    assert_int_equal(journal_read(reader, 0, 100, on_row, &seen), ERR_AGAIN);
    assert_int_equal(seen.count, 2);
    assert_false(db_in_transaction(reader));
    db_close(reader);
    db_close(db);
}

static void test_reading_without_a_table_is_an_error(void **state)
{
    struct db *db = open_writer(*state);
    struct seen seen = {0};
    struct findings findings = {0};
    int64_t version;
    uint64_t rows;
    assert_int_equal(journal_read(db, 0, 1, on_row, &seen), ERR_IO);
    assert_int_equal(journal_version(db, 1, &version), ERR_IO);
    assert_int_equal(journal_verify(db, on_finding, &findings, &rows), ERR_IO);
    assert_false(db_in_transaction(db));
    db_close(db);
}

/* ---- verifying ---- */

#define ROW(shard, version)  "shard = " #shard " AND version = " #version
#define HASH(shard, version) ": hash of shard " #shard " version " #version

static void test_what_was_tampered_with_is_found(void **state)
{
    static const struct {
        const char *sql;
        uint64_t rows;
        size_t findings;
        const char *first;
    } cases[] = {
        {"UPDATE journal SET data = '{\"a\":2}' WHERE " ROW(7, 2), 6, 1, HASH(7, 2)},
        {"UPDATE journal SET at_ms = at_ms + 1 WHERE " ROW(8, 3), 6, 1, HASH(8, 3)},
        {"UPDATE journal SET type = 'seat.sold' WHERE " ROW(7, 1), 6, 1, HASH(7, 1)},
        {"UPDATE journal SET hash = zeroblob(32) WHERE " ROW(7, 2), 6, 2, HASH(7, 2)},
        {"UPDATE journal SET hash = zeroblob(31) WHERE " ROW(7, 3), 6, 2, HASH(7, 3)},
        {"UPDATE journal SET hash = (SELECT hash FROM journal WHERE shard = 7 AND version = 2)"
         " WHERE shard = 7 AND version = 3",
         6, 2, HASH(7, 3)},
        {"UPDATE journal SET type = hex(zeroblob(40)) WHERE " ROW(7, 3), 6, 1, ": type"},
        {"UPDATE journal SET shard = 8 WHERE " ROW(7, 3), 6, 3, HASH(8, 3)},
        {"DELETE FROM journal WHERE " ROW(7, 1), 5, 1, ": shard 7 has version 2 after 0"},
        {"DELETE FROM journal WHERE " ROW(7, 2), 5, 1, ": shard 7 has version 3 after 1"},
        {"DELETE FROM journal WHERE " ROW(7, 3), 5, 1, "head of shard 7: version 3, but the last"},
        {"DELETE FROM journal WHERE shard = 7", 3, 1, "head of shard 7: there are no rows"},
        {"UPDATE journal SET seq = 100 + 2 * (SELECT MAX(seq) FROM journal) - seq WHERE shard = 7",
         6, 4, ": shard 7 has version 3"},
        {"INSERT INTO journal SELECT seq + 4, 7, 4, at_ms, type, data, hash FROM journal"
         " WHERE " ROW(7, 3),
         7, 2, HASH(7, 4)},
        {"DELETE FROM journal_head WHERE shard = 8", 6, 1, "head of shard 8 is missing"},
        {"UPDATE journal_head SET version = 2 WHERE shard = 7", 6, 1, "head of shard 7: version 2"},
        {"UPDATE journal_head SET hash = zeroblob(32) WHERE shard = 7", 6, 1,
         "head of shard 7: hash"},
        {"INSERT INTO journal_head VALUES(9, 1, zeroblob(32))", 6, 1, "head of shard 9: there are"},
    };
    struct db *db = open_with_six_rows(*state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_ok(db_begin(db));
        run_script(db, cases[i].sql);
        struct findings findings = verify(db, cases[i].rows);
        db_rollback(db);
        if (findings.count != cases[i].findings || !strstr(findings.first, cases[i].first)) {
            fail_msg("%s: %zu findings, first: %s", cases[i].sql, findings.count, findings.first);
        }
    }
    assert_int_equal(verify(db, 6).count, 0);
    db_close(db);
}

static void test_a_rewritten_tail_does_not_match_its_head(void **state)
{
    /* Removing the last row of shard 7 and appending another with a right hash of its own. */
    struct db *db = open_with_six_rows(*state);
    run_script(db, "CREATE TABLE kept AS SELECT * FROM journal_head WHERE shard = 7;"
                   "DELETE FROM journal WHERE shard = 7 AND version = 3;"
                   "UPDATE journal_head SET version = 2, hash = (SELECT hash FROM journal"
                   " WHERE shard = 7 AND version = 2) WHERE shard = 7");
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    assert_int_equal(append(journal, 7, "{\"forged\":1}"), 3);
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(db, 6).count, 0); /* all rewritten: only a published head tells */
    run_script(db, "UPDATE journal_head SET hash = (SELECT hash FROM kept) WHERE shard = 7");
    struct findings findings = verify(db, 6);
    assert_int_equal(findings.count, 1);
    assert_non_null(strstr(findings.first, "head of shard 7: hash"));
    db_close(db);
}

static void test_a_damaged_head_refuses_appends(void **state)
{
    struct db *db = open_with_six_rows(*state);
    run_script(db, "UPDATE journal_head SET hash = zeroblob(1) WHERE shard = 7");
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    journal_job_begin(journal);
    assert_int_equal(journal_append(journal, 7, "seat.held", STR("{}"), NULL), ERR_CORRUPT);
    assert_int_equal(append(journal, 8, "{}"), 4);
    group_commit(db, journal);
    journal_free(journal);
    db_close(db);
}

static void test_verifying_a_live_database_sees_one_moment(void **state)
{
    struct fixture *fixture = *state;
    struct db *db = open_with_six_rows(fixture);
    struct db *admin = NULL;
    assert_ok(db_open(fixture->path, DB_ADMIN, &admin));
    assert_ok(db_snapshot_begin(admin));
    assert_int_equal(query_i64(admin, "SELECT count(*) FROM journal"), 6);
    struct journal *journal = new_journal(db);
    group_begin(db, journal);
    (void)append(journal, 7, "{}");
    group_commit(db, journal);
    journal_free(journal);
    assert_int_equal(verify(admin, 6).count, 0); /* in the caller's snapshot */
    db_snapshot_end(admin);
    assert_int_equal(verify(admin, 7).count, 0); /* in its own */
    assert_false(db_in_transaction(admin));
    db_close(admin);
    db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(test_versions_count_per_shard_from_one),
        fixture_test(test_the_hash_is_the_documented_one),
        fixture_test(test_bad_types_are_refused),
        fixture_test(test_a_database_without_journal_refuses_appends),
        fixture_test(test_a_rolled_back_job_leaves_no_gap),
        fixture_test(test_a_job_sees_the_version_of_its_group),
        fixture_test(test_a_failing_append_leaves_the_head),
        fixture_test(test_a_lost_group_leaves_the_heads_of_the_database),
        fixture_test(test_more_shards_than_heads_are_kept),
        fixture_test(test_rows_are_read_in_order_from_a_cursor),
        fixture_test(test_reading_without_a_table_is_an_error),
        fixture_test(test_what_was_tampered_with_is_found),
        fixture_test(test_a_rewritten_tail_does_not_match_its_head),
        fixture_test(test_a_damaged_head_refuses_appends),
        fixture_test(test_verifying_a_live_database_sees_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
