/*
 * What the handlers of this service share: what a path names, lists, and texts that go into rows.
 *
 * Finders give ERR_NOT_FOUND after they have answered 404; hooks_said() makes of it what a handler
 * returns.
 */
#ifndef HOOKS_HOOKS_CALL_H
#define HOOKS_HOOKS_CALL_H

#include "app/problem.h"
#include "app/route.h"
#include "hooks/application.h"
#include "hooks/endpoint.h"
#include "hooks/hooks.h"
#include "hooks/message_store.h"

#define HOOKS_SCOPES SCOPE_ORGANIZER
/* What a portal link may do, too: its scope beside the owner's. */
#define HOOKS_PORTAL(what)   (HOOKS_SCOPES | SCOPE_PORTAL_##what)
#define HOOKS_LIST_BYTES_MAX (24u << 20)
#define HOOKS_PAGE_BYTES     (4u << 20) /* a page ends early behind these */

static inline struct hooks *hooks_of(const struct call *call)
{
    return call->service->state;
}
static inline enum err hooks_said(enum err err)
{
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* {app}: an id, or a uid of the caller's account. Others' are as good as absent, but for
 * administrators. */
ERR_MUST_USE enum err hooks_call_application(struct call *call, struct db *db,
                                             struct application *ret_application);
/* The same without an answer. */
ERR_MUST_USE enum err hooks_find_application(struct call *call, struct db *db,
                                             struct application *ret_application);
/* In prepare of a write that stays within {app}: its job locks that application alone. By a uid, or when
 * an answer is to be kept under a key (which belongs to none), it locks all. */
void hooks_call_shard(struct call *call);
/* The same, as a prepare. */
ERR_MUST_USE enum err hooks_prepare_shard(struct call *call, struct db *db);
/* On a loop: {app} is the id of an application that somebody has asked for before, and the caller's.
 * False says nothing; a reader knows. Whether it is still there is for apply to ask (routing.h). */
bool hooks_known_application(struct call *call, uint64_t *ret_app_id);
/* {ep} of that application: an id or a uid. Without secrets and headers. */
ERR_MUST_USE enum err hooks_call_endpoint(struct call *call, struct db *db, uint64_t app_id,
                                          struct endpoint *ret_endpoint);
ERR_MUST_USE enum err hooks_find_endpoint(struct call *call, struct db *db, uint64_t app_id,
                                          struct endpoint *ret_endpoint);
/* {app} and its {ep}. */
ERR_MUST_USE enum err hooks_call_both(struct call *call, struct db *db,
                                      struct endpoint *ret_endpoint);
/* {msg} of that application: an id. */
ERR_MUST_USE enum err hooks_call_message(struct call *call, struct db *db, uint64_t app_id,
                                         bool with_payload, struct message *ret_message);

/* ---- texts ---- */

/* 1 to 256 of letters, digits, '-', '_', '.' */
bool hooks_is_name(struct str name);
/* What PUT has in its path may be made when it is not there yet: a uid, not an id, and the body's uid, if
 * it has one (has_uid). */
bool hooks_may_make(const struct call *call, const char *param, const char *prefix, bool has_uid,
                    struct str uid);
/* A uid from a body; answers 422 and returns false when it is none. */
bool hooks_check_uid(struct call *call, struct str uid);
bool hooks_check_printable(struct call *call, const char *field, struct str text);
/* A JSON object of texts as JSON; NULL: {}. Answers 422 and returns false. */
bool hooks_texts(struct call *call, const char *field, const struct json_node *object,
                 size_t count_max, size_t bytes_max, struct str *ret_json);
/* The member is there, and null. */
bool hooks_is_null(const struct json_node *body, const char *name);
/* The body as a tree, for PATCH: what is null there, is taken away. Answers 400 and returns false. */
bool hooks_parse_body(struct call *call, struct json_node **ret_body);
/* A list as lines, each ended by a newline but the last. */
struct str hooks_lines(struct arena *arena, const struct json_strs *list);
/* "a,b" as lines. */
struct str hooks_split_commas(struct arena *arena, struct str list);
void hooks_put_lines(struct json_writer *writer, const char *name, struct str lines);
/* null for 0 or no text. */
void hooks_put_rate(struct json_writer *writer, int64_t throttle_rate);
void hooks_put_optional(struct json_writer *writer, const char *name, struct str text);

/* ---- lists: ?limit=&iterator=&order= ---- */

struct hooks_page {
    size_t limit;
    bool is_ascending;   /* in which the answer is */
    bool is_back;        /* the page before the iterator's item, not behind it */
    struct str iterator; /* without the sign; STR_NONE: from the beginning */
};
/* Answers 422 and returns false. */
bool hooks_call_page(struct call *call, bool is_ascending, struct hooks_page *ret_page);
/* Which way the rows are to be read. */
static inline bool hooks_reads_up(const struct hooks_page *page)
{
    return page->is_ascending != page->is_back;
}
/* The iterator as an id of this shard (0: the id has none); answers 422 and returns false. */
bool hooks_page_id(struct call *call, const struct hooks_page *page, const char *prefix,
                   uint64_t shard, uint64_t *ret_id);

/* count: of what was read, which may be one more than the limit and is cut to it. Where the page begins in the order
 * it is answered in. */
struct hooks_rows {
    size_t count;
    bool is_done;
};
struct hooks_rows hooks_rows(const struct hooks_page *page, size_t count);
/* Index in what was read of the answer's i-th item. */
size_t hooks_row(const struct hooks_page *page, const struct hooks_rows *rows, size_t i);

/* {"data":[ */
ERR_MUST_USE enum err hooks_list_begin(struct call *call, struct json_writer *ret_writer,
                                       struct buf **ret_body);
/* Closes and answers; first and last: iterators of the items at the ends, STR_NONE when there is none. */
void hooks_list_end(struct call *call, struct json_writer *writer, bool is_done, struct str first,
                    struct str last);

#endif
