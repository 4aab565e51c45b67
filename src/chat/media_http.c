/*
 * Uploads: tus 1.0 (https://tus.io/protocols/resumable-upload) with creation, termination, expiration and
 * checksum.
 *
 * A PATCH works on a pool for files: it takes the upload's file for itself (so of two at once one gets 423),
 * looks whether the offset is right, writes, syncs, and only then has the writer commit the new offset, whose
 * condition in the row judges. The file is let go behind that. So bytes below the offset are never written again, a crash
 * leaves a file that is longer than its offset at worst, and the next PATCH writes over what is behind it.
 *
 * The last PATCH finds out what the file is, before its commit makes it whole.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "chat/chat_call.h"
#include "chat/media_head.h"

#define TUS_VERSION    "1.0.0"
#define TUS_EXTENSIONS "creation,termination,expiration,checksum"
#define PIECE_TYPE     "application/offset+octet-stream"

static struct media_service *media_of(const struct call *call)
{
    return &chat_of(call)->media;
}

/* ---- heads ---- */

/* False: there twice, which is answered. */
static bool take_header(struct call *call, const char *name, struct str *ret_value)
{
    size_t count = 0;
    for (size_t i = 0; i < call->req->field_count; i++)
        count += str_eq_ci(call->req->fields[i].name, str_from_c(name));
    if (count > 1) {
        problem_reply(call, PROBLEM_BAD_REQUEST, "A header stands there twice.");
        return false;
    }
    *ret_value = str_trim(request_header(call->req, name));
    return true;
}

/* False: answered. */
static bool check_version(struct call *call)
{
    struct str version;
    response_header(call->req, "tus-resumable", STR(TUS_VERSION));
    if (!take_header(call, "tus-resumable", &version))
        return false;
    if (str_eq(version, STR(TUS_VERSION)))
        return true;
    response_header(call->req, "tus-version", STR(TUS_VERSION));
    problem_reply(call, PROBLEM_PRECONDITION_FAILED,
                  "Uploads are tus " TUS_VERSION ": say so with Tus-Resumable.");
    return false;
}

static void put_number(struct call *call, const char *name, int64_t number)
{
    response_header(call->req, name, arena_printf(call_arena(call), "%lld", (long long)number));
}

static void put_expires(struct call *call, const struct media *media)
{
    if (media->state == MEDIA_UPLOADING)
        response_header(call->req, "upload-expires",
                        media_http_date(call_arena(call), media->collect_at));
}

static enum err options_loop(struct call *call)
{
    response_header(call->req, "tus-resumable", STR(TUS_VERSION));
    response_header(call->req, "tus-version", STR(TUS_VERSION));
    response_header(call->req, "tus-extension", STR(TUS_EXTENSIONS));
    response_header(call->req, "tus-checksum-algorithm", STR(TUS_CHECKSUMS));
    put_number(call, "tus-max-size", MEDIA_BYTES_MAX);
    reply_empty(call, 204);
    return ERR_OK;
}

/* ---- creation ---- */

static bool read_length(struct call *call, struct media *media)
{
    struct str text;
    if (!take_header(call, "upload-length", &text))
        return false;
    if (!tus_number(text, &media->bytes) || media->bytes == 0) {
        problem_field(call, "Upload-Length", "must be a number of bytes, 1 at least");
        return false;
    }
    if (media->bytes <= MEDIA_BYTES_MAX)
        return true;
    put_number(call, "tus-max-size", MEDIA_BYTES_MAX);
    problem_reply(call, PROBLEM_TOO_LARGE, "A file has 104857600 bytes at most.");
    return false;
}

static bool read_metadata(struct call *call, struct media *media)
{
    struct str text;
    struct tus_metadata metadata;
    const char *why = NULL;
    if (!take_header(call, "upload-metadata", &text))
        return false;
    if (tus_metadata_parse(call_arena(call), text, &metadata, &why) != ERR_OK) {
        problem_field(call, "Upload-Metadata", why);
        return false;
    }
    media->name = metadata.name;
    media->claimed_type = metadata.type;
    return true;
}

static enum err create_prepare(struct call *call, struct db *db)
{
    (void)db;
    struct media *media = ARENA_NEW(call_arena(call), struct media);
    if (!media)
        return ERR_NOMEM;
    call->prepared = media;
    if (!call_rate_limit_also(call, RATE_MEDIA_CREATE_NETWORK, 0) || !check_version(call) ||
        !read_length(call, media) || !read_metadata(call, media))
        return ERR_OK;
    if (call->req->body.len > 0) {
        problem_field(call, "body", "has no place here: send it with PATCH");
        return ERR_OK;
    }
    media->owner_id = chat_caller(call);
    call->shard = media->owner_id;
    return ERR_OK;
}

static enum err reply_created(struct call *call, const struct media *media)
{
    char id[ID_TEXT_SIZE];
    struct json_writer writer;
    struct buf *body = buf_new_in(call_arena(call), 1024);
    if (!body)
        return ERR_NOMEM;
    (void)id_format(id, "med", media->id); /* into id */
    response_header(call->req, "location", arena_printf(call_arena(call), "/v1/media/%s", id));
    put_expires(call, media);
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_id(&writer, "id", "med", media->id);
    json_put_i64(&writer, "size", media->bytes);
    json_put_i64(&writer, "offset", media->received);
    json_put_time(&writer, "expires_at", media->collect_at);
    json_close_object(&writer);
    reply_json(call, 201, body);
    return ERR_OK;
}

static enum err create_apply(struct call *call, struct writer_tx *tx)
{
    struct media media = *(const struct media *)call->prepared;
    const char *what = NULL;
    int64_t max = 0;
    media.id = id_next(tx->ids);
    media.created_at = tx->now_ms;
    media.collect_at = tx->now_ms + MEDIA_FRESH_MS;
    enum err err = media_create(tx, &media, &what, &max);
    if (err == ERR_LIMIT) {
        chat_reply_limit(call, "Upload-Length", what, max);
        return ERR_OK;
    }
    return err ? err : reply_created(call, &media);
}

/* ---- an upload ---- */

/* {id}, if it is the caller's; ERR_NOT_FOUND: answered. */
static enum err find_own(struct call *call, struct db *db, struct media *ret_media)
{
    uint64_t id;
    if (!call_param_id(call, "id", "med", &id))
        return ERR_NOT_FOUND;
    enum err err = media_store_get(db, call_arena(call), id, ret_media);
    bool is_over =
        !err && ret_media->state == MEDIA_UPLOADING && ret_media->collect_at <= clock_now_ms();
    if (!err && (ret_media->owner_id != chat_caller(call) || is_over))
        err = ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND)
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such upload.");
    return err;
}

static enum err head_read(struct call *call, struct db *db)
{
    struct media media;
    if (!request_header(call->req, "tus-resumable").data)
        return media_download_read(call, db);
    if (!check_version(call))
        return ERR_OK;
    enum err err = find_own(call, db, &media);
    if (err)
        return chat_said(err);
    const struct tus_metadata metadata = {media.name, media.claimed_type};
    struct str text = tus_metadata_text(call_arena(call), &metadata);
    put_number(call, "upload-offset", media.received);
    put_number(call, "upload-length", media.bytes);
    if (text.len > 0)
        response_header(call->req, "upload-metadata", text);
    put_expires(call, &media);
    reply_empty(call, 200);
    return ERR_OK;
}

/* ---- pieces ---- */

struct piece {
    int fd; /* -1: not open */
    struct media media;
    int64_t offset;
    bool is_last;
    struct media_result result;
};

/* The file is another's to take from here on. */
static void let_go(void *prepared)
{
    struct piece *piece = prepared;
    if (piece->fd >= 0)
        media_upload_close(piece->fd);
    piece->fd = -1;
}

/* False: answered. */
static bool check_checksum(struct call *call)
{
    struct str text;
    struct tus_checksum checksum;
    if (!take_header(call, "upload-checksum", &text))
        return false;
    if (!text.data)
        return true;
    if (tus_checksum_parse(text, &checksum) != ERR_OK) {
        problem_reply(call, PROBLEM_BAD_REQUEST,
                      "Upload-Checksum must be sha1 or sha256, a space and base64.");
        return false;
    }
    if (tus_checksum_is_of(&checksum, call->req->body))
        return true;
    problem_reply(call, PROBLEM_CHECKSUM_MISMATCH, NULL);
    return false;
}

static bool read_piece(struct call *call, struct piece *piece)
{
    struct str text, type = request_header(call->req, "content-type");
    if (!check_version(call) || !take_header(call, "upload-offset", &text))
        return false;
    if (!str_eq_ci(str_trim(str_split(&type, ';')), STR(PIECE_TYPE))) {
        problem_reply(call, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "A piece is " PIECE_TYPE ".");
        return false;
    }
    if (!tus_number(text, &piece->offset)) {
        problem_field(call, "Upload-Offset", "must be a number of bytes");
        return false;
    }
    return check_checksum(call);
}

static enum err reply_offset(struct call *call)
{
    problem_reply(call, PROBLEM_CONFLICT, "The upload is at another offset: ask with HEAD.");
    return ERR_NOT_FOUND;
}

/* ERR_NOT_FOUND: answered. */
static enum err check_piece(struct call *call, const struct piece *piece)
{
    int64_t count = (int64_t)call->req->body.len;
    if (piece->media.state != MEDIA_UPLOADING || piece->media.received != piece->offset)
        return reply_offset(call);
    if (count <= piece->media.bytes - piece->offset)
        return ERR_OK;
    problem_reply(call, PROBLEM_TOO_LARGE, "These are more bytes than Upload-Length has said.");
    return ERR_NOT_FOUND;
}

/* Who has the file knows that the offset stays. */
static enum err take_file(struct call *call, struct db *db, struct piece *piece)
{
    enum err err = find_own(call, db, &piece->media);
    if (!err)
        err = check_piece(call, piece);
    if (err)
        return err;
    err = media_upload_open(media_of(call)->files, piece->media.id, &piece->fd);
    if (err == ERR_CONFLICT) {
        problem_reply(call, PROBLEM_LOCKED, NULL);
        return ERR_NOT_FOUND;
    }
    if (err)
        return err;
    call->at_end = let_go;
    err = find_own(call, db, &piece->media);
    return err ? err : check_piece(call, piece);
}

static enum err write_piece(struct call *call, struct piece *piece)
{
    struct media_service *media = media_of(call);
    enum err err = media_upload_write(piece->fd, piece->offset, call->req->body);
    piece->is_last = piece->offset + (int64_t)call->req->body.len == piece->media.bytes;
    if (err || !piece->is_last)
        return err;
    err = media_inspect(media, &piece->media, piece->fd, &piece->result);
    if (err != ERR_DENIED)
        return err;
    problem_field(call, "body", "is a program: those are not taken");
    return ERR_NOT_FOUND;
}

static enum err patch_prepare(struct call *call, struct db *db)
{
    struct piece *piece = ARENA_NEW(call_arena(call), struct piece);
    if (!piece)
        return ERR_NOMEM;
    piece->fd = -1;
    call->prepared = piece;
    if (!call_rate_limit_also(call, RATE_MEDIA_WRITE_NETWORK, 0) || !read_piece(call, piece))
        return ERR_OK;
    enum err err = take_file(call, db, piece);
    if (!err)
        err = write_piece(call, piece);
    /* What a finished file shares with others belongs to no shard. */
    if (!err && !piece->is_last)
        call->shard = chat_caller(call);
    return chat_said(err);
}

static enum err patch_apply(struct call *call, struct writer_tx *tx)
{
    const struct piece *piece = call->prepared;
    int64_t count = (int64_t)call->req->body.len;
    enum err err = media_append(tx, piece->media.id, chat_caller(call), piece->offset, count);
    if (err == ERR_CONFLICT)
        return chat_said(reply_offset(call));
    if (err == ERR_NOT_FOUND) {
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such upload.");
        return ERR_OK;
    }
    if (!err && piece->is_last)
        err = media_finish(tx, &piece->media, &piece->result);
    if (err)
        return err;
    metric_add(media_of(call)->received, count);
    metric_add(media_of(call)->finished, piece->is_last);
    put_number(call, "upload-offset", piece->offset + count);
    if (!piece->is_last)
        put_expires(call, &piece->media);
    reply_empty(call, 204);
    return ERR_OK;
}

/* ---- termination ---- */

/* Here already, because what comes then locks everything. */
static enum err delete_prepare(struct call *call, struct db *db)
{
    struct media media;
    if (!check_version(call))
        return ERR_OK;
    return chat_said(find_own(call, db, &media));
}

static enum err delete_apply(struct call *call, struct writer_tx *tx)
{
    struct media media;
    bool is_wanted = false;
    enum err err = find_own(call, tx->db, &media);
    if (!err)
        err = media_has_refs(tx->db, &media, tx->now_ms, &is_wanted);
    if (err)
        return chat_said(err);
    if (is_wanted) {
        problem_reply(call, PROBLEM_CONFLICT, "Messages refer to it: delete those.");
        return ERR_OK;
    }
    err = media_remove(tx, &media);
    if (!err)
        reply_empty(call, 204);
    return err;
}

const struct route chat_media_routes[] = {
    {.method = HTTP_OPTIONS,
     .pattern = "/v1/media",
     .kind = ROUTE_LOOP,
     .loop = options_loop,
     .summary = "What of tus is spoken here",
     .tag = "media",
     .success = 204,
     .is_retry_safe = true},
    {.method = HTTP_POST,
     .pattern = "/v1/media",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .idempotency = IDEMPOTENCY_IGNORED,
     .rate = RATE_MEDIA_CREATE,
     .takes_any_body = true,
     .prepare_on_loop = true,
     .prepare = create_prepare,
     .apply = create_apply,
     .summary = "Begin an upload (tus)",
     .tag = "media",
     .response = "MediaUpload",
     .success = 201,
     .problems = "400 412 413"},
    {.method = HTTP_HEAD,
     .pattern = "/v1/media/{id}",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = head_read,
     .summary = "How far an upload is (tus), or what a download would say",
     .tag = "media",
     .success = 200,
     .query = "size",
     .problems = "400 412",
     .is_retry_safe = true},
    {.method = HTTP_PATCH,
     .pattern = "/v1/media/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .pool = POOL_FILES,
     .rate = RATE_MEDIA_WRITE,
     .takes_any_body = true,
     .body_max = MEDIA_PIECE_BYTES_MAX,
     .prepare = patch_prepare,
     .apply = patch_apply,
     .summary = "Send a piece of an upload (tus)",
     .tag = "media",
     .success = 204,
     .problems = "400 409 412 415 423 460",
     .is_retry_safe = true},
    {.method = HTTP_DELETE,
     .pattern = "/v1/media/{id}",
     .kind = ROUTE_WRITE,
     .auth = AUTH_CALLER,
     .rate = RATE_MEDIA_WRITE,
     .prepare = delete_prepare,
     .apply = delete_apply,
     .summary = "Give an upload up, or delete a file that was sent nowhere (tus)",
     .tag = "media",
     .success = 204,
     .problems = "400 409 412"},
    {.method = HTTP_GET,
     .pattern = "/v1/media/{id}",
     .kind = ROUTE_READ,
     .auth = AUTH_CALLER,
     .read = media_download_read,
     .summary = "Download a file, or the thumbnail of an image (size=thumb)",
     .tag = "media",
     .success = 200,
     .query = "size",
     .problems = "206 416",
     .is_retry_safe = true},
};
const size_t chat_media_routes_count = sizeof(chat_media_routes) / sizeof(chat_media_routes[0]);
