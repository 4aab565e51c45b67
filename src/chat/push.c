/*
 * See push.h. One thread: looks at chats that have something new (expand), then at notifications that are
 * due (begin), then turns the sender's loop, which waits. Results go to the writer, each under its chat's
 * shard; what writes to a device takes everything (shard 0), which is rare.
 *
 *   FREE ──begin──▶ SENDING ──answer──▶ WRITING ──committed──▶ FREE
 *     └────(nothing to send)───────────────▲
 *
 * A flight that never lands (kill -9) leaves its row as it was: due.
 */
#include "chat/push_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "chat/fact.h"

#define LOOK_ARENA_MAX  (4u << 20)
#define LOOK_ARENA_KEPT (256u << 10)

static const char *const result_names[PUSH_RESULTS] = {"none",    "forgotten", "kept", "sent",
                                                       "cleared", "retried",   "gone", "given_up"};

/* ---- what is decided ---- */

enum push_step push_decide(const struct push_job *job, bool can_clear, int64_t now_ms)
{
    if (!job->has_device || !job->is_member)
        return PUSH_FORGET;
    if (job->read_seq >= job->seq)
        return job->sent_seq > 0 && can_clear ? PUSH_CLEAR : PUSH_FORGET;
    if (job->seq > job->sent_seq && job->muted_until <= now_ms && job->cursor < job->seq)
        return PUSH_NOTIFY;
    return job->sent_seq > 0 && now_ms < job->sent_at + PUSH_KEPT_MS ? PUSH_KEEP : PUSH_FORGET;
}

int64_t push_backoff_ms(int64_t attempts, int64_t asked_ms)
{
    int64_t wait_ms = PUSH_BACKOFF_MS;
    for (int64_t i = 0; i < attempts && wait_ms < PUSH_BACKOFF_MS_MAX; i++)
        wait_ms *= 2;
    if (wait_ms < asked_ms)
        wait_ms = asked_ms;
    return wait_ms < PUSH_BACKOFF_MS_MAX ? wait_ms : PUSH_BACKOFF_MS_MAX;
}

/* ---- in the transactions of others ---- */

enum err push_note_message(struct writer_tx *tx, const struct log *log, const struct chat *chat,
                           const struct message *message)
{
    if (!entry_is_message(message->type) || (!chat->push_wanted && !log->facts))
        return ERR_OK;
    return push_store_note_chat(tx->db, chat->id, message->seq, tx->now_ms + PUSH_DELAY_MS);
}

enum err push_note_read(struct writer_tx *tx, const struct chat *chat, uint64_t user_id,
                        int64_t read_seq)
{
    return chat->push_wanted ? push_store_note_read(tx->db, chat->id, user_id, read_seq) : ERR_OK;
}

/* ---- jobs ---- */

static void submit(struct push *push, struct writer_job *job)
{
    (void)pthread_mutex_lock(&push->lock);
    push->writing++;
    (void)pthread_mutex_unlock(&push->lock);
    enum err err = writer_submit_internal(push->options.writer, job);
    if (err)
        job->done(job, err);
}

static void land(struct push *push, enum push_state *state)
{
    (void)pthread_mutex_lock(&push->lock);
    if (state)
        *state = PUSH_FREE;
    push->writing--;
    (void)pthread_cond_signal(&push->landed);
    (void)pthread_mutex_unlock(&push->lock);
}

static void wait_landed(struct push *push)
{
    (void)pthread_mutex_lock(&push->lock);
    while (push->writing > 0)
        (void)pthread_cond_wait(&push->landed, &push->lock);
    (void)pthread_mutex_unlock(&push->lock);
}

/* ---- expand: whom a chat's new messages concern ---- */

struct expand {
    struct writer_job job;
    struct push *push;
    uint64_t chat_id;
};

/* The newest message from seq on; what was deleted meanwhile counts as well. */
static enum err find_newest(struct writer_tx *tx, const struct chat *chat, int64_t *seq)
{
    struct message *messages = ARENA_ARRAY(tx->arena, struct message, PUSH_ENTRIES_MAX);
    struct log_range range = {.chat_id = chat->id,
                              .after = *seq - 1,
                              .before = INT64_MAX,
                              .limit = PUSH_ENTRIES_MAX,
                              .bytes_max = FLIGHT_ARENA_MAX};
    struct chat_days days;
    size_t count = 0;
    if (!messages)
        return ERR_NOMEM;
    chat_days(chat, tx->now_ms, &days);
    enum err err = log_store_range(tx->db, tx->arena, &range, &days, messages, &count);
    for (size_t i = 0; !err && i < count; i++) {
        if (!entry_is_message(messages[i].type))
            continue;
        *seq = messages[i].seq;
        break;
    }
    return err;
}

static enum err expand_chat(struct writer_tx *tx, const struct chat *chat, int64_t seq)
{
    int64_t count = 0;
    bool has_targets = true;
    if (!chat->push_wanted)
        return ERR_OK;
    enum err err = push_store_expand(tx->db, chat->id, seq, tx->now_ms, &count);
    if (!err && count == 0)
        err = push_store_chat_has_targets(tx->db, chat->id, &has_targets);
    if (!err && !has_targets)
        err = push_store_set_wanted(tx->db, chat->id, false);
    return err;
}

static enum err expand_apply(struct writer_job *job, struct writer_tx *tx)
{
    const struct expand *expand = container_of(job, struct expand, job);
    struct chat chat;
    struct member nobody;
    bool is_member;
    int64_t seq = 0;
    enum err err = push_store_get_chat(tx->db, expand->chat_id, &seq);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_OK : err; /* another node was faster */
    err = chat_store_get(tx->db, tx->arena, expand->chat_id, 0, &chat, &nobody, &is_member);
    if (err && err != ERR_NOT_FOUND)
        return err;
    if (!err) {
        err = find_newest(tx, &chat, &seq);
        if (!err)
            err = expand_chat(tx, &chat, seq);
        if (!err)
            err = fact_undelivered(tx, expand->push->options.log->facts, &chat, seq);
        if (err)
            return err;
    }
    return push_store_done_chat(tx->db, expand->chat_id);
}

static void expand_done(struct writer_job *job, enum err outcome)
{
    struct expand *expand = container_of(job, struct expand, job);
    if (outcome && outcome != ERR_CLOSED)
        log_warn("new messages of a chat were not looked at", "err=%s", err_name(outcome));
    land(expand->push, NULL);
}

static enum err expand_due(struct push *push, int64_t now_ms, bool *ret_has_more)
{
    struct push_chat chats[PUSH_EXPAND_MAX];
    struct expand expands[PUSH_EXPAND_MAX];
    size_t count = 0;
    enum err err = push_store_chats_due(push->db, now_ms, PUSH_EXPAND_MAX, chats, &count);
    if (err)
        return err;
    for (size_t i = 0; i < count; i++) {
        expands[i] = (struct expand){
            .job = {.shard = chats[i].chat_id, .apply = expand_apply, .done = expand_done},
            .push = push,
            .chat_id = chats[i].chat_id};
        submit(push, &expands[i].job);
    }
    wait_landed(push);
    *ret_has_more = count == PUSH_EXPAND_MAX;
    return ERR_OK;
}

/* ---- results ---- */

static enum err drop_target(struct writer_tx *tx, const struct push_job *job)
{
    enum err err = push_store_drop_target(tx->db, job);
    return err ? err : push_store_forget(tx->db, job);
}

static enum err give_up(struct writer_tx *tx, const struct push_job *job)
{
    int64_t failures = 0;
    enum err err =
        push_store_count_failure(tx->db, job->key.user_id, job->key.device_id, true, &failures);
    if (err)
        return err;
    return failures >= PUSH_FAILURES_MAX ? drop_target(tx, job) : push_store_forget(tx->db, job);
}

static enum err write_sent(struct writer_tx *tx, const struct push_flight *flight)
{
    int64_t failures;
    const struct push_job *job = &flight->job;
    enum err err = flight->result == PUSH_RESULT_CLEARED
                       ? push_store_forget(tx->db, job)
                       : push_store_sent(tx->db, job, flight->sent_seq, tx->now_ms);
    if (!err && job->failures > 0)
        err = push_store_count_failure(tx->db, job->key.user_id, job->key.device_id, false,
                                       &failures);
    return err;
}

static enum err flight_apply(struct writer_job *writer_job, struct writer_tx *tx)
{
    const struct push_flight *flight = container_of(writer_job, struct push_flight, write);
    const struct push_job *job = &flight->job;
    switch (flight->result) {
    case PUSH_RESULT_FORGET:
        return push_store_forget(tx->db, job);
    case PUSH_RESULT_KEEP:
        return push_store_keep(tx->db, job, job->sent_at + PUSH_KEPT_MS);
    case PUSH_RESULT_SENT:
    case PUSH_RESULT_CLEARED:
        return write_sent(tx, flight);
    case PUSH_RESULT_RETRY:
        return push_store_failed(
            tx->db, job, tx->now_ms + push_backoff_ms(job->attempts, flight->retry_after_ms));
    case PUSH_RESULT_GONE:
        return drop_target(tx, job);
    case PUSH_RESULT_GIVEN_UP:
        return give_up(tx, job);
    case PUSH_RESULT_NONE:
        break;
    }
    return ERR_OK;
}

static void flight_done(struct writer_job *writer_job, enum err outcome)
{
    struct push_flight *flight = container_of(writer_job, struct push_flight, write);
    if (outcome && outcome != ERR_CLOSED)
        log_warn("what became of a notification was not written", "err=%s", err_name(outcome));
    else if (!outcome)
        metric_add(flight->push->results[flight->result], 1);
    land(flight->push, &flight->state);
}

void push_flight_write(struct push_flight *flight)
{
    bool has_device = flight->result == PUSH_RESULT_GONE ||
                      flight->result == PUSH_RESULT_GIVEN_UP || flight->job.failures > 0;
    flight->write = (struct writer_job){.shard = has_device ? 0 : flight->job.key.chat_id,
                                        .apply = flight_apply,
                                        .done = flight_done};
    (void)pthread_mutex_lock(&flight->push->lock);
    flight->state = PUSH_WRITING;
    (void)pthread_mutex_unlock(&flight->push->lock);
    submit(flight->push, &flight->write);
}

/* ---- what is due ---- */

struct traffic {
    size_t of_user, of_origin;
    bool is_known; /* this very notification is under way */
};

static struct traffic count_traffic(const struct push *push, const struct push_job *job,
                                    struct str endpoint)
{
    struct traffic traffic = {0};
    struct str origin = web_push_origin(endpoint);
    for (size_t i = 0; i < PUSH_FLIGHTS_MAX; i++) {
        const struct push_flight *flight = &push->flights[i];
        const struct push_key *key = &flight->job.key;
        if (flight->state == PUSH_FREE)
            continue;
        traffic.of_user += key->user_id == job->key.user_id;
        traffic.of_origin +=
            str_eq(str_sub(origin, 0, ORIGIN_SIZE - 1), str_from_c(flight->origin));
        traffic.is_known = traffic.is_known ||
                           (key->chat_id == job->key.chat_id && key->user_id == job->key.user_id &&
                            key->device_id == job->key.device_id);
    }
    return traffic;
}

/* Under the lock: so that none is busy whose state another thread has not set yet. NULL: none is free. */
static struct push_flight *take_flight(struct push *push)
{
    for (size_t i = 0; i < PUSH_FLIGHTS_MAX; i++)
        if (push->flights[i].state == PUSH_FREE)
            return &push->flights[i];
    return NULL;
}

/* "" when there is none to send to. */
static struct str endpoint_of(struct push *push, const struct push_job *job)
{
    struct push_target target;
    const char *problem;
    if (!job->has_device || push_target_read(&push->arena, job->push, &target, &problem) != ERR_OK)
        return STR("");
    return target.web.endpoint;
}

static bool may_begin(const struct push *push, const struct push_job *job, struct str endpoint)
{
    struct traffic traffic = count_traffic(push, job, endpoint);
    return !traffic.is_known && traffic.of_user < PUSH_USER_MAX &&
           (endpoint.len == 0 || traffic.of_origin < PUSH_ORIGIN_MAX);
}

static enum err begin(struct push_flight *flight, const struct push_job *job, int64_t now_ms)
{
    arena_reset(&flight->arena, FLIGHT_ARENA_KEPT);
    flight->arena.overflow = false;
    flight->job = *job;
    flight->job.push = arena_str_dup(&flight->arena, job->push);
    flight->now_ms = now_ms;
    flight->origin[0] = '\0';
    if (flight->arena.overflow)
        return ERR_NOMEM;
    push_flight_begin(flight);
    return ERR_OK;
}

/* Those of a user or a push service that has as much under way as it may wait where they are, so a look whose
 * jobs were all seen is followed by one behind them: nobody waits for others' slow services. */
static enum err begin_due(struct push *push, int64_t now_ms)
{
    struct push_job *jobs = ARENA_ARRAY(&push->arena, struct push_job, PUSH_LOOK_MAX);
    size_t count = 0, skip = push->skip;
    push->skip = 0;
    if (!jobs)
        return ERR_NOMEM;
    enum err err =
        push_store_jobs_due(push->db, &push->arena, now_ms, skip, PUSH_LOOK_MAX, jobs, &count);
    if (!err && count == PUSH_LOOK_MAX && skip < PUSH_SKIPPED_MAX)
        push->skip = skip + count;
    for (size_t i = 0; !err && i < count; i++) {
        struct str endpoint = endpoint_of(push, &jobs[i]);
        (void)pthread_mutex_lock(&push->lock);
        struct push_flight *flight = take_flight(push);
        bool may = flight && may_begin(push, &jobs[i], endpoint);
        (void)pthread_mutex_unlock(&push->lock);
        if (!flight) {
            push->skip = 0;
            break;
        }
        if (may)
            err = begin(flight, &jobs[i], now_ms);
    }
    return err;
}

static enum err look(struct push *push, bool *ret_has_more)
{
    int64_t now_ms = clock_now_ms();
    enum err err = expand_due(push, now_ms, ret_has_more);
    if (!err)
        err = begin_due(push, now_ms);
    arena_reset(&push->arena, LOOK_ARENA_KEPT);
    push->arena.overflow = false;
    return err;
}

/* ---- the thread ---- */

static bool is_stopping(struct push *push)
{
    (void)pthread_mutex_lock(&push->lock);
    bool stops = push->is_stopping;
    (void)pthread_mutex_unlock(&push->lock);
    return stops;
}

static void *push_main(void *ctx)
{
    struct push *push = ctx;
    int64_t pause_until_ns = 0;
    while (!is_stopping(push)) {
        bool may = writer_is_steward(push->options.writer) && clock_mono_ns() >= pause_until_ns;
        bool has_more = false;
        enum err err = may ? look(push, &has_more) : ERR_OK;
        if (err && !push->has_failed)
            log_warn("notifications wait", "err=%s", err_name(err));
        if (err)
            pause_until_ns = clock_mono_ns() + PUSH_PAUSE_MS * INT64_C(1000000);
        if (may)
            push->has_failed = err != ERR_OK;
        sender_turn(push->sender, has_more && !err ? 0 : PUSH_WAIT_MS);
    }
    return NULL;
}

static enum err open_connections(struct push *push)
{
    struct sender_options options = {.in_flight_max = PUSH_FLIGHTS_MAX, .egress = push->egress};
    enum err err = db_open(push->options.database_path, DB_READER, &push->db);
    return err ? err : sender_new(&options, &push->sender);
}

/* The address of the server is known by now. */
static void set_contact(struct push *push)
{
    const struct config *config = push->options.config;
    bool is_https = strncmp(config->public_url, "https://", 8) == 0;
    push->contact = config->push_contact[0] ? config->push_contact
                    : is_https              ? config->public_url
                                            : "mailto:postmaster@localhost";
}

enum err push_start(struct push *push)
{
    set_contact(push);
    enum err err = open_connections(push);
    if (!err && pthread_create(&push->thread, NULL, push_main, push) != 0)
        err = ERR_NOMEM;
    if (err)
        return err;
    (void)pthread_setname_np(push->thread, "chat-push"); /* a name is a convenience */
    push->is_running = true;
    return ERR_OK;
}

void push_stop(struct push *push)
{
    if (!push || !push->is_running)
        return;
    (void)pthread_mutex_lock(&push->lock);
    push->is_stopping = true;
    (void)pthread_mutex_unlock(&push->lock);
    sender_wake(push->sender);
    (void)pthread_join(push->thread, NULL); /* ours and joinable */
    push->is_running = false;
    sender_free(push->sender); /* what is under way ends, and writes nothing */
    push->sender = NULL;
    wait_landed(push);
}

/* ---- making ---- */

/* Of two nodes that begin at once the first one's key stays. */
static enum err make_key(struct push *push, struct db *db)
{
    enum err err = p256_key_make(&push->key);
    if (!err)
        err = db_begin(db);
    if (err)
        return err;
    err = push_store_put_key(db, &push->key);
    if (!err)
        err = db_commit(db);
    if (err)
        db_rollback(db);
    return err ? err : push_store_key(db, &push->key);
}

static enum err load_key(struct push *push)
{
    struct db *db = writer_db(push->options.writer);
    struct buf text = {
        .data = push->public_key, .cap = sizeof(push->public_key), .max = sizeof(push->public_key)};
    enum err err = push_store_key(db, &push->key);
    if (err == ERR_NOT_FOUND)
        err = make_key(push, db);
    base64url_append(&text, push->key.public_key, P256_PUBLIC_SIZE);
    buf_append_char(&text, '\0');
    return err;
}

enum err push_new(const struct push_options *options, struct push **ret_push)
{
    struct push *push = calloc(1, sizeof(*push));
    if (!push)
        return ERR_NOMEM;
    push->options = *options;
    push->has_text = options->config->push_text;
    (void)pthread_mutex_init(&push->lock, NULL); /* these cannot fail on Linux */
    (void)pthread_cond_init(&push->landed, NULL);
    arena_init(&push->arena, LOOK_ARENA_MAX);
    for (size_t i = 0; i < PUSH_FLIGHTS_MAX; i++) {
        push->flights[i].push = push;
        arena_init(&push->flights[i].arena, FLIGHT_ARENA_MAX);
    }
    for (size_t i = 0; i < PUSH_RESULTS; i++) {
        char labels[64];
        (void)snprintf(labels, sizeof(labels), "result=\"%s\"", result_names[i]);
        push->results[i] = metric_counter("foyer_push_total", labels,
                                          "Looks at what a device is to be notified of.");
    }
    enum err err = egress_rules_parse(str_from_c(options->config->push_allow_cidr), &push->egress);
    if (err)
        log_error("push-allow-cidr", "hint=\"networks with commas between them\"");
    else
        err = load_key(push);
    if (err) {
        push_free(push);
        return err;
    }
    *ret_push = push;
    return ERR_OK;
}

void push_free(struct push *push)
{
    if (!push)
        return;
    sender_free(push->sender);
    db_close(push->db);
    for (size_t i = 0; i < PUSH_FLIGHTS_MAX; i++) {
        arena_release(&push->flights[i].arena);
        send_release(&push->flights[i].send);
    }
    arena_release(&push->arena);
    (void)pthread_cond_destroy(&push->landed); /* nobody waits */
    (void)pthread_mutex_destroy(&push->lock);
    crypto_wipe(&push->key, sizeof(push->key));
    free(push);
}

struct str push_public_key(const struct push *push)
{
    return str_from_c(push->public_key);
}

const struct egress_rules *push_egress(const struct push *push)
{
    return &push->egress;
}
