/* Empties day tables that are past keeping: at start, and at least once an hour, on the steward. */
#ifndef HOOKS_RETENTION_H
#define HOOKS_RETENTION_H

#include "app/timer.h"
#include "hooks/hooks.h"

ERR_MUST_USE enum err retention_start(struct hooks *hooks, struct timer *timer);

#endif
