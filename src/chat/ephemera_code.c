/*
 * "1 NODE ITEM ITEM ..." - numbers in lower-case hexadecimal without leading zeros; an item is a letter for its kind and
 * as many numbers as the kind has, with a point between two:
 *
 *     1 5f3a9c t16c2a.91b o16c2a x16c2b b16c2a.16c2b h
 */
#include "chat/ephemera.h"

#include <stdio.h>

#define VERSION        "1 "
#define ITEM_BYTES_MAX 40

static const struct {
    char letter;
    int numbers;
} kinds[EPHEMERAL_KIND_COUNT] = {
    [EPHEMERAL_TYPING] = {'t', 2}, [EPHEMERAL_ONLINE] = {'o', 1}, [EPHEMERAL_OFFLINE] = {'x', 1},
    [EPHEMERAL_BLOCK] = {'b', 2},  [EPHEMERAL_HERE] = {'h', 0},   [EPHEMERAL_GONE] = {'g', 0},
};

void ephemera_text_begin(struct ephemera_text *text, uint64_t node)
{
    int len = snprintf(text->bytes, sizeof(text->bytes), VERSION "%llx", (unsigned long long)node);
    text->len = (size_t)len;
}

bool ephemera_text_add(struct ephemera_text *text, const struct ephemeral *what)
{
    char item[ITEM_BYTES_MAX];
    const uint64_t numbers[] = {what->user_id, what->other_id};
    int len = snprintf(item, sizeof(item), " %c", kinds[what->kind].letter);
    for (int i = 0; i < 2 && i < kinds[what->kind].numbers; i++)
        len += snprintf(item + len, sizeof(item) - (size_t)len, "%s%llx", i > 0 ? "." : "",
                        (unsigned long long)numbers[i]);
    if ((size_t)len > sizeof(text->bytes) - text->len)
        return false;
    memcpy(text->bytes + text->len, item, (size_t)len);
    text->len += (size_t)len;
    return true;
}

/* 1 to 16 digits, the first of them not 0. */
static bool read_number(struct str text, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && !(c >= 'a' && c <= 'f'))
            return false;
        number = number << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *ret_number = number;
    return text.len > 0 && text.len <= 16 && text.data[0] != '0';
}

/* ret_what->kind is EPHEMERAL_KIND_COUNT for one of a newer node. */
static bool read_item(struct str item, struct ephemeral *ret_what)
{
    *ret_what = (struct ephemeral){.kind = EPHEMERAL_KIND_COUNT};
    if (item.len == 0 || item.data[0] < 'a' || item.data[0] > 'z')
        return false;
    for (size_t i = 0; i < EPHEMERAL_KIND_COUNT; i++) {
        if (kinds[i].letter == item.data[0])
            ret_what->kind = (enum ephemeral_kind)i;
    }
    if (ret_what->kind == EPHEMERAL_KIND_COUNT)
        return true;
    int numbers = kinds[ret_what->kind].numbers;
    struct str rest = str_from(item.data + 1, item.len - 1);
    struct str user = numbers == 2 ? str_split(&rest, '.') : rest;
    return (numbers == 0 && rest.len == 0) ||
           (numbers > 0 && read_number(user, &ret_what->user_id) &&
            (numbers == 1 || read_number(rest, &ret_what->other_id)));
}

enum err ephemera_read(struct str call, uint64_t *ret_node,
                       void (*fn)(void *ctx, uint64_t node, const struct ephemeral *what),
                       void *ctx)
{
    struct str version = STR(VERSION);
    if (!str_starts_with(call, version))
        return ERR_INVALID;
    struct str rest = str_from(call.data + version.len, call.len - version.len);
    if (!read_number(str_split(&rest, ' '), ret_node))
        return ERR_INVALID;
    while (rest.len > 0) {
        struct ephemeral what;
        if (!read_item(str_split(&rest, ' '), &what))
            return ERR_INVALID;
        if (what.kind != EPHEMERAL_KIND_COUNT)
            fn(ctx, *ret_node, &what);
    }
    return ERR_OK;
}
