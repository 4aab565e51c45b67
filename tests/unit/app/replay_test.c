/* Idempotency-Key, over a real socket: what was answered first is answered again, and nothing else
 * is. */
#include "app/service_rig.h"

#include "app/idempotency.h"

#define THING "{\"name\":\"chair\"}"
#define OTHER "{\"name\":\"table\"}"
#define KEY   "\r\nIdempotency-Key: key-1"
#define HOUR  (INT64_C(3600) * 1000)

/* The second of two answers must repeat the first. */
static void assert_replayed(const struct reply *first, const struct reply *second)
{
    assert_int_equal(second->status, first->status);
    assert_string_equal(second->body, first->body);
    assert_true(reply_has(second, "\r\nidempotency-replayed: true"));
}

static void success_is_replayed(void **state)
{
    (void)state;
    struct reply first = http("POST /t/things" KEY, THING);
    struct reply second = http("POST /t/things" KEY, THING);
    assert_int_equal(first.status, 201);
    assert_false(reply_has(&first, "idempotency-replayed"));
    assert_replayed(&first, &second);
    assert_true(reply_has(&second, "\r\ncontent-type: application/json"));
    assert_int_equal(atomic_load(&rig->applied), 1);
    assert_int_equal(atomic_load(&rig->prepared), 1); /* the handler was spared */
    reply_free(&first);
    reply_free(&second);
    expect("POST /t/things\r\nIdempotency-Key: key-2", THING, 201, NULL);
    expect("POST /t/things", THING, 201, NULL);
    assert_int_equal(rig_things(), 3);
}

static void answer_without_body_is_replayed(void **state)
{
    (void)state;
    struct reply first = http("POST /t/things" KEY, "{\"name\":\"empty\"}");
    struct reply second = http("POST /t/things" KEY, "{\"name\":\"empty\"}");
    assert_int_equal(first.status, 204);
    assert_replayed(&first, &second);
    assert_int_equal(rig_things(), 1);
    reply_free(&first);
    reply_free(&second);
}

static void key_is_of_one_request(void **state)
{
    (void)state;
    expect("POST /t/things" KEY, THING, 201, NULL);
    expect("POST /t/things" KEY, OTHER, 422, "\"type\":\"idempotency-conflict\"");
    expect("POST /t/orders" ADMIN KEY, THING, 201, NULL); /* another caller's key */
    expect("POST /t/orders" ADMIN KEY, OTHER, 422, "\"type\":\"idempotency-conflict\"");
    assert_int_equal(rig_things(), 2);
}

static void refusal_is_evaluated_anew(void **state)
{
    (void)state;
    expect("POST /t/things" KEY, "{\"name\":\"refuse\"}", 409, NULL);
    expect("POST /t/things" KEY, "{\"name\":\"refuse\"}", 409, NULL);
    assert_int_equal(atomic_load(&rig->applied), 2);
    expect("POST /t/things" KEY, "{\"name\":\"io\"}", 503, NULL);
    expect("POST /t/things" KEY, THING, 201, NULL);
    assert_int_equal(rig_things(), 1);
}

static void winner_is_not_refused_by_what_he_did(void **state)
{
    (void)state;
    struct reply first = http("POST /t/orders" ADMIN KEY, THING);
    assert_int_equal(first.status, 201);
    expect("POST /t/orders" ADMIN "\r\nIdempotency-Key: key-2", "{\"name\":\"early\"}", 409, NULL);
    int prepared = atomic_load(&rig->prepared);
    struct reply second = http("POST /t/orders" ADMIN KEY, THING);
    assert_replayed(&first, &second);
    assert_int_equal(atomic_load(&rig->prepared), prepared);
    reply_free(&first);
    reply_free(&second);
}

static void authentication_comes_first(void **state)
{
    (void)state;
    expect("POST /t/orders" ADMIN KEY, THING, 201, NULL);
    expect("POST /t/orders" KEY, THING, 401, NULL);
}

static void key_is_demanded_or_refused(void **state)
{
    (void)state;
    expect("POST /t/orders" ADMIN, THING, 400, "\"type\":\"idempotency-key-required\"");
    expect("POST /t/own", THING, 400, "\"type\":\"idempotency-key-required\"");
    expect("POST /t/secret" KEY, THING, 400, "\"type\":\"idempotency-key-refused\"");
    expect("POST /t/secret", THING, 201, NULL);
    expect("POST /t/things\r\nIdempotency-Key: two words", THING, 400, "\"type\":\"bad-request\"");
    expect("POST /t/things\r\nIdempotency-Key:", THING, 400, "\"type\":\"bad-request\"");
    assert_int_equal(rig_things(), 1);
}

/* Both twins pass the reader's look; the writer sees the first's row, in the same transaction. */
static void twins_in_flight_do_it_once(void **state)
{
    (void)state;
    enum {
        TWINS = 8
    };
    struct blocking_job blocking;
    struct reply replies[TWINS];
    int fds[TWINS];
    int replayed = 0;
    writer_hold(&blocking);
    for (int i = 0; i < TWINS; i++)
        fds[i] = http_send("POST /t/things" KEY, THING);
    wait_for(writer_waiting() == TWINS);
    writer_let_go(&blocking);
    for (int i = 0; i < TWINS; i++) {
        replies[i] = http_receive(fds[i]);
        assert_int_equal(replies[i].status, 201);
        assert_string_equal(replies[i].body, replies[0].body);
        replayed += reply_has(&replies[i], "\r\nidempotency-replayed: true");
    }
    for (int i = 0; i < TWINS; i++)
        reply_free(&replies[i]);
    assert_int_equal(replayed, TWINS - 1);
    assert_int_equal(atomic_load(&rig->applied), 1);
    assert_int_equal(rig_things(), 1);
}

static void lost_group_keeps_no_answer(void **state)
{
    (void)state;
    atomic_store(&rig->loses_group, true);
    struct reply first = http("POST /t/things" KEY, THING);
    struct reply second = http("POST /t/things" KEY, THING);
    assert_int_equal(first.status, 201);
    assert_replayed(&first, &second);
    assert_null(strstr(second.body, "lost"));
    reply_free(&first);
    reply_free(&second);
    assert_int_equal(rig_things(), 1);
}

static void restart_remembers(void **state)
{
    (void)state;
    struct reply first = http("POST /t/things" KEY, THING);
    rig_stop();
    rig_start();
    struct reply second = http("POST /t/things" KEY, THING);
    assert_replayed(&first, &second);
    reply_free(&first);
    reply_free(&second);
    assert_int_equal(rig_things(), 1);
}

static int64_t kept_rows(void)
{
    SQL(SQL_KEPT, "SELECT count(*) FROM idempotency");
    struct db *db;
    int64_t count;
    assert_ok(db_open(rig->path, DB_READER, &db));
    assert_ok(db_get_i64(db_stmt(db, &SQL_KEPT), &count));
    db_close(db);
    return count;
}

static void key_is_kept_for_a_day(void **state)
{
    (void)state;
    enum {
        KEYS = IDEMPOTENCY_PURGE_CHUNK * 2 + 5
    };
    char head[128];
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(head, sizeof(head), "POST /t/things\r\nIdempotency-Key: key-%d", i);
        expect(head, THING, 201, NULL);
    }
    clock_advance_ms(23 * HOUR);
    expect("POST /t/things" KEY, OTHER, 422, NULL);
    assert_int_equal(kept_rows(), KEYS);
    clock_advance_ms(2 * HOUR); /* wakes who deletes them */
    wait_for(kept_rows() == 0);
    expect("POST /t/things" KEY, OTHER, 201, NULL);
    assert_int_equal(kept_rows(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(success_is_replayed),
        rig_test(answer_without_body_is_replayed),
        rig_test(key_is_of_one_request),
        rig_test(refusal_is_evaluated_anew),
        rig_test(winner_is_not_refused_by_what_he_did),
        rig_test(authentication_comes_first),
        rig_test(key_is_demanded_or_refused),
        rig_test(twins_in_flight_do_it_once),
        rig_test(lost_group_keeps_no_answer),
        rig_test(restart_remembers),
        rig_test(key_is_kept_for_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
