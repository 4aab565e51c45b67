/* The frame of an audit: see audit.h. */
#include "app/audit.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/audit_schema.h"
#include "base/clock.h"
#include "base/json.h"

#define FINDINGS_BYTES_MAX (16u << 20)
#define TOTALS_MAX         32

struct total {
    const char *name;
    int64_t value;
};

struct audit {
    const struct config *config;
    const struct audit_options *options;
    const struct audit_part *part;
    struct db *db;
    char location[CONFIG_LOCATION_MAX]; /* of it */
    struct buf findings;                /* JSON array items */
    struct json_writer writer;
    const char *check; /* the one that runs */
    size_t shown;      /* of its findings */
    size_t count;
    size_t oversold; /* those of the worst */
    size_t unread;   /* checks that could not be answered; their lines are counted in count */
    size_t checks;
    bool is_pgsql;
    struct total totals[TOTALS_MAX];
    size_t total_count;
};

static struct audit_check file_check = {
    "file",
    {.text = "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok' "
             "LIMIT $1"}};

struct db *audit_db(const struct audit *audit)
{
    return audit->db;
}

const struct config *audit_config(const struct audit *audit)
{
    return audit->config;
}

/* ---- findings ---- */

static bool is_among_worst(const struct audit *audit)
{
    for (const char *const *name = audit->part->worst; name && *name; name++) {
        if (strcmp(audit->check, *name) == 0)
            return true;
    }
    return false;
}

static void finding_add(struct audit *audit, struct str line)
{
    audit->count++;
    audit->oversold += is_among_worst(audit);
    if (audit->shown++ >= AUDIT_FINDINGS_MAX)
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

void audit_found(const char *line, void *audit)
{
    finding_add(audit, str_from_c(line));
}

void audit_begin(struct audit *audit, const char *check)
{
    audit->check = check;
    audit->shown = 0;
}

void audit_end(struct audit *audit, enum err err)
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

enum err audit_lines(struct audit *audit, struct db_stmt *stmt)
{
    bool has_row;
    enum err err;
    db_bind_i64(stmt, 1, AUDIT_FINDINGS_MAX);
    while (!(err = db_step(stmt, &has_row)) && has_row)
        finding_add(audit, db_col_str(stmt, 0));
    return err;
}

void audit_ask(struct audit *audit, struct audit_check *check)
{
    audit_begin(audit, check->name);
    audit_end(audit, audit_lines(audit, db_stmt(audit->db, &check->sql)));
}

void audit_ask_schema(struct audit *audit)
{
    struct schema_audit schema = {.service = audit->part->service,
                                  .db = audit->db,
                                  .location = audit->location,
                                  .on_finding = audit_found,
                                  .ctx = audit};
    audit_begin(audit, "schema");
    audit_end(audit, schema_audit(&schema));
    if (!audit->options->is_quick && !db_is_pgsql(audit->db))
        audit_ask(audit, &file_check);
}

void audit_total(struct audit *audit, const char *name, int64_t value)
{
    assert(audit->total_count < TOTALS_MAX);
    audit->totals[audit->total_count++] = (struct total){name, value};
}

/* ---- report ---- */

static void report_text(const struct audit *audit)
{
    if (audit->is_pgsql)
        printf("  pages and indexes are for pg_amcheck to look at\n");
    for (size_t i = 0; i < audit->total_count; i++)
        printf("  %-20s %lld\n", audit->totals[i].name, (long long)audit->totals[i].value);
    if (audit->unread)
        printf("audit: %zu questions could not be answered, ", audit->unread);
    else
        printf("audit: ");
    if (audit->count)
        printf("%zu contradictions found\n", audit->count - audit->unread);
    else
        printf("clean, every invariant holds\n");
}

static void report_json(struct audit *audit)
{
    json_close_array(&audit->writer);
    json_key(&audit->writer, "totals");
    json_open_object(&audit->writer);
    for (size_t i = 0; i < audit->total_count; i++)
        json_put_i64(&audit->writer, audit->totals[i].name, audit->totals[i].value);
    json_close_object(&audit->writer);
    json_put_bool(&audit->writer, "clean", audit->count == 0);
    json_close_object(&audit->writer);
    printf("%.*s\n", STR_ARG(buf_str(&audit->findings)));
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

/* ---- the parts ---- */

/* A connection for the audit: its questions read whole tables, each once. ERR_NOT_FOUND: there is no such
 * database. */
static enum err open_db(struct audit *audit)
{
    bool is_file = !db_location_is_pgsql(audit->location);
    if (is_file && access(audit->location, F_OK) != 0 && errno == ENOENT)
        return ERR_NOT_FOUND;
    enum err err = db_open(audit->location, DB_ADMIN, &audit->db);
    if (err && strstr(db_open_failure(), "there is no schema"))
        return ERR_NOT_FOUND;
    if (err)
        return err;
    audit->is_pgsql = db_is_pgsql(audit->db);
    /* Other connections keep their plans, and so keep to indexes. Without nested loops a question
     * takes seconds also where PostgreSQL has no statistics yet; with them it took minutes. */
    if (audit->is_pgsql)
        err = db_script(audit->db, STR("SET enable_seqscan = on; SET enable_nestloop = off;"
                                       "SET plan_cache_mode = auto"));
    if (err)
        db_close(audit->db);
    return err;
}

static enum err part_run(struct audit *audit, const struct audit_part *part)
{
    audit->part = part;
    enum err err = config_database(audit->config, part->service, audit->location);
    if (err)
        return err;
    /* A URL may have a password in it. */
    const char *path = db_location_is_pgsql(audit->location) ? "the store" : audit->location;
    err = open_db(audit);
    if (err == ERR_NOT_FOUND && part->is_optional)
        return ERR_OK;
    if (err) {
        fprintf(stderr, "audit: cannot open %s: %s %s\n", path, err_name(err), db_open_failure());
        return err;
    }
    err = db_snapshot_begin(audit->db);
    if (err) {
        fprintf(stderr, "audit: cannot read %s: %s\n", path, err_name(err));
    } else {
        part->ask(audit);
        db_snapshot_end(audit->db);
    }
    db_close(audit->db);
    return err;
}

static enum err parts_run(struct audit *audit, const struct audit_part *const *parts,
                          size_t part_count)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < part_count; i++)
        err = part_run(audit, parts[i]);
    if (err)
        return err;
    audit_total(audit, "checks", (int64_t)audit->checks);
    if (audit->options->is_json)
        report_json(audit);
    else
        report_text(audit);
    return ERR_OK;
}

int audit_main(const struct config *config, const struct audit_options *options,
               const struct audit_part *const *parts, size_t part_count)
{
    struct audit audit = {.config = config, .options = options};
    buf_init(&audit.findings, FINDINGS_BYTES_MAX);
    json_begin(&audit.writer, &audit.findings);
    json_open_object(&audit.writer);
    json_key(&audit.writer, "findings");
    json_open_array(&audit.writer);
    int64_t began_ns = clock_mono_ns();
    enum err err = parts_run(&audit, parts, part_count);
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
