/*
 * Reading JSON into trees: jansson parses, this file adds the limits and the words. The only file
 * that includes the library's header. A json_node is the library's value under another name; the
 * tree is released with the arena, and with it every string read from it.
 *
 * The library recurses on nesting up to 2,048 levels, which is more than a thread's stack should be
 * trusted with, so a scan over the brackets refuses deep documents before. NUL inside strings and
 * keys, invalid UTF-8, duplicate keys and integers beyond 64 bits are refused by the library
 * itself.
 *
 * A tree is many small pieces of memory. Those of a small document come out of the arena it will be
 * released with; those of a large one, and whatever would take half of what the arena has left, out
 * of the heap. A byte in front of each piece says which.
 */
#include "base/json.h"

#include <pthread.h>
#include <stdlib.h>

/* The library has enumerators, macros and a function of the same names as our header: they step
 * aside here. */
#undef json_null
#define JSON_OBJECT LIB_OBJECT
#define JSON_ARRAY  LIB_ARRAY
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef json_is_object
#undef json_is_array

#define SMALL_TEXT_MAX 4096
#define PIECE_HEAD     16 /* keeps the alignment */

enum piece_owner {
    PIECE_OF_HEAP,
    PIECE_OF_ARENA
};

/* Of the parsing that runs on this thread. */
static _Thread_local struct {
    struct arena *arena; /* NULL: all from the heap */
    bool has_heap_pieces;
    bool was_refused; /* memory: the library takes its end within a token for the text's fault */
} memory;

static void *lib_malloc(size_t size)
{
    struct arena *arena = memory.arena;
    bool is_fit = size <= SIZE_MAX - PIECE_HEAD;
    size += PIECE_HEAD;
    bool is_in_arena = is_fit && arena && size <= (arena->max_bytes - arena->used_bytes) / 2;
    char *piece = is_in_arena ? arena_alloc(arena, size) : is_fit ? malloc(size) : NULL;
    if (!piece) {
        memory.was_refused = true;
        return NULL;
    }
    piece[0] = is_in_arena ? PIECE_OF_ARENA : PIECE_OF_HEAP;
    memory.has_heap_pieces |= !is_in_arena;
    return piece + PIECE_HEAD;
}

static void lib_free(void *data)
{
    char *piece = data ? (char *)data - PIECE_HEAD : NULL;
    if (piece && piece[0] == PIECE_OF_HEAP)
        free(piece);
}

static void set_up_library(void)
{
    json_set_alloc_funcs(lib_malloc, lib_free);
}

static json_t *lib_value(const struct json_node *node)
{
    return (json_t *)(uintptr_t)
        node; /* the library's readers take what is const as not const here and there */
}

static struct json_node *our_node(json_t *value)
{
    return (struct json_node *)value;
}

static bool has_type(const struct json_node *node, json_type type)
{
    return node && json_typeof(lib_value(node)) == type;
}

/* Index of the quote that ends the string whose text is at begin; text.len when there is none. */
static size_t find_string_end(struct str text, size_t begin)
{
    for (;;) {
        size_t quote = str_find(text, '"', begin);
        size_t backslashes = 0;
        while (quote - backslashes > begin && text.data[quote - backslashes - 1] == '\\')
            backslashes++;
        if (quote == text.len || backslashes % 2 == 0)
            return quote;
        begin = quote + 1; /* escaped; what is before it needs no second look */
    }
}

/* Index of the bracket that opens one level too many; text.len when there is none. */
static size_t find_too_deep(struct str text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '"':
            i = find_string_end(text, i + 1);
            break;
        case '[':
        case '{':
            if (++depth > JSON_DEPTH_MAX)
                return i;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        default:
            break;
        }
    }
    return text.len;
}

static struct str message_at(struct arena *arena, struct str text, size_t at, const char *message)
{
    size_t line = 1;
    size_t line_begin = 0;
    for (size_t end = str_find(text, '\n', 0); end < at; end = str_find(text, '\n', end + 1)) {
        line++;
        line_begin = end + 1;
    }
    return arena_printf(arena, "line %zu, column %zu: %s", line, at - line_begin + 1, message);
}

/* False when the library must not see the text: it would take NUL bytes behind the document for its
 * end. */
static bool is_fit(struct arena *arena, struct str text, struct str *ret_message)
{
    size_t nul_at = str_find(text, '\0', 0);
    if (nul_at < text.len) {
        *ret_message = message_at(arena, text, nul_at, "not valid JSON");
        return false;
    }
    size_t deep_at = find_too_deep(text);
    if (deep_at < text.len) {
        *ret_message = message_at(arena, text, deep_at, "nested too deep");
        return false;
    }
    return true;
}

/* Our own words: the library's quote the input, which may be long or secret. */
static const char *what_is_wrong(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_invalid_utf8:
        return "not valid UTF-8";
    case json_error_premature_end_of_input:
        return "the document ends too early";
    case json_error_end_of_input_expected:
        return "something follows the document";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string must not contain U+0000";
    case json_error_duplicate_key:
        return "a name appears twice in one object";
    case json_error_numeric_overflow:
        return strstr(error->text, "integer") ? "an integer does not fit into 64 bits"
                                              : "a number is out of range";
    default:
        return "not valid JSON";
    }
}

static void release_tree(void *ptr)
{
    json_decref(ptr);
}

enum err json_parse(struct arena *arena, struct str text, struct json_node **ret_node,
                    struct str *ret_message)
{
    json_error_t error = {.text = ""};
    if (!is_fit(arena, text, ret_message))
        return ERR_INVALID;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_up_library); /* cannot fail with a valid control */
    memory.arena = text.len <= SMALL_TEXT_MAX ? arena : NULL;
    memory.has_heap_pieces = false;
    memory.was_refused = false;
    json_t *root = json_loadb(text.data ? text.data : "", text.len,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    memory.arena = NULL;
    if (memory.was_refused) {
        json_decref(root);
        return ERR_NOMEM;
    }
    if (!root) {
        *ret_message = arena_printf(arena, "line %d, column %d: %s", error.line, error.column,
                                    what_is_wrong(&error));
        return ERR_INVALID;
    }
    if (memory.has_heap_pieces && arena_on_release(arena, release_tree, root) != ERR_OK)
        return ERR_NOMEM;
    *ret_node = our_node(root);
    return ERR_OK;
}

bool json_is_object(const struct json_node *node)
{
    return has_type(node, LIB_OBJECT);
}

bool json_is_array(const struct json_node *node)
{
    return has_type(node, LIB_ARRAY);
}

struct json_node *json_get(const struct json_node *object, const char *name)
{
    return json_is_object(object) ? our_node(json_object_get(lib_value(object), name)) : NULL;
}

size_t json_count(const struct json_node *array_or_object)
{
    if (json_is_array(array_or_object))
        return json_array_size(lib_value(array_or_object));
    return json_is_object(array_or_object) ? json_object_size(lib_value(array_or_object)) : 0;
}

struct json_node *json_at(const struct json_node *array, size_t index)
{
    return json_is_array(array) ? our_node(json_array_get(lib_value(array), index)) : NULL;
}

bool json_each(const struct json_node *object, void **position, struct str *ret_name,
               struct json_node **ret_value)
{
    if (!json_is_object(object))
        return false;
    json_t *lib_object = lib_value(object);
    *position =
        *position ? json_object_iter_next(lib_object, *position) : json_object_iter(lib_object);
    if (!*position)
        return false;
    *ret_name = str_from(json_object_iter_key(*position), json_object_iter_key_len(*position));
    *ret_value = our_node(json_object_iter_value(*position));
    return true;
}

bool json_is_null_node(const struct json_node *node)
{
    return has_type(node, JSON_NULL);
}

bool json_as_str(const struct json_node *node, struct str *ret_value)
{
    if (!has_type(node, JSON_STRING))
        return false;
    *ret_value = str_from(json_string_value(lib_value(node)), json_string_length(lib_value(node)));
    return true;
}

bool json_as_i64(const struct json_node *node, int64_t *ret_value)
{
    if (!has_type(node, JSON_INTEGER))
        return false;
    *ret_value = json_integer_value(lib_value(node));
    return true;
}

bool json_as_f64(const struct json_node *node, double *ret_value)
{
    if (!has_type(node, JSON_REAL) && !has_type(node, JSON_INTEGER))
        return false;
    *ret_value = json_number_value(lib_value(node));
    return true;
}

bool json_as_bool(const struct json_node *node, bool *ret_value)
{
    if (!has_type(node, JSON_TRUE) && !has_type(node, JSON_FALSE))
        return false;
    *ret_value = has_type(node, JSON_TRUE);
    return true;
}
