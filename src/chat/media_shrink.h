/*
 * An image made smaller while its rows come: every pixel of the source falls into one of the result, which
 * is their mean, weighted by how opaque they are. Memory for the result alone. Pure.
 */
#ifndef CHAT_MEDIA_SHRINK_H
#define CHAT_MEDIA_SHRINK_H

#include <stdint.h>

#include "base/err.h"

struct shrink {
    uint32_t width, height;       /* of the source */
    uint32_t to_width, to_height; /* of the result: the sides in proportion, none above max */
    uint32_t row;                 /* the next one */
    uint64_t (*sums)[5];          /* red, green, blue (times alpha), alpha, pixels */
};

/* ERR_NOMEM. Never larger than the source. */
ERR_MUST_USE enum err shrink_init(struct shrink *shrink, uint32_t width, uint32_t height,
                                  uint32_t max);
/* channels: 3 or 4 bytes a pixel. */
void shrink_row(struct shrink *shrink, const uint8_t *pixels, unsigned channels);
/* Turned as Exif's orientation (1 to 8) says: to_width * to_height pixels of 4 bytes from the heap; the two are
 * exchanged when it lies on its side. NULL: no memory. */
uint8_t *shrink_finish(struct shrink *shrink, unsigned orientation);

/* Orientation in the Exif of a JPEG (the marker's bytes from "Exif" on); 1 when there is none. */
unsigned exif_orientation(const uint8_t *bytes, uint32_t size);

#endif
