/* Open loop; see arrivals.h. */
#include "arrivals.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/queue.h"
#include "base/rand.h"

#define NS_PER_S 1e9

/* SplitMix64: cheap, and good enough for gaps. */
static uint64_t draw(struct arrivals *arrivals)
{
    uint64_t z = arrivals->seed += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int64_t gap_ns(struct arrivals *arrivals)
{
    double mean_ns = NS_PER_S / arrivals->rate;
    if (arrivals->is_even)
        return (int64_t)mean_ns;
    double uniform = ((double)(draw(arrivals) >> 11) + 1) / 9007199254740993.0; /* in (0, 1) */
    return (int64_t)(-log(uniform) * mean_ns);
}

static void send_one(struct arrivals *arrivals, struct load_request *request, int64_t now_ns)
{
    struct load_conn *conn = load_conn_at(arrivals->load, arrivals->idle[--arrivals->idle_count]);
    request->intended_ns = arrivals->next_ns;
    arrivals->due++;
    arrivals->sent++;
    arrivals->late += now_ns - arrivals->next_ns > ARRIVALS_LATE_NS;
    arrivals->next_ns += gap_ns(arrivals);
    load_send(conn, request);
}

static int64_t on_turn(struct load_source *source, int64_t now_ns)
{
    struct arrivals *arrivals = container_of(source, struct arrivals, source);
    while (!arrivals->is_ended && arrivals->next_ns <= now_ns) {
        struct load_request request = {0};
        if (arrivals->next_ns >= arrivals->end_ns) {
            arrivals->is_ended = true;
            break;
        }
        if (arrivals->idle_count == 0)
            return INT64_MAX; /* an answer brings it back */
        if (!arrivals->make(arrivals->ctx, &request)) {
            arrivals->is_ended = true;
            break;
        }
        send_one(arrivals, &request, now_ns);
    }
    return arrivals->is_ended ? INT64_MAX : arrivals->next_ns;
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct arrivals *arrivals = conn->actor;
    int64_t now_ns = clock_mono_ns();
    if (!arrivals->load)
        return; /* over */
    arrivals->idle[arrivals->idle_count++] = conn->index;
    arrivals->answered++;
    arrivals->broken += answer->status == 0;
    arrivals->last_answer_ns = now_ns;
    if (now_ns - answer->latency_ns >= arrivals->measure_ns)
        hist_add(&arrivals->hist, answer->latency_ns);
    arrivals->on_answer(arrivals->ctx, answer);
}

enum err arrivals_start(struct arrivals *arrivals, struct load *load)
{
    unsigned depth = arrivals->depth ? arrivals->depth : 1;
    arrivals->idle = calloc(arrivals->count * depth, sizeof(*arrivals->idle));
    if (!arrivals->idle)
        return ERR_NOMEM;
    /* Taken from the end: all connections get their first request before one gets its second. */
    for (unsigned turn = 0; turn < depth; turn++)
        for (size_t i = 0; i < arrivals->count; i++)
            arrivals->idle[arrivals->idle_count++] = arrivals->first + i;
    for (size_t i = 0; i < arrivals->count; i++) {
        struct load_conn *conn = load_conn_at(load, arrivals->first + i);
        conn->actor = arrivals;
        conn->on_answer = on_answer;
    }
    arrivals->load = load;
    arrivals->seed = rand_u64();
    arrivals->next_ns = arrivals->start_ns + gap_ns(arrivals);
    arrivals->source.on_turn = on_turn;
    load_add_source(load, &arrivals->source);
    return ERR_OK;
}

bool arrivals_are_over(void *ctx)
{
    const struct arrivals *arrivals = ctx;
    return arrivals->is_ended && arrivals->answered == arrivals->sent;
}

void arrivals_finish(struct arrivals *arrivals)
{
    if (!arrivals->load)
        return;
    int64_t now_ns = clock_mono_ns();
    load_remove_source(arrivals->load, &arrivals->source);
    while (!arrivals->is_ended && arrivals->next_ns < arrivals->end_ns &&
           arrivals->next_ns <= now_ns) {
        arrivals->due++;
        arrivals->unsent++;
        arrivals->next_ns += gap_ns(arrivals);
    }
    free(arrivals->idle);
    arrivals->idle = NULL;
    arrivals->load = NULL;
}

double arrivals_rate(const struct arrivals *arrivals)
{
    double seconds = (double)(arrivals->last_answer_ns - arrivals->measure_ns) / NS_PER_S;
    return seconds > 0 ? (double)arrivals->hist.total / seconds : 0;
}
