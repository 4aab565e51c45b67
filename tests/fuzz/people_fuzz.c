/*
 * Fuzz target of the lists that an operator imports. The file's lines are those between its LFs; what a
 * line is taken for is what it is when written again, with quotes; a session's line is exactly its
 * address and its token.
 *
 * Run: people_fuzz tests/fuzz/corpus/people
 */
#include "fuzz.h"

#include "app/identity_list.h"

#include <sys/mman.h>
#include <unistd.h>

#define INPUT_MAX ((size_t)16 << 10)

static void check_person(struct str line)
{
    struct person_line person, again;
    char text[EMAIL_SIZE + 2 * NAME_BYTES_MAX + 8];
    size_t len = 0;
    const char *problem = person_line_parse(line, &person);
    if (problem) {
        require(problem[0] != '\0');
        return;
    }
    require(!name_problem(str_from_c(person.name)));
    len += (size_t)snprintf(text, sizeof(text), "%s,\"", person.email);
    for (const char *c = person.name; *c; c++) {
        if (*c == '"')
            text[len++] = '"';
        text[len++] = *c;
    }
    text[len++] = '"';
    require(!person_line_parse(str_from(text, len), &again));
    require_eq(str_from_c(again.email), str_from_c(person.email));
    require_eq(str_from_c(again.name), str_from_c(person.name));
}

static void check_session(struct str line)
{
    struct session_line session;
    char text[EMAIL_SIZE + SECRET_SIZE + 2];
    if (session_line_parse(line, &session))
        return;
    int len = snprintf(text, sizeof(text), "%s,%s", session.email, session.token);
    require(str_eq_ci(str_from(text, (size_t)len), line));
    require(str_ends_with(line, str_from_c(session.token)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char buffer[LIST_LINE_MAX + 2];
    struct str rest = str_from((const char *)data, size);
    struct str line = STR_NONE;
    enum err err = ERR_OK;
    if (size > INPUT_MAX)
        return 0;
    int fd = memfd_create("people", 0);
    require(fd >= 0 && (size == 0 || write(fd, data, size) == (ssize_t)size));
    FILE *file = fdopen(fd, "r");
    require(file != NULL);
    rewind(file);
    while ((err = list_read_line(file, buffer, &line)) == ERR_OK) {
        struct str wanted = str_split(&rest, '\n');
        if (str_ends_with(wanted, STR("\r")))
            wanted.len--;
        require_eq(line, wanted);
        check_person(line);
        check_session(line);
    }
    require(err == ERR_NOT_FOUND || err == ERR_LIMIT);
    require(err == ERR_NOT_FOUND ? rest.len == 0 : str_split(&rest, '\n').len > LIST_LINE_MAX);
    require(fclose(file) == 0);
    return 0;
}
