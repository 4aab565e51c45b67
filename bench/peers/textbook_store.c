/*
 * A hold in the textbook design:
 *
 *   Redis       SET guard:EVENT:SEAT OWNER NX GET EX 600, all seats in one round trip. Who finds
 *               another owner gives back what it has set, and refuses.
 *   PostgreSQL  BEGIN, the event's terms and the account's places, an earlier booking of this key:
 *               one round trip. The booking, its claims (their primary key judges), the outbox row,
 *               COMMIT: another one.
 *
 * Statements are prepared, and each of the two trips is one of libpq's pipelines; plain, every
 * statement is a trip of its own, as most drivers send them.
 */
#include "textbook.h"

#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"

#define UNIQUE_VIOLATION "23505"
#define NUMBER_SIZE      24
#define SEATS_SIZE       512
#define PARAMETERS_MAX   12
#define STATEMENTS_MAX   4 /* of a trip */

struct worker_store {
    PGconn *pg;
    bool is_plain;
    PGresult *results[STATEMENTS_MAX]; /* plain: those that nobody has taken yet */
    unsigned result_count, result_next;
    redisContext *redis;
    char owner[TEXTBOOK_GUARD_SIZE]; /* of the hold under way */
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS event (id bigint PRIMARY KEY, onsale_at timestamptz NOT NULL, "
    " starts_at timestamptz NOT NULL, status text NOT NULL, hold_ttl_s int NOT NULL, "
    " per_account int NOT NULL);"
    "CREATE TABLE IF NOT EXISTS booking (id bigint PRIMARY KEY, event_id bigint NOT NULL, "
    " account_id bigint NOT NULL, status text NOT NULL, amount bigint NOT NULL, "
    " currency text NOT NULL, seats text[] NOT NULL, places int NOT NULL, "
    " idempotency_key text NOT NULL, body_hash text NOT NULL, created_at timestamptz NOT NULL, "
    " expires_at timestamptz NOT NULL, UNIQUE (account_id, idempotency_key));"
    "CREATE INDEX IF NOT EXISTS booking_by_account ON booking (account_id, event_id);"
    "CREATE INDEX IF NOT EXISTS booking_open ON booking (expires_at) WHERE status = 'held';"
    "CREATE TABLE IF NOT EXISTS seat_claim (event_id bigint NOT NULL, seat text NOT NULL, "
    " booking_id bigint NOT NULL, PRIMARY KEY (event_id, seat));"
    "CREATE TABLE IF NOT EXISTS outbox (id bigserial PRIMARY KEY, event_id bigint NOT NULL, "
    " type text NOT NULL, payload jsonb NOT NULL, created_at timestamptz NOT NULL);";

static const struct {
    const char *name, *sql;
} statements[] = {
    {"begin", "BEGIN"},
    {"terms", "SELECT e.status = 'published' AND e.onsale_at <= now() AND now() < e.starts_at, "
              "e.per_account - (SELECT coalesce(sum(b.places), 0) FROM booking b WHERE "
              "b.account_id = $2 AND b.event_id = e.id AND b.status IN ('held', 'confirmed')) "
              "FROM event e WHERE e.id = $1"},
    {"earlier", "SELECT id, body_hash, (extract(epoch FROM created_at) * 1000)::bigint, "
                "(extract(epoch FROM expires_at) * 1000)::bigint FROM booking "
                "WHERE account_id = $1 AND idempotency_key = $2"},
    {"booking", "INSERT INTO booking (id, event_id, account_id, status, amount, currency, seats, "
                "places, idempotency_key, body_hash, created_at, expires_at) VALUES ($1, $2, $3, "
                "'held', $4, 'EUR', $5, $6, $7, $8, to_timestamp($9::bigint / 1000.0), "
                "to_timestamp($10::bigint / 1000.0))"},
    {"claims", "INSERT INTO seat_claim (event_id, seat, booking_id) SELECT $1, s, $2 FROM "
               "unnest($3::text[]) s"},
    {"outbox", "INSERT INTO outbox (event_id, type, payload, created_at) VALUES ($1, "
               "'booking.held', jsonb_build_object('booking', $2::bigint, 'account', $3::bigint, "
               "'seats', $4::text[], 'amount', $5::bigint), now())"},
    {"commit", "COMMIT"},
};

/* --- PostgreSQL --- */

static enum err run_simple(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    bool is_done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!is_done)
        fprintf(stderr, "textbook: %s", PQerrorMessage(pg));
    PQclear(result);
    return is_done ? ERR_OK : ERR_IO;
}

enum err textbook_schema(const char *postgres, int64_t events)
{
    char sql[512];
    PGconn *pg = PQconnectdb(postgres);
    enum err err = PQstatus(pg) == CONNECTION_OK ? ERR_OK : ERR_IO;
    if (err)
        fprintf(stderr, "textbook: %s", PQerrorMessage(pg));
    snprintf(sql, sizeof(sql),
             "INSERT INTO event SELECT i, now() - interval '1 hour', now() + interval '90 days', "
             "'published', %d, 100000 FROM generate_series(1, %lld) i ON CONFLICT DO NOTHING",
             TEXTBOOK_HOLD_TTL_S, (long long)events);
    if (!err)
        err = run_simple(pg, "SET client_min_messages = warning");
    if (!err)
        err = run_simple(pg, schema);
    if (!err)
        err = run_simple(pg, sql);
    PQfinish(pg);
    return err;
}

static enum err prepare_all(PGconn *pg)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < sizeof(statements) / sizeof(statements[0]); i++) {
        PGresult *result = PQprepare(pg, statements[i].name, statements[i].sql, 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            fprintf(stderr, "textbook: %s: %s", statements[i].name, PQerrorMessage(pg));
            err = ERR_IO;
        }
        PQclear(result);
    }
    return err;
}

/* Texts of one statement's parameters. */
struct parameters {
    const char *values[PARAMETERS_MAX];
    char numbers[PARAMETERS_MAX][NUMBER_SIZE];
    int count;
};

static void put_number(struct parameters *parameters, int64_t number)
{
    char *text = parameters->numbers[parameters->count];
    snprintf(text, NUMBER_SIZE, "%lld", (long long)number);
    parameters->values[parameters->count++] = text;
}

static void put_text(struct parameters *parameters, const char *text)
{
    parameters->values[parameters->count++] = text;
}

static bool queue_statement(struct worker_store *store, const char *name,
                            const struct parameters *parameters)
{
    int count = parameters ? parameters->count : 0;
    const char *const *values = parameters ? parameters->values : NULL;
    if (!store->is_plain)
        return PQsendQueryPrepared(store->pg, name, count, values, NULL, NULL, 0) == 1;
    store->results[store->result_count++] =
        PQexecPrepared(store->pg, name, count, values, NULL, NULL, 0);
    return true;
}

static bool end_of_statements(struct worker_store *store)
{
    return store->is_plain || PQpipelineSync(store->pg) == 1;
}

/* The result of the next statement of the pipeline; the caller's to clear. */
static PGresult *next_result(struct worker_store *store)
{
    if (store->is_plain)
        return store->result_next < store->result_count ? store->results[store->result_next++]
                                                        : NULL;
    PGresult *result = PQgetResult(store->pg);
    if (result)
        PQclear(PQgetResult(store->pg)); /* the NULL behind it */
    return result;
}

static void end_of_results(struct worker_store *store)
{
    store->result_count = store->result_next = 0;
    if (!store->is_plain)
        PQclear(PQgetResult(store->pg));
}

/* A lost connection fails the next hold, and that says it. */
static void roll_back(struct worker_store *store)
{
    if (store->is_plain || PQexitPipelineMode(store->pg) == 1)
        (void)run_simple(store->pg, "ROLLBACK");
    if (!store->is_plain)
        (void)PQenterPipelineMode(store->pg);
}

static int64_t number_at(const PGresult *result, int column)
{
    return strtoll(PQgetvalue(result, 0, column), NULL, 10);
}

static enum hold_outcome judge(const PGresult *terms, const PGresult *earlier, struct hold *hold)
{
    if (PQresultStatus(terms) != PGRES_TUPLES_OK || PQresultStatus(earlier) != PGRES_TUPLES_OK)
        return HOLD_FAILED;
    if (PQntuples(earlier) > 0) {
        if (!str_eq(str_from_c(PQgetvalue(earlier, 0, 1)), hold->body_hash))
            return HOLD_KEY_CONFLICT;
        hold->id = number_at(earlier, 0);
        hold->created_ms = number_at(earlier, 2);
        hold->expires_ms = number_at(earlier, 3);
        return HOLD_REPLAYED;
    }
    if (PQntuples(terms) == 0 || PQgetvalue(terms, 0, 0)[0] != 't')
        return HOLD_CLOSED;
    return number_at(terms, 1) < (int64_t)hold->seat_count ? HOLD_LIMIT : HOLD_GRANTED;
}

/* The first trip. */
static enum hold_outcome ask_terms(struct worker_store *store, struct hold *hold, const char *key)
{
    struct parameters terms = {.count = 0}, earlier = {.count = 0};
    put_number(&terms, hold->event);
    put_number(&terms, hold->account);
    put_number(&earlier, hold->account);
    put_text(&earlier, key);
    if (!queue_statement(store, "begin", NULL) || !queue_statement(store, "terms", &terms) ||
        !queue_statement(store, "earlier", &earlier) || !end_of_statements(store))
        return HOLD_FAILED;
    PQclear(next_result(store));
    PGresult *found_terms = next_result(store), *found_earlier = next_result(store);
    enum hold_outcome outcome = judge(found_terms, found_earlier, hold);
    PQclear(found_terms);
    PQclear(found_earlier);
    end_of_results(store);
    return outcome;
}

static void write_array(const struct hold *hold, char ret_text[SEATS_SIZE])
{
    size_t len = 0;
    for (size_t i = 0; i < hold->seat_count; i++)
        len += (size_t)snprintf(ret_text + len, SEATS_SIZE - len, "%s\"%.*s\"", i ? "," : "{",
                                STR_ARG(hold->seats[i]));
    snprintf(ret_text + len, SEATS_SIZE - len, "}");
}

static bool queue_writes(struct worker_store *store, const struct hold *hold, const char *key)
{
    struct parameters booking = {.count = 0}, claims = {.count = 0}, outbox = {.count = 0};
    char seats[SEATS_SIZE], hash[2 * SHA256_SIZE + 1];
    int64_t amount = (int64_t)hold->seat_count * TEXTBOOK_PRICE;
    write_array(hold, seats);
    if (str_to_c(hold->body_hash, hash, sizeof(hash)))
        return false;
    put_number(&booking, hold->id);
    put_number(&booking, hold->event);
    put_number(&booking, hold->account);
    put_number(&booking, amount);
    put_text(&booking, seats);
    put_number(&booking, (int64_t)hold->seat_count);
    put_text(&booking, key);
    put_text(&booking, hash);
    put_number(&booking, hold->created_ms);
    put_number(&booking, hold->expires_ms);
    put_number(&claims, hold->event);
    put_number(&claims, hold->id);
    put_text(&claims, seats);
    put_number(&outbox, hold->event);
    put_number(&outbox, hold->id);
    put_number(&outbox, hold->account);
    put_text(&outbox, seats);
    put_number(&outbox, amount);
    return queue_statement(store, "booking", &booking) &&
           queue_statement(store, "claims", &claims) && queue_statement(store, "outbox", &outbox) &&
           queue_statement(store, "commit", NULL) && end_of_statements(store);
}

/* The second trip. */
static enum hold_outcome write_rows(struct worker_store *store, const struct hold *hold,
                                    const char *key)
{
    enum hold_outcome outcome = HOLD_GRANTED;
    if (!queue_writes(store, hold, key))
        return HOLD_FAILED;
    for (int i = 0; i < STATEMENTS_MAX; i++) {
        PGresult *result = next_result(store);
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (outcome == HOLD_GRANTED && PQresultStatus(result) != PGRES_COMMAND_OK) {
            outcome = state && strcmp(state, UNIQUE_VIOLATION) == 0 ? HOLD_TAKEN : HOLD_FAILED;
            if (outcome == HOLD_FAILED)
                fprintf(stderr, "textbook: %s", PQerrorMessage(store->pg));
        }
        PQclear(result);
    }
    end_of_results(store);
    return outcome;
}

static enum hold_outcome store_hold(struct worker_store *store, struct hold *hold)
{
    char key[TEXTBOOK_KEY_MAX + 1];
    if (str_to_c(hold->key, key, sizeof(key)))
        return HOLD_FAILED;
    enum hold_outcome outcome = ask_terms(store, hold, key);
    if (outcome == HOLD_GRANTED)
        outcome = write_rows(store, hold, key);
    if (outcome != HOLD_GRANTED)
        roll_back(store);
    return outcome;
}

/* --- The guard --- */

static void guard_key(const struct hold *hold, size_t seat, char ret_key[TEXTBOOK_GUARD_SIZE])
{
    snprintf(ret_key, TEXTBOOK_GUARD_SIZE, "guard:%lld:%.*s", (long long)hold->event,
             STR_ARG(hold->seats[seat]));
}

static void guard_release(struct worker_store *store, const struct hold *hold, unsigned set)
{
    char key[TEXTBOOK_GUARD_SIZE];
    unsigned count = 0;
    for (size_t i = 0; i < hold->seat_count; i++) {
        if (!(set & (1u << i)))
            continue;
        guard_key(hold, i, key);
        count += redisAppendCommand(store->redis, "DEL %s", key) == REDIS_OK;
    }
    while (count-- > 0) {
        void *reply = NULL;
        if (redisGetReply(store->redis, &reply) == REDIS_OK)
            freeReplyObject(reply);
    }
}

/* HOLD_GRANTED: all are this owner's, those in *ret_set since now. */
static enum hold_outcome guard_take(struct worker_store *store, const struct hold *hold,
                                    unsigned *ret_set)
{
    char key[TEXTBOOK_GUARD_SIZE];
    enum hold_outcome outcome = HOLD_GRANTED;
    *ret_set = 0;
    for (size_t i = 0; i < hold->seat_count; i++) {
        guard_key(hold, i, key);
        if (redisAppendCommand(store->redis, "SET %s %s NX GET EX %d", key, store->owner,
                               TEXTBOOK_HOLD_TTL_S) != REDIS_OK)
            return HOLD_FAILED;
    }
    for (size_t i = 0; i < hold->seat_count; i++) {
        void *answer = NULL;
        if (redisGetReply(store->redis, &answer) != REDIS_OK)
            return HOLD_FAILED;
        const redisReply *reply = answer;
        if (reply->type == REDIS_REPLY_NIL)
            *ret_set |= 1u << i;
        else if (reply->type != REDIS_REPLY_STRING)
            outcome = HOLD_FAILED;
        else if (strcmp(reply->str, store->owner) != 0 && outcome == HOLD_GRANTED)
            outcome = HOLD_TAKEN;
        freeReplyObject(answer);
    }
    return outcome;
}

enum hold_outcome worker_store_hold(struct worker_store *store, struct hold *hold)
{
    unsigned set;
    snprintf(store->owner, sizeof(store->owner), "%lld/%.*s", (long long)hold->account,
             STR_ARG(hold->key));
    enum hold_outcome outcome = guard_take(store, hold, &set);
    if (outcome == HOLD_GRANTED)
        outcome = store_hold(store, hold);
    if (outcome != HOLD_GRANTED && outcome != HOLD_REPLAYED)
        guard_release(store, hold, set);
    return outcome;
}

/* --- Life --- */

enum err worker_store_open(const struct worker_options *options, struct worker_store **ret_store)
{
    struct worker_store *store = calloc(1, sizeof(*store));
    if (!store)
        return ERR_NOMEM;
    store->pg = PQconnectdb(options->postgres);
    store->redis = redisConnectUnix(options->redis);
    store->is_plain = options->is_plain;
    enum err err = ERR_OK;
    if (PQstatus(store->pg) != CONNECTION_OK) {
        fprintf(stderr, "textbook: %s", PQerrorMessage(store->pg));
        err = ERR_IO;
    } else if (!store->redis || store->redis->err) {
        fprintf(stderr, "textbook: redis: %s\n", store->redis ? store->redis->errstr : "no memory");
        err = ERR_IO;
    }
    if (!err)
        err = prepare_all(store->pg);
    if (!err && !store->is_plain && PQenterPipelineMode(store->pg) != 1)
        err = ERR_IO;
    if (err)
        worker_store_close(store);
    else
        *ret_store = store;
    return err;
}

void worker_store_close(struct worker_store *store)
{
    PQfinish(store->pg);
    if (store->redis)
        redisFree(store->redis);
    free(store);
}
