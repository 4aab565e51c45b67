/* The way of a request, over a real socket: what is refused, in which order, and where handlers
 * run. */
#include "app/service_rig.h"

#define THING "{\"name\":\"chair\"}"

static void kinds_answer_where_they_belong(void **state)
{
    (void)state;
    expect("GET /t/loop", NULL, 200, "\"by\":\"loop\"");
    expect("GET /t/read", NULL, 200, "\"by\":\"read\"");
    expect("POST /t/things", THING, 201, "\"id\":");
    assert_int_equal(rig_things(), 1);
}

static void loop_goes_on_in_the_pool(void **state)
{
    (void)state;
    struct reply reply = http("GET /t/loop?again=1", NULL);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"by\":\"read\""));
    assert_false(reply_has(&reply, "x-loop")); /* what the loop said is forgotten */
    reply_free(&reply);
    /* With a caller that has to be looked up it is on the pool already. */
    expect("GET /t/staff" ADMIN, NULL, 200, "\"by\":\"read\"");
}

static void unknown_paths_and_methods(void **state)
{
    (void)state;
    expect("GET /v1/nothing", NULL, 404, "\"type\":\"not-found\"");
    expect("GET /v1/../t/loop", NULL, 404, NULL);
    expect("GET /nothing.js", NULL, 404, NULL);
    struct reply reply = http("DELETE /t/read", NULL);
    assert_int_equal(reply.status, 405);
    assert_true(reply_has(&reply, "\r\nallow: GET"));
    assert_non_null(strstr(reply.body, "\"type\":\"method-not-allowed\""));
    reply_free(&reply);
    expect("POST /some/page", NULL, 405, NULL);
}

static void head_is_a_get_without_body(void **state)
{
    (void)state;
    struct reply reply = http("HEAD /t/loop", NULL);
    assert_int_equal(reply.status, 200);
    assert_int_equal(strlen(reply.body), 0);
    reply_free(&reply);
}

static void body_is_limited_by_the_route(void **state)
{
    (void)state;
    expect("POST /t/raw", "0123456789abcdef", 204, NULL);
    expect("POST /t/raw", "0123456789abcdefg", 413, "\"type\":\"too-large\"");
    size_t size = ROUTE_BODY_DEFAULT + 1;
    char *large = malloc(size + 1);
    assert_non_null(large);
    memset(large, ' ', size);
    large[size] = '\0';
    expect("POST /t/things", large, 413, "\"type\":\"too-large\"");
    large[size - 1] = '\0';
    expect("POST /t/things", large, 400, "\"type\":\"malformed-json\"");
    free(large);
}

static void body_must_not_be_compressed(void **state)
{
    (void)state;
    expect("POST /t/things\r\nContent-Encoding: gzip", THING, 415, "without Content-Encoding");
    expect("POST /t/things\r\nContent-Encoding: gzip", THING, 415,
           "\"type\":\"unsupported-media-type\"");
    expect("POST /t/things\r\nContent-Encoding: identity, br", THING, 415,
           "unsupported-media-type");
    expect("POST /t/things\r\nContent-Encoding: identity", "[", 400, "malformed-json");
}

static void body_must_be_json(void **state)
{
    (void)state;
    expect("POST /t/things\r\nContent-Type: text/plain", THING, 415,
           "\"type\":\"unsupported-media-type\"");
    expect("POST /t/things\r\nContent-Type: application/json; charset=utf-8", THING, 201, NULL);
    expect("POST /t/things\r\nContent-Type: Application/JSON", THING, 201, NULL);
    expect("POST /t/raw\r\nContent-Type: text/plain", "x", 204, NULL);
    assert_int_equal(rig_things(), 2);
}

static void fields_are_named(void **state)
{
    (void)state;
    expect("POST /t/things", "{\"name\":\"\"}", 422, "{\"field\":\"name\",");
    expect("POST /t/things", "{\"nam\":\"x\"}", 422, "{\"field\":\"nam\",");
    expect("POST /t/things", "{", 400, "\"type\":\"malformed-json\"");
    expect("POST /t/things", NULL, 422, "{\"field\":\"name\",");
    assert_int_equal(rig_things(), 0);
}

static void query_is_checked(void **state)
{
    (void)state;
    expect("GET /t/loop?other=1", NULL, 200, NULL);
    expect("GET /t/loop?unknown=1", NULL, 422, "{\"field\":\"unknown\",");
    expect("GET /t/read?x", NULL, 422, "{\"field\":\"x\",");
    expect("GET /t/loop?again=2", NULL, 422, "{\"field\":\"again\",");
    expect("GET /t/loop?again=1&again=1", NULL, 422, "{\"field\":\"again\",");
    expect("GET /healthz?anything=1", NULL, 200, NULL);
}

static void path_parameters_are_ids(void **state)
{
    (void)state;
    expect("POST /t/things/thg_0000000000005", NULL, 200, "{\"id\":5}");
    expect("POST /t/things/oth_0000000000005", NULL, 404, "\"type\":\"not-found\"");
    expect("POST /t/things/5", NULL, 404, NULL);
}

static void callers_are_asked_for(void **state)
{
    (void)state;
    struct reply reply = http("GET /t/staff", NULL);
    assert_int_equal(reply.status, 401);
    assert_true(reply_has(&reply, "\r\nwww-authenticate: Bearer"));
    reply_free(&reply);
    expect("GET /t/staff\r\nAuthorization: Bearer sk_wrong_key_000000000001", NULL, 401,
           "\"type\":\"unauthenticated\"");
    expect("GET /t/staff" ADMIN, NULL, 200, NULL); /* from the database */
    expect("GET /t/staff" ADMIN, NULL, 200, NULL); /* from the cache */
    /* Optional: bad credentials are worse than none. */
    expect("GET /t/read", NULL, 200, NULL);
    expect("GET /t/read\r\nAuthorization: Bearer sk_wrong_key_000000000001", NULL, 401, NULL);
}

static void scopes_decide(void **state)
{
    (void)state;
    char head[256], key[128];
    const char *bodies[] = {"{\"name\":\"door\",\"scopes\":[\"check-in\"]}",
                            "{\"name\":\"house\",\"scopes\":[\"organizer\"]}"};
    const int statuses[] = {403, 200};
    for (size_t i = 0; i < 2; i++) {
        struct reply reply = http("POST /v1/api-keys" ADMIN, bodies[i]);
        assert_int_equal(reply.status, 201);
        const char *found = strstr(reply.body, "\"key\":\"");
        assert_non_null(found);
        assert_int_equal(sscanf(found, "\"key\":\"%127[^\"]", key), 1);
        reply_free(&reply);
        (void)snprintf(head, sizeof(head), "GET /t/staff\r\nAuthorization: Bearer %s", key);
        expect(head, NULL, statuses[i], NULL);
    }
}

static void answers_have_their_headers(void **state)
{
    (void)state;
    struct reply reply = http("GET /t/read\r\nX-Request-Id: abc-1", NULL);
    assert_true(reply_has(&reply, "\r\ncontent-type: application/json"));
    assert_true(reply_has(&reply, "\r\nx-content-type-options: nosniff"));
    assert_true(reply_has(&reply, "\r\ncache-control: no-store"));
    assert_true(reply_has(&reply, "\r\nx-request-id: abc-1"));
    reply_free(&reply);
    reply = http("GET /v1/nothing\r\nX-Request-Id: abc-2", NULL);
    assert_true(reply_has(&reply, "\r\ncontent-type: application/problem+json"));
    assert_non_null(strstr(reply.body, "\"request_id\":\"abc-2\""));
    reply_free(&reply);
}

static void assert_trace(const char *traceparent, const char *trace)
{
    char head[256], line[64];
    (void)snprintf(head, sizeof(head), "GET /t/loop\r\nTraceparent: %s", traceparent);
    (void)snprintf(line, sizeof(line), "\r\nx-trace: %s\r\n", trace);
    struct reply reply = http(head, NULL);
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, line));
    reply_free(&reply);
}

#define TRACE    "0af7651916cd43dd8448eb211c80319c"
#define NO_TRACE "00000000000000000000000000000000"

static void trace_context_is_understood_or_ignored(void **state)
{
    (void)state;
    assert_trace("00-" TRACE "-b7ad6b7169203331-01", TRACE);
    assert_trace("cc-" TRACE "-b7ad6b7169203331-01-later", TRACE); /* a version to come */
    assert_trace("00-" TRACE "-b7ad6b7169203331-01-later", NO_TRACE);
    assert_trace("ff-" TRACE "-b7ad6b7169203331-01", NO_TRACE);
    assert_trace("00-" NO_TRACE "-b7ad6b7169203331-01", NO_TRACE);
    assert_trace("00-" TRACE "-0000000000000000-01", NO_TRACE);
    assert_trace("00-" TRACE "-b7ad6b716920333-01", NO_TRACE);
    assert_trace("00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01", NO_TRACE);
    assert_trace("nonsense", NO_TRACE);
    assert_trace("", NO_TRACE);
}

/* What apply refuses or fails leaves no row. */

static void refusal_is_rolled_back_and_answered(void **state)
{
    (void)state;
    expect("POST /t/things", "{\"name\":\"refuse\"}", 409, "refused in apply");
    assert_int_equal(rig_things(), 0);
    expect("POST /t/things", THING, 201, NULL);
    assert_int_equal(rig_things(), 1);
}

static void refusal_in_prepare_never_reaches_the_writer(void **state)
{
    (void)state;
    expect("POST /t/things", "{\"name\":\"early\"}", 409, "refused in prepare");
    assert_int_equal(atomic_load(&rig->applied), 0);
}

static void failures_are_503_or_500(void **state)
{
    (void)state;
    struct reply reply = http("POST /t/things", "{\"name\":\"io\"}");
    assert_int_equal(reply.status, 503);
    assert_true(reply_has(&reply, "\r\nretry-after: 1"));
    assert_non_null(strstr(reply.body, "\"type\":\"overloaded\""));
    reply_free(&reply);
    expect("POST /t/things", "{\"name\":\"twice\"}", 500, "\"type\":\"internal\"");
    expect("POST /t/things", "{\"name\":\"mute\"}", 500, "\"type\":\"internal\"");
    assert_int_equal(rig_things(), 0);
}

static void prepare_on_loop_may_go_to_the_pool(void **state)
{
    (void)state;
    expect("POST /t/own\r\nIdempotency-Key: a", "{\"name\":\"again\"}", 201, NULL);
    assert_int_equal(atomic_load(&rig->prepared), 2);
    expect("POST /t/own\r\nIdempotency-Key: a", THING, 201, NULL);
    assert_int_equal(atomic_load(&rig->prepared), 3);
}

static void lost_group_is_run_again_with_fresh_answers(void **state)
{
    (void)state;
    atomic_store(&rig->loses_group, true);
    struct reply reply = http("POST /t/things", THING);
    assert_int_equal(reply.status, 201);
    assert_non_null(strstr(reply.body, "\"id\":"));
    assert_false(reply_has(&reply, "x-run"));
    reply_free(&reply);
    assert_int_equal(atomic_load(&rig->applied), 2);
    assert_int_equal(rig_things(), 1);
}

/* A queue that is full says so at once. */

static void full_pool_is_503(void **state)
{
    (void)state;
    enum {
        RUNNING = 2,
        QUEUED = 64
    };
    int fds[RUNNING + QUEUED];
    for (int i = 0; i < RUNNING; i++)
        fds[i] = http_send("GET /t/hold", NULL);
    wait_for(atomic_load(&rig->held) == RUNNING);
    for (int i = RUNNING; i < RUNNING + QUEUED; i++)
        fds[i] = http_send("GET /t/hold", NULL);
    wait_for(pool_queue_length(app_pool(rig->app, POOL_SLOW)) == QUEUED);
    struct reply reply = http("GET /t/hold", NULL);
    assert_int_equal(reply.status, 503);
    assert_true(reply_has(&reply, "\r\nretry-after: 1"));
    reply_free(&reply);
    expect("GET /t/read", NULL, 200, NULL); /* the other pool goes on */
    for (int i = 0; i < RUNNING + QUEUED; i++)
        sem_post(&rig->hold);
    for (int i = 0; i < RUNNING + QUEUED; i++) {
        reply = http_receive(fds[i]);
        assert_int_equal(reply.status, 200);
        reply_free(&reply);
    }
}

static enum err nothing_apply(struct writer_job *job, struct writer_tx *tx)
{
    (void)job;
    (void)tx;
    return ERR_OK;
}

static void full_writer_is_503(void **state)
{
    (void)state;
    struct blocking_job blocking;
    struct writer_job *jobs = calloc(WRITER_QUEUE_MAX, sizeof(*jobs));
    assert_non_null(jobs);
    writer_hold(&blocking);
    for (size_t i = 0; i < WRITER_QUEUE_MAX; i++) {
        jobs[i] = (struct writer_job){.apply = nothing_apply, .done = ignore_done};
        assert_ok(writer_submit(rig->service.writer, &jobs[i]));
    }
    struct reply reply = http("POST /t/things", THING);
    assert_int_equal(reply.status, 503);
    assert_true(reply_has(&reply, "\r\nretry-after: 1"));
    reply_free(&reply);
    expect("GET /t/read", NULL, 200, NULL);
    writer_let_go(&blocking);
    wait_for(writer_waiting() == 0);
    expect("POST /t/things", THING, 201, NULL);
    free(jobs);
}

/* Limits */

static void rate_is_limited_per_class(void **state)
{
    (void)state;
    const int burst = 60;
    int granted = 0;
    struct reply reply;
    /* One comes back each second meanwhile: a slow machine is granted more than the burst. */
    while ((reply = http("POST /t/own\r\nIdempotency-Key: a", THING)).status == 201) {
        reply_free(&reply);
        assert_true(++granted < 20 * burst);
    }
    assert_true(granted >= burst);
    assert_int_equal(reply.status, 429);
    assert_true(reply_has(&reply, "\r\nretry-after: 1"));
    assert_true(reply_has(&reply, "\r\nratelimit-policy: \"auth\";q=60;w=60"));
    assert_true(reply_has(&reply, "\r\nratelimit: \"auth\";r=0;t=60"));
    assert_non_null(strstr(reply.body, "\"type\":\"rate-limited\""));
    reply_free(&reply);
    expect("GET /t/loop", NULL, 200, NULL);
    expect("POST /v1/test/clock", "{\"advance_ms\":1000}", 200, "\"now\":");
    expect("POST /t/own\r\nIdempotency-Key: a", THING, 201, NULL);
}

static void rate_limit_shows_on_answers(void **state)
{
    (void)state;
    struct reply reply = http("GET /t/loop?again=1", NULL);
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "\r\nratelimit: \"default\";r=299;"));
    reply_free(&reply);
    reply = http("POST /t/things", THING);
    /* One less, unless the time for one has passed. */
    assert_true(reply_has(&reply, "\r\nratelimit: \"default\";r=298;") ||
                reply_has(&reply, "\r\nratelimit: \"default\";r=299;"));
    reply_free(&reply);
    reply = http("POST /t/things/thg_0000000000005", NULL);
    assert_false(reply_has(&reply, "\r\nratelimit"));
    reply_free(&reply);
    reply = http("GET /t/staff" ADMIN, NULL); /* operators are not limited */
    assert_int_equal(reply.status, 200);
    assert_false(reply_has(&reply, "\r\nratelimit"));
    reply_free(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(kinds_answer_where_they_belong),
        rig_test(loop_goes_on_in_the_pool),
        rig_test(unknown_paths_and_methods),
        rig_test(head_is_a_get_without_body),
        rig_test(body_is_limited_by_the_route),
        rig_test(body_must_be_json),
        rig_test(body_must_not_be_compressed),
        rig_test(fields_are_named),
        rig_test(query_is_checked),
        rig_test(path_parameters_are_ids),
        rig_test(callers_are_asked_for),
        rig_test(scopes_decide),
        rig_test(answers_have_their_headers),
        rig_test(trace_context_is_understood_or_ignored),
        rig_test(refusal_is_rolled_back_and_answered),
        rig_test(refusal_in_prepare_never_reaches_the_writer),
        rig_test(failures_are_503_or_500),
        rig_test(prepare_on_loop_may_go_to_the_pool),
        rig_test(lost_group_is_run_again_with_fresh_answers),
        rig_test(full_pool_is_503),
        rig_test(full_writer_is_503),
        limits_test(rate_is_limited_per_class),
        limits_test(rate_limit_shows_on_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
