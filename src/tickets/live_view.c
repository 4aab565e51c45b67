/* See live_view.h. */
#include "tickets/live_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "base/rand.h"
#include "net/event_stream.h"

#define FRAME_BYTES_MAX ((size_t)4 << 20) /* a snapshot of PLAN_SEATS_MAX with all areas has less */
#define ID_MAX          64
#define PACKED_CHUNK    3072 /* bytes at once: whole groups of three */
#define AREA_TEXT_MAX   24   /* of an area in a frame, at most */
#define ENVELOPE_BYTES  64   /* of a snapshot besides seats and areas, about */

struct live_view {
    uint32_t name;
    uint32_t frame;
    int64_t version;
    uint32_t seat_count, area_count;
    uint8_t *seats; /* enum seat_state as buyers see it, by seat_no */
    uint32_t *seat_frames;
    int32_t *areas; /* free places, by index */
    uint32_t *area_frames;
    char map_version[SEATMAP_VERSION_SIZE];
    struct shared *snapshot; /* of this frame; NULL: not encoded yet */
};

/* --- life --- */

struct live_view *live_view_new(const struct event_model *model)
{
    struct live_view *view = calloc(1, sizeof(*view));
    if (!view)
        return NULL;
    view->name = (uint32_t)rand_u64();
    view->seat_count = model->layout->seat_count;
    view->area_count = model->area_count;
    view->seats = calloc((size_t)view->seat_count + 1, sizeof(*view->seats));
    view->seat_frames = calloc((size_t)view->seat_count + 1, sizeof(*view->seat_frames));
    view->areas = calloc((size_t)view->area_count + 1, sizeof(*view->areas));
    view->area_frames = calloc((size_t)view->area_count + 1, sizeof(*view->area_frames));
    if (!view->seats || !view->seat_frames || !view->areas || !view->area_frames ||
        seatmap_version(model, view->map_version) != ERR_OK) {
        live_view_free(view);
        return NULL;
    }
    (void)live_view_look(view, model); /* all of it is the first frame's */
    view->frame = 0;
    memset(view->seat_frames, 0, view->seat_count * sizeof(*view->seat_frames));
    memset(view->area_frames, 0, view->area_count * sizeof(*view->area_frames));
    return view;
}

void live_view_free(struct live_view *view)
{
    if (!view)
        return;
    shared_unref(view->snapshot);
    free(view->seats);
    free(view->seat_frames);
    free(view->areas);
    free(view->area_frames);
    free(view);
}

/* --- looking --- */

bool live_view_fits(const struct live_view *view, const struct event_model *model)
{
    char map_version[SEATMAP_VERSION_SIZE] = "";
    return model->layout->seat_count == view->seat_count && model->area_count == view->area_count &&
           seatmap_version(model, map_version) == ERR_OK &&
           strcmp(map_version, view->map_version) == 0;
}

bool live_view_look(struct live_view *view, const struct event_model *model)
{
    uint32_t next = view->frame + 1;
    bool is_changed = false;
    int64_t version = atomic_load_explicit(&model->version, memory_order_acquire);
    for (uint32_t i = 0; i < view->seat_count; i++) {
        uint8_t state = (uint8_t)seatmap_seat_state(model, i);
        if (state == view->seats[i])
            continue;
        view->seats[i] = state;
        view->seat_frames[i] = next;
        is_changed = true;
    }
    for (uint32_t i = 0; i < view->area_count; i++) {
        int32_t free_places = atomic_load_explicit(&model->area_available[i], memory_order_acquire);
        if (free_places == view->areas[i])
            continue;
        view->areas[i] = free_places;
        view->area_frames[i] = next;
        is_changed = true;
    }
    if (is_changed || version != view->version) {
        shared_unref(view->snapshot);
        view->snapshot = NULL;
    }
    view->version = version;
    view->frame += is_changed;
    return is_changed;
}

int64_t live_view_version(const struct live_view *view)
{
    return view->version;
}

uint32_t live_view_frame(const struct live_view *view)
{
    return view->frame;
}

/* --- ids --- */

static struct str write_id(const struct live_view *view, char ret_text[static ID_MAX])
{
    int len = snprintf(ret_text, ID_MAX, "%" PRId64 ".%08" PRIx32 ".%" PRIu32, view->version,
                       view->name, view->frame); /* 20 + 1 + 8 + 1 + 10 at most */
    return str_from(ret_text, (size_t)len);
}

bool live_view_knows(const struct live_view *view, struct str id, uint32_t *ret_frame)
{
    char name[16];
    int64_t frame;
    (void)str_split(&id, '.'); /* the version: the frame says more */
    (void)snprintf(name, sizeof(name), "%08" PRIx32, view->name); /* fits */
    if (!str_eq(str_split(&id, '.'), str_from_c(name)) || str_to_i64(id, &frame) != ERR_OK ||
        frame < 0 || frame > view->frame)
        return false;
    *ret_frame = (uint32_t)frame;
    return true;
}

/* --- frames --- */

/* Of the areas that have changed since; all: since is before everything. */
static void append_areas(const struct live_view *view, bool is_all, uint32_t frame,
                         struct buf *text)
{
    bool is_any = false;
    for (uint32_t i = 0; i < view->area_count; i++) {
        if (!is_all && view->area_frames[i] <= frame)
            continue;
        buf_printf(text, "%s[%" PRIu32 ",%" PRId32 "]", is_any ? "," : ",\"areas\":[", i,
                   view->areas[i]);
        is_any = true;
    }
    if (is_any)
        buf_append_char(text, ']');
}

static void append_seats(const struct live_view *view, struct buf *text)
{
    uint8_t packed[PACKED_CHUNK];
    size_t used = 0;
    for (uint32_t at = 0; at < view->seat_count; at += 4) {
        unsigned bits = 0;
        for (uint32_t i = 0; i < 4 && at + i < view->seat_count; i++)
            bits |= (unsigned)view->seats[at + i] << 2 * i;
        packed[used++] = (uint8_t)bits;
        if (used == sizeof(packed)) {
            base64_append(text, packed, used);
            used = 0;
        }
    }
    base64_append(text, packed, used);
}

static struct shared *make_frame(const struct live_view *view, const char *event, struct buf *text)
{
    char id[ID_MAX];
    struct shared *frame =
        text->overflow ? NULL : event_stream_frame(event, write_id(view, id), buf_str(text));
    buf_release(text);
    return frame;
}

struct shared *live_view_snapshot(struct live_view *view)
{
    struct buf text;
    if (view->snapshot)
        return shared_ref(view->snapshot);
    buf_init(&text, FRAME_BYTES_MAX);
    buf_printf(&text, "{\"version\":%" PRId64 ",\"map\":\"%s\",\"seats\":\"", view->version,
               view->map_version);
    append_seats(view, &text);
    buf_append_str(&text, STR("\""));
    append_areas(view, true, 0, &text);
    buf_append_str(&text, STR("}"));
    view->snapshot = make_frame(view, "snapshot", &text);
    return view->snapshot ? shared_ref(view->snapshot) : NULL;
}

/* About how large the snapshot is. */
static size_t snapshot_bytes(const struct live_view *view)
{
    return ENVELOPE_BYTES + (size_t)(view->seat_count + 11) / 12 * 4 +
           (size_t)view->area_count * AREA_TEXT_MAX;
}

struct shared *live_view_since(struct live_view *view, uint32_t frame)
{
    size_t bytes_max = snapshot_bytes(view);
    struct buf text;
    bool is_first = true;
    buf_init(&text, FRAME_BYTES_MAX);
    buf_printf(&text, "{\"version\":%" PRId64 ",\"changes\":[", view->version);
    for (uint32_t i = 0; i < view->seat_count && text.len <= bytes_max; i++) {
        if (view->seat_frames[i] <= frame)
            continue;
        buf_printf(&text, "%s[%" PRIu32 ",%u]", is_first ? "" : ",", i, (unsigned)view->seats[i]);
        is_first = false;
    }
    buf_append_str(&text, STR("]"));
    append_areas(view, false, frame, &text);
    buf_append_str(&text, STR("}"));
    if (text.len > bytes_max) {
        buf_release(&text);
        return live_view_snapshot(view);
    }
    return make_frame(view, "delta", &text);
}
