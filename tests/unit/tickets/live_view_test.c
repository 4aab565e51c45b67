/*
 * The view of a live map, with a client that knows only the frames: from whatever frame it goes on, it shows the same in the end,
 * and at each frame nothing older than the frame's version.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/rand.h"
#include "tickets/live_view.h"

#define SEATS_MAX 5000
#define AREAS     3

/* --- a model without a database --- */

struct rig {
    struct layout layout;
    struct layout_category categories[2];
    uint8_t seat_categories[SEATS_MAX];
    struct event_model model;
    _Atomic uint8_t seats[SEATS_MAX];
    _Atomic int32_t area_available[AREAS];
    struct model_area areas[AREAS];
    _Atomic int64_t looked; /* version of the last look */
};

static void rig_init(struct rig *rig, uint32_t seat_count)
{
    memset(rig, 0, sizeof(*rig));
    rig->layout = (struct layout){.venue_id = 5,
                                  .plan_version = 1,
                                  .seat_count = seat_count,
                                  .category_count = 2,
                                  .categories = rig->categories,
                                  .seat_categories = rig->seat_categories};
    rig->categories[0].name = STR("front");
    rig->categories[1].name = STR("back");
    for (int i = 0; i < AREAS; i++) {
        rig->areas[i] = (struct model_area){
            .area_no = (uint32_t)i, .guid = STR("a"), .name = STR("A"), .capacity = 100};
        atomic_store(&rig->area_available[i], 100);
    }
    rig->model.layout = &rig->layout;
    rig->model.seats = rig->seats;
    rig->model.areas = rig->areas;
    rig->model.area_count = AREAS;
    rig->model.area_available = rig->area_available;
    atomic_store(&rig->model.version, 1);
}

/* --- a client --- */

struct client {
    uint8_t seats[SEATS_MAX];
    int areas[AREAS];
    int64_t version;
    char id[80];
    bool is_snapshot; /* the last frame was one */
};

static void take_seats(struct client *client, const char *text)
{
    static uint8_t bits[SEATS_MAX / 4 + 4];
    size_t len = 0;
    const char *end = strchr(text, '"');
    assert_non_null(end);
    assert_int_equal(base64_decode(str_from(text, (size_t)(end - text)), bits, sizeof(bits), &len),
                     ERR_OK);
    for (size_t i = 0; i < len * 4 && i < SEATS_MAX; i++)
        client->seats[i] = bits[i / 4] >> 2 * (i % 4) & 3;
}

/* [[i,n],…]; each to take(). */
static void take_pairs(struct client *client, const char *text, bool is_area)
{
    int index, value, used = 0;
    while (sscanf(text, "%*[,[][%d,%d]%n", &index, &value, &used) == 2 ||
           sscanf(text, "[%d,%d]%n", &index, &value, &used) == 2) {
        assert_true(index >= 0 && index < (is_area ? AREAS : SEATS_MAX));
        if (is_area)
            client->areas[index] = value;
        else
            client->seats[index] = (uint8_t)value;
        text += used;
        text += *text == ',';
    }
    assert_int_equal(*text, ']');
}

static void client_take(struct client *client, struct shared *take_frame)
{
    char name[16];
    assert_non_null(take_frame);
    char *text = strndup(take_frame->bytes, take_frame->size);
    shared_unref(take_frame);
    assert_non_null(text);
    assert_int_equal(sscanf(text, "id: %79s\nevent: %15s\ndata: {\"version\":%" SCNd64, client->id,
                            name, &client->version),
                     3);
    assert_string_equal(text + strlen(text) - 3, "}\n\n");
    client->is_snapshot = strcmp(name, "snapshot") == 0;
    const char *seats = strstr(text, "\"seats\":\""), *changes = strstr(text, "\"changes\":[");
    const char *areas = strstr(text, "\"areas\":[");
    assert_true((seats != NULL) == client->is_snapshot && (changes == NULL) == client->is_snapshot);
    if (seats)
        take_seats(client, seats + strlen("\"seats\":\""));
    if (changes)
        take_pairs(client, changes + strlen("\"changes\":["), false);
    if (areas)
        take_pairs(client, areas + strlen("\"areas\":["), true);
    free(text);
}

static void assert_shows(const struct client *client, const struct rig *rig)
{
    for (uint32_t i = 0; i < rig->layout.seat_count; i++)
        assert_int_equal(client->seats[i], seatmap_seat_state(&rig->model, i));
    for (int i = 0; i < AREAS; i++)
        assert_int_equal(client->areas[i], atomic_load(&rig->area_available[i]));
}

/* --- tests --- */

static void change_some(struct rig *rig, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        atomic_store(&rig->seats[rand_below(rig->layout.seat_count)], (uint8_t)rand_below(4));
    atomic_store(&rig->area_available[rand_below(AREAS)], (int32_t)rand_below(101));
    atomic_fetch_add(&rig->model.version, 1);
}

/* Clients that follow, and clients that were away since any earlier frame. */
static void test_from_every_frame_to_the_same(void **state)
{
    enum {
        FRAMES = 60
    };
    static struct client clients[FRAMES];
    static struct client follower;
    static struct rig rig;
    uint32_t known;
    (void)state;
    rand_seed(7);
    for (int round = 0; round < 20; round++) {
        rig_init(&rig, (uint32_t)(1 + rand_below(round % 2 ? SEATS_MAX : 20)));
        struct live_view *view = live_view_new(&rig.model);
        assert_non_null(view);
        client_take(&follower, live_view_snapshot(view));
        assert_true(follower.is_snapshot);
        for (int i = 0; i < FRAMES; i++) {
            assert_shows(&follower, &rig);
            assert_int_equal(follower.version, live_view_version(view));
            clients[i] = follower;
            assert_true(live_view_knows(view, str_from_c(follower.id), &known));
            assert_int_equal(known, live_view_frame(view));
            change_some(&rig, (uint32_t)rand_below(40));
            if (live_view_look(view, &rig.model))
                client_take(&follower, live_view_since(view, live_view_frame(view) - 1));
        }
        for (int i = 0; i < FRAMES; i++) {
            assert_true(live_view_knows(view, str_from_c(clients[i].id), &known));
            client_take(&clients[i], live_view_since(view, known));
            assert_shows(&clients[i], &rig);
        }
        live_view_free(view);
    }
    rand_seed(0);
}

static void test_nothing_new_is_no_frame(void **state)
{
    static struct rig rig;
    struct client client = {0};
    (void)state;
    rig_init(&rig, 100);
    struct live_view *view = live_view_new(&rig.model);
    assert_false(live_view_look(view, &rig.model));
    atomic_fetch_add(&rig.model.version, 5); /* other things happened */
    assert_false(live_view_look(view, &rig.model));
    assert_int_equal(live_view_frame(view), 0);
    struct shared *one = live_view_snapshot(view), *two = live_view_snapshot(view);
    assert_ptr_equal(one, two); /* encoded once */
    shared_unref(two);
    client_take(&client, one);
    assert_int_equal(client.version, 6); /* but the version is the newest */
    client_take(&client, live_view_since(view, 0));
    assert_false(client.is_snapshot);
    assert_shows(&client, &rig);
    live_view_free(view);
}

static void test_a_delta_is_never_larger_than_the_snapshot(void **state)
{
    static struct rig rig;
    struct client client = {0};
    int deltas = 0, snapshots = 0;
    (void)state;
    rig_init(&rig, SEATS_MAX);
    struct live_view *view = live_view_new(&rig.model);
    client_take(&client, live_view_snapshot(view));
    struct shared *snapshot = live_view_snapshot(view);
    for (uint32_t count = 1; count < SEATS_MAX; count += 37) {
        for (uint32_t i = 0; i < count; i++)
            atomic_store(&rig.seats[i], (uint8_t)((atomic_load(&rig.seats[i]) + 1) % 4));
        assert_true(live_view_look(view, &rig.model));
        struct shared *frame = live_view_since(view, live_view_frame(view) - 1);
        assert_non_null(frame);
        assert_true(frame->size < snapshot->size + 100);
        client_take(&client, frame);
        deltas += !client.is_snapshot;
        snapshots += client.is_snapshot;
        assert_shows(&client, &rig);
    }
    assert_true(deltas > 5 && snapshots > 5);
    shared_unref(snapshot);
    live_view_free(view);
}

static void test_seats_without_a_price_are_blocked(void **state)
{
    static struct rig rig;
    struct client client = {0};
    (void)state;
    rig_init(&rig, 8);
    for (uint32_t i = 4; i < 8; i++)
        rig.seat_categories[i] = 1;
    struct live_view *view = live_view_new(&rig.model);
    client_take(&client, live_view_snapshot(view));
    assert_int_equal(client.seats[5], SEAT_FREE);
    rig.model.prices[1] = PRICE_NONE; /* of a model loaded anew */
    assert_true(live_view_fits(view, &rig.model));
    assert_true(live_view_look(view, &rig.model));
    client_take(&client, live_view_since(view, 0));
    assert_int_equal(client.seats[5], SEAT_BLOCKED);
    assert_int_equal(client.seats[3], SEAT_FREE);
    live_view_free(view);
}

static void test_another_map_does_not_fit(void **state)
{
    static struct rig rig;
    (void)state;
    rig_init(&rig, 100);
    struct live_view *view = live_view_new(&rig.model);
    assert_true(live_view_fits(view, &rig.model));
    rig.layout.plan_version = 2;
    assert_false(live_view_fits(view, &rig.model));
    rig.layout.plan_version = 1;
    rig.areas[1].capacity = 101;
    assert_false(live_view_fits(view, &rig.model));
    rig.areas[1].capacity = 100;
    rig.model.area_count = 2;
    assert_false(live_view_fits(view, &rig.model));
    rig.model.area_count = AREAS;
    rig.layout.seat_count = 99;
    assert_false(live_view_fits(view, &rig.model));
    rig.layout.seat_count = 100;
    assert_true(live_view_fits(view, &rig.model));
    live_view_free(view);
}

static void test_ids_of_others_are_not_known(void **state)
{
    static struct rig rig;
    struct client client = {0};
    uint32_t frame;
    (void)state;
    rig_init(&rig, 100);
    struct live_view *view = live_view_new(&rig.model), *other = live_view_new(&rig.model);
    client_take(&client, live_view_snapshot(other));
    assert_false(live_view_knows(view, str_from_c(client.id), &frame));
    assert_true(live_view_knows(other, str_from_c(client.id), &frame));
    client_take(&client, live_view_snapshot(view));
    char *last = strrchr(client.id, '.');
    static const char *const bad[] = {
        "",     ".",   ".1",   ".-1", ".00000000000000000000000", ".4294967296",
        ".0x0", ". 0", ".0.0", ".0 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bool is_zero = strcmp(bad[i], ".00000000000000000000000") == 0;
        (void)snprintf(last, 40, "%s", bad[i]);
        assert_int_equal(live_view_knows(view, str_from_c(client.id), &frame), is_zero);
    }
    assert_false(live_view_knows(view, STR_NONE, &frame));
    live_view_free(view);
    live_view_free(other);
}

/* --- while the model changes --- */

enum {
    RACE_SEATS = 64,
    RACE_VERSIONS = 40000
};

static uint8_t state_at(int64_t version)
{
    return (uint8_t)(version / RACE_SEATS % 4);
}

/* Version v is about seat v % RACE_SEATS: the seat first, then the version, as in model_change.c. Never more than
 * two rounds ahead of a look, or a state that is three rounds newer would seem one round older. */
static void *change_all_the_time(void *arg)
{
    struct rig *rig = arg;
    for (int64_t version = RACE_SEATS; version < RACE_VERSIONS; version++) {
        while (version >= atomic_load(&rig->looked) + 2 * RACE_SEATS)
            sched_yield();
        atomic_store_explicit(&rig->seats[version % RACE_SEATS], state_at(version),
                              memory_order_release);
        atomic_store_explicit(&rig->model.version, version, memory_order_release);
    }
    return NULL;
}

/* How many rounds of states a seat is behind what version promises; 0 and 1 are right: 1 is a state that came later. */
static int rounds_off(const struct client *client, uint32_t seat)
{
    int64_t last = client->version - (client->version - (int64_t)seat) % RACE_SEATS;
    return (client->seats[seat] - state_at(last) + 4) % 4;
}

static void test_a_version_promises_no_less(void **state)
{
    static struct rig rig;
    struct client client = {0};
    pthread_t thread;
    (void)state;
    rig_init(&rig, RACE_SEATS);
    struct live_view *view = live_view_new(&rig.model);
    client_take(&client, live_view_snapshot(view));
    assert_int_equal(pthread_create(&thread, NULL, change_all_the_time, &rig), 0);
    while (live_view_version(view) < RACE_VERSIONS - 1) {
        bool has_changed = live_view_look(view, &rig.model);
        atomic_store(&rig.looked, live_view_version(view));
        if (!has_changed)
            continue;
        client_take(&client, live_view_since(view, live_view_frame(view) - 1));
        for (uint32_t i = 0; client.version >= 2 * RACE_SEATS && i < RACE_SEATS; i++)
            assert_true(rounds_off(&client, i) != 3); /* one round older than promised */
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)live_view_look(view, &rig.model);
    client_take(&client, live_view_since(view, 0));
    assert_shows(&client, &rig);
    for (uint32_t i = 0; i < RACE_SEATS; i++)
        assert_int_equal(rounds_off(&client, i), 0);
    client.version += RACE_SEATS; /* the control: a version that is too high is seen */
    assert_int_equal(rounds_off(&client, 0), 3);
    live_view_free(view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_every_frame_to_the_same),
        cmocka_unit_test(test_nothing_new_is_no_frame),
        cmocka_unit_test(test_a_delta_is_never_larger_than_the_snapshot),
        cmocka_unit_test(test_seats_without_a_price_are_blocked),
        cmocka_unit_test(test_another_map_does_not_fit),
        cmocka_unit_test(test_ids_of_others_are_not_known),
        cmocka_unit_test(test_a_version_promises_no_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
