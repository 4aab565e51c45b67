/*
 * `foyer audit`: asks the questions of audit_store.c and recomputes every hash chain of the
 * journal, all in one snapshot, so it may run beside a live server. Findings are named and printed;
 * at most FINDINGS_MAX of each kind.
 */
#include "tickets/audit.h"

#include <stdio.h>

#include "base/json.h"
#include "store/journal.h"
#include "tickets/audit_store.h"

#define FINDINGS_MAX 100

struct audit {
    struct db *db;
    bool is_json;
    struct buf findings; /* JSON array items */
    struct json_writer writer;
    size_t count;
    uint64_t journal_rows;
};

static void finding_add(struct audit *audit, const char *check, struct str line)
{
    audit->count++;
    if (!audit->is_json) {
        printf("  %s: %.*s\n", check, STR_ARG(line));
        return;
    }
    json_open_object(&audit->writer);
    json_put_str(&audit->writer, "check", str_from_c(check));
    json_put_str(&audit->writer, "finding", line);
    json_close_object(&audit->writer);
}

static enum err audit_check_run(struct audit *audit, struct audit_check *check)
{
    struct db_stmt *stmt = db_stmt(audit->db, &check->sql);
    db_bind_i64(stmt, 1, FINDINGS_MAX);
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        finding_add(audit, check->name, db_col_str(stmt, 0));
    if (err)
        fprintf(stderr, "audit: %s could not be checked: %s\n", check->name, db_message(audit->db));
    return err;
}

static void on_chain_finding(const char *line, void *ctx)
{
    finding_add(ctx, "journal-chain", str_from_c(line));
}

static enum err audit_run(struct audit *audit, struct audit_totals *ret_totals)
{
    enum err err = db_snapshot_begin(audit->db);
    if (err)
        return err;
    for (size_t i = 0; !err && i < audit_check_count; i++)
        err = audit_check_run(audit, &audit_checks[i]);
    if (!err)
        err = journal_verify(audit->db, on_chain_finding, audit, &audit->journal_rows);
    if (!err)
        err = audit_store_totals(audit->db, ret_totals);
    db_snapshot_end(audit->db);
    return err;
}

struct total_line {
    const char *name;
    int64_t value;
};

static void report_text(const struct audit *audit, const struct total_line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("  %-20s %lld\n", lines[i].name, (long long)lines[i].value);
    if (audit->count)
        printf("audit: %zu contradictions found\n", audit->count);
    else
        printf("audit: clean, every invariant holds\n");
}

static void report_json(struct audit *audit, const struct total_line *lines, size_t count)
{
    json_close_array(&audit->writer);
    json_key(&audit->writer, "totals");
    json_open_object(&audit->writer);
    for (size_t i = 0; i < count; i++)
        json_put_i64(&audit->writer, lines[i].name, lines[i].value);
    json_close_object(&audit->writer);
    json_put_bool(&audit->writer, "clean", audit->count == 0);
    json_close_object(&audit->writer);
    printf("%.*s\n", STR_ARG(buf_str(&audit->findings)));
}

static void audit_report(struct audit *audit, const struct audit_totals *totals)
{
    const struct total_line lines[] = {
        {"seats_booked", totals->seats_booked},
        {"seats_held", totals->seats_held},
        {"bookings_confirmed", totals->bookings_confirmed},
        {"bookings_open", totals->bookings_open},
        {"bookings_ended", totals->bookings_ended},
        {"tickets_valid", totals->tickets_valid},
        {"captured", totals->captured},
        {"refunded", totals->refunded},
        {"refunds_pending", totals->refunds_pending},
        {"journal_rows", (int64_t)audit->journal_rows},
        {"checks", (int64_t)audit_check_count + 1},
    };
    if (audit->is_json)
        report_json(audit, lines, sizeof(lines) / sizeof(lines[0]));
    else
        report_text(audit, lines, sizeof(lines) / sizeof(lines[0]));
}

int audit_main(const struct config *config, bool is_json)
{
    char path[CONFIG_TEXT_MAX + 32];
    snprintf(path, sizeof(path), "%s/tickets.db", config->data);
    struct audit audit = {.is_json = is_json};
    struct audit_totals totals;
    if (db_open(path, DB_ADMIN, &audit.db)) {
        fprintf(stderr, "audit: cannot open %s\n", path);
        return 2;
    }
    buf_init(&audit.findings, 16u << 20);
    json_begin(&audit.writer, &audit.findings);
    json_open_object(&audit.writer);
    json_key(&audit.writer, "findings");
    json_open_array(&audit.writer);
    enum err err = audit_run(&audit, &totals);
    if (err)
        fprintf(stderr, "audit: cannot read %s: %s\n", path, err_name(err));
    else
        audit_report(&audit, &totals);
    buf_release(&audit.findings);
    db_close(audit.db);
    if (err)
        return 2;
    return audit.count ? 1 : 0;
}
