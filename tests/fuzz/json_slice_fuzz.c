/*
 * Fuzz target of the slice of a JSON member, held against jansson: what that takes is taken here, too;
 * a slice lies in the text, reads the same by itself, and can be cut out of the text without harm to
 * the rest. That is how the payload of a message gets from a body to its receivers.
 *
 * Run: json_slice_fuzz tests/fuzz/corpus/json_slice
 */
#include "fuzz.h"

#include <stdlib.h>

#include "base/json_slice.h"
#include "witness.h"

#define NAME        "payload"
#define SURELY_FLAT 60 /* brackets that cannot be too deep */

static enum err slice_of(struct str text, struct str *ret_value)
{
    size_t at = 0;
    enum err err = json_slice(text, NAME, ret_value, &at);
    require(err == ERR_OK || err == ERR_NOT_FOUND || err == ERR_INVALID);
    require(at <= text.len);
    return err;
}

static struct str join(struct str a, struct str b, struct str c, char **ret_memory)
{
    char *memory = malloc(a.len + b.len + c.len + 1);
    require(memory != NULL);
    memcpy(memory, a.data, a.len);
    memcpy(memory + a.len, b.data, b.len);
    memcpy(memory + a.len + b.len, c.data, c.len);
    *ret_memory = memory;
    return str_from(memory, a.len + b.len + c.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void check_alone(struct str value)
{
    char *memory;
    struct str again;
    struct str text = join(STR("{\"" NAME "\":"), value, STR("}"), &memory);
    require(slice_of(text, &again) == ERR_OK);
    require_eq(again, value);
    free(memory);
}

static void check_cut(struct str text, struct str value)
{
    char *memory;
    struct str rest, end;
    size_t begin = (size_t)(value.data - text.data);
    struct str behind = str_sub(text, begin + value.len, text.len);
    rest = join(str_sub(text, 0, begin), STR("{}"), behind, &memory);
    require(slice_of(rest, &end) == ERR_OK);
    require_eq(end, STR("{}"));
    require(!witness_json(text) || witness_json(rest));
    free(memory);
}

static void check_text(struct str text, struct str value)
{
    char *memory;
    struct str whole, alone;
    char *copy;
    if (!witness_json(text) || !witness_text(text, NAME, &whole))
        return;
    struct str kept = join(whole, STR(""), STR(""), &copy);
    require(witness_text(join(STR("{\"" NAME "\":"), value, STR("}"), &memory), NAME, &alone));
    require_eq(alone, kept);
    free(memory);
    free(copy);
}

static size_t brackets(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '{' || text.data[i] == '[';
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    struct str value = STR_NONE;
    enum err err = slice_of(text, &value);
    struct str start = str_trim(text);
    bool is_object = start.len > 0 && start.data[0] == '{';
    /* The library passes over a NUL behind a number; we don't. */
    bool has_nul = str_find(text, '\0', 0) != text.len;
    if (is_object && !has_nul && brackets(text) <= SURELY_FLAT && witness_json(text))
        require(err != ERR_INVALID);
    if (err != ERR_OK)
        return 0;
    require(is_object);
    require(value.len > 0 && value.data > text.data && value.data + value.len < text.data + size);
    require(!is_blank(value.data[0]) && !is_blank(value.data[value.len - 1]));
    check_alone(value);
    check_cut(text, value);
    check_text(text, value);
    return 0;
}
