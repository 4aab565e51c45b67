/*
 * Asks the questions of audit_store.c: those to a day's tables of each day that is kept. What a day that
 * is over has left until its tables are emptied is nobody's business.
 */
#include "hooks/audit.h"

#include "base/clock.h"
#include "base/ids.h"
#include "hooks/audit_store.h"

static void bind_day(struct db_stmt *stmt, int64_t day)
{
    db_bind_i64(stmt, 2, (int64_t)id_at_ms(day * DAY_MS));
    db_bind_i64(stmt, 3, (int64_t)id_at_ms((day + 1) * DAY_MS));
}

static void ask_days(struct audit *audit, const struct ring_slots *slots)
{
    for (size_t i = 0; i < HOOKS_DAY_CHECKS; i++) {
        const struct hooks_day_check *check = &hooks_day_checks[i];
        enum err err = ERR_OK;
        audit_begin(audit, check->name);
        for (size_t j = 0; !err && j < slots->count; j++) {
            size_t slot = slots->items[j].slot;
            struct db_stmt *stmt = db_stmt(audit_db(audit), &check->of_slot[slot]);
            if (check->is_of_ids)
                bind_day(stmt, slots->items[j].day);
            err = audit_lines(audit, stmt);
        }
        audit_end(audit, err);
    }
}

/* Where there is no key, whatever is sealed is a finding. */
static void ask_sealed(struct audit *audit)
{
    struct keyring *keyring = NULL;
    audit_begin(audit, "hooks-sealed");
    enum err err = keyring_find(audit_config(audit), &keyring);
    if (!err || err == ERR_NOT_FOUND)
        err = hooks_audit_sealed(audit, keyring);
    keyring_free(keyring);
    audit_end(audit, err);
}

static void ask_totals(struct audit *audit, const struct ring_slots *slots)
{
    struct hooks_totals totals = {0};
    enum err err = ERR_OK;
    audit_begin(audit, "hooks-totals");
    for (size_t i = 0; !err && i < slots->count; i++)
        err = hooks_audit_count(audit_db(audit), slots->items[i].slot, &totals);
    audit_end(audit, err);
    audit_total(audit, "hooks_messages", totals.messages);
    audit_total(audit, "hooks_waiting", totals.waiting);
    audit_total(audit, "hooks_dead", totals.dead);
}

static void ask(struct audit *audit)
{
    struct ring_slots slots = {0};
    audit_ask_schema(audit);
    for (size_t i = 0; i < HOOKS_ROW_CHECKS; i++)
        audit_ask(audit, &hooks_row_checks[i]);
    audit_begin(audit, "hooks-days");
    audit_end(audit, ring_slots(audit_db(audit), clock_now_ms(), &slots));
    ask_days(audit, &slots);
    ask_sealed(audit);
    ask_totals(audit, &slots);
}

const struct audit_part hooks_audit = {.service = "hooks", .is_optional = true, .ask = ask};
