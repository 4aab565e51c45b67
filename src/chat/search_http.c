/* Search in one's own messages: see search.h. */
#include "base/clock.h"
#include "base/fold.h"
#include "base/ids.h"
#include "chat/chat_call.h"
#include "chat/search.h"

/* False: answered. */
static bool read_words(struct call *call, struct search_words *words)
{
    struct str text = STR_NONE;
    if (!call_query_str(call, "q", &text))
        return false;
    if (text.len > SEARCH_QUERY_BYTES_MAX)
        problem_field(call, "q", "must have at most 200 bytes");
    else
        chat_search_split(fold_text(call_arena(call), text), words);
    if (!call_is_answered(call) && words->count == 0)
        problem_field(call, "q", "must have a word to look for");
    return !call_is_answered(call);
}

/* False: answered. */
static bool read_query(struct call *call, struct search_request *request, uint64_t *ret_chat_id)
{
    struct list_page page;
    struct str chat_id = STR_NONE;
    if (!read_words(call, &request->words) || !call_query_str(call, "chat_id", &chat_id) ||
        !call_list_page(call, &page))
        return false;
    if (chat_id.data && id_parse(chat_id, "cht", ret_chat_id) != ERR_OK) {
        problem_field(call, "chat_id", "is not the id of a chat");
        return false;
    }
    request->limit = (size_t)page.limit;
    request->before = SEARCH_FROM_NEWEST;
    if (page.has_cursor)
        request->before = (struct search_key){.at = page.a > 0 ? page.a : 0,
                                              .chat_id = (uint64_t)page.b,
                                              .seq = page.c > 0 ? page.c : 0};
    return true;
}

/* Where is looked: the caller's chats, or the one. */
static enum err load_rows(struct call *call, struct db *db, uint64_t chat_id,
                          struct search_request *request)
{
    struct chat_row *rows = ARENA_ARRAY(call_arena(call), struct chat_row, chat_id ? 1 : CHATS_MAX);
    request->rows = rows;
    if (!rows)
        return ERR_NOMEM;
    if (!chat_id)
        return chat_store_list(db, call_arena(call), chat_caller(call), INT64_MAX, CHATS_MAX, rows,
                               &request->row_count);
    struct chat_seen seen = {0};
    enum err err = chat_find_seen(call, db, chat_id, request->now_ms, &seen);
    rows[0] = (struct chat_row){seen.chat, seen.me};
    request->row_count = 1;
    return err;
}

static enum err write_hit(struct call *call, struct db *db, struct json_writer *writer,
                          const struct search_hit *hit, int64_t now_ms)
{
    struct chat_seen seen = {.chat = hit->row->chat, .me = hit->row->member};
    struct chat_days day = {.count = 1, .slots = {hit->slot}};
    struct message message;
    size_t slot;
    chat_days(&seen.chat, now_ms, &seen.days);
    enum err err =
        log_store_get(db, call_arena(call), seen.chat.id, hit->seq, &day, &message, &slot);
    return err ? err : chat_write_messages(call, db, writer, &seen, &message, 1);
}

static enum err reply_answer(struct call *call, struct db *db, const struct search_request *request,
                             const struct search_answer *answer)
{
    struct buf *body = buf_new_in(call_arena(call), LIST_BODY_MAX);
    struct json_writer writer;
    enum err err = ERR_OK;
    if (!body)
        return ERR_NOMEM;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    for (size_t i = 0; !err && i < answer->count; i++)
        err = write_hit(call, db, &writer, &answer->hits[i], request->now_ms);
    if (err)
        return err;
    list_close_at(&writer, answer->has_more, answer->before.at, (int64_t)answer->before.chat_id,
                  answer->before.seq);
    reply_json(call, 200, body);
    return body->overflow ? ERR_NOMEM : ERR_OK;
}

static enum err search_in(struct call *call, struct db *db, struct search_request *request,
                          uint64_t chat_id)
{
    struct search_answer answer;
    enum err err = load_rows(call, db, chat_id, request);
    if (err)
        return chat_said(err);
    err = chat_search(db, call_arena(call), request, &answer);
    return err ? err : reply_answer(call, db, request, &answer);
}

static enum err search_read(struct call *call, struct db *db)
{
    struct search_request request = {.now_ms = clock_now_ms()};
    uint64_t chat_id = 0;
    if (!read_query(call, &request, &chat_id))
        return ERR_OK;
    enum err err = db_snapshot_begin(db);
    if (err)
        return err;
    err = search_in(call, db, &request, chat_id);
    db_snapshot_end(db);
    return err;
}

const struct route chat_search_routes[] = {
    {.method = HTTP_GET,
     .pattern = "/v1/messages/search",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .pool = POOL_SLOW,
     .rate = RATE_CHAT_SEARCH,
     .read = search_read,
     .summary = "Search in one's own messages, newest first",
     .tag = "chat",
     .response = "ChatSearchResult",
     .success = 200,
     .problems = "404",
     .query = "q chat_id limit cursor",
     .is_retry_safe = true},
};
const size_t chat_search_routes_count = sizeof(chat_search_routes) / sizeof(chat_search_routes[0]);
