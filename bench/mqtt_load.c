/* See mqtt_load.h. MQTT 3.1.1, as far as it is needed. */
#include "mqtt_load.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "process.h"

#define DEPTH_MAX      64
#define EVENTS_MAX     512
#define READ_BYTES     (256 << 10)
#define BUF_MAX        (16u << 20)
#define WAIT_MS        5
#define READY_TRIES    200
#define SOURCE_CLIENTS 4000
#define TEXT_BYTES     160 /* about what a message of the chat stream has besides its time */

#define PACKET_CONNECT   0x10
#define PACKET_CONNACK   0x20
#define PACKET_PUBLISH   0x32 /* QoS 1 */
#define PACKET_PUBACK    0x40
#define PACKET_SUBSCRIBE 0x82
#define PACKET_SUBACK    0x90

struct peer {
    int fd;
    bool is_subscribed, is_writable_wanted, is_sending;
    uint16_t packet;
    uint32_t number, under_way;
    struct buf in, out;
    int64_t due_ns[DEPTH_MAX]; /* by packet, modulo */
};

struct peers {
    struct mqtt_load *load;
    struct mqtt_figures *figures;
    unsigned process;
    int epoll;
    uint32_t count, wanted, opening;
    int phase;
    unsigned depth;
    struct peer *peers;
};

static void add(_Atomic uint64_t *figure, uint64_t value)
{
    atomic_store_explicit(figure, atomic_load_explicit(figure, memory_order_relaxed) + value,
                          memory_order_relaxed);
}

/* --- packets --- */

static void put_u16(struct buf *buf, size_t value)
{
    uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    buf_append(buf, bytes, sizeof(bytes));
}

static void put_head(struct buf *buf, unsigned type, size_t len)
{
    buf_append_char(buf, (char)type);
    do {
        unsigned byte = len & 0x7F;
        len >>= 7;
        buf_append_char(buf, (char)(byte | (len ? 0x80 : 0)));
    } while (len > 0);
}

static void put_text(struct buf *buf, const char *text)
{
    put_u16(buf, strlen(text));
    buf_append_str(buf, str_from_c(text));
}

static void put_connect(struct buf *buf, uint32_t number)
{
    char id[24];
    (void)snprintf(id, sizeof(id), "client%u", number);
    put_head(buf, PACKET_CONNECT, 10 + 2 + strlen(id));
    put_text(buf, "MQTT");
    buf_append(buf, "\x04\x00\x00\x00", 4); /* version, the session stays, no keep-alive */
    put_text(buf, id);
}

static void put_subscribe(struct buf *buf, uint32_t number, uint32_t group)
{
    char user[24], room[24];
    (void)snprintf(user, sizeof(user), "u/%u", number);
    (void)snprintf(room, sizeof(room), "g/%u", group);
    put_head(buf, PACKET_SUBSCRIBE, 2 + 3 + strlen(user) + 3 + strlen(room));
    put_u16(buf, 1);
    put_text(buf, user);
    buf_append_char(buf, 1);
    put_text(buf, room);
    buf_append_char(buf, 1);
}

static void put_publish(struct peers *peers, struct peer *peer)
{
    char topic[24], text[TEXT_BYTES];
    int64_t now_ns = clock_mono_ns();
    uint32_t group_size = peers->load->group_size;
    if (peers->phase == MQTT_GROUP)
        (void)snprintf(topic, sizeof(topic), "g/%u", peer->number / group_size);
    else
        (void)snprintf(topic, sizeof(topic), "u/%u", peer->number ^ 1);
    memset(text, 'm', sizeof(text));
    peer->packet = peer->packet == UINT16_MAX ? 1 : peer->packet + 1;
    peer->due_ns[peer->packet % DEPTH_MAX] = now_ns;
    peer->under_way++;
    put_head(&peer->out, PACKET_PUBLISH, 2 + strlen(topic) + 2 + sizeof(now_ns) + sizeof(text));
    put_text(&peer->out, topic);
    put_u16(&peer->out, peer->packet);
    buf_append(&peer->out, &now_ns, sizeof(now_ns));
    buf_append(&peer->out, text, sizeof(text));
}

/* --- a client --- */

static void flush(struct peers *peers, struct peer *peer)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    ssize_t sent = peer->out.len ? send(peer->fd, peer->out.data, peer->out.len, MSG_NOSIGNAL) : 0;
    if (sent > 0) {
        memmove(peer->out.data, peer->out.data + sent, peer->out.len - (size_t)sent);
        peer->out.len -= (size_t)sent;
    }
    bool is_wanted = peer->out.len > 0;
    if (is_wanted == peer->is_writable_wanted)
        return;
    peer->is_writable_wanted = is_wanted;
    event.events = is_wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
    (void)epoll_ctl(peers->epoll, EPOLL_CTL_MOD, peer->fd, &event);
}

static void open_peer(struct peers *peers, struct peer *peer)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = peer};
    uint32_t index = (uint32_t)(peer - peers->peers);
    peers->opening++;
    peer->fd = process_connect(peers->process * 16 + 1 + index / SOURCE_CLIENTS, peers->load->port);
    put_connect(&peer->out, peer->number);
    peer->is_writable_wanted = true;
    if (peer->fd < 0 || epoll_ctl(peers->epoll, EPOLL_CTL_ADD, peer->fd, &event))
        add(&peers->figures->failed, 1);
}

static void send_more(struct peers *peers, struct peer *peer)
{
    while (peer->is_sending && peers->phase != MQTT_QUIET && peer->under_way < peers->depth)
        put_publish(peers, peer);
}

static void on_published(struct peers *peers, struct peer *peer, struct str body)
{
    int64_t due_ns = 0;
    size_t topic = body.len >= 2 ? (size_t)(uint8_t)body.data[0] << 8 | (uint8_t)body.data[1] : 0;
    if (body.len < topic + 4 + sizeof(due_ns)) {
        add(&peers->figures->failed, 1);
        return;
    }
    memcpy(&due_ns, body.data + topic + 4, sizeof(due_ns));
    put_head(&peer->out, PACKET_PUBACK, 2);
    buf_append(&peer->out, body.data + 2 + topic, 2);
    add(&peers->figures->came, 1);
    hist_add(&peers->figures->receives[peers->phase], clock_mono_ns() - due_ns);
}

static void on_packet(struct peers *peers, struct peer *peer, unsigned type, struct str body)
{
    switch (type & 0xF0) {
    case PACKET_CONNACK:
        put_subscribe(&peer->out, peer->number, peer->number / peers->load->group_size);
        break;
    case PACKET_SUBACK & 0xF0:
        peer->is_subscribed = true;
        peers->opening--;
        add(&peers->figures->connected, 1);
        break;
    case PACKET_PUBLISH & 0xF0:
        on_published(peers, peer, body);
        break;
    case PACKET_PUBACK: {
        size_t packet = (size_t)(uint8_t)body.data[0] << 8 | (uint8_t)body.data[1];
        peer->under_way--;
        add(&peers->figures->acked, 1);
        hist_add(&peers->figures->acks[peers->phase],
                 clock_mono_ns() - peer->due_ns[packet % DEPTH_MAX]);
        send_more(peers, peer);
        break;
    }
    default:
        add(&peers->figures->failed, 1);
        break;
    }
}

/* The bytes of the first packet; 0: it is not whole. */
static size_t next_packet(struct str in, struct str *ret_body)
{
    size_t len = 0, at = 1;
    for (unsigned shift = 0; at < in.len && at < 5; shift += 7) {
        unsigned byte = (uint8_t)in.data[at++];
        len |= (size_t)(byte & 0x7F) << shift;
        if (byte & 0x80)
            continue;
        *ret_body = str_from(in.data + at, len);
        return in.len - at >= len ? at + len : 0;
    }
    return 0;
}

static void take(struct peers *peers, struct peer *peer, struct str bytes)
{
    size_t len;
    bool was_begun = peer->in.len > 0;
    struct str body = STR_NONE;
    if (was_begun) {
        buf_append_str(&peer->in, bytes);
        bytes = buf_str(&peer->in);
    }
    for (; (len = next_packet(bytes, &body)) > 0; bytes = str_sub(bytes, len, bytes.len))
        on_packet(peers, peer, (uint8_t)bytes.data[0], body);
    if (was_begun) {
        memmove(peer->in.data, bytes.len ? bytes.data : peer->in.data, bytes.len);
        peer->in.len = bytes.len;
    } else {
        buf_append_str(&peer->in, bytes);
    }
}

static void on_ready(struct peers *peers, struct peer *peer, uint32_t events)
{
    static char bytes[READ_BYTES];
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
        ssize_t got = recv(peer->fd, bytes, sizeof(bytes), 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            add(&peers->figures->failed, 1);
            (void)epoll_ctl(peers->epoll, EPOLL_CTL_DEL, peer->fd, NULL);
            return;
        }
        if (got > 0)
            take(peers, peer, str_from(bytes, (size_t)got));
    }
    flush(peers, peer);
}

/* --- the processes --- */

static void take_orders(struct peers *peers)
{
    int phase = atomic_load(&peers->load->orders->phase);
    if (phase == peers->phase)
        return;
    peers->phase = phase;
    peers->depth = atomic_load(&peers->load->orders->depth);
    uint32_t senders = atomic_load(&peers->load->orders->senders);
    for (uint32_t i = 0; i < peers->count; i++) {
        peers->peers[i].is_sending = i < senders;
        if (i >= senders)
            continue;
        send_more(peers, &peers->peers[i]);
        flush(peers, &peers->peers[i]);
    }
}

static void serve(struct mqtt_load *load, unsigned process)
{
    struct epoll_event events[EVENTS_MAX];
    struct peers peers = {.load = load,
                          .figures = &load->figures[process],
                          .process = process,
                          .count = load->client_count / load->processes};
    peers.peers = calloc(peers.count, sizeof(*peers.peers));
    peers.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!peers.peers || peers.epoll < 0)
        _exit(1);
    process_raise_files();
    for (uint32_t i = 0; i < peers.count; i++) {
        peers.peers[i].number = i * load->processes + process;
        buf_init(&peers.peers[i].in, BUF_MAX);
        buf_init(&peers.peers[i].out, BUF_MAX);
    }
    while (!atomic_load(&load->orders->is_over)) {
        while (peers.wanted < peers.count && peers.opening < load->opening)
            open_peer(&peers, &peers.peers[peers.wanted++]);
        take_orders(&peers);
        int count = epoll_wait(peers.epoll, events, EVENTS_MAX, WAIT_MS);
        for (int i = 0; i < count; i++)
            on_ready(&peers, events[i].data.ptr, events[i].events);
    }
    _exit(0);
}

static const char *broker_path(void)
{
    static const char *const paths[] = {"/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (access(paths[i], X_OK) == 0)
            return paths[i];
    }
    return NULL;
}

/* Nothing is refused or dropped for want of room, so that all that is acknowledged arrives. */
static enum err write_settings(const struct mqtt_load *load, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return ERR_IO;
    fprintf(file,
            "listener %u 127.0.0.1\nallow_anonymous true\npersistence true\n"
            "persistence_location %s/\nautosave_interval 1\nmax_queued_messages 0\n"
            "max_inflight_messages 0\nlog_dest none\nset_tcp_nodelay true\n%s",
            load->port, load->directory, geteuid() == 0 ? "user root\n" : "");
    return fclose(file) == 0 ? ERR_OK : ERR_IO;
}

static enum err start_broker(struct mqtt_load *load)
{
    char settings[300];
    const char *program = broker_path(), *base = getenv("TMPDIR");
    if (!program)
        return ERR_NOT_FOUND;
    (void)snprintf(load->directory, sizeof(load->directory), "%s/foyer-mqtt-XXXXXX",
                   base ? base : "/tmp");
    int listener = process_listen(&load->port); /* a port that is free now */
    if (listener >= 0)
        close(listener);
    if (listener < 0 || !mkdtemp(load->directory))
        return ERR_IO;
    (void)snprintf(settings, sizeof(settings), "%s/settings", load->directory);
    enum err err = write_settings(load, settings);
    if (err)
        return err;
    load->broker = fork();
    if (load->broker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        process_raise_files();
        execl(program, program, "-c", settings, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; load->broker > 0 && i < READY_TRIES; i++) {
        struct timespec pause = {.tv_nsec = 20000000};
        int error = 1, fd = process_connect(0, load->port);
        socklen_t size = sizeof(error);
        nanosleep(&pause, NULL);
        bool is_there =
            fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
        if (fd >= 0)
            close(fd);
        if (is_there)
            return ERR_OK;
    }
    return ERR_IO;
}

enum err mqtt_load_start(struct mqtt_load *load)
{
    load->figures = process_share(load->processes * sizeof(*load->figures));
    load->orders = process_share(sizeof(*load->orders));
    if (!load->figures || !load->orders)
        return ERR_NOMEM;
    return start_broker(load);
}

static uint64_t sum(const struct mqtt_load *load, size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < load->processes; i++)
        total += atomic_load_explicit(
            (const _Atomic uint64_t *)(const void *)((const char *)&load->figures[i] + offset),
            memory_order_relaxed);
    return total;
}

uint64_t mqtt_load_acked(const struct mqtt_load *load)
{
    return sum(load, offsetof(struct mqtt_figures, acked));
}

uint64_t mqtt_load_came(const struct mqtt_load *load)
{
    return sum(load, offsetof(struct mqtt_figures, came));
}

uint64_t mqtt_load_failed(const struct mqtt_load *load)
{
    return sum(load, offsetof(struct mqtt_figures, failed));
}

enum err mqtt_load_connect(struct mqtt_load *load, int64_t until_ns)
{
    assert(load->processes > 0 && load->processes <= MQTT_PROCESSES_MAX);
    for (unsigned i = 0; i < load->processes; i++) {
        load->pids[i] = fork();
        if (load->pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(load, i);
        }
    }
    uint64_t count = (uint64_t)load->client_count / load->processes * load->processes;
    while (sum(load, offsetof(struct mqtt_figures, connected)) < count) {
        struct timespec pause = {.tv_nsec = 2000000};
        if (clock_mono_ns() > until_ns || mqtt_load_failed(load) > 0)
            return ERR_IO;
        nanosleep(&pause, NULL);
    }
    return ERR_OK;
}

void mqtt_load_phase(struct mqtt_load *load, enum mqtt_phase phase, uint32_t senders,
                     unsigned depth)
{
    atomic_store(&load->orders->senders, senders);
    atomic_store(&load->orders->depth, depth);
    atomic_store(&load->orders->phase, phase);
}

void mqtt_load_stop(struct mqtt_load *load)
{
    char command[400];
    if (load->orders)
        atomic_store(&load->orders->is_over, true);
    for (unsigned i = 0; i < load->processes; i++) {
        if (load->pids[i] > 0)
            waitpid(load->pids[i], NULL, 0);
    }
    if (load->broker > 0) {
        kill(load->broker, SIGKILL);
        waitpid(load->broker, NULL, 0);
    }
    static const char *const files[] = {"settings", "mosquitto.db", "mosquitto.db.new"};
    for (size_t i = 0; load->directory[0] && i < sizeof(files) / sizeof(files[0]); i++) {
        (void)snprintf(command, sizeof(command), "%s/%s", load->directory, files[i]);
        (void)unlink(command); /* whichever there are */
    }
    if (load->directory[0])
        (void)rmdir(load->directory);
    process_unshare(load->figures, load->processes * sizeof(*load->figures));
    process_unshare(load->orders, sizeof(*load->orders));
    load->figures = NULL;
    load->orders = NULL;
}
