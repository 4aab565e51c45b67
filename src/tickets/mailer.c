/*
 * Mail: what is said to whom stands in rows of mail.db, so nothing is lost and nothing depends on a
 * server that happens to be there.
 *
 *   journal ──consumer──▶ row WAITING ──worker──▶ SENT
 *                              │  └── failed: again after 15 s, 30 s, 1 min ... 2 h
 *                              └── refused for good, or failed MAIL_ATTEMPTS_MAX times ──▶ DEAD
 *
 * Invariants
 *  1. The cursor moves in the transaction that writes the rows of what was read.
 *  2. A fact becomes one row, however often it is read (dedupe_key).
 *  3. A mail that went out is recorded before another one is looked at: a full disk makes the
 *     worker wait, not send again and again. A crash in between repeats one mail, under the same
 *     Message-ID.
 *
 * Where several nodes share a database one of them mails: the one that holds a lock on the connection
 * by which it writes mail.db's schema. Whoever loses that connection can record nothing, so it sends
 * nothing more once it has noticed; what it was sending then may be sent once more by the next one,
 * under the same Message-ID.
 *
 * Threads: the consumer's and the worker's. mail.db has one connection; db_lock lends it. The
 * worker sleeps on wakeup, under wake_lock, until the next row is due, it is woken, or the test
 * clock jumps.
 */
#include "tickets/mailer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app/consumer.h"
#include "app/metrics.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/migrate.h"
#include "tickets/journal_metrics.h"
#include "tickets/limits.h"
#include "tickets/mail_compose.h"
#include "tickets/mail_facts.h"
#include "tickets/mail_mime.h"
#include "tickets/mail_sink.h"

#define DUE_MAX         20
#define SLEEP_MS_MAX    30000
#define RECORD_PAUSE_MS 1000
#define PURGE_ROWS      100
#define BATCH_ARENA_MAX (8u << 20)
#define COMPOSE_MAX     (64u << 20)

struct mailer {
    struct tickets *tickets;
    struct db *db; /* mail.db, under db_lock */
    pthread_mutex_t db_lock;
    bool is_acting;       /* this node reads the journal; the consumer's */
    struct db *platform;  /* the consumer's */
    int64_t saved_cursor; /* the consumer's: what stands in mail.db */
    size_t unsaved_rows;  /* the consumer's: rows read after it */
    struct consumer *consumer;

    struct mail_composer composer; /* the worker's, with a reading connection */
    struct mail_sink *sink;
    pthread_t worker;
    bool has_worker, has_clock;
    pthread_mutex_t wake_lock;
    pthread_cond_t wakeup;      /* CLOCK_MONOTONIC */
    bool is_woken, is_stopping; /* under wake_lock */
    struct metric *sent, *failed, *dead;
    int64_t started_ms;
};

static void wake(void *ctx)
{
    struct mailer *mailer = ctx;
    pthread_mutex_lock(&mailer->wake_lock);
    mailer->is_woken = true;
    pthread_cond_signal(&mailer->wakeup);
    pthread_mutex_unlock(&mailer->wake_lock);
}

/* ERR_OK: this node has the lock of the one that mails; ERR_DENIED: another has it. db_lock is held. */
static enum err take_office(struct mailer *mailer)
{
    bool is_held = false;
    enum err err = db_lock_session(mailer->db, "mailer", &is_held);
    return err || is_held ? err : ERR_DENIED;
}

/* --- From the journal to rows --- */

struct batch {
    struct mail mails[CONSUMER_BATCH_MAX];
    size_t count;
    int64_t cursor;
};

static enum err write_rows(struct db *db, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        enum err err = mail_store_insert(db, &batch->mails[i]);
        if (err)
            return err;
    }
    return mail_store_set_cursor(db, batch->cursor);
}

/* What has begun is ended, also where the engine has nothing left of it. */
static enum err finish(struct db *db, enum err (*fn)(struct db *db, const void *ctx),
                       const void *ctx)
{
    enum err err = fn(db, ctx);
    if (!err)
        err = db_commit(db);
    if (err)
        db_rollback(db);
    return err;
}

/* Runs fn in a transaction of mail.db. ERR_DENIED: another node mails now. */
static enum err in_transaction(struct mailer *mailer,
                               enum err (*fn)(struct db *db, const void *ctx), const void *ctx)
{
    pthread_mutex_lock(&mailer->db_lock);
    enum err err = take_office(mailer);
    if (!err)
        err = db_begin(mailer->db);
    if (!err)
        err = finish(mailer->db, fn, ctx);
    pthread_mutex_unlock(&mailer->db_lock);
    return err;
}

static enum err write_batch(struct db *db, const void *ctx)
{
    return write_rows(db, ctx);
}

static enum err collect(struct mailer *mailer, const struct journal_row *rows, size_t count,
                        struct db *source, struct arena *arena, struct batch *batch)
{
    for (size_t i = 0; i < count; i++) {
        enum err err =
            mail_from_row(&rows[i], source, mailer->platform, arena, &batch->mails[batch->count]);
        if (!err)
            batch->count++;
        else if (err != ERR_NOT_FOUND)
            return err;
    }
    return arena->overflow ? ERR_NOMEM : ERR_OK;
}

/* Before a batch. Who has just taken the office goes on where the last one stopped. */
static bool may_read(int64_t *cursor, void *ctx)
{
    struct mailer *mailer = ctx;
    pthread_mutex_lock(&mailer->db_lock);
    bool is_held = take_office(mailer) == ERR_OK;
    if (is_held && !mailer->is_acting) {
        is_held = mail_store_cursor(mailer->db, &mailer->saved_cursor) == ERR_OK;
        *cursor = mailer->saved_cursor;
    }
    pthread_mutex_unlock(&mailer->db_lock);
    if (is_held && !mailer->is_acting)
        wake(mailer);
    mailer->is_acting = is_held;
    return is_held;
}

static enum err on_batch(const struct journal_row *rows, size_t count, struct db *source, void *ctx)
{
    struct mailer *mailer = ctx;
    struct arena arena;
    arena_init(&arena, BATCH_ARENA_MAX);
    struct batch *batch = ARENA_NEW(&arena, struct batch);
    enum err err = batch ? collect(mailer, rows, count, source, &arena, batch) : ERR_NOMEM;
    int64_t cursor = rows[count - 1].seq;
    bool has_mail = !err && batch->count > 0;
    /* Without mail the cursor on disk may lag: what is read again makes no row then either. */
    mailer->unsaved_rows += count;
    if (!err && (has_mail || mailer->unsaved_rows >= MAIL_CURSOR_ROWS)) {
        batch->cursor = cursor;
        err = in_transaction(mailer, write_batch, batch);
        if (!err) {
            mailer->saved_cursor = cursor;
            mailer->unsaved_rows = 0;
        }
    }
    arena_release(&arena);
    if (!err)
        journal_metrics_count(rows, count, mailer->started_ms);
    if (!err && has_mail)
        wake(mailer);
    return err;
}

/* --- From rows to the world --- */

static bool is_stopping(struct mailer *mailer)
{
    pthread_mutex_lock(&mailer->wake_lock);
    bool is_stopping = mailer->is_stopping;
    pthread_mutex_unlock(&mailer->wake_lock);
    return is_stopping;
}

/* Until woken, stopped, or the time is over. */
static void sleep_ms(struct mailer *mailer, int64_t ms, bool is_wakeable)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int result = 0;
    pthread_mutex_lock(&mailer->wake_lock);
    while (!mailer->is_stopping && !(is_wakeable && mailer->is_woken) && result == 0)
        result = pthread_cond_timedwait(&mailer->wakeup, &mailer->wake_lock, &until);
    mailer->is_woken = false;
    pthread_mutex_unlock(&mailer->wake_lock);
}

static enum err send_one(struct mailer *mailer, const struct mail *mail,
                         char ret_message[static SMTP_MESSAGE_SIZE])
{
    struct arena arena;
    arena_init(&arena, COMPOSE_MAX);
    struct buf *buf = buf_new_in(&arena, MAIL_BYTES_MAX);
    struct str to = arena_str_dup(&arena, mail->to_email);
    struct str from = arena_str_dup(&arena, mailer->composer.from_address);
    (void)snprintf(ret_message, SMTP_MESSAGE_SIZE, "could not be composed");
    enum err err = buf ? mail_compose(&mailer->composer, mail, &arena, buf) : ERR_NOMEM;
    if (!err && arena.overflow)
        err = ERR_NOMEM;
    if (!err) {
        struct mail_parcel parcel = {
            .id = mail->id, .from = from.data, .to = to.data, .message = buf_str(buf)};
        err = mail_sink_send(mailer->sink, &parcel, ret_message);
    }
    arena_release(&arena);
    return err;
}

static int64_t retry_ms(int64_t attempts)
{
    int64_t pause_ms = MAIL_RETRY_MS;
    for (int64_t i = 1; i < attempts && pause_ms < MAIL_RETRY_MS_MAX; i++)
        pause_ms *= 2;
    return pause_ms < MAIL_RETRY_MS_MAX ? pause_ms : MAIL_RETRY_MS_MAX;
}

/* What becomes of the mail after an attempt that ended like that. */
static struct mail_outcome outcome_of(struct mailer *mailer, const struct mail *mail, enum err err,
                                      const char *message)
{
    struct mail_outcome outcome = {.id = mail->id,
                                   .state = MAIL_SENT,
                                   .attempts = mail->attempts + 1,
                                   .now_ms = clock_now_ms()};
    if (!err) {
        metric_add(mailer->sent, 1);
        return outcome;
    }
    bool is_final =
        err == ERR_DENIED || err == ERR_NOT_FOUND || outcome.attempts >= MAIL_ATTEMPTS_MAX;
    metric_add(is_final ? mailer->dead : mailer->failed, 1);
    log_write(is_final ? LOG_ERROR : LOG_WARN, is_final ? "mail given up" : "mail failed",
              "mail=%lld attempt=%lld err=%s why=\"%s\"", (long long)mail->id,
              (long long)outcome.attempts, err_name(err), message);
    outcome.state = is_final ? MAIL_DEAD : MAIL_WAITING;
    outcome.next_at = outcome.now_ms + retry_ms(outcome.attempts);
    outcome.last_error = str_from_c(message);
    return outcome;
}

static enum err write_outcome(struct db *db, const void *ctx)
{
    return mail_store_set_state(db, ctx);
}

/* ERR_DENIED: what was sent cannot be recorded, for another node mails now. */
static enum err handle(struct mailer *mailer, const struct mail *mail)
{
    char message[SMTP_MESSAGE_SIZE] = "";
    enum err err = send_one(mailer, mail, message);
    if (err == ERR_CLOSED)
        return ERR_OK; /* stopping: it waits for the next start */
    struct mail_outcome outcome = outcome_of(mailer, mail, err, message);
    while ((err = in_transaction(mailer, write_outcome, &outcome)) != ERR_OK) {
        if (err == ERR_DENIED)
            return err;
        log_error("mail cannot be recorded", "mail=%lld", (long long)mail->id);
        if (is_stopping(mailer))
            return ERR_OK;
        sleep_ms(mailer, RECORD_PAUSE_MS, false);
    }
    return ERR_OK;
}

/* Sends what is due; how long to sleep then. */
static int64_t run_once(struct mailer *mailer)
{
    struct arena arena;
    struct mail mails[DUE_MAX];
    size_t count = 0;
    int64_t next_at = INT64_MAX, now_ms = clock_now_ms();
    arena_init(&arena, BATCH_ARENA_MAX);
    pthread_mutex_lock(&mailer->db_lock);
    if (take_office(mailer) != ERR_OK) {
        pthread_mutex_unlock(&mailer->db_lock);
        return OFFICE_WAIT_MS;
    }
    enum err err = mail_store_due(mailer->db, now_ms, DUE_MAX, &arena, mails, &count);
    if (!err && count == 0)
        err = mail_store_next_at(mailer->db, &next_at);
    pthread_mutex_unlock(&mailer->db_lock);
    for (size_t i = 0; !err && i < count && !is_stopping(mailer); i++)
        err = handle(mailer, &mails[i]);
    arena_release(&arena);
    if (err == ERR_DENIED)
        return OFFICE_WAIT_MS;
    if (err) {
        log_error("mail.db cannot be read", "err=%s", err_name(err));
        return RECORD_PAUSE_MS;
    }
    if (count > 0)
        return 0;
    int64_t left_ms = next_at == INT64_MAX ? SLEEP_MS_MAX : next_at - clock_now_ms();
    return left_ms < SLEEP_MS_MAX ? left_ms : SLEEP_MS_MAX;
}

static enum err purge(struct db *db, const void *ctx)
{
    (void)ctx;
    return mail_store_purge(db, clock_now_ms() - MAIL_KEPT_MS, PURGE_ROWS);
}

/* A ticket's PDF takes milliseconds: whoever buys meanwhile comes first. */
static void step_back(void)
{
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), MAIL_NICE);
}

static void *worker_main(void *ctx)
{
    struct mailer *mailer = ctx;
    step_back();
    while (!is_stopping(mailer)) {
        int64_t pause_ms = run_once(mailer);
        if (pause_ms <= 0)
            continue;
        enum err err = in_transaction(mailer, purge, NULL);
        if (err && err != ERR_DENIED)
            log_warn("old mail cannot be deleted", NULL);
        sleep_ms(mailer, pause_ms, true);
    }
    return NULL;
}

/* --- Start and stop --- */

static enum err open_databases(struct mailer *mailer)
{
    char path[CONFIG_LOCATION_MAX];
    const struct config *config = mailer->tickets->config;
    enum err err = config_database(config, "mail", path);
    if (!err)
        err = db_open(path, DB_WRITER, &mailer->db);
    if (!err)
        err = migrate_run(mailer->db, "mail", NULL);
    if (!err)
        err = mail_store_cursor(mailer->db, &mailer->saved_cursor);
    if (!err)
        err = config_database(config, "platform", path);
    if (!err)
        err = db_open(path, DB_READER, &mailer->platform);
    if (!err)
        err = db_open(tickets_database_path(mailer->tickets), DB_READER, &mailer->composer.db);
    return err;
}

static enum err start_threads(struct mailer *mailer)
{
    struct consumer_options options = {
        .name = "mail",
        .source_path = tickets_database_path(mailer->tickets),
        .cursor = mailer->saved_cursor,
        .interval_ms = MAIL_POLL_MS,
        .may_read = may_read,
        .on_batch = on_batch,
        .ctx = mailer,
    };
    enum err err = clock_subscribe(wake, mailer);
    if (err)
        return err;
    mailer->has_clock = true;
    if (pthread_create(&mailer->worker, NULL, worker_main, mailer) != 0)
        return ERR_NOMEM;
    mailer->has_worker = true;
    return consumer_start(&options, &mailer->consumer);
}

static struct mailer *mailer_new(struct tickets *tickets)
{
    struct mailer *mailer = calloc(1, sizeof(*mailer));
    if (!mailer)
        return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&mailer->wakeup, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&mailer->wake_lock, NULL);
    pthread_mutex_init(&mailer->db_lock, NULL);
    mailer->tickets = tickets;
    mailer->composer.service = tickets;
    mailer->sent = metric_counter("foyer_mails_total", "result=\"sent\"", "Mails by result");
    mailer->failed = metric_counter("foyer_mails_total", "result=\"failed\"", "Mails by result");
    mailer->started_ms = clock_now_ms();
    journal_metrics_register();
    mailer->dead = metric_counter("foyer_mails_total", "result=\"dead\"", "Mails by result");
    return mailer;
}

enum err mailer_start(struct tickets *tickets, struct mailer **ret_mailer)
{
    struct mailer *mailer = mailer_new(tickets);
    if (!mailer)
        return ERR_NOMEM;
    struct mail_composer *composer = &mailer->composer;
    enum err err = mail_address_parse(str_from_c(tickets->config->mail_from), &composer->from_name,
                                      &composer->from_address);
    if (err)
        log_error("mail-from is not an address", "mail_from=%s", tickets->config->mail_from);
    if (!err)
        err = open_databases(mailer);
    if (!err)
        err = mail_sink_new(tickets->config, &mailer->sink);
    if (!err)
        err = start_threads(mailer);
    if (err) {
        mailer_stop(mailer);
        return err;
    }
    *ret_mailer = mailer;
    return ERR_OK;
}

void mailer_stop(struct mailer *mailer)
{
    if (!mailer)
        return;
    consumer_stop(mailer->consumer);
    pthread_mutex_lock(&mailer->wake_lock);
    mailer->is_stopping = true;
    pthread_cond_signal(&mailer->wakeup);
    pthread_mutex_unlock(&mailer->wake_lock);
    if (mailer->has_worker) {
        mail_sink_cancel(mailer->sink);
        pthread_join(mailer->worker, NULL);
    }
    if (mailer->has_clock)
        clock_unsubscribe(wake, mailer);
    mail_sink_free(mailer->sink);
    db_close(mailer->composer.db);
    db_close(mailer->platform);
    db_close(mailer->db);
    pthread_cond_destroy(&mailer->wakeup);
    pthread_mutex_destroy(&mailer->wake_lock);
    pthread_mutex_destroy(&mailer->db_lock);
    free(mailer);
}
