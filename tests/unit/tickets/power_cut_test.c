/*
 * The power fails while tickets are sold: at random writes, syncs, truncations and deletions of the
 * database and its log, also in checkpoints and when the log starts over. The next start must find
 * books that balance, every answered step in full, and of the group under way all or nothing. The
 * same runs with synchronous = OFF must fail that.
 */
#include "sales.h"

#include "store/db_internal.h"
#include "store/power_cuts.h"

#define ROUNDS 5
#define GROUPS 30
#define ONE_IN 24

/* What the books say between two groups. */
struct mark {
    int64_t version; /* of the event's journal */
    uint8_t hash[SHA256_SIZE];
    int64_t digest; /* of bookings, claims, places, money and tickets */
};

struct round {
    struct sales sales;
    struct cuts cuts;
    struct mark marks[GROUPS + 1];
    size_t steps[SALE_STEPS]; /* that were answered with success */
};

static struct round round_now;

SQL(SQL_DIGEST,
    "SELECT (SELECT coalesce(sum(id % 1000003 * state), 0) FROM booking)"
    " + (SELECT coalesce(sum(booking_id % 1000003 * (seat_no * 2 + state)), 0) FROM seat_claim)"
    " + (SELECT sum(available) FROM event_area)"
    " + (SELECT coalesce(sum(id % 1000003 * (state + captured + 3 * refunded)), 0) FROM payment)"
    " + (SELECT coalesce(sum(id % 1000003 * (1 + state)), 0) FROM ticket)"
    " + (SELECT coalesce(sum(id % 1000003 * (1 + amount)), 0) FROM refund)");

static bool mark_read(struct db *db, struct mark *ret_mark)
{
    memset(ret_mark, 0, sizeof(*ret_mark));
    return journal_head_read(db, FIXTURE_EVENT, &ret_mark->version, ret_mark->hash) == ERR_OK &&
           db_get_i64(db_stmt(db, &SQL_DIGEST), &ret_mark->digest) == ERR_OK;
}

static bool mark_eq(const struct mark *one, const struct mark *other)
{
    return one->version == other->version && one->digest == other->digest &&
           memcmp(one->hash, other->hash, SHA256_SIZE) == 0;
}

/* On the writer's thread, which reads with this connection while the round lasts. */
static void on_group(struct sales *sales)
{
    size_t groups = atomic_load(&round_now.cuts.answered) + 1;
    if (groups <= GROUPS && mark_read(sales->fixture->reader, &round_now.marks[groups]))
        atomic_store(&round_now.cuts.answered, groups);
}

/* --- Judging --- */

static enum cut_finding judge_books(struct db *db, const struct cut *cut)
{
    struct mark mark;
    if (sales_audit(db, false) != 0 || !mark_read(db, &mark))
        return CUT_BROKEN;
    const struct mark *marks = &round_now.marks[cut->answered];
    bool is_after = cut->answered < GROUPS && mark_eq(&mark, &marks[1]);
    return mark_eq(&mark, &marks[0]) || is_after ? CUT_SOUND : CUT_LOST;
}

static enum cut_finding judge(const struct cut *cut)
{
    char path[2 * DISK_PATH_SIZE];
    struct db *db = NULL;
    (void)snprintf(path, sizeof(path), "%s/tickets.db", cut->dir);
    if (db_open(path, DB_ADMIN, &db) != ERR_OK)
        return CUT_BROKEN;
    enum cut_finding finding = judge_books(db, cut);
    db_close(db);
    return finding;
}

/* The image as the next process would start on it: it sells on. */
static void go_on(const struct cut *cut)
{
    struct fixture next = {.config = round_now.sales.fixture->config};
    static struct sales sales;
    uint64_t seed = cut->seed;
    (void)snprintf(next.config.data, sizeof(next.config.data), "%s", cut->dir);
    fixture_open(&next);
    sales_init(&sales, &next);
    for (size_t i = 0; i < 3; i++)
        sales_group(&sales, &seed);
    assert_int_equal(sales_audit(next.reader, true), 0);
    fixture_close(&next);
}

struct findings {
    size_t count[CUT_BROKEN + 1];
};

static void judge_all(uint64_t seed, struct findings *findings, bool must_be_sound)
{
    static const char *const names[] = {"tickets.db", "search.db", NULL};
    for (size_t i = 0; i < round_now.cuts.count; i++) {
        const struct cut *cut = &round_now.cuts.items[i];
        enum cut_finding finding = judge(cut);
        findings->count[finding]++;
        if (finding != CUT_SOUND && must_be_sound)
            print_error("FOYER_SEED=%llu cut %zu (operation %llu, loss %d): %s\n",
                        (unsigned long long)seed, i, (unsigned long long)cut->at, cut->loss,
                        finding == CUT_LOST ? "lost" : "broken");
        else if (finding == CUT_SOUND && must_be_sound && i % 12 == 0)
            go_on(cut);
        disk_image_remove(cut->dir, names);
    }
}

/* --- Rounds --- */

static void run_round(struct fixture *fixture, const char *pragma, uint64_t seed,
                      struct findings *findings)
{
    uint64_t first_seed = seed;
    struct db *db = writer_db(fixture->tickets->writer);
    memset(&round_now, 0, sizeof(round_now));
    sales_init(&round_now.sales, fixture);
    round_now.sales.on_group = on_group;
    assert_true(mark_read(fixture->reader, &round_now.marks[0]));
    /* The writer's thread waits, so the connection may be used; in a job the pragma is refused. */
    if (pragma)
        assert_int_equal(db_script(db, str_from_c(pragma)), ERR_OK);
    db_set_wal_pages(db, 10 + (int)disk_below(&seed, 20), 4, 60);
    cuts_begin(&round_now.cuts, fixture->dir, seed, ONE_IN);
    for (size_t i = 0; i < GROUPS; i++) {
        sales_group(&round_now.sales, &seed);
        for (size_t k = 0; k < round_now.sales.job_count; k++)
            round_now.steps[round_now.sales.jobs[k].step] +=
                round_now.sales.jobs[k].outcome == ERR_OK;
    }
    writer_stop(fixture->tickets->writer);
    cuts_end(&round_now.cuts);
    assert_int_equal(atomic_load(&round_now.cuts.answered), GROUPS);
    judge_all(first_seed, findings, !pragma);
}

static struct findings run_rounds(const char *pragma, size_t rounds)
{
    struct findings findings = {0};
    size_t steps[SALE_STEPS] = {0};
    uint64_t seed = cuts_seed(1129);
    for (size_t i = 0; i < rounds; i++) {
        void *fixture = NULL;
        disk_reset();
        assert_int_equal(fixture_setup(&fixture), 0);
        run_round(fixture, pragma, seed + i, &findings);
        for (size_t k = 0; k < SALE_STEPS; k++)
            steps[k] += round_now.steps[k];
        assert_int_equal(fixture_teardown(&fixture), 0);
    }
    for (size_t k = 0; k < SALE_STEPS; k++)
        assert_true(steps[k] > 0); /* every kind of step was cut in */
    return findings;
}

/* --- Tests --- */

static void a_power_cut_loses_no_sale_and_halves_none(void **state)
{
    (void)state;
    struct findings findings = run_rounds(NULL, ROUNDS);
    assert_int_equal(findings.count[CUT_LOST], 0);
    assert_int_equal(findings.count[CUT_BROKEN], 0);
    assert_true(findings.count[CUT_SOUND] >= 100);
}

static void without_syncs_the_same_cuts_lose_sales(void **state)
{
    (void)state;
    struct findings findings = run_rounds("PRAGMA synchronous = OFF", 2);
    assert_true(findings.count[CUT_LOST] > 0);
    assert_true(findings.count[CUT_BROKEN] > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_power_cut_loses_no_sale_and_halves_none),
        cmocka_unit_test(without_syncs_the_same_cuts_lose_sales),
    };
    disk_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
