/* Search: words, places, dates, pages; the index on its own database, and the way of an event into
 * it. */
#include "tickets/rig.h"

#include <math.h>

#include "base/fold.h"
#include "tickets/search_cache.h"
#include "tickets/search_query.h"

/* --- Words --- */

static void words_are_split_and_bounded(void **state)
{
    (void)state;
    struct search_words words;
    char text[400];
    search_words_split(STR("  jazz -- night! \t(\"x\")  "), &words);
    assert_int_equal(words.count, 3);
    assert_str(words.items[0], "jazz");
    assert_str(words.items[1], "night!");
    assert_str(words.items[2], "(\"x\")");
    search_words_split(STR("a b c d e f g h i j k l m"), &words);
    assert_int_equal(words.count, SEARCH_WORDS_MAX);
    search_words_split(STR(""), &words);
    assert_int_equal(words.count, 0);
    memset(text, 'x', sizeof(text));
    memcpy(text + SEARCH_WORD_MAX - 1, "\xC3\xBC", 2); /* the cut would fall into it */
    search_words_split(str_from(text, sizeof(text)), &words);
    assert_int_equal(words.count, 1);
    assert_int_equal(words.items[0].len, SEARCH_WORD_MAX - 1);
}

/* --- Places --- */

static bool is_in(const struct geo_box *boxes, size_t count, struct geo_point point)
{
    for (size_t i = 0; i < count; i++) {
        if (point.lat >= boxes[i].lat_min && point.lat <= boxes[i].lat_max &&
            point.lon >= boxes[i].lon_min && point.lon <= boxes[i].lon_max)
            return true;
    }
    return false;
}

static void distances_are_great_circles(void **state)
{
    (void)state;
    struct geo_point berlin = {52.52, 13.405}, paris = {48.8566, 2.3522};
    assert_float_equal(geo_distance_km(berlin, paris), 877.46, 0.5);
    assert_float_equal(geo_distance_km(berlin, berlin), 0, 1e-9);
    assert_float_equal(geo_distance_km((struct geo_point){0, 179.5}, (struct geo_point){0, -179.5}),
                       111.195, 0.01);
    assert_float_equal(geo_distance_km((struct geo_point){90, 0}, (struct geo_point){90, 123}), 0,
                       1e-6);
    assert_float_equal(geo_distance_km((struct geo_point){90, 0}, (struct geo_point){-90, 0}),
                       20015.11, 0.1);
}

/* Every point within the radius lies in the boxes, wherever the center is. Points are laid in
 * circles around it. */
static void boxes_hold_everything_within_the_radius(void **state)
{
    (void)state;
    static const struct geo_point centers[] = {
        {0, 0},         {52.5, 13.4}, {-17.7, 178.9}, {-17.7, -179.9}, {89.9, 20},
        {-89.9, -120.}, {90, 0},      {71.2, 180},    {60, -180},      {-85, 179.99}};
    static const double radii[] = {0.5, 50, 400, 1200, 9000, 20000};
    size_t points = 0;
    for (size_t c = 0; c < sizeof(centers) / sizeof(centers[0]); c++) {
        for (size_t r = 0; r < sizeof(radii) / sizeof(radii[0]); r++) {
            struct geo_box boxes[2];
            size_t count = geo_boxes(centers[c], radii[r], boxes);
            for (double lat = -90; lat <= 90; lat += 1.25) {
                for (double lon = -180; lon <= 180; lon += 1.25) {
                    struct geo_point point = {lat, lon};
                    if (geo_distance_km(centers[c], point) > radii[r])
                        continue;
                    assert_true(is_in(boxes, count, point));
                    points++;
                }
            }
        }
    }
    assert_true(points > 100000);
}

static void small_radii_have_small_boxes(void **state)
{
    (void)state;
    struct geo_box boxes[2];
    assert_int_equal(geo_boxes((struct geo_point){52.5, 13.4}, 10, boxes), 1);
    assert_true(boxes[0].lat_max - boxes[0].lat_min < 0.2);
    assert_true(boxes[0].lon_max - boxes[0].lon_min < 0.32);
    assert_int_equal(geo_boxes((struct geo_point){0, 179.99}, 10, boxes), 2);
    assert_true(boxes[1].lon_max < -179 && boxes[0].lon_min > 179);
}

static void cells_cover_their_boxes(void **state)
{
    (void)state;
    char cell[GEO_CELL_SIZE];
    struct buf list;
    struct geo_box boxes[2];
    buf_init(&list, 4096);
    geo_cell((struct geo_point){-90, -180}, cell);
    assert_string_equal(cell, "g000000");
    geo_cell((struct geo_point){90, 180}, cell);
    assert_string_equal(cell, "g089179");
    size_t count = geo_boxes((struct geo_point){0.5, 179.99}, 30, boxes);
    assert_true(geo_cells(boxes, count, 64, &list));
    assert_str(buf_str(&list), "g045179 OR g045000");
    buf_clear(&list);
    count = geo_boxes((struct geo_point){0, 0}, 5000, boxes);
    assert_false(geo_cells(boxes, count, 64, &list));
    assert_int_equal(list.len, 0);
    buf_release(&list);
}

/* --- The index --- */

struct index {
    char dir[64], path[96];
    struct writer *writer;
    struct db *db;
    struct arena arena;
    struct search_page page;
};

struct put {
    struct writer_job job;
    struct search_doc doc;
};

static enum err put_apply(struct writer_job *job, struct writer_tx *tx)
{
    return search_doc_put(tx->db, &container_of(job, struct put, job)->doc);
}

static enum err remove_apply(struct writer_job *job, struct writer_tx *tx)
{
    return search_doc_remove(tx->db, container_of(job, struct put, job)->doc.event_id);
}

static void put_done(struct writer_job *job, enum err outcome)
{
    (void)job, (void)outcome;
}

/* An event for the index: the id is its summary as well. */
struct entry {
    uint64_t id;
    int64_t day; /* starts then */
    const char *name, *description, *city, *category;
    struct geo_point at;
    uint64_t venue_id; /* 0: as the id */
};

static void put(struct index *index, const struct entry *entry)
{
    char summary[64];
    struct put put = {.job = {.apply = put_apply, .done = put_done}};
    (void)snprintf(summary, sizeof(summary), "{\"id\":%" PRIu64 "}", entry->id);
    arena_release(&index->arena);
    put.doc =
        (struct search_doc){.event_id = entry->id,
                            .venue_id = entry->venue_id ? entry->venue_id : entry->id,
                            .starts_at = entry->day * RIG_DAY_MS,
                            .at = entry->at,
                            .name = str_from_c(entry->name),
                            .description = str_from_c(entry->description ? entry->description : ""),
                            .venue = STR("Hall"),
                            .city = str_from_c(entry->city ? entry->city : "Bern"),
                            .category = str_from_c(entry->category ? entry->category : "jazz"),
                            .summary = str_from_c(summary)};
    put.doc.city_key = fold_text(&index->arena, put.doc.city);
    assert_ok(writer_run(index->writer, &put.job));
}

static void put_all(struct index *index, const struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(index, &entries[i]);
}

static int setup(void **state)
{
    struct index *index = calloc(1, sizeof(*index));
    assert_non_null(index);
    assert_ok(crypto_init());
    (void)snprintf(index->dir, sizeof(index->dir), "/tmp/foyer-search-XXXXXX");
    assert_non_null(mkdtemp(index->dir));
    (void)snprintf(index->path, sizeof(index->path), "%s/search.db", index->dir);
    arena_init(&index->arena, (size_t)64 << 20);
    assert_ok(writer_new(index->path, "search", &index->writer));
    assert_ok(writer_start(index->writer));
    assert_ok(db_open(index->path, DB_READER, &index->db));
    *state = index;
    return 0;
}

static int teardown(void **state)
{
    struct index *index = *state;
    db_close(index->db);
    writer_stop(index->writer);
    writer_free(index->writer);
    arena_release(&index->arena);
    (void)nftw(index->dir, rig_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(index);
    return 0;
}

static struct search_query query_of(const char *words)
{
    struct search_query query = {.limit = 50, .to_ms = INT64_MAX};
    search_words_split(str_from_c(words), &query.words);
    query.has_words = words[0] != '\0';
    return query;
}

/* The ids found, in order, as text: "3 1 2". */
static const char *run(struct index *index, const struct search_query *query, char *text,
                       size_t size)
{
    arena_release(&index->arena);
    text[0] = '\0';
    assert_ok(search_run(index->db, query, &index->arena, &index->page));
    size_t len = 0;
    for (size_t i = 0; i < index->page.count; i++) {
        struct str id =
            str_sub(index->page.hits[i].summary, 6, index->page.hits[i].summary.len - 7);
        len += (size_t)snprintf(text + len, size - len, "%s%.*s", i ? " " : "", STR_ARG(id));
    }
    return text;
}

#define assert_finds(index, query, ids)                                                            \
    do {                                                                                           \
        char found_[1024];                                                                         \
        assert_string_equal(run(index, query, found_, sizeof(found_)), ids);                       \
    } while (0)

static void without_words_events_come_by_date(void **state)
{
    struct index *index = *state;
    static const struct entry entries[] = {{.id = 1, .day = 30, .name = "C"},
                                           {.id = 2, .day = 10, .name = "A"},
                                           {.id = 3, .day = 20, .name = "B"}};
    put_all(index, entries, 3);
    struct search_query query = query_of("");
    assert_finds(index, &query, "2 3 1");
    query.from_ms = 20 * RIG_DAY_MS; /* from is in, to is out */
    assert_finds(index, &query, "3 1");
    query.to_ms = 30 * RIG_DAY_MS;
    assert_finds(index, &query, "3");
    query.from_ms++;
    assert_finds(index, &query, "");
    query.to_ms++;
    assert_finds(index, &query, "1");
}

static void filters_are_anded(void **state)
{
    struct index *index = *state;
    static const struct entry entries[] = {
        {.id = 1, .day = 1, .name = "A", .city = "Bern", .category = "rock"},
        {.id = 2, .day = 2, .name = "B", .city = "Z\xC3\xBCrich", .category = "rock"},
        {.id = 3, .day = 3, .name = "C", .city = "Z\xC3\xBCrich", .category = "stand-up"},
        {.id = 4, .day = 4, .name = "C", .city = "Neu Z\xC3\xBCrich", .category = "stand-up"}};
    put_all(index, entries, 4);
    for (int has_words = 0; has_words < 2; has_words++) {
        struct search_query query = query_of(has_words ? "hall" : "");
        query.city_key = STR("zurich");
        assert_finds(index, &query, "2 3");
        query.category = STR("stand-up");
        assert_finds(index, &query, "3");
        query.city_key = STR_NONE;
        assert_finds(index, &query, "3 4");
        query.category = STR("stand");
        assert_finds(index, &query, ""); /* a part of a category is none */
        query.category = STR("opera");
        assert_finds(index, &query, "");
    }
}

static void better_matches_come_first_then_sooner_ones(void **state)
{
    struct index *index = *state;
    static const struct entry entries[] = {
        {.id = 1, .day = 1, .name = "Evening", .description = "with a string quartet"},
        {.id = 2, .day = 2, .name = "Quartets of Bern"},
        {.id = 3, .day = 3, .name = "Evening", .city = "Quartet"},
        {.id = 4, .day = 5, .name = "The Quartet"},
        {.id = 5, .day = 4, .name = "Quartet of the End", .description = "quartet quartet"},
        {.id = 6, .day = 6, .name = "Trio"}};
    put_all(index, entries, 6);
    struct search_query query = query_of("quartet");
    assert_finds(index, &query, "5 4 3 1 2");
    query = query_of("QUARTET evening");
    assert_finds(index, &query, "3 1"); /* all words, in whatever case */
    query = query_of("quar");
    assert_finds(index, &query, "2 3 5 4"); /* the beginning of a word of the title, by date */
    put(index, &(struct entry){.id = 7, .day = 7, .name = "Quartett", .description = "a quart"});
    query = query_of("quart");
    assert_finds(index, &query, "7 2 3 5 4"); /* once, for its description */
    query = query_of("q");
    assert_finds(index, &query, ""); /* one letter is no beginning */
    query = query_of("quar trio");
    assert_finds(index, &query, ""); /* only of the last word */
    query = query_of("!!!");
    assert_finds(index, &query, "");
}

static void what_users_type_is_never_syntax(void **state)
{
    struct index *index = *state;
    static const char *const texts[] = {"\"",
                                        "\"\"",
                                        "jazz\"",
                                        "name:jazz",
                                        "jazz*",
                                        "*",
                                        "(jazz",
                                        "jazz)",
                                        "NOT jazz",
                                        "AND",
                                        "OR OR",
                                        "NEAR(jazz)",
                                        "^jazz",
                                        "-jazz",
                                        "jazz + night",
                                        "{name}:x",
                                        "'; DROP",
                                        "\\",
                                        "jazz,night",
                                        "a\x01z",
                                        "\xE2\x80\x93 jazz",
                                        "\xE2\x80\x93",
                                        "\xF0\x9F\x8E\xB8",
                                        "rock'n'roll",
                                        "C++",
                                        "%_%",
                                        "doc_text",
                                        "rank"};
    put(index, &(struct entry){.id = 1, .day = 1, .name = "Jazz Night"});
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct search_query query = query_of(texts[i]);
        char found[64];
        (void)run(index, &query, found, sizeof(found)); /* asserts that it is no error */
        query.city_key = str_from_c(texts[i]);
        query.category = str_from_c(texts[i]);
        (void)run(index, &query, found, sizeof(found));
    }
    struct search_query query = query_of("\xE2\x80\x93 jazz\""); /* a lone dash is passed over */
    assert_finds(index, &query, "1");
}

/* What is compared whole must not be stricter than what the index folds: every letter, either way.
 */
static void folding_agrees_with_the_index(void **state)
{
    struct index *index = *state;
    for (unsigned c = 0xC0; c < 0x180; c++) {
        char city[16];
        if (c == 0xD7 || c == 0xF7)
            continue; /* signs, not letters */
        (void)snprintf(city, sizeof(city), "A%c%cb", 0xC0 | (int)(c >> 6), 0x80 | (int)(c & 0x3F));
        put(index, &(struct entry){.id = c, .day = c, .name = "Show", .city = city});
        struct search_query query = query_of("show");
        struct arena arena;
        arena_init(&arena, 4096);
        query.from_ms = c * RIG_DAY_MS;
        query.city_key = fold_text(&arena, str_from_c(city));
        char found[64], wanted[16];
        (void)snprintf(wanted, sizeof(wanted), "%u", c);
        assert_string_equal(run(index, &query, found, sizeof(found)), wanted);
        arena_release(&arena);
    }
}

static void near_orders_by_distance_then_date(void **state)
{
    struct index *index = *state;
    static const struct entry entries[] = {
        {.id = 1, .day = 1, .name = "far", .at = {47.5, 7.6}},
        {.id = 2, .day = 9, .name = "here later", .at = {46.95, 7.45}, .venue_id = 70},
        {.id = 3, .day = 8, .name = "here", .at = {46.95, 7.45}, .venue_id = 70},
        {.id = 4, .day = 2, .name = "away", .at = {52.5, 13.4}},
        {.id = 5, .day = 3, .name = "close", .at = {47.0, 7.5}}};
    put_all(index, entries, 5);
    struct search_query query = query_of("");
    query.has_near = true;
    query.near = (struct geo_point){46.95, 7.44};
    query.radius_km = 100;
    assert_finds(index, &query, "3 2 5 1");
    assert_float_equal(index->page.hits[0].distance_km, 0.759, 0.01);
    query.radius_km = 10;
    assert_finds(index, &query, "3 2 5");
    query.radius_km = 0.5;
    assert_finds(index, &query, "");
    query.radius_km = 20000;
    query.from_ms = 3 * RIG_DAY_MS;
    assert_finds(index, &query, "3 2 5");
    query.words = query_of("here").words;
    query.has_words = true;
    assert_finds(index, &query, "3 2");
    query.words = query_of("late").words;
    assert_finds(index, &query, "2");
}

static void near_works_across_the_date_line_and_at_the_poles(void **state)
{
    struct index *index = *state;
    static const struct entry entries[] = {{.id = 1, .day = 1, .name = "West", .at = {-17, -179.9}},
                                           {.id = 2, .day = 2, .name = "East", .at = {-17, 179.8}},
                                           {.id = 3, .day = 3, .name = "Pole", .at = {89.9, 10}},
                                           {.id = 4, .day = 4, .name = "Pole", .at = {89.9, -170}}};
    put_all(index, entries, 4);
    for (int has_words = 0; has_words < 2; has_words++) {
        struct search_query query = query_of(has_words ? "hall" : "");
        query.has_near = true;
        query.near = (struct geo_point){-17, -179.99};
        query.radius_km = 30;
        assert_finds(index, &query, "1 2");
        query.near = (struct geo_point){89.95, 11};
        assert_finds(index, &query, "3 4");
        query.radius_km = 10;
        assert_finds(index, &query, "3");
    }
}

static void events_of_one_second_are_all_kept(void **state)
{
    struct index *index = *state;
    for (uint64_t id = 1; id <= 40; id++)
        put(index, &(struct entry){.id = id, .day = 1, .name = "Twin", .venue_id = 5});
    struct search_query query = query_of("");
    char found[256];
    (void)run(index, &query, found, sizeof(found));
    assert_int_equal(index->page.count, 40);
}

/* Pages through a query; every id must come exactly once, and in the order of one large page. */
static void assert_pages(struct index *index, struct search_query query, size_t count)
{
    char all[1024], page[1024], joined[1024] = "";
    query.limit = 200;
    (void)run(index, &query, all, sizeof(all));
    assert_int_equal(index->page.count, count);
    assert_false(index->page.has_more);
    query.limit = 3;
    for (size_t pages = 0; pages < 100; pages++) {
        (void)run(index, &query, page, sizeof(page));
        size_t len = strlen(joined);
        (void)snprintf(joined + len, sizeof(joined) - len, "%s%s", len && page[0] ? " " : "", page);
        if (!index->page.has_more)
            break;
        const struct search_hit *last = &index->page.hits[index->page.count - 1];
        query.has_cursor = true;
        query.cursor_position = last->position;
        query.cursor_key = last->key;
    }
    assert_string_equal(joined, all);
}

static void pages_meet_without_gap_or_overlap(void **state)
{
    struct index *index = *state;
    for (uint64_t id = 1; id <= 20; id++) {
        struct entry entry = {.id = id,
                              .day = (int64_t)(id * 7 % 5) + 1,
                              .name = id % 3 ? "Show" : "Jazz",
                              .description = id % 4 ? "" : "jazz",
                              .at = {46 + (double)(id % 4) / 10, 7},
                              .venue_id = 90 + id % 4};
        put(index, &entry);
    }
    struct search_query query = query_of("");
    assert_pages(index, query, 20);
    assert_pages(index, query_of("hall"), 20);
    query.has_near = true;
    query.near = (struct geo_point){46, 7};
    query.radius_km = 300;
    assert_pages(index, query, 20);
    query.words = query_of("hall").words;
    query.has_words = true;
    assert_pages(index, query, 20);
    assert_pages(index, query_of("jazz"), 20); /* by name, then the rest by its category */
}

static void a_page_stays_where_it_was_when_events_come_and_go(void **state)
{
    struct index *index = *state;
    static const struct entry entries[] = {{.id = 1, .day = 10, .name = "A"},
                                           {.id = 2, .day = 20, .name = "B"},
                                           {.id = 3, .day = 30, .name = "C"}};
    put_all(index, entries, 3);
    struct search_query query = query_of("");
    query.limit = 2;
    assert_finds(index, &query, "1 2");
    query.has_cursor = true;
    query.cursor_key = index->page.hits[1].key;
    struct put gone = {.job = {.apply = remove_apply, .done = put_done}, .doc = {.event_id = 2}};
    assert_ok(writer_run(index->writer, &gone.job));
    put(index, &(struct entry){.id = 4, .day = 15, .name = "D"});
    put(index, &(struct entry){.id = 5, .day = 25, .name = "E"});
    assert_finds(index, &query, "5 3");
}

static void a_changed_event_is_found_as_it_is_now(void **state)
{
    struct index *index = *state;
    put(index, &(struct entry){.id = 1, .day = 1, .name = "Rock", .description = "loud"});
    put(index, &(struct entry){.id = 1, .day = 5, .name = "Louder Opera"});
    struct search_query query = query_of("rock");
    assert_finds(index, &query, "");
    query = query_of("loud ");
    assert_finds(index, &query, "1"); /* the beginning of louder */
    query = query_of("opera");
    assert_finds(index, &query, "1");
    query = query_of("");
    assert_finds(index, &query, "1");
    struct put gone = {.job = {.apply = remove_apply, .done = put_done}, .doc = {.event_id = 1}};
    assert_ok(writer_run(index->writer, &gone.job));
    query = query_of("opera");
    assert_finds(index, &query, "");
}

/* --- The cache --- */

static void answers_are_kept_until_the_index_changes(void **state)
{
    (void)state;
    struct search_cache *cache = search_cache_new();
    assert_non_null(cache);
    uint64_t generation = search_cache_generation(cache);
    assert_null(search_cache_get(cache, STR("q=jazz"), 1000));
    search_cache_put(cache, STR("q=jazz"), generation, 1000, STR("{}"));
    struct search_answer *answer =
        search_cache_get(cache, STR("q=jazz"), 1000 + SEARCH_CACHE_MS - 1);
    assert_non_null(answer);
    assert_str(buf_str(&answer->body), "{}");
    assert_null(search_cache_get(cache, STR("q=jazz"), 1000 + SEARCH_CACHE_MS));
    assert_null(search_cache_get(cache, STR("q=jaz"), 1000));
    search_cache_clear(cache);
    assert_null(search_cache_get(cache, STR("q=jazz"), 1000));
    assert_str(buf_str(&answer->body), "{}"); /* whoever holds it may go on sending it */
    search_answer_unref(answer);
    search_cache_put(cache, STR("q=jazz"), generation, 1000,
                     STR("{}")); /* made before the change */
    assert_null(search_cache_get(cache, STR("q=jazz"), 1000));
    search_cache_free(cache);
}

/* --- From the journal to the answer --- */

static size_t found(struct rig *rig, const char *query)
{
    char path[256];
    rig_settle_search(rig);
    (void)snprintf(path, sizeof(path), "/v1/events%s", query);
    assert_int_equal(rig_get(rig, path), 200);
    return json_count(rig_at(rig->json, "data"));
}

static int patch(struct rig *rig, const char *body)
{
    char path[256];
    return rig_send(rig, &(struct rig_ask){
                             .method = HTTP_PATCH, .path = rig_path(rig, path, ""), .body = body});
}

static void only_published_events_are_found(void **state)
{
    struct rig *rig = *state;
    char path[256];
    rig_make_event(rig, "{\"Lower\":5000}");
    assert_int_equal(found(rig, ""), 0);
    rig_publish(rig);
    assert_int_equal(found(rig, ""), 1);
    assert_string_equal(rig_text(rig, "data[0].id"), rig->event);
    assert_string_equal(rig_text(rig, "data[0].venue.city"), "Z\xC3\xBCrich");
    assert_int_equal(rig_int(rig, "data[0].price_range.min"), 5000);
    assert_string_equal(rig_header(rig, "cache-control"), "public, max-age=30");
    assert_int_equal(found(rig, ""), 1); /* from memory */
    assert_int_equal(patch(rig, "{\"name\":\"Rock\"}"), 200);
    assert_int_equal(found(rig, "?q=rock"), 1);
    assert_int_equal(found(rig, "?q=night"), 0);
    assert_int_equal(found(rig, ""), 1);
    assert_string_equal(rig_text(rig, "data[0].name"), "Rock"); /* memory was emptied */
    assert_int_equal(rig_post(rig, rig_path(rig, path, "/cancel"), NULL), 200);
    assert_int_equal(found(rig, ""), 0);
}

static void questions_are_checked(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *query, *field;
    } bad[] = {
        {"?near=1,2", "radius_km"},
        {"?radius_km=5", "near"},
        {"?near=1&radius_km=5", "near"},
        {"?near=91,0&radius_km=5", "near"},
        {"?near=0,181&radius_km=5", "near"},
        {"?near=a,b&radius_km=5", "near"},
        {"?near=1,2,3&radius_km=5", "near"},
        {"?near=1,2&radius_km=x", "radius_km"},
        {"?near=1,2&radius_km=-1", "radius_km"},
        {"?near=nan,2&radius_km=1", "near"},
        {"?from=yesterday", "from"},
        {"?to=2000-01-01T00:00:00Z", "to"},
        {"?limit=0", "limit"},
        {"?limit=201", "limit"},
        {"?cursor=!!", "cursor"},
        {"?q=a&q=b", "q"},
        {"?q=%ff", "q"},
        {"?colour=red", "colour"},
        {"?from=2030-01-02T00:00:00Z&to=2030-01-01T00:00:00Z", "to"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), "/v1/events%s", bad[i].query);
        assert_int_equal(rig_get(rig, path), 422);
        if (!rig_has_error(rig, bad[i].field))
            print_error("%s: %s\n", bad[i].query, rig->body);
        assert_true(rig_has_error(rig, bad[i].field));
    }
    char path[512] = "/v1/events?q=";
    memset(path + strlen(path), 'x', 201);
    assert_int_equal(rig_get(rig, path), 422);
}

static void near_answers_say_how_far(void **state)
{
    struct rig *rig = *state;
    double distance = 0;
    rig_make_event(rig, "{\"Lower\":5000}");
    rig_publish(rig);
    assert_int_equal(found(rig, "?near=47.3,%208.5&radius_km=20"), 1);
    assert_true(json_as_f64(rig_at(rig->json, "data[0].distance_km"), &distance));
    assert_float_equal(distance, 8.896, 0.001);
    assert_int_equal(found(rig, "?near=47.3,8.5&radius_km=5"), 0);
    assert_int_equal(found(rig, "?q=jazz&city=ZURICH&category=jazz&near=47.3,8.5&radius_km=20"), 1);
    assert_int_equal(found(rig, "?q=jazz&city=bern"), 0);
}

static void a_lost_index_is_built_again(void **state)
{
    struct rig *rig = *state;
    char path[128];
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    rig_make_event(rig, "{\"Lower\":5000}");
    rig_publish(rig);
    assert_int_equal(found(rig, ""), 1);
    rig_stop(rig);
    rig_start(rig); /* the index as it was */
    assert_int_equal(found(rig, ""), 1);
    rig_stop(rig);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/search.db%s", rig->dir, suffixes[i]);
        (void)unlink(path);
    }
    rig_start(rig);
    assert_int_equal(found(rig, "?q=jazz"), 1);
}

#define index_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_split_and_bounded),
        cmocka_unit_test(distances_are_great_circles),
        cmocka_unit_test(boxes_hold_everything_within_the_radius),
        cmocka_unit_test(small_radii_have_small_boxes),
        cmocka_unit_test(cells_cover_their_boxes),
        index_test(without_words_events_come_by_date),
        index_test(filters_are_anded),
        index_test(better_matches_come_first_then_sooner_ones),
        index_test(what_users_type_is_never_syntax),
        index_test(folding_agrees_with_the_index),
        index_test(near_orders_by_distance_then_date),
        index_test(near_works_across_the_date_line_and_at_the_poles),
        index_test(events_of_one_second_are_all_kept),
        index_test(pages_meet_without_gap_or_overlap),
        index_test(a_page_stays_where_it_was_when_events_come_and_go),
        index_test(a_changed_event_is_found_as_it_is_now),
        cmocka_unit_test(answers_are_kept_until_the_index_changes),
        rig_test(only_published_events_are_found),
        rig_test(questions_are_checked),
        rig_test(near_answers_say_how_far),
        rig_test(a_lost_index_is_built_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
