/* A run with sick endpoints and healthy ones; see slow_run.h. */
#include "slow_run.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define SECOND_NS      INT64_C(1000000000)
#define CONNECTIONS    48 /* of one stream */
#define ACCEPTED       202
#define SEQ_OF_KIND    (UINT64_C(1) << 32)
#define FAILURES_SHOWN 3

/* --- streams --- */

static bool make_message(void *ctx, struct load_request *request)
{
    struct slow_stream *stream = ctx;
    struct slow_run *run = stream->run;
    uint64_t seq = stream->next_seq++;
    size_t endpoint = stream->first_endpoint + seq % stream->endpoint_count;
    uint64_t kind = (uint64_t)(stream - run->streams);
    if (seq >= stream->seq_max)
        return false;
    hooks_message_fill(&stream->message, &run->stage, endpoint, kind * SEQ_OF_KIND + seq,
                       stream->arrivals.next_ns, request);
    return true;
}

static void on_accepted(void *ctx, const struct load_answer *answer)
{
    struct slow_stream *stream = ctx;
    if (answer->status == ACCEPTED) {
        stream->accepted++;
        stream->span.accepted++;
        return;
    }
    if (stream->failed++ < FAILURES_SHOWN)
        fprintf(stderr, "bench: a message was not taken: %d %.*s\n", answer->status,
                STR_ARG(answer->body));
}

static enum err stream_start(struct slow_run *run, enum slow_kind kind)
{
    struct slow_stream *stream = &run->streams[kind];
    bool is_sick = kind == SLOW_SICK;
    stream->run = run;
    stream->rate = is_sick ? run->sick_rate : run->healthy_rate;
    stream->first_endpoint = is_sick ? 0 : run->sick_count;
    stream->endpoint_count =
        is_sick ? run->sick_count : run->stage.endpoint_count - run->sick_count;
    stream->seq_max = (size_t)(stream->rate * (double)run->seconds_max * 1.1) + 1000;
    stream->is_seen = calloc(stream->seq_max, 1);
    hooks_message_init(&stream->message);
    if (!stream->is_seen)
        return ERR_NOMEM;
    stream->arrivals = (struct arrivals){.rate = stream->rate,
                                         .first = (size_t)kind * CONNECTIONS,
                                         .count = CONNECTIONS,
                                         .start_ns = run->start_ns,
                                         .measure_ns = run->start_ns,
                                         .end_ns = run->start_ns + run->seconds_max * SECOND_NS,
                                         .make = make_message,
                                         .on_answer = on_accepted,
                                         .ctx = stream};
    return arrivals_start(&stream->arrivals, run->load);
}

/* --- what the receivers saw --- */

static void take_arrival(struct slow_run *run, const struct receiver_arrival *arrival)
{
    struct slow_stream *stream =
        &run->streams[arrival->seq / SEQ_OF_KIND ? SLOW_HEALTHY : SLOW_SICK];
    uint64_t seq = arrival->seq % SEQ_OF_KIND;
    stream->span.arrived++;
    hist_add(&stream->span.latency, arrival->arrived_ns - arrival->intended_ns);
    if (seq >= stream->seq_max)
        return;
    if (stream->is_seen[seq])
        stream->repeated++;
    else
        stream->distinct++;
    stream->is_seen[seq] = 1;
}

static void read_log(struct slow_run *run)
{
    const struct receiver *receiver = &run->stage.receiver;
    for (size_t end = receiver_logged(receiver); run->log_read < end; run->log_read++)
        take_arrival(run, &receiver->log[run->log_read]);
}

int64_t slow_run_backlog(const struct slow_run *run, enum slow_kind kind)
{
    const struct slow_stream *stream = &run->streams[kind];
    int64_t backlog = (int64_t)stream->accepted;
    for (size_t i = 0; i < stream->endpoint_count; i++)
        backlog -=
            (int64_t)atomic_load(&run->stage.receiver.paths[stream->first_endpoint + i].answered);
    return backlog;
}

int64_t slow_run_missing(const struct slow_run *run, enum slow_kind kind)
{
    return (int64_t)(run->streams[kind].accepted - run->streams[kind].distinct);
}

/* --- what the server says --- */

static void on_sample(struct load_conn *conn, const struct load_answer *answer)
{
    struct slow_run *run = conn->actor;
    struct slow_sample *sample = &run->sample;
    int64_t pending = hooks_number(answer->body, "pending");
    run->samples_under_way--;
    if (answer->status != 200 || answer->body.len == 0)
        return;
    if (pending >= 0) {
        sample->pending = pending;
        return;
    }
    sample->in_flight = hooks_number(answer->body, "in_flight");
    bool is_closed = memmem(answer->body.data, answer->body.len, "\"closed\"", 8) != NULL;
    bool is_open = memmem(answer->body.data, answer->body.len, "\"open\"", 6) != NULL;
    sample->state = is_closed ? "closed" : is_open ? "open" : "probing";
    sample->closed_s += is_closed;
    sample->open_s += is_open;
    sample->half_open_s += !is_closed && !is_open;
}

static void ask(struct slow_run *run, const char *what)
{
    char path[256];
    const struct hooks_endpoint *endpoint = &run->stage.endpoints[0];
    snprintf(path, sizeof(path), "/api/v1/app/%s/endpoint/%s/%s", run->stage.apps[endpoint->app],
             endpoint->id, what);
    struct load_request request = {
        .method = "GET", .path = str_from_c(path), .headers = str_from_c(run->stage.headers)};
    run->samples_under_way++;
    load_send(run->sampler, &request);
}

static int64_t resident_mib(pid_t pid)
{
    char path[64], line[256];
    long long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmRSS: %lld", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib / 1024;
}

static int64_t open_files(pid_t pid)
{
    char path[64];
    int64_t count = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *files = opendir(path);
    while (files && readdir(files))
        count++;
    if (files)
        closedir(files);
    return count > 2 ? count - 2 : 0; /* without . and .. */
}

static void sample_if_due(struct slow_run *run)
{
    int64_t now_ns = clock_mono_ns();
    if (now_ns - run->sampled_ns < SECOND_NS || run->samples_under_way > 0)
        return;
    run->sampled_ns = now_ns;
    ask(run, "health");
    ask(run, "stats");
    run->resident_mib = resident_mib(run->stage.child.pid);
    run->files = open_files(run->stage.child.pid);
    if (run->resident_mib > run->resident_most_mib)
        run->resident_most_mib = run->resident_mib;
    if (run->files > run->files_most)
        run->files_most = run->files;
}

/* --- the run --- */

enum err slow_run_open(struct slow_run *run)
{
    run->sample = (struct slow_sample){.pending = -1, .in_flight = -1, .state = "-"};
    enum err err = hooks_stage_open(&run->stage);
    if (!err)
        err = load_new(SLOW_KINDS * CONNECTIONS + 1, run->stage.child.port, &run->load);
    if (err)
        return err;
    run->sampler = load_conn_at(run->load, SLOW_KINDS * CONNECTIONS);
    run->sampler->actor = run;
    run->sampler->on_answer = on_sample;
    run->start_ns = clock_mono_ns();
    for (int kind = 0; !err && kind < SLOW_KINDS; kind++)
        err = stream_start(run, (enum slow_kind)kind);
    return err;
}

struct turn {
    struct slow_run *run;
    bool (*is_over)(void *ctx);
    void *ctx;
};

static bool on_turn(void *ctx)
{
    struct turn *turn = ctx;
    read_log(turn->run);
    sample_if_due(turn->run);
    return turn->is_over && turn->is_over(turn->ctx);
}

void slow_run_on(struct slow_run *run, int64_t until_ns, bool (*is_over)(void *ctx), void *ctx)
{
    struct turn turn = {run, is_over, ctx};
    load_run(run->load, until_ns, on_turn, &turn);
}

void slow_run_end_streams(struct slow_run *run)
{
    for (int kind = 0; kind < SLOW_KINDS; kind++)
        run->streams[kind].arrivals.end_ns = clock_mono_ns();
}

void slow_run_behave(struct slow_run *run, enum slow_kind kind,
                     const struct receiver_behaviour *behaviour)
{
    const struct slow_stream *stream = &run->streams[kind];
    for (size_t i = 0; i < stream->endpoint_count; i++)
        receiver_set(&run->stage.receiver, stream->first_endpoint + i, behaviour);
}

void slow_run_span(struct slow_run *run)
{
    for (int kind = 0; kind < SLOW_KINDS; kind++)
        run->streams[kind].span = (struct slow_seen){0};
    run->sample.open_s = run->sample.half_open_s = run->sample.closed_s = 0;
}

bool slow_run_close(struct slow_run *run)
{
    for (int kind = 0; kind < SLOW_KINDS; kind++) {
        struct slow_stream *stream = &run->streams[kind];
        arrivals_finish(&stream->arrivals);
        hooks_message_release(&stream->message);
        free(stream->is_seen);
        stream->is_seen = NULL;
    }
    load_free(run->load);
    run->load = NULL;
    return hooks_stage_close(&run->stage);
}
