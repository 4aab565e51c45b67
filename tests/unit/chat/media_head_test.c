/* What media routes read and write in heads, and what a file is by its first bytes. */
#include "base/check.h"
#include "chat/media_head.h"
#include "chat/media_sniff.h"

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1.0", "1e3", "1000000000000000"};
    int64_t number = -1;
    assert_true(tus_number(STR("0"), &number));
    assert_int_equal(number, 0);
    assert_true(tus_number(STR("999999999999999"), &number));
    assert_int_equal(number, INT64_C(999999999999999));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(tus_number(str_from_c(bad[i]), &number));
}

static void refused(const char *text)
{
    struct tus_metadata metadata;
    const char *why = NULL;
    if (tus_metadata_parse(&arena, str_from_c(text), &metadata, &why) != ERR_INVALID || !why)
        fail_msg("taken: %s", text);
}

static void test_metadata(void **state)
{
    (void)state;
    struct tus_metadata metadata;
    const char *why = NULL;
    assert_ok(tus_metadata_parse(&arena, STR("filename R3LDvMOfZS5wbmc=,filetype aW1hZ2UvcG5n,x "),
                                 &metadata, &why));
    assert_str(metadata.name, "Gr\u00fc\u00dfe.png");
    assert_str(metadata.type, "image/png");
    assert_str(tus_metadata_text(&arena, &metadata),
               "filename R3LDvMOfZS5wbmc=,filetype aW1hZ2UvcG5n");
    assert_ok(tus_metadata_parse(&arena, STR(""), &metadata, &why));
    assert_int_equal(metadata.name.len, 0);
    refused("filename");                    /* an empty name */
    refused("filename YQ==,filename YQ=="); /* twice */
    refused("filename YQ");                 /* no padding */
    refused("filename YQ==,");              /* an empty key */
    refused(",filename YQ==");
    refused("filename YQ==, filetype YQ=="); /* a space before the key */
    refused("filename Y Q==");
    refused("filename Li4vYQ=="); /* ../a */
    refused("filename YVxi");     /* a\b */
    refused("filename YQpi");     /* a line end */
    refused("filename /w==");     /* not UTF-8 */
    refused("a b,c d,e f,g h,i j,k l,m n,o p,q r,s t,u v,w x,y z,A B,C D,E F,G H");
}

static void test_checksums(void **state)
{
    (void)state;
    struct tus_checksum checksum;
    assert_ok(tus_checksum_parse(STR("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0="), &checksum));
    assert_true(tus_checksum_is_of(&checksum, STR("abc")));
    assert_false(tus_checksum_is_of(&checksum, STR("abd")));
    assert_ok(
        tus_checksum_parse(STR("sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="), &checksum));
    assert_true(tus_checksum_is_of(&checksum, STR("abc")));
    assert_false(tus_checksum_is_of(&checksum, STR("")));
    assert_err(tus_checksum_parse(STR("md5 kAFQmDzST7DWlj99KOF/cg=="), &checksum), ERR_INVALID);
    assert_err(tus_checksum_parse(STR("sha1 AAAA"), &checksum), ERR_INVALID);
    assert_err(tus_checksum_parse(STR("sha256"), &checksum), ERR_INVALID);
    assert_err(tus_checksum_parse(STR(""), &checksum), ERR_INVALID);
}

static void part(const char *text, int64_t wanted_first, int64_t wanted_count)
{
    int64_t first = -1, count = -1;
    assert_int_equal(media_range_parse(str_from_c(text), 100, &first, &count), RANGE_PART);
    assert_int_equal(first, wanted_first);
    assert_int_equal(count, wanted_count);
}

static void test_ranges(void **state)
{
    (void)state;
    static const char *const whole[] = {"",          "bytes",      "bytes=",      "bytes=-",
                                        "bytes=a-b", "bytes=5-1",  "bytes=0-1,3", "bytes=0-1,3-4",
                                        "lines=0-1", "bytes= 0-1", "bytes=0--1",  "bytes=0-1-2"};
    static const char *const behind[] = {"bytes=100-", "bytes=100-200", "bytes=-0"};
    int64_t first, count;
    part("bytes=0-0", 0, 1);
    part("bytes=0-99", 0, 100);
    part("bytes=50-1000", 50, 50);
    part("bytes=99-", 99, 1);
    part("bytes=-1", 99, 1);
    part("bytes=-1000", 0, 100);
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        assert_int_equal(media_range_parse(str_from_c(whole[i]), 100, &first, &count), RANGE_WHOLE);
    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++)
        assert_int_equal(media_range_parse(str_from_c(behind[i]), 100, &first, &count),
                         RANGE_UNSATISFIABLE);
}

static void test_names_and_dates(void **state)
{
    (void)state;
    assert_str(media_disposition(&arena, true, STR("")), "inline");
    assert_str(media_disposition(&arena, false, STR("a b\".\xC3\xA9")),
               "attachment; filename*=UTF-8''a%20b%22.%C3%A9");
    assert_str(media_http_date(&arena, INT64_C(784111777000)), "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void is_type(struct str head, const char *name, bool is_inline)
{
    const struct media_type *type = media_sniff(head);
    assert_string_equal(type->name, name);
    assert_int_equal(type->is_inline, is_inline);
    assert_ptr_equal(media_type_find(str_from_c(name)), type);
}

static void test_types(void **state)
{
    (void)state;
    int64_t width = 0, height = 0;
    is_type(STR("\xFF\xD8\xFF\xE0"), "image/jpeg", true);
    is_type(STR("\x89PNG\r\n\x1A\n"), "image/png", true);
    is_type(STR("RIFF\x10\0\0\0WEBPVP8 "), "image/webp", true);
    is_type(STR("RIFF\x10\0\0\0WAVEfmt "), "audio/wav", true);
    is_type(STR("\0\0\0\x20"
                "ftypisom"),
            "video/mp4", true);
    is_type(STR("\0\0\0\x20"
                "ftypheic"),
            "image/heic", false);
    is_type(STR("\0\0\0\x20"
                "ftypxxxx"),
            "application/octet-stream", false);
    is_type(STR("\x1A\x45\xDF\xA3\x9F\x42\x86\x81\x01\x42\x82\x84webm"), "video/webm", true);
    is_type(STR("%PDF-1.7"), "application/pdf", false);
    is_type(STR("<svg xmlns='http://www.w3.org/2000/svg'>"), "application/octet-stream", false);
    is_type(STR("<!DOCTYPE html><script>"), "application/octet-stream", false);
    is_type(STR(" \xFF\xD8\xFF"), "application/octet-stream", false);
    is_type(STR(""), "application/octet-stream", false);
    assert_int_equal(media_sniff(STR("\x7F"
                                     "ELF"))
                         ->kind,
                     MEDIA_PROGRAM);
    assert_int_equal(media_sniff(STR("#!/bin/sh"))->kind, MEDIA_PROGRAM);
    assert_int_equal(media_sniff(STR("MZ is how this letter begins, and it goes on and on and on "
                                     "without a zero in it"))
                         ->kind,
                     MEDIA_FILE);
    assert_true(media_sniff_size(STR("GIF89a\x10\0\x20\1"), &width, &height));
    assert_int_equal(width, 16);
    assert_int_equal(height, 288);
    assert_false(media_sniff_size(STR("GIF89a\x10\0\x20"), &width, &height));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metadata, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checksums, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ranges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_and_dates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_types, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
