/* Search against a walk over all events: thousands of random small events and hundreds of random
 * questions, page by page, from one seed; the same after changes, removals and merges. */
#include "tickets/rig.h"

#include <math.h>

#include "base/fold.h"
#include "store/db_internal.h"
#include "store/migrate_internal.h"
#include "tickets/search_cache.h"
#include "tickets/search_query.h"

#define EVENTS     1600
#define VENUES     450
#define QUESTIONS  200
#define PAGES_MAX  6 /* read of one question; what follows is left alone */
#define DAYS       60
#define NAME_WORDS 3
#define TEXT_WORDS 6
#define VOCABULARY 60
#define CITIES     6
#define CATEGORIES 3
#define JOB_EVENTS 200
#define HITS_MAX   (EVENTS + 1)
#define SEED       UINT64_C(20260101)

/* --- A small world --- */

static const char *const city_names[CITIES] = {"Bern", "Z\xC3\xBCrich", "New York",
                                               "Suva", "Nadi",          "Tr\xC3\xB8nder Bay"};
static const struct geo_point city_points[CITIES] = {
    {46.95, 7.45}, {47.38, 8.54}, {40.71, -74.0}, {-18.1, 179.9}, {-17.8, -179.9}, {89.9, 10}};
static const char *const category_names[CATEGORIES] = {"jazz", "stand-up", "opera"};

struct venue_fact {
    int city;
    int word; /* its name */
    struct geo_point at;
};

struct event_fact {
    bool is_listed;
    int venue, category;
    int64_t starts_at;
    int name[NAME_WORDS], text[TEXT_WORDS];
};

struct world {
    char dir[64], path[96];
    struct writer *writer;
    struct db *db;
    struct arena arena, page_arena;
    uint64_t state;
    char words[VOCABULARY][8];
    char city_keys[CITIES][24];
    struct venue_fact venues[VENUES];
    struct event_fact events[EVENTS]; /* the id is the index plus one */
};

static uint64_t next_u64(struct world *world)
{
    uint64_t z = (world->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static int below(struct world *world, int bound)
{
    return (int)(next_u64(world) % (uint64_t)bound);
}

/* Small numbers are much more frequent: word 0 is in most events. */
static int skewed(struct world *world, int bound)
{
    return below(world, below(world, below(world, bound) + 1) + 1);
}

static void make_event(struct world *world, struct event_fact *event)
{
    event->is_listed = true;
    event->venue = skewed(world, VENUES);
    event->category = skewed(world, CATEGORIES);
    event->starts_at = below(world, DAYS * 24) * INT64_C(3600000) + below(world, 2) * 500;
    for (int i = 0; i < NAME_WORDS; i++)
        event->name[i] = skewed(world, VOCABULARY);
    for (int i = 0; i < TEXT_WORDS; i++)
        event->text[i] = skewed(world, VOCABULARY);
}

static void make_world(struct world *world)
{
    for (int i = 0; i < CITIES; i++)
        assert_ok(str_to_c(fold_text(&world->arena, str_from_c(city_names[i])), world->city_keys[i],
                           sizeof(world->city_keys[i])));
    for (int i = 0; i < VOCABULARY; i++) { /* "baba", "babe", "bab": words begin with others */
        (void)snprintf(world->words[i], sizeof(world->words[i]), "%c%c%c%c", "bdfg"[i % 4],
                       "aeiou"[i / 4 % 5], "bdfg"[i / 20 % 4], "aeiou"[i % 5]);
        if (i % 3 == 1)
            world->words[i][2 + i % 2] = '\0';
    }
    for (int i = 0; i < VENUES; i++) {
        int city = below(world, CITIES);
        world->venues[i] = (struct venue_fact){city, below(world, VOCABULARY), city_points[city]};
        if (i % 5 != 0) { /* some stand at the very same place */
            world->venues[i].at.lat -= below(world, 200) / 1000.0;
            world->venues[i].at.lon += below(world, 90) / 1000.0;
        }
    }
    for (int i = 0; i < EVENTS; i++)
        make_event(world, &world->events[i]);
}

/* --- Into the index --- */

struct load {
    struct writer_job job;
    struct world *world;
    int begin, end;
};

static struct str join(struct world *world, struct arena *arena, const int *words, int count)
{
    struct str text = STR("");
    for (int i = 0; i < count; i++)
        text = arena_printf(arena, "%.*s%s%s", STR_ARG(text), i ? " " : "", world->words[words[i]]);
    return text;
}

static enum err put_fact(struct world *world, struct db *db, struct arena *arena, int index)
{
    const struct event_fact *event = &world->events[index];
    const struct venue_fact *venue = &world->venues[event->venue];
    if (!event->is_listed)
        return search_doc_remove(db, (uint64_t)index + 1);
    const struct search_doc doc = {.event_id = (uint64_t)index + 1,
                                   .venue_id = (uint64_t)event->venue + 1,
                                   .starts_at = event->starts_at,
                                   .at = venue->at,
                                   .name = join(world, arena, event->name, NAME_WORDS),
                                   .description = join(world, arena, event->text, TEXT_WORDS),
                                   .venue = str_from_c(world->words[venue->word]),
                                   .city = str_from_c(city_names[venue->city]),
                                   .city_key =
                                       fold_text(arena, str_from_c(city_names[venue->city])),
                                   .category = str_from_c(category_names[event->category]),
                                   .summary = arena_printf(arena, "{\"id\":%d}", index + 1)};
    return search_doc_put(db, &doc);
}

static enum err load_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct load *load = container_of(job, struct load, job);
    enum err err = ERR_OK;
    for (int i = load->begin; !err && i < load->end; i++)
        err = put_fact(load->world, tx->db, tx->arena, i);
    return err;
}

static void job_done(struct writer_job *job, enum err outcome)
{
    (void)job, (void)outcome;
}

static void load_all(struct world *world)
{
    for (int i = 0; i < EVENTS; i += JOB_EVENTS) {
        struct load load = {.job = {.apply = load_apply, .done = job_done},
                            .world = world,
                            .begin = i,
                            .end = i + JOB_EVENTS};
        assert_ok(writer_run(world->writer, &load.job));
    }
}

struct merge {
    struct writer_job job;
    int64_t pages;
    bool has_more;
};

static enum err merge_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct merge *merge = container_of(job, struct merge, job);
    return search_merge(tx->db, merge->pages, &merge->has_more);
}

static int64_t pieces(struct world *world)
{
    int64_t count = 0;
    assert_ok(search_pieces(world->db, &count));
    return count;
}

static void merge_all(struct world *world)
{
    struct merge merge = {.job = {.apply = merge_apply, .done = job_done}, .pages = -10};
    do {
        assert_ok(writer_run(world->writer, &merge.job));
        merge.pages = 10;
    } while (merge.has_more);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    assert_ok(crypto_init());
    world->state = SEED;
    (void)snprintf(world->dir, sizeof(world->dir), "/tmp/foyer-search-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    (void)snprintf(world->path, sizeof(world->path), "%s/search.db", world->dir);
    arena_init(&world->arena, (size_t)64 << 20);
    arena_init(&world->page_arena, (size_t)64 << 20);
    assert_ok(writer_new(world->path, "search", &world->writer));
    assert_ok(writer_start(world->writer));
    assert_ok(db_open(world->path, DB_ADMIN, &world->db));
    make_world(world);
    load_all(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    db_close(world->db);
    writer_stop(world->writer);
    writer_free(world->writer);
    arena_release(&world->arena);
    arena_release(&world->page_arena);
    (void)nftw(world->dir, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

/* --- The walk --- */

struct expected {
    int index;
    int64_t rank; /* grade or distance */
    int64_t venue;
    int64_t starts_s;
    bool is_beginning;
};

static bool is_word(struct world *world, const struct search_query *query, size_t which,
                    const int *words, int count, bool is_prefix)
{
    for (int i = 0; i < count; i++) {
        struct str word = str_from_c(world->words[words[i]]);
        struct str wanted = query->words.items[which];
        if (is_prefix ? str_starts_with(word, wanted) : str_eq(word, wanted))
            return true;
    }
    return false;
}

static bool is_in_place(struct world *world, const struct search_query *query, size_t which,
                        const struct event_fact *event, bool is_prefix)
{
    const struct venue_fact *venue = &world->venues[event->venue];
    struct str wanted = query->words.items[which];
    struct str texts[2] = {str_from_c(world->city_keys[venue->city]),
                           str_from_c(category_names[event->category])};
    for (int i = 0; i < 2; i++) {
        struct str rest = texts[i];
        while (rest.len > 0) {
            struct str part = str_split(&rest, i == 0 ? ' ' : '-');
            if (is_prefix ? str_starts_with(part, wanted) : str_eq(part, wanted))
                return true;
        }
    }
    return is_word(world, query, which, &venue->word, 1, is_prefix);
}

/* GRADES: no match. */
static int grade_of(struct world *world, const struct search_query *query,
                    const struct event_fact *event)
{
    bool is_name = true, is_title = true, is_text = true, is_beginning = true;
    for (size_t i = 0; i < query->words.count; i++) {
        bool in_name = is_word(world, query, i, event->name, NAME_WORDS, false);
        bool in_title = in_name || is_in_place(world, query, i, event, false);
        bool is_last = i + 1 == query->words.count;
        bool begins = is_last && query->words.items[i].len >= 2 &&
                      (is_word(world, query, i, event->name, NAME_WORDS, true) ||
                       is_in_place(world, query, i, event, true));
        is_name = is_name && in_name;
        is_title = is_title && in_title;
        is_text = is_text && (in_title || is_word(world, query, i, event->text, TEXT_WORDS, false));
        is_beginning = is_beginning && (is_last ? begins : in_title);
    }
    return is_name        ? GRADE_NAME
           : is_title     ? GRADE_TITLE
           : is_text      ? GRADE_TEXT
           : is_beginning ? GRADE_PREFIX
                          : GRADES;
}

static bool expect_one(struct world *world, const struct search_query *query, int index,
                       struct expected *expected)
{
    const struct event_fact *event = &world->events[index];
    const struct venue_fact *venue = &world->venues[event->venue];

    *expected = (struct expected){.index = index, .starts_s = event->starts_at / 1000};
    if (!event->is_listed || event->starts_at < query->from_ms || event->starts_at >= query->to_ms)
        return false;
    if ((query->city_key.len > 0 &&
         !str_eq(query->city_key, str_from_c(world->city_keys[venue->city]))) ||
        (query->category.len > 0 &&
         !str_eq(query->category, str_from_c(category_names[event->category]))))
        return false;
    double km = query->has_near ? geo_distance_km(query->near, venue->at) : 0;
    int grade = query->has_words ? grade_of(world, query, event) : GRADE_NAME;
    if (km > query->radius_km || grade == GRADES)
        return false;
    expected->is_beginning = grade == GRADE_PREFIX;
    expected->rank = query->has_near ? llround(km * 1e6) : grade;
    expected->venue = query->has_near && !query->has_words ? event->venue : 0;
    return true;
}

static int compare_expected(const void *left, const void *right)
{
    const struct expected *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->venue != b->venue)
        return a->venue < b->venue ? -1 : 1;
    return (a->starts_s > b->starts_s) - (a->starts_s < b->starts_s);
}

static size_t expect(struct world *world, const struct search_query *query,
                     struct expected expected[static EVENTS])
{
    size_t count = 0, kept = 0;
    bool has_whole = false;
    for (int i = 0; i < EVENTS; i++) {
        if (!expect_one(world, query, i, &expected[count]))
            continue;
        has_whole = has_whole || !expected[count].is_beginning;
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        if (!(query->has_near && has_whole && expected[i].is_beginning))
            expected[kept++] = expected[i];
    }
    qsort(expected, kept, sizeof(expected[0]), compare_expected);
    return kept;
}

/* --- Questions --- */

static void ask_words(struct world *world, struct search_query *query, char text[static 64])
{
    size_t len = 0;
    int count = 1 + skewed(world, 3);
    for (int i = 0; i < count; i++) {
        const char *word = world->words[skewed(world, VOCABULARY)];
        if (below(world, 12) == 0)
            word = ((const char *const[]){"bern", "york", "stand", "opera",
                                          "zurich"})[below(world, 5)];
        len += (size_t)snprintf(text + len, 64 - len, "%s%s", i ? " " : "", word);
    }
    if (len > 3 && below(world, 3) == 0)
        text[len - 1 - (size_t)below(world, 3)] = '\0'; /* typed in part */
    search_words_split(str_from_c(text), &query->words);
    query->has_words = true;
}

static void ask_near(struct world *world, struct search_query *query)
{
    static const double radii[] = {0.5, 5, 20, 200, 2000, 20015};
    const struct geo_point *center = &city_points[below(world, CITIES)];
    query->has_near = true;
    query->near = (struct geo_point){center->lat - below(world, 100) / 1000.0, center->lon};
    query->radius_km = radii[below(world, 6)];
}

static void ask(struct world *world, struct search_query *query, char text[static 64])
{
    int kind = below(world, 8);
    *query = (struct search_query){.to_ms = INT64_MAX, .limit = 1 + (size_t)below(world, 90)};
    if (kind < 5)
        ask_words(world, query, text);
    if (kind >= 3 && kind < 7)
        ask_near(world, query);
    if (below(world, 4) == 0)
        query->city_key = fold_text(&world->arena, str_from_c(city_names[below(world, CITIES)]));
    if (below(world, 4) == 0)
        query->category = str_from_c(category_names[below(world, CATEGORIES)]);
    if (below(world, 3) == 0)
        query->from_ms = below(world, DAYS * 24) * INT64_C(3600000) + below(world, 2) * 500;
    if (below(world, 3) == 0)
        query->to_ms = query->from_ms + 1 + below(world, DAYS * 24) * INT64_C(3600000);
}

/* The first pages of the question: the events' indexes in order. */
static size_t find_pages(struct world *world, struct search_query query, int found[static HITS_MAX],
                         bool *ret_has_more)
{
    size_t count = 0;
    struct search_page page = {.has_more = true};
    for (int pages = 0; page.has_more && pages < PAGES_MAX; pages++) {
        arena_release(&world->page_arena);
        assert_ok(search_run(world->db, &query, &world->page_arena, &page));
        db_end_reads(world->db);
        assert_true(page.count <= query.limit && count + page.count < HITS_MAX);
        for (size_t i = 0; i < page.count; i++) {
            int64_t id = 0;
            struct str summary = page.hits[i].summary;
            assert_ok(str_to_i64(str_sub(summary, 6, summary.len - 7), &id));
            found[count++] = (int)id - 1;
        }
        assert_true(page.count > 0 || !page.has_more);
        query.has_cursor = true;
        query.cursor_position = page.count ? page.hits[page.count - 1].position : 0;
        query.cursor_key = page.count ? page.hits[page.count - 1].key : 0;
    }
    *ret_has_more = page.has_more;
    return count;
}

/* The same events, and in the same order but for those that nothing tells apart. */
static bool is_same(struct world *world, const struct search_query *query,
                    const struct expected *expected, size_t expected_count, const int *found,
                    size_t count, bool has_more)
{
    bool seen[EVENTS] = {false};
    if (has_more ? count >= expected_count : count != expected_count)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct expected one;
        if (seen[found[i]] || !expect_one(world, query, found[i], &one) ||
            compare_expected(&one, &expected[i]) != 0)
            return false;
        seen[found[i]] = true;
    }
    return true;
}

static size_t assert_questions(struct world *world)
{
    static struct expected expected[EVENTS + 1];
    static int found[HITS_MAX];
    size_t total = 0;
    for (int i = 0; i < QUESTIONS; i++) {
        struct search_query query;
        char text[64] = "";
        arena_release(&world->arena);
        ask(world, &query, text);
        size_t expected_count = expect(world, &query, expected);
        bool has_more = false;
        size_t count = find_pages(world, query, found, &has_more);
        if (!is_same(world, &query, expected, expected_count, found, count, has_more))
            fail_msg("question %d: q='%s' near=%d (%.3f,%.3f) %.1f km city='%.*s' category='%.*s' "
                     "limit=%zu: %zu found, %zu expected",
                     i, text, query.has_near, query.near.lat, query.near.lon, query.radius_km,
                     STR_ARG(query.city_key), STR_ARG(query.category), query.limit, count,
                     expected_count);
        total += count;
    }
    return total;
}

static void answers_are_those_of_a_walk_over_all_events(void **state)
{
    struct world *world = *state;
    size_t total = assert_questions(world);
    assert_true(total > 5000); /* the questions did find something */
}

static void answers_stay_right_when_events_change_and_pieces_are_merged(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < EVENTS; i++) {
        if (below(world, 3) == 0)
            make_event(world, &world->events[i]);
        else if (below(world, 10) == 0)
            world->events[i].is_listed = false;
    }
    load_all(world);
    assert_true(pieces(world) > 1);
    merge_all(world);
    assert_int_equal(pieces(world), 1);
    assert_true(assert_questions(world) > 5000);
}

/* --- The schema --- */

/* An index of the first schema, as an earlier version left it, with one event in it. */
static void make_old_index(const char *path)
{
    struct db *db;
    struct embed_file files[2] = {{0}};
    for (const struct embed_file *file = embed_files; file->path; file++) {
        if (strcmp(file->path, "sql/search/001_initial.sql") == 0)
            files[0] = *file;
    }
    assert_non_null(files[0].path);
    assert_ok(db_open(path, DB_WRITER, &db));
    assert_ok(migrate_run_files(db, "search", files, NULL));
    assert_ok(db_script(
        db, STR("INSERT INTO doc VALUES (1, 7, 7, 0, 1, 2, 'bern', 'Old', '', 'Hall', 'Bern',"
                " 'jazz', 'g000000', '{}'); UPDATE follower SET seq = 1000000;"
                "INSERT INTO place VALUES (7, 1, 2, 'bern');"
                "INSERT INTO place_box VALUES (7, 1, 1, 2, 2);")));
    db_close(db);
}

static void an_index_of_the_old_schema_is_built_again(void **state)
{
    struct rig *rig = *state;
    char path[128];
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    rig_make_event(rig, "{\"Lower\":5000}");
    rig_publish(rig);
    rig_stop(rig);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/search.db%s", rig->dir, suffixes[i]);
        (void)unlink(path);
    }
    (void)snprintf(path, sizeof(path), "%s/search.db", rig->dir);
    make_old_index(path);
    rig_start(rig);
    rig_settle_search(rig);
    assert_int_equal(
        rig_get(rig, "/v1/events?near=47.3,8.5&radius_km=20000&from=1970-01-01T00:00:00Z"), 200);
    assert_int_equal(json_count(rig_at(rig->json, "data")), 1);
    assert_string_equal(rig_text(rig, "data[0].id"), rig->event);
    assert_int_equal(rig_get(rig, "/v1/events?q=jazz&near=47.3,8.5&radius_km=20"), 200);
    assert_int_equal(json_count(rig_at(rig->json, "data")), 1);
}

/* --- Another journal --- */

/* Restarts with an index that has an event of its own and was changed by this text; is the event still in it? */
static bool keeps_stray(struct rig *rig, const char *change)
{
    char path[128];
    struct db *db;
    SQL(SQL_COUNT, "SELECT count(*) FROM doc WHERE name = 'Stray'");
    int64_t count = 0;
    rig_stop(rig);
    (void)snprintf(path, sizeof(path), "%s/search.db", rig->dir);
    assert_ok(db_open(path, DB_WRITER, &db));
    assert_ok(db_script(
        db, STR("INSERT INTO doc VALUES (1, 7, 7, 0, 1, 2, 'bern', 'jazz', '{}', 'Stray', 'Hall',"
                " 'Bern', 'g000000 v7', '')")));
    assert_ok(db_script(db, str_from_c(change)));
    db_close(db);
    rig_start(rig);
    rig_settle_search(rig);
    assert_ok(db_open(path, DB_READER, &db));
    assert_ok(db_get_i64(db_stmt(db, &SQL_COUNT), &count));
    db_close(db);
    assert_int_equal(rig_get(rig, "/v1/events?q=friends"), 200);
    assert_int_equal(json_count(rig_at(rig->json, "data")), 1);
    return count > 0;
}

static void an_index_of_another_journal_is_built_again(void **state)
{
    struct rig *rig = *state;
    rig_make_event(rig, "{\"Lower\":5000}");
    rig_publish(rig);
    rig_settle_search(rig);
    assert_false(keeps_stray(rig, "UPDATE follower SET seq = seq + 1000000"));
    assert_false(keeps_stray(rig, "UPDATE follower SET hash = zeroblob(32)"));
    assert_true(keeps_stray(rig, "SELECT 1")); /* the same journal */
}

/* --- The cache --- */

static void answers_in_memory_are_bounded(void **state)
{
    (void)state;
    struct search_cache *cache = search_cache_new();
    size_t size = SEARCH_CACHE_BODY_MAX, most = SEARCH_CACHE_BYTES_MAX / size, kept = 0;
    char *body = calloc(1, size), query[32];
    assert_non_null(cache);
    assert_non_null(body);
    for (size_t i = 0; i < 4 * most; i++) {
        int len = snprintf(query, sizeof(query), "q=%zu", i);
        search_cache_put(cache, str_from(query, (size_t)len), 0, 1000, str_from(body, size));
        struct search_answer *answer = search_cache_get(cache, str_from(query, (size_t)len), 1000);
        assert_non_null(answer); /* the newest is always there */
        search_answer_unref(answer);
    }
    for (size_t i = 0; i < 4 * most; i++) {
        int len = snprintf(query, sizeof(query), "q=%zu", i);
        struct search_answer *answer = search_cache_get(cache, str_from(query, (size_t)len), 1000);
        kept += answer != NULL;
        search_answer_unref(answer);
    }
    assert_true(kept > most / 2 && kept <= most);
    assert_int_equal(search_cache_hits(cache), 4 * most + kept);
    assert_int_equal(search_cache_misses(cache), 4 * most - kept);
    free(body);
    search_cache_free(cache);
}

#define world_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        world_test(answers_are_those_of_a_walk_over_all_events),
        world_test(answers_stay_right_when_events_change_and_pieces_are_merged),
        rig_test(an_index_of_the_old_schema_is_built_again),
        rig_test(an_index_of_another_journal_is_built_again),
        cmocka_unit_test(answers_in_memory_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
