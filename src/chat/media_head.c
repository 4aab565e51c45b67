/* See media_head.h. */
#include "chat/media_head.h"

#include <time.h>

#define NUMBER_DIGITS_MAX 15

bool tus_number(struct str text, int64_t *ret_number)
{
    int64_t number = 0;
    if (text.len == 0 || text.len > NUMBER_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (text.data[i] - '0');
    }
    *ret_number = number;
    return true;
}

/* ---- Upload-Metadata ---- */

#define PAIRS_MAX 16

/* Visible ASCII; comma and space cannot be in it. */
static bool is_key(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] <= 0x20 || key.data[i] >= 0x7F)
            return false;
    }
    return key.len > 0 && key.len <= MEDIA_KEY_BYTES_MAX;
}

static bool is_name(struct str name)
{
    bool climbs = str_find(name, '/', 0) < name.len || str_find(name, '\\', 0) < name.len;
    return name.len > 0 && name.len <= MEDIA_NAME_BYTES_MAX && !climbs && str_is_utf8(name) &&
           str_is_printable(name);
}

static bool is_type(struct str type)
{
    for (size_t i = 0; i < type.len; i++) {
        if (type.data[i] < 0x20 || type.data[i] >= 0x7F)
            return false;
    }
    return type.len <= MEDIA_TYPE_BYTES_MAX;
}

static bool decode_value(struct arena *arena, struct str text, struct str *ret_value)
{
    char *bytes = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (!bytes || base64_decode(text, bytes, text.len + 1, &len) != ERR_OK)
        return false;
    *ret_value = str_from(bytes, len);
    return true;
}

/* NULL: fine. */
static const char *take_pair(struct arena *arena, struct str key, struct str encoded,
                             struct tus_metadata *metadata)
{
    struct str value;
    if (!decode_value(arena, encoded, &value))
        return "has a value that is not base64";
    if (str_eq(key, STR("filename"))) {
        if (!is_name(value))
            return "filename must be 1 to 255 bytes of printable UTF-8 without slashes";
        metadata->name = value;
    } else if (str_eq(key, STR("filetype"))) {
        if (!is_type(value))
            return "filetype must be at most 100 printable ASCII characters";
        metadata->type = value;
    }
    return NULL;
}

enum err tus_metadata_parse(struct arena *arena, struct str text, struct tus_metadata *ret_metadata,
                            const char **ret_why)
{
    struct str keys[PAIRS_MAX];
    size_t count = 0;
    struct tus_metadata metadata = {STR_NONE, STR_NONE};
    *ret_why = NULL;
    if (text.len > MEDIA_METADATA_BYTES_MAX)
        *ret_why = "is longer than 4096 bytes";
    bool goes_on = text.len > 0;
    while (!*ret_why && goes_on) {
        goes_on = str_find(text, ',', 0) < text.len;
        struct str value = str_split(&text, ',');
        struct str key = str_split(&value, ' ');
        for (size_t i = 0; i < count && !*ret_why; i++)
            *ret_why = str_eq(keys[i], key) ? "names a key twice" : NULL;
        if (!*ret_why && count == PAIRS_MAX)
            *ret_why = "has more than 16 pairs";
        if (!*ret_why && !is_key(key))
            *ret_why = "must be pairs of a key and base64, with a comma between them";
        if (*ret_why)
            break;
        keys[count++] = key;
        *ret_why = take_pair(arena, key, value, &metadata);
    }
    if (*ret_why)
        return ERR_INVALID;
    *ret_metadata = metadata;
    return ERR_OK;
}

struct str tus_metadata_text(struct arena *arena, const struct tus_metadata *metadata)
{
    struct buf *text = buf_new_in(arena, MEDIA_METADATA_BYTES_MAX);
    if (!text)
        return STR_NONE;
    if (metadata->name.len > 0) {
        buf_append_str(text, STR("filename "));
        base64_append(text, metadata->name.data, metadata->name.len);
    }
    if (metadata->type.len > 0) {
        buf_append_str(text, metadata->name.len > 0 ? STR(",filetype ") : STR("filetype "));
        base64_append(text, metadata->type.data, metadata->type.len);
    }
    return text->overflow ? STR_NONE : buf_str(text);
}

/* ---- Upload-Checksum ---- */

enum err tus_checksum_parse(struct str text, struct tus_checksum *ret_checksum)
{
    struct tus_checksum checksum = {0};
    struct str name = str_split(&text, ' ');
    size_t len = 0;
    checksum.is_sha1 = str_eq(name, STR("sha1"));
    if (!checksum.is_sha1 && !str_eq(name, STR("sha256")))
        return ERR_INVALID;
    enum err err = base64_decode(text, checksum.hash, sizeof(checksum.hash), &len);
    if (err || len != (checksum.is_sha1 ? SHA1_SIZE : SHA256_SIZE))
        return ERR_INVALID;
    *ret_checksum = checksum;
    return ERR_OK;
}

bool tus_checksum_is_of(const struct tus_checksum *checksum, struct str body)
{
    uint8_t hash[SHA256_SIZE] = {0};
    if (checksum->is_sha1)
        crypto_sha1(body, hash);
    else
        crypto_sha256(body, hash);
    return memcmp(hash, checksum->hash, sizeof(hash)) == 0;
}

/* ---- Range ---- */

enum media_range media_range_parse(struct str text, int64_t size, int64_t *ret_first,
                                   int64_t *ret_count)
{
    int64_t first = 0, last = size - 1;
    if (!str_starts_with(text, STR("bytes=")))
        return RANGE_WHOLE;
    text = str_sub(text, 6, text.len);
    size_t dash = str_find(text, '-', 0);
    struct str left = str_sub(text, 0, dash), right = str_sub(text, dash + 1, text.len);
    if (dash == text.len || (left.len == 0 && right.len == 0) ||
        (left.len > 0 && !tus_number(left, &first)) || (right.len > 0 && !tus_number(right, &last)))
        return RANGE_WHOLE;
    if (left.len > 0 && right.len > 0 && last < first)
        return RANGE_WHOLE;
    if (left.len == 0) { /* the last so many */
        if (last == 0)
            return RANGE_UNSATISFIABLE;
        first = last < size ? size - last : 0;
        last = size - 1;
    }
    if (first >= size)
        return RANGE_UNSATISFIABLE;
    *ret_first = first;
    *ret_count = (last < size ? last : size - 1) - first + 1;
    return RANGE_PART;
}

/* ---- answers ---- */

static bool is_attr_char(char c)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return is_letter || (c != '\0' && strchr("!#$&+-.^_`|~", c));
}

struct str media_disposition(struct arena *arena, bool is_inline, struct str name)
{
    struct buf *text = buf_new_in(arena, MEDIA_NAME_BYTES_MAX * 3 + 64);
    if (!text)
        return STR_NONE;
    buf_append_str(text, is_inline ? STR("inline") : STR("attachment"));
    if (name.len > 0)
        buf_append_str(text, STR("; filename*=UTF-8''"));
    for (size_t i = 0; i < name.len; i++) {
        if (is_attr_char(name.data[i]))
            buf_append_char(text, name.data[i]);
        else
            buf_printf(text, "%%%02X", (unsigned)(unsigned char)name.data[i]);
    }
    return text->overflow ? STR_NONE : buf_str(text);
}

struct str media_http_date(struct arena *arena, int64_t at_ms)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = {0};
    time_t at = (time_t)(at_ms / 1000);
    if (!gmtime_r(&at, &tm))
        return STR_NONE;
    return arena_printf(arena, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                        months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
