/* Open and closed loops; see search_load.h. load_run asks is_over about every millisecond, which is
 * where what is due is sent; what finds no free connection waits, and its time runs. */
#include "search_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define WARM_NS  INT64_C(1000000000)
#define DRAIN_NS INT64_C(3000000000)

struct run {
    const struct search_load *options;
    struct search_load_result *result;
    struct load *load;
    const struct ask **asked; /* by connection */
    size_t *free;             /* stack of idle connections */
    size_t free_count;
    uint64_t state;
    int64_t next_ns, measured_ns, until_ns, last_ns;
    uint64_t sent, bytes;
};

static void send_one(struct run *run, int64_t due_ns)
{
    char text[ASK_PATH_SIZE];
    size_t index = run->free[--run->free_count];
    const struct ask *ask = asks_pick(run->options->asks, &run->state);
    run->asked[index] = ask;
    run->sent++;
    struct load_request request = {
        .method = "GET",
        .path = ask_path(ask, run->options->is_uncached ? run->sent : 0, 0, text),
        .intended_ns = due_ns};
    load_send(load_conn_at(run->load, index), &request);
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct run *run = conn->actor;
    struct search_load_result *result = run->result;
    const struct ask *ask = run->asked[conn->index];
    int64_t now_ns = clock_mono_ns();
    run->free[run->free_count++] = conn->index;
    if (answer->status != 200 && result->failed++ < 3)
        fprintf(stderr, "search: %d %.*s\n", answer->status, STR_ARG(answer->body));
    if (now_ns - answer->latency_ns < run->measured_ns) /* due before the measured time */
        return;
    hist_add(&result->total, answer->latency_ns);
    hist_add(&result->classes[ask->class], answer->latency_ns);
    run->bytes += answer->body.len;
    run->last_ns = now_ns;
}

static bool send_due(void *ctx)
{
    struct run *run = ctx;
    int64_t now_ns = clock_mono_ns();
    while (run->next_ns <= now_ns && run->next_ns < run->until_ns && run->free_count > 0) {
        send_one(run, run->next_ns);
        double gap_s = -log(1 - catalogue_fraction(&run->state)) / run->options->rate;
        run->next_ns += (int64_t)(gap_s * 1e9);
    }
    return run->next_ns >= run->until_ns && run->free_count == run->options->connections;
}

static void finish(struct run *run)
{
    struct search_load_result *result = run->result;
    int64_t end_ns = run->last_ns > run->until_ns ? run->last_ns : run->until_ns;
    double unsent_s = (double)(run->until_ns - run->next_ns) / 1e9;
    result->unanswered = run->options->connections - run->free_count;
    if (unsent_s > 0)
        result->unanswered += (uint64_t)(unsent_s * run->options->rate);
    result->answered_per_s =
        (double)result->total.total / ((double)(end_ns - run->measured_ns) / 1e9);
    result->body_bytes = result->total.total ? (double)run->bytes / (double)result->total.total : 0;
}

enum err search_load_run(const struct search_load *options, struct search_load_result *ret_result)
{
    int64_t now_ns = clock_mono_ns();
    struct run run = {.options = options,
                      .result = ret_result,
                      .asked = calloc(options->connections, sizeof(struct ask *)),
                      .free = calloc(options->connections, sizeof(size_t)),
                      .state = options->seed,
                      .next_ns = now_ns,
                      .measured_ns = now_ns + WARM_NS,
                      .until_ns = now_ns + WARM_NS + (int64_t)(options->seconds * 1e9)};
    *ret_result = (struct search_load_result){.failed = 0};
    enum err err = run.asked && run.free ? ERR_OK : ERR_NOMEM;
    if (!err)
        err = load_new(options->connections, options->port, &run.load);
    for (size_t i = 0; !err && i < options->connections; i++) {
        struct load_conn *conn = load_conn_at(run.load, i);
        conn->actor = &run;
        conn->on_answer = on_answer;
        run.free[run.free_count++] = i;
    }
    if (!err) {
        load_run(run.load, run.until_ns + DRAIN_NS, send_due, &run);
        finish(&run);
        load_free(run.load);
    }
    free(run.asked);
    free(run.free);
    return err;
}

/* --- Closed --- */

struct closed {
    struct load_request request;
    uint64_t answered;
};

static void on_closed_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct closed *closed = conn->actor;
    closed->answered += answer->status == 200;
    load_send(conn, &closed->request);
}

enum err search_load_closed(unsigned port, struct str path, size_t connections, double seconds,
                            double *ret_rate)
{
    struct closed closed = {.request = {.method = "GET", .path = path}};
    struct load *load;
    enum err err = load_new(connections, port, &load);
    if (err)
        return err;
    int64_t started_ns = clock_mono_ns();
    for (size_t i = 0; i < connections; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        conn->actor = &closed;
        conn->on_answer = on_closed_answer;
        load_send(conn, &closed.request);
    }
    load_run(load, started_ns + (int64_t)(seconds * 1e9), NULL, NULL);
    *ret_rate = (double)closed.answered / ((double)(clock_mono_ns() - started_ns) / 1e9);
    load_free(load);
    return ERR_OK;
}
