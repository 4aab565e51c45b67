/*
 * Fuzz target of the JSON reader, decoder and writer. Whatever comes: no crash, no leak, an answer
 * that fits the state of the arena; and what was read, written again and read again is the same
 * text.
 *
 * Run: json_fuzz tests/fuzz/corpus/json
 */
#include "fuzz.h"

#include "base/json.h"

#define ARENA_BYTES  ((size_t)1 << 20)
#define OUTPUT_BYTES ((size_t)1 << 22)

struct target {
    struct str name, kind;
    int64_t count;
    double x;
    bool is_open, has_open;
    int64_t at_ms;
    struct json_strs list;
    struct json_node *object, *array;
};

static const char *const kinds[] = {"seat", "area", NULL};

static const struct json_field fields[] = {
    {.name = "name",
     .kind = JSON_STR,
     .offset = offsetof(struct target, name),
     .is_required = true,
     .min = 1,
     .max = 80},
    {.name = "kind", .kind = JSON_STR, .offset = offsetof(struct target, kind), .one_of = kinds},
    {.name = "count",
     .kind = JSON_I64,
     .offset = offsetof(struct target, count),
     .min = -10,
     .max = 10},
    {.name = "x", .kind = JSON_F64, .offset = offsetof(struct target, x)},
    {.name = "open",
     .kind = JSON_BOOL,
     .offset = offsetof(struct target, is_open),
     .has_offset = offsetof(struct target, has_open)},
    {.name = "at", .kind = JSON_TIME, .offset = offsetof(struct target, at_ms)},
    {.name = "list",
     .kind = JSON_STR_LIST,
     .offset = offsetof(struct target, list),
     .min = 1,
     .max = 100},
    {.name = "object", .kind = JSON_OBJECT, .offset = offsetof(struct target, object)},
    {.name = "array", .kind = JSON_ARRAY, .offset = offsetof(struct target, array)},
    {.name = NULL},
};

static void write_node(struct json_writer *writer, const struct json_node *node);

static void write_container(struct json_writer *writer, const struct json_node *node)
{
    if (json_is_array(node)) {
        json_open_array(writer);
        for (size_t i = 0; i < json_count(node); i++)
            write_node(writer, json_at(node, i));
        json_close_array(writer);
        return;
    }
    void *position = NULL;
    struct str name;
    struct json_node *value;
    json_open_object(writer);
    while (json_each(node, &position, &name, &value)) {
        json_key(writer, name.data); /* the reader refuses NUL, and ends strings with one */
        write_node(writer, value);
    }
    json_close_object(writer);
}

/* The reader's depth limit bounds the recursion. */
static void write_node(struct json_writer *writer, const struct json_node *node)
{
    struct str text;
    int64_t integer;
    double number;
    bool flag;
    if (json_as_str(node, &text))
        json_str(writer, text);
    else if (json_as_i64(node, &integer))
        json_i64(writer, integer);
    else if (json_as_f64(node, &number))
        json_f64(writer, number);
    else if (json_as_bool(node, &flag))
        json_bool(writer, flag);
    else if (json_is_array(node) || json_is_object(node))
        write_container(writer, node);
    else
        json_null(writer);
}

static void write_tree(struct buf *buf, const struct json_node *root)
{
    struct json_writer writer;
    buf_init(buf, OUTPUT_BYTES);
    json_begin(&writer, buf);
    write_node(&writer, root);
}

/* The first writing may round numbers; from there on nothing changes any more. */
static void check_writing(struct arena *arena, const struct json_node *root)
{
    struct buf first, second;
    struct json_node *again;
    struct str message;
    write_tree(&first, root);
    enum err err =
        first.overflow ? ERR_LIMIT : json_parse(arena, buf_str(&first), &again, &message);
    require(first.overflow || err == ERR_OK || arena->overflow);
    if (err == ERR_OK) {
        write_tree(&second, again);
        require(str_eq(buf_str(&first), buf_str(&second)));
        buf_release(&second);
    }
    buf_release(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    struct arena arena;
    struct field_errors errors;
    struct target target = {.count = 0};
    struct json_node *root;
    struct str message = STR_NONE;
    arena_init(&arena, ARENA_BYTES);
    field_errors_init(&errors, &arena);
    enum err err = json_parse(&arena, text, &root, &message);
    require(err == ERR_OK || message.len > 0 || arena.overflow);
    if (err == ERR_OK)
        check_writing(&arena, root);
    err = json_decode(&arena, text, fields, &target, &errors);
    require((err == ERR_INVALID) == (errors.count > 0) || arena.overflow);
    for (size_t i = 0; i < errors.count; i++)
        require(str_is_utf8(errors.items[i].field) && str_is_utf8(errors.items[i].message));
    arena_release(&arena);
    return 0;
}
