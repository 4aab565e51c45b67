/*
 * The tickets fixture behind a real application: requests go through dispatch, pools and writers,
 * without a socket. Accounts and keys are made by SQL, because hashing passwords takes its time:
 * 1 organizes the fixture's event, 2 buys, 3 organizes others', 4 is support.
 */
#ifndef TESTS_TICKETS_SERVED_H
#define TESTS_TICKETS_SERVED_H

#include "app/frame.h"
#include "fixture.h"

#include <stdatomic.h>

#define ORGANIZER_KEY "sk_test_organizer_key_000001"
#define DOOR_KEY      "sk_test_door_key_00000000001"
#define BUYER_KEY     "sk_test_buyer_key_0000000002"
#define OTHER_KEY     "sk_test_other_organizer_0003"
#define SUPPORT_KEY   "sk_test_support_key_00000004"
#define BUYER_NAME    "Zo\xc3\xab \xc3\x85ngstr\xc3\xb6m"
#define BUYER_EMAIL   "zoe@example.org"

struct served {
    struct fixture *fixture;
    struct frame frame;
};

/* Brings further services; NULL: none. */
typedef void (*served_more)(struct served *served, struct app_options *options);

static inline void served_key(struct db *db, int64_t account_id, unsigned scopes, const char *key)
{
    uint8_t hash[SHA256_SIZE];
    struct buf sql;
    static int64_t next_id = 100;
    buf_init(&sql, 1024);
    crypto_sha256(str_from_c(key), hash);
    buf_printf(&sql, "INSERT INTO api_key VALUES (%lld, x'", (long long)next_id++);
    hex_append(&sql, hash, sizeof(hash));
    buf_printf(&sql, "', %lld, 'test', %u, 0)", (long long)account_id, scopes);
    assert_int_equal(db_script(db, buf_str(&sql)), ERR_OK);
    buf_release(&sql);
}

static inline void served_seed(const struct fixture *fixture)
{
    char path[128];
    struct writer *writer;
    (void)snprintf(path, sizeof(path), "%s/platform.db", fixture->dir);
    assert_int_equal(writer_new(path, "platform", &writer), ERR_OK);
    struct db *db = writer_db(writer);
    assert_int_equal(db_begin(db), ERR_OK);
    assert_int_equal(db_script(db, STR("INSERT INTO account VALUES"
                                       " (1, 'organizer@example.org', 'Olga', 'x', 1, 0),"
                                       " (2, '" BUYER_EMAIL "', '" BUYER_NAME "', 'x', 0, 0),"
                                       " (3, 'other@example.org', '=cmd()', 'x', 1, 0),"
                                       " (4, 'support@example.org', 'Sam', 'x', 4, 0)")),
                     ERR_OK);
    served_key(db, 1, SCOPE_ORGANIZER | SCOPE_CHECK_IN, ORGANIZER_KEY);
    served_key(db, 1, SCOPE_CHECK_IN, DOOR_KEY);
    served_key(db, 2, 0, BUYER_KEY);
    served_key(db, 3, SCOPE_ORGANIZER | SCOPE_CHECK_IN, OTHER_KEY);
    served_key(db, 4, SCOPE_SUPPORT, SUPPORT_KEY);
    served_key(db, 5, SCOPE_ADMIN, FRAME_ADMIN_KEY);
    assert_int_equal(db_commit(db), ERR_OK);
    assert_int_equal(writer_start(writer), ERR_OK);
    writer_stop(writer);
    writer_free(writer);
}

static inline int served_setup_more(void **state, served_more more)
{
    struct served *served = calloc(1, sizeof(*served));
    assert_non_null(served);
    assert_int_equal(fixture_setup((void **)&served->fixture), 0);
    struct fixture *fixture = served->fixture;
    struct config *config = &served->frame.config;
    char message[256];
    assert_int_equal(config_load(0, NULL, config, message), ERR_OK);
    (void)snprintf(config->data, sizeof(config->data), "%s", fixture->dir);
    (void)snprintf(config->admin_key, sizeof(config->admin_key), "%s", FRAME_ADMIN_KEY);
    config->abuse = false; /* rate limits have tests of their own */
    served_seed(fixture);
    fixture_sql(fixture,
                "INSERT OR IGNORE INTO plan VALUES (5, 1, 'Hall', 100, 100, 1, 20, 0, NULL, NULL)");
    fixture->config = *config;
    struct app_options options = {.config = config,
                                  .services = {tickets_service(fixture->tickets)},
                                  .database_paths = {tickets_database_path(fixture->tickets)},
                                  .service_count = 1};
    if (more)
        more(served, &options);
    assert_int_equal(app_new(&options, &served->frame.app), ERR_OK);
    (void)snprintf(fixture->tickets->base_url, sizeof(fixture->tickets->base_url),
                   "https://tickets.example.org");
    *state = served;
    return 0;
}

static inline int served_setup(void **state)
{
    return served_setup_more(state, NULL);
}

static inline int served_teardown(void **state)
{
    struct served *served = *state;
    app_stop(served->frame.app);
    app_free(served->frame.app);
    (void)fixture_teardown((void **)&served->fixture);
    free(served);
    return 0;
}

#define served_test(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, served_setup, served_teardown)

static inline int served_get(struct served *served, const char *key, const char *path,
                             struct answer *ret_answer)
{
    struct ask ask = {.method = HTTP_GET, .path = path, .token = key};
    frame_ask(&served->frame, &ask, ret_answer);
    return ret_answer->status;
}

/* --- Confirmed bookings --- */

static inline enum err served_confirm_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    return booking_confirm(fixture->tickets, tx, ctx, 0);
}

/* The buyer's: two seats from first on, and area_places places in the area. */
static inline struct booking served_hold(struct served *served, uint64_t account_id, uint32_t first,
                                         uint32_t area_places)
{
    struct fixture_hold hold = {.booking = {.account_id = account_id,
                                            .seat_count = 2,
                                            .seats = {{first, 0}, {first + 1, 0}},
                                            .area_count = area_places > 0,
                                            .areas = {{.quantity = area_places}}}};
    assert_int_equal(fixture_write(served->fixture, fixture_hold_fn, &hold), ERR_OK);
    return hold.booking;
}

static inline void served_confirm(struct served *served, struct booking *booking)
{
    assert_int_equal(fixture_write(served->fixture, served_confirm_fn, booking), ERR_OK);
}

static inline struct booking served_buy(struct served *served, uint64_t account_id, uint32_t first,
                                        uint32_t area_places)
{
    struct booking booking = served_hold(served, account_id, first, area_places);
    served_confirm(served, &booking);
    return booking;
}

struct served_tickets {
    struct ticket items[BOOKING_PLACES_MAX];
    size_t count;
};

static inline struct served_tickets served_tickets(struct served *served,
                                                   const struct booking *booking)
{
    struct served_tickets tickets;
    assert_int_equal(ticket_list(served->fixture->reader, booking->event_id, booking->id,
                                 tickets.items, &tickets.count),
                     ERR_OK);
    return tickets;
}

static inline enum err served_revoke_fn(struct fixture *fixture, struct writer_tx *tx, void *ctx)
{
    const struct ticket *ticket = ctx;
    (void)fixture;
    return ticket_revoke(tx, ticket, 0);
}

static inline void served_revoke(struct served *served, const struct ticket *ticket)
{
    assert_int_equal(fixture_write(served->fixture, served_revoke_fn, (void *)ticket), ERR_OK);
}

/* "/v1/<collection>/<id><rest>" */
static inline const char *served_path(char ret_path[static 128], const char *collection,
                                      const char *prefix, uint64_t id, const char *rest)
{
    char text[ID_TEXT_SIZE];
    (void)id_format2(text, prefix, FIXTURE_EVENT, id);
    (void)snprintf(ret_path, 128, "/v1/%s/%s%s", collection, text, rest);
    return ret_path;
}

static inline const char *event_path(char ret_path[static 128], const char *rest)
{
    char text[ID_TEXT_SIZE];
    (void)id_format(text, "evt", FIXTURE_EVENT);
    (void)snprintf(ret_path, 128, "/v1/events/%s%s", text, rest);
    return ret_path;
}

/* --- Tools of the system --- */

static inline bool has_tool(const char *name)
{
    char command[128];
    (void)snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

/* Standard output of a command. */
static inline void run_tool(const char *command, char *ret_text, size_t size)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(ret_text, 1, size - 1, pipe);
    ret_text[len] = '\0';
    assert_int_equal(pclose(pipe), 0);
}

static inline void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

#endif
