/*
 * How many may listen: of an event, of a network, of events at all, beside the connections of the server; and that whoever leaves
 * makes room. No loops run, so nobody is opened: each request is accepted and given up again.
 */
#include "served.h"

#include "net/server_internal.h"
#include "tickets/live_internal.h"

#define EVENTS (LIVE_VIEWS_MAX + 1)

/* net/websocket_internal.h, which brings h2o along, cannot stand beside the frame. */
void websocket_abandon(struct websocket *socket);

struct stage {
    struct served *served;
    struct live *live;
    struct websocket_hub *hub;
    struct request *requests;
    size_t count;
    struct layout layout;
    struct event_model model;
};

static int setup(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    assert_non_null(stage);
    assert_int_equal(served_setup((void **)&stage->served), 0);
    stage->live = stage->served->fixture->tickets->live;
    struct websocket_options options = *live_event_streams(stage->live);
    options.admit_per_s = 100000000;
    stage->hub = websocket_hub_new(&options, 1);
    stage->requests = calloc(LIVE_PER_EVENT_MAX + 1, sizeof(*stage->requests));
    assert_true(stage->hub && stage->requests);
    /* As live_start, without the thread that would find that these events are none. */
    stage->live->app = stage->served->frame.app;
    stage->live->hub = stage->hub;
    stage->live->users_max = LIVE_LISTENERS_MAX;
    stage->model.layout = &stage->layout;
    stage->model.event.id = 1;
    *state = stage;
    return 0;
}

static void give_up(struct request *request)
{
    if (request->res.websocket)
        websocket_abandon(request->res.websocket);
    arena_release(&request->arena);
    *request = (struct request){0};
}

static int teardown(void **state)
{
    struct stage *stage = *state;
    for (size_t i = 0; i < stage->count; i++)
        give_up(&stage->requests[i]);
    assert_int_equal(stage->live->users, 0);
    assert_int_equal(stage->live->networks.count, 0);
    struct served *served = stage->served;
    assert_int_equal(served_teardown((void **)&served), 0);
    websocket_hub_free(stage->hub);
    free(stage->requests);
    free(stage);
    return 0;
}

static enum live_refusal ask(struct stage *stage, const char *ip)
{
    struct request *request = &stage->requests[stage->count];
    int64_t retry_ms = 0;
    request->method = HTTP_GET;
    arena_init(&request->arena, 4096);
    (void)snprintf(request->peer_ip, sizeof(request->peer_ip), "%s", ip);
    enum live_refusal refusal =
        live_accept(stage->live, request, &stage->model, STR_NONE, &retry_ms);
    if (refusal == LIVE_ACCEPTED)
        stage->count++;
    else
        give_up(request);
    return refusal;
}

static void leave_one(struct stage *stage)
{
    give_up(&stage->requests[--stage->count]);
}

static void test_of_one_network(void **state)
{
    struct stage *stage = *state;
    stage->served->frame.config.abuse = true;
    for (int i = 0; i < LIVE_PER_NETWORK_MAX; i++)
        assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_NETWORK_FULL);
    stage->model.event.id = 2; /* of all events together */
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_NETWORK_FULL);
    assert_int_equal(ask(stage, "192.0.2.2"), LIVE_ACCEPTED);
    leave_one(stage);
    leave_one(stage);
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_NETWORK_FULL);
    stage->served->frame.config.abuse = false;
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    assert_int_equal(stage->live->refused[LIVE_NETWORK_FULL], 3);
}

static void test_of_one_event(void **state)
{
    struct stage *stage = *state;
    for (int i = 0; i < LIVE_PER_EVENT_MAX; i++)
        assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_EVENT_FULL);
    stage->model.event.id = 2;
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    leave_one(stage);
    leave_one(stage);
    stage->model.event.id = 1;
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_EVENT_FULL);
}

static void test_of_all(void **state)
{
    struct stage *stage = *state;
    stage->live->users_max = 10;
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    stage->model.event.id = 2;
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_FULL);
    leave_one(stage);
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
}

static void test_of_events(void **state)
{
    struct stage *stage = *state;
    for (uint64_t i = 1; i < EVENTS; i++) {
        stage->model.event.id = i;
        assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    }
    stage->model.event.id = EVENTS;
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_FULL);
    stage->model.event.id = 1; /* those that are there take more */
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    assert_int_equal(stage->live->hearings.count, LIVE_VIEWS_MAX);
    leave_one(stage); /* of 1, where another one stays */
    stage->model.event.id = EVENTS;
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_FULL);
    leave_one(stage); /* whoever was alone makes room: his event is only remembered */
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_ACCEPTED);
    assert_int_equal(stage->live->hearings.count, LIVE_VIEWS_MAX);
}

static void test_before_the_start(void **state)
{
    struct stage *stage = *state;
    stage->live->hub = NULL;
    assert_int_equal(ask(stage, "192.0.2.1"), LIVE_NOT_RUNNING);
}

#define stage_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        stage_test(test_of_one_network), stage_test(test_of_one_event),     stage_test(test_of_all),
        stage_test(test_of_events),      stage_test(test_before_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
