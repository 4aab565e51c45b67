/* See search_check.h. */
#include "search_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/ids.h"
#include "search_brute.h"

#define PAGE_MAX    200
#define ID_MARK     "\"id\":\"evt_"
#define CURSOR_MARK "\"next_cursor\":\""

/* --- Reading answers --- */

static size_t read_ids(struct str body, uint64_t ids[static PAGE_MAX])
{
    size_t count = 0;
    while (count < PAGE_MAX && body.data) {
        const char *at = memmem(body.data, body.len, ID_MARK, sizeof(ID_MARK) - 1);
        if (!at)
            break;
        at += sizeof(ID_MARK) - 1 - 4; /* behind the quote */
        body = str_sub(body, (size_t)(at - body.data), body.len);
        struct str rest = body;
        if (id_parse(str_split(&rest, '"'), "evt", &ids[count++]))
            break;
    }
    return count;
}

/* Empty at the last page. */
static void read_cursor(struct str body, char ret_cursor[static ASK_CURSOR_MAX])
{
    const char *at =
        body.data ? memmem(body.data, body.len, CURSOR_MARK, sizeof(CURSOR_MARK) - 1) : NULL;
    ret_cursor[0] = '\0';
    if (!at)
        return;
    at += sizeof(CURSOR_MARK) - 1;
    struct str rest = str_sub(body, (size_t)(at - body.data), body.len);
    if (str_to_c(str_split(&rest, '"'), ret_cursor, ASK_CURSOR_MAX) != ERR_OK)
        ret_cursor[0] = '\0';
}

static int request(unsigned port, const struct ask *ask, int64_t from_ms, struct buf *body)
{
    char text[ASK_PATH_SIZE + 1];
    struct str path = ask_path(ask, 0, from_ms, text);
    text[path.len] = '\0';
    int status = child_request(port, "GET", text, STR_NONE, body);
    if (status != 200)
        fprintf(stderr, "%s: %d %.*s\n", text, status, STR_ARG(buf_str(body)));
    return status;
}

enum err search_cursors_find(unsigned port, struct asks *asks)
{
    for (size_t i = 0; i < asks->count; i++) {
        struct ask *ask = &asks->items[i];
        for (unsigned page = 0; page < ask->page; page++) {
            char cursor[ASK_CURSOR_MAX];
            struct buf body;
            int status = request(port, ask, 0, &body);
            read_cursor(buf_str(&body), cursor);
            buf_release(&body);
            if (status != 200)
                return ERR_IO;
            if (!cursor[0])
                break;
            memcpy(ask->cursor, cursor, sizeof(cursor));
        }
    }
    return ERR_OK;
}

/* --- Comparing --- */

static enum err check_one(const struct search_data *data, const struct brute *brute,
                          const struct ask *original, size_t *ret_wrong, size_t *ret_checked)
{
    struct ask ask = *original;
    struct brute_answer answer;
    int64_t from_ms = data->catalogue.first_ms;
    enum err err = brute_search(brute, &ask, from_ms, &answer);
    size_t first = 0;
    bool is_right = !err, has_more = true;
    ask.cursor[0] = '\0';
    for (unsigned page = 0; is_right && has_more && page <= ask.page; page++) {
        uint64_t ids[PAGE_MAX];
        struct buf body;
        is_right = request(data->child.port, &ask, from_ms, &body) == 200;
        size_t count = is_right ? read_ids(buf_str(&body), ids) : 0;
        read_cursor(buf_str(&body), ask.cursor);
        buf_release(&body);
        has_more = ask.cursor[0] != '\0';
        is_right = is_right && brute_check(brute, &answer, first, ids, count);
        first += count;
        if (is_right && has_more != (answer.count > first)) {
            fprintf(stderr, "the answer ends after %zu of %zu\n", first, answer.count);
            is_right = false;
        }
    }
    if (!is_right) {
        char text[ASK_PATH_SIZE];
        ask.cursor[0] = '\0';
        fprintf(stderr, "wrong: %.*s\n", STR_ARG(ask_path(&ask, 0, from_ms, text)));
    }
    *ret_wrong += !is_right;
    *ret_checked += first;
    if (!err)
        free(answer.hits);
    return err;
}

enum err search_check(const struct search_data *data, const struct asks *asks, size_t samples,
                      size_t *ret_wrong, size_t *ret_checked)
{
    size_t seen[ASK_CLASSES] = {0};
    struct brute *brute;
    enum err err = brute_new(&data->catalogue, &brute);
    *ret_wrong = *ret_checked = 0;
    if (err)
        return err;
    for (size_t i = 0; !err && i < asks->count; i++) {
        const struct ask *ask = &asks->items[i];
        if (seen[ask->class]++ < samples)
            err = check_one(data, brute, ask, ret_wrong, ret_checked);
    }
    brute_free(brute);
    return err;
}
