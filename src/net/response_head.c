/* Fields of a response's head: what may be kept and shown. */
#include "net/response_head.h"

static bool is_token_char(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr(others, c));
}

static bool is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_char(text.data[i]))
            return false;
    return text.len > 0;
}

static struct str without_end(struct str line)
{
    if (str_ends_with(line, STR("\n")))
        line.len--;
    if (str_ends_with(line, STR("\r")))
        line.len--;
    return line;
}

enum err response_head_field(struct str line, struct response_field *ret_field)
{
    line = without_end(line);
    size_t colon = str_find(line, ':', 0);
    struct response_field field = {.name = str_sub(line, 0, colon),
                                   .value = str_trim(str_sub(line, colon + 1, line.len))};
    if (colon == line.len || !is_token(field.name) || !str_is_utf8(field.value) ||
        !str_is_printable(field.value))
        return ERR_INVALID;
    *ret_field = field;
    return ERR_OK;
}
