/* See media_service.h. */
#include "chat/media_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "chat/media_thumb.h"
#include "chat/service.h"

#define PATH_SIZE (CONFIG_TEXT_MAX + 8)

static void show_figures(struct media_service *media)
{
    const char *thumbs = "foyer_chat_thumbnails_total";
    const char *help = "Images that the thumbnail process was given.";
    media->received = metric_counter("foyer_chat_media_received_bytes_total", NULL,
                                     "Bytes of uploads that are on disk.");
    media->finished =
        metric_counter("foyer_chat_media_finished_total", NULL, "Uploads that are whole.");
    media->collected = metric_counter("foyer_chat_media_removed_total", NULL,
                                      "Files of media removed, because nobody wanted them.");
    media->thumbs_made = metric_counter(thumbs, "result=\"made\"", help);
    media->thumbs_refused = metric_counter(thumbs, "result=\"refused\"", help);
    media->thumbs_ended = metric_counter(thumbs, "result=\"ended\"", help);
    media->thumb_time = metric_histogram("foyer_chat_thumbnail_seconds", NULL,
                                         "Time that an image takes in the thumbnail process.");
}

enum err media_service_open(struct media_service *media, const struct config *config)
{
    char path[PATH_SIZE];
    show_figures(media);
    if (config->media[0])
        (void)snprintf(path, sizeof(path), "%s", config->media); /* fits */
    else
        (void)snprintf(path, sizeof(path), "%s/media", config->data); /* fits */
    enum err err = media_files_open(path, &media->files);
    if (err)
        log_error("media", "dir=%s err=%s", path, err_name(err));
    return err;
}

void media_service_close(struct media_service *media)
{
    media_files_close(media->files);
    media->files = NULL;
}

/* ---- what an upload is ---- */

static void count_thumb(struct media_service *media, enum err err)
{
    struct metric *metric = !err                 ? media->thumbs_made
                            : err == ERR_INVALID ? media->thumbs_refused
                                                 : media->thumbs_ended;
    metric_add(metric, 1);
    if (err && err != ERR_INVALID)
        log_warn("a thumbnail was not made", "err=%s", err_name(err));
}

/* The original is there without one. */
static void make_thumb(struct media_service *media, const struct media *upload,
                       struct media_result *result)
{
    struct thumb thumb;
    int fd;
    int64_t started_ns = clock_mono_ns();
    enum err err = media_upload_view(media->files, upload->id, &fd);
    if (!err) {
        err = thumb_make(NULL, fd, &thumb);
        (void)close(fd); /* only read from */
    }
    metric_observe_ns(media->thumb_time, clock_mono_ns() - started_ns);
    count_thumb(media, err);
    if (err)
        return;
    result->width = thumb.width;
    result->height = thumb.height;
    result->has_thumb =
        media_thumb_write(media->files, upload->id, str_from(thumb.bytes, thumb.size)) == ERR_OK;
    free(thumb.bytes);
}

enum err media_inspect(struct media_service *media, const struct media *upload, int fd,
                       struct media_result *ret_result)
{
    char head[SNIFF_BYTES];
    size_t head_size = sizeof(head);
    *ret_result = (struct media_result){0};
    enum err err = media_upload_hash(fd, upload->bytes, ret_result->hash, head, &head_size);
    if (err)
        return err;
    const struct media_type *type = media_sniff(str_from(head, head_size));
    ret_result->type = str_from_c(type->name);
    (void)media_sniff_size(str_from(head, head_size), &ret_result->width, &ret_result->height);
    if (type->has_thumbnails && upload->bytes < THUMB_SOURCE_BYTES)
        make_thumb(media, upload, ret_result);
    return type->kind == MEDIA_PROGRAM ? ERR_DENIED : ERR_OK;
}

/* ---- the collector ---- */

struct collecting {
    struct writer_job job;
    bool has_more;
};

static enum err collect_apply(struct writer_job *job, struct writer_tx *tx)
{
    return media_collect(tx, &container_of(job, struct collecting, job)->has_more);
}

struct working {
    struct writer_job job;
    bool is_asking; /* else: forgetting what was done */
    size_t count;
    struct media_task tasks[MEDIA_SWEEP_MAX];
    bool is_done[MEDIA_SWEEP_MAX];
};

static enum err work_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct working *working = container_of(job, struct working, job);
    enum err err = ERR_OK;
    if (working->is_asking)
        return media_store_tasks(tx->db, MEDIA_SWEEP_MAX, working->tasks, &working->count);
    for (size_t i = 0; !err && i < working->count; i++) {
        if (working->is_done[i])
            err = media_store_delete_task(tx->db, working->tasks[i].id);
    }
    return err;
}

static enum err do_task(struct media_service *media, const struct media_task *task)
{
    switch (task->kind) {
    case TASK_SETTLE:
        return media_file_settle(media->files, &task->file);
    case TASK_REMOVE:
        metric_add(media->collected, 1);
        return media_file_remove(media->files, &task->file);
    case TASK_REMOVE_UPLOAD:
        return media_upload_remove(media->files, task->file.id);
    }
    return ERR_CORRUPT;
}

/* A round of tasks. *ret_has_more: there may be others. */
static enum err work(struct chat_service *chat, struct working *working, bool *ret_has_more)
{
    size_t done = 0;
    *working = (struct working){.job.apply = work_apply, .is_asking = true};
    *ret_has_more = false;
    enum err err = writer_run_internal(chat->writer, &working->job);
    if (err || working->count == 0)
        return err;
    for (size_t i = 0; i < working->count; i++) {
        err = do_task(&chat->media, &working->tasks[i]);
        working->is_done[i] = err == ERR_OK;
        done += working->is_done[i];
        if (err)
            log_warn("a file of media stays as it is", "err=%s", err_name(err));
    }
    size_t count = working->count;
    working->job = (struct writer_job){.apply = work_apply};
    working->is_asking = false;
    err = writer_run_internal(chat->writer, &working->job);
    *ret_has_more = count == MEDIA_SWEEP_MAX && done == count;
    return err;
}

void media_sweep(struct chat_service *chat)
{
    bool has_more = true;
    enum err err = ERR_OK;
    while (!err && has_more && writer_is_steward(chat->writer)) {
        struct collecting collecting = {.job.apply = collect_apply};
        err = writer_run_internal(chat->writer, &collecting.job);
        has_more = collecting.has_more;
    }
    struct working *working = malloc(sizeof(*working));
    has_more = working != NULL;
    while (!err && has_more && writer_is_steward(chat->writer))
        err = work(chat, working, &has_more);
    free(working);
    if (err && err != ERR_CLOSED)
        log_warn("media that nobody wants stay", "err=%s", err_name(err));
}
