/* See attempt_request.h. */
#include "hooks/attempt_request.h"

#include "hooks/endpoint_sign.h"
#include "hooks/endpoint_view.h"

/* The dispatcher hears of a change after its commit, other nodes' in DISPATCH_ENDPOINT_AGE_MS. */
#define HEARD_MS 1000

static bool is_as_it_was(struct db *db, const struct endpoint *endpoint,
                         const struct attempt *attempt)
{
    int64_t heard_ms = db_is_pgsql(db) ? DISPATCH_ENDPOINT_AGE_MS : HEARD_MS;
    return endpoint->version == 1 || endpoint->updated_at + heard_ms < attempt->at_ms;
}

/* "name: value" */
static void write_line(struct arena *arena, struct json_writer *writer, const char *text)
{
    struct str value = str_from_c(text);
    struct str name = arena_str_dup(arena, str_split(&value, ':'));
    if (name.data)
        json_put_str(writer, name.data, str_trim(value));
}

static enum err write_headers(struct call *call, struct json_writer *writer,
                              const struct endpoint *endpoint, const struct attempt *attempt,
                              struct str payload)
{
    struct signing_headers signatures;
    enum err err =
        endpoint_sign(endpoint, attempt->message_id, attempt->at_ms, payload, &signatures);
    if (err)
        return err;
    json_open_object(writer);
    json_put_str(writer, "content-type", STR("application/json"));
    for (size_t i = 0; i < signatures.count; i++)
        write_line(call_arena(call), writer, signatures.lines[i]);
    for (size_t i = 0; i < endpoint->header_count; i++) {
        const struct endpoint_header *header = &endpoint->headers[i];
        struct str name = arena_str_dup(call_arena(call), header->name);
        bool is_shown = !endpoint_header_is_sensitive(header->name);
        if (name.data)
            json_put_str(writer, name.data, is_shown ? header->value : STR("(not shown)"));
    }
    json_close_object(writer);
    return call_arena(call)->overflow ? ERR_NOMEM : ERR_OK;
}

enum err attempt_write_request(struct call *call, struct db *db, struct json_writer *writer,
                               const struct attempt *attempt, const struct message *message)
{
    struct endpoint *endpoint = ARENA_NEW(call_arena(call), struct endpoint);
    if (!endpoint)
        return ERR_NOMEM;
    enum err err = endpoint_load(db, hooks_of(call)->keyring, call_arena(call), attempt->app_id,
                                 attempt->endpoint_id, attempt->at_ms, endpoint);
    json_key(writer, "requestHeaders");
    if (!err && is_as_it_was(db, endpoint, attempt))
        err = write_headers(call, writer, endpoint, attempt, message->payload);
    else if (!err || err == ERR_NOT_FOUND) {
        json_null(writer);
        err = ERR_OK;
    }
    endpoint_wipe(endpoint);
    return err;
}
