/*
 * What a file is, by its first bytes. Its answer, never the sender's word, is the type that a file is
 * served with. Pure.
 */
#ifndef CHAT_MEDIA_SNIFF_H
#define CHAT_MEDIA_SNIFF_H

#include "base/str.h"

#define SNIFF_BYTES 512 /* more are not looked at */

enum media_kind {
    MEDIA_FILE,
    MEDIA_IMAGE,
    MEDIA_AUDIO,
    MEDIA_VIDEO,
    MEDIA_PROGRAM, /* for somebody's processor or shell: not taken */
};

struct media_type {
    const char *name; /* the Content-Type */
    enum media_kind kind;
    bool is_inline;      /* browsers show it, and it can do nothing there */
    bool has_thumbnails; /* the thumbnail program reads it */
};

/* Never NULL: what is not known is application/octet-stream. */
const struct media_type *media_sniff(struct str head);
/* By its name, as media_sniff gave it once; unknown ones are application/octet-stream. */
const struct media_type *media_type_find(struct str name);
/* Size of an image whose head says it; false: it does not. For those without thumbnails. */
bool media_sniff_size(struct str head, int64_t *ret_width, int64_t *ret_height);

#endif
