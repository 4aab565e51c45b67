/*
 * chat: what one server on SQLite carries over the stream. 10,240 devices with 10 chats each
 * connect (how fast, and what an idle one costs in memory); messages between two and to groups of 100, as
 * many as are acknowledged (each sender has a few without an answer) and then at a fixed rate below
 * that, where latency counts from when a message was due. Beside it, in the same run: the rows of a
 * message by a bare writer, bare WebSockets that echo, and Mosquitto under the same load.
 *
 * Nothing that was acknowledged may be missing on any member's device, and nothing be shown twice.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "chat_load.h"
#include "cpu.h"
#include "floor_chat.h"
#include "mqtt_load.h"
#include "process.h"
#include "scenario.h"
#include "store/writer.h"

#define USERS          10240
#define USERS_STEP     512 /* of which the pairs come out even */
#define DIRECTS        9
#define GROUP_SIZE     100
#define PROCESSES      2
#define SECONDS        6
#define WARM_MS        1000
#define OPENING        64 /* of a process, at a time */
#define OPEN_SECONDS   120
#define DIRECT_SENDERS 256 /* of a process */
#define DIRECT_DEPTH   4
#define GROUP_SENDERS  500 /* of a process: ten groups in all */
#define GROUP_DEPTH    1
#define PACED_SHARE    0.6 /* of the most, at a fixed rate */
#define DRAIN_SECONDS  60
#define SENT_MAX       (4u << 20)
#define SHOWN_MAX      (48u << 20)
#define WARM_CLIENTS   64
#define IDLE_MS        1500
#define HEAP_TRIES     20
#define HEAP_NOISE     (64 << 10)
#define SECOND_NS      INT64_C(1000000000)
#define ACKED_AIM      30000
#define DELIVERED_AIM  300000
#define IDLE_BYTES_AIM 1024

enum rates_phase {
    PHASE_WARM,
    PHASE_DIRECT,
    PHASE_DIRECT_PACED,
    PHASE_GROUP,
    PHASE_GROUP_PACED,
};

/* One measured phase. */
struct measured {
    double acked, shown; /* a second */
    double server_us;    /* of its processor time, a message */
};

struct rates {
    struct child child;
    struct chat_seed seed;
    struct chat_load load;
    int64_t seconds;
    double connects, connect_us, rss_bytes, heap_bytes;
    struct measured direct, direct_paced, group, group_paced;
    double floor_full, floor_quarter;
    struct report echo;
};

/* --- floors --- */

static enum err run_floors(struct rates *rates, uint32_t connections)
{
    const struct scenario_options options = {.connections = (int)connections, .seconds = 2};
    enum err err = floor_chat(&rates->child, WRITER_GROUP_MAX, 2000, &rates->floor_full);
    if (!err)
        err = floor_chat(&rates->child, WRITER_GROUP_MAX / 4, 2000, &rates->floor_quarter);
    if (!err && !(scenario_ws_echo(&options, &rates->echo) && rates->echo.ok))
        err = ERR_IO;
    return err;
}

/* --- opening --- */

static double heap_bytes(const struct rates *rates)
{
    static const char name[] = "\nfoyer_heap_bytes ";
    struct buf body;
    double value = 0;
    int status = child_request(rates->child.port, "GET", "/metrics", STR(""), &body);
    buf_append_char(&body, '\0');
    const char *at = status == 200 && !body.overflow ? strstr(body.data, name) : NULL;
    if (at)
        value = strtod(at + sizeof(name) - 1, NULL);
    buf_release(&body);
    return value;
}

/* When it does not change any more: what has gone is let go of a while later. */
static double settled_heap(const struct rates *rates)
{
    double last = heap_bytes(rates);
    for (int i = 0; i < HEAP_TRIES; i++) {
        chat_load_nap(IDLE_MS);
        double now = heap_bytes(rates);
        bool is_settled = now - last < HEAP_NOISE && last - now < HEAP_NOISE;
        last = now;
        if (is_settled)
            break;
    }
    return last;
}

static enum err open_until(struct rates *rates, uint32_t count)
{
    struct chat_work work = {.opened = count / PROCESSES, .opening = OPENING};
    enum err err = chat_load_work(&rates->load, &work);
    if (!err)
        err = CHAT_WAIT(&rates->load, live, count, clock_mono_ns() + OPEN_SECONDS * SECOND_NS);
    return err;
}

/* Twice. The first time the server also fills its caches of pages, which are bounded and nobody's:
 * so connections are counted in what it allocates the second time, and in resident memory the
 * first. */
static enum err open_all(struct rates *rates)
{
    pid_t server = rates->child.pid;
    uint32_t count = rates->seed.user_count;
    double opened = count - WARM_CLIENTS;
    enum err err = open_until(rates, WARM_CLIENTS);
    double rss = (double)process_rss_bytes(server);
    if (!err)
        err = open_until(rates, count);
    chat_load_nap(IDLE_MS);
    rates->rss_bytes = ((double)process_rss_bytes(server) - rss) / opened;
    if (!err)
        err = open_until(rates, WARM_CLIENTS);
    double heap = settled_heap(rates), cpu = cpu_seconds(server);
    int64_t begun_ns = clock_mono_ns();
    if (!err)
        err = open_until(rates, count);
    rates->connects = opened * 1e9 / (double)(clock_mono_ns() - begun_ns);
    rates->connect_us = (cpu_seconds(server) - cpu) * 1e6 / opened;
    rates->heap_bytes = (settled_heap(rates) - heap) / opened;
    return err;
}

/* --- messages --- */

static enum err drain(struct rates *rates, unsigned phase)
{
    struct chat_work work = {.phase = phase, .opened = UINT32_MAX, .opening = OPENING};
    int64_t until_ns = clock_mono_ns() + DRAIN_SECONDS * SECOND_NS;
    uint64_t sent = 0;
    enum err err = chat_load_work(&rates->load, &work);
    for (unsigned i = 0; i < PROCESSES; i++)
        sent += atomic_load(&rates->load.ledger.counts[i].sent);
    return err ? err : CHAT_WAIT(&rates->load, acked, sent, until_ns);
}

static enum err measure(struct rates *rates, const struct chat_work *work,
                        struct measured *ret_measured)
{
    enum err err = chat_load_work(&rates->load, work);
    if (err)
        return err;
    chat_load_nap(WARM_MS);
    uint64_t acked = CHAT_SUM(&rates->load, acked), shown = CHAT_SUM(&rates->load, shown);
    double cpu = cpu_seconds(rates->child.pid);
    int64_t begun_ns = clock_mono_ns();
    chat_load_nap(rates->seconds * 1000);
    double took_s = (double)(clock_mono_ns() - begun_ns) / 1e9;
    double acks = (double)(CHAT_SUM(&rates->load, acked) - acked);
    *ret_measured = (struct measured){
        .acked = acks / took_s,
        .shown = (double)(CHAT_SUM(&rates->load, shown) - shown) / took_s,
        .server_us = (cpu_seconds(rates->child.pid) - cpu) * 1e6 / (acks > 0 ? acks : 1)};
    return drain(rates, work->phase);
}

static struct chat_work closed_loop(unsigned phase, bool is_group)
{
    return (struct chat_work){.pace = CHAT_CLOSED_LOOP,
                              .phase = phase,
                              .groups = is_group ? 1000 : 0,
                              .senders = is_group ? GROUP_SENDERS : DIRECT_SENDERS,
                              .depth = is_group ? GROUP_DEPTH : DIRECT_DEPTH,
                              .opened = UINT32_MAX,
                              .opening = OPENING};
}

static struct chat_work open_loop(unsigned phase, bool is_group, double most)
{
    struct chat_work work = closed_loop(phase, is_group);
    work.pace = CHAT_OPEN_LOOP;
    work.senders = is_group ? GROUP_SENDERS : 0;
    work.rate = most * PACED_SHARE / PROCESSES;
    return work;
}

static enum err run_messages(struct rates *rates)
{
    struct chat_work work = closed_loop(PHASE_DIRECT, false);
    enum err err = measure(rates, &work, &rates->direct);
    work = open_loop(PHASE_DIRECT_PACED, false, rates->direct.acked);
    if (!err)
        err = measure(rates, &work, &rates->direct_paced);
    work = closed_loop(PHASE_GROUP, true);
    if (!err)
        err = measure(rates, &work, &rates->group);
    work = open_loop(PHASE_GROUP_PACED, true, rates->group.acked);
    if (!err)
        err = measure(rates, &work, &rates->group_paced);
    return err;
}

/* --- Mosquitto --- */

static void measure_mqtt(struct rates *rates, struct mqtt_load *mqtt, enum mqtt_phase phase,
                         struct measured *ret_measured)
{
    bool is_group = phase == MQTT_GROUP;
    mqtt_load_phase(mqtt, phase, is_group ? GROUP_SENDERS : DIRECT_SENDERS,
                    is_group ? GROUP_DEPTH : DIRECT_DEPTH);
    chat_load_nap(WARM_MS);
    uint64_t acked = mqtt_load_acked(mqtt), came = mqtt_load_came(mqtt);
    int64_t begun_ns = clock_mono_ns();
    chat_load_nap(rates->seconds * 1000);
    double took_s = (double)(clock_mono_ns() - begun_ns) / 1e9;
    *ret_measured = (struct measured){.acked = (double)(mqtt_load_acked(mqtt) - acked) / took_s,
                                      .shown = (double)(mqtt_load_came(mqtt) - came) / took_s};
    mqtt_load_phase(mqtt, MQTT_QUIET, 0, 0);
    chat_load_nap(WARM_MS);
}

static void report_mqtt(const struct mqtt_load *mqtt, const struct measured *direct,
                        const struct measured *group, struct report *report)
{
    struct hist acks[MQTT_PHASES] = {0}, receives[MQTT_PHASES] = {0};
    for (unsigned i = 0; i < mqtt->processes; i++) {
        for (int phase = 0; phase < MQTT_PHASES; phase++) {
            hist_merge(&acks[phase], &mqtt->figures[i].acks[phase]);
            hist_merge(&receives[phase], &mqtt->figures[i].receives[phase]);
        }
    }
    report_floor(report, "mosquitto_direct_acked_per_s", direct->acked);
    report_floor(report, "mosquitto_direct_ack_p50_ms", hist_ms(&acks[MQTT_DIRECT], 0.5));
    report_floor(report, "mosquitto_direct_ack_p99_ms", hist_ms(&acks[MQTT_DIRECT], 0.99));
    report_floor(report, "mosquitto_direct_receive_p99_ms", hist_ms(&receives[MQTT_DIRECT], 0.99));
    report_floor(report, "mosquitto_group_acked_per_s", group->acked);
    report_floor(report, "mosquitto_group_delivered_per_s", group->shown);
    report_floor(report, "mosquitto_group_receive_p99_ms", hist_ms(&receives[MQTT_GROUP], 0.99));
}

/* A run without it is a run all the same. */
static void run_mqtt(struct rates *rates, struct report *report)
{
    struct mqtt_load mqtt = {.processes = PROCESSES,
                             .client_count = rates->seed.user_count,
                             .group_size = GROUP_SIZE,
                             .opening = OPENING};
    struct measured direct, group;
    enum err err = mqtt_load_start(&mqtt);
    if (err == ERR_NOT_FOUND)
        printf("chat: no Mosquitto here, so nothing to compare with: apt-get install mosquitto\n");
    int64_t rss = process_rss_bytes(mqtt.broker), begun_ns = clock_mono_ns();
    if (!err)
        err = mqtt_load_connect(&mqtt, begun_ns + OPEN_SECONDS * SECOND_NS);
    if (!err) {
        double count = mqtt.client_count;
        report_floor(report, "mosquitto_connects_per_s",
                     count * 1e9 / (double)(clock_mono_ns() - begun_ns));
        report_floor(report, "mosquitto_rss_bytes_per_idle_connection",
                     (double)(process_rss_bytes(mqtt.broker) - rss) / count);
        measure_mqtt(rates, &mqtt, MQTT_DIRECT, &direct);
        measure_mqtt(rates, &mqtt, MQTT_GROUP, &group);
        report_mqtt(&mqtt, &direct, &group, report);
        report_floor(report, "mosquitto_failed", (double)mqtt_load_failed(&mqtt));
    } else if (err != ERR_NOT_FOUND) {
        printf("chat: Mosquitto could not run: %s\n", err_name(err));
    }
    mqtt_load_stop(&mqtt);
}

/* --- what was found --- */

static void report_phase(const struct rates *rates, unsigned phase, const char *const acks[4],
                         const char *const receives[4], struct report *report)
{
    struct hist hist;
    CHAT_HIST(&rates->load, acks, phase, &hist);
    report_latency(report, &hist, acks);
    CHAT_HIST(&rates->load, receives, phase, &hist);
    report_latency(report, &hist, receives);
}

static void report_rates(const struct rates *rates, struct report *report)
{
    static const char *const direct[2][4] = {
        {"direct_ack_p50_ms", "direct_ack_p95_ms", "direct_ack_p99_ms", "direct_ack_max_ms"},
        {"direct_receive_p50_ms", "direct_receive_p95_ms", "direct_receive_p99_ms",
         "direct_receive_max_ms"}};
    static const char *const paced[2][4] = {
        {"direct_paced_ack_p50_ms", "direct_paced_ack_p95_ms", "direct_paced_ack_p99_ms",
         "direct_paced_ack_max_ms"},
        {"direct_paced_receive_p50_ms", "direct_paced_receive_p95_ms",
         "direct_paced_receive_p99_ms", "direct_paced_receive_max_ms"}};
    static const char *const group[2][4] = {
        {"group_ack_p50_ms", "group_ack_p95_ms", "group_ack_p99_ms", "group_ack_max_ms"},
        {"group_receive_p50_ms", "group_receive_p95_ms", "group_receive_p99_ms",
         "group_receive_max_ms"}};
    static const char *const group_paced[2][4] = {
        {"group_paced_ack_p50_ms", "group_paced_ack_p95_ms", "group_paced_ack_p99_ms",
         "group_paced_ack_max_ms"},
        {"group_paced_receive_p50_ms", "group_paced_receive_p95_ms", "group_paced_receive_p99_ms",
         "group_paced_receive_max_ms"}};
    report_figure(report, "direct_acked_per_s", rates->direct.acked);
    report_figure(report, "direct_shown_per_s", rates->direct.shown);
    report_figure(report, "direct_server_cpu_us_each", rates->direct.server_us);
    report_phase(rates, PHASE_DIRECT, direct[0], direct[1], report);
    report_figure(report, "direct_paced_acked_per_s", rates->direct_paced.acked);
    report_phase(rates, PHASE_DIRECT_PACED, paced[0], paced[1], report);
    report_figure(report, "group_acked_per_s", rates->group.acked);
    report_figure(report, "group_delivered_per_s", rates->group.shown);
    report_figure(report, "group_server_cpu_us_each", rates->group.server_us);
    report_phase(rates, PHASE_GROUP, group[0], group[1], report);
    report_figure(report, "group_paced_acked_per_s", rates->group_paced.acked);
    report_figure(report, "group_paced_delivered_per_s", rates->group_paced.shown);
    report_phase(rates, PHASE_GROUP_PACED, group_paced[0], group_paced[1], report);
}

static void report_opening(const struct rates *rates, struct report *report)
{
    report_figure(report, "connections", rates->seed.user_count);
    report_figure(report, "chats_of_each", rates->seed.per_user);
    report_figure(report, "connects_per_s", rates->connects);
    report_figure(report, "server_cpu_us_per_connect", rates->connect_us);
    report_figure(report, "rss_bytes_per_idle_connection", rates->rss_bytes);
    report_figure(report, "heap_bytes_per_idle_connection", rates->heap_bytes);
}

static void report_floors(const struct rates *rates, struct report *report)
{
    const struct report *echo = &rates->echo;
    double deliveries = report_value(echo, "deliveries_per_s_to_all");
    double connects = report_value(echo, "connects_per_s");
    double idle = report_value(echo, "bytes_per_idle_connection");
    report_floor(report, "writer_full_groups_per_s", rates->floor_full);
    report_floor(report, "writer_quarter_groups_per_s", rates->floor_quarter);
    report_floor(report, "echo_per_s", report_value(echo, "echo_per_s_one_each"));
    report_floor(report, "echo_deliveries_per_s", deliveries);
    report_floor(report, "echo_connects_per_s", connects);
    report_floor(report, "echo_bytes_per_idle_connection", idle);
    report_aim(report, (struct report_aim){.what = "messages acknowledged a second, 1:1",
                                           .value = rates->direct.acked,
                                           .floor = rates->floor_full,
                                           .at_least = ACKED_AIM});
    report_aim(report, (struct report_aim){.what = "messages delivered a second, groups of 100",
                                           .value = rates->group.shown,
                                           .floor = deliveries,
                                           .at_least = DELIVERED_AIM});
    report_aim(report, (struct report_aim){.what = "heap of an idle connection, bytes",
                                           .value = rates->heap_bytes,
                                           .floor = idle,
                                           .at_most = IDLE_BYTES_AIM});
    report_aim(report, (struct report_aim){.what = "connects a second, hello and 10 chats",
                                           .value = rates->connects,
                                           .floor = connects});
}

static bool report_verdict(struct rates *rates, struct report *report)
{
    struct chat_verdict verdict;
    struct chat_load *load = &rates->load;
    int64_t until_ns = clock_mono_ns() + DRAIN_SECONDS * SECOND_NS;
    do {
        chat_load_nap(500);
        if (chat_ledger_check(&load->ledger, &verdict) != ERR_OK)
            return false;
    } while (verdict.lost > 0 && clock_mono_ns() < until_ns);
    report_figure(report, "messages_acknowledged", (double)verdict.acked);
    report_figure(report, "messages_shown", (double)verdict.shown);
    report_figure(report, "messages_lost", (double)verdict.lost);
    report_figure(report, "duplicates_shown", (double)verdict.twice);
    report_figure(report, "connections_lost", (double)CHAT_SUM(load, lost));
    report_figure(report, "errors", (double)CHAT_SUM(load, errors));
    report_figure(report, "sent_late", (double)CHAT_SUM(load, late));
    report_figure(report, "strange", (double)(verdict.strange + CHAT_SUM(load, strange)));
    return verdict.acked == verdict.sent && verdict.lost == 0 && verdict.twice == 0 &&
           verdict.strange == 0 && verdict.unlogged == 0 && chat_ledger_is_sharp(&load->ledger) &&
           CHAT_SUM(load, strange) == 0;
}

static enum err start(struct rates *rates)
{
    static const char *const arguments[] = {"--services=tickets,chat", "--abuse=off",
                                            "--log-level=error", "--connections-max=19600", NULL};
    enum err err = child_directory(&rates->child);
    if (!err)
        err = run_floors(rates, rates->seed.user_count);
    if (!err)
        err = chat_seed_write(&rates->child, &rates->seed);
    if (!err)
        err = child_start(&rates->child, arguments);
    rates->load.ports[0] = rates->child.port;
    return err ? err : chat_load_start(&rates->load);
}

bool scenario_chat(const struct scenario_options *options, struct report *report)
{
    uint32_t users = options->connections ? (uint32_t)options->connections : USERS;
    struct rates *rates = calloc(1, sizeof(*rates));
    report->scenario = "chat";
    if (!rates)
        return false;
    rates->seconds = options->seconds ? options->seconds : SECONDS;
    rates->seed = (struct chat_seed){
        .user_count = users - users % USERS_STEP, .directs = DIRECTS, .group_size = GROUP_SIZE};
    rates->load = (struct chat_load){.seed = &rates->seed,
                                     .ledger = {.sent_max = SENT_MAX, .shown_max = SHOWN_MAX},
                                     .processes = PROCESSES,
                                     .node_count = 1,
                                     .killed_node = 1};
    enum err err = rates->seed.user_count > 0 ? start(rates) : ERR_INVALID;
    if (!err)
        err = open_all(rates);
    if (!err)
        report_opening(rates, report);
    if (!err)
        err = run_messages(rates);
    bool is_found = false;
    if (!err) {
        report_rates(rates, report);
        is_found = report_verdict(rates, report);
        report_floors(rates, report);
    }
    bool is_well = chat_load_stop(&rates->load) == ERR_OK;
    is_well = child_stop(&rates->child) == ERR_OK && is_well;
    report->ok = !err && is_found && is_well && child_audit(&rates->child) == 0;
    if (!err)
        run_mqtt(rates, report);
    child_remove(&rates->child);
    chat_ledger_release(&rates->load.ledger);
    chat_seed_release(&rates->seed);
    free(rates);
    return !err;
}
