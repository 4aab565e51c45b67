/*
 * `foyer rehearse`: an event's sale, played through before it happens. The event is only read; its
 * plan, prices and settings are made anew, by the API, in a server of its own on an empty directory
 * that is removed in the end. Made-up people come over real sockets: each action has the time when it
 * is meant to happen, and its latency counts from then on, whether or not a connection was there.
 *
 * rehearse.c is the command, rehearse_copy.c reads the event, rehearse_stage.c has the server and its
 * directory, rehearse_wire.c speaks HTTP, rehearse_crowd.c plays people, rehearse_report.c counts.
 */
#ifndef TICKETS_REHEARSE_H
#define TICKETS_REHEARSE_H

#include <stdatomic.h>
#include <sys/types.h>

#include "app/config.h"
#include "base/buf.h"

#define REHEARSE_PEOPLE_MAX  60000 /* each in a network of its own */
#define REHEARSE_RATE_MAX    20000
#define REHEARSE_SECONDS_MAX 3600
#define REHEARSE_WORKERS     64
#define REHEARSE_LEAD_MS     5000   /* to make an event whose room opens before the sale */
#define REHEARSE_LULL_MS     1000   /* of that: between the last who come early and the sale */
#define REHEARSE_SAMPLES_MAX 200000 /* latencies that are kept */
#define REHEARSE_KINDS_MAX   24     /* kinds of refusals; others are counted as such */
#define REHEARSE_GOOD_NS     100000000LL
#define REHEARSE_ADMIN_KEY   "sk_rehearsal_0123456789abcdefghij"
#define REHEARSE_PATH_MAX    512
#define REHEARSE_TOKEN_MAX   80

struct rehearse_options {
    uint64_t event_id;
    int64_t people;
    int64_t arrivals; /* a second, once the ramp is over */
    int64_t ramp_s, seconds;
    int64_t early;    /* of the people: come to the waiting room before the sale */
    const char *json; /* file; NULL: none */
    struct config config;
};

/* --- Interruption; set by a signal, asked everywhere --- */

bool rehearse_is_over(void);

/* --- The event, as bodies of requests --- */

struct rehearse_event {
    struct buf venue; /* of POST /v1/venues */
    /* Of POST /v1/events, but for venue_id and times: members, each followed by a comma. */
    struct buf open, as_is; /* without a waiting room; with the event's own */
    struct buf blocks;      /* seat ids, comma-separated JSON texts */
    int64_t places;
    bool has_waiting_room;
    int64_t opens_before_s; /* the room, before the sale */
    char name[128];
};

/* Reads it, from either engine. ERR_NOT_FOUND. */
ERR_MUST_USE enum err rehearse_copy(const struct rehearse_options *options,
                                    struct rehearse_event *ret_event);
void rehearse_event_free(struct rehearse_event *event);

/* --- The server --- */

struct rehearse_stage {
    char dir[REHEARSE_PATH_MAX];
    pid_t pid;
    unsigned port;
    char (*tokens)[REHEARSE_TOKEN_MAX]; /* of people */
    int64_t people;
};

/* Makes directory, accounts and server. What was made is there after an error, too: for _end. */
ERR_MUST_USE enum err rehearse_stage_begin(struct rehearse_stage *stage, int64_t people);
/* A published event that is on sale from onsale_ms on; its id in the API. */
ERR_MUST_USE enum err rehearse_stage_event(const struct rehearse_stage *stage,
                                           const struct rehearse_event *event, bool is_as_is,
                                           int64_t onsale_ms, char *ret_id, size_t size);
/* How many the room's draw has given their places; 0: there was none. */
int64_t rehearse_stage_drawn(const struct rehearse_stage *stage, const char *event_id);
void rehearse_stage_stop(struct rehearse_stage *stage);
/* Stops it and removes its directory. */
void rehearse_stage_end(struct rehearse_stage *stage);

/* --- HTTP --- */

struct rehearse_wire {
    int fd; /* -1: closed */
    unsigned port;
};

struct rehearse_request {
    const char *method, *path;
    const char *token, *admission, *key; /* NULL: none */
    uint32_t network;                    /* of the person; 0: nobody's */
    struct str body;                     /* empty: none */
};

/* Blocks. The status, 0 when there was no answer; the body in ret_body, which is made empty first. */
int rehearse_send(struct rehearse_wire *wire, const struct rehearse_request *request,
                  struct buf *ret_body);
void rehearse_wire_close(struct rehearse_wire *wire);

/* --- People --- */

struct rehearse_kind {
    char name[40];
    int64_t count;
};

struct rehearse_result {
    int64_t arrived, admitted, granted, bought, refused, unanswered;
    int64_t last_granted_ns; /* since the beginning of the sale */
    int64_t took_ns;
    uint32_t *hold_us; /* latencies of holds, granted or refused; sorted */
    size_t hold_count;
    struct rehearse_kind kinds[REHEARSE_KINDS_MAX];
    size_t kind_count;
};

struct rehearse_crowd_options {
    const struct rehearse_stage *stage;
    const char *event_id;
    int64_t people, arrivals, ramp_s, seconds;
    int64_t early;   /* so many come before the sale begins */
    int64_t wait_ns; /* until the sale begins */
    bool has_waiting_room;
    bool pays; /* the whole way; otherwise they only hold */
};

/* Until all are done or the time is over. */
ERR_MUST_USE enum err rehearse_crowd(const struct rehearse_crowd_options *options,
                                     struct rehearse_result *ret_result);
void rehearse_result_free(struct rehearse_result *result);
/* In milliseconds; 0 without any. */
double rehearse_percentile(const struct rehearse_result *result, double share);

/* --- The report --- */

struct rehearse_report {
    const struct rehearse_options *options;
    const struct rehearse_event *event;
    int64_t safe_rate, tried_rate; /* a second */
    const struct rehearse_result *sale;
    int64_t drawn;                     /* places in the queue by the draw */
    int64_t places_taken, double_sold; /* as the scratch database says */
};

/* Counts places of held and paid bookings, and seats that stand in more than one of them. The server
 * is stopped. */
ERR_MUST_USE enum err rehearse_count(const struct rehearse_stage *stage, const char *event_id,
                                     int64_t *ret_places, int64_t *ret_double);
void rehearse_report_print(const struct rehearse_report *report);
ERR_MUST_USE enum err rehearse_report_write(const struct rehearse_report *report);

/* The subcommand; exit status 0, 1 failed or double sales, 2 wrong arguments. */
int command_rehearse(int argc, char *const *argv);

#endif
