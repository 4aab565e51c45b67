/*
 * See media_sniff.h. One table of signatures, in the order in which they are tried; the formats that
 * are containers have a second look of their own.
 */
#include "chat/media_sniff.h"

static const struct media_type unknown = {"application/octet-stream", MEDIA_FILE, false, false};
static const struct media_type program = {"application/octet-stream", MEDIA_PROGRAM, false, false};
static const struct media_type jpeg = {"image/jpeg", MEDIA_IMAGE, true, true};
static const struct media_type png = {"image/png", MEDIA_IMAGE, true, true};
static const struct media_type webp = {"image/webp", MEDIA_IMAGE, true, true};
static const struct media_type gif = {"image/gif", MEDIA_IMAGE, true, false};
static const struct media_type avif = {"image/avif", MEDIA_IMAGE, true, false};
static const struct media_type heic = {"image/heic", MEDIA_FILE, false, false};
static const struct media_type mp4 = {"video/mp4", MEDIA_VIDEO, true, false};
static const struct media_type quicktime = {"video/quicktime", MEDIA_VIDEO, true, false};
static const struct media_type webm = {"video/webm", MEDIA_VIDEO, true, false};
static const struct media_type matroska = {"video/x-matroska", MEDIA_FILE, false, false};
static const struct media_type ogg_video = {"video/ogg", MEDIA_VIDEO, true, false};
static const struct media_type ogg_audio = {"audio/ogg", MEDIA_AUDIO, true, false};
static const struct media_type mp4_audio = {"audio/mp4", MEDIA_AUDIO, true, false};
static const struct media_type mpeg_audio = {"audio/mpeg", MEDIA_AUDIO, true, false};
static const struct media_type aac = {"audio/aac", MEDIA_AUDIO, true, false};
static const struct media_type flac = {"audio/flac", MEDIA_AUDIO, true, false};
static const struct media_type wav = {"audio/wav", MEDIA_AUDIO, true, false};
static const struct media_type pdf = {"application/pdf", MEDIA_FILE, false, false};
static const struct media_type zip = {"application/zip", MEDIA_FILE, false, false};
static const struct media_type gzip = {"application/gzip", MEDIA_FILE, false, false};

static const struct media_type *const types[] = {
    &unknown, &jpeg,      &png,  &webp,     &gif,       &avif,      &heic,
    &mp4,     &quicktime, &webm, &matroska, &ogg_video, &wav,       &ogg_audio,
    &aac,     &flac,      &pdf,  &zip,      &gzip,      &mp4_audio, &mpeg_audio,
};

static bool has_at(struct str head, size_t at, struct str bytes)
{
    return str_eq(str_sub(head, at, bytes.len), bytes);
}

static bool contains(struct str head, size_t until, struct str bytes)
{
    for (size_t at = 0; at < until && at + bytes.len <= head.len; at++) {
        if (has_at(head, at, bytes))
            return true;
    }
    return false;
}

static const struct {
    struct str bytes;
    const struct media_type *type;
} signatures[] = {
    {{"\xFF\xD8\xFF", 3}, &jpeg},
    {{"\x89PNG\r\n\x1A\n", 8}, &png},
    {{"GIF87a", 6}, &gif},
    {{"GIF89a", 6}, &gif},
    {{"fLaC", 4}, &flac},
    {{"ID3", 3}, &mpeg_audio},
    {{"\xFF\xFB", 2}, &mpeg_audio},
    {{"\xFF\xF3", 2}, &mpeg_audio},
    {{"\xFF\xF2", 2}, &mpeg_audio},
    {{"\xFF\xF1", 2}, &aac},
    {{"\xFF\xF9", 2}, &aac},
    {{"%PDF-", 5}, &pdf},
    {{"PK\x03\x04", 4}, &zip},
    {{"\x1F\x8B\x08", 3}, &gzip},
    {{"\x7F"
      "ELF",
      4},
     &program},
    {{"#!", 2}, &program},
    {{"\xFE\xED\xFA\xCE", 4}, &program},
    {{"\xFE\xED\xFA\xCF", 4}, &program},
    {{"\xCE\xFA\xED\xFE", 4}, &program},
    {{"\xCF\xFA\xED\xFE", 4}, &program},
    {{"\xCA\xFE\xBA\xBE", 4}, &program},
};

static const struct {
    struct str brand;
    const struct media_type *type;
} brands[] = {
    {{"avif", 4}, &avif},      {{"avis", 4}, &avif},      {{"heic", 4}, &heic},
    {{"heix", 4}, &heic},      {{"mif1", 4}, &heic},      {{"msf1", 4}, &heic},
    {{"qt  ", 4}, &quicktime}, {{"M4A ", 4}, &mp4_audio}, {{"M4B ", 4}, &mp4_audio},
    {{"isom", 4}, &mp4},       {{"iso2", 4}, &mp4},       {{"iso4", 4}, &mp4},
    {{"iso5", 4}, &mp4},       {{"iso6", 4}, &mp4},       {{"mp41", 4}, &mp4},
    {{"mp42", 4}, &mp4},       {{"avc1", 4}, &mp4},       {{"dash", 4}, &mp4},
    {{"M4V ", 4}, &mp4},       {{"3gp4", 4}, &mp4},       {{"3gp5", 4}, &mp4},
    {{"3gp6", 4}, &mp4},       {{"mmp4", 4}, &mp4},
};

/* A box "ftyp" with the main brand. */
static const struct media_type *sniff_iso(struct str head)
{
    for (size_t i = 0; i < sizeof(brands) / sizeof(brands[0]); i++) {
        if (has_at(head, 8, brands[i].brand))
            return brands[i].type;
    }
    return &unknown;
}

static const struct media_type *sniff_container(struct str head)
{
    if (has_at(head, 4, STR("ftyp")))
        return sniff_iso(head);
    if (has_at(head, 0, STR("RIFF")))
        return has_at(head, 8, STR("WEBP"))   ? &webp
               : has_at(head, 8, STR("WAVE")) ? &wav
                                              : &unknown;
    if (has_at(head, 0, STR("\x1A\x45\xDF\xA3")))
        return contains(head, 64, STR("webm"))       ? &webm
               : contains(head, 64, STR("matroska")) ? &matroska
                                                     : &unknown;
    if (has_at(head, 0, STR("OggS")))
        return contains(head, 64, STR("\x80theora")) ? &ogg_video : &ogg_audio;
    /* A header of 64 bytes with zeros in it: no text that begins with two letters. */
    if (has_at(head, 0, STR("MZ")) && head.len >= 64 && memchr(head.data, 0, 64))
        return &program;
    return NULL;
}

const struct media_type *media_sniff(struct str head)
{
    head = str_sub(head, 0, SNIFF_BYTES);
    const struct media_type *type = sniff_container(head);
    for (size_t i = 0; !type && i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        if (has_at(head, 0, signatures[i].bytes))
            type = signatures[i].type;
    }
    return type ? type : &unknown;
}

const struct media_type *media_type_find(struct str name)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq(name, str_from_c(types[i]->name)))
            return types[i];
    }
    return &unknown;
}

bool media_sniff_size(struct str head, int64_t *ret_width, int64_t *ret_height)
{
    if (media_sniff(head) != &gif || head.len < 10)
        return false;
    const unsigned char *bytes = (const unsigned char *)head.data;
    *ret_width = bytes[6] | bytes[7] << 8;
    *ret_height = bytes[8] | bytes[9] << 8;
    return *ret_width > 0 && *ret_height > 0;
}
