/* Reading lists of people and sessions, line by line and strictly: what is not exactly a line of the
 * list is refused, so that nobody is imported under half a name. */
#include "app/identity_list.h"

/* Undoes the quotes of a field that is the whole text. False: they do not match. */
static bool unquote(struct str text, char *ret_text, size_t size, size_t *ret_len)
{
    size_t len = 0;
    if (text.len < 2 || text.data[text.len - 1] != '"')
        return false;
    for (size_t i = 1; i < text.len - 1; i++) {
        if (text.data[i] == '"' && (++i == text.len - 1 || text.data[i] != '"'))
            return false;
        if (len == size)
            return false;
        ret_text[len++] = text.data[i];
    }
    *ret_len = len;
    return true;
}

const char *person_line_parse(struct str line, struct person_line *ret_line)
{
    char unquoted[LIST_LINE_MAX];
    size_t comma = str_find(line, ',', 0);
    struct str name = str_sub(line, comma + 1, line.len);
    if (comma == line.len)
        return "must be email,name";
    if (email_normalize(str_sub(line, 0, comma), ret_line->email) != ERR_OK)
        return "does not begin with an email address";
    if (str_starts_with(name, STR("\""))) {
        size_t len = 0;
        if (!unquote(name, unquoted, sizeof(unquoted), &len))
            return "the name's quotes do not match";
        name = str_from(unquoted, len);
    } else if (str_find(name, '"', 0) < name.len || str_find(name, ',', 0) < name.len) {
        return "a name with a comma or a quote in it must stand in double quotes";
    }
    if (name_problem(name) || str_to_c(name, ret_line->name, sizeof(ret_line->name)) != ERR_OK)
        return "the name must be printable text, 1 to 100 bytes long and not blank";
    return NULL;
}

const char *session_line_parse(struct str line, struct session_line *ret_line)
{
    uint8_t bytes[SECRET_SIZE];
    size_t len = 0;
    size_t comma = str_find(line, ',', 0);
    struct str token = str_sub(line, comma + 1, line.len);
    if (comma == line.len || email_normalize(str_sub(line, 0, comma), ret_line->email) != ERR_OK)
        return "must be email,token";
    if (!str_starts_with(token, STR("ses_")) || token.len != SECRET_SIZE - 1 ||
        base64url_decode(str_sub(token, 4, token.len), bytes, sizeof(bytes), &len) != ERR_OK)
        return "has no session's token behind the comma";
    return str_to_c(token, ret_line->token, sizeof(ret_line->token)) == ERR_OK ? NULL
                                                                               : "is too long";
}

enum err list_read_line(FILE *file, char buffer[static LIST_LINE_MAX + 2], struct str *ret_line)
{
    size_t len = 0;
    int c = getc_unlocked(file);
    if (c == EOF)
        return ferror(file) ? ERR_IO : ERR_NOT_FOUND;
    while (c != EOF && c != '\n') {
        if (len == LIST_LINE_MAX + 1)
            return ERR_LIMIT;
        buffer[len++] = (char)c;
        c = getc_unlocked(file);
    }
    if (ferror(file))
        return ERR_IO;
    if (len > 0 && buffer[len - 1] == '\r')
        len--;
    if (len > LIST_LINE_MAX)
        return ERR_LIMIT;
    *ret_line = str_from(buffer, len);
    return ERR_OK;
}
