/* See media.h. */
#include "chat/media.h"

#include "base/ids.h"
#include "base/json.h"
#include "chat/media_sniff.h"

#define SHOWN_BYTES_MAX 4096

/* ---- uploads ---- */

enum err media_create(struct writer_tx *tx, const struct media *media, const char **ret_what,
                      int64_t *ret_max)
{
    struct media_usage usage = {0};
    enum err err = media_store_usage(tx->db, media->owner_id, &usage);
    if (err)
        return err;
    *ret_what = NULL;
    if (usage.bytes + media->bytes > MEDIA_QUOTA_BYTES) {
        *ret_what = "bytes of a user that are kept";
        *ret_max = MEDIA_QUOTA_BYTES;
    } else if (usage.files >= MEDIA_QUOTA_FILES) {
        *ret_what = "files of a user that are kept";
        *ret_max = MEDIA_QUOTA_FILES;
    } else if (usage.uploads >= MEDIA_UPLOADS_MAX) {
        *ret_what = "uploads of a user that are not finished";
        *ret_max = MEDIA_UPLOADS_MAX;
    }
    return *ret_what ? ERR_LIMIT : media_store_add(tx->db, media);
}

enum err media_append(struct writer_tx *tx, uint64_t id, uint64_t owner_id, int64_t received,
                      int64_t count)
{
    bool has_changed = false;
    struct media media;
    enum err err = media_store_append(tx->db, id, owner_id, received, count, &has_changed);
    if (err || has_changed)
        return err;
    err = media_store_get(tx->db, tx->arena, id, &media);
    return err ? err : media.owner_id == owner_id ? ERR_CONFLICT : ERR_NOT_FOUND;
}

/* All shards are held: nobody else brings or collects the same bytes meanwhile. */
enum err media_finish(struct writer_tx *tx, const struct media *media,
                      const struct media_result *result)
{
    struct media finished = *media;
    uint64_t blob_id = 0;
    enum err err = media_store_find_blob(tx->db, result->hash, &blob_id);
    bool is_known = blob_id != 0;
    if (!err && is_known)
        err = media_store_count_blob(tx->db, blob_id, 1);
    else if (!err)
        err = media_store_add_blob(tx->db, media, result);
    finished.blob_id = is_known ? blob_id : media->id;
    finished.state = MEDIA_FINISHED;
    finished.finished_at = tx->now_ms;
    finished.collect_at = tx->now_ms + MEDIA_FRESH_MS;
    if (!err)
        err = media_store_put_finished(tx->db, &finished);
    if (err)
        return err;
    return media_store_add_task(tx, is_known ? TASK_REMOVE_UPLOAD : TASK_SETTLE, media->id,
                                is_known ? NULL : result->hash);
}

enum err media_remove(struct writer_tx *tx, const struct media *media)
{
    bool is_gone = false;
    enum err err = media_store_delete(tx->db, media->id);
    if (err)
        return err;
    if (media->state == MEDIA_UPLOADING)
        return media_store_add_task(tx, TASK_REMOVE_UPLOAD, media->id, NULL);
    err = media_store_count_blob(tx->db, media->blob_id, -1);
    if (!err)
        err = media_store_drop_blob(tx->db, media->blob_id, &is_gone);
    return err || !is_gone ? err
                           : media_store_add_task(tx, TASK_REMOVE, media->blob_id, media->hash);
}

/* ---- references ---- */

/* Slots of the days with references that are kept. chat_days() reads no more of a chat than these two. */
static void ref_days(const struct media *media, int64_t now_ms, struct chat_days *ret_days)
{
    const struct chat days = {.last_day = media->ref_day, .day_bits = (uint64_t)media->ref_bits};
    chat_days(&days, now_ms, ret_days);
}

enum err media_has_refs(struct db *db, const struct media *media, int64_t now_ms, bool *ret_has)
{
    struct chat_days days;
    enum err err = ERR_OK;
    ref_days(media, now_ms, &days);
    *ret_has = false;
    for (size_t i = days.count; !err && !*ret_has && i-- > 0;)
        err = media_store_has_ref(db, days.slots[i], media->id, ret_has);
    return err;
}

enum err media_is_visible(struct db *db, const struct media *media, uint64_t user_id,
                          int64_t now_ms, bool *ret_is_visible)
{
    struct chat_days days;
    enum err err = ERR_OK;
    ref_days(media, now_ms, &days);
    *ret_is_visible = false;
    for (size_t i = days.count; !err && !*ret_is_visible && i-- > 0;)
        err = media_store_sees_ref(db, days.slots[i], media->id, user_id, ret_is_visible);
    return err;
}

/* When an entry of that day is not kept any more. */
static int64_t end_of_day(int64_t day)
{
    return (day + LOG_DAYS + 1) * DAY_MS;
}

enum err media_hold(struct writer_tx *tx, uint64_t id, uint64_t user_id, int64_t day,
                    struct media *ret_media)
{
    bool is_visible = false, is_there = false;
    enum err err = media_store_get(tx->db, tx->arena, id, ret_media);
    if (err || ret_media->state != MEDIA_FINISHED)
        return err ? err : ERR_NOT_FOUND;
    if (ret_media->owner_id != user_id) {
        err = media_is_visible(tx->db, ret_media, user_id, tx->now_ms, &is_visible);
        if (err || !is_visible)
            return err ? err : ERR_NOT_FOUND;
    }
    err = media_store_note_day(tx->db, id, day, end_of_day(day), &is_there);
    return err ? err : is_there ? ERR_OK : ERR_NOT_FOUND;
}

enum err media_release(struct writer_tx *tx, const struct message *message, size_t slot)
{
    struct media media;
    bool has_others = false;
    enum err err = media_store_delete_ref(tx->db, slot, message);
    if (!err)
        err = media_store_get(tx->db, tx->arena, message->media_id, &media);
    if (!err)
        err = media_has_refs(tx->db, &media, tx->now_ms, &has_others);
    if (err || has_others)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    int64_t fresh_until = media.finished_at + MEDIA_FRESH_MS;
    return media_store_put_collect(tx->db, media.id,
                                   fresh_until > tx->now_ms ? fresh_until : tx->now_ms);
}

/* ---- the collector ---- */

static enum err collect_one(struct writer_tx *tx, uint64_t id)
{
    struct media media;
    bool is_wanted = false;
    enum err err = media_store_get(tx->db, tx->arena, id, &media);
    /* As of 1970: references of days that are over count until their tables are emptied. */
    if (!err && media.state == MEDIA_FINISHED)
        err = media_has_refs(tx->db, &media, 0, &is_wanted);
    if (err || !is_wanted)
        return err ? err : media_remove(tx, &media);
    int64_t until = end_of_day(media.ref_day), again = tx->now_ms + MEDIA_AGAIN_MS;
    return media_store_put_collect(tx->db, id, until > again ? until : again);
}

enum err media_collect(struct writer_tx *tx, bool *ret_has_more)
{
    uint64_t ids[MEDIA_SWEEP_MAX];
    size_t count = 0;
    enum err err = media_store_due(tx->db, tx->now_ms, MEDIA_SWEEP_MAX, ids, &count);
    for (size_t i = 0; !err && i < count; i++)
        err = collect_one(tx, ids[i]);
    *ret_has_more = count == MEDIA_SWEEP_MAX;
    return err;
}

/* ---- shown ---- */

static void put_size(struct json_writer *writer, const char *name, int64_t size)
{
    if (size > 0)
        json_put_i64(writer, name, size);
    else
        json_put_null(writer, name);
}

struct str media_show(struct arena *arena, const struct media *media)
{
    struct json_writer writer;
    struct buf *text = buf_new_in(arena, SHOWN_BYTES_MAX);
    if (!text)
        return STR_NONE;
    json_begin(&writer, text);
    json_open_object(&writer);
    json_put_id(&writer, "id", "med", media->id);
    json_put_str(&writer, "type", media->type);
    if (media->name.len > 0)
        json_put_str(&writer, "name", media->name);
    else
        json_put_null(&writer, "name");
    json_put_i64(&writer, "size", media->bytes);
    put_size(&writer, "width", media->width);
    put_size(&writer, "height", media->height);
    json_put_bool(&writer, "has_thumb", media->has_thumb);
    json_close_object(&writer);
    return text->overflow ? STR_NONE : buf_str(text);
}
