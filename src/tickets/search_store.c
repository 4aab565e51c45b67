/*
 * SQL of the search database.
 *
 * A document's key is its start in seconds, shifted, plus bits of the event's id. Ordinary indexes
 * end in the key and the word indexes are ordered by it, so every question is a range read in order
 * of date.
 */
#include "tickets/search_store.h"

#define KEY_SHIFT 30
#define KEY_MASK  ((INT64_C(1) << KEY_SHIFT) - 1)

/* The smallest key of an event that starts at or after that time. Times before 1970 don't occur. */
static int64_t key_at(int64_t at_ms)
{
    int64_t seconds = at_ms / 1000;
    return seconds <= 0 ? 0 : seconds >= INT64_MAX >> KEY_SHIFT ? INT64_MAX : seconds << KEY_SHIFT;
}

/* --- Writing --- */

SQL(SQL_PLACE_PUT, "INSERT INTO place (venue_id, lat, lon, city_key) VALUES ($1, $2, $3, $4)"
                   " ON CONFLICT (venue_id) DO UPDATE SET lat = $2, lon = $3, city_key = $4"
                   " WHERE lat <> $2 OR lon <> $3 OR city_key <> $4");
SQL(SQL_BOX_PUT, "INSERT OR REPLACE INTO place_box (venue_id, lat_min, lat_max, lon_min, lon_max)"
                 " VALUES ($1, $2, $2, $3, $3)");

static enum err put_place(struct db *db, const struct search_doc *doc)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PLACE_PUT);
    db_bind_i64(stmt, 1, (int64_t)doc->venue_id);
    db_bind_f64(stmt, 2, doc->at.lat);
    db_bind_f64(stmt, 3, doc->at.lon);
    db_bind_str(stmt, 4, doc->city_key);
    enum err err = db_exec(stmt);
    if (err || db_changes(db) == 0) /* most events are at a venue that is known */
        return err;
    stmt = db_stmt(db, &SQL_BOX_PUT);
    db_bind_i64(stmt, 1, (int64_t)doc->venue_id);
    db_bind_f64(stmt, 2, doc->at.lat);
    db_bind_f64(stmt, 3, doc->at.lon);
    return db_exec(stmt);
}

SQL(SQL_KEY_TAKEN, "SELECT COUNT(*) FROM doc WHERE key = $1");

/* The event's place among those of its second; another event may have it. */
static enum err find_key(struct db *db, const struct search_doc *doc, int64_t *ret_key)
{
    uint64_t mixed = doc->event_id * UINT64_C(0x9E3779B97F4A7C15) >> 34;
    int64_t base = key_at(doc->starts_at);
    for (uint64_t i = 0;; i++) {
        int64_t key = base | (int64_t)((mixed + i) & (uint64_t)KEY_MASK);
        struct db_stmt *stmt = db_stmt(db, &SQL_KEY_TAKEN);
        int64_t count;
        db_bind_i64(stmt, 1, key);
        enum err err = db_get_i64(stmt, &count);
        if (err || count == 0) {
            *ret_key = key;
            return err;
        }
    }
}

/* "g067096 v03nsnybpw0000" */
static void write_place_words(const struct search_doc *doc, char *ret_words)
{
    geo_cell(doc->at, ret_words);
    ret_words[GEO_CELL_SIZE - 1] = ' ';
    search_venue_word(doc->venue_id, ret_words + GEO_CELL_SIZE);
}

SQL(SQL_DOC_PUT,
    "INSERT INTO doc (key, event_id, venue_id, starts_at, lat, lon, city_key, name, description,"
    " venue, city, category, cell, summary)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)");

enum err search_doc_put(struct db *db, const struct search_doc *doc)
{
    char words[GEO_CELL_SIZE + SEARCH_VENUE_WORD_SIZE];
    int64_t key;
    write_place_words(doc, words);
    enum err err = search_doc_remove(db, doc->event_id);
    if (!err)
        err = put_place(db, doc);
    if (!err)
        err = find_key(db, doc, &key);
    if (err)
        return err;
    struct db_stmt *stmt = db_stmt(db, &SQL_DOC_PUT);
    db_bind_i64(stmt, 1, key);
    db_bind_i64(stmt, 2, (int64_t)doc->event_id);
    db_bind_i64(stmt, 3, (int64_t)doc->venue_id);
    db_bind_i64(stmt, 4, doc->starts_at);
    db_bind_f64(stmt, 5, doc->at.lat);
    db_bind_f64(stmt, 6, doc->at.lon);
    db_bind_str(stmt, 7, doc->city_key);
    db_bind_str(stmt, 8, doc->name);
    db_bind_str(stmt, 9, doc->description);
    db_bind_str(stmt, 10, doc->venue);
    db_bind_str(stmt, 11, doc->city);
    db_bind_str(stmt, 12, doc->category);
    db_bind_str(stmt, 13, str_from_c(words));
    db_bind_str(stmt, 14, doc->summary);
    return db_exec(stmt);
}

SQL(SQL_DOC_REMOVE, "DELETE FROM doc WHERE event_id = $1");

enum err search_doc_remove(struct db *db, uint64_t event_id)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_DOC_REMOVE);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    return db_exec(stmt);
}

/* --- Tidying --- */

SQL(SQL_PIECES, "SELECT MAX((SELECT COUNT(DISTINCT segid) FROM doc_title_idx),"
                " (SELECT COUNT(DISTINCT segid) FROM doc_text_idx))");

enum err search_pieces(struct db *db, int64_t *ret_pieces)
{
    return db_get_i64(db_stmt(db, &SQL_PIECES), ret_pieces);
}

SQL(SQL_MERGE_TITLE, "INSERT INTO doc_title (doc_title, rank) VALUES ('merge', $1)");
SQL(SQL_MERGE_TEXT, "INSERT INTO doc_text (doc_text, rank) VALUES ('merge', $1)");
SQL(SQL_TOTAL_CHANGES, "SELECT total_changes()");

enum err search_merge(struct db *db, int64_t pages, bool *ret_has_more)
{
    struct sql *merges[] = {&SQL_MERGE_TITLE, &SQL_MERGE_TEXT};
    int64_t before = 0, after = 0;
    *ret_has_more = false;
    enum err err = db_get_i64(db_stmt(db, &SQL_TOTAL_CHANGES), &before);
    for (size_t i = 0; !err && i < 2; i++) {
        struct db_stmt *stmt = db_stmt(db, merges[i]);
        db_bind_i64(stmt, 1, pages);
        err = db_exec(stmt);
        if (!err)
            err = db_get_i64(db_stmt(db, &SQL_TOTAL_CHANGES), &after);
        if (!err && after - before >= 2) /* less: there was nothing to merge */
            *ret_has_more = true;
        before = after;
    }
    return err;
}

/* --- The follower --- */

SQL(SQL_CURSOR_GET, "SELECT seq, hash FROM follower WHERE id = 1");
SQL(SQL_CURSOR_SET, "UPDATE follower SET seq = $1, hash = $2 WHERE id = 1");

enum err search_cursor_get(struct db *db, struct search_cursor *ret_cursor)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CURSOR_GET);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    struct search_cursor cursor = {0};
    if (has_row) {
        struct str hash = db_col_blob(stmt, 1);
        cursor.seq = db_col_i64(stmt, 0);
        if (hash.len == sizeof(cursor.hash))
            memcpy(cursor.hash, hash.data, sizeof(cursor.hash));
        db_done(stmt);
    }
    *ret_cursor = cursor;
    return ERR_OK;
}

enum err search_cursor_set(struct db *db, const struct search_cursor *cursor)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_CURSOR_SET);
    db_bind_i64(stmt, 1, cursor->seq);
    db_bind_blob(stmt, 2, str_from((const char *)cursor->hash, sizeof(cursor->hash)));
    return db_exec(stmt);
}

SQL(SQL_FORGET_DOCS, "DELETE FROM doc");
SQL(SQL_FORGET_BOXES, "DELETE FROM place_box");
SQL(SQL_FORGET_PLACES, "DELETE FROM place");

enum err search_forget(struct db *db)
{
    struct sql *statements[] = {&SQL_FORGET_DOCS, &SQL_FORGET_BOXES, &SQL_FORGET_PLACES};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof(statements) / sizeof(statements[0]); i++)
        err = db_exec(db_stmt(db, statements[i]));
    return err ? err : search_cursor_set(db, &(struct search_cursor){0});
}

/* --- Reading --- */

#define HIT_COLUMNS "d.key, d.lat, d.lon, d.summary"

/* $1 and $2 bound the key, $3 and $4 the time, which is finer; $5 the number of rows. */
static void bind_range(struct db_stmt *stmt, const struct search_range *range)
{
    int64_t first = key_at(range->from_ms);
    int64_t end = key_at(range->to_ms > INT64_MAX - 1000 ? INT64_MAX : range->to_ms + 999);
    db_bind_i64(stmt, 1, range->after_key >= first ? range->after_key : first - 1);
    db_bind_i64(stmt, 2, end);
    db_bind_i64(stmt, 3, range->from_ms);
    db_bind_i64(stmt, 4, range->to_ms);
    db_bind_i64(stmt, 5, (int64_t)range->limit);
}

/* arena NULL: without summaries, which are the fourth column otherwise. */
static enum err read_hits(struct db_stmt *stmt, const struct search_range *range,
                          struct arena *arena, struct search_hit *ret_hits, size_t *ret_count)
{
    size_t count = 0;
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        if (count == range->limit) {
            db_done(stmt);
            break;
        }
        ret_hits[count++] = (struct search_hit){
            .key = db_col_i64(stmt, 0),
            .at = {db_col_f64(stmt, 1), db_col_f64(stmt, 2)},
            .summary = arena ? arena_str_dup(arena, db_col_str(stmt, 3)) : STR_NONE};
    }
    *ret_count = count;
    return !err && arena && arena->overflow ? ERR_NOMEM : err;
}

#define DOC_RANGE " d.key > $1 AND d.key < $2 AND d.starts_at >= $3 AND d.starts_at < $4"

SQL(SQL_LIST, "SELECT " HIT_COLUMNS " FROM doc d WHERE" DOC_RANGE " ORDER BY d.key LIMIT $5");
SQL(SQL_LIST_CITY,
    "SELECT " HIT_COLUMNS " FROM doc d INDEXED BY doc_by_city WHERE d.city_key = $6 AND" DOC_RANGE
    " ORDER BY d.key LIMIT $5");
SQL(SQL_LIST_CATEGORY, "SELECT " HIT_COLUMNS
                       " FROM doc d INDEXED BY doc_by_category WHERE d.category = $7 AND" DOC_RANGE
                       " ORDER BY d.key LIMIT $5");
SQL(SQL_LIST_BOTH,
    "SELECT " HIT_COLUMNS " FROM doc d INDEXED BY doc_by_city_category"
    " WHERE d.city_key = $6 AND d.category = $7 AND" DOC_RANGE " ORDER BY d.key LIMIT $5");

enum err search_list(struct db *db, const struct search_range *range, struct arena *arena,
                     struct search_hit *ret_hits, size_t *ret_count)
{
    bool has_city = range->city_key.len > 0;
    bool has_category = range->category.len > 0;
    struct sql *sql = has_city && has_category ? &SQL_LIST_BOTH
                      : has_city               ? &SQL_LIST_CITY
                      : has_category           ? &SQL_LIST_CATEGORY
                                               : &SQL_LIST;
    struct db_stmt *stmt = db_stmt(db, sql);
    bind_range(stmt, range);
    if (has_city)
        db_bind_str(stmt, 6, range->city_key);
    if (has_category)
        db_bind_str(stmt, 7, range->category);
    return read_hits(stmt, range, arena, ret_hits, ret_count);
}

/* The word index walks its list in order; each event is looked up for what words can't say. */
#define MATCH_SQL(columns, index, more)                                                            \
    "SELECT " columns " FROM " index " t CROSS JOIN doc d ON d.key = t.rowid"                      \
    " WHERE t." index " MATCH $8 AND t.rowid > $1 AND t.rowid < $2"                                \
    " AND d.starts_at >= $3 AND d.starts_at < $4 AND ($6 = '' OR d.city_key = $6)"                 \
    " AND ($7 = '' OR d.category = $7)" more " ORDER BY t.rowid LIMIT $5"

#define NOT_WHOLE                                                                                  \
    " AND NOT EXISTS (SELECT 1 FROM doc_text x WHERE x.doc_text MATCH $9 AND x.rowid = t.rowid)"

SQL(SQL_MATCH_TITLE, MATCH_SQL(HIT_COLUMNS, "doc_title", ""));
SQL(SQL_MATCH_TITLE_UNLESS, MATCH_SQL(HIT_COLUMNS, "doc_title", NOT_WHOLE));
SQL(SQL_MATCH_TEXT, MATCH_SQL(HIT_COLUMNS, "doc_text", ""));
/* Where many are looked at and few are shown. */
SQL(SQL_PLACE_TITLE, MATCH_SQL("d.key, d.lat, d.lon", "doc_title", ""));
SQL(SQL_PLACE_TEXT, MATCH_SQL("d.key, d.lat, d.lon", "doc_text", ""));

static struct sql *match_sql(const struct search_match *match, bool has_summaries)
{
    if (!has_summaries)
        return match->is_title ? &SQL_PLACE_TITLE : &SQL_PLACE_TEXT;
    if (!match->is_title)
        return &SQL_MATCH_TEXT;
    return match->unless.len > 0 ? &SQL_MATCH_TITLE_UNLESS : &SQL_MATCH_TITLE;
}

enum err search_match(struct db *db, const struct search_match *match,
                      const struct search_range *range, struct arena *arena,
                      struct search_hit *ret_hits, size_t *ret_count)
{
    struct sql *sql = match_sql(match, arena != NULL);
    struct db_stmt *stmt = db_stmt(db, sql);
    bind_range(stmt, range);
    db_bind_str(stmt, 6, range->city_key);
    db_bind_str(stmt, 7, range->category);
    db_bind_str(stmt, 8, match->expression);
    if (sql == &SQL_MATCH_TITLE_UNLESS)
        db_bind_str(stmt, 9, match->unless);
    return read_hits(stmt, range, arena, ret_hits, ret_count);
}

SQL(SQL_SUMMARY, "SELECT summary FROM doc WHERE key = $1");

enum err search_summaries(struct db *db, struct search_hit *hits, size_t count, struct arena *arena)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        struct db_stmt *stmt = db_stmt(db, &SQL_SUMMARY);
        bool has_row;
        db_bind_i64(stmt, 1, hits[i].key);
        err = db_step(stmt, &has_row);
        if (!err && has_row)
            hits[i].summary = arena_str_dup(arena, db_col_str(stmt, 0));
        db_done(stmt);
    }
    return !err && arena->overflow ? ERR_NOMEM : err;
}

SQL(SQL_LIST_VENUE,
    "SELECT " HIT_COLUMNS " FROM doc d INDEXED BY doc_by_venue WHERE d.venue_id = $6 AND" DOC_RANGE
    " AND ($7 = '' OR d.category = $7) ORDER BY d.key LIMIT $5");

enum err search_list_venue(struct db *db, uint64_t venue_id, const struct search_range *range,
                           struct arena *arena, struct search_hit *ret_hits, size_t *ret_count)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LIST_VENUE);
    bind_range(stmt, range);
    db_bind_i64(stmt, 6, (int64_t)venue_id);
    db_bind_str(stmt, 7, range->category);
    return read_hits(stmt, range, arena, ret_hits, ret_count);
}

SQL(SQL_PLACES,
    "SELECT p.venue_id, p.lat, p.lon FROM place_box b CROSS JOIN place p ON p.venue_id = b.venue_id"
    " WHERE b.lat_max >= $1 AND b.lat_min <= $2 AND b.lon_max >= $3 AND b.lon_min <= $4"
    " AND ($5 = '' OR p.city_key = $5)");

enum err search_places(struct db *db, const struct geo_box *box, struct str city_key,
                       enum err (*on_place)(const struct search_place *place, void *ctx), void *ctx)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PLACES);
    db_bind_f64(stmt, 1, box->lat_min);
    db_bind_f64(stmt, 2, box->lat_max);
    db_bind_f64(stmt, 3, box->lon_min);
    db_bind_f64(stmt, 4, box->lon_max);
    db_bind_str(stmt, 5, city_key);
    bool has_row;
    enum err err;
    while ((err = db_step(stmt, &has_row)) == ERR_OK && has_row) {
        struct search_place place = {.venue_id = (uint64_t)db_col_i64(stmt, 0),
                                     .at = {db_col_f64(stmt, 1), db_col_f64(stmt, 2)}};
        err = on_place(&place, ctx);
        if (err) {
            db_done(stmt);
            return err;
        }
    }
    return err;
}
