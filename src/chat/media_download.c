/*
 * Downloads: for whoever uploaded the file, and for members of a chat with a kept message that refers to it and
 * is theirs to see. For others there is no such file.
 *
 * The type is what the first bytes say. What browsers may show without running anything goes inline, the rest
 * is to be saved; and should a browser show it all the same, it is in a sandbox without scripts.
 */
#include <unistd.h>

#include "base/clock.h"
#include "chat/chat_call.h"
#include "chat/media_head.h"
#include "chat/media_sniff.h"

#define ETAG_BYTES 16
#define THUMB_TYPE "image/webp"

static enum err reply_none(struct call *call)
{
    problem_reply(call, PROBLEM_NOT_FOUND, "There is no such file.");
    return ERR_NOT_FOUND;
}

/* ERR_NOT_FOUND: answered. */
static enum err find_file(struct call *call, struct db *db, struct media *ret_media)
{
    uint64_t id;
    bool is_visible = false;
    if (!call_param_id(call, "id", "med", &id))
        return ERR_NOT_FOUND;
    enum err err = media_store_get(db, call_arena(call), id, ret_media);
    if (!err && ret_media->state != MEDIA_FINISHED)
        err = ERR_NOT_FOUND;
    is_visible = !err && ret_media->owner_id == chat_caller(call);
    if (!err && !is_visible)
        err = media_is_visible(db, ret_media, chat_caller(call), clock_now_ms(), &is_visible);
    return err == ERR_NOT_FOUND || (!err && !is_visible) ? reply_none(call) : err;
}

/* False: answered. */
static bool read_size(struct call *call, bool *ret_is_thumb)
{
    struct str size = STR_NONE;
    if (!call_query_str(call, "size", &size))
        return false;
    *ret_is_thumb = str_eq(size, STR("thumb"));
    if (*ret_is_thumb || !size.data)
        return true;
    problem_field(call, "size", "must be thumb, or left out");
    return false;
}

static struct str etag_of(struct call *call, const struct media_file *file)
{
    struct buf *text = buf_new_in(call_arena(call), 2 * ETAG_BYTES + 8);
    if (!text)
        return STR_NONE;
    hex_append(text, file->hash, ETAG_BYTES);
    if (file->is_thumb)
        buf_append_str(text, STR("-thumb"));
    return buf_str(text);
}

static void put_headers(struct call *call, const struct media *media, bool is_thumb)
{
    const struct media_type *type = media_type_find(media->type);
    bool is_inline = is_thumb || type->is_inline;
    call->req->res.content_type = is_thumb ? STR(THUMB_TYPE) : str_from_c(type->name);
    response_header(
        call->req, "content-disposition",
        media_disposition(call_arena(call), is_inline, is_thumb ? STR_NONE : media->name));
    response_header(call->req, "content-security-policy", STR("default-src 'none'; sandbox"));
    response_header(call->req, "cross-origin-resource-policy", STR("same-origin"));
    response_header(call->req, "accept-ranges", STR("bytes"));
}

/* The part that is asked for, of size bytes; false: answered. */
static bool read_range(struct call *call, int64_t size, struct str etag, int64_t *ret_first,
                       int64_t *ret_count)
{
    struct arena *arena = call_arena(call);
    struct str condition = request_header(call->req, "if-range");
    struct str quoted = arena_printf(arena, "\"%.*s\"", STR_ARG(etag));
    bool counts = call->req->method == HTTP_GET && (!condition.data || str_eq(condition, quoted));
    enum media_range range =
        counts ? media_range_parse(request_header(call->req, "range"), size, ret_first, ret_count)
               : RANGE_WHOLE;
    call->req->res.status = 200;
    if (range == RANGE_UNSATISFIABLE) {
        response_header(call->req, "content-range",
                        arena_printf(arena, "bytes */%lld", (long long)size));
        problem_reply(call, PROBLEM_RANGE_NOT_SATISFIABLE, NULL);
        return false;
    }
    if (range == RANGE_PART) {
        call->req->res.status = 206;
        response_header(call->req, "content-range",
                        arena_printf(arena, "bytes %lld-%lld/%lld", (long long)*ret_first,
                                     (long long)(*ret_first + *ret_count - 1), (long long)size));
    } else {
        *ret_first = 0;
        *ret_count = size;
    }
    return true;
}

static enum err send_file(struct call *call, const struct media *media,
                          const struct media_file *file, struct str etag)
{
    int fd;
    int64_t size, first, count;
    enum err err = media_file_open(chat_of(call)->media.files, file,
                                   file->is_thumb ? -1 : media->bytes, &fd, &size);
    if (err == ERR_NOT_FOUND) /* collected in this moment; or the directory is not the right one */
        return chat_said(reply_none(call));
    if (err)
        return err;
    if (!read_range(call, size, etag, &first, &count)) {
        (void)close(fd); /* nothing was read */
        return ERR_OK;
    }
    put_headers(call, media, file->is_thumb);
    response_file(call->req, fd, first, count);
    return ERR_OK;
}

enum err media_download_read(struct call *call, struct db *db)
{
    struct media media;
    struct media_file file = {0};
    enum err err = ERR_OK;
    if (!read_size(call, &file.is_thumb))
        return ERR_OK;
    err = find_file(call, db, &media);
    if (!err && file.is_thumb && !media.has_thumb)
        err = reply_none(call);
    if (err)
        return chat_said(err);
    file.id = media.blob_id;
    memcpy(file.hash, media.hash, sizeof(file.hash));
    struct str etag = etag_of(call, &file);
    response_header(call->req, "cache-control", STR("private, no-cache"));
    if (reply_not_modified(call, etag))
        return ERR_OK;
    return send_file(call, &media, &file, etag);
}
