/* See dispatcher.h. Deliveries wait in the database; nothing sends them yet. */
#include "hooks/dispatcher.h"

#include <stdlib.h>

#include "hooks/hooks.h"

struct dispatcher {
    struct hooks *hooks;
};

enum err dispatcher_new(struct hooks *hooks, struct dispatcher **ret_dispatcher)
{
    struct dispatcher *dispatcher = calloc(1, sizeof(*dispatcher));
    if (!dispatcher)
        return ERR_NOMEM;
    dispatcher->hooks = hooks;
    *ret_dispatcher = dispatcher;
    return ERR_OK;
}

enum err dispatcher_start(struct dispatcher *dispatcher)
{
    (void)dispatcher;
    return ERR_OK;
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    (void)dispatcher;
}

void dispatcher_free(struct dispatcher *dispatcher)
{
    free(dispatcher);
}

enum err dispatcher_stage(struct dispatcher *dispatcher, struct writer_tx *tx,
                          const struct delivery_key *key, enum lane lane)
{
    (void)dispatcher, (void)tx, (void)key, (void)lane;
    return ERR_OK;
}

enum err dispatcher_stage_change(struct dispatcher *dispatcher, struct writer_tx *tx,
                                 uint64_t app_id, uint64_t endpoint_id)
{
    (void)dispatcher, (void)tx, (void)app_id, (void)endpoint_id;
    return ERR_OK;
}

void dispatcher_health(struct dispatcher *dispatcher, uint64_t app_id, uint64_t endpoint_id,
                       struct endpoint_health *ret_health)
{
    (void)dispatcher, (void)app_id, (void)endpoint_id;
    *ret_health = (struct endpoint_health){.p50_ms = -1, .p99_ms = -1};
}
