/*
 * The published head of an event's journal: who notes version and hash today can prove later, with the journal in hand, that
 * nothing up to that version was changed since (the chain is described in store/journal.h). Anybody may ask, for what
 * matters is that many did.
 */
#include "tickets/event_call.h"

#include "base/clock.h"
#include "store/journal.h"

static enum err head_read(struct call *call, struct db *db)
{
    struct event_model *model;
    enum err err;
    if (!event_call_model(call, db, &model, &err))
        return err;
    int64_t version;
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    err = journal_head_read(db, model->event.id, &version, hash);
    struct buf *body = buf_new_in(call_arena(call), 1024);
    if (err || !body)
        return err ? err : ERR_NOMEM;
    struct buf text = {.data = hex, .cap = sizeof(hex) - 1, .max = sizeof(hex) - 1};
    hex_append(&text, hash, sizeof(hash));
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_id(&writer, "event_id", "evt", model->event.id);
    json_put_i64(&writer, "version", version);
    json_put_str(&writer, "hash", buf_str(&text));
    json_put_time(&writer, "at", clock_now_ms());
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

const struct route journal_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/journal-head",
     .kind = ROUTE_READ,
     .auth = AUTH_OPTIONAL,
     .read = head_read,
     .summary = "Version and hash of the newest row of the event's hash-chained journal",
     .tag = "events",
     .response = "JournalHead",
     .success = 200,
     .problems = "404",
     .is_retry_safe = true},
};
const size_t journal_routes_count = sizeof(journal_routes) / sizeof(journal_routes[0]);
