/* What scenarios start from; see seed.h. */
#include "seed.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/identity_rules.h"
#include "app/identity_store.h"
#include "base/clock.h"
#include "base/json.h"
#include "store.h"
#include "store/writer.h"

#define SESSION_MS (24 * 3600 * 1000LL)

struct seed_job {
    struct writer_job job;
    struct seed_buyers *buyers;
};

static enum err insert_buyer(struct writer_tx *tx, char token[SEED_TOKEN_SIZE], size_t index)
{
    char email[64], name[32], secret[SECRET_SIZE];
    uint8_t hash[SHA256_SIZE];
    snprintf(email, sizeof(email), "buyer%zu@example.com", index);
    snprintf(name, sizeof(name), "Buyer %zu", index);
    struct account account = {.id = id_next(tx->ids),
                              .email = str_from_c(email),
                              .name = str_from_c(name),
                              .password_hash = STR("!"), /* no password matches it */
                              .created_at = tx->now_ms};
    enum err err = account_insert(tx->db, &account);
    if (err)
        return err;
    secret_make("ses_", secret);
    snprintf(token, SEED_TOKEN_SIZE, "%s", secret);
    secret_hash(str_from_c(secret), hash);
    struct credential_row row = {.account_id = account.id,
                                 .id = id_next(tx->ids),
                                 .has_account = true,
                                 .expires_at = tx->now_ms + SESSION_MS,
                                 .email = account.email,
                                 .name = account.name};
    return session_insert(tx->db, hash, &row, tx->now_ms);
}

static enum err seed_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct seed_job *seed = container_of(job, struct seed_job, job);
    for (size_t i = 0; i < seed->buyers->count; i++) {
        enum err err = insert_buyer(tx, seed->buyers->tokens[i], i);
        if (err)
            return err;
    }
    return ERR_OK;
}

static void seed_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands it on */
}

enum err seed_buyers(const struct child *child, size_t count, struct seed_buyers *ret_buyers)
{
    char path[512];
    struct writer *writer;
    struct seed_buyers buyers = {.count = count, .tokens = calloc(count, SEED_TOKEN_SIZE)};
    if (!buyers.tokens)
        return ERR_NOMEM;
    bench_location(child, "platform", path, sizeof(path));
    enum err err = writer_new(path, "platform", &writer);
    if (err) {
        seed_buyers_release(&buyers);
        return err;
    }
    struct seed_job seed = {.job = {.apply = seed_apply, .done = seed_done}, .buyers = &buyers};
    err = writer_start(writer);
    if (!err)
        err = writer_run(writer, &seed.job);
    writer_stop(writer);
    writer_free(writer);
    if (err)
        seed_buyers_release(&buyers);
    else
        *ret_buyers = buyers;
    return err;
}

void seed_buyers_release(struct seed_buyers *buyers)
{
    free(buyers->tokens);
    *buyers = (struct seed_buyers){0};
}

/* --- Arena --- */

void seed_seat_id(const struct seed_arena *arena, unsigned seat_no, char ret_id[static 24])
{
    unsigned per_section = arena->rows * arena->seats_per_row;
    snprintf(ret_id, 24, "%u-%u-%u", seat_no / per_section + 1,
             seat_no % per_section / arena->seats_per_row + 1, seat_no % arena->seats_per_row + 1);
}

static void plan_section(const struct seed_arena *arena, unsigned section, struct buf *plan)
{
    buf_printf(plan,
               "%s{\"name\":\"Block %u\",\"position\":{\"x\":%u,\"y\":%u},\"areas\":[],\"rows\":[",
               section ? "," : "", section + 1,
               section % 10 * arena->seats_per_row * 50 + section % 10 * 100,
               section / 10 * arena->rows * 60 + section / 10 * 100);
    for (unsigned row = 0; row < arena->rows; row++) {
        buf_printf(plan, "%s{\"row_number\":\"%u\",\"position\":{\"x\":0,\"y\":%u},\"seats\":[",
                   row ? "," : "", row + 1, row * 60);
        for (unsigned seat = 0; seat < arena->seats_per_row; seat++)
            buf_printf(plan,
                       "%s{\"seat_guid\":\"%u-%u-%u\",\"seat_number\":\"%u\",\"position\":{\"x\":%"
                       "u,\"y\":0},"
                       "\"category\":\"Standard\"}",
                       seat ? "," : "", section + 1, row + 1, seat + 1, seat + 1, seat * 50);
        buf_append_str(plan, STR("]}"));
    }
    buf_append_str(plan, STR("]}"));
}

void seed_arena_plan(const struct seed_arena *arena, struct buf *plan)
{
    buf_append_str(
        plan, STR("{\"name\":\"Bench arena\",\"size\":{\"width\":20000,\"height\":20000},"
                  "\"categories\":[{\"name\":\"Standard\",\"color\":\"#2980b9\"}],\"zones\":["));
    for (unsigned section = 0; section < arena->sections; section++)
        plan_section(arena, section, plan);
    buf_append_str(plan, STR("]}"));
}

/* --- Over the API --- */

enum err seed_member(struct str json, const char *name, char *ret_value, size_t size)
{
    struct arena arena;
    struct json_node *node;
    struct str message, value;
    arena_init(&arena, 64u << 20);
    enum err err = json_parse(&arena, json, &node, &message);
    if (!err)
        err = json_as_str(json_get(node, name), &value) ? str_to_c(value, ret_value, size)
                                                        : ERR_NOT_FOUND;
    arena_release(&arena);
    return err;
}

/* POSTs and reads the id of what was made. */
static enum err make(unsigned port, const char *path, struct str body, char ret_id[static 40])
{
    struct buf answer;
    int status = child_request(port, "POST", path, body, &answer);
    enum err err = status == 201 ? seed_member(buf_str(&answer), "id", ret_id, 40) : ERR_IO;
    if (err)
        fprintf(stderr, "%s: %d %.*s\n", path, status, STR_ARG(buf_str(&answer)));
    buf_release(&answer);
    return err;
}

enum err seed_venue(unsigned port, const char *name, struct str plan, char ret_id[static 40])
{
    struct buf body;
    buf_init(&body, 32u << 20);
    buf_printf(&body,
               "{\"name\":\"%s\",\"city\":\"Berlin\",\"country\":\"DE\",\"lat\":52.5147,\"lon\":13."
               "2394,\"seating_plan\":",
               name);
    buf_append_str(&body, plan);
    buf_append_char(&body, '}');
    enum err err = body.overflow ? ERR_NOMEM : make(port, "/v1/venues", buf_str(&body), ret_id);
    buf_release(&body);
    return err;
}

enum err seed_event(unsigned port, const char *venue_id, const char *name, const char *prices,
                    int hold_ttl_s, char ret_id[static 40])
{
    char starts_at[CLOCK_TEXT_SIZE], onsale_at[CLOCK_TEXT_SIZE], body[2048], path[128];
    clock_format(clock_now_ms() + 90 * 24 * 3600 * 1000LL, starts_at);
    clock_format(clock_now_ms() - 60000, onsale_at);
    snprintf(body, sizeof(body),
             "{\"venue_id\":\"%s\",\"name\":\"%s\",\"description\":\"\",\"category\":\"concert\","
             "\"starts_at\":\"%s\","
             "\"onsale_at\":\"%s\",\"currency\":\"EUR\",\"prices\":%s,\"hold_ttl_s\":%d}",
             venue_id, name, starts_at, onsale_at, prices, hold_ttl_s);
    enum err err = make(port, "/v1/events", str_from_c(body), ret_id);
    if (err)
        return err;
    snprintf(path, sizeof(path), "/v1/events/%s/publish", ret_id);
    struct buf answer;
    int status = child_request(port, "POST", path, STR("{}"), &answer);
    if (status != 200)
        fprintf(stderr, "%s: %d %.*s\n", path, status, STR_ARG(buf_str(&answer)));
    buf_release(&answer);
    return status == 200 ? ERR_OK : ERR_IO;
}
