/* Floods; see flood.h. */
#include "flood.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cpu.h"
#include "floor_http.h"

#define WARM_NS       250000000
#define WRONG_PRINTED 3
#define TURNS         2

static void flood_send(struct load_conn *conn)
{
    struct flood *flood = conn->actor;
    struct load_request request = {0};
    if (clock_mono_ns() >= flood->until_ns)
        return;
    flood->make(flood->ctx, &request);
    flood->under_way++;
    load_send(conn, &request);
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct flood *flood = conn->actor;
    int64_t now_ns = clock_mono_ns();
    flood->under_way--;
    flood->all_answers++;
    if (answer->status != flood->status && flood->wrong++ < WRONG_PRINTED)
        fprintf(stderr, "flood: %d %.*s\n", answer->status, STR_ARG(answer->body));
    if (now_ns >= flood->measure_ns && now_ns < flood->until_ns) {
        flood->answers++;
        hist_add(&flood->hist, answer->latency_ns);
    }
    flood->head_len = answer->head.len;
    flood->body_len = answer->body.len;
    flood_send(conn);
}

static bool is_over(void *ctx)
{
    const struct flood *flood = ctx;
    return flood->under_way == 0 && clock_mono_ns() >= flood->until_ns;
}

enum err flood_run(struct flood *flood)
{
    struct load *load;
    enum err err = load_new(flood->connections, flood->port, &load);
    if (err)
        return err;
    double cpu_s = cpu_seconds(flood->server);
    flood->answers = 0;
    flood->all_answers = 0;
    flood->measure_ns = clock_mono_ns() + WARM_NS;
    flood->until_ns = flood->measure_ns + flood->seconds * 1000000000;
    for (size_t i = 0; i < flood->connections; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        conn->actor = flood;
        conn->on_answer = on_answer;
        for (unsigned k = 0; k < flood->depth; k++)
            flood_send(conn);
    }
    load_run(load, flood->until_ns + 10 * 1000000000LL, is_over, flood);
    if (flood->all_answers > 0)
        flood->cpu_us = (cpu_seconds(flood->server) - cpu_s) * 1e6 / (double)flood->all_answers;
    flood->rate = (double)flood->answers / (double)flood->seconds;
    err = flood->under_way == 0 ? ERR_OK : ERR_TIMEOUT;
    load_free(load);
    return err;
}

static enum err floor_run(const struct flood *flood, struct flood *floor)
{
    struct floor_http server;
    enum err err = floor_http_start(flood->status, flood->head_len, flood->body_len, &server);
    if (err)
        return err;
    floor->port = server.port;
    floor->server = server.pid;
    err = flood_run(floor);
    if (!err && (floor->body_len != flood->body_len || floor->wrong > 0))
        err = ERR_CORRUPT;
    floor_http_stop(&server);
    return err;
}

enum err flood_pair_run(struct flood_pair *pair)
{
    struct flood *flood = pair->flood, *floor = malloc(sizeof(*floor));
    if (!floor)
        return ERR_NOMEM;
    enum err err = ERR_OK;
    *floor = *flood;
    for (unsigned i = 0; !err && i < TURNS; i++) {
        err = flood_run(flood);
        pair->rate += flood->rate / TURNS;
        if (!err)
            err = floor_run(flood, floor);
        pair->floor_rate += floor->rate / TURNS;
    }
    pair->floor_cpu_us = floor->cpu_us;
    pair->floor_p99_ms = hist_ms(&floor->hist, 0.99);
    free(floor);
    return err;
}
