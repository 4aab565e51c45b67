/* Health, readiness, metrics, the document and the test clock, over a real socket. */
#include "app/service_rig.h"

static void process_is_alive(void **state)
{
    (void)state;
    expect("GET /healthz", NULL, 200, "{\"status\":\"ok\"}");
}

static void ready_until_it_stops(void **state)
{
    (void)state;
    expect("GET /readyz", NULL, 200, "\"status\":\"ready\"");
    app_set_draining(rig->app);
    expect("GET /readyz", NULL, 503, "{\"name\":\"serving\",\"ok\":false,\"reason\":\"stopping\"}");
    expect("GET /healthz", NULL, 200, NULL);
    expect("POST /t/things", "{\"name\":\"last\"}", 201, NULL); /* what comes is still served */
}

static void not_ready_when_writes_fail(void **state)
{
    (void)state;
    expect("POST /t/things", "{\"name\":\"io\"}", 503, NULL);
    expect("GET /readyz", NULL, 503, "\"reason\":\"the last write failed\"");
    expect("POST /t/things", "{\"name\":\"chair\"}", 201, NULL);
    expect("GET /readyz", NULL, 200, NULL);
    expect("POST /t/things", "{\"name\":\"io\"}", 503, NULL);
    clock_advance_ms(10001); /* or nobody would ever send the write that proves it well */
    expect("GET /readyz", NULL, 200, NULL);
}

static bool says_no(void *ctx, const char **ret_reason)
{
    *ret_reason = "the bank is closed";
    return *(bool *)ctx;
}

static void services_have_a_say(void **state)
{
    (void)state;
    bool is_open = false;
    app_add_readiness(rig->app, "bank", says_no, &is_open);
    expect("GET /readyz", NULL, 503,
           "{\"name\":\"bank\",\"ok\":false,\"reason\":\"the bank is closed\"}");
    expect("GET /metrics", NULL, 200, "\nfoyer_ready 0\n");
    is_open = true;
    expect("GET /readyz", NULL, 200, "{\"name\":\"bank\",\"ok\":true}");
}

/* The value of a sample; -1: it is not there. */
static long long sample(const char *name)
{
    struct reply reply = http("GET /metrics", NULL);
    char line[256];
    long long value = -1;
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "\r\ncontent-type: text/plain; version=0.0.4"));
    (void)snprintf(line, sizeof(line), "\n%s ", name);
    const char *found = strstr(reply.body, line);
    if (found)
        assert_int_equal(sscanf(found + strlen(line), "%lld", &value), 1);
    reply_free(&reply);
    return value;
}

static void requests_are_counted_by_route(void **state)
{
    (void)state;
    const char *done =
        "foyer_http_requests_total{method=\"POST\",route=\"/t/things\",status=\"2xx\"}";
    const char *refused =
        "foyer_http_requests_total{method=\"POST\",route=\"/t/things\",status=\"4xx\"}";
    const char *timed =
        "foyer_http_request_duration_seconds_count{method=\"POST\",route=\"/t/things\"}";
    const char *unknown = "foyer_http_requests_total{method=\"GET\",route=\"/*\",status=\"4xx\"}";
    const char *jobs = "foyer_writer_jobs_total{service=\"rig\"}";
    long long before[] = {sample(done), sample(refused), sample(timed), sample(unknown),
                          sample(jobs)};
    expect("POST /t/things", "{\"name\":\"chair\"}", 201, NULL);
    expect("POST /t/things", "{\"name\":\"refuse\"}", 409, NULL);
    expect("GET /v1/nothing", NULL, 404, NULL);
    assert_int_equal(sample(done), before[0] + 1);
    assert_int_equal(sample(refused), before[1] + 1);
    assert_int_equal(sample(timed), before[2] + 2);
    assert_int_equal(sample(unknown), before[3] + 1);
    assert_int_equal(sample(jobs), before[4] + 2);
    assert_true(sample("process_resident_memory_bytes") > 1000000);
    assert_true(sample("process_open_fds") > 3);
    assert_true(sample("foyer_connections_accepted_total") > 10);
    assert_int_equal(sample("foyer_requests_open"), 1); /* this one */
    assert_int_equal(sample("foyer_pool_queue{pool=\"read\"}"), 0);
}

static void clock_moves_by_request(void **state)
{
    (void)state;
    int64_t before_ms = clock_now_ms();
    expect("POST /v1/test/clock", "{\"advance_ms\":60000}", 200, "{\"now\":\"20");
    assert_true(clock_now_ms() - before_ms >= 60000);
    assert_true(clock_now_ms() - before_ms < 120000);
    expect("POST /v1/test/clock", "{\"advance_ms\":-1}", 422, "\"advance_ms\"");
    expect("POST /v1/test/clock", "{}", 422, "\"advance_ms\"");
}

static void clock_stands_still_without_the_flag(void **state)
{
    (void)state;
    rig_stop();
    rig->config.test_clock = false;
    rig_start();
    expect("POST /v1/test/clock", "{\"advance_ms\":60000}", 404, NULL);
}

static void document_is_served(void **state)
{
    (void)state;
    struct reply reply = http("GET /openapi.json", NULL);
    char head[256], etag[64];
    assert_int_equal(reply.status, 200);
    assert_true(reply_has(&reply, "\r\ncontent-type: application/json"));
    assert_non_null(strstr(reply.body, "\"/t/things/{id}\":{"));
    assert_null(strstr(reply.body, "/v1/test/clock"));
    const char *found = strcasestr(reply.text, "\r\netag: ");
    assert_non_null(found);
    assert_int_equal(sscanf(found, "\r\n%*[^:]: %63s", etag), 1);
    reply_free(&reply);
    (void)snprintf(head, sizeof(head), "GET /openapi.json\r\nIf-None-Match: %s", etag);
    expect(head, NULL, 304, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rig_test(process_is_alive),
        rig_test(ready_until_it_stops),
        rig_test(not_ready_when_writes_fail),
        rig_test(services_have_a_say),
        rig_test(requests_are_counted_by_route),
        rig_test(clock_moves_by_request),
        rig_test(clock_stands_still_without_the_flag),
        rig_test(document_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
