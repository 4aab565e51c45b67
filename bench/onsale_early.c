/* Holds that end together; see onsale_run.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "load.h"
#include "onsale_run.h"
#include "tickets/limits.h"

#define EARLY_CONNS    48
#define BATCH_MS       800 /* of a second: answers that come late must still be of it */
#define BATCH_START_MS 60
#define FAILURES       3

struct early {
    const struct early_holds *given;
    size_t next, taken, again_count, running;
    size_t *again; /* asked once more in the next second */
    size_t of_conn[EARLY_CONNS];
    int64_t until_ns;
    unsigned failures, batch;
    char event[40];
};

static void early_send(struct load_conn *conn)
{
    struct early *early = conn->actor;
    const struct early_holds *given = early->given;
    char headers[256], body[128], seat[24];
    bool is_again = early->again_count > 0;
    if (clock_mono_ns() >= early->until_ns || (!is_again && early->next >= given->count)) {
        early->running--;
        return;
    }
    size_t i = is_again ? early->again[--early->again_count] : early->next++;
    early->of_conn[conn->index] = i;
    seed_seat_id(given->arena, (unsigned)i, seat);
    size_t n = given->network + i;
    int headers_len = snprintf(headers, sizeof(headers),
                               "Authorization: Bearer %s\r\nIdempotency-Key: early-%zu-%u\r\n",
                               given->tokens[i], i, early->batch);
    if (given->has_networks)
        headers_len +=
            snprintf(headers + headers_len, sizeof(headers) - (size_t)headers_len,
                     "X-Forwarded-For: %zu.%zu.%zu.7\r\n", 20 + n / 65536, n / 256 % 256, n % 256);
    int body_len = snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[\"%s\"]}",
                            early->event, seat);
    struct load_request request = {.method = "POST",
                                   .path = STR("/v1/bookings"),
                                   .headers = str_from(headers, (size_t)headers_len),
                                   .body = str_from(body, (size_t)body_len)};
    load_send(conn, &request);
}

static void on_early(struct load_conn *conn, const struct load_answer *answer)
{
    struct early *early = conn->actor;
    if (answer->status == 201) {
        early->taken++;
    } else {
        early->again[early->again_count++] = early->of_conn[conn->index];
        if (answer->status != 409 && answer->status != 503 && early->failures++ < FAILURES)
            fprintf(stderr, "onsale: other nights: %d %.*s\n", answer->status,
                    STR_ARG(answer->body));
    }
    early_send(conn);
}

static bool is_over(void *ctx)
{
    const struct early *early = ctx;
    return early->running == 0;
}

/* One second, and a night of its own, whose holds live from then until ends_at_ms. */
static enum err run_batch(struct early *early, struct load *load)
{
    const struct early_holds *given = early->given;
    int64_t second_ms = (clock_now_ms() / 1000 + 2) * 1000;
    if (second_ms >= given->until_ms || second_ms > given->ends_at_ms - HOLD_TTL_S_MIN * 1000LL)
        return ERR_TIMEOUT;
    enum err err = seed_event(given->port, given->venue, "Another night", "{\"Standard\":4500}",
                              (int)((given->ends_at_ms - second_ms) / 1000), early->event);
    int64_t wait_ms = second_ms + BATCH_START_MS - clock_now_ms();
    if (err)
        return err;
    if (wait_ms <= 0)
        return ERR_OK; /* that second is over: another one */
    onsale_nap(wait_ms);
    early->batch++;
    early->until_ns = clock_mono_ns() + (BATCH_MS - BATCH_START_MS) * 1000000LL;
    early->running = EARLY_CONNS;
    for (size_t i = 0; i < EARLY_CONNS; i++)
        early_send(load_conn_at(load, i));
    load_run(load, early->until_ns + 20 * 1000000000LL, is_over, early);
    return early->running == 0 ? ERR_OK : ERR_TIMEOUT;
}

enum err early_holds_take(const struct early_holds *given)
{
    struct load *load;
    struct early early = {.given = given};
    early.again = calloc(given->count + EARLY_CONNS, sizeof(*early.again));
    enum err err = early.again ? load_new(EARLY_CONNS, given->port, &load) : ERR_NOMEM;
    if (err) {
        free(early.again);
        return err;
    }
    for (size_t i = 0; i < EARLY_CONNS; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        conn->actor = &early;
        conn->on_answer = on_early;
    }
    while (!err && early.taken < given->count)
        err = run_batch(&early, load);
    if (err)
        fprintf(stderr, "onsale: %zu of %zu holds of other nights: %s\n", early.taken, given->count,
                err_name(err));
    load_free(load);
    free(early.again);
    return err;
}
