/* See media_shrink.h. */
#include "chat/media_shrink.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static uint32_t scaled(uint32_t side, uint32_t longest, uint32_t max)
{
    uint64_t result = longest <= max ? side : (uint64_t)side * max / longest;
    return result > 0 ? (uint32_t)result : 1;
}

enum err shrink_init(struct shrink *shrink, uint32_t width, uint32_t height, uint32_t max)
{
    uint32_t longest = width > height ? width : height;
    *shrink = (struct shrink){.width = width,
                              .height = height,
                              .to_width = scaled(width, longest, max),
                              .to_height = scaled(height, longest, max)};
    shrink->sums = calloc((size_t)shrink->to_width * shrink->to_height, sizeof(*shrink->sums));
    return shrink->sums ? ERR_OK : ERR_NOMEM;
}

void shrink_row(struct shrink *shrink, const uint8_t *pixels, unsigned channels)
{
    if (shrink->row >= shrink->height)
        return;
    uint64_t y = (uint64_t)shrink->row++ * shrink->to_height / shrink->height;
    uint64_t(*sums)[5] = shrink->sums + y * shrink->to_width;
    for (uint32_t x = 0; x < shrink->width; x++, pixels += channels) {
        uint64_t *sum = sums[(uint64_t)x * shrink->to_width / shrink->width];
        uint64_t alpha = channels == 4 ? pixels[3] : 255;
        sum[0] += pixels[0] * alpha;
        sum[1] += pixels[1] * alpha;
        sum[2] += pixels[2] * alpha;
        sum[3] += alpha;
        sum[4]++;
    }
}

static uint8_t mean(uint64_t sum, uint64_t weight, unsigned otherwise)
{
    uint64_t value = weight > 0 ? (sum + weight / 2) / weight : otherwise;
    return (uint8_t)(value & 0xFF); /* it is a mean of bytes */
}

static void put_mean(const uint64_t sum[static 5], uint8_t *ret_pixel)
{
    for (int i = 0; i < 3; i++)
        ret_pixel[i] = mean(sum[i], sum[3], 0);
    ret_pixel[3] = mean(sum[3], sum[4], 255);
}

uint8_t *shrink_finish(struct shrink *shrink, unsigned orientation)
{
    uint32_t width = shrink->to_width, height = shrink->to_height;
    bool is_on_side = orientation >= 5 && orientation <= 8;
    bool is_mirrored = orientation == 2 || orientation == 4;
    bool is_turned = orientation == 3 || orientation == 4;
    uint8_t *pixels = malloc((size_t)width * height * 4);
    for (uint32_t y = 0; pixels && y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            uint32_t to_x = x, to_y = y;
            if (is_turned) {
                to_x = width - 1 - x;
                to_y = height - 1 - y;
            } else if (is_on_side) { /* 6: a quarter to the right; 8: to the left */
                bool is_right = orientation == 6 || orientation == 7;
                to_x = is_right ? height - 1 - y : y;
                to_y = orientation == 7 || orientation == 8 ? width - 1 - x : x;
            }
            if (is_mirrored)
                to_x = width - 1 - to_x;
            uint32_t stride = is_on_side ? height : width;
            put_mean(shrink->sums[(size_t)y * width + x],
                     pixels + ((size_t)to_y * stride + to_x) * 4);
        }
    }
    free(shrink->sums);
    shrink->sums = NULL;
    if (is_on_side) {
        shrink->to_width = height;
        shrink->to_height = width;
    }
    return pixels;
}

/* ---- Exif ---- */

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define ENTRY_BYTES     12

/* A TIFF's numbers, in its own byte order. */
struct tiff {
    const uint8_t *bytes;
    uint32_t size;
    bool is_big;
};

static uint32_t get(const struct tiff *tiff, uint32_t at, unsigned count)
{
    uint32_t value = 0;
    if (at > tiff->size || tiff->size - at < count)
        return 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | tiff->bytes[tiff->is_big ? at + i : at + count - 1 - i];
    return value;
}

unsigned exif_orientation(const uint8_t *bytes, uint32_t size)
{
    if (size < 14 || memcmp(bytes, "Exif\0\0", 6) != 0)
        return 1;
    struct tiff tiff = {bytes + 6, size - 6, memcmp(bytes + 6, "MM", 2) == 0};
    uint32_t directory = get(&tiff, 4, 4);
    if ((!tiff.is_big && memcmp(bytes + 6, "II", 2) != 0) || directory > tiff.size)
        return 1;
    uint32_t count = get(&tiff, directory, 2);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t entry = directory + 2 + i * ENTRY_BYTES;
        if (entry > tiff.size || tiff.size - entry < ENTRY_BYTES)
            break;
        if (get(&tiff, entry, 2) != TAG_ORIENTATION || get(&tiff, entry + 2, 2) != TYPE_SHORT)
            continue;
        uint32_t value = get(&tiff, entry + 8, 2);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}
