/*
 * Check-in: a code is shown at the door, and lets in once.
 *
 * The signature is checked first, in prepare: a forged code costs no write and is as unknown as
 * nonsense. Then one conditional UPDATE decides, so of two gates that scan the same ticket at the
 * same time exactly one lets in. The journal row ticket.used stands in the same transaction.
 *
 *   valid ──scan──▶ used        used ──scan──▶ 409        revoked ──scan──▶ 410
 *
 * Who may: the event's organizer, by session or by a key with the scope check-in (which opens
 * nothing but the door), and administrators. Everybody else's events are unknown.
 *
 * Scanners without a network take the bundle (public key, revoked tickets) and check codes
 * themselves; see ticket_code.h, and scans_http.c for what they bring back.
 */
#include "base/clock.h"
#include "tickets/checkin.h"
#include "tickets/event_call.h"
#include "tickets/ticket_store.h"
#include "tickets/ticket_view.h"

struct checkin_body {
    struct str code, gate;
};

static const struct json_field checkin_fields[] = {
    {.name = "code",
     .kind = JSON_STR,
     .offset = offsetof(struct checkin_body, code),
     .is_required = true,
     .min = 1,
     .max = 512,
     .doc = "what the ticket's QR says"},
    {.name = "gate",
     .kind = JSON_STR,
     .offset = offsetof(struct checkin_body, gate),
     .max = CHECK_IN_GATE_MAX,
     .doc = "where it is shown"},
    {0},
};

struct checkin {
    struct ticket_code code;
    struct ticket ticket;
    struct event_model *model;
    struct str gate;
};

static void reply_unknown(struct call *call)
{
    problem_reply(call, PROBLEM_NOT_FOUND, "This is no ticket of yours to check.");
}

enum err checkin_find_signed(struct db *db, struct str text, struct ticket_code *ret_code)
{
    uint8_t key[ED25519_PUBLIC_SIZE];
    if (ticket_code_parse(text, ret_code) != ERR_OK)
        return ERR_NOT_FOUND;
    enum err err = ticket_store_public_key(db, ret_code->key_id, key);
    if (err)
        return err;
    return ticket_code_verify(text, key) ? ERR_OK : ERR_NOT_FOUND;
}

/* ERR_NOT_FOUND: unknown to this caller. */
static enum err checkin_find(struct call *call, struct db *db, struct str text,
                             struct checkin *checkin)
{
    const struct ticket_code *code = &checkin->code;
    enum err err = checkin_find_signed(db, text, &checkin->code);
    if (!err)
        err = event_call_find(call, db, code->event_id, &checkin->model);
    if (!err && !event_call_owns(call, checkin->model->event.account_id))
        err = ERR_NOT_FOUND;
    if (!err)
        err = ticket_store_load(db, code->event_id, code->ticket_id, &checkin->ticket);
    return err;
}

static enum err checkin_prepare(struct call *call, struct db *db)
{
    struct checkin_body body = {0};
    struct checkin *checkin = ARENA_NEW(call_arena(call), struct checkin);
    if (!checkin)
        return ERR_NOMEM;
    if (!call_decode(call, &body))
        return ERR_OK;
    if (!str_is_printable(body.gate)) {
        problem_field(call, "gate", "must not have control characters");
        return ERR_OK;
    }
    checkin->gate = body.gate;
    call->prepared = checkin;
    enum err err = checkin_find(call, db, str_trim(body.code), checkin);
    if (err == ERR_NOT_FOUND)
        reply_unknown(call);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err refuse(struct call *call, struct db *db, const struct ticket *ticket)
{
    struct ticket_use use;
    enum err err = ticket_store_load_use(db, ticket->event_id, ticket->id, call_arena(call), &use);
    if (err)
        return err;
    if (use.is_revoked) {
        problem_reply(call, PROBLEM_REVOKED, "This ticket was given back.");
        return ERR_OK;
    }
    if (!use.used_at)
        return ERR_CORRUPT; /* neither: the update would have taken it */
    struct buf *body;
    struct json_writer writer = problem_begin(call, PROBLEM_ALREADY_USED,
                                              "Somebody has been let in with this ticket.", &body);
    json_put_time(&writer, "first_at", use.used_at);
    if (use.gate.len > 0)
        json_put_str(&writer, "gate", use.gate);
    else
        json_put_null(&writer, "gate");
    problem_end(call, &writer, PROBLEM_ALREADY_USED, body);
    return ERR_OK;
}

static enum err journal_used(struct call *call, struct writer_tx *tx, const struct checkin *checkin)
{
    struct buf *data = buf_new_in(tx->arena, 1024);
    if (!data)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, data);
    json_open_object(&writer);
    json_put_i64(&writer, "ticket", (int64_t)checkin->ticket.id);
    json_put_i64(&writer, "booking", (int64_t)checkin->ticket.booking_id);
    json_put_i64(&writer, "by", (int64_t)call->caller->account_id);
    json_put_str(&writer, "gate", checkin->gate);
    json_close_object(&writer);
    if (data->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, checkin->ticket.event_id, "ticket.used", buf_str(data),
                          NULL);
}

static enum err reply_let_in(struct call *call, const struct checkin *checkin, int64_t now_ms)
{
    struct ticket ticket = checkin->ticket;
    struct ticket_place place;
    struct buf *body = buf_new_in(call_arena(call), 8192);
    if (!body)
        return ERR_NOMEM;
    ticket.used_at = now_ms;
    ticket_place_of(checkin->model, &ticket, &place);
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "ticket");
    ticket_write(&writer, event_call_tickets(call), checkin->model, &ticket);
    json_key(&writer, "seat");
    ticket_write_seat(&writer, &place);
    json_put_time(&writer, "at", now_ms);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err checkin_apply(struct call *call, struct writer_tx *tx)
{
    const struct checkin *checkin = call->prepared;
    enum err err = ticket_store_use(tx->db, &checkin->ticket, tx->now_ms, checkin->gate);
    if (err == ERR_CONFLICT)
        return refuse(call, tx->db, &checkin->ticket);
    if (!err)
        err = journal_used(call, tx, checkin);
    return err ? err : reply_let_in(call, checkin, tx->now_ms);
}

/* --- The bundle of an offline scanner --- */

bool checkin_call_model(struct call *call, struct db *db, struct event_model **ret_model,
                        enum err *ret_err)
{
    uint64_t event_id;
    *ret_err = ERR_OK;
    if (!call_param_id(call, "id", "evt", &event_id))
        return false;
    enum err err = event_call_find(call, db, event_id, ret_model);
    bool is_unknown =
        err == ERR_NOT_FOUND || (!err && !event_call_owns(call, (*ret_model)->event.account_id));
    if (is_unknown)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such event.");
    else
        *ret_err = err;
    return !err && !is_unknown;
}

static void write_bundle(struct call *call, struct json_writer *writer, uint64_t event_id)
{
    const struct tickets *tickets = event_call_tickets(call);
    struct buf *key = buf_new_in(call_arena(call), 64);
    if (key)
        base64url_append(key, tickets->ticket_public_key, sizeof(tickets->ticket_public_key));
    json_put_id(writer, "event_id", "evt", event_id);
    json_put_str(writer, "public_key", key ? buf_str(key) : STR_NONE);
    json_put_i64(writer, "key_id", (int64_t)tickets->ticket_key_id);
    json_put_str(writer, "code_format", STR(TICKET_CODE_FORMAT));
    json_put_time(writer, "generated_at", clock_now_ms());
}

/* Reads in pieces: one of them never lasts long. ERR_LIMIT: more than fit in a bundle. */
static enum err write_revoked(struct json_writer *writer, struct db *db, uint64_t event_id)
{
    uint64_t ids[512], after_id = 0;
    const size_t limit = sizeof(ids) / sizeof(ids[0]);
    size_t total = 0, count = limit;
    json_key(writer, "revoked");
    json_open_array(writer);
    while (count == limit) {
        enum err err = ticket_store_revoked(db, event_id, after_id, (int64_t)limit, ids, &count);
        if (err)
            return err;
        for (size_t i = 0; i < count; i++) {
            char text[ID_TEXT_SIZE];
            json_str(writer, id_format2(text, "tkt", event_id, ids[i]));
            after_id = ids[i];
        }
        total += count;
        if (total > CHECK_IN_REVOKED_MAX)
            return ERR_LIMIT;
    }
    json_close_array(writer);
    return ERR_OK;
}

static enum err bundle_read(struct call *call, struct db *db)
{
    struct event_model *model;
    enum err err;
    if (!checkin_call_model(call, db, &model, &err))
        return err;
    uint64_t event_id = model->event.id;
    struct buf *body = buf_new_in(call_arena(call), 16u << 20);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    write_bundle(call, &writer, event_id);
    err = write_revoked(&writer, db, event_id);
    int64_t valid_count = 0;
    if (!err)
        err = ticket_store_count_valid(db, event_id, &valid_count);
    if (err == ERR_LIMIT) {
        problem_reply(call, PROBLEM_LIMIT_EXCEEDED,
                      "Too many tickets were given back for one bundle: check in online.");
        return ERR_OK;
    }
    if (err)
        return err;
    json_put_i64(&writer, "valid_count", valid_count);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

const struct route checkin_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/check-ins",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = CHECKIN_SCOPES,
     .prepare = checkin_prepare,
     .apply = checkin_apply,
     .summary = "Let somebody in by the code of a ticket, once",
     .tag = "check-in",
     .request = checkin_fields,
     .response = "CheckIn",
     .success = 200,
     .problems = "404 409 410"},
    {.method = HTTP_GET,
     .pattern = "/v1/events/{id}/check-in-bundle",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .scopes = CHECKIN_SCOPES,
     .read = bundle_read,
     .summary = "What a scanner needs to check tickets without a network",
     .tag = "check-in",
     .response = "CheckInBundle",
     .success = 200,
     .problems = "404 422",
     .is_retry_safe = true},
};
const size_t checkin_routes_count = sizeof(checkin_routes) / sizeof(checkin_routes[0]);
