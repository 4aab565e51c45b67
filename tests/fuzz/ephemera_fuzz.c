/*
 * Fuzz target of what nodes call out to each other (chat/ephemera_code.c). What is read makes sense, and a call without
 * kinds of newer nodes that was read, written again, is the same text.
 */
#include "chat/ephemera.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct story {
    uint64_t node;
    struct ephemera_text text;
    bool is_full;
};

static void on_item(void *ctx, uint64_t node, const struct ephemeral *what)
{
    struct story *story = ctx;
    bool has_other = what->kind == EPHEMERAL_TYPING || what->kind == EPHEMERAL_BLOCK;
    bool has_user = what->kind != EPHEMERAL_HERE && what->kind != EPHEMERAL_GONE;
    if (node == 0 || what->kind >= EPHEMERAL_KIND_COUNT || (what->user_id != 0) != has_user ||
        (what->other_id != 0) != has_other)
        abort();
    if (story->node == 0)
        ephemera_text_begin(&story->text, node);
    story->node = node;
    story->is_full = !ephemera_text_add(&story->text, what) || story->is_full;
}

static bool has_only_known(struct str call)
{
    struct str rest = call;
    for (size_t i = 0; rest.len > 0; i++) {
        struct str item = str_split(&rest, ' ');
        if (i >= 2 && !memchr("toxbhg", item.data[0], 6))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct story story;
    uint64_t node = 0;
    struct str call = str_from((const char *)data, size);
    if (size > DB_CALL_BYTES_MAX)
        return 0;
    story = (struct story){0};
    enum err err = ephemera_read(call, &node, on_item, &story);
    if (err && err != ERR_INVALID)
        abort();
    if (err || story.node == 0 || !has_only_known(call))
        return 0;
    bool is_same = str_eq(str_trim(call), str_from(story.text.bytes, story.text.len));
    if (story.is_full || node != story.node || !is_same)
        abort();
    return 0;
}
