/*
 * Chunked bodies (RFC 9112, 7.1), decoded strictly and in place. No h2o types: it is fuzzed alone.
 */
#ifndef NET_CHUNK_INTERNAL_H
#define NET_CHUNK_INTERNAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHUNK_LINE_MAX     256        /* a chunk's size with its extensions */
#define CHUNK_TRAILERS_MAX (8u << 10) /* all trailer fields together */
#define CHUNK_SIZE_DIGITS  12         /* 256 TiB: far over any body, far from any overflow */

#define CHUNK_INCOMPLETE ((ssize_t)-2)
#define CHUNK_MALFORMED  ((ssize_t)-1)

/* All zero at the start of a body. As large as the decoder it stands for, see server_exchange.c. */
struct chunk_decoder {
    uint64_t bytes_left; /* of the chunk */
    char unused;         /* set by h2o */
    uint8_t digits;      /* of the chunk's size, so far */
    uint8_t state;
    uint32_t line_bytes; /* of the size's line, or of all trailers */
};

/* Takes *size new bytes at data, moves the body's bytes to the front and sets *size to their
 * count. CHUNK_INCOMPLETE, CHUNK_MALFORMED, or, at the end of the body, the count of bytes that
 * follow the body's own: they belong to the next request. */
ssize_t chunk_decode(struct chunk_decoder *decoder, char *data, size_t *size);

#endif
