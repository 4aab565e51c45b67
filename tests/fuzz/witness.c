#include "witness.h"

#include "fuzz.h"

#include <jansson.h>

static json_t *load(struct str text)
{
    return json_loadb(text.data ? text.data : "", text.len,
                      JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
}

bool witness_utf8(struct str text)
{
    json_t *value = json_stringn(text.data ? text.data : "", text.len);
    json_decref(value);
    return value != NULL;
}

bool witness_json(struct str text)
{
    json_t *root = load(text);
    json_decref(root);
    return root != NULL;
}

size_t witness_count(struct str text)
{
    json_t *root = load(text);
    size_t count = json_object_size(root);
    json_decref(root);
    return count;
}

bool witness_text(struct str text, const char *name, struct str *ret_value)
{
    static char bytes[WITNESS_TEXT_MAX];
    json_t *root = load(text);
    const json_t *value = json_object_get(root, name);
    bool is_text = json_is_string(value);
    if (is_text) {
        size_t len = json_string_length(value);
        require(len <= sizeof(bytes));
        memcpy(bytes, json_string_value(value), len);
        *ret_value = str_from(bytes, len);
    }
    json_decref(root);
    return is_text;
}

bool witness_i64(struct str text, const char *name, int64_t *ret_value)
{
    json_t *root = load(text);
    const json_t *value = json_object_get(root, name);
    bool is_integer = json_is_integer(value);
    if (is_integer)
        *ret_value = json_integer_value(value);
    json_decref(root);
    return is_integer;
}

bool witness_f64(struct str text, const char *name, double *ret_value)
{
    json_t *root = load(text);
    const json_t *value = json_object_get(root, name);
    bool is_number = json_is_number(value);
    if (is_number)
        *ret_value = json_number_value(value);
    json_decref(root);
    return is_number;
}
