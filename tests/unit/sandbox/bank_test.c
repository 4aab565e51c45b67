/* The bank as its merchant and its buyers meet it: over HTTP, in a process of its own that may be
 * killed. */
#include "sandbox/bank_rig.h"

struct rig {
    struct bank_rig bank;
    struct merchant merchant;
    int sessions;
    char url[512], id[128]; /* of the newest session */
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    log_set_level(LOG_OFF);
    bank_rig_open(&rig->bank);
    merchant_open(&rig->merchant, sandbox_child_secret(rig->bank.child));
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    bank_rig_close(&rig->bank);
    merchant_close(&rig->merchant);
    free(rig);
    return 0;
}

static int post_session(struct rig *rig, const char *key, int amount, unsigned port)
{
    char body[1024];
    snprintf(body, sizeof(body),
             "{\"reference\":\"order-%s\",\"amount\":%d,\"currency\":\"EUR\",\"description\":"
             "\"<b>Show</b> & tell\",\"callback_url\":\"http://127.0.0.1:%u/hook\",\"return_url\":"
             "\"http://127.0.0.1:%u/thanks\"}",
             key, amount, port, port);
    return bank(&rig->bank, "POST", "/sessions", key, body);
}

static void open_session(struct rig *rig)
{
    char key[32];
    snprintf(key, sizeof(key), "key-%d", ++rig->sessions);
    assert_int_equal(post_session(rig, key, 1234, server_port(rig->merchant.server)), 201);
    answer_member(&rig->bank, "url", rig->url, sizeof(rig->url));
    answer_member(&rig->bank, "id", rig->id, sizeof(rig->id));
}

static int session(struct rig *rig, const char *method, const char *action)
{
    char path[256];
    snprintf(path, sizeof(path), "/sessions/%s%s", rig->id, action);
    return bank(&rig->bank, method, path, NULL, NULL);
}

static int complete(struct rig *rig, const char *body)
{
    return buyer(&rig->bank, "POST", rig->url, "/complete", body);
}

static bool is_settled(struct rig *rig)
{
    assert_int_equal(bank(&rig->bank, "GET", "/ledger/summary", NULL, NULL), 200);
    return answer_has(&rig->bank, "\"callbacks_waiting\":0");
}

/* --- Sessions --- */

static void an_idempotency_key_makes_one_session(void **state)
{
    struct rig *rig = *state;
    char first[128], again[128];
    assert_int_equal(post_session(rig, "k", 500, 9), 201);
    answer_member(&rig->bank, "id", first, sizeof(first));
    assert_int_equal(post_session(rig, "k", 500, 9), 200);
    answer_member(&rig->bank, "id", again, sizeof(again));
    assert_string_equal(first, again);
    assert_int_equal(post_session(rig, "k", 501, 9), 409);
    assert_int_equal(post_session(rig, "k2", 0, 9), 422);
    assert_int_equal(bank(&rig->bank, "POST", "/sessions", NULL, "{}"), 400);
    assert_int_equal(bank(&rig->bank, "POST", "/sessions", "k3", "{"), 422);
    assert_int_equal(bank(&rig->bank, "GET", "/sessions/none", NULL, NULL), 404);
}

static void strangers_are_turned_away(void **state)
{
    struct rig *rig = *state;
    static const char *const paths[] = {"/sessions/x", "/ledger", "/ledger/summary", "/control"};
    const char *url = sandbox_child_url(rig->bank.child);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(buyer(&rig->bank, "GET", url, paths[i], NULL), 401);
    assert_int_equal(buyer(&rig->bank, "POST", url, "/sessions", "{}"), 401);
    assert_int_equal(buyer(&rig->bank, "GET", url, "/health", NULL), 204);
    assert_int_equal(buyer(&rig->bank, "GET", url, "/pay/sbs_none", NULL), 404);
    assert_int_equal(buyer(&rig->bank, "DELETE", url, "/ledger", NULL), 405);
}

static void a_session_ends_once(void **state)
{
    struct rig *rig = *state;
    open_session(rig);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200); /* a reply was lost */
    assert_int_equal(complete(rig, "{\"outcome\":\"failed\"}"), 409);
    assert_int_equal(session(rig, "POST", "/close"), 200);
    assert_true(answer_has(&rig->bank, "\"status\":\"succeeded\""));
    open_session(rig);
    assert_int_equal(session(rig, "POST", "/close"), 200);
    assert_int_equal(session(rig, "POST", "/close"), 200);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 409);
    assert_int_equal(session(rig, "GET", ""), 200);
    assert_true(answer_has(&rig->bank, "\"status\":\"closed\""));
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\",\"late\":true}"), 200);
    open_session(rig);
    assert_int_equal(complete(rig, "{\"outcome\":\"failed\"}"), 200);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 409);
    assert_int_equal(complete(rig, "{\"outcome\":\"odd\"}"), 422);
    assert_int_equal(complete(rig, "{\"outcome\":\"failed\",\"callbacks\":{\"count\":99}}"), 422);
    assert_int_equal(bank(&rig->bank, "GET", "/ledger/summary", NULL, NULL), 200);
    assert_true(answer_has(&rig->bank, "\"captured\":2468"));
}

/* --- Refunds --- */

static int refund(struct rig *rig, const char *key, const char *payment_ref, int amount)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"payment_ref\":\"%s\",\"amount\":%d,\"currency\":\"EUR\",\"reference\":\"r\"}",
             payment_ref, amount);
    return bank(&rig->bank, "POST", "/refunds", key, body);
}

static void refunds_happen_once_and_never_exceed(void **state)
{
    struct rig *rig = *state;
    char payment_ref[64], id[64], again[64];
    open_session(rig);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200);
    answer_member(&rig->bank, "payment_ref", payment_ref, sizeof(payment_ref));
    assert_int_equal(refund(rig, "r1", payment_ref, 1000), 201);
    answer_member(&rig->bank, "id", id, sizeof(id));
    assert_int_equal(refund(rig, "r1", payment_ref, 1000), 200);
    answer_member(&rig->bank, "id", again, sizeof(again));
    assert_string_equal(id, again);
    assert_int_equal(refund(rig, "r1", payment_ref, 999), 409);
    assert_int_equal(refund(rig, "r2", payment_ref, 235), 409);
    assert_int_equal(refund(rig, "r2", payment_ref, 234), 201);
    assert_int_equal(refund(rig, "r3", payment_ref, 1), 409);
    assert_int_equal(refund(rig, "r4", "sbp_none", 1), 404);
    assert_int_equal(bank(&rig->bank, "GET", "/ledger/summary", NULL, NULL), 200);
    assert_true(answer_has(&rig->bank, "\"captured\":1234,\"refunded\":1234"));
    wait_for(merchant_took(&rig->merchant, "refund.succeeded", 200) == 2);
}

/* --- Callbacks --- */

static void callbacks_come_until_they_are_taken(void **state)
{
    struct rig *rig = *state;
    rig->merchant.refusals = 3;
    open_session(rig);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200);
    wait_for(merchant_took(&rig->merchant, "payment.succeeded", 200) == 1);
    assert_int_equal(merchant_took(&rig->merchant, "payment.succeeded", 500), 3);
    wait_for(is_settled(rig));
}

static void a_script_gets_the_callbacks_it_asks_for(void **state)
{
    struct rig *rig = *state;
    open_session(rig);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":0}}"), 200);
    assert_true(is_settled(rig));
    open_session(rig);
    assert_int_equal(complete(rig, "{\"outcome\":\"failed\",\"callbacks\":{\"count\":4}}"), 200);
    wait_for(is_settled(rig));
    assert_int_equal(merchant_took(&rig->merchant, rig->id, 200), 4);
    open_session(rig);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":2,"
                                   "\"delay_ms\":20,\"shuffle\":true,\"forge\":true}}"),
                     200);
    wait_for(is_settled(rig));
    assert_int_equal(merchant_took(&rig->merchant, rig->id, 200), 4); /* two, open, failed */
    assert_int_equal(merchant_took(&rig->merchant, rig->id, 400), 2); /* badly and old signed */
    assert_int_equal(merchant_took(&rig->merchant, "payment.succeeded", 200), 2);
}

static void a_merchant_that_moved_is_found(void **state)
{
    struct rig *rig = *state;
    char body[128];
    assert_int_equal(post_session(rig, "moved", 77, 1), 201); /* nobody listens at port 1 */
    answer_member(&rig->bank, "url", rig->url, sizeof(rig->url));
    snprintf(body, sizeof(body), "{\"callback_url\":\"http://127.0.0.1:%u/hook\"}",
             server_port(rig->merchant.server));
    assert_int_equal(bank(&rig->bank, "PUT", "/endpoint", NULL, body), 204);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200);
    wait_for(merchant_took(&rig->merchant, "order-moved", 200) == 1);
}

static void the_banks_time_is_the_merchants(void **state)
{
    struct rig *rig = *state;
    open_session(rig);
    clock_advance_ms(3600000);
    assert_int_equal(session(rig, "GET", ""), 200); /* tells what time it is */
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200);
    wait_for(is_settled(rig));
    assert_int_equal(merchant_took(&rig->merchant, rig->id, 200), 1);
}

/* --- Behaviour --- */

static int control(struct rig *rig, const char *body)
{
    return bank(&rig->bank, "POST", "/control", NULL, body);
}

static void parts_refuse_when_told(void **state)
{
    struct rig *rig = *state;
    open_session(rig);
    assert_int_equal(control(rig, "{\"sessions\":\"refuse\"}"), 200);
    assert_int_equal(post_session(rig, "no", 5, 9), 503);
    assert_int_equal(session(rig, "GET", ""), 200);
    assert_int_equal(control(rig, "{\"sessions\":\"ok\",\"status\":\"refuse\"}"), 200);
    assert_int_equal(session(rig, "GET", ""), 503);
    assert_int_equal(session(rig, "POST", "/close"), 503);
    assert_int_equal(post_session(rig, "yes", 5, 9), 201);
    assert_int_equal(control(rig, "{\"status\":\"sometimes\"}"), 422);
    assert_int_equal(control(rig, "{\"status\":\"ok\"}"), 200);
    assert_int_equal(session(rig, "GET", ""), 200);
}

static void *release_soon(void *ctx)
{
    struct rig *rig = ctx;
    (void)usleep(300000);
    /* Through a connection and a text of its own: the hanging call uses the rig's. */
    struct bank_rig other = rig->bank;
    struct http_client_options options = {.in_flight_max = 1, .queue_max = 1};
    if (http_client_new(&options, &other.client) == ERR_OK) {
        (void)bank(&other, "POST", "/control", NULL, "{\"sessions\":\"ok\"}");
        http_client_free(other.client);
    }
    return NULL;
}

static void what_hangs_is_released(void **state)
{
    struct rig *rig = *state;
    pthread_t thread;
    assert_int_equal(control(rig, "{\"sessions\":\"hang\"}"), 200);
    int64_t began_ns = clock_mono_ns();
    assert_int_equal(pthread_create(&thread, NULL, release_soon, rig), 0);
    assert_int_equal(post_session(rig, "hung", 5, 9), 503);
    assert_true(clock_mono_ns() - began_ns > 200 * 1000000LL);
    pthread_join(thread, NULL);
}

static void it_stops_while_requests_hang(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(control(rig, "{\"sessions\":\"hang\"}"), 200);
    struct rig_call hanging = {
        .call = {
            .method = "POST", .timeout_ms = 10000, .response_max = 4096, .on_done = rig_call_done}};
    char url[512], bearer[256];
    snprintf(url, sizeof(url), "%s/sessions", sandbox_child_url(rig->bank.child));
    snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s",
             sandbox_child_secret(rig->bank.child));
    hanging.call.url = url;
    hanging.call.headers[0] = bearer;
    sem_init(&hanging.done, 0, 0);
    assert_int_equal(http_client_submit(rig->bank.client, &hanging.call), ERR_OK);
    (void)usleep(100000);
    int64_t began_ns = clock_mono_ns();
    sandbox_child_stop(rig->bank.child);
    assert_true(clock_mono_ns() - began_ns < 4 * 1000000000LL); /* not by force */
    while (sem_wait(&hanging.done) != 0)
        continue;
    http_call_release(&hanging.call);
    bank_rig_start(&rig->bank);
    assert_int_equal(post_session(rig, "anew", 5, 9), 201); /* a new one behaves */
}

/* --- The page --- */

static void a_person_pays_on_the_page(void **state)
{
    struct rig *rig = *state;
    open_session(rig);
    assert_int_equal(buyer(&rig->bank, "GET", rig->url, "", NULL), 200);
    assert_true(answer_has(&rig->bank, "12.34 EUR"));
    assert_true(answer_has(&rig->bank, "&lt;b&gt;Show&lt;/b&gt; &amp; tell"));
    assert_false(answer_has(&rig->bank, "<b>Show"));
    static const char *const refused[] = {"card=4000+0000+0000+0002&action=pay",
                                          "card=4000000000009995&action=pay", "card=1&action=pay",
                                          "action=pay", "card=42424242424242424242"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(buyer(&rig->bank, "POST", rig->url, "", refused[i]), 402);
        assert_true(answer_has(&rig->bank, "role=\"alert\""));
    }
    assert_int_equal(
        buyer(&rig->bank, "POST", rig->url, "", "card=4242%204242%204242%204242&action=pay"), 303);
    assert_int_equal(buyer(&rig->bank, "GET", rig->url, "", NULL), 200);
    assert_true(answer_has(&rig->bank, "This is paid"));
    wait_for(merchant_took(&rig->merchant, "payment.succeeded", 200) == 1);
    open_session(rig);
    assert_int_equal(buyer(&rig->bank, "POST", rig->url, "", "card=&action=cancel"), 303);
    assert_int_equal(buyer(&rig->bank, "POST", rig->url, "", "card=4242424242424242&action=pay"),
                     409);
    open_session(rig);
    assert_int_equal(buyer(&rig->bank, "POST", rig->url, "", "card=4000000000000341&action=pay"),
                     303);
    wait_for(merchant_took(&rig->merchant, "payment.failed", 200) == 2);
}

/* --- The ledger --- */

static void the_ledger_survives_being_killed(void **state)
{
    struct rig *rig = *state;
    open_session(rig);
    assert_int_equal(control(rig, "{\"callbacks\":\"refuse\"}"), 200);
    assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200);
    pid_t pid = bank_pid();
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    wait_for(bank(&rig->bank, "GET", "/ledger/summary", NULL, NULL) == 200); /* at the same URL */
    assert_true(answer_has(&rig->bank, "\"captured\":1234"));
    assert_true(bank_pid() != pid);
    wait_for(merchant_took(&rig->merchant, rig->id, 200) == 1); /* and the callback was not lost */
}

static void the_ledger_is_paged(void **state)
{
    struct rig *rig = *state;
    char cursor[128], path[256];
    for (int i = 0; i < 5; i++) {
        open_session(rig);
        assert_int_equal(complete(rig, "{\"outcome\":\"succeeded\"}"), 200);
    }
    assert_int_equal(bank(&rig->bank, "GET", "/ledger?limit=3", NULL, NULL), 200);
    answer_member(&rig->bank, "next_cursor", cursor, sizeof(cursor));
    snprintf(path, sizeof(path), "/ledger?limit=3&cursor=%s", cursor);
    assert_int_equal(bank(&rig->bank, "GET", path, NULL, NULL), 200);
    assert_true(answer_has(&rig->bank, "order-key-5") && answer_has(&rig->bank, "order-key-4"));
    assert_false(answer_has(&rig->bank, "order-key-3"));
    assert_true(answer_has(&rig->bank, "\"next_cursor\":null"));
    assert_int_equal(bank(&rig->bank, "GET", "/ledger?reference=order-key-2", NULL, NULL), 200);
    assert_true(answer_has(&rig->bank, "order-key-2") && !answer_has(&rig->bank, "order-key-1\""));
    assert_int_equal(bank(&rig->bank, "GET", "/ledger?limit=x", NULL, NULL), 422);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "sandbox") == 0)
        return sandbox_main(argc - 2, argv + 2);
    const struct CMUnitTest tests[] = {
        TEST(an_idempotency_key_makes_one_session),
        TEST(strangers_are_turned_away),
        TEST(a_session_ends_once),
        TEST(refunds_happen_once_and_never_exceed),
        TEST(callbacks_come_until_they_are_taken),
        TEST(a_script_gets_the_callbacks_it_asks_for),
        TEST(a_merchant_that_moved_is_found),
        TEST(the_banks_time_is_the_merchants),
        TEST(parts_refuse_when_told),
        TEST(what_hangs_is_released),
        TEST(it_stops_while_requests_hang),
        TEST(a_person_pays_on_the_page),
        TEST(the_ledger_survives_being_killed),
        TEST(the_ledger_is_paged),
    };
    return crypto_init() == ERR_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
