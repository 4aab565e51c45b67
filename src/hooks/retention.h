/* Empties day tables that are past keeping: at start, and at least once an hour, on the steward. */
#ifndef HOOKS_RETENTION_H
#define HOOKS_RETENTION_H

#include "hooks/hooks.h"

ERR_MUST_USE enum err retention_start(struct hooks *hooks, struct sweeper **ret_sweeper);
void retention_stop(struct sweeper *sweeper); /* joins and frees; NULL is fine */

#endif
