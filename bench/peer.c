/*
 * peer: ours on SQLite, ours on PostgreSQL, and the textbook design (bench/peers: a Redis guard, a
 * PostgreSQL transaction a request, an outbox row) under the same load in one run: two-seat holds
 * of spread seats as fast as they are answered, at rates that the textbook carries, and with four
 * of five requests on a few hot seats. The load generator, the HTTP layer, the PostgreSQL server
 * and what is durable are the same for all. Needs BENCH_STORE; without Redis ours run alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arrivals.h"
#include "base/clock.h"
#include "base/rand.h"
#include "cpu.h"
#include "peer_child.h"
#include "scenario.h"
#include "store.h"

#define PEER_EVENTS      30
#define PEER_BUYERS      5000
#define PEER_CONNECTIONS 256
#define OPEN_CONNECTIONS 512
#define PEER_SECONDS     5
#define SWEEP_SECONDS    2
#define HOT_PAIRS        64
#define HOT_OF_TEN       8
#define TIMES_WANTED     5.0
#define RATES            3 /* the textbook's rate times half, 0.8, and five */
#define TEXT_SIZE        64

static const unsigned worker_counts[] = {16, 32, 64, 128};
static const double rate_shares[RATES] = {0.5, 0.8, TIMES_WANTED};
static const char *const rate_names[RATES] = {"half", "most", "five"};

/* Processor time of all that takes part, in seconds. */
struct cost {
    double server, postgres, redis, client;
};

struct contender {
    const char *name;
    struct stage stage;
    struct pairs pairs;
    double rate, hot_rate, hot_granted;
    struct hist closed, hot, open[RATES];
    bool is_carried[RATES], is_measured[RATES];
    struct hold_tally tally, hot_tally;
    struct cost cost; /* of the holds in tally */
};

struct peer {
    struct contender textbook, sqlite, pgsql;
    struct peer_child child;
    unsigned workers;
    double plain_rate, plain_p99_ms; /* of the textbook, a trip for every statement */
    int64_t seconds;
    size_t connections;
    pid_t postmaster;
    char names[192][TEXT_SIZE]; /* of figures, which must outlive the run */
    unsigned name_count;
};

/* --- The load --- */

static enum err run_closed(struct peer *peer, struct contender *contender, int64_t seconds,
                           struct closed_holds *holds)
{
    struct load *load;
    enum err err = load_new(peer->connections, contender->stage.child.port, &load);
    if (err)
        return err;
    holds->pairs = &contender->pairs;
    holds->measure_ns = clock_mono_ns() + 1000000000;
    holds->until_ns = holds->measure_ns + seconds * 1000000000;
    closed_holds_start(holds, load, 0, peer->connections);
    load_run(load, holds->until_ns + 30 * 1000000000LL, closed_holds_are_over, holds);
    load_free(load);
    return holds->running == 0 ? ERR_OK : ERR_TIMEOUT;
}

static bool make_hold(void *ctx, struct load_request *request)
{
    struct contender *contender = ctx;
    return pairs_next(&contender->pairs, request);
}

static void on_hold(void *ctx, const struct load_answer *answer)
{
    struct contender *contender = ctx;
    hold_tally_add(&contender->tally, answer);
}

static enum err run_open(struct peer *peer, struct contender *contender, unsigned which)
{
    struct load *load;
    double rate = peer->textbook.rate * rate_shares[which];
    struct arrivals *arrivals = calloc(1, sizeof(*arrivals));
    enum err err =
        arrivals ? load_new(OPEN_CONNECTIONS, contender->stage.child.port, &load) : ERR_NOMEM;
    if (err) {
        free(arrivals);
        return err;
    }
    int64_t now_ns = clock_mono_ns();
    *arrivals = (struct arrivals){.rate = rate,
                                  .count = OPEN_CONNECTIONS,
                                  .start_ns = now_ns,
                                  .measure_ns = now_ns + 1000000000,
                                  .end_ns = now_ns + (peer->seconds + 1) * 1000000000LL,
                                  .make = make_hold,
                                  .on_answer = on_hold,
                                  .ctx = contender};
    err = arrivals_start(arrivals, load);
    if (!err)
        load_run(load, arrivals->end_ns + 10 * 1000000000LL, arrivals_are_over, arrivals);
    arrivals_finish(arrivals);
    load_free(load);
    contender->open[which] = arrivals->hist;
    contender->is_carried[which] = arrivals->unsent == 0 && arrivals_rate(arrivals) > rate * 0.95;
    contender->is_measured[which] = true;
    free(arrivals);
    return err;
}

/* --- Hot seats --- */

struct hot {
    struct contender *contender;
    int64_t measure_ns, until_ns;
    unsigned running, event;
    uint64_t measured;
};

static void hot_send(struct load_conn *conn)
{
    struct hot *hot = conn->actor;
    struct pairs *pairs = &hot->contender->pairs;
    struct load_request request;
    if (clock_mono_ns() >= hot->until_ns) {
        hot->running--;
        return;
    }
    if (rand_below(10) < HOT_OF_TEN)
        pairs_request(pairs, hot->event, pairs->order[rand_below(HOT_PAIRS)], &request);
    else
        pairs_request(pairs, hot->event,
                      pairs->order[HOT_PAIRS + rand_below(pairs->count - HOT_PAIRS)], &request);
    load_send(conn, &request);
}

static void on_hot(struct load_conn *conn, const struct load_answer *answer)
{
    struct hot *hot = conn->actor;
    hold_tally_add(&hot->contender->hot_tally, answer);
    if (clock_mono_ns() - answer->latency_ns >= hot->measure_ns) {
        hist_add(&hot->contender->hot, answer->latency_ns);
        hot->measured++;
    }
    hot_send(conn);
}

static bool hot_is_over(void *ctx)
{
    const struct hot *hot = ctx;
    return hot->running == 0;
}

/* The last event is kept for it. */
static enum err run_hot(struct peer *peer, struct contender *contender)
{
    struct load *load;
    struct hot hot = {.contender = contender, .event = PEER_EVENTS - 1};
    enum err err = load_new(peer->connections, contender->stage.child.port, &load);
    if (err)
        return err;
    hot.measure_ns = clock_mono_ns() + 500000000;
    hot.until_ns = hot.measure_ns + peer->seconds * 1000000000LL;
    for (size_t i = 0; i < peer->connections; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        conn->actor = &hot;
        conn->on_answer = on_hot;
        hot.running++;
        hot_send(conn);
    }
    load_run(load, hot.until_ns + 30 * 1000000000LL, hot_is_over, &hot);
    load_free(load);
    contender->hot_rate = (double)hot.measured / (double)peer->seconds;
    contender->hot_granted = (double)contender->hot_tally.granted;
    return hot.running == 0 ? ERR_OK : ERR_TIMEOUT;
}

/* So far. What the kernel does for no process (network's interrupts, writing pages back) is not in
 * it. */
static struct cost cost_now(const struct peer *peer, const struct contender *contender)
{
    bool is_textbook = contender == &peer->textbook;
    return (struct cost){
        .server = cpu_seconds(is_textbook ? peer->child.textbook : contender->stage.child.pid),
        .postgres = contender == &peer->sqlite ? 0 : cpu_seconds_of_family(peer->postmaster),
        .redis = is_textbook ? cpu_seconds(peer->child.redis) : 0,
        .client = cpu_seconds(getpid())};
}

static enum err run_all(struct peer *peer, struct contender *contender)
{
    struct closed_holds *holds = calloc(1, sizeof(*holds));
    struct cost before = cost_now(peer, contender);
    enum err err = holds ? run_closed(peer, contender, peer->seconds, holds) : ERR_NOMEM;
    if (!err) {
        struct cost after = cost_now(peer, contender);
        contender->cost =
            (struct cost){after.server - before.server, after.postgres - before.postgres,
                          after.redis - before.redis, after.client - before.client};
        contender->rate = closed_holds_rate(holds);
        contender->closed = holds->hist;
        contender->tally = holds->tally;
    }
    free(holds);
    for (unsigned i = 0; !err && i < RATES; i++) {
        double rate = peer->textbook.rate * rate_shares[i];
        if (rate > 0 && rate < contender->rate * 0.95)
            err = run_open(peer, contender, i);
    }
    return err ? err : run_hot(peer, contender);
}

/* --- The contenders --- */

static enum err try_textbook(struct peer *peer, unsigned workers, bool is_plain, double *ret_rate,
                             double *ret_p99_ms)
{
    struct closed_holds *holds = calloc(1, sizeof(*holds));
    enum err err = holds ? peer_child_serve(&peer->child, &peer->textbook.stage, workers, is_plain)
                         : ERR_NOMEM;
    if (!err)
        err = run_closed(peer, &peer->textbook, SWEEP_SECONDS, holds);
    if (!err) {
        *ret_rate = closed_holds_rate(holds);
        *ret_p99_ms = hist_ms(&holds->hist, 0.99);
        printf("  textbook, %s, %u workers: %.0f holds/s, p99 %.1f ms\n",
               is_plain ? "plain" : "pipelined", workers, *ret_rate, *ret_p99_ms);
    }
    free(holds);
    return err;
}

/* As many workers as carry most: what a team would have found out for its machine. */
static enum err choose_workers(struct peer *peer)
{
    double best = 0, rate = 0, p99_ms = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof(worker_counts) / sizeof(worker_counts[0]); i++) {
        err = try_textbook(peer, worker_counts[i], false, &rate, &p99_ms);
        if (!err && rate > best) {
            best = rate;
            peer->workers = worker_counts[i];
        }
    }
    if (!err)
        err = try_textbook(peer, peer->workers, true, &peer->plain_rate, &peer->plain_p99_ms);
    return err ? err : peer_child_serve(&peer->child, &peer->textbook.stage, peer->workers, false);
}

static enum err textbook_people(struct stage *stage)
{
    stage->buyers =
        (struct seed_buyers){.count = PEER_BUYERS, .tokens = calloc(PEER_BUYERS, SEED_TOKEN_SIZE)};
    if (!stage->buyers.tokens)
        return ERR_NOMEM;
    for (unsigned i = 0; i < PEER_BUYERS; i++)
        snprintf(stage->buyers.tokens[i], SEED_TOKEN_SIZE, "ses_%016llx%016llx",
                 (unsigned long long)rand_u64(), (unsigned long long)rand_u64());
    for (unsigned i = 0; i < PEER_EVENTS; i++)
        snprintf(stage->events[i], sizeof(stage->events[i]), "evt_textbook%02u", i);
    return ERR_OK;
}

static enum err textbook_run(struct peer *peer)
{
    struct contender *contender = &peer->textbook;
    struct stage *stage = &contender->stage;
    contender->name = "textbook";
    stage->event_count = PEER_EVENTS;
    enum err err = stage_dir(stage);
    if (!err)
        err = textbook_people(stage);
    if (!err)
        err = pairs_init(&contender->pairs, stage);
    if (!err)
        err = peer_child_start(&peer->child, stage);
    if (!err)
        err = choose_workers(peer);
    contender->pairs.event_end = PEER_EVENTS - 1;
    if (!err)
        err = run_all(peer, contender);
    if (!peer_child_stop(&peer->child) && !err)
        err = ERR_IO;
    child_remove(&stage->child);
    seed_buyers_release(&stage->buyers);
    pairs_release(&contender->pairs);
    return err;
}

static enum err ours_run(struct peer *peer, struct contender *contender, struct report *report)
{
    struct report own = {.scenario = contender->name};
    struct stage *stage = &contender->stage;
    stage->event_count = PEER_EVENTS;
    stage->buyer_count = PEER_BUYERS;
    enum err err = stage_dir(stage);
    if (!err)
        err = stage_open(stage);
    if (!err)
        err = pairs_init(&contender->pairs, stage);
    contender->pairs.event_end = PEER_EVENTS - 1;
    if (!err)
        err = run_all(peer, contender);
    pairs_release(&contender->pairs);
    if (err)
        stage_drop(stage);
    else if (!stage_close(stage, &own))
        report->ok = false;
    return err;
}

/* --- What came of it --- */

static const char *name_of(struct peer *peer, const struct contender *contender, const char *what)
{
    char *text = peer->names[peer->name_count++];
    snprintf(text, TEXT_SIZE, "%s_%s", contender->name, what);
    return text;
}

static void report_hist(struct peer *peer, const struct contender *contender,
                        const struct hist *hist, const char *prefix, struct report *report)
{
    static const struct {
        const char *name;
        double quantile;
    } quantiles[] = {{"p50_ms", 0.5}, {"p95_ms", 0.95}, {"p99_ms", 0.99}};
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        char what[32];
        snprintf(what, sizeof(what), "%s%s", prefix, quantiles[i].name);
        report_figure(report, name_of(peer, contender, what), hist_ms(hist, quantiles[i].quantile));
    }
}

/* Of all that serves, without the client, for one hold. */
static double served_us(const struct contender *contender)
{
    const struct cost *cost = &contender->cost;
    double granted = (double)contender->tally.granted;
    return granted > 0 ? (cost->server + cost->postgres + cost->redis) * 1e6 / granted : 0;
}

static void report_cost(struct peer *peer, const struct contender *contender, struct report *report)
{
    double granted = contender->tally.granted ? (double)contender->tally.granted : 1;
    double parts[] = {contender->cost.server, contender->cost.postgres, contender->cost.redis,
                      contender->cost.client};
    static const char *const names[] = {"us_server", "us_postgres", "us_redis", "us_client"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (parts[i] > 0)
            report_figure(report, name_of(peer, contender, names[i]), parts[i] * 1e6 / granted);
    if (served_us(contender) > 0)
        report_figure(report, name_of(peer, contender, "holds_per_cpu_s"),
                      1e6 / served_us(contender));
}

static void report_one(struct peer *peer, const struct contender *contender, struct report *report)
{
    if (contender->rate <= 0)
        return;
    report_figure(report, name_of(peer, contender, "holds_per_s"), contender->rate);
    report_hist(peer, contender, &contender->closed, "", report);
    report_cost(peer, contender, report);
    for (unsigned i = 0; i < RATES; i++) {
        char prefix[16];
        snprintf(prefix, sizeof(prefix), "%s_", rate_names[i]);
        if (contender->is_measured[i] && contender->is_carried[i])
            report_hist(peer, contender, &contender->open[i], prefix, report);
    }
    report_figure(report, name_of(peer, contender, "hot_answers_per_s"), contender->hot_rate);
    report_figure(report, name_of(peer, contender, "hot_granted"), contender->hot_granted);
    report_hist(peer, contender, &contender->hot, "hot_", report);
    if (contender->tally.failed + contender->hot_tally.failed > 0 || contender->tally.refused > 0)
        report->ok = false;
}

static void report_aims(struct peer *peer, struct report *report)
{
    const struct contender *textbook = &peer->textbook;
    if (textbook->rate <= 0)
        return;
    report_figure(report, "textbook_workers", peer->workers);
    report_figure(report, "textbook_plain_holds_per_s", peer->plain_rate);
    report_figure(report, "textbook_plain_p99_ms", peer->plain_p99_ms);
    for (unsigned i = 0; i < RATES; i++)
        report_figure(report, rate_names[i], textbook->rate * rate_shares[i]);
    report_aim(report, (struct report_aim){.what = "holds a second, SQLite, of the textbook's",
                                           .value = peer->sqlite.rate,
                                           .floor = textbook->rate,
                                           .is_ratio = true,
                                           .at_least = TIMES_WANTED});
    report_aim(report, (struct report_aim){
                           .what = "the same, of the textbook's with a trip for every statement",
                           .value = peer->sqlite.rate,
                           .floor = peer->plain_rate,
                           .is_ratio = true});
    report_aim(report, (struct report_aim){.what = "holds a second, PostgreSQL, of the textbook's",
                                           .value = peer->pgsql.rate,
                                           .floor = textbook->rate,
                                           .is_ratio = true});
    report_aim(report,
               (struct report_aim){.what = "processor time of a hold, textbook, of ours on SQLite",
                                   .value = served_us(textbook),
                                   .floor = served_us(&peer->sqlite),
                                   .is_ratio = true});
    report_aim(report, (struct report_aim){
                           .what = "processor time of a hold, textbook, of ours on PostgreSQL",
                           .value = served_us(textbook),
                           .floor = served_us(&peer->pgsql),
                           .is_ratio = true});
    report_aim(report, (struct report_aim){.what = "p99 at saturation, SQLite, of the textbook's",
                                           .value = hist_ms(&peer->sqlite.closed, 0.99),
                                           .floor = hist_ms(&textbook->closed, 0.99),
                                           .is_ratio = true,
                                           .at_most = 1});
    report_aim(report,
               (struct report_aim){.what = "p99 at 0.8 of the textbook's rate, SQLite, of its own",
                                   .value = hist_ms(&peer->sqlite.open[1], 0.99),
                                   .floor = hist_ms(&textbook->open[1], 0.99),
                                   .is_ratio = true,
                                   .at_most = 1});
    if (peer->pgsql.is_measured[1] && peer->pgsql.is_carried[1])
        report_aim(report, (struct report_aim){
                               .what = "p99 at 0.8 of the textbook's rate, PostgreSQL, of its own",
                               .value = hist_ms(&peer->pgsql.open[1], 0.99),
                               .floor = hist_ms(&textbook->open[1], 0.99),
                               .is_ratio = true});
    report_aim(report,
               (struct report_aim){.what = "answers a second on hot seats, of the textbook's",
                                   .value = peer->sqlite.hot_rate,
                                   .floor = textbook->hot_rate,
                                   .is_ratio = true});
}

bool scenario_peer(const struct scenario_options *options, struct report *report)
{
    report->scenario = "peer";
    struct peer *peer = calloc(1, sizeof(*peer));
    const char *server = getenv("BENCH_STORE");
    char *kept = server && server[0] ? strdup(server) : NULL;
    if (!peer || !kept) {
        fprintf(stderr, "peer: BENCH_STORE must name a PostgreSQL server\n");
        free(kept);
        free(peer);
        return false;
    }
    peer->seconds = options->seconds ? options->seconds : PEER_SECONDS;
    peer->connections = options->connections ? (size_t)options->connections : PEER_CONNECTIONS;
    peer->postmaster = bench_store_pid();
    peer->sqlite.name = "sqlite";
    peer->pgsql.name = "postgres";
    report->ok = true;
    enum err err = ERR_OK;
    if (peer_child_is_there())
        err = textbook_run(peer);
    else
        printf(
            "peer: without Redis ours run alone; scripts/setup.sh --peer and a build bring it\n");
    if (!err)
        err = ours_run(peer, &peer->pgsql, report);
    unsetenv("BENCH_STORE");
    if (!err)
        err = ours_run(peer, &peer->sqlite, report);
    setenv("BENCH_STORE", kept, 1);
    if (!err) {
        report_one(peer, &peer->textbook, report);
        report_one(peer, &peer->pgsql, report);
        report_one(peer, &peer->sqlite, report);
        report_aims(peer, report);
    }
    free(kept); /* peer holds the figures' names: freed with the process */
    return !err;
}
