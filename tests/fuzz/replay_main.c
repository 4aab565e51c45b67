/*
 * Runs a fuzz target over files and directories, without libFuzzer: the corpora as plain tests,
 * with any compiler. Says in cmocka's words how it went, for scripts/test.sh.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)4 << 20)
#define PATH_SIZE 4096

static size_t replayed;

/* The input is in memory of exactly its size, so that reading behind it is noticed. */
static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    char *whole = malloc(INPUT_MAX);
    require(file && whole);
    size_t size = fread(whole, 1, INPUT_MAX, file);
    require(!ferror(file) && fclose(file) == 0);
    uint8_t *data = malloc(size > 0 ? size : 1);
    require(data);
    memcpy(data, whole, size);
    free(whole);
    printf("replay %s\n", path);
    (void)fflush(stdout); /* an input that crashes shall be the last one named */
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
    replayed++;
}

static void replay(const char *path)
{
    char inner[PATH_SIZE];
    struct dirent *entry;
    DIR *dir = opendir(path);
    if (!dir) {
        replay_file(path);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        require(snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) < PATH_SIZE);
        replay_file(inner);
    }
    (void)closedir(dir);
}

int main(int argc, char **argv)
{
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    if (replayed == 0) {
        printf("[  FAILED  ] 1 test(s), listed below: no inputs\n");
        return 1;
    }
    printf("[  PASSED  ] 1 test(s). %zu inputs\n", replayed);
    return 0;
}
