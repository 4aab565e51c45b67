/*
 * An oval bowl: rings of rows around the floor, cut into sectors, in three tiers with a gangway
 * between them. The number of rings follows from the number of seats, the seats of a ring from its
 * radius; the last ring holds what is left over. Units are a twentieth of a metre, so seats are ten
 * apart, and all coordinates are whole numbers to keep the file small.
 */
#include "tickets/venue_generate.h"

#include "base/json.h"
#include "tickets/limits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SEAT_SPACING   10.0
#define ROW_SPACING    16.0
#define TIER_GAP       48.0
#define STRETCH        1.3  /* width to height */
#define SECTOR_FILL    0.93 /* the rest of a sector's arc is an aisle */
#define RADIUS_MIN     160.0
#define RINGS_MAX      512
#define TIERS          3
#define JSON_BYTES_MAX ((size_t)128 << 20)

struct ring {
    double radius;
    uint32_t seats; /* in each full sector */
    uint32_t total; /* seats of all sectors; less than seats * sectors in the last ring */
    unsigned tier;
    unsigned row; /* within the tier, from 0 */
};

struct bowl {
    unsigned sectors;
    size_t ring_count;
    double center_x, center_y;
    struct ring rings[RINGS_MAX];
};

static const struct {
    const char *name, *color;
} categories[] = {{"Front", "#c0392b"},
                  {"Lower", "#e67e22"},
                  {"Club", "#8e44ad"},
                  {"Upper", "#2980b9"},
                  {"Floor", "#27ae60"}};
enum {
    CATEGORY_FRONT,
    CATEGORY_LOWER,
    CATEGORY_CLUB,
    CATEGORY_UPPER,
    CATEGORY_FLOOR
};

static unsigned tier_of(size_t ring, size_t rings)
{
    return ring * 10 < rings * 4 ? 0 : ring * 10 < rings * 6 ? 1 : 2;
}

/* Rings from the inside out until all seats are placed. */
static void plan_rings(struct bowl *bowl, uint32_t seats)
{
    double wanted = fmax(3, sqrt(seats) / 3.2);
    double middle = seats / wanted * SEAT_SPACING / (SECTOR_FILL * 2 * M_PI);
    double radius = fmax(RADIUS_MIN, middle - wanted / 2 * ROW_SPACING);
    uint32_t left = seats;
    for (size_t i = 0; left > 0 && i < RINGS_MAX; i++) {
        struct ring *ring = &bowl->rings[i];
        ring->tier = tier_of(i, (size_t)wanted);
        bool is_new_tier = i > 0 && ring->tier != bowl->rings[i - 1].tier;
        ring->row = i == 0 || is_new_tier ? 0 : bowl->rings[i - 1].row + 1;
        radius += i == 0 ? 0 : is_new_tier ? ROW_SPACING + TIER_GAP : ROW_SPACING;
        ring->radius = radius;
        ring->seats = (uint32_t)(2 * M_PI * radius / bowl->sectors * SECTOR_FILL / SEAT_SPACING);
        ring->total = ring->seats * bowl->sectors < left ? ring->seats * bowl->sectors : left;
        left -= ring->total;
        bowl->ring_count = i + 1;
    }
    bowl->rings[bowl->ring_count - 1].total +=
        left; /* none: RINGS_MAX rings hold more than PLAN_SEATS_MAX */
    bowl->center_x = ceil((radius + 2 * ROW_SPACING) * STRETCH);
    bowl->center_y = ceil(radius + 2 * ROW_SPACING);
}

static uint32_t seats_in_sector(const struct ring *ring, unsigned sector)
{
    uint32_t before = ring->seats * sector;
    if (ring->total <= before)
        return 0;
    return ring->total - before < ring->seats ? ring->total - before : ring->seats;
}

struct spot {
    int64_t x, y;
};

static struct spot seat_spot(const struct bowl *bowl, const struct ring *ring, unsigned sector,
                             uint32_t seat)
{
    double arc = 2 * M_PI / bowl->sectors;
    double angle =
        arc * (sector + (1 - SECTOR_FILL) / 2) + arc * SECTOR_FILL * (seat + 0.5) / ring->seats;
    return (struct spot){llround(bowl->center_x + STRETCH * ring->radius * cos(angle)),
                         llround(bowl->center_y + ring->radius * sin(angle))};
}

static void put_position(struct json_writer *writer, int64_t x, int64_t y)
{
    json_key(writer, "position");
    json_open_object(writer);
    json_put_i64(writer, "x", x);
    json_put_i64(writer, "y", y);
    json_close_object(writer);
}

__attribute__((format(printf, 3, 4))) static void
put_text(struct json_writer *writer, const char *name, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_put_str(writer, name,
                 str_from(text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1));
}

static const char *category_of(const struct bowl *bowl, const struct ring *ring)
{
    if (ring->tier == 0 && (size_t)ring->row * 10 < bowl->ring_count)
        return categories[CATEGORY_FRONT].name;
    return categories[CATEGORY_LOWER + ring->tier].name;
}

static void put_seats(struct json_writer *writer, const struct bowl *bowl, const struct ring *ring,
                      unsigned sector)
{
    unsigned section = (ring->tier + 1) * 100 + sector + 1;
    uint32_t count = seats_in_sector(ring, sector);
    struct spot first = seat_spot(bowl, ring, sector, 0);
    bool is_accessible_row = ring->row == 0 && ring->tier > 0; /* on the gangway */
    json_key(writer, "seats");
    json_open_array(writer);
    for (uint32_t seat = 0; seat < count; seat++) {
        struct spot spot = seat_spot(bowl, ring, sector, seat);
        json_open_object(writer);
        put_text(writer, "seat_guid", "%u-%u-%" PRIu32, section, ring->row + 1, seat + 1);
        put_text(writer, "seat_number", "%" PRIu32, seat + 1);
        put_position(writer, spot.x - first.x, spot.y - first.y);
        json_put_str(writer, "category", str_from_c(category_of(bowl, ring)));
        if (is_accessible_row && (seat < 2 || seat + 2 >= count))
            json_put_bool(writer, "is_accessible", true);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static void put_row(struct json_writer *writer, const struct bowl *bowl, const struct ring *ring,
                    unsigned sector)
{
    struct spot first = seat_spot(bowl, ring, sector, 0);
    json_open_object(writer);
    put_text(writer, "row_number", "%u", ring->row + 1);
    put_position(writer, first.x - (int64_t)bowl->center_x, first.y - (int64_t)bowl->center_y);
    put_seats(writer, bowl, ring, sector);
    json_close_object(writer);
}

static bool has_seats(const struct bowl *bowl, unsigned tier, unsigned sector)
{
    for (size_t i = 0; i < bowl->ring_count; i++) {
        if (bowl->rings[i].tier == tier && seats_in_sector(&bowl->rings[i], sector) > 0)
            return true;
    }
    return false;
}

static void put_zone(struct json_writer *writer, const struct bowl *bowl, unsigned tier,
                     unsigned sector)
{
    json_open_object(writer);
    put_text(writer, "name", "Section %u", (tier + 1) * 100 + sector + 1);
    put_position(writer, (int64_t)bowl->center_x, (int64_t)bowl->center_y);
    json_key(writer, "rows");
    json_open_array(writer);
    for (size_t i = 0; i < bowl->ring_count; i++) {
        if (bowl->rings[i].tier == tier && seats_in_sector(&bowl->rings[i], sector) > 0)
            put_row(writer, bowl, &bowl->rings[i], sector);
    }
    json_close_array(writer);
    json_close_object(writer);
}

/* The floor inside the first ring. */
static void put_floor(struct json_writer *writer, const struct bowl *bowl, uint32_t capacity)
{
    double radius = bowl->ring_count > 0 ? bowl->rings[0].radius : RADIUS_MIN;
    int64_t height = llround(radius * 1.1), width = llround(radius * 1.1 * STRETCH);
    json_open_object(writer);
    put_text(writer, "name", "Floor");
    put_position(writer, (int64_t)bowl->center_x, (int64_t)bowl->center_y);
    json_key(writer, "rows");
    json_open_array(writer);
    json_close_array(writer);
    json_key(writer, "areas");
    json_open_array(writer);
    json_open_object(writer);
    put_text(writer, "guid", "floor");
    put_text(writer, "name", "Floor");
    json_put_i64(writer, "capacity", capacity);
    json_put_str(writer, "category", str_from_c(categories[CATEGORY_FLOOR].name));
    put_position(writer, -width / 2, -height / 2);
    json_key(writer, "rectangle");
    json_open_object(writer);
    json_put_i64(writer, "width", width);
    json_put_i64(writer, "height", height);
    json_close_object(writer);
    json_close_object(writer);
    json_close_array(writer);
    json_close_object(writer);
}

static void put_head(struct json_writer *writer, const struct bowl *bowl,
                     const struct venue_generate_options *options)
{
    put_text(writer, "name", "Arena, %" PRIu32 " seats", options->seats);
    json_key(writer, "size");
    json_open_object(writer);
    json_put_i64(writer, "width", (int64_t)(2 * bowl->center_x));
    json_put_i64(writer, "height", (int64_t)(2 * bowl->center_y));
    json_close_object(writer);
    json_key(writer, "categories");
    json_open_array(writer);
    size_t count = sizeof(categories) / sizeof(categories[0]) - (options->floor_capacity == 0);
    for (size_t i = 0; i < count; i++) {
        json_open_object(writer);
        json_put_str(writer, "name", str_from_c(categories[i].name));
        json_put_str(writer, "color", str_from_c(categories[i].color));
        json_close_object(writer);
    }
    json_close_array(writer);
}

static void put_plan(struct json_writer *writer, const struct bowl *bowl,
                     const struct venue_generate_options *options)
{
    json_open_object(writer);
    put_head(writer, bowl, options);
    json_key(writer, "zones");
    json_open_array(writer);
    for (unsigned tier = 0; tier < TIERS; tier++) {
        for (unsigned sector = 0; sector < bowl->sectors; sector++) {
            if (has_seats(bowl, tier, sector))
                put_zone(writer, bowl, tier, sector);
        }
    }
    if (options->floor_capacity > 0)
        put_floor(writer, bowl, options->floor_capacity);
    json_close_array(writer);
    json_close_object(writer);
}

enum err venue_generate(const struct venue_generate_options *options, struct buf *json)
{
    bool is_fit = options->seats <= PLAN_SEATS_MAX && options->floor_capacity <= AREA_CAPACITY_MAX;
    if (!is_fit || options->seats + options->floor_capacity == 0)
        return ERR_INVALID;
    struct bowl *bowl = calloc(1, sizeof(*bowl));
    if (!bowl)
        return ERR_NOMEM;
    uint32_t sectors = options->seats / 400;
    bowl->sectors = sectors < 4 ? 4 : sectors > 40 ? 40 : sectors;
    if (options->seats > 0) {
        plan_rings(bowl, options->seats);
    } else {
        bowl->center_x = 2 * RADIUS_MIN * STRETCH;
        bowl->center_y = 2 * RADIUS_MIN;
    }
    struct json_writer writer;
    json_begin(&writer, json);
    put_plan(&writer, bowl, options);
    free(bowl);
    return json->overflow ? ERR_LIMIT : ERR_OK;
}

/* --- The subcommand --- */

static int usage(void)
{
    fprintf(
        stderr,
        "usage: foyer venue generate --seats N [--floor N] --out FILE\n"
        "  seats at most %d, standing places on the floor at most %d; FILE - is standard output\n",
        PLAN_SEATS_MAX, AREA_CAPACITY_MAX);
    return 2;
}

static bool read_count(const char *text, uint32_t *ret_count)
{
    int64_t value;
    if (str_to_i64(str_from_c(text), &value) != ERR_OK || value < 0 || value > INT32_MAX)
        return false;
    *ret_count = (uint32_t)value;
    return true;
}

static bool write_file(const char *path, struct str text)
{
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "w");
    if (!file)
        return false;
    bool is_written = fwrite(text.data, 1, text.len, file) == text.len;
    is_written = (is_stdout ? fflush(file) : fclose(file)) == 0 && is_written;
    return is_written;
}

int venue_generate_main(int argc, char *const *argv)
{
    struct venue_generate_options options = {0};
    const char *path = NULL;
    if (argc < 1 || strcmp(argv[0], "generate") != 0)
        return usage();
    for (int i = 1; i + 1 < argc; i += 2) {
        bool is_known = true;
        if (strcmp(argv[i], "--seats") == 0)
            is_known = read_count(argv[i + 1], &options.seats);
        else if (strcmp(argv[i], "--floor") == 0)
            is_known = read_count(argv[i + 1], &options.floor_capacity);
        else if (strcmp(argv[i], "--out") == 0)
            path = argv[i + 1];
        else
            is_known = false;
        if (!is_known)
            return usage();
    }
    if (!path || argc % 2 == 0)
        return usage();
    struct buf json;
    buf_init(&json, JSON_BYTES_MAX);
    enum err err = venue_generate(&options, &json);
    bool is_written = err == ERR_OK && write_file(path, buf_str(&json));
    buf_release(&json);
    if (err == ERR_INVALID)
        return usage();
    if (!is_written)
        fprintf(stderr, "foyer: cannot write %s\n", path);
    return is_written ? 0 : 1;
}
