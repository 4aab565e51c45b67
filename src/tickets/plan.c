/*
 * Seating plans: {name, size:{width,height}, focal_point?:{x,y}, categories:[{name, color,
 * focal_point?}], zones:[{name, position,
 * rows:[{row_number, position, seats:[{seat_guid, seat_number, position, category,
 * is_accessible?}]}], areas:[...]}]}.
 *
 * A zone becomes a section. Positions add up from zone to row to seat. An area is a
 * general-admission area when it has a capacity ({guid?, name?, capacity, category, position,
 * rectangle:{width,height}}); other areas are decoration of a drawing and left out, as are members
 * that this format doesn't know: plans come from drawing programs that keep their own notes in
 * them.
 *
 * Two passes: the first counts seats and areas whatever their validity, so that the arrays are made
 * once in their final size; the second reads and checks. The walk goes on after an error, for a
 * list of errors is worth more than the first.
 */
#include "tickets/plan.h"

#include "tickets/limits.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define PATH_SIZE     192
#define COLOR_DEFAULT STR("#7f8c8d")

struct point {
    double x, y;
};

/* Where the reader stands: the indexes that make a path. -1: not inside one. */
struct place {
    int zone, row, seat, area;
};

struct reader {
    struct arena *arena;
    struct field_errors *errors;
    const char *prefix;
    struct plan *plan;
    struct map guids; /* str_hash to index in places, plus 1 */
    struct guid_place {
        struct str guid;
        struct place place;
    } * places;
    size_t place_count;
    bool is_valid;
};

static const struct place NOWHERE = {-1, -1, -1, -1};

/* Items of an array; 0 for anything else. */
static size_t list_count(const struct json_node *node)
{
    return json_is_array(node) ? json_count(node) : 0;
}

static void write_path(char path[static PATH_SIZE], struct place place, const char *member)
{
    int len = 0;
    path[0] = '\0';
    if (place.zone >= 0)
        len += snprintf(path, PATH_SIZE, "zones[%d]", place.zone);
    if (place.row >= 0)
        len += snprintf(path + len, PATH_SIZE - len, ".rows[%d]", place.row);
    if (place.seat >= 0)
        len += snprintf(path + len, PATH_SIZE - len, ".seats[%d]", place.seat);
    if (place.area >= 0)
        len += snprintf(path + len, PATH_SIZE - len, ".areas[%d]", place.area);
    if (member[0])
        (void)snprintf(path + len, PATH_SIZE - len, "%s%s", len ? "." : "", member);
}

__attribute__((format(printf, 4, 5))) static void
refuse(struct reader *reader, struct place place, const char *member, const char *format, ...)
{
    reader->is_valid = false;
    if (reader->errors->count >= FIELD_ERRORS_MAX)
        return;
    char path[PATH_SIZE];
    write_path(path, place, member);
    va_list args;
    va_start(args, format);
    struct str message = arena_vprintf(reader->arena, format, args);
    va_end(args);
    struct str field =
        arena_printf(reader->arena, "%s%s%s", reader->prefix, path[0] ? "." : "", path);
    if (field.data)
        field_errors_add(reader->errors, field.data, "%.*s", STR_ARG(message));
}

/* A text member; integers are taken as text, for rows and seats are often numbered. */
static bool read_text(struct reader *reader, struct place place, const struct json_node *object,
                      const char *member, size_t min, struct str *ret_text)
{
    const struct json_node *node = json_get(object, member);
    int64_t number;
    if (json_as_i64(node, &number))
        *ret_text = arena_printf(reader->arena, "%" PRId64, number);
    else if (!json_as_str(node, ret_text)) {
        refuse(reader, place, member, node ? "must be a string" : "is required");
        return false;
    }
    if (ret_text->len < min || ret_text->len > PLAN_NAME_MAX) {
        refuse(reader, place, member, "must have %zu to %d bytes", min, PLAN_NAME_MAX);
        return false;
    }
    if (!str_is_printable(*ret_text)) {
        refuse(reader, place, member, "must not have control characters");
        return false;
    }
    return true;
}

/* object.member.name as a number from min to PLAN_COORDINATE_MAX. */
static bool read_number(struct reader *reader, struct place place, const struct json_node *object,
                        const char *path, const char *name, double min, double *ret_value)
{
    char member[64];
    (void)snprintf(member, sizeof(member), "%s.%s", path, name); /* all names are short */
    const struct json_node *node = json_get(object, name);
    double value;
    if (!json_as_f64(node, &value)) {
        refuse(reader, place, member, node ? "must be a number" : "is required");
        return false;
    }
    if (!isfinite(value) || value < min || value > PLAN_COORDINATE_MAX) {
        refuse(reader, place, member, "must be %.0f to %.0f", min, PLAN_COORDINATE_MAX);
        return false;
    }
    *ret_value = value;
    return true;
}

static bool read_pair(struct reader *reader, struct place place, const struct json_node *object,
                      const char *member, const char *const names[static 2], double min,
                      struct point *ret_point)
{
    const struct json_node *node = json_get(object, member);
    if (!json_is_object(node)) {
        refuse(reader, place, member, node ? "must be an object" : "is required");
        return false;
    }
    bool has_x = read_number(reader, place, node, member, names[0], min, &ret_point->x);
    return read_number(reader, place, node, member, names[1], min, &ret_point->y) && has_x;
}

static const char *const POSITION[] = {"x", "y"};
static const char *const SIZE[] = {"width", "height"};

/* The position of something, added to that of what it lies in. */
static struct point read_position(struct reader *reader, struct place place,
                                  const struct json_node *object, struct point origin)
{
    struct point point = {0, 0};
    (void)read_pair(reader, place, object, "position", POSITION, -PLAN_COORDINATE_MAX,
                    &point); /* an error is on the list; (0, 0) stands in */
    return (struct point){origin.x + point.x, origin.y + point.y};
}

static bool find_category(const struct plan *plan, struct str name, uint32_t *ret_no)
{
    for (uint32_t i = 0; i < plan->category_count; i++) {
        if (str_eq(plan->categories[i].name, name)) {
            *ret_no = i;
            return true;
        }
    }
    return false;
}

static void read_category_of(struct reader *reader, struct place place,
                             const struct json_node *object, uint32_t *ret_no)
{
    struct str name;
    if (!read_text(reader, place, object, "category", 1, &name))
        return;
    if (!find_category(reader->plan, name, ret_no))
        refuse(reader, place, "category", "no category \"%.*s\" in categories", STR_ARG(name));
}

/* Every id of a seat or an area is unique in the plan. A clash of 64-bit keyed hashes is not to be
 * expected; both would be taken then. */
static void note_guid(struct reader *reader, struct place place, const char *member,
                      struct str guid)
{
    uintptr_t index;
    uint64_t hash = str_hash(guid);
    if (map_get(&reader->guids, hash, &index)) {
        struct guid_place *first = &reader->places[index - 1];
        char path[PATH_SIZE];
        write_path(path, first->place, first->place.seat >= 0 ? "seat_guid" : "guid");
        if (str_eq(first->guid, guid))
            refuse(reader, place, member, "duplicate of %s", path);
        return;
    }
    reader->places[reader->place_count++] = (struct guid_place){guid, place};
    if (map_put(&reader->guids, hash, reader->place_count) != ERR_OK)
        reader->arena->overflow = true; /* out of memory: reported at the end */
}

static bool check_guid(struct reader *reader, struct place place, const char *member,
                       struct str guid)
{
    bool is_fit = guid.len >= 1 && guid.len <= PLAN_GUID_MAX && str_is_printable(guid);
    if (!is_fit)
        refuse(reader, place, member, "must have 1 to %d bytes, no control characters",
               PLAN_GUID_MAX);
    return is_fit;
}

static void read_guid(struct reader *reader, struct place place, const struct json_node *object,
                      struct str *ret_guid)
{
    const struct json_node *node = json_get(object, "seat_guid");
    if (!json_as_str(node, ret_guid)) {
        refuse(reader, place, "seat_guid", node ? "must be a string" : "is required");
        return;
    }
    if (check_guid(reader, place, "seat_guid", *ret_guid))
        note_guid(reader, place, "seat_guid", *ret_guid);
}

static void read_accessible(struct reader *reader, struct place place,
                            const struct json_node *object, bool *ret_is_accessible)
{
    const struct json_node *node = json_get(object, "is_accessible");
    if (node && !json_is_null_node(node) && !json_as_bool(node, ret_is_accessible))
        refuse(reader, place, "is_accessible", "must be true or false");
}

static void read_seat(struct reader *reader, struct place place, const struct json_node *object,
                      struct point origin, struct str row)
{
    struct plan *plan = reader->plan;
    struct layout_seat *seat = &plan->seats[plan->seat_count++];
    if (!json_is_object(object)) {
        refuse(reader, place, "", "must be an object");
        return;
    }
    seat->row = row;
    seat->section_no = plan->section_count - 1;
    read_guid(reader, place, object, &seat->guid);
    (void)read_text(reader, place, object, "seat_number", 1, &seat->number); /* on the list */
    read_category_of(reader, place, object, &seat->category_no);
    read_accessible(reader, place, object, &seat->is_accessible);
    struct point at = read_position(reader, place, object, origin);
    seat->x = (float)at.x;
    seat->y = (float)at.y;
}

static void read_row(struct reader *reader, struct place place, const struct json_node *object,
                     struct point origin)
{
    struct str label = STR("");
    if (!json_is_object(object)) {
        refuse(reader, place, "", "must be an object");
        return;
    }
    (void)read_text(reader, place, object, "row_number", 0, &label); /* on the list */
    struct point at = read_position(reader, place, object, origin);
    const struct json_node *seats = json_get(object, "seats");
    if (!json_is_array(seats))
        refuse(reader, place, "seats", seats ? "must be an array" : "is required");
    for (size_t i = 0; i < list_count(seats); i++) {
        place.seat = (int)i;
        read_seat(reader, place, json_at(seats, i), at, label);
    }
}

static bool is_admission_area(const struct json_node *object)
{
    return !json_is_object(object) || json_get(object, "capacity");
}

/* The member that names an area, by either of its names; without one it is made from its place. */
static struct str area_guid(struct reader *reader, struct place place,
                            const struct json_node *object, const char **ret_member)
{
    static const char *const names[] = {"guid", "uuid"};
    struct str guid;
    for (size_t i = 0; i < 2; i++) {
        const struct json_node *node = json_get(object, names[i]);
        *ret_member = names[i];
        if (json_as_str(node, &guid))
            return guid;
        if (node && !json_is_null_node(node))
            refuse(reader, place, names[i], "must be a string");
    }
    return arena_printf(reader->arena, "area-%d-%d", place.zone + 1, place.area + 1);
}

static void read_area_shape(struct reader *reader, struct place place,
                            const struct json_node *object, struct layout_area *area)
{
    struct point size = {0, 0};
    const char *member = json_get(object, "rectangle") ? "rectangle" : "size";
    if (json_get(object, member))
        (void)read_pair(reader, place, object, member, SIZE, 0, &size); /* on the list */
    area->width = (float)size.x;
    area->height = (float)size.y;
}

static void read_area_capacity(struct reader *reader, struct place place,
                               const struct json_node *object, uint32_t *ret_capacity)
{
    int64_t capacity = 0;
    if (!json_as_i64(json_get(object, "capacity"), &capacity) || capacity < 1 ||
        capacity > AREA_CAPACITY_MAX)
        refuse(reader, place, "capacity", "must be an integer, 1 to %d", AREA_CAPACITY_MAX);
    *ret_capacity = (uint32_t)capacity;
}

static void read_area(struct reader *reader, struct place place, const struct json_node *object,
                      struct point origin)
{
    struct plan *plan = reader->plan;
    if (!json_is_object(object)) {
        refuse(reader, place, "", "must be an object");
        return;
    }
    struct layout_area *area = &plan->areas[plan->area_count++];
    const char *member;
    area->guid = area_guid(reader, place, object, &member);
    if (check_guid(reader, place, member, area->guid))
        note_guid(reader, place, member, area->guid);
    area->section_no = plan->section_count - 1;
    area->name = plan->sections[area->section_no].name;
    if (json_get(object, "name"))
        (void)read_text(reader, place, object, "name", 1, &area->name); /* on the list */
    read_area_capacity(reader, place, object, &area->capacity);
    read_category_of(reader, place, object, &area->category_no);
    read_area_shape(reader, place, object, area);
    struct point at = read_position(reader, place, object, origin);
    area->x = (float)at.x;
    area->y = (float)at.y;
}

static void read_areas(struct reader *reader, struct place place, const struct json_node *zone,
                       struct point origin)
{
    const struct json_node *areas = json_get(zone, "areas");
    if (areas && !json_is_null_node(areas) && !json_is_array(areas))
        refuse(reader, place, "areas", "must be an array");
    for (size_t i = 0; i < list_count(areas); i++) {
        place.area = (int)i;
        if (is_admission_area(json_at(areas, i)))
            read_area(reader, place, json_at(areas, i), origin);
    }
}

static void read_zone(struct reader *reader, struct place place, const struct json_node *object)
{
    struct plan *plan = reader->plan;
    struct layout_section *section = &plan->sections[plan->section_count++];
    section->seat_first = plan->seat_count;
    if (!json_is_object(object)) {
        refuse(reader, place, "", "must be an object");
        return;
    }
    (void)read_text(reader, place, object, "name", 1, &section->name); /* on the list */
    struct point at = read_position(reader, place, object, (struct point){0, 0});
    const struct json_node *rows = json_get(object, "rows");
    if (rows && !json_is_array(rows))
        refuse(reader, place, "rows", "must be an array");
    for (size_t i = 0; i < list_count(rows); i++) {
        struct place row = place;
        row.row = (int)i;
        read_row(reader, row, json_at(rows, i), at);
    }
    section->seat_count = plan->seat_count - section->seat_first;
    read_areas(reader, place, object, at);
}

/* focal_point, when the object has one; path names it in errors. */
static void read_focus(struct reader *reader, const struct json_node *object, const char *path,
                       struct layout_focus *ret_focus)
{
    const struct json_node *node = json_get(object, "focal_point");
    struct point point = {0, 0};
    if (!node || json_is_null_node(node))
        return;
    if (!json_is_object(node)) {
        refuse(reader, NOWHERE, path, "must be an object");
        return;
    }
    bool has_x = read_number(reader, NOWHERE, node, path, "x", -PLAN_COORDINATE_MAX, &point.x);
    if (!read_number(reader, NOWHERE, node, path, "y", -PLAN_COORDINATE_MAX, &point.y) || !has_x)
        return;
    *ret_focus = (struct layout_focus){(float)point.x, (float)point.y, true};
}

static bool is_color(struct str color)
{
    if (color.len != 7 || color.data[0] != '#')
        return false;
    for (size_t i = 1; i < color.len; i++) {
        char c = color.data[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_hex)
            return false;
    }
    return true;
}

static void read_category(struct reader *reader, size_t index, const struct json_node *object)
{
    struct plan *plan = reader->plan;
    struct layout_category *category = &plan->categories[plan->category_count];
    char path[PATH_SIZE];
    if (!json_as_str(json_get(object, "name"), &category->name) || category->name.len < 1 ||
        category->name.len > PLAN_NAME_MAX || !str_is_printable(category->name)) {
        (void)snprintf(path, sizeof(path), "categories[%zu].name", index);
        refuse(reader, NOWHERE, path, "must be a string of 1 to %d bytes", PLAN_NAME_MAX);
        return;
    }
    uint32_t first;
    if (find_category(plan, category->name, &first)) {
        (void)snprintf(path, sizeof(path), "categories[%zu].name", index);
        refuse(reader, NOWHERE, path, "duplicate of categories[%" PRIu32 "].name", first);
    }
    const struct json_node *color = json_get(object, "color");
    category->color = COLOR_DEFAULT;
    if (color && (!json_as_str(color, &category->color) || !is_color(category->color))) {
        (void)snprintf(path, sizeof(path), "categories[%zu].color", index);
        refuse(reader, NOWHERE, path, "must be a color such as #2980b9");
    }
    (void)snprintf(path, sizeof(path), "categories[%zu].focal_point", index);
    read_focus(reader, object, path, &category->focus);
    plan->category_count++;
}

/* The array of that name with 1 to max items; NULL after an error. */
static const struct json_node *read_list(struct reader *reader, const struct json_node *document,
                                         const char *name, size_t max)
{
    const struct json_node *list = json_get(document, name);
    if (!json_is_array(list))
        refuse(reader, NOWHERE, name, list ? "must be an array" : "is required");
    else if (json_count(list) < 1 || json_count(list) > max)
        refuse(reader, NOWHERE, name, "must have 1 to %zu items", max);
    else
        return list;
    return NULL;
}

static void count_zone(const struct json_node *zone, size_t *seats, size_t *areas)
{
    const struct json_node *rows = json_get(zone, "rows");
    for (size_t i = 0; i < list_count(rows); i++) {
        const struct json_node *list = json_get(json_at(rows, i), "seats");
        *seats += list_count(list);
    }
    const struct json_node *list = json_get(zone, "areas");
    for (size_t i = 0; i < list_count(list); i++)
        *areas += is_admission_area(json_at(list, i));
}

static bool are_counts_in_range(struct reader *reader, size_t seats, size_t areas)
{
    if (seats > PLAN_SEATS_MAX)
        refuse(reader, NOWHERE, "zones", "%zu seats are more than %d", seats, PLAN_SEATS_MAX);
    else if (areas > PLAN_AREAS_MAX)
        refuse(reader, NOWHERE, "zones", "%zu areas are more than %d", areas, PLAN_AREAS_MAX);
    else if (seats + areas == 0)
        refuse(reader, NOWHERE, "zones", "has no seats and no areas with a capacity");
    else
        return true;
    return false;
}

static bool make_arrays(struct reader *reader, size_t categories, size_t zones, size_t seats,
                        size_t areas)
{
    struct plan *plan = reader->plan;
    plan->categories = ARENA_ARRAY(reader->arena, struct layout_category, categories);
    plan->sections = ARENA_ARRAY(reader->arena, struct layout_section, zones);
    plan->seats = ARENA_ARRAY(reader->arena, struct layout_seat, seats + 1);
    plan->areas = ARENA_ARRAY(reader->arena, struct layout_area, areas + 1);
    reader->places = ARENA_ARRAY(reader->arena, struct guid_place, seats + areas);
    map_init(&reader->guids, seats + areas);
    return !reader->arena->overflow;
}

static void read_head(struct reader *reader, const struct json_node *document)
{
    struct plan *plan = reader->plan;
    struct point size = {0, 0};
    plan->name = STR("");
    if (json_get(document, "name"))
        (void)read_text(reader, NOWHERE, document, "name", 0, &plan->name); /* on the list */
    (void)read_pair(reader, NOWHERE, document, "size", SIZE, 0, &size);     /* on the list */
    plan->width = (float)size.x;
    plan->height = (float)size.y;
    read_focus(reader, document, "focal_point", &plan->focus);
}

static enum err read_document(struct reader *reader, const struct json_node *document)
{
    read_head(reader, document);
    const struct json_node *categories =
        read_list(reader, document, "categories", PLAN_CATEGORIES_MAX);
    const struct json_node *zones = read_list(reader, document, "zones", PLAN_SECTIONS_MAX);
    size_t seats = 0;
    size_t areas = 0;
    for (size_t i = 0; i < json_count(zones); i++)
        count_zone(json_at(zones, i), &seats, &areas);
    if (!categories || !zones || !are_counts_in_range(reader, seats, areas))
        return ERR_INVALID;
    if (!make_arrays(reader, json_count(categories), json_count(zones), seats, areas))
        return ERR_NOMEM;
    for (size_t i = 0; i < json_count(categories); i++)
        read_category(reader, i, json_at(categories, i));
    for (size_t i = 0; i < json_count(zones); i++)
        read_zone(reader, (struct place){(int)i, -1, -1, -1}, json_at(zones, i));
    map_release(&reader->guids);
    if (reader->arena->overflow)
        return ERR_NOMEM;
    return reader->is_valid ? ERR_OK : ERR_INVALID;
}

enum err plan_parse(struct arena *arena, const struct json_node *document, const char *prefix,
                    struct field_errors *errors, struct plan *ret_plan)
{
    struct plan plan = {.seat_count = 0};
    struct reader reader = {
        .arena = arena, .errors = errors, .prefix = prefix, .plan = &plan, .is_valid = true};
    if (!json_is_object(document)) {
        refuse(&reader, NOWHERE, "", "must be an object");
        return ERR_INVALID;
    }
    enum err err = read_document(&reader, document);
    if (err == ERR_OK)
        *ret_plan = plan;
    return err;
}
