/* See example.h. The text was checked to be JSON when it was stored. */
#include "hooks/example.h"

#include "base/json.h"
#include "base/json_slice.h"

/* Behind the string that begins at text[at]. */
static size_t skip_string(struct str text, size_t at)
{
    for (at++; at < text.len && text.data[at] != '"'; at++)
        at += text.data[at] == '\\';
    return at;
}

/* The object or list that begins at text[at]. */
static struct str container_at(struct str text, size_t at)
{
    size_t depth = 0;
    for (size_t i = at; i < text.len; i++) {
        char c = text.data[i];
        if (c == '"')
            i = skip_string(text, i);
        depth += c == '{' || c == '[';
        if (c != '}' && c != ']')
            continue;
        if (--depth == 0)
            return str_sub(text, at, i + 1 - at);
    }
    return STR_NONE;
}

static struct str first_item(struct str list)
{
    struct str rest = str_trim(str_sub(list, 1, list.len));
    bool is_container = list.len > 0 && list.data[0] == '[' && rest.len > 0 &&
                        (rest.data[0] == '{' || rest.data[0] == '[');
    return is_container ? container_at(rest, 0) : STR_NONE;
}

struct str example_of_schemas(struct arena *arena, struct str schemas)
{
    struct json_node *versions;
    struct str message, version, schema, examples, found = STR_NONE;
    struct json_node *node;
    void *position = NULL;
    size_t at;
    if (!schemas.data || json_parse(arena, schemas, &versions, &message) != ERR_OK)
        return STR_NONE;
    while (json_each(versions, &position, &version, &node)) {
        struct str name = arena_str_dup(arena, version);
        if (!name.data || json_slice(schemas, name.data, &schema, &at) != ERR_OK ||
            json_slice(schema, "examples", &examples, &at) != ERR_OK)
            continue;
        struct str item = first_item(examples);
        found = item.data ? item : found;
    }
    return found;
}
