/*
 * Ids: milliseconds since 2024 << 22 | node << 13 | sequence. The generator is one atomic, the last
 * id given: the next is the first of the current millisecond when that is larger, else the last
 * plus one. A used-up sequence borrows from the coming millisecond, so ids never wait and never
 * repeat; 8,192 a millisecond is far above what is written.
 *
 * Text: 13 characters of 5 bits hold 65 bits, so the first is 0-7 for 63-bit ids; a canonical text
 * is the only text of its id, and texts of one prefix sort as their ids do.
 */
#include "base/ids.h"

#include "base/clock.h"

#include <assert.h>
#include <stdatomic.h>

#define EPOCH_MS      ((int64_t)1704067200000) /* 2024-01-01 */
#define TIME_SHIFT    22
#define NODE_SHIFT    13
#define NODE_MAX      511
#define SEQUENCE_MASK ((uint64_t)0x1FFF)
#define TIME_MAX      (((uint64_t)1 << 41) - 1)
#define ID_MAX        (((uint64_t)1 << 63) - 1)
#define ID_CHARS      13
#define PREFIX_MAX    (ID_TEXT_SIZE - 2 - 2 * ID_CHARS)

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_gen_init(struct id_gen *gen, uint32_t node, uint64_t after)
{
    assert(node <= NODE_MAX && after <= ID_MAX);
    gen->node = node;
    atomic_init(&gen->last, after);
}

static uint64_t first_id(uint64_t time, uint32_t node)
{
    assert(time <= TIME_MAX);
    return time << TIME_SHIFT | (uint64_t)node << NODE_SHIFT;
}

static uint64_t time_since_epoch(int64_t at_ms)
{
    if (at_ms <= EPOCH_MS)
        return 0;
    uint64_t time = (uint64_t)(at_ms - EPOCH_MS);
    return time < TIME_MAX ? time : TIME_MAX;
}

static uint64_t id_after(uint64_t last, uint64_t time, uint32_t node)
{
    uint64_t id = first_id(time, node);
    if (id > last)
        return id;
    bool is_own = (last >> NODE_SHIFT & NODE_MAX) == node;
    if (is_own && (last & SEQUENCE_MASK) != SEQUENCE_MASK)
        return last + 1;
    id = first_id(last >> TIME_SHIFT, node);
    return id > last ? id : first_id((last >> TIME_SHIFT) + 1, node);
}

uint64_t id_next(struct id_gen *gen)
{
    uint64_t time = time_since_epoch(clock_now_ms());
    uint64_t last = atomic_load_explicit(&gen->last, memory_order_relaxed);
    uint64_t id;
    do {
        id = id_after(last, time, gen->node);
    } while (!atomic_compare_exchange_weak_explicit(&gen->last, &last, id, memory_order_relaxed,
                                                    memory_order_relaxed));
    return id;
}

void id_gen_raise(struct id_gen *gen, int64_t at_ms)
{
    uint64_t least = id_at_ms(at_ms);
    uint64_t last = atomic_load_explicit(&gen->last, memory_order_relaxed);
    while (last < least &&
           !atomic_compare_exchange_weak_explicit(&gen->last, &last, least, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

uint64_t id_at_ms(int64_t at_ms)
{
    return time_since_epoch(at_ms) << TIME_SHIFT;
}

int64_t id_time_ms(uint64_t id)
{
    return (int64_t)(id >> TIME_SHIFT) + EPOCH_MS;
}

static char *put_id(char *out, uint64_t id)
{
    assert(id <= ID_MAX);
    for (int i = ID_CHARS - 1; i >= 0; i--) {
        out[i] = alphabet[id & 31];
        id >>= 5;
    }
    return out + ID_CHARS;
}

static char *put_prefix(char *out, const char *prefix)
{
    size_t len = strlen(prefix);
    assert(len > 0 && len <= PREFIX_MAX);
    memcpy(out, prefix, len);
    out[len] = '_';
    return out + len + 1;
}

struct str id_format(char ret_text[static ID_TEXT_SIZE], const char *prefix, uint64_t id)
{
    char *end = put_id(put_prefix(ret_text, prefix), id);
    *end = '\0';
    return str_from(ret_text, (size_t)(end - ret_text));
}

struct str id_format2(char ret_text[static ID_TEXT_SIZE], const char *prefix, uint64_t shard,
                      uint64_t id)
{
    char *end = put_id(put_id(put_prefix(ret_text, prefix), shard), id);
    *end = '\0';
    return str_from(ret_text, (size_t)(end - ret_text));
}

/* Value of a character plus one; 0 for those not in the alphabet. */
static const uint8_t char_values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['g'] = 17, ['h'] = 18, ['j'] = 19, ['k'] = 20, ['m'] = 21, ['n'] = 22, ['p'] = 23, ['q'] = 24,
    ['r'] = 25, ['s'] = 26, ['t'] = 27, ['v'] = 28, ['w'] = 29, ['x'] = 30, ['y'] = 31, ['z'] = 32,
};

static bool read_id(const char *text, uint64_t *ret_id)
{
    uint64_t id = 0;
    if (text[0] < '0' || text[0] > '7')
        return false;
    for (size_t i = 0; i < ID_CHARS; i++) {
        uint8_t value = char_values[(unsigned char)text[i]];
        if (value == 0)
            return false;
        id = id << 5 | (uint64_t)(value - 1);
    }
    *ret_id = id;
    return true;
}

/* What follows "prefix_"; empty when the text begins otherwise. */
static struct str after_prefix(struct str text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (!str_starts_with(text, str_from(prefix, len)) || text.len == len || text.data[len] != '_')
        return STR_NONE;
    return str_sub(text, len + 1, text.len);
}

enum err id_parse(struct str text, const char *prefix, uint64_t *ret_id)
{
    struct str body = after_prefix(text, prefix);
    return body.len == ID_CHARS && read_id(body.data, ret_id) ? ERR_OK : ERR_INVALID;
}

enum err id_parse2(struct str text, const char *prefix, uint64_t *ret_shard, uint64_t *ret_id)
{
    struct str body = after_prefix(text, prefix);
    uint64_t shard, id;
    if (body.len != (size_t)2 * ID_CHARS || !read_id(body.data, &shard) ||
        !read_id(body.data + ID_CHARS, &id) || id == 0)
        return ERR_INVALID;
    *ret_shard = shard;
    *ret_id = id;
    return ERR_OK;
}
