/*
 * `foyer audit`: asks the questions of audit_tables, recomputes every hash chain of the journal,
 * and looks at the file and its schema, all in one snapshot, so it may run beside a live server.
 * Findings are named and printed; at most FINDINGS_MAX of each kind.
 *
 * A question that cannot be answered (a damaged page, a table that is gone) does not keep the
 * others from being asked; it is printed like a finding, and the exit status says that not all
 * could be read.
 */
#include "tickets/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "store/journal.h"
#include "tickets/audit_store.h"

#define FINDINGS_MAX       100
#define FINDINGS_BYTES_MAX (16u << 20)

struct audit {
    struct db *db;
    const char *location; /* of it */
    const struct audit_options *options;
    struct buf findings; /* JSON array items */
    struct json_writer writer;
    const char *check; /* the one that runs */
    size_t shown;      /* of its findings */
    size_t count;
    size_t oversold; /* those of oversell_checks */
    size_t unread;   /* checks that could not be answered; their lines are counted in count */
    size_t checks;
    uint64_t journal_rows;
    struct audit_totals totals;
};

/* These say that a place was sold to two. */
static const char *const oversell_checks[] = {"seat-in-two-bookings", "seat-in-journal",
                                              "area-counter"};

static bool is_oversell(const char *check)
{
    for (size_t i = 0; i < sizeof(oversell_checks) / sizeof(oversell_checks[0]); i++) {
        if (strcmp(check, oversell_checks[i]) == 0)
            return true;
    }
    return false;
}

static void finding_add(struct audit *audit, struct str line)
{
    audit->count++;
    audit->oversold += is_oversell(audit->check);
    if (audit->shown++ >= FINDINGS_MAX)
        return;
    if (!audit->options->is_json) {
        printf("  %s: %.*s\n", audit->check, STR_ARG(line));
        return;
    }
    json_open_object(&audit->writer);
    json_put_str(&audit->writer, "check", str_from_c(audit->check));
    json_put_str(&audit->writer, "finding", line);
    json_close_object(&audit->writer);
}

static void on_finding(const char *line, void *ctx)
{
    finding_add(ctx, str_from_c(line));
}

static void check_begin(struct audit *audit, const char *name)
{
    audit->check = name;
    audit->shown = 0;
}

static void check_end(struct audit *audit, enum err err)
{
    audit->checks++;
    if (!err)
        return;
    char line[512];
    audit->unread++;
    audit->shown = 0;
    (void)snprintf(line, sizeof(line), "could not be read: %s (%s)", db_message(audit->db),
                   err_name(err)); /* a cut line is good enough */
    finding_add(audit, str_from_c(line));
}

static void check_run(struct audit *audit, struct audit_check *check)
{
    check_begin(audit, check->name);
    struct db_stmt *stmt = db_stmt(audit->db, &check->sql);
    db_bind_i64(stmt, 1, FINDINGS_MAX);
    bool has_row;
    enum err err;
    while (!(err = db_step(stmt, &has_row)) && has_row)
        finding_add(audit, db_col_str(stmt, 0));
    check_end(audit, err);
}

static void checks_run(struct audit *audit)
{
    check_begin(audit, "schema");
    check_end(audit, audit_store_schema(audit->db, audit->location, on_finding, audit));
    if (!audit->options->is_quick && !db_is_pgsql(audit->db))
        check_run(audit, &audit_file_check);
    for (size_t i = 0; i < AUDIT_TABLES; i++) {
        for (size_t j = 0; j < audit_tables[i].count; j++)
            check_run(audit, &audit_tables[i].checks[j]);
    }
    check_begin(audit, "journal-chain");
    check_end(audit, journal_verify(audit->db, on_finding, audit, &audit->journal_rows));
    check_begin(audit, "totals");
    check_end(audit, audit_store_totals(audit->db, &audit->totals));
}

struct total_line {
    const char *name;
    int64_t value;
};

static void report_text(const struct audit *audit, const struct total_line *lines, size_t count)
{
    if (db_is_pgsql(audit->db))
        printf("  pages and indexes are for pg_amcheck to look at\n");
    for (size_t i = 0; i < count; i++)
        printf("  %-20s %lld\n", lines[i].name, (long long)lines[i].value);
    if (audit->unread)
        printf("audit: %zu questions could not be answered, ", audit->unread);
    else
        printf("audit: ");
    if (audit->count)
        printf("%zu contradictions found\n", audit->count - audit->unread);
    else
        printf("clean, every invariant holds\n");
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

static void audit_report(struct audit *audit)
{
    const struct audit_totals *totals = &audit->totals;
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
        {"checks", (int64_t)audit->checks},
    };
    if (audit->options->is_json)
        report_json(audit, lines, sizeof(lines) / sizeof(lines[0]));
    else
        report_text(audit, lines, sizeof(lines) / sizeof(lines[0]));
}

/* Written aside and renamed, so that nobody reads half of it. A read that failed is unanswered. */
static enum err textfile_write(const struct audit *audit, const char *path, int64_t began_ns,
                               bool is_unread)
{
    char part[CONFIG_TEXT_MAX + 32];
    if (snprintf(part, sizeof(part), "%s.part", path) >= (int)sizeof(part))
        return ERR_LIMIT;
    FILE *file = fopen(part, "we");
    if (!file)
        return ERR_IO;
    const struct {
        const char *name, *help;
        int64_t value;
    } lines[] = {
        {"foyer_audit_last_run_timestamp_seconds", "When the audit ended.", clock_now_ms() / 1000},
        {"foyer_audit_duration_seconds", "How long it took.",
         (clock_mono_ns() - began_ns) / 1000000000},
        {"foyer_audit_contradictions", "What it found.", (int64_t)(audit->count - audit->unread)},
        {"foyer_audit_oversold", "Findings that say a place was sold to two.",
         (int64_t)audit->oversold},
        {"foyer_audit_unanswered", "Questions that could not be answered.",
         (int64_t)audit->unread + is_unread},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        fprintf(file, "# HELP %s %s\n# TYPE %s gauge\n%s %" PRId64 "\n", lines[i].name,
                lines[i].help, lines[i].name, lines[i].name, lines[i].value);
    /* The umask keeps what we write to ourselves; this one is for another program. */
    bool is_good = !ferror(file) && fchmod(fileno(file), 0644) == 0;
    is_good = fclose(file) == 0 && is_good;
    return is_good && rename(part, path) == 0 ? ERR_OK : ERR_IO;
}

static enum err audit_run(struct audit *audit)
{
    /* A URL may have a password in it. */
    const char *path = db_location_is_pgsql(audit->location) ? "the store" : audit->location;
    enum err err = audit_store_open(audit->location, &audit->db);
    if (err) {
        fprintf(stderr, "audit: cannot open %s: %s %s\n", path, err_name(err), db_open_failure());
        return err;
    }
    err = db_snapshot_begin(audit->db);
    if (err) {
        fprintf(stderr, "audit: cannot read %s: %s\n", path, err_name(err));
    } else {
        checks_run(audit);
        db_snapshot_end(audit->db);
        audit_report(audit);
    }
    db_close(audit->db);
    return err;
}

int audit_main(const struct config *config, const struct audit_options *options)
{
    char location[CONFIG_LOCATION_MAX];
    if (config_database(config, "tickets", location) != ERR_OK)
        return 2;
    struct audit audit = {.options = options, .location = location};
    buf_init(&audit.findings, FINDINGS_BYTES_MAX);
    json_begin(&audit.writer, &audit.findings);
    json_open_object(&audit.writer);
    json_key(&audit.writer, "findings");
    json_open_array(&audit.writer);
    int64_t began_ns = clock_mono_ns();
    enum err err = audit_run(&audit);
    buf_release(&audit.findings);
    if (options->textfile &&
        textfile_write(&audit, options->textfile, began_ns, err != ERR_OK) != ERR_OK) {
        fprintf(stderr, "audit: cannot write %s\n", options->textfile);
        return 2;
    }
    if (err || audit.unread)
        return 2;
    return audit.count ? 1 : 0;
}
