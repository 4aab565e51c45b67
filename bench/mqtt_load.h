/*
 * Another server of messages under the same load: Mosquitto from Debian's packages, with clients
 * that publish at QoS 1 to each other and to groups, as those of chat_load.h do, in processes of
 * their own. It keeps sessions and what waits for them (persistent sessions), but writes them to
 * disk only now and then: its acknowledgement means that the broker has the message in memory. It
 * numbers nothing, knows no message twice and keeps no history.
 */
#ifndef BENCH_MQTT_LOAD_H
#define BENCH_MQTT_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "hist.h"

#define MQTT_PROCESSES_MAX 8

enum mqtt_phase {
    MQTT_QUIET,
    MQTT_DIRECT, /* to one other client */
    MQTT_GROUP,  /* to the sender's group */
    MQTT_PHASES,
};

struct mqtt_figures {
    _Atomic uint64_t connected, acked, came, failed;
    struct hist acks[MQTT_PHASES], receives[MQTT_PHASES];
};

struct mqtt_load {
    /* Given. */
    unsigned processes;
    uint32_t client_count, group_size;
    unsigned opening; /* at a time, of a process */
    /* Made. */
    char directory[256];
    unsigned port;
    pid_t broker, pids[MQTT_PROCESSES_MAX];
    struct mqtt_figures *figures; /* by process */
    struct mqtt_orders {
        _Atomic int phase; /* written last */
        _Atomic uint32_t senders;
        _Atomic unsigned depth;
        _Atomic bool is_over;
    } * orders;
};

/* ERR_NOT_FOUND: it is not installed. */
ERR_MUST_USE enum err mqtt_load_start(struct mqtt_load *load);
/* All clients connect and subscribe. */
ERR_MUST_USE enum err mqtt_load_connect(struct mqtt_load *load, int64_t until_ns);
/* So many senders of each process have depth messages without an answer each. */
void mqtt_load_phase(struct mqtt_load *load, enum mqtt_phase phase, uint32_t senders,
                     unsigned depth);
uint64_t mqtt_load_acked(const struct mqtt_load *load);
uint64_t mqtt_load_came(const struct mqtt_load *load);
uint64_t mqtt_load_failed(const struct mqtt_load *load);
void mqtt_load_stop(struct mqtt_load *load);

#endif
