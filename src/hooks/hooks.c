/*
 * The hooks service put together: database and writer, the ring of days, the key of the secrets, the
 * dispatcher, replays and retention.
 *
 * Start: the writer's thread first, then what resumes from the database; requests come last. Stop: the
 * other way round. The server has stopped by then, so nothing new comes in.
 */
#include "hooks/hooks.h"

#include <stdlib.h>

#include "hooks/dispatcher.h"
#include "hooks/inlet.h"
#include "hooks/keyring.h"
#include "hooks/portal.h"
#include "hooks/quota.h"
#include "hooks/replay.h"
#include "hooks/retention.h"
#include "hooks/ring.h"
#include "hooks/routing.h"

static const struct route_table route_tables[] = {
#define TABLE(name) {name, &name##_count},
    HOOKS_ROUTE_TABLES
#undef TABLE
};

static enum err hooks_open(struct hooks *hooks)
{
    const struct config *config = hooks->config;
    enum err err = config_database(config, "hooks", hooks->database_path);
    if (!err)
        err = writer_new(hooks->database_path, "hooks", &hooks->writer);
    if (!err)
        err = keyring_new(config, writer_db(hooks->writer), &hooks->keyring);
    if (!err)
        err = keyring_check(hooks->keyring, writer_db(hooks->writer));
    if (!err)
        err = ring_new(&hooks->ring);
    if (!err)
        err = routing_new(&hooks->routing);
    if (!err)
        err = quota_new(config, &hooks->quota);
    if (!err)
        err = dispatcher_new(hooks, &hooks->dispatcher);
    if (!err)
        err = replayer_new(hooks, &hooks->replayer);
    if (!err)
        err = service_join_routes(&hooks->service, route_tables,
                                  sizeof(route_tables) / sizeof(route_tables[0]));
    if (!err)
        err = writer_start(hooks->writer);
    return err;
}

enum err hooks_new(const struct config *config, struct hooks **ret_hooks)
{
    struct hooks *hooks = calloc(1, sizeof(*hooks));
    if (!hooks)
        return ERR_NOMEM;
    hooks->config = config;
    hooks->refuses_unknown_types = strcmp(config->hooks_unknown_types, "refuse") == 0;
    enum err err = hooks_open(hooks);
    if (err) {
        hooks_free(hooks);
        return err;
    }
    hooks->service.name = "hooks";
    hooks->service.writer = hooks->writer;
    hooks->service.state = hooks;
    hooks->service.find_token = portal_store_find;
    *ret_hooks = hooks;
    return ERR_OK;
}

struct service *hooks_service(struct hooks *hooks)
{
    return &hooks->service;
}

const char *hooks_database_path(const struct hooks *hooks)
{
    return hooks->database_path;
}

enum err hooks_start(struct hooks *hooks, struct app *app)
{
    hooks->app = app;
    enum err err = dispatcher_start(hooks->dispatcher);
    if (!err)
        err = replayer_start(hooks->replayer);
    return err ? err : retention_start(hooks, app_timer(app));
}

enum err hooks_open_inlet(struct hooks *hooks, const char *name, const struct bridge_type *types,
                          size_t type_count, struct bridge_sink *ret_sink)
{
    if (hooks->inlet_count == INLETS_MAX)
        return ERR_LIMIT;
    struct inlet **inlet = &hooks->inlets[hooks->inlet_count];
    enum err err = inlet_new(hooks, name, types, type_count, inlet);
    if (err)
        return err;
    *ret_sink = inlet_sink(*inlet);
    hooks->inlet_count++;
    return ERR_OK;
}

void hooks_stop(struct hooks *hooks)
{
    replayer_stop(hooks->replayer);
    dispatcher_stop(hooks->dispatcher);
    writer_stop(hooks->writer);
}

void hooks_free(struct hooks *hooks)
{
    if (!hooks)
        return;
    for (size_t i = 0; i < hooks->inlet_count; i++)
        inlet_free(hooks->inlets[i]);
    writer_free(hooks->writer);
    dispatcher_free(hooks->dispatcher);
    replayer_free(hooks->replayer);
    quota_free(hooks->quota);
    ring_free(hooks->ring);
    routing_free(hooks->routing);
    keyring_free(hooks->keyring);
    service_free_routes(&hooks->service);
    free(hooks);
}
