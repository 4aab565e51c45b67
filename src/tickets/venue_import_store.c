/*
 * Importing a seating plan: tens of thousands of rows that must not keep a buyer waiting. They are
 * written in jobs of at most IMPORT_ROWS rows, IMPORT_WAVE jobs under way at a time: requests that
 * wait are served in between, and a wave still shares one commit.
 *
 * Invariants
 *  1. A plan's rows belong to a venue id that nobody knows yet: no reader can meet half a plan.
 *  2. Sections are on disk before any seat, so that whatever a crash leaves is found through the
 *     section table.
 *  3. venue_insert makes venue and plan visible in one transaction, after all rows.
 *
 * All SQL of the import is here. Runs on a pool thread, which sleeps while the writer works.
 */
#include "tickets/limits.h"
#include "tickets/venue.h"

#include <pthread.h>

#define IMPORT_ROWS 64
#define IMPORT_WAVE 8
#define SHAPE_SIZE  160

enum chunk_kind {
    CHUNK_SECTIONS,
    CHUNK_CATEGORIES,
    CHUNK_AREAS,
    CHUNK_SEATS,
    CHUNK_KINDS
};

struct import {
    const struct plan *plan;
    uint64_t venue_id;
    int64_t plan_version;
    pthread_mutex_t lock;
    pthread_cond_t is_idle;
    size_t pending; /* jobs of this wave */
    enum err err;   /* the first failure */
};

struct chunk {
    struct writer_job job;
    struct import *import;
    enum chunk_kind kind;
    uint32_t begin, end;
};

SQL(SQL_SECTION_PUT, "INSERT INTO section (venue_id, plan_version, section_no, name)"
                     " VALUES ($1, $2, $3, $4)");
SQL(SQL_CATEGORY_PUT, "INSERT INTO plan_category (venue_id, plan_version, category_no, name, color,"
                      " focal_x, focal_y) VALUES ($1, $2, $3, $4, $5, $6, $7)");
SQL(SQL_AREA_PUT, "INSERT INTO venue_area (venue_id, plan_version, area_no, guid, section_no, name,"
                  " capacity, category_no, shape) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
SQL(SQL_SEAT_PUT,
    "INSERT INTO venue_seat (venue_id, plan_version, seat_no, guid, section_no, row_label,"
    " number, x, y, category_no, is_accessible)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");

static struct db_stmt *begin_row(struct db *db, struct sql *sql, const struct import *import,
                                 uint32_t no)
{
    struct db_stmt *stmt = db_stmt(db, sql);
    db_bind_i64(stmt, 1, (int64_t)import->venue_id);
    db_bind_i64(stmt, 2, import->plan_version);
    db_bind_i64(stmt, 3, no);
    return stmt;
}

static enum err put_section(struct db *db, const struct import *import, uint32_t no)
{
    struct db_stmt *stmt = begin_row(db, &SQL_SECTION_PUT, import, no);
    db_bind_str(stmt, 4, import->plan->sections[no].name);
    return db_exec(stmt);
}

static enum err put_category(struct db *db, const struct import *import, uint32_t no)
{
    struct db_stmt *stmt = begin_row(db, &SQL_CATEGORY_PUT, import, no);
    db_bind_str(stmt, 4, import->plan->categories[no].name);
    db_bind_str(stmt, 5, import->plan->categories[no].color);
    venue_bind_focus(stmt, 6, import->plan->categories[no].focus);
    return db_exec(stmt);
}

static void put_number(struct json_writer *writer, const char *name, float value)
{
    json_key(writer, name);
    json_f64(writer, (double)value);
}

static void write_shape(struct buf *buf, const struct layout_area *area)
{
    struct json_writer writer;
    json_begin(&writer, buf);
    json_open_object(&writer);
    put_number(&writer, "x", area->x);
    put_number(&writer, "y", area->y);
    put_number(&writer, "width", area->width);
    put_number(&writer, "height", area->height);
    json_close_object(&writer);
}

static enum err put_area(struct db *db, const struct import *import, uint32_t no)
{
    const struct layout_area *area = &import->plan->areas[no];
    struct buf shape;
    buf_init(&shape, SHAPE_SIZE);
    write_shape(&shape, area);
    struct db_stmt *stmt = begin_row(db, &SQL_AREA_PUT, import, no);
    db_bind_str(stmt, 4, area->guid);
    db_bind_i64(stmt, 5, area->section_no);
    db_bind_str(stmt, 6, area->name);
    db_bind_i64(stmt, 7, area->capacity);
    db_bind_i64(stmt, 8, area->category_no);
    db_bind_str(stmt, 9, buf_str(&shape));
    enum err err = db_exec(stmt);
    buf_release(&shape);
    return err;
}

static enum err put_seat(struct db *db, const struct import *import, uint32_t no)
{
    const struct layout_seat *seat = &import->plan->seats[no];
    struct db_stmt *stmt = begin_row(db, &SQL_SEAT_PUT, import, no);
    db_bind_str(stmt, 4, seat->guid);
    db_bind_i64(stmt, 5, seat->section_no);
    db_bind_str(stmt, 6, seat->row);
    db_bind_str(stmt, 7, seat->number);
    db_bind_f64(stmt, 8, (double)seat->x);
    db_bind_f64(stmt, 9, (double)seat->y);
    db_bind_i64(stmt, 10, seat->category_no);
    db_bind_i64(stmt, 11, seat->is_accessible);
    return db_exec(stmt);
}

static enum err chunk_apply(struct writer_job *job, struct writer_tx *tx)
{
    static enum err (*const put[CHUNK_KINDS])(struct db *, const struct import *, uint32_t) = {
        [CHUNK_SECTIONS] = put_section,
        [CHUNK_CATEGORIES] = put_category,
        [CHUNK_AREAS] = put_area,
        [CHUNK_SEATS] = put_seat,
    };
    struct chunk *chunk = container_of(job, struct chunk, job);
    enum err err = ERR_OK;
    for (uint32_t no = chunk->begin; !err && no < chunk->end; no++)
        err = put[chunk->kind](tx->db, chunk->import, no);
    return err;
}

static void import_settle(struct import *import, enum err outcome)
{
    pthread_mutex_lock(&import->lock);
    if (outcome && !import->err)
        import->err = outcome;
    if (--import->pending == 0)
        pthread_cond_signal(&import->is_idle);
    pthread_mutex_unlock(&import->lock);
}

static void chunk_done(struct writer_job *job, enum err outcome)
{
    import_settle(container_of(job, struct chunk, job)->import, outcome);
}

static void import_wait(struct import *import)
{
    pthread_mutex_lock(&import->lock);
    while (import->pending > 0)
        pthread_cond_wait(&import->is_idle, &import->lock);
    pthread_mutex_unlock(&import->lock);
}

/* Submits up to IMPORT_WAVE chunks from *next on and waits for them. */
static void import_wave(struct import *import, struct writer *writer, enum chunk_kind kind,
                        uint32_t *next, uint32_t count)
{
    struct chunk chunks[IMPORT_WAVE] = {0};
    size_t made = 0;
    for (; made < IMPORT_WAVE && *next < count; made++) {
        uint32_t end = count - *next < IMPORT_ROWS ? count : *next + IMPORT_ROWS;
        chunks[made] = (struct chunk){.job = {.shard = import->venue_id, /* rows of nobody else's */
                                              .apply = chunk_apply,
                                              .done = chunk_done},
                                      .import = import,
                                      .kind = kind,
                                      .begin = *next,
                                      .end = end};
        *next = end;
    }
    import->pending = made; /* nobody else looks yet */
    for (size_t i = 0; i < made; i++) {
        enum err err = writer_submit_internal(writer, &chunks[i].job);
        if (err)
            import_settle(import, err);
    }
    import_wait(import);
}

enum err venue_import_plan(struct writer *writer, uint64_t venue_id, int64_t plan_version,
                           const struct plan *plan)
{
    const uint32_t counts[CHUNK_KINDS] = {
        [CHUNK_SECTIONS] = plan->section_count,
        [CHUNK_CATEGORIES] = plan->category_count,
        [CHUNK_AREAS] = plan->area_count,
        [CHUNK_SEATS] = plan->seat_count,
    };
    struct import import = {.plan = plan, .venue_id = venue_id, .plan_version = plan_version};
    pthread_mutex_init(&import.lock, NULL);
    pthread_cond_init(&import.is_idle, NULL);
    for (enum chunk_kind kind = CHUNK_SECTIONS; kind < CHUNK_KINDS; kind++) {
        for (uint32_t next = 0; !import.err && next < counts[kind];)
            import_wave(&import, writer, kind, &next, counts[kind]);
    }
    pthread_cond_destroy(&import.is_idle);
    pthread_mutex_destroy(&import.lock);
    return import.err;
}

/* --- What a crash left --- */

SQL(SQL_NEXT_VENUE, "SELECT MIN(venue_id) FROM section WHERE venue_id > $1");
SQL(SQL_VENUE_EXISTS, "SELECT COUNT(*) FROM venue WHERE id = $1");
SQL(SQL_DELETE_SEATS, "DELETE FROM venue_seat WHERE venue_id = $1");
SQL(SQL_DELETE_AREAS, "DELETE FROM venue_area WHERE venue_id = $1");
SQL(SQL_DELETE_CATEGORIES, "DELETE FROM plan_category WHERE venue_id = $1");
SQL(SQL_DELETE_SECTIONS, "DELETE FROM section WHERE venue_id = $1");

static enum err delete_orphan(struct db *db, int64_t venue_id)
{
    static struct sql *const statements[] = {&SQL_DELETE_SEATS, &SQL_DELETE_AREAS,
                                             &SQL_DELETE_CATEGORIES, &SQL_DELETE_SECTIONS};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof(statements) / sizeof(statements[0]); i++) {
        struct db_stmt *stmt = db_stmt(db, statements[i]);
        db_bind_i64(stmt, 1, venue_id);
        err = db_exec(stmt);
    }
    return err;
}

/* The next id in the section table; 0 when there is none. One index probe a venue. */
static enum err next_venue(struct db *db, int64_t *venue_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_NEXT_VENUE);
    db_bind_i64(stmt, 1, *venue_id);
    return db_get_i64(stmt, venue_id); /* NULL reads as 0 */
}

struct orphans {
    struct writer_job job;
    int64_t before_ms;
};

static enum err orphans_apply(struct writer_job *job, struct writer_tx *tx)
{
    int64_t before_ms = container_of(job, struct orphans, job)->before_ms;
    int64_t venue_id = 0;
    enum err err;
    while ((err = next_venue(tx->db, &venue_id)) == ERR_OK && venue_id != 0 &&
           id_time_ms((uint64_t)venue_id) < before_ms) {
        int64_t count = 0;
        struct db_stmt *stmt = db_stmt(tx->db, &SQL_VENUE_EXISTS);
        db_bind_i64(stmt, 1, venue_id);
        err = db_get_i64(stmt, &count);
        if (!err && count == 0)
            err = delete_orphan(tx->db, venue_id);
        if (err)
            break;
    }
    return err;
}

static void orphans_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands it on */
}

enum err venue_remove_orphans(struct writer *writer, int64_t before_ms)
{
    struct orphans orphans = {.job = {.apply = orphans_apply, .done = orphans_done},
                              .before_ms = before_ms};
    return writer_run(writer, &orphans.job);
}
