/*
 * The merchant's side of the bank, and the scripts': sessions, refunds, ledger, control. JSON,
 * authenticated by the shared secret. POSTs that make something carry an Idempotency-Key: the same
 * key gives the same object again, with other contents 409.
 */
#include <stddef.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/rand.h"
#include "sandbox/bank_store.h"

#define SESSION_MS      (24 * 3600 * 1000LL) /* unless the merchant says less */
#define LEDGER_ROWS_MAX 1000
#define ANSWER_MAX      (512u << 10)
#define KEY_MAX         128

static struct buf *answer_begin(struct bank_call *call, struct json_writer *writer)
{
    struct buf *body = buf_new_in(bank_arena(call), ANSWER_MAX);
    if (body)
        json_begin(writer, body);
    return body;
}

static enum err reply_session(struct bank_call *call, int status, const struct session *session)
{
    struct json_writer writer;
    struct buf *body = answer_begin(call, &writer);
    if (!body)
        return ERR_NOMEM;
    session_write(&writer, call->bank, session);
    bank_reply_json(call, status, body);
    return ERR_OK;
}

/* Answers 404 when there is no such session; other errors are the caller's. */
static enum err load_session(struct bank_call *call, struct db *db, struct session *ret_session)
{
    struct str id = request_param(call->req, "id");
    enum err err = bank_session_load(db, SESSION_BY_ID, id, bank_arena(call), ret_session);
    if (err == ERR_NOT_FOUND)
        bank_refuse(call, 404, "No such session.");
    return err;
}

/* Answers 400 and returns false without a usable key. */
static bool idempotency_key(struct bank_call *call, struct str *ret_key)
{
    *ret_key = request_header(call->req, "idempotency-key");
    if (ret_key->len > 0 && ret_key->len <= KEY_MAX && str_is_printable(*ret_key) &&
        str_is_utf8(*ret_key))
        return true;
    bank_refuse(call, 400, "An Idempotency-Key is needed.");
    return false;
}

/* An URL that may stand in a header, and in a policy. */
static bool is_plain_url(struct str url)
{
    if (!str_starts_with(url, STR("http://")) && !str_starts_with(url, STR("https://")))
        return false;
    for (size_t i = 0; i < url.len; i++) {
        unsigned char c = (unsigned char)url.data[i];
        if (c <= ' ' || c >= 127 || strchr("\"'<>\\;,", c))
            return false;
    }
    return true;
}

static bool read_currency(struct str text, char ret_currency[static 4])
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 'A' || text.data[i] > 'Z')
            return false;
    return text.len == 3 && str_to_c(text, ret_currency, 4) == ERR_OK;
}

/* --- Sessions --- */

struct session_body {
    struct str reference, currency, description, callback_url, return_url;
    int64_t amount, expires_at;
};

#define FIELD(type, member, ...)                                                                   \
    {                                                                                              \
        .name = #member, .offset = offsetof(struct type, member), __VA_ARGS__                      \
    }

static const struct json_field session_fields[] = {
    FIELD(session_body, reference, .kind = JSON_STR, .is_required = true, .min = 1, .max = 128),
    FIELD(session_body, amount, .kind = JSON_I64, .is_required = true, .min = 1,
          .max = 1000000000000),
    FIELD(session_body, currency, .kind = JSON_STR, .is_required = true, .min = 3, .max = 3),
    FIELD(session_body, description, .kind = JSON_STR, .max = 1000),
    FIELD(session_body, callback_url, .kind = JSON_STR, .is_required = true, .min = 8, .max = 1000),
    FIELD(session_body, return_url, .kind = JSON_STR, .is_required = true, .min = 8, .max = 1000),
    FIELD(session_body, expires_at, .kind = JSON_I64),
    {.name = NULL},
};

static void sessions_prepare(struct bank_call *call)
{
    struct session_body body = {0};
    struct session *session = ARENA_NEW(bank_arena(call), struct session);
    struct str key;
    if (!session || !idempotency_key(call, &key) || !bank_decode(call, session_fields, &body))
        return;
    *session = (struct session){
        .idempotency_key = key,
        .reference = body.reference,
        .amount = body.amount,
        .description = body.description,
        .callback_url = body.callback_url,
        .return_url = body.return_url,
        .status = SESSION_OPEN,
        .created_at = bank_now_ms(call->bank),
        .expires_at = body.expires_at,
    };
    if (session->expires_at == 0)
        session->expires_at = session->created_at + SESSION_MS;
    if (!read_currency(body.currency, session->currency))
        bank_refuse(call, 422, "currency: must be three capital letters");
    else if (!is_plain_url(session->callback_url) || !is_plain_url(session->return_url))
        bank_refuse(call, 422, "callback_url, return_url: must be URLs");
    call->prepared = session;
}

static struct str new_session_id(struct bank_call *call, struct writer_tx *tx)
{
    char text[ID_TEXT_SIZE];
    struct str ordered = id_format(text, "sbs", id_next(tx->ids));
    return arena_printf(bank_arena(call), "%.*s%016llx", STR_ARG(ordered),
                        (unsigned long long)rand_u64());
}

static enum err sessions_apply(struct bank_call *call, struct writer_tx *tx)
{
    struct session *wanted = call->prepared;
    if (!wanted)
        return ERR_NOMEM;
    struct session session;
    enum err err = bank_session_load(tx->db, SESSION_BY_IDEMPOTENCY_KEY, wanted->idempotency_key,
                                     bank_arena(call), &session);
    if (!err) {
        bool is_same = str_eq(session.reference, wanted->reference) &&
                       session.amount == wanted->amount &&
                       strcmp(session.currency, wanted->currency) == 0;
        if (is_same)
            return reply_session(call, 200, &session);
        bank_refuse(call, 409, "This Idempotency-Key made another session.");
        return ERR_OK;
    }
    if (err != ERR_NOT_FOUND)
        return err;
    wanted->id = new_session_id(call, tx);
    if (!wanted->id.data)
        return ERR_NOMEM;
    err = bank_session_insert(tx->db, wanted);
    return err ? err : reply_session(call, 201, wanted);
}

static enum err session_get(struct bank_call *call, struct db *db)
{
    struct session session;
    enum err err = load_session(call, db, &session);
    return err ? err : reply_session(call, 200, &session);
}

static enum err session_close_apply(struct bank_call *call, struct writer_tx *tx)
{
    struct session session;
    enum err err = load_session(call, tx->db, &session);
    if (!err)
        err = session_close(call->bank, tx, &session);
    return err ? err : reply_session(call, 200, &session);
}

/* --- Refunds --- */

struct refund_body {
    struct str payment_ref, currency, reference;
    int64_t amount;
};

static const struct json_field refund_fields[] = {
    FIELD(refund_body, payment_ref, .kind = JSON_STR, .is_required = true, .min = 1, .max = 64),
    FIELD(refund_body, amount, .kind = JSON_I64, .is_required = true, .min = 1,
          .max = 1000000000000),
    FIELD(refund_body, currency, .kind = JSON_STR, .is_required = true, .min = 3, .max = 3),
    FIELD(refund_body, reference, .kind = JSON_STR, .max = 128),
    {.name = NULL},
};

struct refund_call {
    struct bank_refund refund;
    struct str payment_ref;
};

static void refunds_prepare(struct bank_call *call)
{
    struct refund_body body = {0};
    struct refund_call *prepared = ARENA_NEW(bank_arena(call), struct refund_call);
    struct str key;
    if (!prepared || !idempotency_key(call, &key) || !bank_decode(call, refund_fields, &body))
        return;
    prepared->payment_ref = body.payment_ref;
    prepared->refund = (struct bank_refund){
        .idempotency_key = key, .reference = body.reference, .amount = body.amount};
    if (!read_currency(body.currency, prepared->refund.currency))
        bank_refuse(call, 422, "currency: must be three capital letters");
    call->prepared = prepared;
}

static enum err reply_refund(struct bank_call *call, int status, const struct bank_refund *refund)
{
    struct json_writer writer;
    struct buf *body = answer_begin(call, &writer);
    if (!body)
        return ERR_NOMEM;
    json_open_object(&writer);
    json_put_str(&writer, "id", refund->id);
    json_put_str(&writer, "status", STR("succeeded"));
    json_put_str(&writer, "session", refund->session_id);
    json_put_str(&writer, "reference", refund->reference);
    json_put_i64(&writer, "amount", refund->amount);
    json_put_str(&writer, "currency", str_from_c(refund->currency));
    json_close_object(&writer);
    bank_reply_json(call, status, body);
    return ERR_OK;
}

static enum err refunds_apply(struct bank_call *call, struct writer_tx *tx)
{
    const struct refund_call *prepared = call->prepared;
    if (!prepared)
        return ERR_NOMEM;
    struct bank_refund refund = prepared->refund, known;
    struct session session;
    enum err err = bank_refund_load(tx->db, true, refund.idempotency_key, bank_arena(call), &known);
    if (!err) {
        if (known.amount == refund.amount && strcmp(known.currency, refund.currency) == 0)
            return reply_refund(call, 200, &known);
        bank_refuse(call, 409, "This Idempotency-Key made another refund.");
        return ERR_OK;
    }
    if (err == ERR_NOT_FOUND)
        err = bank_session_load(tx->db, SESSION_BY_PAYMENT_REF, prepared->payment_ref,
                                bank_arena(call), &session);
    if (err == ERR_NOT_FOUND) {
        bank_refuse(call, 404, "No such payment.");
        return ERR_OK;
    }
    if (!err)
        err = session_refund(call->bank, tx, &session, &refund);
    if (err == ERR_CONFLICT) {
        bank_refuse(call, 409, "There is not so much left of that payment.");
        return ERR_OK;
    }
    return err ? err : reply_refund(call, 201, &refund);
}

static enum err refund_get(struct bank_call *call, struct db *db)
{
    struct bank_refund refund;
    enum err err =
        bank_refund_load(db, false, request_param(call->req, "id"), bank_arena(call), &refund);
    if (err == ERR_NOT_FOUND)
        bank_refuse(call, 404, "No such refund.");
    return err ? err : reply_refund(call, 200, &refund);
}

/* --- Ledger --- */

static bool ledger_query(struct bank_call *call, struct session_query *query)
{
    struct str text;
    int64_t limit = 100;
    if (request_query(call->req, "limit", &text) == ERR_OK &&
        (str_to_i64(text, &limit) != ERR_OK || limit < 1 || limit > LEDGER_ROWS_MAX)) {
        bank_refuse(call, 422, "limit: must be 1 to 1000");
        return false;
    }
    *query =
        (struct session_query){.reference = STR_NONE, .after_id = STR(""), .limit = (size_t)limit};
    if (request_query(call->req, "cursor", &text) == ERR_OK)
        query->after_id = text;
    if (request_query(call->req, "reference", &text) == ERR_OK)
        query->reference = text;
    return true;
}

/* Sums per session: what came in and went back for each reference. */
static enum err ledger_get(struct bank_call *call, struct db *db)
{
    struct session_query query;
    if (!ledger_query(call, &query))
        return ERR_OK;
    size_t limit = query.limit++, count;
    struct session *sessions = ARENA_ARRAY(bank_arena(call), struct session, query.limit);
    struct json_writer writer;
    struct buf *body = answer_begin(call, &writer);
    if (!sessions || !body)
        return ERR_NOMEM;
    enum err err = bank_session_list(db, &query, bank_arena(call), sessions, &count);
    if (err)
        return err;
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count && i < limit; i++)
        session_write(&writer, call->bank, &sessions[i]);
    json_close_array(&writer);
    if (count > limit)
        json_put_str(&writer, "next_cursor", sessions[limit - 1].id);
    else
        json_put_null(&writer, "next_cursor");
    json_close_object(&writer);
    bank_reply_json(call, 200, body);
    return ERR_OK;
}

static void write_currency(struct json_writer *writer, const char *currency,
                           const struct entry_sum *sums, size_t count)
{
    json_key(writer, currency);
    json_open_object(writer);
    for (int is_refund = 0; is_refund < 2; is_refund++) {
        const char *kind = is_refund ? "refund" : "capture";
        int64_t amount = 0, entries = 0;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(sums[i].currency, currency) == 0 && strcmp(sums[i].kind, kind) == 0) {
                amount = sums[i].amount;
                entries = sums[i].count;
            }
        }
        json_put_i64(writer, is_refund ? "refunded" : "captured", amount);
        json_put_i64(writer, is_refund ? "refunds" : "captures", entries);
    }
    json_close_object(writer);
}

static int64_t sum_of(const struct entry_sum *sums, size_t count, const char *kind)
{
    int64_t amount = 0;
    for (size_t i = 0; i < count; i++)
        amount += strcmp(sums[i].kind, kind) == 0 ? sums[i].amount : 0;
    return amount;
}

/* From the movements, not from the sessions' sums: each can prove the other. */
static enum err summary_get(struct bank_call *call, struct db *db)
{
    struct entry_sum *sums = ARENA_ARRAY(bank_arena(call), struct entry_sum, ENTRY_SUMS_MAX);
    struct json_writer writer;
    struct buf *body = answer_begin(call, &writer);
    size_t count;
    int64_t waiting;
    if (!sums || !body)
        return ERR_NOMEM;
    enum err err = bank_entry_sums(db, sums, &count);
    if (!err)
        err = bank_callback_waiting(db, &waiting);
    if (err)
        return err;
    json_open_object(&writer);
    json_put_i64(&writer, "captured", sum_of(sums, count, "capture"));
    json_put_i64(&writer, "refunded", sum_of(sums, count, "refund"));
    json_key(&writer, "by_currency");
    json_open_object(&writer);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(sums[i].currency, sums[i - 1].currency) != 0)
            write_currency(&writer, sums[i].currency, sums, count);
    json_close_object(&writer);
    json_put_i64(&writer, "callbacks_waiting", waiting);
    json_close_object(&writer);
    bank_reply_json(call, 200, body);
    return ERR_OK;
}

/* --- Control --- */

static const char *const behaviour_names[] = {"ok", "refuse", "hang", NULL};
static const char *const part_names[PART_COUNT] = {"sessions", "status", "refunds", "callbacks"};

struct control_body {
    struct str sessions, status, refunds, callbacks;
};

static const struct json_field control_fields[] = {
    FIELD(control_body, sessions, .kind = JSON_STR, .one_of = behaviour_names),
    FIELD(control_body, status, .kind = JSON_STR, .one_of = behaviour_names),
    FIELD(control_body, refunds, .kind = JSON_STR, .one_of = behaviour_names),
    FIELD(control_body, callbacks, .kind = JSON_STR, .one_of = behaviour_names),
    {.name = NULL},
};

static enum err control_get(struct bank_call *call, struct db *db)
{
    (void)db;
    struct json_writer writer;
    struct buf *body = answer_begin(call, &writer);
    if (!body)
        return ERR_NOMEM;
    json_open_object(&writer);
    for (size_t i = 0; i < PART_COUNT; i++)
        json_put_str(&writer, part_names[i],
                     str_from_c(behaviour_names[atomic_load(&call->bank->behaviour[i])]));
    json_close_object(&writer);
    bank_reply_json(call, 200, body);
    return ERR_OK;
}

/* Not durable on purpose: a bank that was started anew behaves. */
static void control_prepare(struct bank_call *call)
{
    struct control_body body = {0};
    if (!bank_decode(call, control_fields, &body))
        return;
    const struct str wanted[PART_COUNT] = {body.sessions, body.status, body.refunds,
                                           body.callbacks};
    for (size_t i = 0; i < PART_COUNT; i++)
        for (int j = 0; j < BEHAVE_COUNT; j++)
            if (str_eq(wanted[i], str_from_c(behaviour_names[j])))
                atomic_store(&call->bank->behaviour[i], j);
    bank_release_hung(call->bank);
    courier_wake(call->bank->courier);
}

/* --- Endpoint --- */

struct endpoint_body {
    struct str callback_url;
};

static const struct json_field endpoint_fields[] = {
    FIELD(endpoint_body, callback_url, .kind = JSON_STR, .is_required = true, .min = 8,
          .max = 1000),
    {.name = NULL},
};

static void endpoint_prepare(struct bank_call *call)
{
    struct endpoint_body *body = ARENA_NEW(bank_arena(call), struct endpoint_body);
    if (!body || !bank_decode(call, endpoint_fields, body))
        return;
    if (!is_plain_url(body->callback_url))
        bank_refuse(call, 422, "callback_url: must be an URL");
    call->prepared = body;
}

/* Where the merchant is now: tried when the address that a session came with does not answer. */
static enum err endpoint_apply(struct bank_call *call, struct writer_tx *tx)
{
    const struct endpoint_body *body = call->prepared;
    if (!body)
        return ERR_NOMEM;
    char offset[24];
    int len = snprintf(offset, sizeof(offset), "%lld",
                       (long long)atomic_load(&call->bank->clock_offset_ms));
    enum err err = bank_setting_put(tx->db, "endpoint", body->callback_url);
    if (!err)
        err = bank_setting_put(tx->db, "clock_offset_ms", str_from(offset, (size_t)len));
    if (err)
        return err;
    call->req->res.status = 204;
    return ERR_OK;
}

static enum err health_get(struct bank_call *call, struct db *db)
{
    (void)db;
    call->req->res.status = 204;
    return ERR_OK;
}

/* clang-format off */
const struct bank_route bank_api_routes[] = {
    {HTTP_POST, "/sessions", .part = PART_SESSIONS, .has_part = true, .prepare = sessions_prepare, .apply = sessions_apply},
    {HTTP_GET, "/sessions/{id}", .part = PART_STATUS, .has_part = true, .read = session_get},
    {HTTP_POST, "/sessions/{id}/close", .part = PART_STATUS, .has_part = true, .apply = session_close_apply},
    {HTTP_POST, "/refunds", .part = PART_REFUNDS, .has_part = true, .prepare = refunds_prepare, .apply = refunds_apply},
    {HTTP_GET, "/refunds/{id}", .part = PART_REFUNDS, .has_part = true, .read = refund_get},
    {HTTP_PUT, "/endpoint", .prepare = endpoint_prepare, .apply = endpoint_apply},
    {HTTP_GET, "/ledger", .read = ledger_get},
    {HTTP_GET, "/ledger/summary", .read = summary_get},
    {HTTP_GET, "/control", .read = control_get},
    {HTTP_POST, "/control", .prepare = control_prepare, .read = control_get},
    {HTTP_GET, "/health", .is_open = true, .read = health_get},
};
/* clang-format on */
const size_t bank_api_route_count = sizeof(bank_api_routes) / sizeof(bank_api_routes[0]);
