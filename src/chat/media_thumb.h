/*
 * Thumbnails, made by a process of their own: what reads images of strangers must not be able to hurt. The
 * server starts its own program as `thumbnail`, with the image as standard input and a pipe as standard
 * output; that one takes everything from itself (media_cage.h), reads, and writes a struct thumb_head and a
 * WebP of at most THUMB_PIXELS a side: pixels alone, turned as the image says, without its metadata.
 * Whatever becomes of it, the server has an answer within THUMB_WAIT_MS.
 */
#ifndef CHAT_MEDIA_THUMB_H
#define CHAT_MEDIA_THUMB_H

#include "base/str.h"
#include "chat/limits.h"

/* What the process writes first. */
struct thumb_head {
    uint32_t width, height; /* of the image, as it is shown */
    uint32_t size;          /* of the WebP behind it */
};

struct thumb {
    int64_t width, height;
    size_t size;
    char *bytes; /* the heap's */
};

/* Of the image that fd is at the beginning of. ERR_INVALID: the process refused it; ERR_TIMEOUT: it was
 * ended; ERR_CORRUPT: it died (of a limit, or of what it read), or wrote nonsense; ERR_IO: it could not be
 * started. program: NULL: this one. Waits: pool threads only. */
ERR_MUST_USE enum err thumb_make(const char *program, int fd, struct thumb *ret_thumb);

/* The process itself: reads standard input, writes standard output. Its exit status: 0, or 1 when there is
 * no thumbnail of that. */
int thumbnail_main(int argc, char *const *argv);

#endif
