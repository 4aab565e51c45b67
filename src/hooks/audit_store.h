/* The audit's questions to the database. */
#ifndef HOOKS_AUDIT_STORE_H
#define HOOKS_AUDIT_STORE_H

#include "app/audit.h"
#include "hooks/keyring.h"
#include "hooks/ring.h"

/* Of tables that there is one of. */
#define HOOKS_ROW_CHECKS 5
extern struct audit_check hooks_row_checks[HOOKS_ROW_CHECKS];

/* Of each day's tables. */
struct hooks_day_check {
    const char *name;
    struct sql *of_slot; /* RING_SLOTS of them; $1: at most so many */
    bool is_of_ids;      /* $2: the day's first id, $3: that of the next */
};
#define HOOKS_DAY_CHECKS 7
extern const struct hooks_day_check hooks_day_checks[HOOKS_DAY_CHECKS];

/* Secrets and headers of all endpoints open with the key; a line for each that does not. */
ERR_MUST_USE enum err hooks_audit_sealed(struct audit *audit, const struct keyring *keyring);

struct hooks_totals {
    int64_t messages, waiting, dead;
};
/* Adds those of one slot. */
ERR_MUST_USE enum err hooks_audit_count(struct db *db, size_t slot, struct hooks_totals *totals);

#endif
