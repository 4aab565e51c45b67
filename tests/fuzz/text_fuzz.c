/*
 * Fuzz target of the small readers: the first byte picks one, the rest is its text. Each agrees
 * with a second implementation, or gives back what it read when it is written again.
 *
 * Run: text_fuzz tests/fuzz/corpus/text
 */
#include "fuzz.h"
#include "witness.h"

#include "app/config.h"
#include "app/idempotency.h"
#include "app/identity_rules.h"
#include "app/portal.h"
#include "app/route.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/fold.h"
#include "base/ids.h"
#include "tickets/mail_mime.h"
#include "tickets/provider.h"
#include "tickets/search_text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#define TEXT_MAX ((size_t)1 << 16)

/* A copy that ends with NUL; NULL when the text has one inside. The caller's to free. */
static char *c_of(struct str text)
{
    char *copy = malloc(text.len + 1);
    require(copy);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) == text.len)
        return copy;
    free(copy);
    return NULL;
}

/* ---- numbers ---- */

static void read_i64(struct str text)
{
    int64_t value;
    char *copy = c_of(text), *end;
    if (str_to_i64(text, &value) == ERR_OK) {
        require(copy);
        errno = 0;
        require(strtoll(copy, &end, 10) == value && errno == 0 && *end == '\0');
        require(copy[0] == '-' || (copy[0] >= '0' && copy[0] <= '9'));
    }
    free(copy);
}

static void read_f64(struct str text)
{
    double value;
    char *copy = c_of(text), *end;
    if (str_to_f64(text, &value) == ERR_OK) {
        require(copy && isfinite(value));
        require(strtod(copy, &end) == value && *end == '\0');
        require(strpbrk(copy, "xXnN ") == NULL);
    }
    free(copy);
}

/* ---- time ---- */

static int digits(struct str text, size_t from, size_t count)
{
    int value = 0;
    for (size_t i = from; i < from + count; i++) {
        require(i < text.len && text.data[i] >= '0' && text.data[i] <= '9');
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

/* By the C library's calendar; the shape was checked by who is checked. */
static int64_t time_again(struct str text)
{
    struct tm parts = {.tm_year = digits(text, 0, 4) - 1900,
                       .tm_mon = digits(text, 5, 2) - 1,
                       .tm_mday = digits(text, 8, 2),
                       .tm_hour = digits(text, 11, 2),
                       .tm_min = digits(text, 14, 2),
                       .tm_sec = digits(text, 17, 2)};
    int64_t ms = 0, scale = 100;
    size_t at = 19;
    if (at < text.len && text.data[at] == '.')
        for (at++; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++, scale /= 10)
            ms += (text.data[at] - '0') * scale;
    require(at < text.len);
    int64_t offset_s = 0;
    if (text.data[at] == '+' || text.data[at] == '-')
        offset_s = (digits(text, at + 1, 2) * 60 + digits(text, at + 4, 2)) *
                   (text.data[at] == '+' ? 60 : -60);
    return ((int64_t)timegm(&parts) - offset_s) * 1000 + ms;
}

static void read_time(struct str text)
{
    int64_t at_ms, again_ms;
    char written[CLOCK_TEXT_SIZE];
    if (clock_parse(text, &at_ms) != ERR_OK)
        return;
    require(at_ms == time_again(text));
    clock_format(at_ms, written);
    require(clock_parse(str_from_c(written), &again_ms) == ERR_OK && again_ms == at_ms);
}

/* ---- bytes as text ---- */

static void read_utf8(struct str text)
{
    require(str_is_utf8(text) == witness_utf8(text));
}

struct code {
    enum err (*decode)(struct str text, void *ret_data, size_t size, size_t *ret_len);
    void (*append)(struct buf *buf, const void *data, size_t len);
};

static void check_code(const struct code *code, struct str text)
{
    static char bytes[TEXT_MAX];
    size_t len;
    struct buf written;
    buf_init(&written, 4 * TEXT_MAX);
    /* Canonical: what is taken is what would be written. */
    if (code->decode(text, bytes, sizeof(bytes), &len) == ERR_OK) {
        require(len <= text.len);
        code->append(&written, bytes, len);
        require_eq(buf_str(&written), text);
        buf_clear(&written);
        require(len == 0 || code->decode(text, bytes, len - 1, &len) == ERR_INVALID);
    }
    /* And any bytes can be written, and read again. */
    code->append(&written, text.data, text.len);
    require(code->decode(buf_str(&written), bytes, sizeof(bytes), &len) == ERR_OK);
    require_eq(str_from(bytes, len), text);
    buf_release(&written);
}

static void read_codes(struct str text)
{
    static const struct code codes[] = {{hex_decode, hex_append},
                                        {base64_decode, base64_append},
                                        {base64url_decode, base64url_append}};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        check_code(&codes[i], text);
}

/* ---- ids ---- */

static void read_ids(struct str text)
{
    static const char *const prefixes[] = {"evt", "bkg", "tkt", "usr", "key", "ven", "ref", "pay"};
    uint64_t a, b;
    char written[ID_TEXT_SIZE];
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (id_parse(text, prefixes[i], &a) == ERR_OK) {
            require(a <= INT64_MAX);
            require_eq(id_format(written, prefixes[i], a), text);
        }
        if (id_parse2(text, prefixes[i], &a, &b) == ERR_OK) {
            require(a <= INT64_MAX && b > 0 && b <= INT64_MAX);
            require_eq(id_format2(written, prefixes[i], a, b), text);
        }
    }
    if (text.len < 16)
        return;
    uint64_t ids[2], again[2];
    memcpy(ids, text.data, sizeof(ids));
    ids[0] &= INT64_MAX;
    ids[1] &= INT64_MAX;
    ids[1] += ids[1] == 0; /* no row has that id */
    struct str id = id_format2(written, "bkg", ids[0], ids[1]);
    require(id_parse2(id, "bkg", &again[0], &again[1]) == ERR_OK);
    require(again[0] == ids[0] && again[1] == ids[1]);
}

/* ---- queries of lists ---- */

struct bare {
    struct request request;
    struct request_field field;
    struct route route;
    struct call call;
};

static void bare_init(struct bare *bare, struct str query)
{
    memset(bare, 0, sizeof(*bare));
    arena_init(&bare->request.arena, (size_t)1 << 20);
    bare->request.path = STR("/");
    bare->request.query = query;
    bare->request.id = STR("fuzz");
    bare->call.req = &bare->request;
    bare->call.route = &bare->route;
}

/* What was refused is a problem document of 422. */
static void bare_end(struct bare *bare, bool is_taken)
{
    const struct response *res = &bare->request.res;
    require(is_taken == !call_is_answered(&bare->call));
    if (!is_taken && !bare->request.arena.overflow) {
        require(res->status == 422 && witness_count(res->body) > 0);
    }
    arena_release(&bare->request.arena);
}

#define CURSOR_TEXT_OF_TWO 22 /* characters of two numbers; of three there are 32 */

static void check_cursor(struct bare *bare, const struct list_page *page)
{
    struct str cursor, written;
    struct json_writer writer;
    struct buf *list = buf_new_in(&bare->request.arena, 4096);
    require(list != NULL);
    json_begin(&writer, list);
    json_open_object(&writer);
    json_key(&writer, "data");
    json_open_array(&writer);
    require(request_query(&bare->request, "cursor", &cursor) == ERR_OK);
    if (cursor.len > CURSOR_TEXT_OF_TWO)
        list_close_at(&writer, true, page->a, page->b, page->c);
    else
        list_close(&writer, true, page->a, page->b);
    require(witness_text(buf_str(list), "next_cursor", &written));
    require_eq(cursor, written); /* one text a position: no two cursors are the same */
}

static void read_query(struct str text)
{
    struct bare bare;
    struct list_page page = {0};
    int64_t integer = 5, at_ms = 0;
    double number = 0.5;
    bare_init(&bare, text);
    bool is_taken = call_list_page(&bare.call, &page);
    if (is_taken)
        require(page.limit >= 1 && page.limit <= LIST_LIMIT_MAX);
    if (is_taken && page.has_cursor)
        check_cursor(&bare, &page);
    bare_end(&bare, is_taken);
    bare_init(&bare, text);
    is_taken = call_query_i64(&bare.call, "n", -7, 7, &integer);
    require(integer >= -7 && integer <= 7);
    bare_end(&bare, is_taken);
    bare_init(&bare, text);
    is_taken = call_query_f64(&bare.call, "x", 0, 1, &number);
    require(number >= 0 && number <= 1);
    bare_end(&bare, is_taken);
    bare_init(&bare, text);
    is_taken = call_query_time(&bare.call, "from", &at_ms);
    require(at_ms >= 0);
    bare_end(&bare, is_taken);
}

/* If-None-Match says yes only when the tag stands in it, in quotes, or a star does. */
static void read_etags(struct str text)
{
    struct bare bare;
    bare_init(&bare, STR_NONE);
    bare.field = (struct request_field){STR("if-none-match"), text};
    bare.request.fields = &bare.field;
    bare.request.field_count = 1;
    bool is_same = reply_not_modified(&bare.call, STR("v1"));
    bool is_named = text.len > 0 && memmem(text.data, text.len, "\"v1\"", 4) != NULL;
    require(!is_same || is_named || str_find(text, '*', 0) < text.len);
    require(is_same == (bare.request.res.status == 304));
    require(!str_eq(text, STR("\"v1\"")) || is_same);
    arena_release(&bare.request.arena);
}

/* ---- names, keys, addresses ---- */

static void read_names(struct str text)
{
    struct str name, address;
    unsigned bits = 0;
    if (name_problem(text) == NULL)
        require(str_is_utf8(text) && str_is_printable(text) && text.len <= NAME_BYTES_MAX);
    if (idempotency_key_is_valid(text)) {
        require(text.len >= 1 && text.len <= 255 && str_is_printable(text));
        require(str_find(text, ' ', 0) == text.len && str_is_utf8(text));
    }
    if (config_is_api_key(text))
        require(text.len >= 23 && text.len <= 131 && str_starts_with(text, STR("sk_")));
    if (scopes_parse(text, &bits) == ERR_OK)
        require(bits < 16);
    if (mail_address_parse(text, &name, &address) == ERR_OK) {
        require(mail_address_is_safe(address) && str_is_utf8(name));
        require_inside(text, name);
        require_inside(text, address);
    }
}

/* Folding a second time changes nothing, and the words are pieces of the text. */
static void read_words(struct str text)
{
    struct arena arena;
    struct search_words words;
    if (!str_is_utf8(text) || str_find(text, '\0', 0) < text.len)
        return;
    arena_init(&arena, 4 * TEXT_MAX);
    struct str once = fold_text(&arena, text);
    require(str_is_utf8(once) && once.len <= text.len);
    require_eq(fold_text(&arena, once), once);
    search_words_split(text, &words);
    require(words.count <= SEARCH_WORDS_MAX);
    for (size_t i = 0; i < words.count; i++) {
        require_inside(text, words.items[i]);
        require(words.items[i].len >= 1 && words.items[i].len <= SEARCH_WORD_MAX);
        require(str_is_utf8(words.items[i]));
    }
    arena_release(&arena);
}

/* What we put into an URL is what a server reads out of it. */
static void read_escaped(struct str text)
{
    struct buf query;
    struct str value;
    if (!str_is_utf8(text) || str_find(text, '\0', 0) < text.len)
        return;
    buf_init(&query, 4 * TEXT_MAX);
    buf_append_str(&query, STR("x="));
    provider_append_escaped(&query, text);
    struct request request = {.query = buf_str(&query)};
    arena_init(&request.arena, 4 * TEXT_MAX);
    require(request_query(&request, "x", &value) == ERR_OK);
    require_eq(value, text);
    arena_release(&request.arena);
    buf_release(&query);
}

/* The value of an Authorization header: what is taken for a portal token begins with its application's id
 * as we write it, and is no session's or key's. A made one is always taken. */
static void read_portal(struct str text)
{
    uint64_t app_id, made_id;
    uint8_t hash[SHA256_SIZE], made_hash[SHA256_SIZE];
    char token[PORTAL_TOKEN_SIZE], header[PORTAL_TOKEN_SIZE + 8], id_text[ID_TEXT_SIZE];
    if (!portal_token_parse(text, &app_id, hash))
        return;
    struct str id = id_format(id_text, "por", app_id);
    struct str rest = text;
    (void)str_split(&rest, ' ');
    require(str_starts_with(str_trim(rest), id) && !config_is_api_key(str_trim(rest)));
    if (portal_token_make(app_id, token, made_hash) != ERR_OK)
        return;
    (void)snprintf(header, sizeof(header), "bearer %s", token);
    require(portal_token_parse(str_from_c(header), &made_id, hash) && made_id == app_id &&
            memcmp(hash, made_hash, sizeof(hash)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        char name;
        void (*read)(struct str text);
    } readers[] = {
        {'i', read_i64},   {'f', read_f64},   {'t', read_time},    {'u', read_utf8},
        {'c', read_codes}, {'d', read_ids},   {'q', read_query},   {'e', read_etags},
        {'n', read_names}, {'w', read_words}, {'x', read_escaped}, {'p', read_portal},
    };
    struct str text = str_from((const char *)data, size);
    if (size == 0 || size > TEXT_MAX)
        return 0;
    for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
        if (text.data[0] == readers[i].name)
            readers[i].read(str_sub(text, 1, size));
    return 0;
}
