/*
 * `foyer audit`: asks each service whether what its tables say agrees, in one snapshot of each
 * database, so it may run beside a live server. Findings are named and printed.
 *
 * A question that cannot be answered (a damaged page, a table that is gone) does not keep the others
 * from being asked; it is printed like a finding, and the exit status says that not all could be read.
 */
#ifndef APP_AUDIT_H
#define APP_AUDIT_H

#include "app/config.h"
#include "store/db.h"

#define AUDIT_FINDINGS_MAX 100 /* of each question */

struct audit_options {
    bool is_json;
    bool is_quick;        /* without the check of every page and index */
    const char *textfile; /* NULL, or where the outcome is left for Prometheus' node exporter */
};

struct audit_check {
    const char *name; /* stable slug, e.g. "seat-in-two-bookings" */
    struct sql sql;   /* one text column; no rows: clean; $1: at most so many */
};

struct audit;

/* What a service has to ask. */
struct audit_part {
    const char *service;
    bool is_optional; /* nothing is asked where there is no such database */
    const char *const
        *worst; /* names of checks that say a place was sold to two, NULL at the end; or NULL */
    void (*ask)(struct audit *audit);
};

/* 0: clean, 1: findings, 2: it, or part of it, cannot be read. */
int audit_main(const struct config *config, const struct audit_options *options,
               const struct audit_part *const *parts, size_t part_count);

/* ---- for ask() ---- */

struct db *audit_db(const struct audit *audit); /* of this part, in its snapshot */
const struct config *audit_config(const struct audit *audit);
/* Schema and, unless it shall be quick, SQLite's own check of the file: for every service. */
void audit_ask_schema(struct audit *audit);
void audit_ask(struct audit *audit, struct audit_check *check);
/* A question that is more than one statement: begin, findings, end. */
void audit_begin(struct audit *audit, const char *check);
void audit_found(const char *line, void *audit);
/* err: why it could not be answered. */
void audit_end(struct audit *audit, enum err err);
/* Lines of the current question that this statement gives; $1, the most of them, is bound here. */
ERR_MUST_USE enum err audit_lines(struct audit *audit, struct db_stmt *stmt);
/* A number for the end of the report; name: a constant. */
void audit_total(struct audit *audit, const char *name, int64_t value);

#endif
