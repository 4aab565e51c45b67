/* Simulated buyers; see buyer.h. */
#include "buyer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rand.h"

#define POLL_MS 150
#define POPULAR_SHARE                                                                              \
    4 /* of the free seats in map order, the first quarter is what everybody wants */
#define POLLS_MAX        900
#define SEATS_WANTED_MAX 4

enum step {
    STEP_HOLD,
    STEP_CANCEL,
    STEP_CHECKOUT,
    STEP_POLL_URL,
    STEP_PAY,
    STEP_POLL_END
};

enum mood {
    MOOD_PAYS,
    MOOD_ABANDONS,
    MOOD_GIVES_BACK,
    MOOD_CARD_FAILS,
    MOOD_TOLD_TWICE,   /* callbacks doubled and out of order */
    MOOD_TOLD_LATE,    /* callbacks delayed */
    MOOD_NEVER_TOLD,   /* no callback: found by asking */
    MOOD_FORGED,       /* forged callbacks besides the true one */
    MOOD_SETTLES_LATE, /* the bank takes the money after the hold has ended */
    MOOD_PAYS_AND_GIVES_BACK,
};

struct buyer {
    struct sale *sale;
    enum step step;
    enum mood mood;
    size_t number; /* whose account */
    char booking_id[64];
    char pay_path[128];
    unsigned bank_port;
    unsigned attempt; /* of this intent, for the key */
    unsigned polls;
    int64_t paid_ns;
};

static enum mood mood_draw(const struct sale *sale)
{
    if (sale->is_endgame)
        return rand_below(10) == 0 ? MOOD_TOLD_TWICE : MOOD_PAYS;
    uint64_t dice = rand_below(100);
    static const struct {
        unsigned below;
        enum mood mood;
    } table[] = {
        {66, MOOD_PAYS},         {72, MOOD_ABANDONS},
        {76, MOOD_GIVES_BACK},   {81, MOOD_CARD_FAILS},
        {87, MOOD_TOLD_TWICE},   {91, MOOD_TOLD_LATE},
        {93, MOOD_NEVER_TOLD},   {95, MOOD_FORGED},
        {98, MOOD_SETTLES_LATE}, {100, MOOD_PAYS_AND_GIVES_BACK},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (dice < table[i].below)
            return table[i].mood;
    return MOOD_PAYS;
}

static void buyer_send(struct load_conn *conn, const char *method, const char *path,
                       struct str body, const char *key)
{
    struct buyer *buyer = conn->actor;
    char headers[256];
    int len = snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n",
                       buyer->sale->buyers.tokens[buyer->number % buyer->sale->buyers.count]);
    if (key)
        len +=
            snprintf(headers + len, sizeof(headers) - (size_t)len, "Idempotency-Key: %s\r\n", key);
    load_retarget(conn, buyer->sale->foyer_port);
    struct load_request request = {.method = method,
                                   .path = str_from_c(path),
                                   .headers = str_from(headers, (size_t)len),
                                   .body = body};
    load_send(conn, &request);
}

/* --- Holding --- */

/* Adjacent free seats near a popular place; at least one. */
static unsigned pick_seats(const struct sale *sale, unsigned wanted, unsigned *ret_seats)
{
    unsigned range = sale->is_endgame ? sale->free_count : sale->free_count / POPULAR_SHARE + 1;
    unsigned at = (unsigned)rand_below(range < sale->free_count ? range : sale->free_count);
    unsigned count = 0;
    for (unsigned i = at; i < sale->free_count && count < wanted; i++) {
        if (count && sale->free_seats[i] != ret_seats[count - 1] + 1)
            break;
        ret_seats[count++] = sale->free_seats[i];
    }
    return count;
}

static void buyer_hold(struct load_conn *conn)
{
    struct buyer *buyer = conn->actor;
    struct sale *sale = buyer->sale;
    unsigned seats[SEATS_WANTED_MAX];
    buyer->step = STEP_HOLD;
    if (sale->is_over) {
        sale->active--;
        return;
    }
    if (sale->free_count == 0) {
        load_timer(conn, POLL_MS);
        return;
    }
    char body[512], key[64];
    unsigned count = pick_seats(sale, 1 + (unsigned)rand_below(SEATS_WANTED_MAX), seats);
    int len = snprintf(body, sizeof(body), "{\"event_id\":\"%s\",\"seat_ids\":[", sale->event_id);
    for (unsigned i = 0; i < count; i++)
        len += snprintf(body + len, sizeof(body) - (size_t)len, "%s\"%s\"", i ? "," : "",
                        sale->seat_ids[seats[i]]);
    len += snprintf(body + len, sizeof(body) - (size_t)len, "]}");
    snprintf(key, sizeof(key), "buyer-%zu-%u", buyer->number, buyer->attempt++);
    buyer_send(conn, "POST", "/v1/bookings", str_from(body, (size_t)len), key);
}

static void next_buyer(struct load_conn *conn)
{
    struct buyer *buyer = conn->actor;
    buyer->number = buyer->sale->next_buyer++;
    buyer->polls = 0;
    buyer->pay_path[0] = '\0';
    buyer_hold(conn);
}

static void buyer_path(const struct buyer *buyer, const char *suffix, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "/v1/bookings/%s%s", buyer->booking_id, suffix);
}

static void buyer_checkout(struct load_conn *conn)
{
    struct buyer *buyer = conn->actor;
    char path[128];
    buyer_path(buyer, "/checkout", path, sizeof(path));
    buyer->step = STEP_CHECKOUT;
    buyer_send(conn, "POST", path, STR_NONE, NULL);
}

static void buyer_cancel(struct load_conn *conn)
{
    struct buyer *buyer = conn->actor;
    char path[128];
    buyer_path(buyer, "", path, sizeof(path));
    buyer->step = STEP_CANCEL;
    buyer_send(conn, "DELETE", path, STR_NONE, NULL);
}

static void buyer_poll(struct load_conn *conn, enum step step)
{
    struct buyer *buyer = conn->actor;
    char path[128];
    buyer_path(buyer, "", path, sizeof(path));
    buyer->step = step;
    buyer_send(conn, "GET", path, STR_NONE, NULL);
}

static void on_held(struct load_conn *conn, const struct load_answer *answer)
{
    struct buyer *buyer = conn->actor;
    struct sale *sale = buyer->sale;
    hist_add(&sale->hold_latency, answer->latency_ns);
    sale->last_hold_ns = clock_mono_ns();
    if (!sale->first_hold_ns)
        sale->first_hold_ns = sale->last_hold_ns;
    if (answer->status == 409 || answer->status == 429 || answer->status == 422) {
        if (answer->status == 409)
            sale->tally.refused++;
        else
            sale->tally.limited++;
        if (answer->status != 409)
            buyer->number = sale->next_buyer++; /* this account has had its share */
        load_timer(conn, 20 + (int64_t)rand_below(60));
        return;
    }
    if (answer->status != 201 ||
        seed_member(answer->body, "id", buyer->booking_id, sizeof(buyer->booking_id))) {
        if (sale->tally.unexpected++ < 5)
            fprintf(stderr, "hold: %d %.*s\n", answer->status, STR_ARG(answer->body));
        load_timer(conn, 200);
        return;
    }
    sale->tally.holds++;
    buyer->mood = mood_draw(sale);
    switch (buyer->mood) {
    case MOOD_ABANDONS:
        sale->tally.abandoned++;
        next_buyer(conn);
        return;
    case MOOD_GIVES_BACK:
        buyer_cancel(conn);
        return;
    default:
        buyer_checkout(conn);
        return;
    }
}

/* --- Paying --- */

/* How the mood shows at the bank. */
static const char *bank_order(struct buyer *buyer)
{
    struct sale *sale = buyer->sale;
    switch (buyer->mood) {
    case MOOD_CARD_FAILS:
        return "{\"outcome\":\"failed\",\"callbacks\":{\"count\":1}}";
    case MOOD_TOLD_TWICE:
        sale->tally.told_twice++;
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":3,\"shuffle\":true}}";
    case MOOD_TOLD_LATE:
        sale->tally.told_late++;
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":1,\"delay_ms\":4000}}";
    case MOOD_NEVER_TOLD:
        sale->tally.never_told++;
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":0}}";
    case MOOD_FORGED:
        sale->tally.forged++;
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":2,\"forge\":true,\"shuffle\":"
               "true}}";
    case MOOD_SETTLES_LATE:
        sale->tally.settled_late++;
        return "{\"outcome\":\"succeeded\",\"late\":true,\"callbacks\":{\"count\":2}}";
    case MOOD_PAYS_AND_GIVES_BACK:
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":1,\"delay_ms\":2000}}";
    default:
        return "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":1}}";
    }
}

static void buyer_pay(struct load_conn *conn)
{
    struct buyer *buyer = conn->actor;
    buyer->step = STEP_PAY;
    buyer->paid_ns = clock_mono_ns();
    load_retarget(conn, buyer->bank_port);
    struct load_request request = {.method = "POST",
                                   .path = str_from_c(buyer->pay_path),
                                   .body = str_from_c(bank_order(buyer))};
    load_send(conn, &request);
}

/* "http://127.0.0.1:PORT/pay/ID" to port and path; false when it is not one. */
static bool bank_url(struct buyer *buyer, struct str url)
{
    char text[256];
    unsigned port;
    int at = 0;
    if (str_to_c(url, text, sizeof(text)) ||
        sscanf(text, "http://127.0.0.1:%u%n", &port, &at) != 1 || !text[at])
        return false;
    buyer->bank_port = port;
    snprintf(buyer->pay_path, sizeof(buyer->pay_path), "%.100s/complete", text + at);
    return true;
}

struct booking_state {
    char status[32];
    bool has_url;
};

static bool read_booking(struct buyer *buyer, struct str body, struct booking_state *ret_state)
{
    struct arena arena;
    struct json_node *node;
    struct str message, status, url;
    arena_init(&arena, 4u << 20);
    bool is_read = json_parse(&arena, body, &node, &message) == ERR_OK &&
                   json_as_str(json_get(node, "status"), &status) &&
                   str_to_c(status, ret_state->status, sizeof(ret_state->status)) == ERR_OK;
    ret_state->has_url = is_read && json_as_str(json_get(json_get(node, "payment"), "url"), &url) &&
                         bank_url(buyer, url);
    arena_release(&arena);
    return is_read;
}

/* --- The end of a purchase --- */

static bool tally_end(struct buyer *buyer, const char *status)
{
    struct sale *sale = buyer->sale;
    if (strcmp(status, "confirmed") == 0) {
        sale->tally.confirmed++;
        if (buyer->paid_ns && buyer->mood == MOOD_PAYS)
            hist_add(&sale->confirm_latency, clock_mono_ns() - buyer->paid_ns);
    } else if (strcmp(status, "expired") == 0) {
        if (buyer->mood == MOOD_SETTLES_LATE)
            return false; /* the money comes yet, and goes back or buys the seats again */
        sale->tally.expired++;
    } else if (strcmp(status, "failed") == 0) {
        sale->tally.failed++;
    } else if (strcmp(status, "refunded") == 0) {
        sale->tally.refunded++;
    } else {
        return false;
    }
    return true;
}

/* Whose money settles late pays only when the hold has ended. */
static bool is_time_to_pay(const struct buyer *buyer, const struct booking_state *state)
{
    if (buyer->step != STEP_POLL_URL)
        return false;
    if (buyer->mood == MOOD_SETTLES_LATE)
        return buyer->pay_path[0] && strcmp(state->status, "expired") == 0;
    return state->has_url;
}

static void on_poll(struct load_conn *conn, const struct load_answer *answer)
{
    struct buyer *buyer = conn->actor;
    struct booking_state state;
    if (buyer->polls++ > POLLS_MAX) {
        if (buyer->sale->tally.unexpected++ < 5)
            fprintf(stderr, "poll: step %d, mood %d, asked %d times: %d %.*s\n", (int)buyer->step,
                    (int)buyer->mood, POLLS_MAX, answer->status, STR_ARG(answer->body));
        next_buyer(conn);
        return;
    }
    if (answer->status != 200 || !read_booking(buyer, answer->body, &state)) {
        load_timer(conn, POLL_MS);
        return;
    }
    if (tally_end(buyer, state.status))
        next_buyer(conn);
    else if (is_time_to_pay(buyer, &state))
        buyer_pay(conn);
    else
        load_timer(conn, buyer->step == STEP_POLL_URL ? POLL_MS / 3 : POLL_MS);
}

static void on_paid(struct load_conn *conn, const struct load_answer *answer)
{
    struct buyer *buyer = conn->actor;
    if (answer->status != 200 && answer->status != 409) {
        if (buyer->sale->tally.unexpected++ < 5)
            fprintf(stderr, "bank: %d %.*s\n", answer->status, STR_ARG(answer->body));
    }
    if (buyer->mood == MOOD_PAYS_AND_GIVES_BACK) {
        buyer_cancel(conn);
        return;
    }
    buyer->step = STEP_POLL_END;
    load_timer(conn, 20);
}

static void on_cancelled(struct load_conn *conn)
{
    struct buyer *buyer = conn->actor;
    buyer->sale->tally.given_back++;
    if (buyer->mood == MOOD_PAYS_AND_GIVES_BACK) {
        buyer->step =
            STEP_POLL_END; /* until the money is back, or the booking was confirmed first */
        load_timer(conn, POLL_MS);
        return;
    }
    next_buyer(conn);
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct buyer *buyer = conn->actor;
    if (answer->status == 0 || answer->status == 503) {
        buyer->sale->tally.retried++;
        load_timer(conn, 100); /* the same step again */
        return;
    }
    switch (buyer->step) {
    case STEP_HOLD:
        on_held(conn, answer);
        break;
    case STEP_CANCEL:
        on_cancelled(conn);
        break;
    case STEP_CHECKOUT:
        buyer->sale->tally.checkouts++;
        buyer->step = STEP_POLL_URL;
        load_timer(conn, 10);
        break;
    case STEP_PAY:
        on_paid(conn, answer);
        break;
    case STEP_POLL_URL:
    case STEP_POLL_END:
        on_poll(conn, answer);
        break;
    }
}

static void on_timer(struct load_conn *conn)
{
    struct buyer *buyer = conn->actor;
    switch (buyer->step) {
    case STEP_HOLD:
        buyer_hold(conn);
        break;
    case STEP_CANCEL:
        buyer_cancel(conn);
        break;
    case STEP_CHECKOUT:
        buyer_checkout(conn);
        break;
    case STEP_PAY:
        buyer_pay(conn);
        break;
    case STEP_POLL_URL:
    case STEP_POLL_END:
        buyer_poll(conn, buyer->step);
        break;
    }
}

struct buyer *buyers_new(struct load *load, struct sale *sale)
{
    size_t count = load_conn_count(load);
    struct buyer *buyers = calloc(count, sizeof(*buyers));
    for (size_t i = 0; buyers && i < count; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        buyers[i].sale = sale;
        buyers[i].number = sale->next_buyer++;
        conn->actor = &buyers[i];
        conn->on_answer = on_answer;
        conn->on_timer = on_timer;
        /* Everybody arrives within the first second. */
        load_timer(conn, (int64_t)rand_below(1000));
    }
    sale->active = buyers ? count : 0;
    return buyers;
}

void buyers_free(struct buyer *buyers)
{
    free(buyers);
}
