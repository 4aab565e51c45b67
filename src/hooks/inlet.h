/*
 * The inlet: what another service tells becomes messages of an application that each account has
 * for it (app/bridge.h). The application's uid is the service's name.
 */
#ifndef HOOKS_INLET_H
#define HOOKS_INLET_H

#include "app/bridge.h"
#include "hooks/hooks.h"

struct inlet;

/* After the writer's start. */
ERR_MUST_USE enum err inlet_new(struct hooks *hooks, const char *name,
                                const struct bridge_type *types, size_t type_count,
                                struct inlet **ret_inlet);
struct bridge_sink inlet_sink(struct inlet *inlet);
void inlet_free(struct inlet *inlet); /* NULL is fine */

#endif
