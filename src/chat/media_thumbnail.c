/*
 * `foyer thumbnail`: see media_thumb.h. It enters its cage before it has read a byte. Nothing here is ever
 * freed or handed back: any mistake of the image ends the process, which is why the decoders' error handlers
 * do nothing but that.
 *
 * What an image costs is judged by its head, before it is decoded: THUMB_SOURCE_PX. JPEG is decoded at an
 * eighth to a whole of its size, PNG row by row (interlaced ones whole), WebP straight into its small size.
 */
#include <setjmp.h>
#include <stdio.h> /* before jpeglib.h, which forgets it */
#include <stdlib.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/decode.h>
#include <webp/encode.h>

#include "chat/media_cage.h"
#include "chat/media_shrink.h"
#include "chat/media_sniff.h"
#include "chat/media_thumb.h"

#define QUALITY  75.0F
#define REFUSED  1
#define SIDE_MAX 65500

struct image {
    const uint8_t *bytes;
    size_t size;
    uint32_t width, height; /* as they are stored */
    unsigned orientation;
    struct shrink shrink;
};

static _Noreturn void refuse(void)
{
    _exit(REFUSED);
}

static void check_size(struct image *image, uint64_t width, uint64_t height)
{
    if (width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX ||
        width * height > (uint64_t)THUMB_SOURCE_PX)
        refuse();
    image->width = (uint32_t)width;
    image->height = (uint32_t)height;
}

static void begin_rows(struct image *image, uint32_t width, uint32_t height)
{
    if (shrink_init(&image->shrink, width, height, THUMB_PIXELS) != ERR_OK)
        refuse();
}

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory)
        refuse();
    return memory;
}

/* ---- JPEG ---- */

static void on_jpeg_error(j_common_ptr info)
{
    (void)info;
    refuse();
}

static void on_jpeg_message(j_common_ptr info, int level)
{
    (void)info;
    (void)level;
}

/* As small as it can be decoded without being smaller than the thumbnail. */
static unsigned eighths(const struct image *image)
{
    uint32_t longest = image->width > image->height ? image->width : image->height;
    unsigned eighth = 1;
    while (eighth < 8 && (uint64_t)longest * eighth / 8 < THUMB_PIXELS)
        eighth *= 2;
    return eighth;
}

static void decode_jpeg(struct image *image)
{
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    errors.error_exit = on_jpeg_error;
    errors.emit_message = on_jpeg_message;
    jpeg_create_decompress(&info);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(&info, image->bytes, (unsigned long)image->size);
    if (jpeg_read_header(&info, TRUE) != JPEG_HEADER_OK)
        refuse();
    check_size(image, info.image_width, info.image_height);
    for (jpeg_saved_marker_ptr marker = info.marker_list; marker && image->orientation == 1;
         marker = marker->next)
        image->orientation = exif_orientation(marker->data, marker->data_length);
    info.out_color_space = info.num_components == 4 ? JCS_CMYK : JCS_RGB;
    info.scale_num = eighths(image);
    info.scale_denom = 8;
    if (!jpeg_start_decompress(&info) || info.output_components < 3)
        refuse();
    begin_rows(image, info.output_width, info.output_height);
    bool is_cmyk = info.output_components == 4;
    uint8_t *row = allocate((size_t)info.output_width * 4);
    while (info.output_scanline < info.output_height) {
        (void)jpeg_read_scanlines(&info, &row, 1); /* one, or it does not return */
        for (uint32_t x = 0; is_cmyk && x < info.output_width; x++) { /* as Adobe inverts it */
            uint8_t *to = row + (size_t)x * 3;
            const uint8_t *from = row + (size_t)x * 4;
            const unsigned black = from[3];
            const uint8_t rgb[3] = {(uint8_t)(from[0] * black / 255),
                                    (uint8_t)(from[1] * black / 255),
                                    (uint8_t)(from[2] * black / 255)};
            memcpy(to, rgb, sizeof(rgb));
        }
        shrink_row(&image->shrink, row, 3);
    }
}

/* ---- PNG ---- */

struct png_source {
    const uint8_t *bytes;
    size_t left;
};

static void on_png_error(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
    refuse();
}

static void on_png_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_png_read(png_structp png, png_bytep to, size_t size)
{
    struct png_source *source = png_get_io_ptr(png);
    if (size > source->left)
        refuse();
    memcpy(to, source->bytes, size);
    source->bytes += size;
    source->left -= size;
}

static void read_png_rows(struct image *image, png_structp png, unsigned channels, int passes)
{
    size_t row_bytes = (size_t)image->width * channels;
    uint8_t *rows = allocate(passes > 1 ? row_bytes * image->height : row_bytes);
    begin_rows(image, image->width, image->height);
    for (int pass = 0; pass < passes; pass++) {
        for (uint32_t y = 0; y < image->height; y++) {
            uint8_t *row = passes > 1 ? rows + row_bytes * y : rows;
            png_read_row(png, row, NULL);
            if (pass == passes - 1)
                shrink_row(&image->shrink, row, channels);
        }
    }
}

static void decode_png(struct image *image)
{
    struct png_source source = {image->bytes, image->size};
    png_structp png =
        png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_png_error, on_png_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info)
        refuse();
    png_set_read_fn(png, &source, on_png_read);
    png_set_user_limits(png, SIDE_MAX, SIDE_MAX);
    png_set_chunk_malloc_max(png, 8u << 20);
    png_read_info(png, info);
    check_size(image, png_get_image_width(png, info), png_get_image_height(png, info));
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    unsigned channels = png_get_channels(png, info);
    if (channels < 3 || channels > 4 || png_get_rowbytes(png, info) != image->width * channels)
        refuse();
    read_png_rows(image, png, channels, passes);
}

/* ---- WebP ---- */

static void decode_webp(struct image *image)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config) ||
        WebPGetFeatures(image->bytes, image->size, &config.input) != VP8_STATUS_OK ||
        config.input.width <= 0 || config.input.height <= 0 || config.input.has_animation)
        refuse();
    check_size(image, (uint64_t)config.input.width, (uint64_t)config.input.height);
    begin_rows(image, image->width, image->height); /* for the sides only */
    struct shrink *shrink = &image->shrink;
    config.options.use_scaling = 1;
    config.options.scaled_width = (int)shrink->to_width;
    config.options.scaled_height = (int)shrink->to_height;
    config.output.colorspace = MODE_RGBA;
    if (WebPDecode(image->bytes, image->size, &config) != VP8_STATUS_OK)
        refuse();
    begin_rows(image, shrink->to_width, shrink->to_height);
    for (uint32_t y = 0; y < shrink->height; y++)
        shrink_row(shrink, config.output.u.RGBA.rgba + (size_t)y * config.output.u.RGBA.stride, 4);
}

/* ---- the process ---- */

static void read_input(struct image *image)
{
    uint8_t *bytes = allocate((size_t)THUMB_SOURCE_BYTES);
    for (;;) {
        ssize_t got =
            read(STDIN_FILENO, bytes + image->size, (size_t)THUMB_SOURCE_BYTES - image->size);
        if (got < 0)
            refuse();
        if (got == 0)
            break;
        image->size += (size_t)got;
        if (image->size == (size_t)THUMB_SOURCE_BYTES)
            refuse();
    }
    image->bytes = bytes;
}

static void decode(struct image *image)
{
    struct str head = str_from((const char *)image->bytes, image->size);
    const struct media_type *type = media_sniff(head);
    if (!type->has_thumbnails)
        refuse();
    if (strcmp(type->name, "image/jpeg") == 0)
        decode_jpeg(image);
    else if (strcmp(type->name, "image/png") == 0)
        decode_png(image);
    else
        decode_webp(image);
}

static void write_output(const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = write(STDOUT_FILENO, (const char *)data + done, size - done);
        if (wrote <= 0)
            refuse();
        done += (size_t)wrote;
    }
}

int thumbnail_main(int argc, char *const *argv)
{
    (void)argc;
    (void)argv;
    struct image image = {.orientation = 1};
    if (!media_cage_enter())
        return REFUSED;
    read_input(&image);
    decode(&image);
    uint8_t *pixels = shrink_finish(&image.shrink, image.orientation);
    uint8_t *webp = NULL;
    if (!pixels)
        refuse();
    size_t size = WebPEncodeRGBA(pixels, (int)image.shrink.to_width, (int)image.shrink.to_height,
                                 (int)image.shrink.to_width * 4, QUALITY, &webp);
    if (size == 0 || size > THUMB_BYTES_MAX)
        refuse();
    bool is_on_side = image.orientation >= 5;
    struct thumb_head head = {.width = is_on_side ? image.height : image.width,
                              .height = is_on_side ? image.width : image.height,
                              .size = (uint32_t)size};
    write_output(&head, sizeof(head));
    write_output(webp, size);
    _exit(0); /* the end of a process opens files, too */
}
