/*
 * Portal links: made and ended by whoever owns the application, left by who has one.
 *
 * A link carries its token behind '#', which browsers keep to themselves: neither a server's log nor a
 * Referer has it. The token stands in the answer once, and its hash in the database.
 */
#include "base/ids.h"
#include "hooks/hooks_call.h"
#include "hooks/portal.h"

#define LINK_BYTES_MAX 4096

struct access_body {
    struct json_strs capabilities;
    int64_t expiry_s;
    bool is_read_only, has_capabilities;
    struct str session_id;
};

static const struct json_field access_fields[] = {
    {.name = "expiry",
     .kind = JSON_I64,
     .offset = offsetof(struct access_body, expiry_s),
     .min = PORTAL_EXPIRY_S_MIN,
     .max = PORTAL_EXPIRY_S_MAX,
     .doc = "seconds that the link works; 7 days when absent"},
    {.name = "capabilities",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct access_body, capabilities),
     .has_offset = offsetof(struct access_body, has_capabilities),
     .min = 0,
     .max = PORTAL_CAPABILITIES_MAX,
     .doc = "ViewBase, ViewEndpointSecret, ManageEndpointSecret, CreateAttempts, ManageEndpoint; "
            "all when absent. Reading is always among them"},
    {.name = "readOnly",
     .kind = JSON_BOOL,
     .offset = offsetof(struct access_body, is_read_only),
     .doc = "true: ViewBase alone"},
    {.name = "sessionId",
     .kind = JSON_STR,
     .offset = offsetof(struct access_body, session_id),
     .min = 1,
     .max = NAME_BYTES_MAX,
     .doc = "a name to end it by"},
    {0},
};

/* Transformations are not there: who may manage them may nothing more. */
static bool capability(struct str name, unsigned *scopes)
{
    static const struct {
        const char *name;
        unsigned scope;
    } names[] = {{"ViewBase", SCOPE_PORTAL_VIEW},
                 {"ViewEndpointSecret", SCOPE_PORTAL_SECRET_VIEW},
                 {"ManageEndpointSecret", SCOPE_PORTAL_SECRET_MANAGE},
                 {"CreateAttempts", SCOPE_PORTAL_ATTEMPT},
                 {"ManageEndpoint", SCOPE_PORTAL_ENDPOINT},
                 {"ManageTransformations", 0}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(name, str_from_c(names[i].name))) {
            *scopes |= names[i].scope;
            return true;
        }
    }
    return false;
}

struct access {
    struct str session_id;
    unsigned scopes;
    int64_t expiry_s;
};

static enum err access_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct access_body body = {.expiry_s = PORTAL_EXPIRY_S_MAX};
    struct access *access = ARENA_NEW(call_arena(call), struct access);
    if (!access)
        return ERR_NOMEM;
    call->prepared = access;
    if (!call_decode(call, &body) || !hooks_check_printable(call, "sessionId", body.session_id))
        return ERR_OK;
    access->scopes = body.has_capabilities || body.is_read_only ? SCOPE_PORTAL_VIEW : SCOPE_PORTAL;
    access->session_id = body.session_id.data ? body.session_id : STR("");
    access->expiry_s = body.expiry_s;
    for (size_t i = 0; i < body.capabilities.count && !body.is_read_only; i++) {
        if (capability(body.capabilities.items[i], &access->scopes))
            continue;
        problem_field(call, "capabilities", "has a capability that there is not");
        break;
    }
    return ERR_OK;
}

static enum err reply_link(struct call *call, const char *token)
{
    struct json_writer writer;
    struct buf *body = buf_new_in(call_arena(call), LINK_BYTES_MAX);
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_str(&writer, "url",
                 arena_printf(call_arena(call), "%s/hooks/portal#key=%s",
                              hooks_of(call)->config->public_url, token));
    json_put_str(&writer, "token", str_from_c(token));
    json_close_object(&writer);
    reply_json(call, 200, body);
    return ERR_OK;
}

static enum err access_apply(struct call *call, struct writer_tx *tx)
{
    const struct access *access = call->prepared;
    struct application application;
    char token[PORTAL_TOKEN_SIZE];
    enum err err = hooks_call_application(call, tx->db, &application);
    if (err)
        return hooks_said(err);
    struct portal_row row = {.app_id = application.id,
                             .id = id_next(tx->ids),
                             .scopes = access->scopes,
                             .session_id = access->session_id,
                             .created_at = tx->now_ms,
                             .expires_at = tx->now_ms + access->expiry_s * 1000};
    err = portal_token_make(application.id, token, row.hash);
    if (!err)
        err = portal_store_add(tx->db, &row);
    if (!err)
        err = reply_link(call, token);
    crypto_wipe(token, sizeof(token));
    return err;
}

/* ---- ending ---- */

static enum err logout_apply(struct call *call, struct writer_tx *tx)
{
    uint64_t app_id;
    uint8_t hash[SHA256_SIZE];
    enum err err = ERR_OK;
    if (portal_token_of(call->req, &app_id, hash))
        err = portal_store_delete(tx->db, app_id, hash);
    if (!err)
        reply_empty(call, 204);
    return err;
}

struct expire_body {
    int64_t expiry_s;
    struct json_strs sessions;
    bool has_sessions;
};

static const struct json_field expire_fields[] = {
    {.name = "expiry",
     .kind = JSON_I64,
     .offset = offsetof(struct expire_body, expiry_s),
     .min = 0,
     .max = PORTAL_EXPIRY_S_MAX,
     .doc = "seconds until they end; at once when absent"},
    {.name = "sessionIds",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct expire_body, sessions),
     .has_offset = offsetof(struct expire_body, has_sessions),
     .min = 0,
     .max = PORTAL_SESSIONS_MAX,
     .doc = "only links of these names; all when absent or empty"},
    {0},
};

static enum err expire_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct expire_body *body = ARENA_NEW(call_arena(call), struct expire_body);
    if (!body)
        return ERR_NOMEM;
    call->prepared = body;
    (void)call_decode(call, body); /* false has answered */
    return ERR_OK;
}

static enum err expire_apply(struct call *call, struct writer_tx *tx)
{
    const struct expire_body *body = call->prepared;
    int64_t until_ms = tx->now_ms + body->expiry_s * 1000;
    struct application application;
    enum err err = hooks_call_application(call, tx->db, &application);
    if (err)
        return hooks_said(err);
    if (body->sessions.count == 0)
        err = portal_store_expire(tx->db, application.id, STR_NONE, until_ms);
    for (size_t i = 0; !err && i < body->sessions.count; i++)
        err = portal_store_expire(tx->db, application.id, body->sessions.items[i], until_ms);
    if (!err)
        reply_empty(call, 204);
    return err;
}

#define AUTH(path)                                                                                 \
    .method = HTTP_POST, .pattern = "/api/v1/auth/" path, .kind = ROUTE_WRITE,                     \
    .auth = AUTH_CALLER, .dialect = DIALECT_HOOKS, .tag = "hooks"

const struct route portal_routes[] = {
    /* The answer is a secret, which must not be kept for a repetition: that makes another link. */
    {AUTH("app-portal-access/{app}"), .scopes = HOOKS_SCOPES, .prepare_on_loop = true,
     .idempotency = IDEMPOTENCY_IGNORED, .prepare = access_prepare, .apply = access_apply,
     .summary = "Make a link that opens an application's portal without an account",
     .request = access_fields, .response = "HooksPortalAccess", .success = 200,
     .is_retry_safe = true},
    {AUTH("app/{app}/expire-all"), .scopes = HOOKS_SCOPES, .prepare_on_loop = true,
     .prepare = expire_prepare, .apply = expire_apply,
     .summary = "End an application's portal links", .request = expire_fields, .success = 204,
     .is_retry_safe = true},
    {AUTH("logout"), .scopes = SCOPE_PORTAL_VIEW, .idempotency = IDEMPOTENCY_IGNORED,
     .apply = logout_apply, .summary = "End the portal link that this is asked with",
     .success = 204, .is_retry_safe = true},
};
const size_t portal_routes_count = sizeof(portal_routes) / sizeof(portal_routes[0]);
