/*
 * The bridge: what happens in one service becomes messages of another. The two never include each
 * other; main.c hands the sink of the one to the source of the other.
 *
 * A message is made at least once and kept once: the source tells a fact again until the cursor
 * has passed it, and the sink knows it by its event_id. So neither a crash between the two
 * databases nor two nodes that follow the same journal make two messages of one fact.
 */
#ifndef APP_BRIDGE_H
#define APP_BRIDGE_H

#include "base/err.h"
#include "base/str.h"
#include "store/db.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BRIDGE_BATCH_MAX 200 /* facts told at once */

/* What is said of an event type to those who read its messages. Static. */
struct bridge_type {
    const char *name;
    const char *description;
    const char *schema; /* JSON Schema of the payload, with an example */
};

/* A fact. */
struct bridge_message {
    uint64_t account_id; /* whom it is told */
    struct str type;     /* of the types */
    struct str channel;  /* what it is about: those who listen may ask for this alone */
    struct str event_id; /* the same each time that it is told, and of no other fact */
    struct str payload;  /* JSON object */
    struct str data;     /* the object in it that says what happened, without type and time */
    /* For conversations about a subject; not set where nobody makes any. */
    uint64_t subject_id; /* the event */
    struct str title;    /* what it is called */
    uint64_t other_id;   /* with whom account_id talks about it; 0: with all of them */
    bool is_beginning;   /* makes the conversation, where there is none */
};

/* All functions: on the source's thread, and may wait. */
struct bridge_sink {
    void *ctx;
    /* This node is the one that tells. Another may begin to at any time. */
    bool (*may_act)(void *ctx);
    /* The source's last row that is done; ERR_NOT_FOUND: none ever was. */
    enum err (*cursor)(void *ctx, int64_t *ret_seq);
    /* Somebody listens to what is told this account. */
    enum err (*wants)(void *ctx, uint64_t account_id, bool *ret_wants);
    /* At most BRIDGE_BATCH_MAX, in their order. ERR_OK: all are committed. */
    enum err (*take)(void *ctx, const struct bridge_message *messages, size_t count);
    /* Never goes back. After take. */
    enum err (*advance)(void *ctx, int64_t seq);
};

/* bridge_store.c: the cursor in table bridge_cursor(name, seq) of the sink's database. ERR_NOT_FOUND. */
ERR_MUST_USE enum err bridge_store_cursor(struct db *db, struct str name, int64_t *ret_seq);
/* In apply. Never goes back. */
ERR_MUST_USE enum err bridge_store_advance(struct db *db, struct str name, int64_t seq);

#endif
