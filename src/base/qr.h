/* QR codes (ISO/IEC 18004) by libqrencode, pictures by libpng; both included in qr.c only. */
#ifndef BASE_QR_H
#define BASE_QR_H

#include "base/buf.h"

#define QR_WIDTH_MAX  177 /* modules of version 40 */
#define QR_QUIET_ZONE 4   /* modules of white around it, as the standard wants */

/* Dark modules, row by row. */
struct qr {
    unsigned width; /* in modules, without the quiet zone */
    uint8_t dark[QR_WIDTH_MAX * QR_WIDTH_MAX];
};

/* The smallest version at error correction M. ERR_INVALID: too long or empty; ERR_NOMEM. Any
 * thread. */
ERR_MUST_USE enum err qr_encode(struct str text, struct qr *ret_qr);
bool qr_is_dark(const struct qr *qr, unsigned x, unsigned y);
/* Dark run of row y that begins at or after *x: moves *x to it and gives its length; false at the
 * row's end. */
bool qr_next_run(const struct qr *qr, unsigned y, unsigned *x, unsigned *ret_len);

/* A whole picture with its quiet zone; title: for screen readers. Overflow shows in the buffer. */
void qr_write_svg(const struct qr *qr, struct str title, struct buf *buf);
/* module_pixels: 1-32. ERR_NOMEM. */
ERR_MUST_USE enum err qr_write_png(const struct qr *qr, unsigned module_pixels, struct buf *buf);

#endif
