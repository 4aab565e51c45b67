/*
 * QR codes. The vector form is one path of horizontal runs; the bitmap is eight-bit grey, which
 * every reader takes and which deflates to next to nothing.
 */
#include "base/qr.h"

#include <assert.h>
#include <errno.h>
#include <png.h>
#include <qrencode.h>
#include <stdlib.h>

#define MODULE_PIXELS_MAX 32

enum err qr_encode(struct str text, struct qr *ret_qr)
{
    if (text.len == 0 || text.len > 2000)
        return ERR_INVALID;
    QRcode *code =
        QRcode_encodeData((int)text.len, (const unsigned char *)text.data, 0, QR_ECLEVEL_M);
    if (!code)
        return errno == ENOMEM ? ERR_NOMEM : ERR_INVALID;
    assert(code->width > 0 && code->width <= QR_WIDTH_MAX);
    ret_qr->width = (unsigned)code->width;
    for (unsigned i = 0; i < ret_qr->width * ret_qr->width; i++)
        ret_qr->dark[i] = code->data[i] & 1;
    QRcode_free(code);
    return ERR_OK;
}

bool qr_is_dark(const struct qr *qr, unsigned x, unsigned y)
{
    return x < qr->width && y < qr->width && qr->dark[y * qr->width + x];
}

bool qr_next_run(const struct qr *qr, unsigned y, unsigned *x, unsigned *ret_len)
{
    while (*x < qr->width && !qr_is_dark(qr, *x, y))
        ++*x;
    unsigned len = 0;
    while (qr_is_dark(qr, *x + len, y))
        len++;
    *ret_len = len;
    return len > 0;
}

void qr_write_svg(const struct qr *qr, struct str title, struct buf *buf)
{
    unsigned side = qr->width + 2 * QR_QUIET_ZONE;
    buf_printf(buf,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %u %u\" role=\"img\" "
               "shape-rendering=\"crispEdges\"><title>",
               side, side);
    buf_append_markup(buf, title);
    buf_printf(buf, "</title><path fill=\"#fff\" d=\"M0 0h%uv%uH0z\"/><path d=\"", side, side);
    for (unsigned y = 0; y < qr->width; y++) {
        unsigned len;
        for (unsigned x = 0; qr_next_run(qr, y, &x, &len); x += len)
            buf_printf(buf, "M%u %uh%uv1h-%uz", x + QR_QUIET_ZONE, y + QR_QUIET_ZONE, len, len);
    }
    buf_append_str(buf, STR("\"/></svg>\n"));
}

/* Grey pixels of the whole picture; the caller frees them. */
static uint8_t *new_pixels(const struct qr *qr, unsigned module_pixels, unsigned side)
{
    uint8_t *pixels = malloc((size_t)side * side);
    if (!pixels)
        return NULL;
    memset(pixels, 255, (size_t)side * side);
    for (unsigned y = 0; y < qr->width * module_pixels; y++) {
        uint8_t *row = pixels + (size_t)(y + QR_QUIET_ZONE * module_pixels) * side +
                       QR_QUIET_ZONE * module_pixels;
        unsigned len;
        for (unsigned x = 0; qr_next_run(qr, y / module_pixels, &x, &len); x += len)
            memset(row + (size_t)x * module_pixels, 0, (size_t)len * module_pixels);
    }
    return pixels;
}

enum err qr_write_png(const struct qr *qr, unsigned module_pixels, struct buf *buf)
{
    assert(module_pixels > 0 && module_pixels <= MODULE_PIXELS_MAX);
    unsigned side = (qr->width + 2 * QR_QUIET_ZONE) * module_pixels;
    uint8_t *pixels = new_pixels(qr, module_pixels, side);
    if (!pixels)
        return ERR_NOMEM;
    /* The simplified interface returns its errors; the other one jumps. */
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = side, .height = side, .format = PNG_FORMAT_GRAY};
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    void *png = malloc(size);
    bool is_written =
        png && png_image_write_to_memory(&image, png, &size, 0, pixels, (int)side, NULL);
    if (is_written)
        buf_append(buf, png, size);
    png_image_free(&image);
    free(png);
    free(pixels);
    return is_written && !buf->overflow ? ERR_OK : ERR_NOMEM;
}
