/*
 * Seat maps and seat states as bytes.
 *
 * The static map of a stadium is a megabyte of JSON, so it is rendered once, compressed once, and
 * handed out by reference. Rendered maps hang on their layout in a list that only grows: a reader
 * follows it without a lock, a renderer puts its map in front with one compare-and-swap. All events
 * on a plan share its map unless areas were added to them; the key of a map is a hash over the
 * event's areas. The version (and ETag) is made from venue, plan version and that key, so it is the
 * same on every node and after a restart.
 *
 * States are read from the model's atomics while they change: an answer is a snapshot per seat, not
 * of all seats, and its version is read first. A change that is missing from it has a higher
 * version; one that is in it and comes again does no harm.
 *
 * The only file that includes zlib's header.
 */
#include "tickets/seatmap.h"

#include "base/buf_internal.h"

#include "base/crypto.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define SEATMAP_BYTES_MAX   ((size_t)96 << 20)
#define SEATMAPS_MAX        32 /* on one layout */
#define GZIP_WINDOW_BITS    (15 + 16)
#define GZIP_LEVEL          6
#define GZIP_MEMORY_LEVEL   8
#define AREAS_TEXT_MAX      ((size_t)1 << 20)
#define COORDINATES_PER_ONE 100.0 /* maps are drawn to a hundredth of a unit */

/* --- Rendering --- */

static void put_coordinate(struct json_writer *writer, const char *name, double value)
{
    json_key(writer, name);
    json_f64(writer, round(value * COORDINATES_PER_ONE) / COORDINATES_PER_ONE);
}

static void put_section_id(struct json_writer *writer, const char *name, uint32_t section_no)
{
    if (section_no == SECTION_NONE)
        json_put_null(writer, name);
    else
        json_put_id(writer, name, "sec", section_no);
}

static void write_seat(struct json_writer *writer, const struct layout *layout, uint32_t seat_no)
{
    const struct layout_seat *seat = &layout->seats[seat_no];
    json_open_object(writer);
    json_put_str(writer, "id", seat->guid);
    json_put_str(writer, "label", seat->number);
    put_coordinate(writer, "x", seat->x);
    put_coordinate(writer, "y", seat->y);
    json_put_str(writer, "category", layout->categories[seat->category_no].name);
    if (seat->is_accessible)
        json_put_bool(writer, "accessible", true);
    json_close_object(writer);
}

/* Writes the row that begins at seat_no; returns the seat behind it. */
static uint32_t write_row(struct json_writer *writer, const struct layout *layout, uint32_t seat_no,
                          uint32_t end)
{
    struct str label = layout->seats[seat_no].row;
    json_open_object(writer);
    json_put_str(writer, "label", label);
    json_key(writer, "seats");
    json_open_array(writer);
    for (; seat_no < end && str_eq(layout->seats[seat_no].row, label); seat_no++)
        write_seat(writer, layout, seat_no);
    json_close_array(writer);
    json_close_object(writer);
    return seat_no;
}

static void write_section(struct json_writer *writer, const struct layout *layout,
                          uint32_t section_no)
{
    const struct layout_section *section = &layout->sections[section_no];
    json_open_object(writer);
    put_section_id(writer, "id", section_no);
    json_put_str(writer, "name", section->name);
    json_put_i64(writer, "seat_first", section->seat_first);
    json_put_i64(writer, "seat_count", section->seat_count);
    json_key(writer, "rows");
    json_open_array(writer);
    uint32_t end = section->seat_first + section->seat_count;
    for (uint32_t seat_no = section->seat_first; seat_no < end;)
        seat_no = write_row(writer, layout, seat_no, end);
    json_close_array(writer);
    json_close_object(writer);
}

static void write_categories(struct json_writer *writer, const struct layout *layout)
{
    json_key(writer, "categories");
    json_open_array(writer);
    for (uint32_t i = 0; i < layout->category_count; i++) {
        json_open_object(writer);
        json_put_str(writer, "name", layout->categories[i].name);
        json_put_str(writer, "color", layout->categories[i].color);
        json_close_object(writer);
    }
    json_close_array(writer);
}

/* The plan's area of that id, which knows the shape; NULL for one that was added to the event. */
static const struct layout_area *find_shape(const struct layout *layout, struct str guid)
{
    for (uint32_t i = 0; i < layout->area_count; i++) {
        if (str_eq(layout->areas[i].guid, guid))
            return &layout->areas[i];
    }
    return NULL;
}

static void write_area(struct json_writer *writer, const struct layout *layout,
                       const struct model_area *area)
{
    json_open_object(writer);
    json_put_str(writer, "id", area->guid);
    json_put_str(writer, "name", area->name);
    put_section_id(writer, "section_id", area->section_no);
    json_put_str(writer, "category", layout->categories[area->category_no].name);
    json_put_i64(writer, "capacity", area->capacity);
    const struct layout_area *shape = find_shape(layout, area->guid);
    if (shape) {
        put_coordinate(writer, "x", shape->x);
        put_coordinate(writer, "y", shape->y);
        put_coordinate(writer, "width", shape->width);
        put_coordinate(writer, "height", shape->height);
    }
    json_close_object(writer);
}

static void write_areas(struct json_writer *writer, const struct event_model *model)
{
    json_open_array(writer);
    for (uint32_t i = 0; i < model->area_count; i++)
        write_area(writer, model->layout, &model->areas[i]);
    json_close_array(writer);
}

static void write_map(const struct event_model *model, const char *version, struct buf *buf)
{
    const struct layout *layout = model->layout;
    struct json_writer writer;
    json_begin(&writer, buf);
    json_open_object(&writer);
    json_put_str(&writer, "version", str_from_c(version));
    json_put_id(&writer, "venue_id", "ven", layout->venue_id);
    json_key(&writer, "size");
    json_open_object(&writer);
    put_coordinate(&writer, "width", layout->width);
    put_coordinate(&writer, "height", layout->height);
    json_close_object(&writer);
    json_put_i64(&writer, "seat_count", layout->seat_count);
    write_categories(&writer, layout);
    json_key(&writer, "sections");
    json_open_array(&writer);
    for (uint32_t i = 0; i < layout->section_count; i++)
        write_section(&writer, layout, i);
    json_close_array(&writer);
    json_key(&writer, "areas");
    write_areas(&writer, model);
    json_close_object(&writer);
}

/* --- Keeping --- */

/* ERR_NOMEM: a key over less than all areas would be another map's. */
static enum err make_key(const struct event_model *model, uint8_t ret_key[static SEATMAP_KEY_SIZE])
{
    struct buf areas;
    uint8_t hash[SHA256_SIZE];
    memset(ret_key, 0, SEATMAP_KEY_SIZE);
    if (model->area_count == 0)
        return ERR_OK;
    buf_init(&areas, AREAS_TEXT_MAX);
    struct json_writer writer;
    json_begin(&writer, &areas);
    write_areas(&writer, model);
    crypto_sha256(buf_str(&areas), hash);
    memcpy(ret_key, hash, SEATMAP_KEY_SIZE);
    bool is_starved = areas.is_starved;
    buf_release(&areas);
    return is_starved ? ERR_NOMEM : ERR_OK;
}

static void make_version(const struct layout *layout, const uint8_t *key, char *ret_version)
{
    uint32_t areas =
        (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
    (void)snprintf(ret_version, SEATMAP_VERSION_SIZE, "%" PRIx64 "-%" PRIx64 "-%" PRIx32,
                   layout->venue_id, (uint64_t)layout->plan_version,
                   areas); /* 16 + 16 - never that large - + 8 + 2 */
}

enum err seatmap_version(const struct event_model *model,
                         char ret_version[static SEATMAP_VERSION_SIZE])
{
    uint8_t key[SEATMAP_KEY_SIZE];
    enum err err = make_key(model, key);
    if (!err)
        make_version(model->layout, key, ret_version);
    return err;
}

static struct seatmap *find(struct seatmap *first, const uint8_t *key, size_t *ret_count)
{
    *ret_count = 0;
    for (struct seatmap *map = first; map; map = map->next, (*ret_count)++) {
        if (memcmp(map->key, key, SEATMAP_KEY_SIZE) == 0)
            return map;
    }
    return NULL;
}

const struct seatmap *seatmap_get(const struct event_model *model)
{
    uint8_t key[SEATMAP_KEY_SIZE];
    size_t count;
    if (make_key(model, key))
        return NULL;
    return find(atomic_load(&model->layout->seatmaps), key, &count);
}

static void seatmap_free(struct seatmap *map)
{
    buf_release(&map->json);
    buf_release(&map->gzip);
    free(map);
}

void seatmap_free_all(struct seatmap *seatmap)
{
    while (seatmap) {
        struct seatmap *next = seatmap->next;
        seatmap_free(seatmap);
        seatmap = next;
    }
}

/* Without a compressed form the plain one is sent: never a reason to fail. */
static void compress_map(struct seatmap *map)
{
    z_stream stream = {0};
    if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    size_t bound = deflateBound(&stream, map->json.len);
    char *out = malloc(bound);
    stream.next_in = (Bytef *)map->json.data;
    stream.avail_in = (uInt)map->json.len;
    stream.next_out = (Bytef *)out;
    stream.avail_out = (uInt)bound;
    if (out && deflate(&stream, Z_FINISH) == Z_STREAM_END)
        buf_append(&map->gzip, out, stream.total_out);
    (void)deflateEnd(&stream); /* frees; its status only repeats deflate's */
    free(out);
}

static struct seatmap *render(const struct event_model *model, const uint8_t *key)
{
    struct seatmap *map = calloc(1, sizeof(*map));
    if (!map)
        return NULL;
    memcpy(map->key, key, SEATMAP_KEY_SIZE);
    make_version(model->layout, key, map->version);
    buf_init(&map->json, SEATMAP_BYTES_MAX);
    buf_init(&map->gzip, SEATMAP_BYTES_MAX);
    write_map(model, map->version, &map->json);
    if (map->json.overflow) {
        seatmap_free(map);
        return NULL;
    }
    compress_map(map);
    return map;
}

/* Puts a map in front of the list, unless somebody else was faster: then his is used. */
static struct seatmap *keep(struct layout *layout, struct seatmap *made)
{
    struct seatmap *map;
    size_t count;
    struct seatmap *first = atomic_load(&layout->seatmaps);
    do {
        map = find(first, made->key, &count);
        made->next = first;
    } while (!map && !atomic_compare_exchange_weak(&layout->seatmaps, &first, made));
    if (!map)
        return made;
    seatmap_free(made);
    return map;
}

enum err seatmap_render(const struct event_model *model, struct seatmap **ret_map,
                        bool *ret_is_kept)
{
    struct layout *layout = model->layout;
    uint8_t key[SEATMAP_KEY_SIZE];
    size_t count;
    enum err err = make_key(model, key);
    if (err)
        return err;
    struct seatmap *map = find(atomic_load(&layout->seatmaps), key, &count);
    *ret_is_kept = map || count < SEATMAPS_MAX;
    if (!map) {
        map = render(model, key);
        if (!map)
            return ERR_NOMEM;
        if (*ret_is_kept)
            map = keep(layout, map);
    }
    *ret_map = map;
    return ERR_OK;
}

/* --- States --- */

enum seat_state seatmap_seat_state(const struct event_model *model, uint32_t seat_no)
{
    if (model->prices[model->layout->seat_categories[seat_no]] == PRICE_NONE)
        return SEAT_BLOCKED;
    return (enum seat_state)atomic_load_explicit(&model->seats[seat_no], memory_order_acquire);
}

/* Seats of a section that have a price. */
static int64_t section_total(const struct event_model *model, uint32_t section_no)
{
    const struct layout *layout = model->layout;
    const uint32_t *seats = layout->section_seats + (size_t)section_no * layout->category_count;
    int64_t total = 0;
    for (uint32_t i = 0; i < layout->category_count; i++)
        total += model->prices[i] == PRICE_NONE ? 0 : seats[i];
    return total;
}

void seatmap_availability_json(const struct event_model *model, struct buf *body)
{
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_i64(&writer, "version", atomic_load(&model->version));
    json_key(&writer, "sections");
    json_open_array(&writer);
    for (uint32_t i = 0; i < model->layout->section_count; i++) {
        json_open_object(&writer);
        put_section_id(&writer, "id", i);
        json_put_i64(&writer, "available", atomic_load(&model->section_available[i]));
        json_put_i64(&writer, "total", section_total(model, i));
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_key(&writer, "areas");
    json_open_array(&writer);
    for (uint32_t i = 0; i < model->area_count; i++) {
        json_open_object(&writer);
        json_put_str(&writer, "id", model->areas[i].guid);
        json_put_i64(&writer, "available", atomic_load(&model->area_available[i]));
        json_put_i64(&writer, "total", model->areas[i].capacity);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
}

void seatmap_seats_json(const struct event_model *model, uint32_t seat_first, uint32_t seat_end,
                        struct buf *body)
{
    static const struct str names[] = {
        [SEAT_FREE] = STR("available"),
        [SEAT_HELD] = STR("held"),
        [SEAT_BOOKED] = STR("booked"),
        [SEAT_BLOCKED] = STR("blocked"),
    };
    struct json_writer writer;
    json_begin(&writer, body);
    json_open_object(&writer);
    json_put_i64(&writer, "version", atomic_load(&model->version));
    json_key(&writer, "seats");
    json_open_array(&writer);
    for (uint32_t i = seat_first; i < seat_end; i++) {
        json_open_object(&writer);
        json_put_str(&writer, "id", model->layout->seats[i].guid);
        json_put_str(&writer, "status", names[seatmap_seat_state(model, i)]);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
}

/* Every category has a price: a seat's byte is its state for buyers, too. */
static bool all_have_prices(const struct event_model *model)
{
    for (uint32_t i = 0; i < model->layout->category_count; i++)
        if (model->prices[i] == PRICE_NONE)
            return false;
    return true;
}

static unsigned state_bits(const struct event_model *model, uint32_t seat_no, bool is_plain)
{
    return is_plain ? atomic_load_explicit(&model->seats[seat_no], memory_order_acquire)
                    : (unsigned)seatmap_seat_state(model, seat_no);
}

void seatmap_seats_bits(const struct event_model *model, uint32_t seat_first, uint32_t seat_end,
                        struct buf *body)
{
    bool is_plain = all_have_prices(model);
    size_t len = ((size_t)seat_end - seat_first + 3) / 4;
    char *out = buf_reserve(body, len);
    if (!out)
        return;
    uint32_t at = seat_first;
    for (; at + 4 <= seat_end; at += 4)
        *out++ = (char)(state_bits(model, at, is_plain) | state_bits(model, at + 1, is_plain) << 2 |
                        state_bits(model, at + 2, is_plain) << 4 |
                        state_bits(model, at + 3, is_plain) << 6);
    if (at < seat_end) {
        unsigned last = 0;
        for (unsigned shift = 0; at < seat_end; at++, shift += 2)
            last |= state_bits(model, at, is_plain) << shift;
        *out = (char)last;
    }
    body->len += len;
}

/* --- Kept --- */

#define KEPT_BYTES_MAX ((size_t)1 << 20)

static void write_all_bits(const struct event_model *model, struct buf *body)
{
    seatmap_seats_bits(model, 0, model->layout->seat_count, body);
}

static struct kept_answer *kept(struct event_model *model, struct kept_slot *slot,
                                void (*write)(const struct event_model *model, struct buf *body))
{
    uint64_t state = atomic_load_explicit(&model->changes, memory_order_acquire);
    struct kept_answer *answer = kept_slot_get(slot, state);
    if (answer)
        return answer;
    answer = kept_answer_new(state, KEPT_BYTES_MAX);
    if (!answer)
        return NULL;
    write(model, &answer->body);
    if (answer->body.overflow) {
        kept_answer_unref(answer);
        return NULL;
    }
    kept_slot_put(slot, answer);
    return answer;
}

struct kept_answer *seatmap_availability(struct event_model *model)
{
    return kept(model, &model->kept_availability, seatmap_availability_json);
}

struct kept_answer *seatmap_all_bits(struct event_model *model)
{
    return kept(model, &model->kept_bits, write_all_bits);
}
