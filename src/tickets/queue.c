/*
 * The waiting room: who may buy, in which order, and how many at once.
 *
 * An entry, moved by the functions here alone, each in one job of the writer:
 *
 *              the list closes               steward: cap and rate let
 *   PRE ───────────(places)──────▶ WAITING ─────────────────────────▶ ADMITTED ──── paid ───▶ DONE
 *    │        who comes later ───────▶ │                                 │  ├─ time is up, quiet ─▶ LAPSED
 *    └──────────── leaves ─────────────┴──────────── leaves ─────────────┴──┴──────▶ LEFT
 *
 * A room: open (the list grows) → closed (closed_at: who comes now stands behind the list) → revealed
 * (entries_hash and with it the seed) → placed (all places of the list are written). Closing, hash
 * and places are steps of their own, because hashing and ordering 150,000 entries in one transaction
 * would keep the writer from everybody else; the order is settled by the first step, as nobody can
 * change the list after it, and the seed was settled before.
 *
 * Invariants
 *  1. An account has at most one open entry of an event: unique index queue_open.
 *  2. A place belongs to one entry: unique index queue_place. Places are given in the order of the
 *     published ranks to the closed list, 1 to entry_count, and behind it in the order of commits.
 *  3. Whoever is admitted has a smaller place than all who wait; admitted_place says how far that is,
 *     so nobody is passed over and the next ones are one range read.
 *  4. Admissions are rows. At most admitted_max rows count at any time: those whose busy_until is not
 *     past. The transaction that admits counts them, and admits no more than the difference; nothing
 *     else adds one. A lower admitted_max admits nobody until enough have gone.
 *  5. In no 60 seconds more than admit_per_minute rows get an admitted_at: counted in the same
 *     transaction.
 *  6. An admission counts until no token of it can be accepted and no open hold carries it. Tokens are
 *     accepted by memory that is at most QUEUE_STALE_MS old and knows of its end; so with one node an
 *     end gives the place on at once, with several after that time. holds counts the open holds;
 *     with one left an admission neither lapses nor, when it is over, stops counting.
 *  7. Each step writes one row of queue_log in the same transaction; the rows of an event are
 *     numbered without gaps, because its writes are serial.
 */
#include "tickets/queue.h"

#include "base/rand.h"
#include "tickets/queue_internal.h"

#define RATE_WINDOW_MS 60000
#define FOR_EVER       INT64_MAX

int64_t queue_opens_at(const struct queue_terms *terms)
{
    return terms->onsale_at - terms->settings.opens_before_s * 1000;
}

bool queue_is_on_sale(const struct queue_terms *terms, int64_t now_ms)
{
    return terms->status == EVENT_PUBLISHED && now_ms < terms->starts_at;
}

bool queue_is_engaged(const struct queue_terms *terms)
{
    return terms->mode == QUEUE_ON || (terms->mode == QUEUE_AUTO && terms->is_engaged);
}

/* --- The room --- */

static enum err log_room(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id,
                         enum queue_kind kind, int64_t amount)
{
    int64_t no;
    enum err err = queue_store_log(tx->db, event_id, kind, 0, amount, tx->now_ms, &no);
    return err ? err : queue_stage_room(tickets, tx, event_id, kind);
}

/* The commitment and, later, what it was: facts that the event's hash chain keeps. */
static enum err journal_secret(struct writer_tx *tx, uint64_t event_id, const char *type,
                               const struct queue_secret *secret)
{
    char hex[3][2 * SHA256_SIZE + 1];
    const uint8_t *values[] = {secret->commitment, secret->entries_hash, secret->seed};
    const char *const names[] = {"commitment", "entries_hash", "seed"};
    struct buf *data = buf_new_in(tx->arena, 1024);
    if (!data)
        return ERR_NOMEM;
    struct json_writer writer;
    json_begin(&writer, data);
    json_open_object(&writer);
    for (size_t i = 0; i < (secret->is_revealed ? 3 : 1); i++) {
        struct buf text = {.data = hex[i], .cap = sizeof(hex[i]) - 1, .max = sizeof(hex[i]) - 1};
        hex_append(&text, values[i], SHA256_SIZE);
        json_put_str(&writer, names[i], buf_str(&text));
    }
    json_close_object(&writer);
    if (data->overflow)
        return ERR_NOMEM;
    return journal_append(tx->journal, event_id, type, buf_str(data), NULL);
}

enum err waiting_open(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id)
{
    struct queue_secret secret = {.is_revealed = false};
    bool is_new = false;
    rand_bytes(secret.seed, sizeof(secret.seed));
    crypto_sha256(str_from((const char *)secret.seed, SHA256_SIZE), secret.commitment);
    enum err err = queue_store_open(tx->db, event_id, &secret, tx->now_ms, &is_new);
    if (!err && is_new)
        err = journal_secret(tx, event_id, "queue.opened", &secret);
    if (!err && is_new)
        err = queue_stage_room(tickets, tx, event_id, QUEUE_LOG_NONE);
    crypto_wipe(&secret, sizeof(secret));
    return err;
}

enum err waiting_engage(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id,
                        bool is_engaged)
{
    enum err err = queue_store_engage(tx->db, event_id, is_engaged);
    if (err == ERR_CONFLICT)
        return ERR_OK; /* somebody else was faster */
    return err ? err
               : log_room(tickets, tx, event_id,
                          is_engaged ? QUEUE_LOG_ENGAGED : QUEUE_LOG_RELEASED, 0);
}

/* Who is on the list follows from when an entry ended, so the closing is not before the last end, even
 * if that one's node had a clock that was ahead. */
enum err waiting_close(struct tickets *tickets, struct writer_tx *tx, struct queue_terms *terms)
{
    if (terms->closed_at || tx->now_ms < terms->onsale_at)
        return ERR_OK;
    int64_t count = 0, last_end = 0;
    enum err err = queue_store_count_early(tx->db, terms->event_id, &count, &last_end);
    int64_t closed_at = tx->now_ms > last_end ? tx->now_ms : last_end;
    if (!err)
        err = queue_store_close(tx->db, terms->event_id, closed_at, count);
    if (!err)
        err = log_room(tickets, tx, terms->event_id, QUEUE_LOG_CLOSED, count);
    if (err)
        return err;
    terms->closed_at = closed_at;
    terms->entry_count = terms->places = count;
    return ERR_OK;
}

enum err waiting_reveal(struct tickets *tickets, struct writer_tx *tx,
                        const struct queue_terms *terms,
                        const uint8_t entries_hash[static SHA256_SIZE])
{
    struct queue_secret secret;
    enum err err = queue_store_reveal(tx->db, terms->event_id, entries_hash);
    if (err == ERR_CONFLICT)
        return ERR_OK; /* another steward was faster */
    if (!err)
        err = queue_store_secret(tx->db, terms->event_id, &secret);
    if (!err)
        err = journal_secret(tx, terms->event_id, "queue.closed", &secret);
    return err ? err
               : log_room(tickets, tx, terms->event_id, QUEUE_LOG_REVEALED, terms->entry_count);
}

enum err waiting_place(struct tickets *tickets, struct writer_tx *tx,
                       const struct queue_terms *terms, const uint64_t *ids, size_t count)
{
    int64_t last = terms->placed + (int64_t)count;
    enum err err = queue_store_placed(tx->db, terms->event_id, terms->placed, last);
    if (err == ERR_CONFLICT)
        return ERR_AGAIN; /* by another steward: whoever asks reads again how far it is */
    for (size_t i = 0; !err && i < count; i++)
        err = queue_store_place(tx->db, terms->event_id, ids[i], terms->placed + 1 + (int64_t)i);
    int64_t no;
    if (!err)
        err = queue_store_log(tx->db, terms->event_id, QUEUE_LOG_PLACED, 0, last, tx->now_ms, &no);
    return err ? err
               : queue_stage_places(tickets, tx, terms->event_id, terms->placed + 1, ids, count);
}

enum err waiting_over(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id)
{
    enum err err = queue_store_over(tx->db, event_id);
    if (err == ERR_CONFLICT)
        return ERR_OK;
    return err ? err : log_room(tickets, tx, event_id, QUEUE_LOG_OVER, 0);
}

/* --- Coming and leaving --- */

static enum err log_entry(struct tickets *tickets, struct writer_tx *tx,
                          const struct queue_entry *entry, enum queue_kind kind, int64_t amount)
{
    int64_t no;
    enum err err =
        queue_store_log(tx->db, entry->event_id, kind, entry->id, amount, tx->now_ms, &no);
    return err ? err : queue_stage_entry(tickets, tx, entry);
}

static enum queue_refusal refusal(const struct queue_terms *terms, int64_t now_ms)
{
    if (!queue_is_on_sale(terms, now_ms) || terms->is_over)
        return QUEUE_REFUSED_CLOSED;
    if (!queue_is_engaged(terms))
        return QUEUE_REFUSED_OFF;
    return now_ms < queue_opens_at(terms) ? QUEUE_REFUSED_EARLY : QUEUE_TAKEN_IN;
}

/* How many this group has let in before: memory does not know them yet. */
static uint32_t count_beside(struct tickets *tickets, const struct writer_tx *tx, uint64_t event_id)
{
    struct queue_room *room = queue_rooms_get(tickets->queue->rooms, event_id);
    if (!room)
        return 0;
    if (room->join_group != tx->group)
        room->join_count = 0;
    room->join_group = tx->group;
    uint32_t count = room->join_count++;
    queue_room_unref(room);
    return count;
}

static enum err insert(struct tickets *tickets, struct writer_tx *tx, struct queue_join *join)
{
    struct queue_entry *entry = &join->entry;
    bool is_early = !join->terms.closed_at;
    *entry = (struct queue_entry){.event_id = join->event_id,
                                  .id = id_next(tx->ids),
                                  .account_id = join->account_id,
                                  .state = is_early ? QUEUE_PRE : QUEUE_WAITING,
                                  .is_early = is_early,
                                  .joined_at = tx->now_ms};
    enum err err =
        is_early ? ERR_OK : queue_store_next_place(tx->db, join->event_id, &entry->place);
    if (!err)
        err = queue_store_insert(tx->db, entry);
    if (!err)
        err = log_entry(tickets, tx, entry, QUEUE_LOG_JOINED, entry->place);
    join->is_new = true;
    join->beside = count_beside(tickets, tx, join->event_id);
    return err;
}

enum err waiting_enter(struct tickets *tickets, struct writer_tx *tx, struct queue_join *join,
                       enum queue_refusal *ret_refusal)
{
    struct queue_terms *terms = &join->terms;
    join->is_new = false;
    enum err err = queue_store_terms(tx->db, join->event_id, terms);
    if (err)
        return err;
    *ret_refusal = refusal(terms, tx->now_ms);
    if (*ret_refusal != QUEUE_TAKEN_IN)
        return ERR_OK;
    if (!terms->has_room)
        err = waiting_open(tickets, tx, join->event_id);
    if (err)
        return err;
    err = queue_store_open_entry(tx->db, join->event_id, join->account_id, &join->entry);
    if (err != ERR_NOT_FOUND)
        return err;
    err = waiting_close(tickets, tx, terms);
    return err ? err : insert(tickets, tx, join);
}

/* Until when an admission that ends now still counts; 0: it does not. */
static int64_t busy_after_end(const struct tickets *tickets, const struct writer_tx *tx)
{
    return tickets->queue->is_followed ? tx->now_ms + QUEUE_STALE_MS : 0;
}

/* Ends an open entry. */
static enum err end(struct tickets *tickets, struct writer_tx *tx, struct queue_entry *entry,
                    enum queue_state to)
{
    bool was_admitted = entry->state == QUEUE_ADMITTED;
    enum err err = queue_store_end(tx->db, entry, to, tx->now_ms,
                                   was_admitted ? busy_after_end(tickets, tx) : 0);
    if (err)
        return err;
    entry->state = to;
    entry->ended_at = tx->now_ms;
    return ERR_OK;
}

enum err waiting_leave(struct tickets *tickets, struct writer_tx *tx, struct queue_entry *entry)
{
    if (!queue_state_is_open(entry->state))
        return ERR_OK;
    if (entry->holds > 0)
        return ERR_CONFLICT;
    enum err err = end(tickets, tx, entry, QUEUE_LEFT);
    return err ? err : log_entry(tickets, tx, entry, QUEUE_LOG_LEFT, 0);
}

/* --- Admissions --- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How many may be admitted now, by cap and rate. */
static enum err count_room(struct writer_tx *tx, const struct queue_terms *terms, int64_t most,
                           int64_t *ret_count)
{
    const struct queue_settings *settings = &terms->settings;
    int64_t busy = 0, admitted = 0;
    enum err err = queue_store_busy(tx->db, terms->event_id, tx->now_ms, &busy);
    if (!err)
        err = queue_store_rate(tx->db, terms->event_id, tx->now_ms - RATE_WINDOW_MS,
                               settings->admit_per_minute, &admitted);
    if (!err)
        *ret_count = least(
            most, least(settings->admitted_max - busy, settings->admit_per_minute - admitted));
    return err;
}

static enum err admit_one(struct tickets *tickets, struct writer_tx *tx,
                          const struct queue_terms *terms, struct queue_entry *entry)
{
    entry->state = QUEUE_ADMITTED;
    entry->admitted_at = entry->seen_at = tx->now_ms;
    entry->admitted_until = tx->now_ms + terms->settings.admission_s * 1000;
    enum err err = queue_store_admit(tx->db, entry);
    return err ? err
               : log_entry(tickets, tx, entry, QUEUE_LOG_ADMITTED, terms->settings.admitted_max);
}

enum err waiting_admit(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id,
                       size_t most, size_t *ret_count)
{
    struct queue_terms terms;
    struct queue_entry entries[QUEUE_CHUNK_MAX];
    size_t count = 0;
    int64_t room = 0;
    *ret_count = 0;
    enum err err = queue_store_terms(tx->db, event_id, &terms);
    if (err || !queue_is_on_sale(&terms, tx->now_ms) || !terms.closed_at || terms.is_over)
        return err;
    err = count_room(tx, &terms, least((int64_t)most, QUEUE_CHUNK_MAX), &room);
    if (err || room <= 0)
        return err;
    /* While the list's places are being written, nobody behind them may pass by. */
    int64_t until = terms.placed == terms.entry_count ? FOR_EVER : terms.placed;
    err = queue_store_next(tx->db, event_id, terms.admitted_place, until, (size_t)room, entries,
                           &count);
    for (size_t i = 0; !err && i < count; i++)
        err = admit_one(tickets, tx, &terms, &entries[i]);
    if (!err && count > 0)
        err = queue_store_admitted_place(tx->db, event_id, entries[count - 1].place);
    *ret_count = count;
    return err;
}

static bool is_due(const struct queue_entry *entry, int64_t now_ms, int64_t quiet_before_ms)
{
    return entry->state == QUEUE_ADMITTED && entry->holds == 0 &&
           (entry->admitted_until <= now_ms || entry->seen_at <= quiet_before_ms);
}

enum err waiting_lapse(struct tickets *tickets, struct writer_tx *tx, uint64_t event_id,
                       const uint64_t *ids, size_t count, int64_t quiet_before_ms)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        struct queue_entry entry;
        err = queue_store_entry(tx->db, event_id, ids[i], &entry);
        if (err || !is_due(&entry, tx->now_ms, quiet_before_ms))
            continue;
        err = end(tickets, tx, &entry, QUEUE_LAPSED);
        if (!err)
            err = log_entry(tickets, tx, &entry, QUEUE_LOG_LAPSED, 0);
    }
    return err;
}

/* --- Holds --- */

enum err queue_hold_taken(struct tickets *tickets, struct writer_tx *tx,
                          const struct booking *booking)
{
    (void)tickets;
    enum err err =
        queue_store_hold(tx->db, booking->event_id, booking->admission_id, booking->account_id);
    return err == ERR_CONFLICT ? ERR_CORRUPT : err; /* the gate has asked in this transaction */
}

static bool is_open_booking(enum booking_state state)
{
    return state == BOOKING_HELD || state == BOOKING_PAYMENT_PENDING;
}

enum err queue_booking_moved(struct tickets *tickets, struct writer_tx *tx,
                             const struct booking *booking, enum booking_state from,
                             enum booking_state to)
{
    struct queue_entry entry;
    uint64_t event_id = booking->event_id, entry_id = booking->admission_id;
    bool is_end = is_open_booking(from) && !is_open_booking(to);
    if (!entry_id || (!is_end && to != BOOKING_CONFIRMED))
        return ERR_OK;
    enum err err = is_end ? queue_store_unhold(tx->db, event_id, entry_id) : ERR_OK;
    if (!err)
        err = queue_store_entry(tx->db, event_id, entry_id, &entry);
    if (err) /* the booking's row names an entry that is not there: not the buyer's fault, but ours */
        return err == ERR_NOT_FOUND || err == ERR_CONFLICT ? ERR_CORRUPT : err;
    if (entry.state != QUEUE_ADMITTED)
        return is_end ? queue_store_release(tx->db, event_id, entry_id, busy_after_end(tickets, tx))
                      : ERR_OK;
    if (to != BOOKING_CONFIRMED)
        return ERR_OK;
    err = end(tickets, tx, &entry, QUEUE_DONE);
    return err ? err : log_entry(tickets, tx, &entry, QUEUE_LOG_DONE, (int64_t)booking->id);
}
