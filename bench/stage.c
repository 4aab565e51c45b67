/* The stage of scenarios; see stage.h. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/rand.h"

#define STAGE_BUYERS     5000
#define TAKING_CONNS     128
#define TAKING_SECONDS   60
#define STAGE_ARGS_MAX   16
#define FAILURES_PRINTED 3

enum err stage_dir(struct stage *stage)
{
    stage->arena = (struct seed_arena){.sections = 50, .rows = 25, .seats_per_row = 40};
    return child_directory(&stage->child);
}

static enum err stage_events(struct stage *stage)
{
    struct buf plan;
    buf_init(&plan, 32u << 20);
    seed_arena_plan(&stage->arena, &plan);
    enum err err = seed_venue(stage->child.port, "Bench arena", buf_str(&plan), stage->venue);
    buf_release(&plan);
    for (unsigned i = 0; !err && i < stage->event_count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "Bench night %u", i + 1);
        err = seed_event(stage->child.port, stage->venue, name, "{\"Standard\":4500}", 600,
                         stage->events[i]);
    }
    return err;
}

enum err stage_open(struct stage *stage)
{
    const char *arguments[STAGE_ARGS_MAX] = {stage->has_defence ? "--abuse=on" : "--abuse=off",
                                             "--log-level=warn", "--trusted-proxies=127.0.0.0/8"};
    for (size_t i = 0; stage->arguments && stage->arguments[i] && i < STAGE_ARGS_MAX - 4; i++)
        arguments[3 + i] = stage->arguments[i];
    enum err err = seed_buyers(
        &stage->child, stage->buyer_count ? stage->buyer_count : STAGE_BUYERS, &stage->buyers);
    if (!err)
        err = child_start(&stage->child, arguments);
    return err ? err : stage_events(stage);
}

void stage_drop(struct stage *stage)
{
    child_kill(&stage->child);
    child_remove(&stage->child);
    seed_buyers_release(&stage->buyers);
}

bool stage_close(struct stage *stage, struct report *report)
{
    report_figure(report, "server_memory_mib", (double)child_memory_mib(&stage->child));
    bool is_stopped = child_stop(&stage->child) == ERR_OK;
    bool is_clean = child_audit(&stage->child) == 0;
    if (!is_stopped || !is_clean)
        fprintf(stderr, "%s: %s\n", report->scenario,
                is_stopped ? "the audit is not clean" : "the server did not stop well");
    stage_drop(stage);
    return is_stopped && is_clean;
}

/* --- Pairs --- */

enum err pairs_init(struct pairs *pairs, struct stage *stage)
{
    pairs->stage = stage;
    pairs->count = STAGE_SEATS / 2;
    pairs->event_end = stage->event_count;
    pairs->key_name = "hold";
    pairs->order = calloc(pairs->count, sizeof(*pairs->order));
    if (!pairs->order)
        return ERR_NOMEM;
    for (unsigned i = 0; i < pairs->count; i++)
        pairs->order[i] = i;
    for (unsigned i = pairs->count - 1; i > 0; i--) {
        unsigned other = (unsigned)rand_below(i + 1), kept = pairs->order[i];
        pairs->order[i] = pairs->order[other];
        pairs->order[other] = kept;
    }
    return ERR_OK;
}

void pairs_release(struct pairs *pairs)
{
    free(pairs->order);
    pairs->order = NULL;
}

void pairs_request(struct pairs *pairs, unsigned event, unsigned pair,
                   struct load_request *ret_request)
{
    struct stage *stage = pairs->stage;
    char first[24], second[24];
    seed_seat_id(&stage->arena, pair * 2, first);
    seed_seat_id(&stage->arena, pair * 2 + 1, second);
    uint64_t number = pairs->keys++;
    pairs->token = stage->buyers.tokens[number % stage->buyers.count];
    size_t buyer = (size_t)(number % stage->buyers.count);
    int headers_len = snprintf(pairs->headers, sizeof(pairs->headers),
                               "Authorization: Bearer %s\r\nIdempotency-Key: %s-%llu\r\n"
                               "X-Forwarded-For: 100.%zu.%zu.1\r\n",
                               pairs->token, pairs->key_name, (unsigned long long)number,
                               buyer / 256 % 256, buyer % 256);
    int body_len = snprintf(pairs->body, sizeof(pairs->body),
                            "{\"event_id\":\"%s\",\"seat_ids\":[\"%s\",\"%s\"]}",
                            stage->events[event], first, second);
    *ret_request = (struct load_request){.method = "POST",
                                         .path = STR("/v1/bookings"),
                                         .headers = str_from(pairs->headers, (size_t)headers_len),
                                         .body = str_from(pairs->body, (size_t)body_len)};
}

bool pairs_next(struct pairs *pairs, struct load_request *ret_request)
{
    uint64_t event = pairs->first_event + pairs->next / pairs->count;
    if (event >= pairs->event_end || (pairs->end > 0 && pairs->next >= pairs->end))
        return false;
    pairs_request(pairs, (unsigned)event, pairs->order[pairs->next % pairs->count], ret_request);
    pairs->next++;
    return true;
}

/* --- Holds --- */

void hold_tally_add(struct hold_tally *tally, const struct load_answer *answer)
{
    if (answer->status == 201)
        tally->granted++;
    else if (answer->status == 409)
        tally->refused++;
    else if (tally->failed++ < FAILURES_PRINTED)
        fprintf(stderr, "hold: %d %.*s\n", answer->status, STR_ARG(answer->body));
}

static void closed_send(struct load_conn *conn)
{
    struct closed_holds *holds = conn->actor;
    struct load_request request;
    if (clock_mono_ns() < holds->until_ns && pairs_next(holds->pairs, &request))
        load_send(conn, &request);
    else
        holds->running--;
}

static void closed_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct closed_holds *holds = conn->actor;
    int64_t now_ns = clock_mono_ns();
    hold_tally_add(&holds->tally, answer);
    if (now_ns >= holds->measure_ns && now_ns < holds->until_ns) {
        holds->measured++;
        holds->last_answer_ns = now_ns;
        hist_add(&holds->hist, answer->latency_ns);
    }
    closed_send(conn);
}

void closed_holds_start(struct closed_holds *holds, struct load *load, size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct load_conn *conn = load_conn_at(load, first + i);
        conn->actor = holds;
        conn->on_answer = closed_answer;
        holds->running++;
        closed_send(conn);
    }
}

bool closed_holds_are_over(void *ctx)
{
    const struct closed_holds *holds = ctx;
    return holds->running == 0;
}

double closed_holds_rate(const struct closed_holds *holds)
{
    double seconds = (double)(holds->last_answer_ns - holds->measure_ns) / 1e9;
    return seconds > 0 ? (double)holds->measured / seconds : 0;
}

enum err pairs_take(struct pairs *pairs, unsigned count)
{
    struct load *load;
    struct closed_holds *holds = calloc(1, sizeof(*holds));
    if (!holds)
        return ERR_NOMEM;
    enum err err = load_new(TAKING_CONNS, pairs->stage->child.port, &load);
    if (!err) {
        uint64_t end = pairs->end;
        pairs->end = pairs->next + count;
        holds->pairs = pairs;
        holds->until_ns = clock_mono_ns() + TAKING_SECONDS * 1000000000LL;
        closed_holds_start(holds, load, 0, TAKING_CONNS);
        load_run(load, holds->until_ns, closed_holds_are_over, holds);
        load_free(load);
        pairs->end = end;
        err = holds->tally.granted == count ? ERR_OK : ERR_CONFLICT;
    }
    free(holds);
    return err;
}
