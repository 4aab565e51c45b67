/*
 * Blocks: while one of two has blocked the other, neither writes to their direct chat, starts one, or adds
 * the other to a group. What both are members of goes on: a group's log is the same for all.
 */
#include "base/ids.h"
#include "chat/block.h"
#include "chat/chat_call.h"
#include "chat/stream.h"

static enum err block_prepare(struct call *call, struct db *db)
{
    (void)db;
    uint64_t *user_id = ARENA_NEW(call_arena(call), uint64_t);
    struct str email, name;
    if (!user_id)
        return ERR_NOMEM;
    call->prepared = user_id;
    call->shard = chat_caller(call);
    if (!call_param_id(call, "user_id", "usr", user_id))
        return ERR_OK;
    if (*user_id == chat_caller(call)) {
        problem_field(call, "user_id", "is yourself");
        return ERR_OK;
    }
    enum err err = identity_account(call->platform, *user_id, call_arena(call), &email, &name);
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such user.");
    return chat_said(err);
}

static enum err block_apply(struct call *call, struct writer_tx *tx)
{
    const uint64_t *user_id = call->prepared;
    int64_t count;
    enum err err = block_store_add(tx->db, chat_caller(call), *user_id, tx->now_ms);
    if (!err)
        err = block_store_count(tx->db, chat_caller(call), &count);
    if (err)
        return err;
    if (count > BLOCKS_MAX)
        chat_reply_limit(call, "user_id", "blocks of a user", BLOCKS_MAX);
    else
        reply_empty(call, 204);
    return stream_stage_block(chat_of(call)->stream, tx, chat_caller(call), *user_id);
}

static enum err unblock_prepare(struct call *call, struct db *db)
{
    (void)db;
    call->shard = chat_caller(call);
    return ERR_OK;
}

static enum err unblock_apply(struct call *call, struct writer_tx *tx)
{
    uint64_t user_id;
    if (!call_param_id(call, "user_id", "usr", &user_id))
        return ERR_OK;
    enum err err = block_store_remove(tx->db, chat_caller(call), user_id);
    if (!err)
        err = stream_stage_block(chat_of(call)->stream, tx, chat_caller(call), user_id);
    if (!err)
        reply_empty(call, 204);
    return err;
}

static enum err list_read(struct call *call, struct db *db)
{
    struct list_page page;
    struct block *blocks = ARENA_ARRAY(call_arena(call), struct block, LIST_LIMIT_MAX + 1);
    struct buf *body = buf_new_in(call_arena(call), 64u << 10);
    struct json_writer writer;
    size_t count = 0;
    if (!blocks || !body)
        return ERR_NOMEM;
    if (!call_list_page(call, &page))
        return ERR_OK;
    enum err err = block_store_list(db, chat_caller(call), page.has_cursor ? (uint64_t)page.a : 0,
                                    page.limit + 1, blocks, &count);
    if (err)
        return err;
    bool has_more = count > (size_t)page.limit;
    if (has_more)
        count = (size_t)page.limit;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; i < count; i++) {
        json_open_object(&writer);
        json_put_id(&writer, "user_id", "usr", blocks[i].blocked_id);
        json_put_time(&writer, "created_at", blocks[i].created_at);
        json_close_object(&writer);
    }
    list_close(&writer, has_more, has_more ? (int64_t)blocks[count - 1].blocked_id : 0, 0);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

const struct route chat_block_routes[] = {
    {.method = HTTP_PUT,
     .pattern = "/v1/blocks/{user_id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare = block_prepare,
     .apply = block_apply,
     .summary = "Block a user",
     .tag = "chat",
     .success = 204,
     .problems = "422",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/blocks/{user_id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .prepare_on_loop = true,
     .prepare = unblock_prepare,
     .apply = unblock_apply,
     .summary = "Unblock a user",
     .tag = "chat",
     .success = 204,
     .is_retry_safe = true},
    {.method = HTTP_GET,
     .pattern = "/v1/blocks",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = list_read,
     .summary = "List whom the caller has blocked",
     .tag = "chat",
     .response = "ChatBlockList",
     .success = 200,
     .query = "limit cursor",
     .is_retry_safe = true},
};
const size_t chat_block_routes_count = sizeof(chat_block_routes) / sizeof(chat_block_routes[0]);
