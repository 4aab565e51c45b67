/*
 * Thumbnails by the process that makes them: this program itself, which is started again as `thumbnail` just as the
 * server is. And its cage: what it must not do ends it, and the same without the cage does not.
 */
#include "base/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jpeglib.h>
#include <webp/decode.h>
#include <webp/encode.h>

#include "chat/media_cage.h"
#include "chat/media_shrink.h"
#include "chat/media_thumb.h"

/* ---- images ---- */

struct bytes {
    unsigned char *data;
    unsigned long size;
};

/* The left half red, the right half blue; Exif says how it lies (0: no Exif). */
static struct bytes make_jpeg(unsigned width, unsigned height, unsigned orientation)
{
    struct bytes out = {NULL, 0};
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &out.data, &out.size);
    info.image_width = width;
    info.image_height = height;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 95, TRUE);
    jpeg_start_compress(&info, TRUE);
    const unsigned char exif[] = {
        'E', 'x', 'i', 'f', 0,    0, 'M', 'M', 0, 42, 0, 0, 0,
        8,   0,   1,   1,   0x12, 0, 3,   0,   0, 0,  1, 0, (unsigned char)orientation,
        0,   0};
    if (orientation > 0)
        jpeg_write_marker(&info, JPEG_APP0 + 1, exif, sizeof(exif));
    unsigned char *row = malloc((size_t)width * 3);
    assert_non_null(row);
    for (unsigned x = 0; x < width; x++) {
        row[x * 3] = x < width / 2 ? 250 : 5;
        row[x * 3 + 1] = 5;
        row[x * 3 + 2] = x < width / 2 ? 5 : 250;
    }
    while (info.next_scanline < info.image_height)
        (void)jpeg_write_scanlines(&info, &row, 1);
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    return out;
}

static enum err make_of(const void *data, size_t size, struct thumb *ret_thumb)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    rewind(file);
    enum err err = thumb_make(NULL, fileno(file), ret_thumb);
    assert_int_equal(fclose(file), 0);
    return err;
}

/* Where red is: 'l', 'r', 't' or 'b'. */
static char red_side(const struct thumb *thumb, int *ret_width, int *ret_height)
{
    uint8_t *pixels =
        WebPDecodeRGBA((const uint8_t *)thumb->bytes, thumb->size, ret_width, ret_height);
    assert_non_null(pixels);
    const int width = *ret_width, height = *ret_height;
    const uint8_t *left = pixels + ((size_t)(height / 2) * width + width / 8) * 4;
    const uint8_t *right = pixels + ((size_t)(height / 2) * width + width * 7 / 8) * 4;
    const uint8_t *top = pixels + ((size_t)(height / 8) * width + width / 2) * 4;
    char side = left[0] > 128 && right[0] < 128   ? 'l'
                : left[0] < 128 && right[0] > 128 ? 'r'
                : top[0] > 128                    ? 't'
                                                  : 'b';
    WebPFree(pixels);
    return side;
}

static void test_orientations(void **state)
{
    (void)state;
    static const char sides[] = "llrrlttbb"; /* by orientation; 0: no Exif */
    for (unsigned orientation = 0; orientation <= 8; orientation++) {
        struct thumb thumb;
        struct bytes jpeg = make_jpeg(1600, 800, orientation);
        int width = 0, height = 0;
        assert_ok(make_of(jpeg.data, jpeg.size, &thumb));
        bool is_on_side = orientation >= 5;
        assert_int_equal(thumb.width, is_on_side ? 800 : 1600);
        assert_int_equal(thumb.height, is_on_side ? 1600 : 800);
        if (red_side(&thumb, &width, &height) != sides[orientation])
            fail_msg("orientation %u is shown in another way", orientation);
        assert_int_equal(width, is_on_side ? 256 : 512);
        assert_int_equal(height, is_on_side ? 512 : 256);
        assert_null(memmem(thumb.bytes, thumb.size, "EXIF", 4));
        free(thumb.bytes);
        free(jpeg.data);
    }
}

static void test_webp_keeps_transparency(void **state)
{
    (void)state;
    uint8_t *pixels = calloc(900 * 300, 4), *webp = NULL;
    assert_non_null(pixels);
    for (size_t i = 0; i < 900 * 300; i++)
        pixels[i * 4 + 3] = i % 900 < 450 ? 0 : 255;
    size_t size = WebPEncodeLosslessRGBA(pixels, 900, 300, 900 * 4, &webp);
    struct thumb thumb;
    assert_ok(make_of(webp, size, &thumb));
    int width = 0, height = 0;
    uint8_t *shown = WebPDecodeRGBA((const uint8_t *)thumb.bytes, thumb.size, &width, &height);
    assert_non_null(shown);
    assert_int_equal(width, 512);
    assert_int_equal(height, 170);
    assert_int_equal(shown[((size_t)height / 2 * (size_t)width + 10) * 4 + 3], 0);
    assert_int_equal(shown[((size_t)height / 2 * (size_t)width + 500) * 4 + 3], 255);
    WebPFree(shown);
    WebPFree(webp);
    free(thumb.bytes);
    free(pixels);
}

static void test_what_is_none_has_none(void **state)
{
    (void)state;
    struct thumb thumb;
    struct bytes jpeg = make_jpeg(800, 600, 1);
    assert_err(make_of("", 0, &thumb), ERR_INVALID);
    assert_err(make_of("GIF89a\1\0\1\0", 10, &thumb), ERR_INVALID);
    assert_err(make_of("\xFF\xD8\xFF\xE0 and nothing more", 20, &thumb), ERR_INVALID);
    assert_err(make_of(jpeg.data, 200, &thumb), ERR_INVALID);
    /* A JPEG says its size in the frame's head: 65,000 by 65,000. */
    unsigned char *frame = memmem(jpeg.data, jpeg.size, "\xFF\xC0\0\x11\x08", 5);
    assert_non_null(frame);
    memcpy(frame + 5, "\xFD\xE8\xFD\xE8", 4);
    assert_err(make_of(jpeg.data, jpeg.size, &thumb), ERR_INVALID);
    free(jpeg.data);
    for (unsigned seed = 1; seed <= 20; seed++) { /* whatever is broken, there is an answer */
        struct bytes broken = make_jpeg(300, 200, 6);
        for (unsigned long at = seed * 7; at < broken.size; at += seed * 31)
            broken.data[at] ^= (unsigned char)(seed * 73);
        if (make_of(broken.data, broken.size, &thumb) == ERR_OK)
            free(thumb.bytes);
        free(broken.data);
    }
}

static void test_programs_that_fail(void **state)
{
    (void)state;
    struct thumb thumb;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_err(thumb_make("/nowhere/at-all", fd, &thumb), ERR_CORRUPT);
    assert_err(thumb_make("/bin/true", fd, &thumb), ERR_CORRUPT);    /* says nothing */
    assert_err(thumb_make("/bin/false", fd, &thumb), ERR_INVALID);   /* refuses */
    assert_err(thumb_make("/usr/bin/yes", fd, &thumb), ERR_CORRUPT); /* never ends */
    assert_int_equal(close(fd), 0);
}

/* ---- the cage ---- */

static int opens_a_file(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : 1;
}

static int makes_a_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 ? 0 : 1;
}

static int starts_a_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0 ? 0 : 1;
}

static int starts_a_program(void)
{
    char *const arguments[] = {(char[]){"true"}, NULL};
    (void)execv("/bin/true", arguments);
    return 1;
}

static int makes_memory_executable(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? 0 : 1;
}

static int removes_a_file(void)
{
    return unlink("/nowhere/at-all") != 0 ? 0 : 1;
}

static int only_computes(void)
{
    char *memory = malloc(1 << 20);
    bool has_memory = memory != NULL;
    free(memory);
    return has_memory && write(STDERR_FILENO, "", 0) == 0 ? 0 : 1;
}

/* The status of a process that does it. */
static int status_of(int (*what)(void), bool is_caged)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (is_caged && !media_cage_enter())
            _exit(99);
        _exit(what());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_the_cage(void **state)
{
    (void)state;
    int (*const forbidden[])(void) = {opens_a_file,     makes_a_socket,          starts_a_process,
                                      starts_a_program, makes_memory_executable, removes_a_file};
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        int status = status_of(forbidden[i], true);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("number %zu ended with %d", i, status);
        status = status_of(forbidden[i], false);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("number %zu does not work without a cage: %d", i, status);
    }
    int status = status_of(only_computes, true);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- shrinking ---- */

static void test_shrinking(void **state)
{
    (void)state;
    struct shrink shrink;
    const uint8_t row[12] = {0, 0, 0, 100, 100, 100, 10, 20, 30, 30, 40, 50};
    assert_ok(shrink_init(&shrink, 4, 2, 2));
    assert_int_equal(shrink.to_width, 2);
    assert_int_equal(shrink.to_height, 1);
    for (int i = 0; i < 3; i++) /* one more than there are */
        shrink_row(&shrink, row, 3);
    uint8_t *pixels = shrink_finish(&shrink, 1);
    assert_non_null(pixels);
    const uint8_t wanted[8] = {50, 50, 50, 255, 20, 30, 40, 255};
    assert_memory_equal(pixels, wanted, sizeof(wanted));
    free(pixels);
    assert_ok(shrink_init(&shrink, 60000, 1, 512));
    assert_int_equal(shrink.to_width, 512);
    assert_int_equal(shrink.to_height, 1);
    free(shrink_finish(&shrink, 1));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "thumbnail") == 0)
        return thumbnail_main(argc - 2, argv + 2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orientations),
        cmocka_unit_test(test_webp_keeps_transparency),
        cmocka_unit_test(test_what_is_none_has_none),
        cmocka_unit_test(test_programs_that_fail),
        cmocka_unit_test(test_the_cage),
        cmocka_unit_test(test_shrinking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
