/* What a rehearsal has shown: counted from what the people saw, and from the scratch database. */
#include "tickets/rehearse.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/json.h"
#include "tickets/limits.h"
#include "tickets/rehearse_store.h"

/* --- The scratch database --- */

struct tally {
    uint8_t *bookings; /* by seat_no: open or confirmed ones that name it, 2 for more */
    int64_t places, doubles;
};

static void on_booking(void *ctx, struct str seats, int64_t places)
{
    struct tally *tally = ctx;
    struct arena arena;
    struct json_node *list = NULL;
    struct str message;
    tally->places += places;
    arena_init(&arena, (size_t)1 << 20);
    if (json_parse(&arena, seats, &list, &message) == ERR_OK) {
        for (size_t i = 0; i < json_count(list); i++) {
            int64_t seat_no = -1;
            if (!json_as_i64(json_at(json_at(list, i), 0), &seat_no) || seat_no < 0 ||
                seat_no >= PLAN_SEATS_MAX)
                continue;
            if (tally->bookings[seat_no] == 1)
                tally->doubles++;
            if (tally->bookings[seat_no] < 2)
                tally->bookings[seat_no]++;
        }
    }
    arena_release(&arena);
}

enum err rehearse_count(const struct rehearse_stage *stage, const char *event_id,
                        int64_t *ret_places, int64_t *ret_double)
{
    char file[REHEARSE_PATH_MAX + 16];
    uint64_t id;
    struct db *db = NULL;
    struct tally tally = {.bookings = calloc(PLAN_SEATS_MAX, 1)};
    (void)snprintf(file, sizeof(file), "%s/tickets.db", stage->dir); /* fits */
    enum err err = tally.bookings ? id_parse(str_from_c(event_id), "evt", &id) : ERR_NOMEM;
    if (!err)
        err = db_open(file, DB_READER, &db);
    if (!err)
        err = rehearse_store_bookings(db, id, on_booking, &tally);
    db_close(db);
    free(tally.bookings);
    *ret_places = tally.places;
    *ret_double = tally.doubles;
    return err;
}

/* --- Texts --- */

static bool is_sold_out(const struct rehearse_report *report)
{
    return report->places_taken >= report->event->places;
}

void rehearse_report_print(const struct rehearse_report *report)
{
    const struct rehearse_result *sale = report->sale;
    printf("Rehearsal of \"%s\": %lld places, %lld people, %lld a second after %lld s%s\n\n",
           report->event->name, (long long)report->event->places,
           (long long)report->options->people, (long long)report->options->arrivals,
           (long long)report->options->ramp_s,
           report->event->has_waiting_room ? ", through the waiting room" : "");
    printf("  safe admission rate       %lld a second (tried up to %lld)\n",
           (long long)report->safe_rate, (long long)report->tried_rate);
    printf("  holds, p50 / p95 / p99    %.1f / %.1f / %.1f ms, %zu of them\n",
           rehearse_percentile(sale, 0.50), rehearse_percentile(sale, 0.95),
           rehearse_percentile(sale, 0.99), sale->hold_count);
    printf("  people                    %lld came, %lld got a hold, %lld paid\n",
           (long long)sale->arrived, (long long)sale->granted, (long long)sale->bought);
    if (report->event->has_waiting_room)
        printf("  admitted                  %lld, of places by the draw: %lld\n",
               (long long)sale->admitted, (long long)report->drawn);
    for (size_t i = 0; i < sale->kind_count; i++)
        printf("  refused: %-16s %lld\n", sale->kinds[i].name, (long long)sale->kinds[i].count);
    if (is_sold_out(report))
        printf("  sold out after            %.1f s\n", (double)sale->last_granted_ns / 1e9);
    else
        printf("  sold out                  no: %lld of %lld places taken after %.1f s\n",
               (long long)report->places_taken, (long long)report->event->places,
               (double)sale->took_ns / 1e9);
    printf("  sold twice                %lld\n", (long long)report->double_sold);
}

static void put_f64(struct json_writer *writer, const char *name, double value)
{
    json_key(writer, name);
    json_f64(writer, value);
}

static void write_latency(struct json_writer *writer, const struct rehearse_result *sale)
{
    json_key(writer, "hold_ms");
    json_open_object(writer);
    json_put_i64(writer, "count", (int64_t)sale->hold_count);
    put_f64(writer, "p50", rehearse_percentile(sale, 0.50));
    put_f64(writer, "p95", rehearse_percentile(sale, 0.95));
    put_f64(writer, "p99", rehearse_percentile(sale, 0.99));
    json_close_object(writer);
}

static void write_report(struct json_writer *writer, const struct rehearse_report *report)
{
    const struct rehearse_result *sale = report->sale;
    json_open_object(writer);
    json_put_id(writer, "event_id", "evt", report->options->event_id);
    json_put_i64(writer, "places", report->event->places);
    json_put_bool(writer, "waiting_room", report->event->has_waiting_room);
    json_put_i64(writer, "safe_admissions_per_second", report->safe_rate);
    json_put_i64(writer, "tried_admissions_per_second", report->tried_rate);
    write_latency(writer, sale);
    json_put_i64(writer, "people", report->options->people);
    json_put_i64(writer, "arrived", sale->arrived);
    json_put_i64(writer, "early", report->options->early);
    json_put_i64(writer, "drawn", report->drawn);
    json_put_i64(writer, "admitted", sale->admitted);
    json_put_i64(writer, "granted", sale->granted);
    json_put_i64(writer, "bought", sale->bought);
    json_put_i64(writer, "refused", sale->refused);
    json_put_i64(writer, "unanswered", sale->unanswered);
    json_key(writer, "refusals");
    json_open_object(writer);
    for (size_t i = 0; i < sale->kind_count; i++)
        json_put_i64(writer, sale->kinds[i].name, sale->kinds[i].count);
    json_close_object(writer);
    json_put_i64(writer, "places_taken", report->places_taken);
    json_key(writer, "sold_out_seconds");
    if (is_sold_out(report))
        json_f64(writer, (double)sale->last_granted_ns / 1e9);
    else
        json_null(writer);
    put_f64(writer, "seconds", (double)sale->took_ns / 1e9);
    json_put_i64(writer, "sold_twice", report->double_sold);
    json_close_object(writer);
}

enum err rehearse_report_write(const struct rehearse_report *report)
{
    struct buf text;
    struct json_writer writer;
    buf_init(&text, (size_t)1 << 20);
    json_begin(&writer, &text);
    write_report(&writer, report);
    buf_append_char(&text, '\n');
    FILE *file = text.overflow ? NULL : fopen(report->options->json, "we");
    bool is_ok = file && fwrite(text.data, 1, text.len, file) == text.len;
    if (file && fclose(file) != 0)
        is_ok = false;
    buf_release(&text);
    return is_ok ? ERR_OK : ERR_IO;
}
