/*
 * See search.h.
 *
 * Each chat is a source, which is read backwards in pieces; what matches waits in it. The source that is furthest
 * ahead, by what waits or else by what is still unread, is the next: its hit is found, or its next piece read. So
 * hits come in order, and a chat is opened only when the search has come back to its newest entry.
 *
 * Invariant: all that comes before the key of the first source in the order was looked at and, where it matched,
 * found. So whenever the search ends, that key is where to go on.
 */
#include "chat/search.h"

#include "base/clock.h"
#include "base/fold.h"

#define PIECE_MIN 32 /* entries; doubles with each piece of a chat, up to */
#define PIECE_MAX 512
#define NEAR      64 /* entries too new that are rather read than passed over */

struct hit {
    struct hit *next;
    int64_t at, seq;
    size_t slot;
};

struct source {
    const struct chat_row *row;
    struct hit *first, *last; /* found and waiting, newest first */
    struct search_key unread; /* what is not read yet comes behind this one */
    int64_t day, oldest_day;  /* the day to read next; before oldest_day: all is read */
    int64_t at_most;          /* what is newer was found by an earlier request */
    size_t piece;
    bool is_open; /* something of it was read */
};

struct search {
    struct db *db;
    struct arena *arena;
    const struct search_request *request;
    struct source *sources;
    size_t count;
    int64_t reads, entries, bytes; /* so far */
    int64_t deadline_ns;
    char *scratch; /* a folded text */
    /* While a piece is read. */
    struct source *reading;
    size_t slot;
    size_t piece_count;
    int64_t last_at, last_seq;
};

void chat_search_split(struct str folded, struct search_words *ret_words)
{
    ret_words->count = 0;
    while (folded.len > 0 && ret_words->count < SEARCH_WORDS_MAX) {
        struct str word = str_split(&folded, ' ');
        if (word.len > 0)
            ret_words->items[ret_words->count++] = word;
    }
}

/* a comes before b. */
static bool key_is_before(const struct search_key *a, const struct search_key *b)
{
    if (a->at != b->at)
        return a->at > b->at;
    if (a->chat_id != b->chat_id)
        return a->chat_id > b->chat_id;
    return a->seq > b->seq;
}

/* ---- one chat ---- */

/* From the newest day on that is not after this one; below oldest_day where there is none. */
static int64_t day_at_most(const struct source *source, int64_t day)
{
    const struct chat *chat = &source->row->chat;
    if (day > chat->last_day)
        day = chat->last_day;
    while (day >= source->oldest_day && !(chat->day_bits >> (chat->last_day - day) & 1))
        day--;
    return day;
}

/* The source goes on with this day: nothing unread is younger than its end. */
static void source_set_day(struct source *source, int64_t day)
{
    source->day = day_at_most(source, day);
    int64_t end = (source->day + 1) * DAY_MS - 1;
    if (end < source->unread.at)
        source->unread.at = end;
}

static bool source_is_over(const struct source *source)
{
    return !source->first && source->day < source->oldest_day;
}

static void source_init(struct source *source, const struct chat_row *row,
                        const struct search_request *request)
{
    const struct search_key *before = &request->before;
    int64_t last_at = row->chat.last_at;
    int64_t kept = day_of_ms(request->now_ms) - LOG_DAYS;
    int64_t ring = row->chat.last_day - (LOG_SLOTS - 1);
    int64_t joined = day_of_ms(row->member.joined_at);
    int64_t oldest = kept > ring ? kept : ring;
    bool is_same = row->chat.id == before->chat_id;
    *source = (struct source){.row = row, .piece = PIECE_MIN};
    source->oldest_day = joined > oldest ? joined : oldest;
    source->at_most = row->chat.id <= before->chat_id ? before->at : before->at - 1;
    source->unread.at = last_at < source->at_most ? last_at : source->at_most;
    source->unread.chat_id = row->chat.id;
    source->unread.seq = is_same ? before->seq : INT64_MAX;
    source_set_day(source, day_of_ms(source->unread.at));
}

static struct search_key source_key(const struct source *source)
{
    if (!source->first)
        return source->unread;
    return (struct search_key){source->first->at, source->row->chat.id, source->first->seq};
}

/* ---- reading ---- */

static bool matches(struct search *search, struct str body)
{
    const struct search_words *words = &search->request->words;
    if (body.len == 0 || body.len > TEXT_BYTES_MAX)
        return false;
    size_t len = fold_into(body, search->scratch);
    for (size_t i = 0; i < words->count; i++) {
        if (!memmem(search->scratch, len, words->items[i].data, words->items[i].len))
            return false;
    }
    return true;
}

static void visit(const struct search_entry *entry, void *ctx)
{
    struct search *search = ctx;
    struct source *source = search->reading;
    search->piece_count++;
    search->bytes += (int64_t)entry->body.len;
    search->last_at = entry->at;
    search->last_seq = entry->seq;
    if (entry->at > source->at_most || !matches(search, entry->body))
        return;
    struct hit *hit = ARENA_NEW(search->arena, struct hit);
    if (!hit)
        return; /* the arena knows */
    *hit = (struct hit){.at = entry->at, .seq = entry->seq, .slot = search->slot};
    if (source->last)
        source->last->next = hit;
    else
        source->first = hit;
    source->last = hit;
}

/* The newest entry of the day below seq is not too new, or there is none. */
static enum err is_near_enough(struct search *search, const struct source *source, int64_t seq,
                               bool *ret_is)
{
    struct search_scan scan = {.chat_id = source->row->chat.id,
                               .after = source->row->member.joined_seq,
                               .before = seq,
                               .slot = day_slot(source->day)};
    int64_t at = 0;
    search->reads++;
    enum err err = search_store_newest(search->db, &scan, &at);
    *ret_is = err == ERR_NOT_FOUND || at <= source->at_most;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

/* Times never go back along seq: passes over entries that are too new, but for NEAR of them. */
static enum err pass_over(struct search *search, struct source *source)
{
    int64_t high = source->row->chat.last_seq + 1; /* from here on all are too new */
    int64_t low = 0;                               /* below this none is */
    enum err err = ERR_OK;
    for (int64_t step = NEAR; !err && low == 0 && high > NEAR; step *= 2) {
        int64_t seq = high > step ? high - step : 1;
        bool is_low = false;
        err = is_near_enough(search, source, seq, &is_low);
        *(is_low ? &low : &high) = seq;
    }
    while (!err && high - low > NEAR && low > 0) {
        int64_t middle = low + (high - low) / 2;
        bool is_low = false;
        err = is_near_enough(search, source, middle, &is_low);
        *(is_low ? &low : &high) = middle;
    }
    source->unread.seq = high;
    return err;
}

/* A piece of the source's day, and which day comes then. */
static enum err read_piece(struct search *search, struct source *source)
{
    const struct chat *chat = &source->row->chat;
    enum err err = ERR_OK;
    if (!source->is_open && chat->last_at > source->at_most && source->unread.seq == INT64_MAX &&
        source->day == day_of_ms(source->at_most))
        err = pass_over(search, source);
    struct search_scan scan = {.chat_id = chat->id,
                               .after = source->row->member.joined_seq,
                               .before = source->unread.seq,
                               .limit = source->piece,
                               .slot = day_slot(source->day)};
    source->is_open = true;
    search->reading = source;
    search->slot = scan.slot;
    search->piece_count = 0;
    search->reads++;
    if (!err)
        err = search_store_scan(search->db, &scan, visit, search);
    if (err || search->arena->overflow)
        return err ? err : ERR_NOMEM;
    search->entries += (int64_t)search->piece_count;
    if (search->piece_count > 0) {
        source->unread.seq = search->last_seq;
        if (search->last_at < source->unread.at)
            source->unread.at = search->last_at;
    }
    if (search->piece_count < scan.limit)
        source_set_day(source, source->day - 1);
    if (source->piece < PIECE_MAX)
        source->piece *= 2;
    return ERR_OK;
}

/* ---- all of them ---- */

static void drop_if_over(struct search *search, struct source *source)
{
    if (source_is_over(source))
        *source = search->sources[--search->count];
}

/* NULL: nothing is left. */
static struct source *first_source(struct search *search, struct search_key *ret_key)
{
    struct source *first = NULL;
    for (size_t i = 0; i < search->count; i++) {
        struct search_key key = source_key(&search->sources[i]);
        if (first && !key_is_before(&key, ret_key))
            continue;
        first = &search->sources[i];
        *ret_key = key;
    }
    return first;
}

/* Where a request begins, each chat is opened first, whatever it takes: so it gets further than it began. */
static bool is_enough(const struct search *search, const struct source *source)
{
    if (!source->is_open && source->unread.at >= source->at_most)
        return false;
    return search->entries >= SEARCH_ENTRIES_MAX || search->reads >= SEARCH_READS_MAX ||
           search->bytes >= SEARCH_BYTES_MAX || clock_mono_ns() >= search->deadline_ns;
}

static void take_hit(struct source *source, struct search_answer *answer)
{
    struct hit *hit = source->first;
    answer->hits[answer->count++] = (struct search_hit){source->row, hit->seq, hit->slot};
    source->first = hit->next;
    if (!source->first)
        source->last = NULL;
}

static enum err run(struct search *search, struct search_answer *answer)
{
    enum err err = ERR_OK;
    struct search_key key = SEARCH_FROM_NEWEST;
    struct source *source = first_source(search, &key);
    while (!err && source && answer->count < search->request->limit) {
        if (source->first)
            take_hit(source, answer);
        else if (is_enough(search, source))
            break;
        else
            err = read_piece(search, source);
        drop_if_over(search, source);
        answer->before = key;
        source = first_source(search, &key);
    }
    answer->has_more = source != NULL;
    if (source && answer->count < search->request->limit)
        answer->before = key;
    return err;
}

enum err chat_search(struct db *db, struct arena *arena, const struct search_request *request,
                     struct search_answer *ret_answer)
{
    struct search search = {.db = db,
                            .arena = arena,
                            .request = request,
                            .deadline_ns = clock_mono_ns() + SEARCH_MS_MAX * INT64_C(1000000)};
    *ret_answer = (struct search_answer){0};
    ret_answer->hits = ARENA_ARRAY(arena, struct search_hit, request->limit);
    search.sources = ARENA_ARRAY(arena, struct source, request->row_count + 1);
    search.scratch = arena_alloc(arena, TEXT_BYTES_MAX + FOLD_ROOM);
    if (!ret_answer->hits || !search.sources || !search.scratch)
        return ERR_NOMEM;
    for (size_t i = 0; i < request->row_count; i++) {
        struct source *source = &search.sources[search.count];
        source_init(source, &request->rows[i], request);
        search.count += !source_is_over(source);
    }
    return run(&search, ret_answer);
}
