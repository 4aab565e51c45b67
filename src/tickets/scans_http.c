/*
 * What scanners without a network bring back: POST /v1/events/{id}/check-ins with the scans that let
 * somebody in. They are facts, whatever the server thinks of them, so none is refused; what is told
 * is which of them let in a ticket that another one let in too.
 *
 * Of all scans of a ticket the earliest is the one that the ticket names, in whatever order they
 * come: an earlier one takes its place, and the one before becomes a row of ticket_scan. A later one
 * is a row of ticket_scan. A scan is known by ticket, time and gate, so one that is brought again
 * changes nothing and gets the same answer.
 *
 * Journal: ticket.used for the first that comes, with "at" where that is not the row's own time, and
 * ticket.scanned for each further one. Revoked tickets stay revoked: their scans are told, not kept.
 */
#include "base/clock.h"
#include "tickets/checkin.h"
#include "tickets/event_call.h"
#include "tickets/ticket_store.h"

#define SCANS_BYTES_MAX ((size_t)4 << 20)

struct scans_body {
    struct json_node *scans;
};

static const struct json_field scans_fields[] = {
    {.name = "scans",
     .kind = JSON_ARRAY,
     .offset = offsetof(struct scans_body, scans),
     .is_required = true,
     .min = 1,
     .max = SCANS_MAX,
     .doc = "[{code, scanned_at, gate?}]"},
    {0},
};

struct scan_input {
    struct str code, gate;
    int64_t scanned_at;
};

static const struct json_field scan_fields[] = {
    {.name = "code",
     .kind = JSON_STR,
     .offset = offsetof(struct scan_input, code),
     .is_required = true,
     .min = 1,
     .max = 512},
    {.name = "scanned_at",
     .kind = JSON_TIME,
     .offset = offsetof(struct scan_input, scanned_at),
     .is_required = true},
    {.name = "gate",
     .kind = JSON_STR,
     .offset = offsetof(struct scan_input, gate),
     .max = CHECK_IN_GATE_MAX},
    {0},
};

enum scan_result {
    SCAN_UNKNOWN,
    SCAN_IN,        /* the one that the ticket names */
    SCAN_DUPLICATE, /* another one was earlier */
    SCAN_REVOKED
};

struct scan {
    bool is_signed; /* for a ticket of this event */
    uint64_t ticket_id;
    struct ticket_scan at;
    enum scan_result result;
    struct ticket_scan first; /* that the ticket names now */
    struct ticket_scan *others;
    size_t other_count;
};

struct scans_call {
    struct event_model *model;
    struct scan *scans;
    size_t count;
};

/* "scans[3].gate", or less when out of memory. */
static const char *scan_path(struct field_errors *errors, size_t i, const char *field)
{
    const char *path = arena_printf(errors->arena, "scans[%zu].%s", i, field).data;
    return path ? path : "scans";
}

static enum err read_scan(struct scans_call *scans, struct db *db, size_t i,
                          const struct json_node *node, struct field_errors *errors)
{
    struct scan_input input = {.gate = STR("")};
    struct scan *scan = &scans->scans[i];
    const struct event *event = &scans->model->event;
    struct str path = arena_printf(errors->arena, "scans[%zu]", i);
    if (!path.data)
        return ERR_NOMEM;
    if (json_decode_node(errors->arena, node, path.data, scan_fields, &input, errors) != ERR_OK)
        return ERR_OK; /* on the list */
    if (!str_is_printable(input.gate))
        field_errors_add(errors, scan_path(errors, i, "gate"), "must not have control characters");
    if (input.scanned_at > clock_now_ms() + SCAN_EARLY_MS)
        field_errors_add(errors, scan_path(errors, i, "scanned_at"), "is in the future");
    if (input.scanned_at < event->created_at)
        field_errors_add(errors, scan_path(errors, i, "scanned_at"),
                         "is before the event was made");
    struct ticket_code code;
    enum err err = checkin_find_signed(db, str_trim(input.code), &code);
    scan->is_signed = !err && code.event_id == event->id;
    scan->ticket_id = scan->is_signed ? code.ticket_id : 0;
    scan->at = (struct ticket_scan){.at_ms = input.scanned_at, .gate = input.gate};
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static enum err scans_prepare(struct call *call, struct db *db)
{
    struct scans_call *scans = ARENA_NEW(call_arena(call), struct scans_call);
    struct scans_body body = {0};
    struct field_errors errors;
    enum err err = ERR_OK;
    if (!scans)
        return ERR_NOMEM;
    if (!checkin_call_model(call, db, &scans->model, &err) || !call_decode(call, &body))
        return err;
    scans->count = json_count(body.scans);
    scans->scans = ARENA_ARRAY(call_arena(call), struct scan, scans->count);
    if (!scans->scans)
        return ERR_NOMEM;
    field_errors_init(&errors, call_arena(call));
    for (size_t i = 0; !err && i < scans->count; i++)
        err = read_scan(scans, db, i, json_at(body.scans, i), &errors);
    if (err)
        return err;
    if (errors.count > 0)
        problem_fields(call, &errors);
    call->prepared = scans;
    return ERR_OK;
}

static bool is_same(const struct ticket_scan *a, const struct ticket_scan *b)
{
    return a->at_ms == b->at_ms && str_eq(a->gate, b->gate);
}

static enum err journal_scan(struct call *call, struct writer_tx *tx, const struct ticket *ticket,
                             const struct ticket_scan *at, const char *type)
{
    struct buf *data = buf_new_in(call_arena(call), 1024);
    if (!data)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, data);
    json_open_object(&writer);
    json_put_i64(&writer, "ticket", (int64_t)ticket->id);
    json_put_i64(&writer, "booking", (int64_t)ticket->booking_id);
    json_put_i64(&writer, "by", (int64_t)call->caller->account_id);
    json_put_str(&writer, "gate", at->gate);
    json_put_i64(&writer, "at", at->at_ms);
    json_close_object(&writer);
    if (data->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, ticket->event_id, type, buf_str(data), NULL);
}

/* Another scan of a used ticket: the earlier of the two is what the ticket names. */
static enum err add_scan(struct call *call, struct writer_tx *tx, const struct ticket *ticket,
                         struct scan *scan)
{
    if (scan->other_count >= TICKET_SCANS_MAX)
        return ERR_OK; /* told, not kept */
    enum err err = ticket_store_use_earlier(tx->db, ticket->event_id, ticket->id, &scan->at);
    struct ticket_scan later = err == ERR_CONFLICT ? scan->at : scan->first;
    if (!err)
        scan->first = scan->at;
    if (!err || err == ERR_CONFLICT)
        err = ticket_store_add_scan(tx->db, ticket->event_id, ticket->id, &later);
    scan->others[scan->other_count++] = later;
    return err ? err : journal_scan(call, tx, ticket, &scan->at, "ticket.scanned");
}

static enum err scan_used(struct call *call, struct writer_tx *tx, const struct ticket *ticket,
                          struct scan *scan)
{
    scan->others = ARENA_ARRAY(call_arena(call), struct ticket_scan, TICKET_SCANS_MAX + 1);
    if (!scan->others)
        return ERR_NOMEM;
    enum err err = ticket_store_scans(tx->db, ticket->event_id, ticket->id, TICKET_SCANS_MAX,
                                      call_arena(call), scan->others, &scan->other_count);
    bool is_known = is_same(&scan->at, &scan->first);
    for (size_t i = 0; i < scan->other_count && !is_known; i++)
        is_known = is_same(&scan->at, &scan->others[i]);
    if (!err && !is_known)
        err = add_scan(call, tx, ticket, scan);
    scan->result = is_same(&scan->at, &scan->first) ? SCAN_IN : SCAN_DUPLICATE;
    return err;
}

static enum err take_scan(struct call *call, struct writer_tx *tx, uint64_t event_id,
                          struct scan *scan)
{
    struct ticket ticket;
    struct ticket_use use;
    enum err err = ticket_store_load(tx->db, event_id, scan->ticket_id, &ticket);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    err = ticket_store_use(tx->db, &ticket, scan->at.at_ms, scan->at.gate);
    if (!err) {
        scan->result = SCAN_IN;
        scan->first = scan->at;
        return journal_scan(call, tx, &ticket, &scan->at, "ticket.used");
    }
    if (err != ERR_CONFLICT)
        return err;
    err = ticket_store_load_use(tx->db, event_id, ticket.id, call_arena(call), &use);
    if (err)
        return err;
    if (use.is_revoked || !use.used_at) {
        scan->result = SCAN_REVOKED;
        return ERR_OK;
    }
    scan->first = (struct ticket_scan){.at_ms = use.used_at, .gate = use.gate};
    return scan_used(call, tx, &ticket, scan);
}

static void write_gate(struct json_writer *writer, const struct ticket_scan *scan)
{
    if (scan->gate.len > 0)
        json_put_str(writer, "gate", scan->gate);
    else
        json_put_null(writer, "gate");
}

static void write_result(struct json_writer *writer, uint64_t event_id, const struct scan *scan)
{
    static const char *const names[] = {[SCAN_UNKNOWN] = "unknown",
                                        [SCAN_IN] = "in",
                                        [SCAN_DUPLICATE] = "duplicate",
                                        [SCAN_REVOKED] = "revoked"};
    json_open_object(writer);
    json_put_str(writer, "result", str_from_c(names[scan->result]));
    if (scan->result == SCAN_UNKNOWN)
        json_put_null(writer, "ticket_id");
    else
        json_put_id2(writer, "ticket_id", "tkt", event_id, scan->ticket_id);
    if (scan->first.at_ms)
        json_put_time(writer, "first_at", scan->first.at_ms);
    else
        json_put_null(writer, "first_at");
    write_gate(writer, &scan->first);
    json_key(writer, "others");
    json_open_array(writer);
    for (size_t i = 0; i < scan->other_count; i++) {
        json_open_object(writer);
        json_put_time(writer, "at", scan->others[i].at_ms);
        write_gate(writer, &scan->others[i]);
        json_close_object(writer);
    }
    json_close_array(writer);
    json_close_object(writer);
}

static enum err scans_apply(struct call *call, struct writer_tx *tx)
{
    struct scans_call *scans = call->prepared;
    uint64_t event_id = scans->model->event.id;
    struct buf *body = buf_new_in(call_arena(call), SCANS_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "results");
    json_open_array(&writer);
    for (size_t i = 0; i < scans->count; i++) {
        struct scan *scan = &scans->scans[i];
        scan->result = SCAN_UNKNOWN;
        scan->other_count = 0;
        enum err err = scan->is_signed ? take_scan(call, tx, event_id, scan) : ERR_OK;
        if (err)
            return err;
        write_result(&writer, event_id, scan);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

const struct route scans_routes[] = {
    {.method = HTTP_POST,
     .pattern = "/v1/events/{id}/check-ins",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .scopes = CHECKIN_SCOPES,
     .prepare = scans_prepare,
     .apply = scans_apply,
     .summary = "Tell of scans that let people in while there was no network",
     .tag = "check-in",
     .request = scans_fields,
     .response = "Scans",
     .success = 200,
     .problems = "404 422",
     .is_retry_safe = true},
};
const size_t scans_routes_count = sizeof(scans_routes) / sizeof(scans_routes[0]);
