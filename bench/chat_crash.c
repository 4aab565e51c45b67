/*
 * chat-crash: several servers on one PostgreSQL carry as many connections as this machine can,
 * while messages go between users of different servers and to groups over all of them. One server
 * is killed with SIGKILL and stays away. Second by second: how many of its users are connected
 * again, and how many have caught up with what they missed.
 *
 * The clients behave as docs/chat-stream.md says and know only what they were told: nothing that
 * was acknowledged may be missing on any member's device, and nothing may be shown twice.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "chat_load.h"
#include "cpu.h"
#include "process.h"
#include "scenario.h"
#include "store.h"

#define CONNECTIONS      95000
#define NODE_CONNECTIONS 19000 /* at most, so that the others can take those of a killed one */
#define NODES_MIN        3
#define RATE             200
#define GROUPS_PER_MILLE 10
#define DIRECTS          2
#define GROUP_SIZE       100
#define USERS_STEP       100 /* of which the groups and the pairs come out even */
#define RECEIPTS_MS      1000
#define WARM_S           4
#define BEFORE_S         8
#define OPENING_MAX      200
#define OPEN_SECONDS_MAX 240
#define BACK_SECONDS_MAX 90
#define BEHIND_SECONDS   5 /* traffic goes on so much longer */
#define DRAIN_SECONDS    60
#define SENT_MAX         (1u << 20)
#define SHOWN_MAX        (8u << 20)
#define SECOND_NS        INT64_C(1000000000)
#define TABLE_SECONDS    BACK_SECONDS_MAX

enum crash_phase {
    PHASE_WARM, /* what servers make at first use counts for nobody */
    PHASE_BEFORE,
    PHASE_AFTER,
};

/* What the clients had done at the end of a second. */
struct second {
    uint64_t tried, opened, acked, shown, refused, busy;
};

struct crash {
    struct child nodes[CHAT_NODES_MAX];
    unsigned node_count;
    double rate;
    int64_t before_s;
    struct chat_seed seed;
    struct chat_load load;
    int64_t killed_ns;
    struct second seconds[TABLE_SECONDS + 1];
    unsigned second_count;
    double open_s;
    int64_t *back_ns, *live_ns; /* sorted, from the kill on */
    size_t victims, back, live;
};

/* --- nodes --- */

static enum err start_nodes(struct crash *crash)
{
    static const char *const arguments[] = {"--services=tickets,chat",
                                            "--abuse=off",
                                            "--log-level=error",
                                            "--connections-max=19600",
                                            "--loops=1",
                                            "--readers=2",
                                            NULL};
    enum err err = ERR_OK;
    for (unsigned i = 0; !err && i < crash->node_count; i++) {
        if (i > 0)
            err = child_join(&crash->nodes[i], &crash->nodes[0]);
        if (!err)
            err = child_start(&crash->nodes[i], arguments);
        crash->load.ports[i] = crash->nodes[i].port;
    }
    return err;
}

static bool stop_nodes(struct crash *crash)
{
    bool is_well = true;
    for (unsigned i = crash->node_count; i-- > 0;) {
        if (crash->nodes[i].pid > 0 && child_stop(&crash->nodes[i]) != ERR_OK) {
            fprintf(stderr, "chat-crash: server %u did not end well\n", i);
            is_well = false;
        }
        if (i > 0)
            child_remove(&crash->nodes[i]);
    }
    return is_well;
}

/* --- the run --- */

static enum err open_all(struct crash *crash)
{
    struct chat_work work = {.opened = UINT32_MAX,
                             .opening = OPENING_MAX / crash->load.processes + 1};
    uint64_t count = crash->seed.user_count;
    int64_t begun_ns = clock_mono_ns();
    enum err err = chat_load_work(&crash->load, &work);
    if (!err)
        err = CHAT_WAIT(&crash->load, live, count, begun_ns + OPEN_SECONDS_MAX * SECOND_NS);
    crash->open_s = (double)(clock_mono_ns() - begun_ns) / 1e9;
    printf("chat-crash: %llu of %llu connected after %.0f s\n",
           (unsigned long long)CHAT_SUM(&crash->load, live), (unsigned long long)count,
           crash->open_s);
    return err;
}

static struct chat_work traffic(const struct crash *crash, unsigned phase)
{
    return (struct chat_work){.pace = CHAT_OPEN_LOOP,
                              .phase = phase,
                              .rate = crash->rate / crash->load.processes,
                              .groups = GROUPS_PER_MILLE,
                              .opened = UINT32_MAX,
                              .opening = UINT32_MAX};
}

static void note_second(struct crash *crash)
{
    const struct chat_load *load = &crash->load;
    crash->seconds[crash->second_count++] = (struct second){.tried = CHAT_SUM(load, tried),
                                                            .opened = CHAT_SUM(load, opened),
                                                            .acked = CHAT_SUM(load, acked),
                                                            .shown = CHAT_SUM(load, shown),
                                                            .refused = CHAT_SUM(load, refused),
                                                            .busy = CHAT_SUM(load, busy)};
}

/* Until all are back, and a while longer. */
static enum err watch(struct crash *crash)
{
    int64_t until_ns = crash->killed_ns + BACK_SECONDS_MAX * SECOND_NS;
    unsigned behind = 0;
    while (crash->second_count <= TABLE_SECONDS && behind < BEHIND_SECONDS) {
        int64_t due_ns = crash->killed_ns + (int64_t)crash->second_count * SECOND_NS;
        while (clock_mono_ns() < due_ns)
            chat_load_nap(2);
        note_second(crash);
        bool is_whole = CHAT_SUM(&crash->load, live) >= crash->seed.user_count;
        behind = is_whole && crash->second_count > 2 ? behind + 1 : 0;
        if (clock_mono_ns() > until_ns)
            break;
    }
    return behind > 0 ? ERR_OK : ERR_TIMEOUT;
}

static enum err drain(struct crash *crash)
{
    struct chat_work work = {.opened = UINT32_MAX, .opening = UINT32_MAX};
    int64_t until_ns = clock_mono_ns() + DRAIN_SECONDS * SECOND_NS;
    enum err err = chat_load_work(&crash->load, &work);
    struct chat_verdict verdict = {0};
    while (!err) {
        err = chat_ledger_check(&crash->load.ledger, &verdict);
        if (err || (verdict.acked == verdict.sent && verdict.lost == 0) ||
            clock_mono_ns() > until_ns)
            break;
        chat_load_nap(500);
    }
    chat_load_nap(1000); /* what came twice would come now */
    return err;
}

static enum err run(struct crash *crash)
{
    unsigned victim = crash->load.killed_node;
    struct chat_work work = traffic(crash, PHASE_WARM);
    enum err err = open_all(crash);
    if (!err)
        err = chat_load_work(&crash->load, &work);
    if (err)
        return err;
    chat_load_nap(WARM_S * 1000);
    work = traffic(crash, PHASE_BEFORE);
    err = chat_load_work(&crash->load, &work);
    if (err)
        return err;
    chat_load_nap(crash->before_s * 1000);
    memset(crash->load.comebacks, 0, crash->seed.user_count * sizeof(*crash->load.comebacks));
    work = traffic(crash, PHASE_AFTER);
    err = chat_load_work(&crash->load, &work);
    crash->killed_ns = clock_mono_ns();
    kill(crash->nodes[victim].pid, SIGKILL);
    note_second(crash);
    if (!err)
        err = watch(crash);
    (void)waitpid(crash->nodes[victim].pid, NULL, 0);
    crash->nodes[victim].pid = 0;
    enum err drain_err = drain(crash);
    return err ? err : drain_err;
}

/* --- what was found --- */

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum err gather(struct crash *crash)
{
    crash->back_ns = calloc(crash->seed.user_count, sizeof(*crash->back_ns));
    crash->live_ns = calloc(crash->seed.user_count, sizeof(*crash->live_ns));
    if (!crash->back_ns || !crash->live_ns)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < crash->seed.user_count; i++) {
        const struct chat_comeback *comeback = &crash->load.comebacks[i];
        crash->victims += comeback->lost_ns > 0;
        if (comeback->lost_ns > 0 && comeback->ready_ns > 0)
            crash->back_ns[crash->back++] = comeback->ready_ns - crash->killed_ns;
        if (comeback->lost_ns > 0 && comeback->live_ns > 0)
            crash->live_ns[crash->live++] = comeback->live_ns - crash->killed_ns;
    }
    qsort(crash->back_ns, crash->back, sizeof(*crash->back_ns), compare);
    qsort(crash->live_ns, crash->live, sizeof(*crash->live_ns), compare);
    return ERR_OK;
}

static size_t count_until(const int64_t *sorted, size_t count, int64_t ns)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] <= ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Seconds until that share of all victims; 0: never. */
static double time_to(const struct crash *crash, const int64_t *sorted, size_t count, double share)
{
    size_t needed = (size_t)((double)crash->victims * share + 0.999999);
    if (needed == 0 || needed > count)
        return 0;
    return (double)sorted[needed - 1] / 1e9;
}

static double percent(size_t part, size_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_table(struct crash *crash, struct report *report)
{
    static char names[2 * TABLE_SECONDS][32];
    unsigned name = 0;
    printf("\n  after  connected again    caught up  handshakes/s   tries/s   503/s  acked/s"
           "  shown/s\n");
    for (unsigned i = 1; i < crash->second_count; i++) {
        const struct second *now = &crash->seconds[i], *last = &crash->seconds[i - 1];
        size_t back = count_until(crash->back_ns, crash->back, (int64_t)i * SECOND_NS);
        size_t live = count_until(crash->live_ns, crash->live, (int64_t)i * SECOND_NS);
        printf("  %3u s  %7zu %6.1f %%  %7zu %6.1f %%  %6llu  %8llu  %6llu  %7llu  %7llu\n", i,
               back, percent(back, crash->victims), live, percent(live, crash->victims),
               (unsigned long long)(now->opened - last->opened),
               (unsigned long long)(now->tried - last->tried),
               (unsigned long long)(now->busy - last->busy),
               (unsigned long long)(now->acked - last->acked),
               (unsigned long long)(now->shown - last->shown));
        if (i > 10)
            continue;
        (void)snprintf(names[name], sizeof(names[name]), "connected_after_%u_s_percent", i);
        report_figure(report, names[name++], percent(back, crash->victims));
        (void)snprintf(names[name], sizeof(names[name]), "caught_up_after_%u_s_percent", i);
        report_figure(report, names[name++], percent(live, crash->victims));
    }
}

static void report_times(const struct crash *crash, struct report *report)
{
    double whole = time_to(crash, crash->live_ns, crash->live, 1.0);
    uint64_t most = 0;
    for (unsigned i = 1; i < crash->second_count; i++) {
        uint64_t opened = crash->seconds[i].opened - crash->seconds[i - 1].opened;
        most = opened > most ? opened : most;
    }
    report_figure(report, "connected_50_percent_s",
                  time_to(crash, crash->back_ns, crash->back, 0.5));
    report_figure(report, "connected_99_percent_s",
                  time_to(crash, crash->back_ns, crash->back, 0.99));
    report_figure(report, "connected_all_s", time_to(crash, crash->back_ns, crash->back, 1.0));
    report_figure(report, "caught_up_50_percent_s",
                  time_to(crash, crash->live_ns, crash->live, 0.5));
    report_figure(report, "caught_up_99_percent_s",
                  time_to(crash, crash->live_ns, crash->live, 0.99));
    report_figure(report, "caught_up_all_s", whole);
    report_figure(report, "most_handshakes_in_a_second", (double)most);
}

static void report_latencies(const struct crash *crash, struct report *report)
{
    static const char *const names[2][2][4] = {
        {{"before_ack_p50_ms", "before_ack_p95_ms", "before_ack_p99_ms", "before_ack_max_ms"},
         {"before_receive_p50_ms", "before_receive_p95_ms", "before_receive_p99_ms",
          "before_receive_max_ms"}},
        {{"others_ack_p50_ms", "others_ack_p95_ms", "others_ack_p99_ms", "others_ack_max_ms"},
         {"others_receive_p50_ms", "others_receive_p95_ms", "others_receive_p99_ms",
          "others_receive_max_ms"}},
    };
    struct hist hist;
    CHAT_HIST(&crash->load, acks, PHASE_BEFORE, &hist);
    report_latency(report, &hist, names[0][0]);
    CHAT_HIST(&crash->load, receives, PHASE_BEFORE, &hist);
    report_latency(report, &hist, names[0][1]);
    CHAT_HIST(&crash->load, other_acks, PHASE_AFTER, &hist);
    report_latency(report, &hist, names[1][0]);
    CHAT_HIST(&crash->load, other_receives, PHASE_AFTER, &hist);
    report_latency(report, &hist, names[1][1]);
}

static void report_nodes(const struct crash *crash, struct report *report)
{
    double memory = 0;
    for (unsigned i = 0; i < crash->node_count; i++)
        memory += (double)process_rss_bytes(crash->nodes[i].pid);
    report_figure(report, "connections", crash->seed.user_count);
    report_figure(report, "servers", crash->node_count);
    report_figure(report, "opening_s", crash->open_s);
    report_figure(report, "opened_per_s", (double)crash->seed.user_count / crash->open_s);
    report_figure(report, "memory_of_servers_left_mib", memory / 1048576);
    report_figure(report, "rate_per_s", crash->rate);
}

static bool report_verdict(struct crash *crash, struct report *report)
{
    struct chat_verdict verdict;
    struct chat_load *load = &crash->load;
    if (chat_ledger_check(&load->ledger, &verdict) != ERR_OK)
        return false;
    report_figure(report, "connections_lost", (double)crash->victims);
    report_figure(report, "messages_sent", (double)verdict.sent);
    report_figure(report, "messages_acknowledged", (double)verdict.acked);
    report_figure(report, "messages_sent_again_answered", (double)CHAT_SUM(load, repeated));
    report_figure(report, "messages_shown", (double)verdict.shown);
    report_figure(report, "messages_lost", (double)verdict.lost);
    report_figure(report, "duplicates_shown", (double)verdict.twice);
    report_figure(report, "duplicates_passed_over", (double)CHAT_SUM(load, passed));
    report_figure(report, "receipts_came", (double)CHAT_SUM(load, receipts));
    report_figure(report, "gaps", (double)CHAT_SUM(load, gaps));
    report_figure(report, "resyncs", (double)CHAT_SUM(load, resyncs));
    report_figure(report, "errors", (double)CHAT_SUM(load, errors));
    report_figure(report, "refused", (double)CHAT_SUM(load, refused));
    report_figure(report, "strange", (double)(verdict.strange + CHAT_SUM(load, strange)));
    report_aim(report, (struct report_aim){.what = "connections of several servers",
                                           .value = crash->seed.user_count,
                                           .at_least = CONNECTIONS});
    report_aim(report,
               (struct report_aim){.what = "seconds until all of a killed server's users caught up",
                                   .value = time_to(crash, crash->live_ns, crash->live, 1.0)});
    return verdict.acked == verdict.sent && verdict.sent > 0 && verdict.lost == 0 &&
           verdict.twice == 0 && verdict.strange == 0 && verdict.unlogged == 0 &&
           chat_ledger_is_sharp(&load->ledger) && CHAT_SUM(load, strange) == 0 &&
           crash->victims > 0 && crash->live == crash->victims;
}

static enum err start(struct crash *crash)
{
    enum err err = child_directory(&crash->nodes[0]);
    if (!err)
        err = chat_seed_write(&crash->nodes[0], &crash->seed);
    if (!err)
        err = start_nodes(crash);
    return err ? err : chat_load_start(&crash->load);
}

static bool report_all(struct crash *crash, struct report *report)
{
    if (gather(crash) != ERR_OK)
        return false;
    report_nodes(crash, report);
    print_table(crash, report);
    report_times(crash, report);
    report_latencies(crash, report);
    return report_verdict(crash, report);
}

bool scenario_chat_crash(const struct scenario_options *options, struct report *report)
{
    uint32_t users = options->connections ? (uint32_t)options->connections : CONNECTIONS;
    struct crash *crash = calloc(1, sizeof(*crash));
    report->scenario = "chat-crash";
    if (!bench_is_pgsql() || !crash) {
        fprintf(stderr, "chat-crash: several servers need PostgreSQL: BENCH_STORE\n");
        free(crash);
        return false;
    }
    users -= users % USERS_STEP;
    crash->node_count = (users + NODE_CONNECTIONS - 1) / NODE_CONNECTIONS + 1;
    if (crash->node_count < NODES_MIN)
        crash->node_count = NODES_MIN;
    crash->rate = options->rate ? options->rate : RATE;
    crash->before_s = options->seconds ? options->seconds : BEFORE_S;
    crash->seed =
        (struct chat_seed){.user_count = users, .directs = DIRECTS, .group_size = GROUP_SIZE};
    crash->load = (struct chat_load){.seed = &crash->seed,
                                     .ledger = {.sent_max = SENT_MAX, .shown_max = SHOWN_MAX},
                                     .processes = crash->node_count,
                                     .node_count = crash->node_count,
                                     .killed_node = crash->node_count / 2,
                                     .receipts_ms = RECEIPTS_MS};
    enum err err = users > 0 ? start(crash) : ERR_INVALID;
    if (!err)
        err = run(crash);
    bool is_found = crash->killed_ns > 0 && report_all(crash, report);
    bool is_well = chat_load_stop(&crash->load) == ERR_OK;
    is_well = stop_nodes(crash) && is_well;
    report->ok = !err && is_found && is_well && child_audit(&crash->nodes[0]) == 0;
    bool has_run = crash->killed_ns > 0;
    child_remove(&crash->nodes[0]);
    chat_ledger_release(&crash->load.ledger);
    chat_seed_release(&crash->seed);
    free(crash->back_ns);
    free(crash->live_ns);
    free(crash);
    return has_run;
}
