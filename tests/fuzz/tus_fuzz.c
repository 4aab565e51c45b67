/*
 * Fuzz target of what media routes read: fields of tus, ranges, and the first bytes of files. Whatever comes: what is taken of
 * Upload-Metadata says the same when it is written and read again, and a name in it neither climbs nor has control
 * characters; a checksum that is taken is of the length of its kind; a range lies within the body; a file name can break out of
 * no header; an image lies in one of eight ways; a type that browsers may show is image, audio or video and says so by its name.
 *
 * Run: tus_fuzz tests/fuzz/corpus/tus
 */
#include "fuzz.h"

#include "chat/media_head.h"
#include "chat/media_shrink.h"
#include "chat/media_sniff.h"

#define SIZE INT64_C(1000)

static void metadata(struct arena *arena, struct str text)
{
    struct tus_metadata read = {STR_NONE, STR_NONE}, again = {STR_NONE, STR_NONE};
    const char *why = NULL;
    enum err err = tus_metadata_parse(arena, text, &read, &why);
    require((err == ERR_OK) == !why);
    if (err)
        return;
    require(read.name.len <= MEDIA_NAME_BYTES_MAX && read.type.len <= MEDIA_TYPE_BYTES_MAX);
    require(str_is_utf8(read.name) && str_is_printable(read.name) && str_is_printable(read.type));
    require(str_find(read.name, '/', 0) == read.name.len);
    require(tus_metadata_parse(arena, tus_metadata_text(arena, &read), &again, &why) == ERR_OK);
    require_eq(read.name, again.name);
    require_eq(read.type, again.type);
}

static void checksum(struct str text)
{
    struct tus_checksum checksum;
    if (tus_checksum_parse(text, &checksum) != ERR_OK)
        return;
    struct buf again;
    buf_init(&again, 128);
    buf_append_str(&again, checksum.is_sha1 ? STR("sha1 ") : STR("sha256 "));
    base64_append(&again, checksum.hash, checksum.is_sha1 ? SHA1_SIZE : SHA256_SIZE);
    require_eq(buf_str(&again), text);
    buf_release(&again);
}

static void range(struct str text)
{
    int64_t first = -1, count = -1, number = -1;
    if (media_range_parse(text, SIZE, &first, &count) == RANGE_PART)
        require(first >= 0 && count > 0 && first + count <= SIZE);
    if (tus_number(text, &number))
        require(number >= 0 && number < INT64_C(1000000000000000));
}

static void names(struct arena *arena, struct str text)
{
    struct str name = str_sub(text, 0, MEDIA_NAME_BYTES_MAX);
    struct str shown = media_disposition(arena, false, name);
    require(shown.len > 0 && str_starts_with(shown, STR("attachment")));
    for (size_t i = 0; i < shown.len; i++)
        require(shown.data[i] >= 0x20 && shown.data[i] < 0x7F && shown.data[i] != '"');
}

static void sniff(struct str text)
{
    int64_t width = 0, height = 0;
    const struct media_type *type = media_sniff(text);
    struct str name = str_from_c(type->name);
    if (type->is_inline)
        require((str_starts_with(name, STR("image/")) && type->kind == MEDIA_IMAGE) ||
                (str_starts_with(name, STR("audio/")) && type->kind == MEDIA_AUDIO) ||
                (str_starts_with(name, STR("video/")) && type->kind == MEDIA_VIDEO));
    if (type->kind != MEDIA_PROGRAM)
        require(media_type_find(name) == type);
    require(!str_eq(name, STR("image/svg+xml")) && !str_eq(name, STR("text/html")));
    if (media_sniff_size(text, &width, &height))
        require(width > 0 && height > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct str text = str_from((const char *)data, size);
    arena_init(&arena, 1 << 20);
    metadata(&arena, text);
    checksum(text);
    range(text);
    names(&arena, text);
    sniff(text);
    unsigned orientation = exif_orientation(data, size < 65536 ? (uint32_t)size : 65536);
    require(orientation >= 1 && orientation <= 8);
    require(!arena.overflow || size > 100000);
    arena_release(&arena);
    return 0;
}
