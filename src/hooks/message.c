/*
 * See message.h.
 *
 * A message that comes again is known by its eventId or by the caller's Idempotency-Key. Both are kept
 * in the same ring of tables (ring.h), under names that cannot meet, with the hash of what counts as the
 * message: type, eventId, channels and the payload's bytes. What was taken first is what is answered.
 */
#include "hooks/message.h"

#include "base/ids.h"
#include "hooks/delivery.h"
#include "hooks/match.h"
#include "hooks/quota.h"
#include "hooks/routing.h"

/* Each part with its length in front, so that no two messages read the same. */
enum err message_hash(struct arena *arena, struct ingest *ingest)
{
    const struct message *message = &ingest->message;
    if (ingest->has_hash || (!message->event_id.data && !ingest->idempotency_key.data))
        return ERR_OK;
    struct str head = arena_printf(arena, "%zu:%.*s%zu:%.*s%zu:%.*s%d:", message->event_type.len,
                                   STR_ARG(message->event_type), message->event_id.len,
                                   STR_ARG(message->event_id), message->channels.len,
                                   STR_ARG(message->channels), message->event_id.data != NULL);
    if (!head.data)
        return ERR_NOMEM;
    crypto_sha256_2(head, message->payload, ingest->hash);
    ingest->has_hash = true;
    return ERR_OK;
}

/* Names under which the message is remembered; STR_NONE: not. */
struct names {
    struct str event, key;
};

static enum err names_of(struct arena *arena, const struct ingest *ingest, struct names *ret_names)
{
    *ret_names = (struct names){STR_NONE, STR_NONE};
    if (ingest->message.event_id.data)
        ret_names->event = arena_printf(arena, "event:%.*s", STR_ARG(ingest->message.event_id));
    if (ingest->idempotency_key.data)
        ret_names->key = arena_printf(arena, "key:%llu:%.*s", (unsigned long long)ingest->caller_id,
                                      STR_ARG(ingest->idempotency_key));
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

/* ERR_NOT_FOUND: the name is new. */
static enum err find_first(struct writer_tx *tx, struct arena *arena, struct ingest *ingest,
                           struct str name, bool *ret_is_same)
{
    struct seen seen;
    struct message *message = &ingest->message;
    if (!name.data)
        return ERR_NOT_FOUND;
    enum err err = ring_seen_find(tx, message->app_id, name, &seen);
    if (err)
        return err;
    *ret_is_same = memcmp(seen.body_hash, ingest->hash, SHA256_SIZE) == 0;
    if (!*ret_is_same)
        return ERR_OK;
    /* Names are remembered a little longer than messages are kept. */
    return message_store_get(tx->db, arena, message->app_id, seen.message_id, tx->now_ms, true,
                             message);
}

static enum err remember(struct hooks *hooks, struct writer_tx *tx, const struct ingest *ingest,
                         struct str name)
{
    struct seen seen = {.message_id = ingest->message.id};
    if (!name.data)
        return ERR_OK;
    memcpy(seen.body_hash, ingest->hash, SHA256_SIZE);
    return ring_seen_put(hooks->ring, tx, ingest->message.app_id, name, &seen);
}

static enum err deliver(struct hooks *hooks, struct writer_tx *tx, const struct ingest *ingest)
{
    const struct message *message = &ingest->message;
    const struct route_targets *targets;
    int64_t waiting = 0;
    enum err err = routing_get(hooks->routing, tx, message->app_id, &targets);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err; /* nobody to tell */
    for (size_t i = 0; !err && i < targets->count; i++) {
        const struct endpoint_target *target = &targets->targets[i];
        struct delivery_key key = {message->app_id, target->id, message->id};
        bool is_wanted = ingest->only_endpoint_id
                             ? ingest->only_endpoint_id == target->id
                             : match_wants(target->event_types, target->channels,
                                           message->event_type, message->channels);
        if (is_wanted)
            err = delivery_create(hooks, tx, &key);
        waiting += is_wanted;
    }
    return err ? err : backlog_store_add(tx->db, message->app_id, waiting);
}

static enum err take(struct hooks *hooks, struct writer_tx *tx, struct ingest *ingest)
{
    struct message *message = &ingest->message;
    message->id = id_next(tx->ids);
    message->created_at = tx->now_ms;
    enum err err = ring_open(hooks->ring, tx, message->id);
    if (!err)
        err = message_store_put(tx->db, message);
    return err ? err : deliver(hooks, tx, ingest);
}

enum err message_take(struct hooks *hooks, struct writer_tx *tx, struct arena *arena,
                      struct ingest *ingest, enum ingest_outcome *ret_outcome)
{
    struct names names;
    bool is_same = false;
    enum err err = message_hash(arena, ingest);
    if (!err)
        err = names_of(arena, ingest, &names);
    if (err)
        return err;
    err = find_first(tx, arena, ingest, names.key, &is_same);
    if (err != ERR_NOT_FOUND) {
        *ret_outcome = is_same ? INGEST_SAME : INGEST_OTHER_REQUEST;
        return err;
    }
    err = find_first(tx, arena, ingest, names.event, &is_same);
    if (err != ERR_NOT_FOUND) {
        *ret_outcome = is_same ? INGEST_SAME : INGEST_OTHER_EVENT;
        return err;
    }
    bool has_room = true;
    if (!ingest->is_exempt)
        err = quota_has_room(hooks->quota, tx->db, ingest->message.app_id, &has_room);
    else
        err = ERR_OK;
    if (!err && !has_room) {
        *ret_outcome = INGEST_BACKLOG;
        return ERR_OK;
    }
    if (!err)
        err = take(hooks, tx, ingest);
    if (!err)
        err = remember(hooks, tx, ingest, names.key);
    if (!err)
        err = remember(hooks, tx, ingest, names.event);
    *ret_outcome = INGEST_TAKEN;
    return err;
}
