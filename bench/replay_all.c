/*
 * replay-all: 10,000 dead letters of one endpoint are sent again while live messages go to it and to 49
 * others, of 20 applications.
 *
 * Three times: live traffic alone for a while, then a replay beside it (of the dead letters first, then
 * of the same messages once more). Latencies are of live messages, at the receivers, from the time at
 * which each was meant to be sent. Then, without live traffic, a replay whose server is killed with -9
 * in the middle and started again, and one that is cancelled in the middle. After each the database is
 * asked whether anything was queued twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "arrivals.h"
#include "base/clock.h"
#include "hooks_stage.h"
#include "scenario.h"
#include "seed.h"
#include "store.h"
#include "store/db.h"

#define SECOND_NS      INT64_C(1000000000)
#define APPS           20
#define ENDPOINTS      50
#define LETTERS        10000
#define ROUNDS         3
#define ENDPOINT_RATE  100.0 /* live, to the one endpoint */
#define OTHERS_RATE    300.0 /* live, to all others together */
#define SEED_RATE      3000.0
#define CONNECTIONS    48
#define WARM_S         3
#define BEFORE_S       8
#define DELAY_MS       20 /* of each receiver */
#define LETTER_SEQ     (UINT64_C(1) << 40)
#define WAIT_MAX_S     600
#define IN_FLIGHT_MAX  64 /* what one replay has under way at most */
#define QUIET_MS       1500
#define SHIFT_MAX_MS   10.0
#define RING_TABLES    33
#define FAILURES_SHOWN 3

enum stream_kind {
    TO_ENDPOINT,
    TO_OTHERS,
    STREAMS
};

struct stream {
    struct replay_all *run;
    struct arrivals arrivals;
    struct hooks_message message;
    uint64_t next_seq, accepted, failed, arrived;
    struct hist span;
};

/* What the server says of the replay. */
struct progress {
    int64_t total, queued, done, failed;
    bool is_running;
};

struct replay_all {
    struct hooks_stage stage;
    size_t letter_count, round_count;
    double endpoint_rate;
    struct load *load;
    struct load_conn *sampler;
    bool is_sampling;
    int64_t sampled_ns;
    char job[HOOKS_ID_SIZE], job_path[320];
    struct progress progress;
    struct stream streams[STREAMS];
    size_t log_read;
    uint16_t *came;        /* by letter, in all replays */
    uint64_t letters_came; /* since the replay began */
    unsigned jobs;
    /* Found. */
    double before_ms[ROUNDS][STREAMS], during_ms[ROUNDS][STREAMS];
    double finish_s[ROUNDS];
    struct hist before[STREAMS], during[STREAMS];
    int64_t queued_twice, asked_twice;
    double kill_done, kill_s, kill_again, cancel_done, cancel_late, cancel_ms;
};

/* --- calls, while nothing else happens --- */

static void app_path(const struct replay_all *run, const char *rest, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "/api/v1/app/%s%s", run->stage.apps[run->stage.endpoints[0].app],
             rest);
}

static enum err call(const struct replay_all *run, const char *method, const char *path,
                     const char *body, struct buf *ret_answer)
{
    int status = child_request(run->stage.child.port, method, path, str_from_c(body), ret_answer);
    if (status >= 200 && status < 300)
        return ERR_OK;
    fprintf(stderr, "bench: %s %s: %d %.*s\n", method, path, status, STR_ARG(buf_str(ret_answer)));
    return ERR_IO;
}

static void read_progress(struct progress *progress, struct str body)
{
    static const char running[] = "\"state\":\"running\"";
    if (!body.data || hooks_number(body, "total") < 0)
        return;
    *progress = (struct progress){
        .total = hooks_number(body, "total"),
        .queued = hooks_number(body, "queued"),
        .done = hooks_number(body, "done"),
        .failed = hooks_number(body, "failed"),
        .is_running = memmem(body.data, body.len, running, sizeof(running) - 1) != NULL};
}

/* Twice, as by somebody who clicks twice. */
static enum err start_replay(struct replay_all *run, const char *body)
{
    char path[160], again[HOOKS_ID_SIZE] = "";
    struct buf answer;
    app_path(run, "/replay", path, sizeof(path));
    enum err err = call(run, "POST", path, body, &answer);
    if (!err)
        err = seed_member(buf_str(&answer), "id", run->job, sizeof(run->job));
    read_progress(&run->progress, buf_str(&answer));
    buf_release(&answer);
    if (err)
        return err;
    err = call(run, "POST", path, body, &answer);
    if (!err)
        err = seed_member(buf_str(&answer), "id", again, sizeof(again));
    buf_release(&answer);
    run->asked_twice += strcmp(run->job, again) != 0;
    run->jobs++;
    run->letters_came = 0;
    snprintf(path, sizeof(path), "/replay/%.60s", run->job);
    app_path(run, path, run->job_path, sizeof(run->job_path));
    return err;
}

static enum err ask_progress(struct replay_all *run)
{
    struct buf answer;
    enum err err = call(run, "GET", run->job_path, "", &answer);
    read_progress(&run->progress, buf_str(&answer));
    buf_release(&answer);
    return err;
}

static void nap_ms(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

static enum err patch_endpoint(const struct replay_all *run, const char *body)
{
    char path[256];
    struct buf answer;
    snprintf(path, sizeof(path), "/endpoint/%s", run->stage.endpoints[0].id);
    char whole[384];
    app_path(run, path, whole, sizeof(whole));
    enum err err = call(run, "PATCH", whole, body, &answer);
    buf_release(&answer);
    return err;
}

static enum err wait_for_stat(const struct replay_all *run, const char *name, int64_t value)
{
    char path[256], whole[384];
    struct buf answer;
    enum err err = ERR_OK;
    int64_t seen = -1, until_ns = clock_mono_ns() + WAIT_MAX_S * SECOND_NS;
    snprintf(path, sizeof(path), "/endpoint/%s/stats", run->stage.endpoints[0].id);
    app_path(run, path, whole, sizeof(whole));
    while (!err && seen != value && clock_mono_ns() < until_ns) {
        err = call(run, "GET", whole, "", &answer);
        seen = hooks_number(buf_str(&answer), name);
        buf_release(&answer);
        nap_ms(20);
    }
    return err ? err : seen == value ? ERR_OK : ERR_TIMEOUT;
}

/* --- what the receivers saw --- */

static void take_arrival(struct replay_all *run, const struct receiver_arrival *arrival)
{
    if (arrival->seq >= LETTER_SEQ) {
        uint64_t letter = arrival->seq - LETTER_SEQ;
        if (letter < run->letter_count && arrival->status == 200) {
            run->came[letter]++;
            run->letters_came++;
        }
        return;
    }
    struct stream *stream = &run->streams[arrival->path == 0 ? TO_ENDPOINT : TO_OTHERS];
    stream->arrived++;
    hist_add(&stream->span, arrival->arrived_ns - arrival->intended_ns);
}

static void read_log(struct replay_all *run)
{
    const struct receiver *receiver = &run->stage.receiver;
    for (size_t end = receiver_logged(receiver); run->log_read < end; run->log_read++)
        take_arrival(run, &receiver->log[run->log_read]);
}

/* --- dead letters --- */

static bool make_letter(void *ctx, struct load_request *request)
{
    struct stream *stream = ctx;
    uint64_t seq = stream->next_seq;
    if (seq >= stream->run->letter_count)
        return false;
    stream->next_seq++;
    hooks_message_fill(&stream->message, &stream->run->stage, 0, LETTER_SEQ + seq,
                       stream->arrivals.next_ns, request);
    return true;
}

static void on_accepted(void *ctx, const struct load_answer *answer)
{
    struct stream *stream = ctx;
    if (answer->status == 202)
        stream->accepted++;
    else if (stream->failed++ < FAILURES_SHOWN)
        fprintf(stderr, "bench: a message was not taken: %d %.*s\n", answer->status,
                STR_ARG(answer->body));
}

static enum err send_letters(struct replay_all *run)
{
    struct stream *stream = &run->streams[TO_ENDPOINT];
    stream->run = run;
    hooks_message_init(&stream->message);
    stream->arrivals = (struct arrivals){.rate = SEED_RATE,
                                         .is_even = true,
                                         .count = CONNECTIONS,
                                         .start_ns = clock_mono_ns(),
                                         .end_ns = INT64_MAX,
                                         .make = make_letter,
                                         .on_answer = on_accepted,
                                         .ctx = stream};
    enum err err = load_new(CONNECTIONS, run->stage.child.port, &run->load);
    if (!err)
        err = arrivals_start(&stream->arrivals, run->load);
    if (!err) {
        int64_t until_ns = clock_mono_ns() + WAIT_MAX_S * SECOND_NS;
        load_run(run->load, until_ns, arrivals_are_over, &stream->arrivals);
        arrivals_finish(&stream->arrivals);
        err = stream->accepted == run->letter_count ? ERR_OK : ERR_IO;
    }
    load_free(run->load);
    run->load = NULL;
    hooks_message_release(&stream->message);
    *stream = (struct stream){0};
    return err;
}

/* The endpoint is down while they are sent, then disabled, which makes dead letters of all, and well. */
static enum err make_letters(struct replay_all *run)
{
    static const struct receiver_behaviour well = {.delay_ms = DELAY_MS};
    static const struct receiver_behaviour down = {.status = 503};
    for (size_t i = 0; i < ENDPOINTS; i++)
        receiver_set(&run->stage.receiver, i, i == 0 ? &down : &well);
    enum err err = send_letters(run);
    if (!err)
        err = patch_endpoint(run, "{\"disabled\":true}");
    if (!err)
        err = wait_for_stat(run, "fail", (int64_t)run->letter_count);
    receiver_set(&run->stage.receiver, 0, &well);
    return err ? err : patch_endpoint(run, "{\"disabled\":false}");
}

/* --- live traffic --- */

static bool make_live(void *ctx, struct load_request *request)
{
    struct stream *stream = ctx;
    struct replay_all *run = stream->run;
    uint64_t seq = stream->next_seq++;
    size_t endpoint = stream == &run->streams[TO_ENDPOINT] ? 0 : 1 + seq % (ENDPOINTS - 1);
    hooks_message_fill(&stream->message, &run->stage, endpoint, seq, stream->arrivals.next_ns,
                       request);
    return true;
}

static void on_sample(struct load_conn *conn, const struct load_answer *answer)
{
    struct replay_all *run = conn->actor;
    run->is_sampling = false;
    if (answer->status == 200)
        read_progress(&run->progress, answer->body);
}

static enum err start_live(struct replay_all *run)
{
    enum err err = load_new(STREAMS * CONNECTIONS + 1, run->stage.child.port, &run->load);
    if (err)
        return err;
    run->sampler = load_conn_at(run->load, STREAMS * CONNECTIONS);
    run->sampler->actor = run;
    run->sampler->on_answer = on_sample;
    for (int kind = 0; !err && kind < STREAMS; kind++) {
        struct stream *stream = &run->streams[kind];
        stream->run = run;
        hooks_message_init(&stream->message);
        stream->arrivals =
            (struct arrivals){.rate = kind == TO_ENDPOINT ? run->endpoint_rate : OTHERS_RATE,
                              .first = (size_t)kind * CONNECTIONS,
                              .count = CONNECTIONS,
                              .start_ns = clock_mono_ns(),
                              .end_ns = INT64_MAX,
                              .make = make_live,
                              .on_answer = on_accepted,
                              .ctx = stream};
        err = arrivals_start(&stream->arrivals, run->load);
    }
    return err;
}

static void end_live(struct replay_all *run)
{
    for (int kind = 0; kind < STREAMS; kind++) {
        arrivals_finish(&run->streams[kind].arrivals);
        hooks_message_release(&run->streams[kind].message);
    }
    load_free(run->load);
    run->load = NULL;
}

static bool on_turn(void *ctx)
{
    read_log(ctx);
    return false;
}

static bool is_replayed(void *ctx)
{
    struct replay_all *run = ctx;
    read_log(run);
    int64_t now_ns = clock_mono_ns();
    if (!run->is_sampling && now_ns - run->sampled_ns > SECOND_NS / 20) {
        struct load_request request = {.method = "GET",
                                       .path = str_from_c(run->job_path),
                                       .headers = str_from_c(run->stage.headers)};
        run->is_sampling = true;
        run->sampled_ns = now_ns;
        load_send(run->sampler, &request);
    }
    return !run->progress.is_running;
}

static void span_begin(struct replay_all *run)
{
    read_log(run);
    for (int kind = 0; kind < STREAMS; kind++)
        run->streams[kind].span = (struct hist){0};
}

static void span_end(struct replay_all *run, struct hist total[STREAMS], double ret_ms[STREAMS])
{
    read_log(run);
    for (int kind = 0; kind < STREAMS; kind++) {
        hist_merge(&total[kind], &run->streams[kind].span);
        ret_ms[kind] = hist_ms(&run->streams[kind].span, 0.99);
    }
}

/* --- what the database says --- */

/* Sums a statement over the tables of the ring; NN stands for their number. */
static enum err sum_tables(const struct replay_all *run, const char *before, const char *after,
                           int64_t *ret_sum)
{
    struct sql *sqls = calloc(RING_TABLES, sizeof(*sqls));
    char location[512], *texts = calloc(RING_TABLES, 512);
    struct db *db = NULL;
    int64_t sum = 0, value;
    bench_location(&run->stage.child, "hooks", location, sizeof(location));
    enum err err = sqls && texts ? db_open(location, DB_ADMIN, &db) : ERR_NOMEM;
    for (size_t i = 0; !err && i < RING_TABLES; i++) {
        snprintf(texts + i * 512, 512, "%s%02zu%s", before, i, after);
        sqls[i].text = texts + i * 512;
        err = db_get_i64(db_stmt(db, &sqls[i]), &value);
        sum += err ? 0 : value;
    }
    db_close(db);
    free(sqls);
    free(texts);
    *ret_sum = sum;
    return err;
}

/* Messages that were begun anew more often than there were replays. */
static enum err count_queued_twice(struct replay_all *run)
{
    char after[256];
    int64_t count = 0;
    snprintf(after, sizeof(after),
             " WHERE trigger_type = 1 GROUP BY app_id, endpoint_id, message_id"
             " HAVING count(*) > %u) t",
             run->jobs);
    enum err err =
        sum_tables(run, "SELECT count(*) FROM (SELECT 1 AS one FROM attempt_", after, &count);
    run->queued_twice += count;
    return err;
}

/* --- the parts --- */

static enum err run_round(struct replay_all *run, size_t round, const char *body)
{
    span_begin(run);
    load_run(run->load, clock_mono_ns() + BEFORE_S * SECOND_NS, on_turn, run);
    span_end(run, run->before, run->before_ms[round]);
    enum err err = start_replay(run, body);
    span_begin(run);
    int64_t began_ns = clock_mono_ns();
    if (err)
        return err;
    load_run(run->load, began_ns + WAIT_MAX_S * SECOND_NS, is_replayed, run);
    run->finish_s[round] = (double)(clock_mono_ns() - began_ns) / 1e9;
    span_end(run, run->during, run->during_ms[round]);
    const struct progress *progress = &run->progress;
    printf("%5zu | %9.2f %9.2f %9.2f | %9.2f %9.2f %9.2f | %8.1f %7lld\n", round + 1,
           run->before_ms[round][TO_ENDPOINT], run->during_ms[round][TO_ENDPOINT],
           run->during_ms[round][TO_ENDPOINT] - run->before_ms[round][TO_ENDPOINT],
           run->before_ms[round][TO_OTHERS], run->during_ms[round][TO_OTHERS],
           run->during_ms[round][TO_OTHERS] - run->before_ms[round][TO_OTHERS],
           run->finish_s[round], (long long)progress->done);
    bool is_whole = !progress->is_running && progress->done == (int64_t)run->letter_count &&
                    run->letters_came == run->letter_count;
    if (!is_whole)
        fprintf(stderr, "bench: %lld of %zu done, %llu came\n", (long long)progress->done,
                run->letter_count, (unsigned long long)run->letters_came);
    return is_whole ? count_queued_twice(run) : ERR_CORRUPT;
}

static enum err run_live(struct replay_all *run, const char *first, const char *again)
{
    enum err err = start_live(run);
    printf(
        "\nlive p99 at the receivers, ms: before the replay, during it, and by how much it moves\n"
        "%5s | %9s %9s %9s | %9s %9s %9s | %8s %7s\n",
        "round", "endpoint", "during", "moves", "others", "during", "moves", "seconds", "done");
    if (!err)
        load_run(run->load, clock_mono_ns() + WARM_S * SECOND_NS, on_turn, run);
    for (size_t round = 0; !err && round < run->round_count; round++)
        err = run_round(run, round, round == 0 ? first : again);
    end_live(run);
    return err;
}

/* Until so much of the replay has arrived, or it is over. */
static enum err wait_until_came(struct replay_all *run, uint64_t count)
{
    enum err err = ERR_OK;
    int64_t until_ns = clock_mono_ns() + WAIT_MAX_S * SECOND_NS;
    while (!err && run->letters_came < count && clock_mono_ns() < until_ns) {
        read_log(run);
        nap_ms(2);
    }
    return run->letters_came < count ? ERR_TIMEOUT : err;
}

static enum err run_kill(struct replay_all *run, const char *body)
{
    enum err err = start_replay(run, body);
    if (!err)
        err = wait_until_came(run, run->letter_count / 2);
    if (err)
        return err;
    child_kill(&run->stage.child);
    read_log(run);
    run->kill_done = (double)run->letters_came;
    int64_t began_ns = clock_mono_ns();
    const char *arguments[] = {"--services=tickets,hooks", "--hooks-allow-cidr=127.0.0.0/8",
                               "--abuse=off", "--log-level=error", NULL};
    err = child_start(&run->stage.child, arguments);
    run->progress.is_running = true;
    while (!err && run->progress.is_running) {
        err = ask_progress(run);
        nap_ms(50);
    }
    read_log(run);
    run->kill_s = (double)(clock_mono_ns() - began_ns) / 1e9;
    run->kill_again = (double)run->letters_came - (double)run->letter_count;
    bool is_whole = !err && run->progress.done == (int64_t)run->letter_count;
    for (size_t i = 0; is_whole && i < run->letter_count; i++)
        is_whole = run->came[i] >= run->jobs;
    printf("kill -9 after %.0f: all %lld done %.1f s after the new start, %.0f came twice\n",
           run->kill_done, (long long)run->progress.done, run->kill_s, run->kill_again);
    if (!is_whole || run->kill_again > IN_FLIGHT_MAX)
        return ERR_CORRUPT;
    return count_queued_twice(run);
}

static enum err run_cancel(struct replay_all *run, const char *body)
{
    struct buf answer;
    enum err err = start_replay(run, body);
    if (!err)
        err = wait_until_came(run, run->letter_count / 4);
    if (err)
        return err;
    int64_t began_ns = clock_mono_ns();
    err = call(run, "DELETE", run->job_path, "", &answer);
    buf_release(&answer);
    run->cancel_ms = (double)(clock_mono_ns() - began_ns) / 1e6;
    read_log(run);
    run->cancel_done = (double)run->letters_came;
    nap_ms(QUIET_MS);
    read_log(run);
    run->cancel_late = (double)run->letters_came - run->cancel_done;
    if (!err)
        err = ask_progress(run);
    if (!err)
        err = wait_for_stat(run, "pending", 0);
    printf("cancelled after %.0f: answered in %.1f ms, %.0f under way came after it\n",
           run->cancel_done, run->cancel_ms, run->cancel_late);
    if (err || run->progress.is_running || run->cancel_late > IN_FLIGHT_MAX ||
        run->letters_came >= run->letter_count)
        return err ? err : ERR_CORRUPT;
    return count_queued_twice(run);
}

/* --- the report --- */

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double median_shift(const struct replay_all *run, int kind)
{
    double shifts[ROUNDS];
    for (size_t i = 0; i < run->round_count; i++)
        shifts[i] = run->during_ms[i][kind] - run->before_ms[i][kind];
    qsort(shifts, run->round_count, sizeof(shifts[0]), by_size);
    return shifts[run->round_count / 2];
}

static void report_live(const struct replay_all *run, struct report *report)
{
    static const char *const before[STREAMS][4] = {
        {"endpoint_before_p50_ms", "endpoint_before_p95_ms", "endpoint_before_p99_ms",
         "endpoint_before_max_ms"},
        {"others_before_p50_ms", "others_before_p95_ms", "others_before_p99_ms",
         "others_before_max_ms"}};
    static const char *const during[STREAMS][4] = {
        {"endpoint_during_p50_ms", "endpoint_during_p95_ms", "endpoint_during_p99_ms",
         "endpoint_during_max_ms"},
        {"others_during_p50_ms", "others_during_p95_ms", "others_during_p99_ms",
         "others_during_max_ms"}};
    for (int kind = 0; kind < STREAMS; kind++) {
        report_latency(report, &run->before[kind], before[kind]);
        report_latency(report, &run->during[kind], during[kind]);
    }
    report_figure(report, "finish_s", run->finish_s[0]);
    report_figure(report, "replayed_per_s", (double)run->letter_count / run->finish_s[0]);
    report_figure(report, "endpoint_p99_moves_ms", median_shift(run, TO_ENDPOINT));
    report_figure(report, "others_p99_moves_ms", median_shift(run, TO_OTHERS));
    report_aim(report,
               (struct report_aim){.what = "p99 of live messages of the endpoint moves by, ms",
                                   .value = median_shift(run, TO_ENDPOINT),
                                   .at_most = SHIFT_MAX_MS});
    report_aim(report, (struct report_aim){.what = "p99 of live messages of others moves by, ms",
                                           .value = median_shift(run, TO_OTHERS),
                                           .at_most = SHIFT_MAX_MS});
}

static void report_all(const struct replay_all *run, struct report *report)
{
    report_live(run, report);
    report_figure(report, "queued_twice", (double)run->queued_twice);
    report_figure(report, "clicks_that_made_two", (double)run->asked_twice);
    report_figure(report, "killed_after", run->kill_done);
    report_figure(report, "kill_to_end_s", run->kill_s);
    report_figure(report, "kill_repeated", run->kill_again);
    report_figure(report, "cancelled_after", run->cancel_done);
    report_figure(report, "cancel_ms", run->cancel_ms);
    report_figure(report, "came_after_cancel", run->cancel_late);
}

/* Since the letters were made and before live traffic began: the same messages each time. */
static void bodies(const struct replay_all *run, char *ret_first, char *ret_again, size_t size)
{
    char until[40];
    time_t now = time(NULL) + 1;
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(until, sizeof(until), "%Y-%m-%dT%H:%M:%SZ", &tm);
    const char *endpoint = run->stage.endpoints[0].id;
    snprintf(ret_first, size, "{\"endpoint\":\"%s\"}", endpoint);
    snprintf(ret_again, size, "{\"endpoint\":\"%s\",\"dead_only\":false,\"until\":\"%s\"}",
             endpoint, until);
    nap_ms(1100); /* no live message is of that second */
}

bool scenario_replay_all(const struct scenario_options *options, struct report *report)
{
    char first[256], again[256];
    struct replay_all *run = calloc(1, sizeof(*run));
    report->scenario = "replay-all";
    if (!run)
        return false;
    run->letter_count = options->events ? (size_t)options->events : LETTERS;
    run->round_count = options->seconds ? 1 : ROUNDS;
    run->endpoint_rate = options->rate ? options->rate : ENDPOINT_RATE;
    run->came = calloc(run->letter_count, sizeof(*run->came));
    run->stage.app_count = APPS;
    run->stage.endpoint_count = ENDPOINTS;
    run->stage.endpoint_members = ",\"retrySchedule\":[0,36000]";
    run->stage.log_max = 8 * run->letter_count + 400000;
    enum err err = run->came ? hooks_stage_open(&run->stage) : ERR_NOMEM;
    bool is_open = !err;
    if (!err)
        err = make_letters(run);
    if (!err)
        bodies(run, first, again, sizeof(first));
    if (!err)
        err = run_live(run, first, again);
    if (!err)
        err = run_kill(run, again);
    if (!err)
        err = run_cancel(run, again);
    if (!err)
        report_all(run, report);
    else
        fprintf(stderr, "replay-all: %s\n", err_name(err));
    report->ok = !err && run->queued_twice == 0 && run->asked_twice == 0 &&
                 run->streams[TO_ENDPOINT].failed == 0 && run->streams[TO_OTHERS].failed == 0;
    bool is_closed = hooks_stage_close(&run->stage);
    report->ok = report->ok && is_closed;
    free(run->came);
    free(run);
    return is_open && (!err || err == ERR_CORRUPT);
}
