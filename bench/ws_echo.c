/*
 * ws-echo: what the WebSocket layer does with no service behind it, as the floor of what chat can do
 * on this machine. One loop serves, one process asks, so that each has a core. Sockets are opened as
 * fast as the server takes them; what an idle one costs in memory of the server; messages that come
 * back, one under way on each of some sockets (latency) and many (throughput); and one frame sent to
 * every socket, again and again (the fan-out of a group).
 *
 * Every frame that is due must come, with its length: else the run is not ok.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cpu.h"
#include "process.h"
#include "scenario.h"
#include "ws_server.h"

#define CONNECTIONS   10000
#define OPENING_MAX   128
#define TALKERS       64
#define DEPTH         32
#define MESSAGE_BYTES 64
#define FAN_ROUNDS    20
#define FAN_A_ROUND   5
#define ROUND_SECONDS 60
#define HEAD_MAX      1024
#define READ_BYTES    (256 << 10)
#define NS_PER_S      1000000000LL

enum talker_state {
    TALKER_CLOSED,
    TALKER_OPENING,
    TALKER_OPEN
};

struct talker {
    int fd;
    enum talker_state state;
    uint32_t head_len;
    uint64_t bytes; /* that came since the count was set to 0 */
    int64_t sent_ns;
};

struct echo {
    struct ws_server server;
    int epoll;
    size_t count, opening, opened, next;
    struct talker talkers[WS_SERVER_CONNECTIONS_MAX];
    bool is_broken;
    uint64_t bytes; /* of all */
    /* The phase: what a talker does when a whole answer has come. */
    size_t reply_bytes, depth;
    bool is_counting;
    uint64_t replies;
    struct hist latency;
    int64_t until_ns;
};

static const char handshake[] =
    "GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* --- sockets --- */

/* From many addresses: one has 28,000 ports, and the kernel looks long for a free one. */
static bool open_one(struct echo *echo, size_t index)
{
    struct talker *talker = &echo->talkers[index];
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr =
                                   htonl(INADDR_LOOPBACK + 1 + (uint32_t)(index / 4000))};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)echo->server.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = talker};
    *talker = (struct talker){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (talker->fd < 0)
        return false;
    bool is_open =
        setsockopt(talker->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) == 0 &&
        setsockopt(talker->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
        bind(talker->fd, (struct sockaddr *)&from, sizeof(from)) == 0 &&
        connect(talker->fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
        send(talker->fd, handshake, sizeof(handshake) - 1, MSG_NOSIGNAL) == sizeof(handshake) - 1 &&
        fcntl(talker->fd, F_SETFL, O_NONBLOCK) == 0 &&
        epoll_ctl(echo->epoll, EPOLL_CTL_ADD, talker->fd, &event) == 0;
    talker->state = TALKER_OPENING;
    echo->opening++;
    return is_open;
}

static void send_frames(struct echo *echo, struct talker *talker, const char *text, size_t count)
{
    struct buf out;
    size_t size = strlen(text);
    uint8_t head[6] = {0x81, (uint8_t)(0x80 | size)}; /* the mask is 0: text stays as it is */
    buf_init(&out, 65536);
    for (size_t i = 0; i < count; i++) {
        buf_append(&out, head, sizeof(head));
        buf_append(&out, text, size);
    }
    talker->sent_ns = clock_mono_ns();
    if (send(talker->fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
        echo->is_broken = true;
    buf_release(&out);
}

static void talk(struct echo *echo, struct talker *talker)
{
    char text[MESSAGE_BYTES + 1];
    memset(text, 'm', MESSAGE_BYTES);
    text[MESSAGE_BYTES] = '\0';
    talker->bytes = 0;
    send_frames(echo, talker, text, echo->depth);
}

/* --- what comes --- */

static void on_opening(struct echo *echo, struct talker *talker, const char *bytes, size_t len)
{
    talker->head_len += (uint32_t)len;
    bool is_whole = len >= 4 && memcmp(bytes + len - 4, "\r\n\r\n", 4) == 0;
    if (talker->head_len == len && (len < 12 || memcmp(bytes, "HTTP/1.1 101", 12) != 0))
        echo->is_broken = true;
    if (!is_whole)
        return;
    talker->state = TALKER_OPEN;
    echo->opening--;
    echo->opened++;
}

static void on_bytes(struct echo *echo, struct talker *talker, size_t len)
{
    talker->bytes += len;
    echo->bytes += len;
    if (!echo->is_counting || talker->bytes < echo->reply_bytes * echo->depth)
        return;
    int64_t now = clock_mono_ns();
    echo->is_broken |= talker->bytes > echo->reply_bytes * echo->depth;
    echo->replies += echo->depth;
    hist_add(&echo->latency, now - talker->sent_ns);
    if (now < echo->until_ns)
        talk(echo, talker);
    else
        echo->next--;
}

static void on_ready(struct echo *echo, struct talker *talker)
{
    static char bytes[READ_BYTES];
    ssize_t got = recv(talker->fd, bytes, sizeof(bytes), 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        echo->is_broken = true;
    else if (talker->state == TALKER_OPENING)
        on_opening(echo, talker, bytes, (size_t)got);
    else
        on_bytes(echo, talker, (size_t)got);
}

static void turn(struct echo *echo)
{
    struct epoll_event events[256];
    int count = epoll_wait(echo->epoll, events, 256, 1000);
    for (int i = 0; i < count; i++)
        on_ready(echo, events[i].data.ptr);
}

/* --- the phases --- */

static bool open_all(struct echo *echo, size_t count)
{
    int64_t until_ns = clock_mono_ns() + ROUND_SECONDS * NS_PER_S;
    while (echo->opened < count && !echo->is_broken && clock_mono_ns() < until_ns) {
        while (echo->opening < OPENING_MAX && echo->count < count) {
            if (!open_one(echo, echo->count++))
                return false;
        }
        turn(echo);
    }
    return echo->opened == count && !echo->is_broken;
}

/* Messages a second. */
static double echo_run(struct echo *echo, size_t depth, int64_t seconds)
{
    size_t talkers = echo->count < TALKERS ? echo->count : TALKERS;
    memset(&echo->latency, 0, sizeof(echo->latency));
    echo->depth = depth;
    echo->reply_bytes = 2 + MESSAGE_BYTES;
    echo->replies = 0;
    echo->is_counting = true;
    echo->next = talkers; /* still at it */
    int64_t begun_ns = clock_mono_ns();
    echo->until_ns = begun_ns + seconds * NS_PER_S;
    for (size_t i = 0; i < talkers; i++)
        talk(echo, &echo->talkers[i]);
    while (echo->next > 0 && !echo->is_broken &&
           clock_mono_ns() < echo->until_ns + ROUND_SECONDS * NS_PER_S)
        turn(echo);
    echo->is_broken |= echo->next > 0;
    echo->is_counting = false;
    return (double)echo->replies * 1e9 / (double)(clock_mono_ns() - begun_ns);
}

/* Deliveries a second: rounds of a few frames to everybody, each awaited. */
static double fan_run(struct echo *echo)
{
    char text[16];
    uint64_t due = (uint64_t)echo->count * FAN_A_ROUND * (4 + WS_SERVER_FAN_BYTES);
    int64_t begun_ns = clock_mono_ns();
    (void)snprintf(text, sizeof(text), "!%d", FAN_A_ROUND);
    for (int round = 0; round < FAN_ROUNDS && !echo->is_broken; round++) {
        int64_t until_ns = clock_mono_ns() + ROUND_SECONDS * NS_PER_S;
        echo->bytes = 0;
        send_frames(echo, &echo->talkers[0], text, 1);
        while (echo->bytes < due && !echo->is_broken && clock_mono_ns() < until_ns)
            turn(echo);
        echo->is_broken |= echo->bytes != due;
    }
    return (double)echo->count * FAN_A_ROUND * FAN_ROUNDS * 1e9 /
           (double)(clock_mono_ns() - begun_ns);
}

static void close_all(struct echo *echo)
{
    for (size_t i = 0; i < echo->count; i++) {
        if (echo->talkers[i].fd >= 0)
            close(echo->talkers[i].fd);
    }
}

static bool echo_measure(struct echo *echo, size_t connections, int64_t seconds,
                         struct report *report)
{
    static const char *const names[4] = {"echo_p50_ms", "echo_p95_ms", "echo_p99_ms",
                                         "echo_max_ms"};
    /* What the server makes at first use counts for nobody. */
    if (!open_all(echo, TALKERS))
        return false;
    (void)echo_run(echo, DEPTH, 1);
    int64_t rss_before = process_rss_bytes(echo->server.pid);
    double cpu_before = cpu_seconds(echo->server.pid);
    int64_t begun_ns = clock_mono_ns();
    if (!open_all(echo, connections))
        return false;
    double opened = (double)(connections - TALKERS);
    double took_s = (double)(clock_mono_ns() - begun_ns) / 1e9;
    report_figure(report, "connections", (double)connections);
    report_figure(report, "connects_per_s", opened / took_s);
    report_figure(report, "server_cpu_us_per_connect",
                  (cpu_seconds(echo->server.pid) - cpu_before) * 1e6 / opened);
    double idle_bytes = (double)(process_rss_bytes(echo->server.pid) - rss_before) / opened;
    report_figure(report, "bytes_per_idle_connection", idle_bytes);
    report_aim(report, (struct report_aim){.what = "memory of an idle WebSocket, bytes",
                                           .value = idle_bytes,
                                           .at_most = 1024});
    report_figure(report, "echo_per_s_one_each", echo_run(echo, 1, seconds));
    report_latency(report, &echo->latency, names);
    cpu_before = cpu_seconds(echo->server.pid);
    report_figure(report, "echo_per_s_pipelined", echo_run(echo, DEPTH, seconds));
    report_figure(report, "server_cpu_us_per_echo_pipelined",
                  (cpu_seconds(echo->server.pid) - cpu_before) * 1e6 / (double)echo->replies);
    cpu_before = cpu_seconds(echo->server.pid);
    report_figure(report, "deliveries_per_s_to_all", fan_run(echo));
    report_figure(report, "server_cpu_us_per_delivery",
                  (cpu_seconds(echo->server.pid) - cpu_before) * 1e6 /
                      ((double)echo->count * FAN_A_ROUND * FAN_ROUNDS));
    report_figure(report, "bytes_per_connection_afterwards",
                  (double)(process_rss_bytes(echo->server.pid) - rss_before) / opened);
    return !echo->is_broken;
}

bool scenario_ws_echo(const struct scenario_options *options, struct report *report)
{
    size_t connections = options->connections ? (size_t)options->connections : CONNECTIONS;
    struct echo *echo = calloc(1, sizeof(*echo));
    report->scenario = "ws-echo";
    if (!echo)
        return false;
    if (connections < TALKERS || connections > WS_SERVER_CONNECTIONS_MAX ||
        ws_server_start(1, &echo->server) != ERR_OK) {
        free(echo);
        return false;
    }
    process_raise_files();
    echo->epoll = epoll_create1(EPOLL_CLOEXEC);
    report->ok = echo->epoll >= 0 &&
                 echo_measure(echo, connections, options->seconds ? options->seconds : 5, report);
    close_all(echo);
    if (echo->epoll >= 0)
        close(echo->epoll);
    ws_server_stop(&echo->server);
    free(echo);
    return true;
}
