/* See operational.h. Names and payloads are those of Svix's operational webhooks. */
#include "hooks/operational.h"

#include "base/ids.h"
#include "hooks/application.h"
#include "hooks/message.h"

#define PAYLOAD_BYTES 4096

struct telling {
    struct hooks *hooks;
    struct writer_tx *tx;
    const char *type;
    struct application about; /* whose endpoint it is */
    uint64_t app_id;          /* where it is told */
    struct buf *payload;
    struct json_writer writer;
};

static void put_uid(struct json_writer *writer, const char *name, struct str uid)
{
    if (uid.data)
        json_put_str(writer, name, uid);
}

static enum err find_application(struct telling *telling)
{
    struct application to;
    struct writer_tx *tx = telling->tx;
    enum err err = application_store_find(tx->db, tx->arena, telling->about.account_id,
                                          STR(OPERATIONAL_UID), &to);
    if (err)
        return err;
    telling->app_id = to.id;
    return to.id == telling->about.id ? ERR_NOT_FOUND : ERR_OK;
}

/* {"type":…,"data":{"appId":…,"endpointId":… ERR_NOT_FOUND: nobody wants to know. */
static enum err begin(struct telling *telling, uint64_t app_id, uint64_t endpoint_id)
{
    struct writer_tx *tx = telling->tx;
    struct json_writer *writer = &telling->writer;
    enum err err = application_store_get(tx->db, tx->arena, app_id, &telling->about);
    if (!err)
        err = find_application(telling);
    if (err)
        return err;
    telling->payload = buf_new_in(tx->arena, PAYLOAD_BYTES);
    if (!telling->payload)
        return ERR_NOMEM;
    json_begin(writer, telling->payload);
    json_open_object(writer);
    json_put_str(writer, "type", str_from_c(telling->type));
    json_key(writer, "data");
    json_open_object(writer);
    json_put_id(writer, "appId", "app", app_id);
    put_uid(writer, "appUid", telling->about.uid);
    json_put_id2(writer, "endpointId", "ep", app_id, endpoint_id);
    return ERR_OK;
}

static enum err finish(struct telling *telling)
{
    enum ingest_outcome outcome;
    json_close_object(&telling->writer);
    json_close_object(&telling->writer);
    if (telling->payload->overflow)
        return ERR_NOMEM;
    struct ingest ingest = {.is_exempt = true,
                            .message = {.app_id = telling->app_id,
                                        .event_type = str_from_c(telling->type),
                                        .channels = STR(""),
                                        .payload = buf_str(telling->payload)}};
    return message_take(telling->hooks, telling->tx, telling->tx->arena, &ingest, &outcome);
}

static enum err unless_unwanted(enum err err)
{
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

enum err operational_changed(struct hooks *hooks, struct writer_tx *tx, enum endpoint_change change,
                             const struct endpoint *endpoint)
{
    static const char *const types[] = {[ENDPOINT_CREATED] = "endpoint.created",
                                        [ENDPOINT_UPDATED] = "endpoint.updated",
                                        [ENDPOINT_DELETED] = "endpoint.deleted"};
    struct telling telling = {.hooks = hooks, .tx = tx, .type = types[change]};
    enum err err = begin(&telling, endpoint->app_id, endpoint->id);
    if (err)
        return unless_unwanted(err);
    put_uid(&telling.writer, "endpointUid", endpoint->uid);
    return finish(&telling);
}

enum err operational_disabled(struct hooks *hooks, struct writer_tx *tx,
                              const struct endpoint *endpoint)
{
    struct telling telling = {.hooks = hooks, .tx = tx, .type = "endpoint.disabled"};
    bool is_manual = endpoint->disabled_by == DISABLED_BY_CALLER;
    enum err err = begin(&telling, endpoint->app_id, endpoint->id);
    if (err)
        return unless_unwanted(err);
    put_uid(&telling.writer, "endpointUid", endpoint->uid);
    json_put_str(&telling.writer, "trigger", is_manual ? STR("manual") : STR("automatic"));
    if (!is_manual && endpoint->failing_since_ms)
        json_put_time(&telling.writer, "failSince", endpoint->failing_since_ms);
    return finish(&telling);
}

static void put_last_attempt(struct telling *telling, const struct delivery_key *key,
                             const struct attempt *attempt)
{
    struct json_writer *writer = &telling->writer;
    json_key(writer, "lastAttempt");
    json_open_object(writer);
    json_put_id2(writer, "id", "atmpt", key->app_id, attempt->id);
    json_put_i64(writer, "responseStatusCode", attempt->code);
    json_put_time(writer, "timestamp", attempt->at_ms);
    json_close_object(writer);
}

enum err operational_exhausted(struct hooks *hooks, struct writer_tx *tx,
                               const struct delivery_key *key)
{
    struct message message;
    struct attempt attempt = {0};
    struct telling telling = {.hooks = hooks, .tx = tx, .type = "message.attempt.exhausted"};
    enum err err = begin(&telling, key->app_id, key->endpoint_id);
    if (!err)
        err = message_store_get(tx->db, tx->arena, key->app_id, key->message_id, tx->now_ms, false,
                                &message);
    if (err)
        return unless_unwanted(err);
    json_put_id2(&telling.writer, "msgId", "msg", key->app_id, key->message_id);
    put_uid(&telling.writer, "msgEventId", message.event_id);
    err = attempt_store_last(tx->db, key->app_id, key->message_id, key->endpoint_id, &attempt);
    if (!err)
        put_last_attempt(&telling, key, &attempt);
    else if (err == ERR_NOT_FOUND) /* the breaker let none through */
        json_put_null(&telling.writer, "lastAttempt");
    else
        return err;
    return finish(&telling);
}
