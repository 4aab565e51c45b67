/*
 * Decoding an object into a struct by a table. One walk over the object's members, each looked up
 * in the table beginning behind the last one found, since clients send members in the documented
 * order; a bit per field remembers what came. On the hot path this allocates nothing but the lists.
 *
 * Errors are collected, one a field, so that a client sees all of them at once.
 */
#include "base/json.h"

#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FIELDS_MAX       64 /* bits of the mask of what came */
#define PATH_SIZE        256
#define NAME_SHOWN_MAX   64 /* of a member nobody knows */
#define LIST_ITEM_MAX    256
#define ONE_OF_TEXT_SIZE 256
#define NAME_NONE        ((struct str){"", 0})

struct decoder {
    struct arena *arena;
    const char *path;
    struct field_errors *errors;
    bool is_valid;
    bool is_tolerant; /* of members that the table has not */
};

static const char *const type_names[] = {
    [JSON_STR] = "a string",     [JSON_I64] = "an integer",
    [JSON_F64] = "a number",     [JSON_BOOL] = "true or false",
    [JSON_TIME] = "a string",    [JSON_STR_LIST] = "an array of strings",
    [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
};

/* Cut at a character: the message must stay UTF-8. */
static struct str cut_name(struct str name)
{
    if (name.len <= NAME_SHOWN_MAX)
        return name;
    name.len = NAME_SHOWN_MAX;
    while (name.len > 0 && ((unsigned char)name.data[name.len] & 0xC0) == 0x80)
        name.len--;
    return name;
}

__attribute__((format(printf, 3, 4))) static void refuse(struct decoder *decoder, struct str name,
                                                         const char *format, ...)
{
    char path[PATH_SIZE];
    struct str shown = cut_name(name);
    const char *dot = decoder->path[0] && shown.len > 0 ? "." : "";
    (void)snprintf(path, sizeof(path), "%s%s%.*s", decoder->path, dot,
                   STR_ARG(shown)); /* may be cut */
    va_list args;
    va_start(args, format);
    struct str message = arena_vprintf(decoder->arena, format, args);
    va_end(args);
    field_errors_add(decoder->errors, path, "%.*s", STR_ARG(message));
    decoder->is_valid = false;
}

static void refuse_field(struct decoder *decoder, const struct json_field *field,
                         const char *message)
{
    refuse(decoder, str_from_c(field->name), "%s", message);
}

static void refuse_type(struct decoder *decoder, const struct json_field *field)
{
    refuse(decoder, str_from_c(field->name), "must be %s", type_names[field->kind]);
}

/* Says the range of a value, or of a length or count in units (" bytes", " items"). */
static void refuse_range(struct decoder *decoder, const struct json_field *field, const char *must,
                         const char *units)
{
    struct str name = str_from_c(field->name);
    if (field->max == INT64_MAX)
        refuse(decoder, name, "%s at least %" PRId64 "%s", must, field->min, units);
    else
        refuse(decoder, name, "%s %" PRId64 " to %" PRId64 "%s", must, field->min, field->max,
               units);
}

static bool is_limited(const struct json_field *field)
{
    return field->min != 0 || field->max != 0;
}

static bool is_count_in_range(const struct json_field *field, size_t count)
{
    return !is_limited(field) || ((int64_t)count >= field->min && (int64_t)count <= field->max);
}

static bool is_one_of(struct str value, const char *const *allowed)
{
    for (; *allowed; allowed++) {
        if (str_eq(value, str_from_c(*allowed)))
            return true;
    }
    return false;
}

static void refuse_choice(struct decoder *decoder, const struct json_field *field)
{
    char text[ONE_OF_TEXT_SIZE] = "";
    size_t len = 0;
    for (const char *const *value = field->one_of; *value && len < sizeof(text); value++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? ", " : "", *value);
    refuse(decoder, str_from_c(field->name), "must be one of: %s", text);
}

static void decode_str(struct decoder *decoder, const struct json_field *field,
                       const struct json_node *node, struct str *ret_value)
{
    struct str value;
    if (!json_as_str(node, &value))
        refuse_type(decoder, field);
    else if (field->one_of && !is_one_of(value, field->one_of))
        refuse_choice(decoder, field);
    else if (!is_count_in_range(field, value.len))
        refuse_range(decoder, field, "must have", " bytes");
    else
        *ret_value = value;
}

static void decode_i64(struct decoder *decoder, const struct json_field *field,
                       const struct json_node *node, int64_t *ret_value)
{
    int64_t value;
    if (!json_as_i64(node, &value))
        refuse_type(decoder, field);
    else if (is_limited(field) && (value < field->min || value > field->max))
        refuse_range(decoder, field, "must be", "");
    else
        *ret_value = value;
}

static void decode_f64(struct decoder *decoder, const struct json_field *field,
                       const struct json_node *node, double *ret_value)
{
    double value;
    if (!json_as_f64(node, &value) || !isfinite(value))
        refuse_type(decoder, field);
    else if (is_limited(field) && (value < (double)field->min || value > (double)field->max))
        refuse_range(decoder, field, "must be", "");
    else
        *ret_value = value;
}

static void decode_bool(struct decoder *decoder, const struct json_field *field,
                        const struct json_node *node, bool *ret_value)
{
    if (!json_as_bool(node, ret_value))
        refuse_type(decoder, field);
}

static void decode_time(struct decoder *decoder, const struct json_field *field,
                        const struct json_node *node, int64_t *ret_value)
{
    struct str text;
    if (!json_as_str(node, &text))
        refuse_type(decoder, field);
    else if (clock_parse(text, ret_value) != ERR_OK)
        refuse_field(decoder, field, "must be a time such as 2026-01-31T20:00:00Z");
}

static int compare_strs(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorts a copy: comparing each with each would let a long list cost seconds. */
static bool has_duplicates(struct arena *arena, const struct json_strs *list)
{
    struct str *sorted = ARENA_ARRAY(arena, struct str, list->count);
    if (!sorted)
        return false; /* the arena's overflow is reported at the end */
    memcpy(sorted, list->items, list->count * sizeof(*sorted));
    qsort(sorted, list->count, sizeof(*sorted), compare_strs);
    for (size_t i = 1; i < list->count; i++) {
        if (str_eq(sorted[i - 1], sorted[i]))
            return true;
    }
    return false;
}

/* False when an item was refused or the arena is full. */
static bool decode_items(struct decoder *decoder, const struct json_field *field,
                         const struct json_node *node, struct json_strs *list)
{
    list->items = ARENA_ARRAY(decoder->arena, struct str, list->count);
    if (!list->items)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        struct str *item = &list->items[i];
        if (json_as_str(json_at(node, i), item) && item->len >= 1 && item->len <= LIST_ITEM_MAX)
            continue;
        char name[PATH_SIZE];
        (void)snprintf(name, sizeof(name), "%s[%zu]", field->name, i); /* table names are short */
        refuse(decoder, str_from_c(name), "must be a string of 1 to %d bytes", LIST_ITEM_MAX);
        return false;
    }
    return true;
}

static void decode_str_list(struct decoder *decoder, const struct json_field *field,
                            const struct json_node *node, struct json_strs *ret_list)
{
    struct json_strs list = {.count = json_count(node)};
    if (!json_is_array(node)) {
        refuse_type(decoder, field);
    } else if (!is_count_in_range(field, list.count)) {
        refuse_range(decoder, field, "must have", " items");
    } else if (list.count == 0) {
        *ret_list = list;
    } else if (decode_items(decoder, field, node, &list)) {
        if (has_duplicates(decoder->arena, &list))
            refuse_field(decoder, field, "must not have the same item twice");
        *ret_list = list;
    }
}

static void decode_tree(struct decoder *decoder, const struct json_field *field,
                        struct json_node *node, struct json_node **ret_node)
{
    bool is_array = field->kind == JSON_ARRAY;
    if (is_array ? !json_is_array(node) : !json_is_object(node))
        refuse_type(decoder, field);
    else if (is_array && !is_count_in_range(field, json_count(node)))
        refuse_range(decoder, field, "must have", " items");
    else
        *ret_node = node;
}

static void decode_field(struct decoder *decoder, const struct json_field *field,
                         struct json_node *node, char *target)
{
    void *slot = target + field->offset;
    switch (field->kind) {
    case JSON_STR:
        decode_str(decoder, field, node, slot);
        break;
    case JSON_I64:
        decode_i64(decoder, field, node, slot);
        break;
    case JSON_F64:
        decode_f64(decoder, field, node, slot);
        break;
    case JSON_BOOL:
        decode_bool(decoder, field, node, slot);
        break;
    case JSON_TIME:
        decode_time(decoder, field, node, slot);
        break;
    case JSON_STR_LIST:
        decode_str_list(decoder, field, node, slot);
        break;
    case JSON_OBJECT:
    case JSON_ARRAY:
        decode_tree(decoder, field, node, slot);
        break;
    }
    if (field->has_offset)
        *(bool *)(target + field->has_offset) = true;
}

/* Index of the field of that name, looked for from hint on and round; count when there is none. */
static size_t find_field(const struct json_field *fields, size_t count, size_t hint,
                         struct str name)
{
    for (size_t step = 0; step < count; step++) {
        size_t i = hint + step < count ? hint + step : hint + step - count;
        if (strncmp(fields[i].name, name.data, name.len) == 0 && fields[i].name[name.len] == '\0')
            return i;
    }
    return count;
}

static void decode_members(struct decoder *decoder, const struct json_node *object,
                           const struct json_field *fields, void *ret)
{
    size_t count = 0;
    while (fields[count].name)
        count++;
    assert(count <= FIELDS_MAX);
    uint64_t present = 0;
    size_t next = 0;
    void *position = NULL;
    struct str name;
    struct json_node *value;
    while (json_each(object, &position, &name, &value)) {
        size_t i = find_field(fields, count, next, name);
        if (i == count) {
            if (!decoder->is_tolerant)
                refuse(decoder, name, "is not a known field");
            continue;
        }
        next = i + 1;
        if (json_is_null_node(value))
            continue;
        present |= UINT64_C(1) << i;
        decode_field(decoder, &fields[i], value, ret);
    }
    for (size_t i = 0; i < count; i++) {
        if (fields[i].is_required && !(present >> i & 1))
            refuse_field(decoder, &fields[i], "is required");
    }
}

static enum err decode_node(struct decoder *decoder, const struct json_node *object,
                            const struct json_field *fields, void *ret)
{
    if (json_is_object(object))
        decode_members(decoder, object, fields, ret);
    else
        refuse(decoder, NAME_NONE, "must be an object");
    if (decoder->arena->overflow)
        return ERR_NOMEM;
    return decoder->is_valid ? ERR_OK : ERR_INVALID;
}

enum err json_decode_node(struct arena *arena, const struct json_node *object, const char *path,
                          const struct json_field *fields, void *ret, struct field_errors *errors)
{
    struct decoder decoder = {.arena = arena, .path = path, .errors = errors, .is_valid = true};
    return decode_node(&decoder, object, fields, ret);
}

static enum err decode_text(struct decoder *decoder, struct str text,
                            const struct json_field *fields, void *ret)
{
    struct json_node *root;
    struct str message = STR_NONE;
    enum err err = json_parse(decoder->arena, text, &root, &message);
    if (err == ERR_INVALID)
        field_errors_add(decoder->errors, "", "%.*s", STR_ARG(message));
    return err == ERR_OK ? decode_node(decoder, root, fields, ret) : err;
}

enum err json_decode(struct arena *arena, struct str text, const struct json_field *fields,
                     void *ret, struct field_errors *errors)
{
    struct decoder decoder = {.arena = arena, .path = "", .errors = errors, .is_valid = true};
    return decode_text(&decoder, text, fields, ret);
}

enum err json_decode_known(struct arena *arena, struct str text, const struct json_field *fields,
                           void *ret, struct field_errors *errors)
{
    struct decoder decoder = {
        .arena = arena, .path = "", .errors = errors, .is_valid = true, .is_tolerant = true};
    return decode_text(&decoder, text, fields, ret);
}
