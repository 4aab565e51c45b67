/*
 * Fuzz target of searches: the first line is what a user typed, the second a city, the third a
 * category. Whatever comes: each grade's expression is one that FTS5 takes, and an event whose name
 * is exactly what was typed is found by its name.
 *
 * Run: search_fuzz tests/fuzz/corpus/search
 */
#include "fuzz.h"

#include "base/fold.h"
#include "tickets/search_text.h"

#include <sqlite3.h>

#define EXPRESSION_BYTES ((size_t)16 << 10)
#define CELLS            STR("g45012 OR g45013")

static const char schema[] =
    "CREATE VIRTUAL TABLE title USING fts5 (name, venue, city, category, cell, prefix = '2 3',"
    " tokenize = 'unicode61 remove_diacritics 2');"
    "CREATE VIRTUAL TABLE text USING fts5 (name, description, venue, city, category, cell,"
    " tokenize = 'unicode61 remove_diacritics 2');";

static struct {
    sqlite3 *db;
    sqlite3_stmt *insert, *remove, *title, *text;
} index_;

static sqlite3_stmt *prepare(const char *sql)
{
    sqlite3_stmt *stmt;
    require(sqlite3_prepare_v3(index_.db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) ==
            SQLITE_OK);
    return stmt;
}

static void open_index(void)
{
    if (index_.db)
        return;
    require(sqlite3_open(":memory:", &index_.db) == SQLITE_OK);
    require(sqlite3_exec(index_.db, schema, NULL, NULL, NULL) == SQLITE_OK);
    index_.insert = prepare("INSERT INTO title (rowid, name) VALUES (1, ?1)");
    index_.remove = prepare("DELETE FROM title WHERE rowid = 1");
    index_.title = prepare("SELECT count(*) FROM title WHERE title MATCH ?1");
    index_.text = prepare("SELECT count(*) FROM text WHERE text MATCH ?1");
}

static void run(sqlite3_stmt *stmt, struct str text)
{
    if (text.data)
        require(sqlite3_bind_text(stmt, 1, text.data, (int)text.len, SQLITE_STATIC) == SQLITE_OK);
    require(sqlite3_step(stmt) == SQLITE_DONE);
    (void)sqlite3_reset(stmt);
}

/* Rows that match; the expression must be one. */
static int64_t match(sqlite3_stmt *stmt, const struct buf *expression)
{
    struct str text = buf_str(expression);
    require(!expression->overflow);
    require(sqlite3_bind_text(stmt, 1, text.data, (int)text.len, SQLITE_STATIC) == SQLITE_OK);
    require(sqlite3_step(stmt) == SQLITE_ROW);
    int64_t count = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_reset(stmt);
    return count;
}

static int64_t match_name(const struct search_words *words, struct buf *expression)
{
    struct search_terms terms = {.words = *words};
    buf_clear(expression);
    return search_expression(&terms, GRADE_NAME, expression) ? match(index_.title, expression) : 0;
}

static bool is_cut(struct str typed, const struct search_words *words)
{
    size_t count = 0;
    for (size_t i = 0; i < typed.len; i++)
        count += (unsigned char)typed.data[i] <= ' ';
    bool is_long = count >= SEARCH_WORDS_MAX;
    for (size_t i = 0; i < words->count; i++)
        is_long |= words->items[i].len + 4 > SEARCH_WORD_MAX;
    return is_long;
}

/* All words find the event, unless not one of them is anything to the index. */
static void check_found(struct str typed, const struct search_words *words, struct buf *expression)
{
    run(index_.insert, typed);
    int64_t found = match_name(words, expression);
    for (size_t i = 0; i < words->count && found == 0 && !is_cut(typed, words); i++) {
        struct search_words one = {.count = 1, .items = {words->items[i]}};
        require(match_name(&one, expression) == 0);
    }
    run(index_.remove, STR_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_from((const char *)data, size);
    if (size > 4096 || !str_is_utf8(rest) || str_find(rest, '\0', 0) < rest.len)
        return 0; /* the query's decoder has refused it */
    open_index();
    struct arena arena;
    struct buf expression;
    struct str typed = str_split(&rest, '\n');
    struct str city = str_split(&rest, '\n');
    arena_init(&arena, (size_t)1 << 20);
    buf_init(&expression, EXPRESSION_BYTES);
    struct search_terms terms = {.city_key = fold_text(&arena, city),
                                 .category = rest,
                                 .cells = city.len % 2 ? CELLS : STR_NONE};
    search_words_split(typed, &terms.words);
    for (enum search_grade grade = GRADE_NAME; grade < GRADES; grade++) {
        buf_clear(&expression);
        if (search_expression(&terms, grade, &expression))
            (void)match(grade == GRADE_TEXT ? index_.text : index_.title, &expression);
    }
    if (terms.words.count > 0) {
        buf_clear(&expression);
        search_expression_whole(&terms, city.len % 3 == 0, &expression);
        (void)match(index_.text, &expression);
        check_found(typed, &terms.words, &expression);
    }
    buf_release(&expression);
    arena_release(&arena);
    return 0;
}
