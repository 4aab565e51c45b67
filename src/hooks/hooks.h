/* The hooks service: what main.c composes. */
#ifndef HOOKS_HOOKS_H
#define HOOKS_HOOKS_H

#include "app/app.h"
#include "app/config.h"

struct bridge_sink;
struct bridge_type;
struct dispatcher;
struct inlet;
struct keyring;
struct quota;
struct replayer;
struct ring;
struct routing;

#define INLETS_MAX 2 /* services that tell */

struct hooks {
    const struct config *config;
    struct app *app; /* from hooks_start on */
    struct service service;
    struct writer *writer;
    char database_path[CONFIG_LOCATION_MAX];
    struct ring *ring;
    struct routing *routing; /* where messages go; see routing.h */
    struct quota *quota;
    bool refuses_unknown_types;
    struct keyring *keyring; /* seals secrets; see keyring.h */
    struct dispatcher *dispatcher;
    struct inlet *inlets[INLETS_MAX]; /* what other services tell; see inlet.c */
    size_t inlet_count;
    struct replayer *replayer; /* sends many again; see replay.h */
};

/* Opens the database (writer thread started) and builds the route table. */
ERR_MUST_USE enum err hooks_new(const struct config *config, struct hooks **ret_hooks);
struct service *hooks_service(struct hooks *hooks);
const char *hooks_database_path(const struct hooks *hooks);
/* Starts dispatcher and retention. Before requests are served. */
ERR_MUST_USE enum err hooks_start(struct hooks *hooks, struct app *app);
/* After hooks_start: what another service of this name is to give its facts to. The sink is valid until
 * hooks_stop; types are static. */
ERR_MUST_USE enum err hooks_open_inlet(struct hooks *hooks, const char *name,
                                       const struct bridge_type *types, size_t type_count,
                                       struct bridge_sink *ret_sink);
/* Workers first, then the writer; after the server and the application's pools have stopped. */
void hooks_stop(struct hooks *hooks);
void hooks_free(struct hooks *hooks); /* NULL is fine */

/* Route tables of the parts, joined by hooks.c. */
#define HOOKS_ROUTE_TABLES                                                                         \
    TABLE(application_routes)                                                                      \
    TABLE(endpoint_routes)                                                                         \
    TABLE(endpoint_secret_routes)                                                                  \
    TABLE(event_type_routes)                                                                       \
    TABLE(portal_routes)                                                                           \
    TABLE(message_routes)                                                                          \
    TABLE(attempt_routes)                                                                          \
    TABLE(replay_routes)
#define TABLE(name)                                                                                \
    extern const struct route name[];                                                              \
    extern const size_t name##_count;
HOOKS_ROUTE_TABLES
#undef TABLE

#endif
