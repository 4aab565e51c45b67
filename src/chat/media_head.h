/*
 * What media routes read in heads of requests, and what they write there: the fields of tus 1.0, byte
 * ranges, file names, dates. Pure and strict: bytes of strangers end here.
 */
#ifndef CHAT_MEDIA_HEAD_H
#define CHAT_MEDIA_HEAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "chat/limits.h"

/* A number of bytes: 1 to 15 digits and nothing else. */
bool tus_number(struct str text, int64_t *ret_number);

/* Upload-Metadata: pairs "key base64" with a comma between them, each key once. Others than these two
 * are looked at, and not kept. */
struct tus_metadata {
    struct str name; /* filename: 1 to 255 bytes of printable UTF-8 without / and \; "": none */
    struct str type; /* filetype, as the sender calls it; "": unknown */
};
/* ERR_INVALID: ret_why says what is wrong. Strings live in the arena. */
ERR_MUST_USE enum err tus_metadata_parse(struct arena *arena, struct str text,
                                         struct tus_metadata *ret_metadata, const char **ret_why);
/* The other way round: "" when there is nothing to say. */
struct str tus_metadata_text(struct arena *arena, const struct tus_metadata *metadata);

/* Upload-Checksum: "sha256 base64" or "sha1 base64". */
#define TUS_CHECKSUMS "sha1,sha256"
struct tus_checksum {
    bool is_sha1;
    uint8_t hash[SHA256_SIZE];
};
/* ERR_INVALID. */
ERR_MUST_USE enum err tus_checksum_parse(struct str text, struct tus_checksum *ret_checksum);
bool tus_checksum_is_of(const struct tus_checksum *checksum, struct str body);

/* Range (RFC 9110, 14.2) of a body of size bytes. Several ranges at once, other units and what makes no
 * sense ask for the whole. */
enum media_range {
    RANGE_WHOLE,
    RANGE_PART,         /* count bytes from first on */
    RANGE_UNSATISFIABLE /* all of it lies behind the end */
};
enum media_range media_range_parse(struct str text, int64_t size, int64_t *ret_first,
                                   int64_t *ret_count);

/* Content-Disposition (RFC 6266), the name as in RFC 8187. */
struct str media_disposition(struct arena *arena, bool is_inline, struct str name);
/* "Sun, 06 Nov 1994 08:49:37 GMT" */
struct str media_http_date(struct arena *arena, int64_t at_ms);

#endif
