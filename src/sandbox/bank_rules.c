/*
 * The bank's rules: what ends a session, what moves money, and which callbacks tell of it. All in
 * jobs of the writer, so money and the callbacks that announce it are one commit: a callback never
 * tells of money that isn't there, and money is never forgotten to be told (unless a script asks
 * for just that, with count 0).
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/rand.h"
#include "sandbox/bank_store.h"

#define SHUFFLE_MS    300
#define BODY_TEXT_MAX 4096

int64_t bank_now_ms(const struct bank *bank)
{
    return clock_now_ms() + atomic_load(&bank->clock_offset_ms);
}

const char *session_status_name(enum session_status status)
{
    static const char *const names[] = {[SESSION_OPEN] = "open",
                                        [SESSION_SUCCEEDED] = "succeeded",
                                        [SESSION_FAILED] = "failed",
                                        [SESSION_CLOSED] = "closed"};
    return names[status];
}

/* A session whose time is over is closed, whether or not a row says so yet. */
static enum session_status status_now(const struct bank *bank, const struct session *session)
{
    bool is_over = session->status == SESSION_OPEN && session->expires_at <= bank_now_ms(bank);
    return is_over ? SESSION_CLOSED : session->status;
}

void session_write(struct json_writer *writer, const struct bank *bank,
                   const struct session *session)
{
    bool has_money = session->captured > 0;
    json_open_object(writer);
    json_put_str(writer, "id", session->id);
    char url[BANK_TEXT_MAX + 128];
    (void)snprintf(url, sizeof(url), "%s/pay/%.*s", bank->base_url,
                   STR_ARG(session->id)); /* has room for the longest */
    json_put_str(writer, "url", str_from_c(url));
    json_put_str(writer, "status", str_from_c(session_status_name(status_now(bank, session))));
    json_put_str(writer, "reference", session->reference);
    json_put_i64(writer, "amount", has_money ? session->captured : session->amount);
    json_put_str(writer, "currency",
                 str_from_c(has_money ? session->captured_currency : session->currency));
    json_put_str(writer, "description", session->description);
    if (session->payment_ref.len > 0)
        json_put_str(writer, "payment_ref", session->payment_ref);
    else
        json_put_null(writer, "payment_ref");
    if (session->card_fingerprint.len > 0)
        json_put_str(writer, "card_fingerprint", session->card_fingerprint);
    json_put_i64(writer, "captured", session->captured);
    json_put_i64(writer, "refunded", session->refunded);
    json_put_time(writer, "created_at", session->created_at);
    json_close_object(writer);
}

/* The only place where a session's status moves. */
static enum err session_set_status(struct session *session, enum session_status to, bool is_late)
{
    bool is_legal = session->status == SESSION_OPEN && to != SESSION_OPEN;
    if (to == SESSION_SUCCEEDED && is_late)
        is_legal = session->status != SESSION_SUCCEEDED;
    if (!is_legal)
        return ERR_CONFLICT;
    session->status = to;
    return ERR_OK;
}

/* --- Callbacks --- */

struct event_text {
    const char *type;
    const struct session *session;
    int64_t amount;
    const char *currency;
    const struct bank_refund *refund; /* or NULL */
};

/* A new event's id and body; both of the group's arena. */
static enum err event_body(struct bank *bank, struct writer_tx *tx, const struct event_text *event,
                           struct str *ret_body)
{
    struct buf *body = buf_new_in(tx->arena, BODY_TEXT_MAX);
    if (!body)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_id(&writer, "id", "sbe", id_next(tx->ids));
    json_put_str(&writer, "type", str_from_c(event->type));
    json_put_time(&writer, "created_at", bank_now_ms(bank));
    json_key(&writer, "data");
    json_open_object(&writer);
    json_put_str(&writer, "session", event->session->id);
    json_put_str(&writer, "reference", event->session->reference);
    if (event->session->payment_ref.len > 0)
        json_put_str(&writer, "payment_ref", event->session->payment_ref);
    if (event->session->card_fingerprint.len > 0)
        json_put_str(&writer, "card_fingerprint", event->session->card_fingerprint);
    json_put_i64(&writer, "amount", event->amount);
    json_put_str(&writer, "currency", str_from_c(event->currency));
    if (event->refund) {
        json_put_str(&writer, "refund", event->refund->id);
        json_put_str(&writer, "refund_reference", event->refund->reference);
    }
    json_close_object(&writer);
    json_close_object(&writer);
    *ret_body = buf_str(body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

struct wake_effect {
    struct bank *bank;
};

static void wake_run(void *data)
{
    struct wake_effect *effect = data;
    courier_wake(effect->bank->courier);
}

static enum err queue_callback(struct bank *bank, struct writer_tx *tx,
                               const struct session *session, struct str body, enum forgery forgery,
                               int64_t delay_ms)
{
    struct callback callback = {
        .session_id = session->id,
        .body = body,
        .forgery = forgery,
        .due_at = tx->now_ms + delay_ms,
        .created_at = tx->now_ms,
    };
    struct wake_effect *effect = writer_effect(tx, wake_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    effect->bank = bank;
    return bank_callback_insert(tx->db, &callback);
}

static int64_t some_ms(const struct completion *completion)
{
    return completion->delay_ms + (completion->shuffle ? (int64_t)rand_below(SHUFFLE_MS) : 0);
}

/* What belongs before the end of the session, and comes after it or in between all the same. */
static enum err queue_stragglers(struct bank *bank, struct writer_tx *tx,
                                 const struct session *session, const struct completion *completion)
{
    static const char *const types[] = {"session.open", "payment.failed"};
    for (size_t i = 0; i < 2; i++) {
        if (i == 1 && !completion->is_success)
            break;
        struct event_text event = {types[i], session, session->amount, session->currency, NULL};
        struct str body;
        enum err err = event_body(bank, tx, &event, &body);
        /* A failure that overtakes the success would end the booking for a moment; scripts that
         * want that complete twice. */
        int64_t delay_ms = some_ms(completion) + (i == 1 ? 2 * SHUFFLE_MS : 0);
        if (!err)
            err = queue_callback(bank, tx, session, body, FORGERY_NONE, delay_ms);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err queue_forgeries(struct bank *bank, struct writer_tx *tx,
                                const struct session *session, const struct completion *completion)
{
    struct session forged = *session;
    forged.payment_ref = STR("sbp_forged");
    struct event_text event = {"payment.succeeded", &forged, session->amount, session->currency,
                               NULL};
    for (enum forgery forgery = FORGERY_SIGNATURE; forgery <= FORGERY_TIME; forgery++) {
        struct str body;
        enum err err = event_body(bank, tx, &event, &body);
        if (!err)
            err = queue_callback(bank, tx, session, body, forgery, some_ms(completion));
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err queue_all(struct bank *bank, struct writer_tx *tx, const struct session *session,
                          const struct completion *completion)
{
    bool is_success = completion->is_success;
    struct event_text event = {is_success ? "payment.succeeded" : "payment.failed", session,
                               is_success ? session->captured : session->amount,
                               is_success ? session->captured_currency : session->currency, NULL};
    struct str body;
    enum err err = event_body(bank, tx, &event, &body);
    for (int64_t i = 0; !err && i < completion->count; i++)
        err = queue_callback(bank, tx, session, body, FORGERY_NONE, some_ms(completion));
    if (!err && completion->shuffle && completion->count > 0)
        err = queue_stragglers(bank, tx, session, completion);
    if (!err && completion->forge)
        err = queue_forgeries(bank, tx, session, completion);
    return err;
}

/* --- Transitions --- */

static enum err new_ref(struct writer_tx *tx, const char *prefix, struct str *ret_ref)
{
    char text[ID_TEXT_SIZE];
    *ret_ref = arena_str_dup(tx->arena, id_format(text, prefix, id_next(tx->ids)));
    return ret_ref->data ? ERR_OK : ERR_NOMEM;
}

#define FINGERPRINT_BYTES 12

/* Of the card that was named; else of one that nobody but this session's buyer has. */
static enum err set_fingerprint(struct writer_tx *tx, struct session *session, struct str card)
{
    uint8_t hash[SHA256_SIZE];
    if (card.len > 0)
        crypto_sha256_2(STR("card "), card, hash);
    else
        crypto_sha256_2(STR("session "), session->id, hash);
    struct buf *text = buf_new_in(tx->arena, 2 * FINGERPRINT_BYTES + 1);
    if (!text)
        return ERR_NOMEM;
    hex_append(text, hash, FINGERPRINT_BYTES);
    session->card_fingerprint = buf_str(text);
    return text->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err capture(struct writer_tx *tx, struct session *session,
                        const struct completion *completion, int64_t now_ms)
{
    enum err err = new_ref(tx, "sbp", &session->payment_ref);
    if (!err)
        err = set_fingerprint(tx, session, completion->card);
    if (err)
        return err;
    session->captured = completion->amount > 0 ? completion->amount : session->amount;
    memcpy(session->captured_currency,
           completion->currency[0] ? completion->currency : session->currency,
           sizeof(session->captured_currency));
    return bank_entry_insert(tx->db, "capture", session->id, session->captured,
                             session->captured_currency, now_ms);
}

enum err session_complete(struct bank *bank, struct writer_tx *tx, struct session *session,
                          const struct completion *completion)
{
    enum session_status to = completion->is_success ? SESSION_SUCCEEDED : SESSION_FAILED;
    if (session->status == to)
        return ERR_OK;
    if (status_now(bank, session) == SESSION_CLOSED && !completion->is_late)
        return ERR_CONFLICT;
    enum err err = session_set_status(session, to, completion->is_late);
    if (!err && completion->is_success)
        err = capture(tx, session, completion, bank_now_ms(bank));
    if (!err)
        err = bank_session_save(tx->db, session, bank_now_ms(bank));
    return err ? err : queue_all(bank, tx, session, completion);
}

enum err session_close(struct bank *bank, struct writer_tx *tx, struct session *session)
{
    if (session->status != SESSION_OPEN)
        return ERR_OK;
    enum err err = session_set_status(session, SESSION_CLOSED, false);
    return err ? err : bank_session_save(tx->db, session, bank_now_ms(bank));
}

enum err session_refund(struct bank *bank, struct writer_tx *tx, struct session *session,
                        struct bank_refund *refund)
{
    if (refund->amount > session->captured - session->refunded ||
        strcmp(refund->currency, session->captured_currency) != 0)
        return ERR_CONFLICT;
    session->refunded += refund->amount;
    refund->session_id = session->id;
    int64_t now_ms = bank_now_ms(bank);
    enum err err = new_ref(tx, "sbr", &refund->id);
    if (!err)
        err = bank_session_save(tx->db, session, now_ms);
    if (!err)
        err = bank_refund_insert(tx->db, refund, now_ms);
    if (!err)
        err = bank_entry_insert(tx->db, "refund", session->id, refund->amount, refund->currency,
                                now_ms);
    struct event_text event = {"refund.succeeded", session, refund->amount, refund->currency,
                               refund};
    struct str body;
    if (!err)
        err = event_body(bank, tx, &event, &body);
    return err ? err : queue_callback(bank, tx, session, body, FORGERY_NONE, 0);
}
