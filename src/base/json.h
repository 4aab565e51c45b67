/*
 * JSON (RFC 8259). Reading is strict: UTF-8, no duplicate keys, no trailing bytes, depth at most
 * JSON_DEPTH_MAX, integers within 64 bits. A request body is decoded into a struct by a table of
 * fields; the same table is the schema in the OpenAPI document. Trees (struct json_node) are for
 * documents of open shape such as seating plans; they live as long as the arena. Writing appends to
 * a struct buf. The library behind it is included in json.c only.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/field_errors.h"

#define JSON_DEPTH_MAX 32

enum json_kind {
    JSON_STR,      /* struct str; min/max: length in bytes */
    JSON_I64,      /* int64_t; min/max: value */
    JSON_F64,      /* double; min/max: value (both 0: any finite) */
    JSON_BOOL,     /* bool */
    JSON_TIME,     /* RFC 3339 text to int64_t milliseconds */
    JSON_STR_LIST, /* struct json_strs; min/max: count; every item 1-256 bytes and unique */
    JSON_OBJECT,   /* struct json_node *: an object, checked by the caller */
    JSON_ARRAY,    /* struct json_node *: an array; min/max: count */
};

struct json_strs {
    struct str *items;
    size_t count;
};

struct json_field {
    const char *name; /* NULL ends a table */
    enum json_kind kind;
    size_t offset;             /* of the member in the target struct */
    bool is_required;          /* absent or null is an error */
    size_t has_offset;         /* of a bool member set when present; 0: none */
    int64_t min, max;          /* see json_kind; both 0: no limit but the body's */
    const char *const *one_of; /* JSON_STR: NULL-terminated allowed values, or NULL */
    const char *doc;           /* one line for OpenAPI, or NULL */
};

struct json_node;

/* Decodes an object into *ret by the table. Unknown fields, wrong types, limits: one entry each in
 * errors, and ERR_INVALID. Text that is not JSON at all: ERR_INVALID with a single entry whose
 * field is "" and whose message says where (line, column). Strings are borrowed from the arena.
 * Members that are absent or null stay as they were; after an error *ret holds nothing to rely on.
 * ERR_NOMEM. */
ERR_MUST_USE enum err json_decode(struct arena *arena, struct str text,
                                  const struct json_field *fields, void *ret,
                                  struct field_errors *errors);
/* The same, but members that the table has not are passed over. */
ERR_MUST_USE enum err json_decode_known(struct arena *arena, struct str text,
                                        const struct json_field *fields, void *ret,
                                        struct field_errors *errors);
/* The same from a parsed object; path prefixes the fields of the errors ("areas[2]", or "" at the
 * top). */
ERR_MUST_USE enum err json_decode_node(struct arena *arena, const struct json_node *object,
                                       const char *path, const struct json_field *fields, void *ret,
                                       struct field_errors *errors);

/* The tree is freed with the arena. ret_message (arena) says what is wrong on ERR_INVALID. */
ERR_MUST_USE enum err json_parse(struct arena *arena, struct str text, struct json_node **ret_node,
                                 struct str *ret_message);
bool json_is_object(const struct json_node *node);
bool json_is_array(const struct json_node *node);
/* False for NULL, which is "absent". */
bool json_is_null_node(const struct json_node *node);
/* NULL when absent or not an object. */
struct json_node *json_get(const struct json_node *object, const char *name);
size_t json_count(const struct json_node *array_or_object);
/* NULL when out of range or not an array. */
struct json_node *json_at(const struct json_node *array, size_t index);
/* Iterates an object's members in their order: position starts NULL; false at the end. */
bool json_each(const struct json_node *object, void **position, struct str *ret_name,
               struct json_node **ret_value);
/* False when the node is NULL or of another type. */
bool json_as_str(const struct json_node *node, struct str *ret_value);
bool json_as_i64(const struct json_node *node, int64_t *ret_value);
/* Also takes integers. */
bool json_as_f64(const struct json_node *node, double *ret_value);
bool json_as_bool(const struct json_node *node, bool *ret_value);

/* Writer: commas are placed by themselves. Depth at most JSON_DEPTH_MAX. */
struct json_writer {
    struct buf *buf;
    uint64_t has_items; /* bit per depth */
    unsigned depth;
    bool after_key;
};

void json_begin(struct json_writer *writer, struct buf *buf);
void json_open_object(struct json_writer *writer);
void json_close_object(struct json_writer *writer);
void json_open_array(struct json_writer *writer);
void json_close_array(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *name);
void json_str(struct json_writer *writer,
              struct str value); /* escapes; invalid UTF-8 becomes U+FFFD */
void json_i64(struct json_writer *writer, int64_t value);
void json_f64(struct json_writer *writer,
              double value); /* shortest of %.10g; non-finite becomes null */
void json_bool(struct json_writer *writer, bool value);
void json_null_item(struct json_writer *writer);
/* The library behind this header exports a symbol of this name, which must stay its own. */
#define json_null json_null_item
void json_time(struct json_writer *writer, int64_t at_ms);
/* Already JSON. */
void json_raw(struct json_writer *writer, struct str json);
/* key and value in one. */
void json_put_str(struct json_writer *writer, const char *name, struct str value);
void json_put_i64(struct json_writer *writer, const char *name, int64_t value);
void json_put_bool(struct json_writer *writer, const char *name, bool value);
void json_put_time(struct json_writer *writer, const char *name, int64_t at_ms);
void json_put_null(struct json_writer *writer, const char *name);
void json_put_id(struct json_writer *writer, const char *name, const char *prefix, uint64_t id);
void json_put_id2(struct json_writer *writer, const char *name, const char *prefix, uint64_t shard,
                  uint64_t id);

#endif
