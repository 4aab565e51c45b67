/* Files of media: downloads leave descriptors for everything else. */
#include "base/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "chat/limits.h"
#include "chat/media_files.h"

#define DESCRIPTORS 2048

static void test_downloads_leave_descriptors(void **state)
{
    (void)state;
    char dir[] = "/tmp/media_files_test.XXXXXX", name[64];
    struct rlimit before;
    struct media_files *files;
    int fd = -1, opened[DESCRIPTORS];
    size_t count = 0;
    int64_t size;
    const struct media_file file = {.id = 7};
    assert_non_null(mkdtemp(dir));
    assert_ok(media_files_open(dir, &files));
    assert_ok(media_upload_open(files, file.id, &fd));
    assert_ok(media_upload_write(fd, 0, STR("bytes")));
    media_upload_close(fd);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {DESCRIPTORS, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    enum err err = ERR_OK;
    while (count < DESCRIPTORS && !err) {
        err = media_file_open(files, &file, 5, &opened[count], &size);
        count += !err;
    }
    assert_err(err, ERR_FULL);
    assert_true(count > 0);
    /* Others have them still. */
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(spare >= DESCRIPTORS - MEDIA_DESCRIPTORS_KEPT && spare < DESCRIPTORS - 100);
    (void)close(spare);
    /* And the next download can begin when one has ended. */
    (void)close(opened[0]);
    assert_ok(media_file_open(files, &file, 5, &opened[0], &size));
    for (size_t i = 0; i < count; i++)
        (void)close(opened[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

    assert_ok(media_file_remove(files, &file));
    media_files_close(files);
    (void)snprintf(name, sizeof(name), "%s/uploads", dir);
    assert_int_equal(rmdir(name), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_downloads_leave_descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
