/*
 * Writing a catalogue: the rows that importing a venue, making an event and publishing it leave,
 * in jobs of the real writer, thousands of events a job. Each event has one journal row with the
 * whole event in it (event.published), so that the search index is built the way it always is.
 */
#include <stdio.h>
#include <stdlib.h>

#include "catalogue.h"
#include "cities.h"
#include "store/writer.h"
#include "tickets/event_store.h"
#include "tickets/event_view.h"

#define EVENTS_PER_JOB 2000
#define ORGANIZER      1
#define AREA_CAPACITY  5000
#define TEXT_SIZE      512
#define DOCUMENT_MAX   ((size_t)64 << 10)
#define ONSALE_BEFORE  (120 * CATALOGUE_DAY_MS)

struct chunk {
    struct writer_job job;
    const struct catalogue *catalogue;
    size_t begin, end;
};

SQL(SQL_VENUE, "INSERT INTO venue (id, account_id, name, city, country, lat, lon, plan_version,"
               " created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8)");
SQL(SQL_PLAN, "INSERT INTO plan (venue_id, plan_version, name, width, height, section_count,"
              " seat_count, area_count) VALUES ($1, 1, 'Floor', 100, 100, 1, 0, 1)");
SQL(SQL_CATEGORY, "INSERT INTO plan_category (venue_id, plan_version, category_no, name, color)"
                  " VALUES ($1, 1, 0, 'Floor', '#2980b9')");
SQL(SQL_SECTION, "INSERT INTO section (venue_id, plan_version, section_no, name)"
                 " VALUES ($1, 1, 0, 'Floor')");
SQL(SQL_AREA, "INSERT INTO venue_area (venue_id, plan_version, area_no, guid, section_no, name,"
              " capacity, category_no, shape) VALUES ($1, 1, 0, 'floor', 0, 'Floor', $2, 0,"
              " '{\"x\":0,\"y\":0,\"width\":100,\"height\":100}')");
SQL(SQL_EVENT_AREA, "INSERT INTO event_area (event_id, area_no, guid, name, section_no, capacity,"
                    " available, category_no) VALUES ($1, 0, 'floor', 'Floor', 0, $2, $2, 0)");

static struct str venue_name(const struct catalogue *catalogue, const struct catalogue_venue *venue,
                             char text[static TEXT_SIZE])
{
    int len = snprintf(text, TEXT_SIZE, "%s %s", catalogue->words[venue->word],
                       catalogue_venue_kinds[venue->kind]);
    return str_from(text, (size_t)len);
}

static struct str words_text(const struct catalogue *catalogue, const uint16_t *words, size_t count,
                             char text[static TEXT_SIZE])
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, TEXT_SIZE - len, "%s%s", i ? " " : "",
                                catalogue->words[words[i]]);
    return str_from(text, len);
}

static enum err put_plan(struct db *db, const struct catalogue_venue *venue)
{
    struct sql *statements[] = {&SQL_PLAN, &SQL_CATEGORY, &SQL_SECTION, &SQL_AREA};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof(statements) / sizeof(statements[0]); i++) {
        struct db_stmt *stmt = db_stmt(db, statements[i]);
        db_bind_i64(stmt, 1, (int64_t)venue->id);
        if (statements[i] == &SQL_AREA)
            db_bind_i64(stmt, 2, AREA_CAPACITY);
        err = db_exec(stmt);
    }
    return err;
}

static enum err put_venue(struct db *db, const struct catalogue *catalogue,
                          const struct catalogue_venue *venue)
{
    char name[TEXT_SIZE];
    const struct city *city = &cities[venue->city];
    struct db_stmt *stmt = db_stmt(db, &SQL_VENUE);
    db_bind_i64(stmt, 1, (int64_t)venue->id);
    db_bind_i64(stmt, 2, ORGANIZER);
    db_bind_str(stmt, 3, venue_name(catalogue, venue, name));
    db_bind_str(stmt, 4, str_from_c(city->name));
    db_bind_str(stmt, 5, str_from_c(city->country));
    db_bind_f64(stmt, 6, venue->lat);
    db_bind_f64(stmt, 7, venue->lon);
    db_bind_i64(stmt, 8, id_time_ms(venue->id));
    enum err err = db_exec(stmt);
    return err ? err : put_plan(db, venue);
}

static enum err journal_event(struct writer_tx *tx, const struct catalogue *catalogue,
                              const struct event *event, const int64_t *prices,
                              const struct catalogue_venue *venue)
{
    char name[TEXT_SIZE];
    const struct city *city = &cities[venue->city];
    const struct layout_category category = {STR("Floor"), STR("#2980b9")};
    const struct event_view view = {.event = event,
                                    .venue = {.id = venue->id,
                                              .name = venue_name(catalogue, venue, name),
                                              .city = str_from_c(city->name),
                                              .country = str_from_c(city->country),
                                              .lat = venue->lat,
                                              .lon = venue->lon},
                                    .categories = &category,
                                    .category_count = 1,
                                    .prices = prices};
    struct json_writer writer;
    struct buf *document = buf_new_in(tx->arena, DOCUMENT_MAX);
    if (!document)
        return ERR_NOMEM;
    json_begin(&writer, document);
    event_write(&writer, &view);
    if (document->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, event->id, "event.published", buf_str(document), NULL);
}

static enum err put_event(struct writer_tx *tx, const struct catalogue *catalogue,
                          const struct catalogue_event *made)
{
    char name[TEXT_SIZE], text[TEXT_SIZE];
    const struct catalogue_venue *venue = &catalogue->venues[made->venue];
    int64_t prices[EVENT_PRICES_MAX];
    for (size_t i = 0; i < EVENT_PRICES_MAX; i++)
        prices[i] = PRICE_NONE;
    prices[0] = 1000 + (int64_t)(made->id >> 22) % 90 * 100;
    struct event event = {.id = made->id,
                          .account_id = ORGANIZER,
                          .venue_id = venue->id,
                          .plan_version = 1,
                          .name = words_text(catalogue, made->name, made->name_count, name),
                          .description = words_text(catalogue, made->text, made->text_count, text),
                          .category = str_from_c(catalogue_categories[made->category]),
                          .waiting_room = STR("off"),
                          .starts_at = made->starts_at,
                          .onsale_at = made->starts_at - ONSALE_BEFORE,
                          .currency = "EUR",
                          .status = EVENT_PUBLISHED,
                          .hold_ttl_s = 600,
                          .per_booking = 6,
                          .per_account = 12,
                          .created_at = id_time_ms(made->id),
                          .updated_at = id_time_ms(made->id)};
    enum err err = event_insert(tx->db, &event);
    if (!err)
        err = event_prices_put(tx->db, event.id, prices);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(tx->db, &SQL_EVENT_AREA);
    db_bind_i64(stmt, 1, (int64_t)event.id);
    db_bind_i64(stmt, 2, AREA_CAPACITY);
    err = db_exec(stmt);
    return err ? err : journal_event(tx, catalogue, &event, prices, venue);
}

static enum err venues_apply(struct writer_job *job, struct writer_tx *tx)
{
    const struct chunk *chunk = container_of(job, struct chunk, job);
    enum err err = ERR_OK;
    for (size_t i = chunk->begin; !err && i < chunk->end; i++)
        err = put_venue(tx->db, chunk->catalogue, &chunk->catalogue->venues[i]);
    return err;
}

static enum err events_apply(struct writer_job *job, struct writer_tx *tx)
{
    const struct chunk *chunk = container_of(job, struct chunk, job);
    enum err err = ERR_OK;
    for (size_t i = chunk->begin; !err && i < chunk->end; i++)
        err = put_event(tx, chunk->catalogue, &chunk->catalogue->events[i]);
    return err;
}

static void chunk_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands it on */
}

static enum err write_all(struct writer *writer, const struct catalogue *catalogue)
{
    struct chunk chunk = {.job = {.apply = venues_apply, .done = chunk_done},
                          .catalogue = catalogue,
                          .end = catalogue->venue_count};
    enum err err = writer_run(writer, &chunk.job);
    chunk.job.apply = events_apply;
    for (size_t i = 0; !err && i < catalogue->event_count; i += EVENTS_PER_JOB) {
        chunk.begin = i;
        chunk.end = i + EVENTS_PER_JOB < catalogue->event_count ? i + EVENTS_PER_JOB
                                                                : catalogue->event_count;
        err = writer_run(writer, &chunk.job);
    }
    return err;
}

enum err catalogue_write(const struct catalogue *catalogue, const char *directory)
{
    char path[512];
    struct writer *writer;
    snprintf(path, sizeof(path), "%s/tickets.db", directory);
    enum err err = writer_new(path, "tickets", &writer);
    if (err) {
        fprintf(stderr, "%s\n", writer_failure());
        return err;
    }
    err = writer_start(writer);
    if (!err)
        err = write_all(writer, catalogue);
    writer_stop(writer);
    writer_free(writer);
    return err;
}
