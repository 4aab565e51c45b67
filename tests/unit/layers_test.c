/*
 * The walls of the source: a layer includes only what layers.txt lets it, a vendor's header is
 * known to one file (or one folder, where one file can't do), a file has at most 800 lines and a
 * function at most 70. Every finding names its file and line.
 *
 * The checker takes any directory: it runs over the project, and over small trees with one fault
 * each, which prove that it sees them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LAYERS_MAX     32
#define NAME_SIZE      32
#define ALLOWED_SIZE   128
#define PATH_SIZE      512
#define LINE_SIZE      4096
#define FILE_LINES_MAX 800
#define BODY_LINES_MAX 70
#define FINDINGS_MAX   (64 * 1024)

struct layer {
    char name[NAME_SIZE];
    int rank;                   /* lower may be included by higher */
    char allowed[ALLOWED_SIZE]; /* "base net", or empty: all of lower rank */
};

/* A header of that name or in that folder, and what the names of all files that may know it begin
 * with; NULL: the first file that includes it is the only one. */
static const struct {
    const char *header, *users;
} vendors[] = {
    {"h2o", NULL},        {"sqlite3", "src/store/db_sqlite"},
    {"curl", "src/net/"}, {"sodium", NULL},
    {"jansson", NULL},    {"ares", NULL},
    {"ini", NULL},        {"hpdf", NULL},
    {"qrencode", NULL},   {"libpq-fe", NULL},
    {"wslay", NULL},
};
#define VENDOR_COUNT (sizeof(vendors) / sizeof(vendors[0]))

struct checker {
    const char *root;
    struct layer layers[LAYERS_MAX];
    size_t layer_count;
    char vendor_users[VENDOR_COUNT][PATH_SIZE]; /* the first file that includes it */
    struct buf findings;
    size_t files;
};

struct place {
    const char *path; /* from the root */
    int line;
};

static const struct layer *find_layer(const struct checker *checker, struct str name)
{
    for (size_t i = 0; i < checker->layer_count; i++) {
        if (str_eq(str_from_c(checker->layers[i].name), name))
            return &checker->layers[i];
    }
    return NULL;
}

static bool has_word(struct str words, struct str word)
{
    while (words.len > 0) {
        if (str_eq(str_split(&words, ' '), word))
            return true;
    }
    return false;
}

static bool may_include(const struct layer *from, const struct layer *to)
{
    if (from == to)
        return true;
    if (from->allowed[0])
        return has_word(str_from_c(from->allowed), str_from_c(to->name));
    return to->rank < from->rank;
}

static void add_layer(struct checker *checker, struct str name, int rank, struct str allowed)
{
    assert_true(checker->layer_count < LAYERS_MAX);
    struct layer *layer = &checker->layers[checker->layer_count++];
    layer->rank = rank;
    assert_int_equal(str_to_c(name, layer->name, sizeof(layer->name)), ERR_OK);
    assert_int_equal(str_to_c(allowed, layer->allowed, sizeof(layer->allowed)), ERR_OK);
}

static void read_layers(struct checker *checker)
{
    char path[PATH_SIZE], text[LINE_SIZE];
    (void)snprintf(path, sizeof(path), "%s/layers.txt", checker->root);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (int rank = 1; fgets(text, sizeof(text), file); rank++) {
        struct str line = str_trim(str_from_c(text));
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (str_find(line, ':', 0) < line.len) {
            struct str name = str_split(&line, ':');
            add_layer(checker, name, rank, str_trim(line));
            continue;
        }
        while (line.len > 0)
            add_layer(checker, str_split(&line, ' '), rank, STR_NONE);
    }
    fclose(file);
    assert_true(checker->layer_count > 0);
}

static void check_layer(struct checker *checker, struct place place, struct str included)
{
    struct str from_path = str_from_c(place.path + strlen("src/"));
    struct str from_name = str_split(&from_path, '/');
    bool is_top = from_path.len == 0; /* src/x.c: where everything is put together */
    const struct layer *from = find_layer(checker, is_top ? STR("main.c") : from_name);
    struct str to_name = str_split(&included, '/');
    if (included.len == 0)
        return; /* no folder: generated, or beside it */
    const struct layer *to = find_layer(checker, to_name);
    if (!from || !to)
        buf_printf(&checker->findings, "%s:%d: layers.txt has no layer %.*s\n", place.path,
                   place.line, STR_ARG(from ? to_name : from_name));
    else if (!may_include(from, to))
        buf_printf(&checker->findings, "%s:%d: %s must not include %s\n", place.path, place.line,
                   from->name, to->name);
}

static bool is_vendor_header(struct str included, const char *vendor)
{
    size_t len = strlen(vendor);
    return str_starts_with(included, str_from(vendor, len)) && included.len > len &&
           (included.data[len] == '.' || included.data[len] == '/');
}

static void check_vendor(struct checker *checker, struct place place, struct str included)
{
    for (size_t i = 0; i < VENDOR_COUNT; i++) {
        char *user = checker->vendor_users[i];
        const char *users = vendors[i].users;
        if (!is_vendor_header(included, vendors[i].header))
            continue;
        if (users && str_starts_with(str_from_c(place.path), str_from_c(users)))
            continue;
        if (users)
            buf_printf(&checker->findings, "%s:%d: %.*s is for %s alone\n", place.path, place.line,
                       STR_ARG(included), users);
        else if (!user[0])
            (void)snprintf(user, PATH_SIZE, "%s", place.path);
        else if (strcmp(user, place.path) != 0)
            buf_printf(&checker->findings, "%s:%d: %.*s is for %s alone\n", place.path, place.line,
                       STR_ARG(included), user);
    }
}

/* What an #include line includes, with the quote or bracket before it; empty for other lines. */
static struct str included_path(struct str line)
{
    line = str_trim(line);
    if (!str_starts_with(line, STR("#")))
        return STR_NONE;
    line = str_trim(str_sub(line, 1, line.len));
    if (!str_starts_with(line, STR("include")))
        return STR_NONE;
    line = str_trim(str_sub(line, strlen("include"), line.len));
    char end = str_starts_with(line, STR("<")) ? '>' : '"';
    return str_sub(line, 0, str_find(line, end, 1));
}

static void check_include(struct checker *checker, struct place place, struct str line)
{
    struct str included = included_path(line);
    struct str path = str_sub(included, 1, included.len);
    if (str_starts_with(included, STR("\"")))
        check_layer(checker, place, path);
    check_vendor(checker, place, path);
}

/* clang-format puts the braces of a function, and of nothing else, alone into the first column. */
static void check_body(struct checker *checker, struct place place, struct str line, int *body_line)
{
    if (str_eq(line, STR("{")))
        *body_line = place.line;
    if (!str_eq(line, STR("}")) || *body_line == 0)
        return;
    int lines = place.line - *body_line - 1;
    if (lines > BODY_LINES_MAX)
        buf_printf(&checker->findings, "%s:%d: a function of %d lines\n", place.path, *body_line,
                   lines);
    *body_line = 0;
}

static void check_file(struct checker *checker, const char *full_path)
{
    char text[LINE_SIZE];
    struct place place = {.path = full_path + strlen(checker->root) + 1};
    int body_line = 0;
    FILE *file = fopen(full_path, "r");
    assert_non_null(file);
    while (fgets(text, sizeof(text), file)) {
        struct str line = str_from_c(text);
        place.line++;
        if (str_ends_with(line, STR("\n")))
            line.len--;
        check_include(checker, place, line);
        check_body(checker, place, line, &body_line);
    }
    fclose(file);
    checker->files++;
    if (place.line > FILE_LINES_MAX)
        buf_printf(&checker->findings, "%s:%d: a file of %d lines\n", place.path,
                   FILE_LINES_MAX + 1, place.line);
}

static void check_pattern(struct checker *checker, const char *pattern)
{
    char full_pattern[PATH_SIZE];
    glob_t found;
    (void)snprintf(full_pattern, sizeof(full_pattern), "%s/%s", checker->root, pattern);
    int result = glob(full_pattern, 0, NULL, &found);
    if (result == GLOB_NOMATCH)
        return;
    assert_int_equal(result, 0);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_file(checker, found.gl_pathv[i]);
    globfree(&found);
}

/* The caller frees it. */
static struct checker *check_new(const char *root)
{
    struct checker *checker = calloc(1, sizeof(*checker));
    assert_non_null(checker);
    checker->root = root;
    buf_init(&checker->findings, FINDINGS_MAX);
    read_layers(checker);
    check_pattern(checker, "src/*.[ch]");
    check_pattern(checker, "src/*/*.[ch]");
    check_pattern(checker, "src/*/*/*.[ch]");
    buf_append_char(&checker->findings, '\0');
    assert_false(checker->findings.overflow);
    return checker;
}

static void check_free(struct checker *checker)
{
    buf_release(&checker->findings);
    free(checker);
}

static void test_the_project_keeps_its_walls(void **state)
{
    (void)state;
    struct checker *checker = check_new(FOYER_SOURCE_DIR);
    assert_true(checker->files > 20);
    assert_string_equal(checker->findings.data, "");
    check_free(checker);
}

/* A tree of one test, in a directory of its own. */
struct tree {
    char root[64];
};

static void tree_path(const struct tree *tree, const char *name, char ret_path[static PATH_SIZE])
{
    (void)snprintf(ret_path, PATH_SIZE, "%s/%s", tree->root, name);
}

static void tree_write(const struct tree *tree, const char *name, const char *text)
{
    char path[PATH_SIZE];
    tree_path(tree, name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char *const tree_folders[] = {"src",         "src/base",  "src/net",     "src/app",
                                           "src/tickets", "src/hooks", "src/sandbox", "src/store"};
#define TREE_FOLDER_COUNT (sizeof(tree_folders) / sizeof(tree_folders[0]))

static int set_up(void **state)
{
    struct tree *tree = calloc(1, sizeof(*tree));
    if (!tree)
        return -1;
    (void)snprintf(tree->root, sizeof(tree->root), "/tmp/foyer-layers-XXXXXX");
    if (!mkdtemp(tree->root))
        return -1;
    for (size_t i = 0; i < TREE_FOLDER_COUNT; i++) {
        char path[PATH_SIZE];
        tree_path(tree, tree_folders[i], path);
        if (mkdir(path, 0700) != 0)
            return -1;
    }
    tree_write(tree, "layers.txt", "# order\nbase\napp\ntickets hooks\nsandbox: base\nmain.c\n");
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    struct tree *tree = *state;
    glob_t found;
    char pattern[PATH_SIZE];
    tree_path(tree, "src/*/*", pattern);
    (void)glob(pattern, 0, NULL, &found); /* an empty result is fine */
    tree_path(tree, "src/*.c", pattern);
    (void)glob(pattern, GLOB_APPEND, NULL, &found); /* the same */
    for (size_t i = 0; i < found.gl_pathc; i++)
        (void)unlink(found.gl_pathv[i]); /* rmdir below tells */
    globfree(&found);
    tree_path(tree, "layers.txt", pattern);
    (void)unlink(pattern); /* the same */
    for (size_t i = TREE_FOLDER_COUNT; i > 0; i--) {
        tree_path(tree, tree_folders[i - 1], pattern);
        if (rmdir(pattern) != 0)
            return -1;
    }
    int result = rmdir(tree->root);
    free(tree);
    return result;
}

static void assert_findings(const struct tree *tree, const char *want)
{
    struct checker *checker = check_new(tree->root);
    assert_string_equal(checker->findings.data, want);
    check_free(checker);
}

static void test_allowed_includes_pass(void **state)
{
    struct tree *tree = *state;
    tree_write(tree, "src/base/a.c", "#include \"base/a.h\"\n#include <stdio.h>\n");
    tree_write(tree, "src/tickets/a.c", "#include \"app/a.h\"\n#include \"base/a.h\"\n");
    tree_write(tree, "src/sandbox/a.c", "#include \"base/a.h\"\n#include \"sandbox/b.h\"\n");
    tree_write(tree, "src/main.c", "#include \"sandbox/a.h\"\n#include \"tickets/a.h\"\n");
    assert_findings(tree, "");
}

static void test_includes_to_the_right_are_found(void **state)
{
    struct tree *tree = *state;
    tree_write(tree, "src/base/a.h", "\n#include \"app/a.h\"\n");
    tree_write(tree, "src/tickets/a.c", "# include \"hooks/a.h\"\n");
    tree_write(tree, "src/hooks/a.c", "#include \"sandbox/a.h\"\n");
    tree_write(tree, "src/sandbox/a.c", "#include \"app/a.h\"\n");
    tree_write(tree, "src/app/a.c", "#include \"web/a.h\"\n");
    assert_findings(tree, "src/app/a.c:1: layers.txt has no layer web\n"
                          "src/base/a.h:2: base must not include app\n"
                          "src/hooks/a.c:1: hooks must not include sandbox\n"
                          "src/sandbox/a.c:1: sandbox must not include app\n"
                          "src/tickets/a.c:1: tickets must not include hooks\n");
}

static void test_vendors_are_known_to_one_file_or_folder(void **state)
{
    struct tree *tree = *state;
    tree_write(tree, "src/base/a.c", "#include <sodium.h>\n#include <sodium/core.h>\n");
    tree_write(tree, "src/base/b.c", "#include <sodiumx.h>\n");
    tree_write(tree, "src/net/a.c", "#include <curl/curl.h>\n");
    tree_write(tree, "src/net/b.c", "#include <curl/curl.h>\n");
    tree_write(tree, "src/store/db_sqlite.c", "#include <sqlite3.h>\n");
    tree_write(tree, "src/store/db_sqlite_cache.c", "#include <sqlite3.h>\n");
    assert_findings(tree, "");
    tree_write(tree, "src/base/c.c", "#include <sodium.h>\n\n#include <curl/multi.h>\n");
    tree_write(tree, "src/store/db.c", "#include <sqlite3.h>\n");
    assert_findings(tree, "src/base/c.c:1: sodium.h is for src/base/a.c alone\n"
                          "src/base/c.c:3: curl/multi.h is for src/net/ alone\n"
                          "src/store/db.c:1: sqlite3.h is for src/store/db_sqlite alone\n");
}

static void write_lines(const struct tree *tree, int lines, int body_lines)
{
    struct buf buf;
    buf_init(&buf, FINDINGS_MAX);
    buf_append_str(&buf, STR("static void f(void)\n{\n"));
    for (int i = 0; i < body_lines; i++)
        buf_append_str(&buf, STR("    ;\n"));
    buf_append_str(&buf, STR("}\n"));
    for (int i = body_lines + 3; i < lines; i++)
        buf_append_str(&buf, STR("\n"));
    buf_append_char(&buf, '\0');
    tree_write(tree, "src/base/long.c", buf.data);
    buf_release(&buf);
}

static void test_long_files_and_functions_are_found(void **state)
{
    struct tree *tree = *state;
    write_lines(tree, FILE_LINES_MAX, BODY_LINES_MAX);
    assert_findings(tree, "");
    write_lines(tree, FILE_LINES_MAX + 1, BODY_LINES_MAX + 1);
    assert_findings(tree, "src/base/long.c:2: a function of 71 lines\n"
                          "src/base/long.c:801: a file of 801 lines\n");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_project_keeps_its_walls),
        TEST(test_allowed_includes_pass),
        TEST(test_includes_to_the_right_are_found),
        TEST(test_vendors_are_known_to_one_file_or_folder),
        TEST(test_long_files_and_functions_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
