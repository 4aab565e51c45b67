/* See patron.h. */
#include "patron.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/json.h"

#define CLERKS         48
#define TASK_SECONDS   240
#define POLL_MS        40
#define POLLS_MAX      1500
#define BUSY_MS        200
#define TRIES_MAX      20
#define CHALLENGES_MAX 3 /* solved for one hold, at most */
#define SOLUTION_SIZE  1024

enum step {
    STEP_DEVICE,
    STEP_LOOK,
    STEP_HOLD,
    STEP_CHECKOUT,
    STEP_URL,
    STEP_PAY,
    STEP_END
};

struct clerk;

struct counter {
    struct patron_shop *shop;
    struct patron **patrons;
    size_t count, next, done;
    enum patron_task task;
    uint64_t keys;
    struct clerk *clerks;
};

/* Serves one patron on one connection. */
struct clerk {
    struct counter *counter;
    struct patron *patron;
    enum step step;
    unsigned at; /* the hold it is busy with */
    unsigned polls, challenges, tries;
    unsigned places, most; /* of the hold that is asked for; most 0: as many as wanted */
    char key[64];
    char solution[SOLUTION_SIZE]; /* "": none */
    char pay_path[160];
    unsigned bank_port;
};

static void next_patron(struct load_conn *conn);
static void go_on(struct load_conn *conn);

unsigned patron_held(const struct patron *patron)
{
    unsigned places = 0;
    for (unsigned i = 0; i < patron->hold_count; i++)
        places +=
            patron->holds[i].is_paid || patron->holds[i].is_lost ? 0 : patron->holds[i].places;
    return places;
}

/* ---- requests ---- */

static void ask(struct load_conn *conn, const char *method, const char *path, struct str body)
{
    struct clerk *clerk = conn->actor;
    struct counter *counter = clerk->counter;
    const struct patron *patron = clerk->patron;
    struct buf headers;
    buf_init(&headers, 8192);
    buf_printf(&headers, "Authorization: Bearer %s\r\nX-Forwarded-For: %s\r\n",
               counter->shop->buyers->tokens[patron->account], patron->network);
    buf_append_str(&headers, STR("Sec-Fetch-Site: same-origin\r\n"));
    if (patron->device && patron->device[0])
        buf_printf(&headers, "Cookie: foyer_device=%s\r\n", patron->device);
    if (clerk->step == STEP_HOLD)
        buf_printf(&headers, "Idempotency-Key: %s\r\n", clerk->key);
    if (clerk->step == STEP_HOLD && clerk->solution[0])
        buf_printf(&headers, "Foyer-Challenge: %s\r\n", clerk->solution);
    load_retarget(conn, counter->shop->port);
    load_send(conn, &(struct load_request){.method = method,
                                           .path = str_from_c(path),
                                           .headers = buf_str(&headers),
                                           .body = body});
    buf_release(&headers);
}

static void ask_booking(struct load_conn *conn, const char *method, const char *suffix)
{
    struct clerk *clerk = conn->actor;
    char path[160];
    snprintf(path, sizeof(path), "/v1/bookings/%s%s", clerk->patron->holds[clerk->at].id, suffix);
    ask(conn, method, path, STR_NONE);
}

static void unexpected(struct load_conn *conn, const struct load_answer *answer)
{
    struct clerk *clerk = conn->actor;
    static unsigned shown;
    clerk->patron->unexpected++;
    if (shown++ < 5)
        fprintf(stderr, "patron: step %d: %d %.*s\n", (int)clerk->step, answer->status,
                STR_ARG(answer->body));
}

/* ---- challenges ---- */

static bool member(const struct json_node *node, const char *name, char *ret_text, size_t size)
{
    struct str value;
    return json_as_str(json_get(node, name), &value) && str_to_c(value, ret_text, size) == ERR_OK;
}

/* What the widget does. False: this is no challenge. */
static bool solve(struct str body, char ret_solution[static SOLUTION_SIZE])
{
    struct arena arena;
    struct json_node *node;
    struct str message;
    char wanted[65], salt[128], signature[65], number[24], json[640];
    struct buf hex, text;
    bool is_solved = false;
    arena_init(&arena, 1u << 20);
    buf_init(&hex, 65);
    buf_init(&text, SOLUTION_SIZE);
    if (json_parse(&arena, body, &node, &message) == ERR_OK &&
        member(json_get(node, "challenge"), "challenge", wanted, sizeof(wanted)) &&
        member(json_get(node, "challenge"), "salt", salt, sizeof(salt)) &&
        member(json_get(node, "challenge"), "signature", signature, sizeof(signature))) {
        for (long i = 0; i <= 1000000 && !is_solved; i++) {
            uint8_t hash[SHA256_SIZE];
            int len = snprintf(number, sizeof(number), "%ld", i);
            crypto_sha256_2(str_from_c(salt), str_from(number, (size_t)len), hash);
            buf_clear(&hex);
            hex_append(&hex, hash, sizeof(hash));
            is_solved = str_eq(buf_str(&hex), str_from_c(wanted));
        }
    }
    if (is_solved) {
        int len = snprintf(json, sizeof(json),
                           "{\"algorithm\":\"SHA-256\",\"challenge\":\"%s\",\"number\":%s,"
                           "\"salt\":\"%s\",\"signature\":\"%s\"}",
                           wanted, number, salt, signature);
        base64_append(&text, json, (size_t)len);
        is_solved = str_to_c(buf_str(&text), ret_solution, SOLUTION_SIZE) == ERR_OK;
    }
    buf_release(&hex);
    buf_release(&text);
    arena_release(&arena);
    return is_solved;
}

/* ---- holding ---- */

static void send_hold(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    const struct patron *patron = clerk->patron;
    char body[256];
    unsigned left = patron->wanted - patron->bought - patron_held(patron);
    unsigned places = left < patron->per_hold ? left : patron->per_hold;
    if (clerk->most && places > clerk->most)
        places = clerk->most;
    clerk->places = places;
    int len = snprintf(body, sizeof(body),
                       "{\"event_id\":\"%s\",\"best_available\":{\"count\":%u,\"may_split\":true}}",
                       clerk->counter->shop->event, places);
    clerk->step = STEP_HOLD;
    ask(conn, "POST", "/v1/bookings", str_from(body, (size_t)len));
}

/* Another request, which needs a key of its own. */
static void next_wish(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    clerk->solution[0] = '\0';
    clerk->challenges = 0;
    clerk->tries = 0;
    snprintf(clerk->key, sizeof(clerk->key), "patron-%zu-%llu", clerk->patron->account,
             (unsigned long long)clerk->counter->keys++);
    send_hold(conn);
}

static void begin_hold(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    struct patron *patron = clerk->patron;
    bool has_room = patron->hold_count < PATRON_HOLDS_MAX;
    if (patron->bought + patron_held(patron) >= patron->wanted || !has_room) {
        next_patron(conn);
        return;
    }
    next_wish(conn);
}

static void give_up(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    clerk->patron->given_up++;
    next_patron(conn);
}

static bool note_hold(struct patron *patron, struct str body)
{
    struct arena arena;
    struct json_node *node;
    struct str message;
    char created[40], expires[40];
    int64_t created_ms = 0, expires_ms = 0, places = 0;
    struct patron_hold *hold = &patron->holds[patron->hold_count];
    arena_init(&arena, 1u << 20);
    *hold = (struct patron_hold){0};
    bool is_read = json_parse(&arena, body, &node, &message) == ERR_OK &&
                   member(node, "id", hold->id, sizeof(hold->id)) &&
                   member(node, "created_at", created, sizeof(created)) &&
                   member(node, "expires_at", expires, sizeof(expires)) &&
                   clock_parse(str_from_c(created), &created_ms) == ERR_OK &&
                   clock_parse(str_from_c(expires), &expires_ms) == ERR_OK;
    if (is_read)
        places = (int64_t)json_count(json_get(node, "seats"));
    arena_release(&arena);
    hold->places = (unsigned)places;
    hold->lasts_ms = expires_ms - created_ms;
    if (is_read && places > 0)
        patron->hold_count++;
    return is_read && places > 0;
}

static void on_hold(struct load_conn *conn, const struct load_answer *answer)
{
    struct clerk *clerk = conn->actor;
    struct patron *patron = clerk->patron;
    switch (answer->status) {
    case 201:
        if (!note_hold(patron, answer->body)) {
            unexpected(conn, answer);
            give_up(conn);
            return;
        }
        go_on(conn);
        return;
    case 403:
        patron->challenged++;
        if (clerk->challenges++ < CHALLENGES_MAX && solve(answer->body, clerk->solution)) {
            patron->solved++;
            send_hold(conn);
            return;
        }
        break;
    case 409: /* others were faster; the next try picks other places */
        if (clerk->tries++ < TRIES_MAX) {
            load_timer(conn, BUSY_MS / 4);
            return;
        }
        unexpected(conn, answer);
        break;
    case 422: /* would fewer do? */
        patron->refused++;
        if (clerk->places > 1) {
            clerk->most = clerk->places - 1;
            next_wish(conn);
            return;
        }
        break;
    case 429:
        patron->slowed++;
        break;
    default:
        unexpected(conn, answer);
    }
    give_up(conn);
}

/* ---- paying ---- */

static bool is_open(const struct patron_hold *hold)
{
    return !hold->is_paid && !hold->is_lost;
}

static void begin_pay(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    clerk->polls = 0;
    clerk->pay_path[0] = '\0';
    clerk->step = STEP_CHECKOUT;
    ask_booking(conn, "POST", "/checkout");
}

/* The first open hold from this one on, or false. */
static bool find_open(struct clerk *clerk, unsigned from)
{
    for (unsigned i = from; i < clerk->patron->hold_count; i++) {
        if (is_open(&clerk->patron->holds[i])) {
            clerk->at = i;
            return true;
        }
    }
    return false;
}

static void lose(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    clerk->patron->holds[clerk->at].is_lost = true;
    clerk->patron->lost++;
    go_on(conn);
}

/* "http://127.0.0.1:PORT/pay/ID" */
static void take_url(struct clerk *clerk, const struct json_node *node)
{
    char text[256];
    unsigned port;
    int at = 0;
    if (member(json_get(node, "payment"), "url", text, sizeof(text)) &&
        sscanf(text, "http://127.0.0.1:%u%n", &port, &at) == 1 && text[at]) {
        clerk->bank_port = port;
        snprintf(clerk->pay_path, sizeof(clerk->pay_path), "%.120s/complete", text + at);
    }
}

static void send_payment(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    char body[160];
    int len = snprintf(body, sizeof(body),
                       "{\"outcome\":\"succeeded\",\"card\":\"%s\",\"callbacks\":{\"count\":1}}",
                       clerk->patron->card);
    clerk->step = STEP_PAY;
    load_retarget(conn, clerk->bank_port);
    load_send(conn, &(struct load_request){.method = "POST",
                                           .path = str_from_c(clerk->pay_path),
                                           .body = str_from(body, (size_t)len)});
}

static bool read_status(struct clerk *clerk, struct str body, char *ret_status, size_t size)
{
    struct arena arena;
    struct json_node *node;
    struct str message;
    arena_init(&arena, 4u << 20);
    bool is_read = json_parse(&arena, body, &node, &message) == ERR_OK &&
                   member(node, "status", ret_status, size);
    if (is_read && clerk->step == STEP_URL)
        take_url(clerk, node);
    arena_release(&arena);
    return is_read;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

static void on_status(struct load_conn *conn, const struct load_answer *answer)
{
    static const char *const over[] = {"expired", "cancelled", "failed", "refunded", NULL};
    struct clerk *clerk = conn->actor;
    struct patron_hold *hold = &clerk->patron->holds[clerk->at];
    char status[32];
    if (answer->status != 200 || !read_status(clerk, answer->body, status, sizeof(status))) {
        unexpected(conn, answer);
        lose(conn);
    } else if (strcmp(status, "confirmed") == 0) {
        hold->is_paid = true;
        clerk->patron->bought += hold->places;
        go_on(conn);
    } else if (is_one_of(status, over)) {
        lose(conn);
    } else if (clerk->step == STEP_LOOK) {
        if (find_open(clerk, clerk->at + 1))
            ask_booking(conn, "GET", "");
        else
            begin_hold(conn);
    } else if (clerk->step == STEP_URL && clerk->pay_path[0]) {
        send_payment(conn);
    } else if (clerk->polls++ > POLLS_MAX) {
        unexpected(conn, answer);
        lose(conn);
    } else {
        load_timer(conn, POLL_MS);
    }
}

static void on_checkout(struct load_conn *conn, const struct load_answer *answer)
{
    struct clerk *clerk = conn->actor;
    if (answer->status == 200 || answer->status == 202) {
        clerk->step = STEP_URL;
        load_timer(conn, POLL_MS / 4);
        return;
    }
    if (answer->status == 422)
        clerk->patron->refused++;
    else if (answer->status != 409)
        unexpected(conn, answer);
    lose(conn);
}

/* ---- tasks ---- */

static bool pays_now(const struct clerk *clerk)
{
    const struct patron *patron = clerk->patron;
    const struct patron_hold *hold = &patron->holds[clerk->at];
    if (clerk->counter->task == PATRON_HOLDS)
        return patron->pays_within_ms > 0 && hold->lasts_ms < patron->pays_within_ms;
    return true;
}

/* After each hold that was made, paid or lost. */
static void go_on(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    enum step last = clerk->step;
    if (last == STEP_HOLD) {
        clerk->at = clerk->patron->hold_count - 1;
        if (pays_now(clerk))
            begin_pay(conn);
        else
            begin_hold(conn);
        return;
    }
    if (last == STEP_LOOK && find_open(clerk, clerk->at + 1))
        ask_booking(conn, "GET", "");
    else if (clerk->counter->task == PATRON_PAYS && find_open(clerk, clerk->at + 1))
        begin_pay(conn);
    else if (clerk->counter->task == PATRON_PAYS)
        next_patron(conn);
    else
        begin_hold(conn);
}

static void begin_task(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    switch (clerk->counter->task) {
    case PATRON_TAKES_DEVICE:
        clerk->step = STEP_DEVICE;
        ask(conn, "GET", "/v1/me", STR_NONE); /* answers that caches keep bring none */
        break;
    case PATRON_HOLDS:
    case PATRON_BUYS:
        clerk->step = STEP_LOOK;
        if (find_open(clerk, 0))
            ask_booking(conn, "GET", "");
        else
            begin_hold(conn);
        break;
    case PATRON_PAYS:
        if (find_open(clerk, 0))
            begin_pay(conn);
        else
            next_patron(conn);
        break;
    }
}

static void next_patron(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    struct counter *counter = clerk->counter;
    if (clerk->patron)
        counter->done++;
    clerk->patron = NULL;
    if (counter->next >= counter->count)
        return;
    clerk->patron = counter->patrons[counter->next++];
    clerk->at = 0;
    clerk->most = 0;
    begin_task(conn);
}

static void on_device(struct load_conn *conn, const struct load_answer *answer)
{
    static const char name[] = "foyer_device=";
    struct clerk *clerk = conn->actor;
    const char *at = memmem(answer->head.data, answer->head.len, name, sizeof(name) - 1);
    if (at) {
        size_t rest = (size_t)(answer->head.data + answer->head.len - at) - (sizeof(name) - 1);
        struct str value = str_from(at + sizeof(name) - 1, rest);
        value = str_sub(value, 0, str_find(value, ';', 0));
        if (str_to_c(value, clerk->patron->device, DEVICE_TEXT_SIZE) != ERR_OK)
            unexpected(conn, answer);
    }
    next_patron(conn);
}

/* The same step again, with the same key. */
static void on_timer(struct load_conn *conn)
{
    struct clerk *clerk = conn->actor;
    if (!clerk->patron)
        next_patron(conn);
    else if (clerk->step == STEP_DEVICE)
        begin_task(conn);
    else if (clerk->step == STEP_HOLD)
        send_hold(conn);
    else if (clerk->step == STEP_CHECKOUT)
        ask_booking(conn, "POST", "/checkout");
    else if (clerk->step == STEP_PAY)
        send_payment(conn);
    else
        ask_booking(conn, "GET", "");
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct clerk *clerk = conn->actor;
    if (answer->status == 0 || answer->status == 503) {
        load_timer(conn, BUSY_MS);
        return;
    }
    switch (clerk->step) {
    case STEP_DEVICE:
        on_device(conn, answer);
        break;
    case STEP_HOLD:
        on_hold(conn, answer);
        break;
    case STEP_CHECKOUT:
        on_checkout(conn, answer);
        break;
    case STEP_PAY:
        if (answer->status != 200)
            unexpected(conn, answer);
        clerk->step = STEP_END;
        load_timer(conn, POLL_MS / 2);
        break;
    default:
        on_status(conn, answer);
    }
}

static bool all_are_done(void *ctx)
{
    const struct counter *counter = ctx;
    return counter->done >= counter->count;
}

enum err patrons_do(struct patron_shop *shop, struct patron **patrons, size_t count,
                    enum patron_task task)
{
    static uint64_t keys;
    struct load *load;
    struct clerk clerks[CLERKS] = {0};
    struct counter counter = {.shop = shop,
                              .patrons = patrons,
                              .count = count,
                              .task = task,
                              .keys = keys,
                              .clerks = clerks};
    enum err err = load_new(CLERKS, shop->port, &load);
    if (err)
        return err;
    for (size_t i = 0; i < CLERKS; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        clerks[i].counter = &counter;
        conn->actor = &clerks[i];
        conn->on_answer = on_answer;
        conn->on_timer = on_timer;
        load_timer(conn, 0);
    }
    load_run(load, clock_mono_ns() + TASK_SECONDS * 1000000000LL, all_are_done, &counter);
    load_free(load);
    keys = counter.keys;
    return counter.done >= count ? ERR_OK : ERR_TIMEOUT;
}
