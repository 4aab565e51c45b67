/*
 * The rules of abuse.h. A hold's facts come in two reads; further ones only where the first name
 * others. Rules are asked from the cheapest answer for honest people to the dearest: what they can
 * mend themselves first, a challenge last.
 */
#include "tickets/abuse.h"

#include "base/clock.h"
#include "tickets/abuse_store.h"
#include "tickets/booking_store.h"
#include "tickets/cluster.h"
#include "tickets/origin.h"

enum abuse_rule {
    RULE_ACCOUNT,
    RULE_OPEN_HOLDS,
    RULE_CHURN,
    RULE_CLUSTER,
    RULE_NETWORK,
    RULE_CHALLENGE,
    RULE_CARD,
    RULE_COUNT
};

static struct metric *refusals[RULE_COUNT];

void abuse_init(void)
{
    static const char *const labels[RULE_COUNT] = {
        "rule=\"account\"", "rule=\"open_holds\"", "rule=\"churn\"", "rule=\"cluster\"",
        "rule=\"network\"", "rule=\"challenge\"",  "rule=\"card\""};
    for (size_t i = 0; i < RULE_COUNT; i++)
        refusals[i] =
            metric_counter("foyer_abuse_refusals_total", labels[i],
                           "Holds, checkouts and payments that the defence against bots refused.");
}

/* A job that runs again counts again; that is rare, and nobody decides by it. */
static void count_refusal(enum abuse_rule rule)
{
    metric_add(refusals[rule], 1);
}

static const struct abuse_keys *call_keys(const struct call *call)
{
    const struct tickets *tickets = call->service->state;
    return &tickets->abuse_keys;
}

/* --- The device's cookie --- */

#define DEVICE_COOKIE_SECONDS (180LL * 24 * 60 * 60)

void abuse_give_device(void *ctx, struct request *request)
{
    const struct tickets *tickets = ctx;
    char value[DEVICE_COOKIE_SIZE];
    /* Browsers say it of every request of a page, and programs don't. */
    bool is_page = str_eq(request_header(request, "sec-fetch-site"), STR("same-origin"));
    if (!is_page || request->res.status < 200 ||
        origin_device(&tickets->abuse_keys, request_cookie(request, DEVICE_COOKIE)))
        return;
    bool is_secure =
        request->is_tls || str_starts_with(str_from_c(tickets->base_url), STR("https://"));
    (void)origin_new_device(&tickets->abuse_keys, value);
    struct str cookie = arena_printf(
        &request->arena, DEVICE_COOKIE "=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s", value,
        DEVICE_COOKIE_SECONDS, is_secure ? "; Secure" : "");
    if (cookie.data)
        response_header(request, "set-cookie", cookie);
}

/* --- Before the transaction --- */

static bool sells(const struct caller *caller, const struct event *event)
{
    return (caller->scopes & SCOPE_ADMIN) != 0 || caller->account_id == event->account_id;
}

static struct challenge_scope scope_of(const struct call *call, uint64_t event_id)
{
    return (struct challenge_scope){event_id, call->caller->account_id};
}

void abuse_prepare(struct call *call, const struct event *event, struct abuse_guard *ret_guard)
{
    const struct abuse_keys *keys = call_keys(call);
    *ret_guard = (struct abuse_guard){0};
    if (!app_config(call->app)->abuse || sells(call->caller, event))
        return;
    struct str payload = request_header(call->req, "foyer-challenge");
    struct challenge_scope scope = scope_of(call, event->id);
    ret_guard->is_counted = true;
    ret_guard->device = origin_device(keys, request_cookie(call->req, DEVICE_COOKIE));
    ret_guard->network = origin_network(keys, str_from_c(call->req->peer_ip));
    if (!ret_guard->network)
        ret_guard->network = 1; /* no address: those are one network */
    if (payload.data)
        ret_guard->verdict = challenge_check(keys, &scope, payload, clock_now_ms(),
                                             call_arena(call), &ret_guard->solution);
}

/* --- Refusals --- */

static void refuse(struct call *call, enum abuse_rule rule, const char *detail)
{
    count_refusal(rule);
    problem_reply(call, PROBLEM_LIMIT_EXCEEDED, detail);
}

static void refuse_open(struct call *call, uint64_t event_id, const struct account_facts *account)
{
    struct buf *body;
    struct json_writer writer = problem_begin(
        call, PROBLEM_LIMIT_EXCEEDED,
        "Pay for the places you hold, or give them back, before you take others.", &body);
    count_refusal(RULE_OPEN_HOLDS);
    json_key(&writer, "bookings");
    json_open_array(&writer);
    for (int64_t i = 0; i < account->open_count && i < OPEN_BOOKINGS_SHOWN; i++) {
        char text[ID_TEXT_SIZE];
        json_str(&writer, id_format2(text, "bkg", event_id, account->open_ids[i]));
    }
    json_close_array(&writer);
    problem_end(call, &writer, PROBLEM_LIMIT_EXCEEDED, body);
}

static void refuse_challenge(struct call *call, uint64_t event_id, enum challenge_verdict verdict,
                             int64_t now_ms)
{
    static const char *const details[] = {
        [CHALLENGE_NONE] = "Please solve the challenge and send its solution along.",
        [CHALLENGE_SOLVED] = "Please solve the challenge and send its solution along.",
        [CHALLENGE_EXPIRED] = "The solution came too late. Here is another challenge.",
        [CHALLENGE_WRONG] = "This is no solution of a challenge for you. Here is another one.",
        [CHALLENGE_USED] = "The solution was used for another hold. Here is another challenge.",
    };
    struct challenge challenge;
    struct challenge_scope scope = scope_of(call, event_id);
    struct buf *body;
    struct json_writer writer =
        problem_begin(call, PROBLEM_CHALLENGE_REQUIRED, details[verdict], &body);
    count_refusal(RULE_CHALLENGE);
    challenge_make(call_keys(call), &scope, now_ms, &challenge);
    json_key(&writer, "challenge");
    challenge_write(&writer, &challenge);
    problem_end(call, &writer, PROBLEM_CHALLENGE_REQUIRED, body);
}

bool abuse_is_solved(struct call *call, const struct event *event, const struct abuse_guard *guard)
{
    bool is_due = guard->is_counted && event->abuse.challenge == CHALLENGE_ON;
    if (!is_due || guard->verdict == CHALLENGE_SOLVED)
        return true;
    refuse_challenge(call, event->id, guard->verdict, clock_now_ms());
    return false;
}

/* --- The hold --- */

/* What a hold or checkout asks for, and what is known of it. */
struct claim {
    struct call *call;
    struct writer_tx *tx;
    const struct event *event;
    const struct abuse_guard *guard;
    struct booking *booking;
    enum challenge_verdict verdict; /* the solution looked up */
};

void abuse_mark(const struct abuse_guard *guard, struct booking *booking)
{
    booking->origin.device = guard->device;
    booking->origin.network = guard->network;
}

enum err abuse_send(struct writer_tx *tx, const struct booking *booking,
                    struct abuse_reads *ret_reads)
{
    return abuse_store_send(tx->db, booking, tx->now_ms - CHURN_WINDOW_MS, ret_reads);
}

/* Once, in the transaction: a solution counts when no booking has it. */
static enum err look_up_solution(struct claim *claim)
{
    claim->verdict = claim->guard->verdict;
    if (claim->verdict != CHALLENGE_SOLVED)
        return ERR_OK;
    bool is_used;
    enum err err =
        abuse_store_is_used(claim->tx->db, claim->event->id, claim->guard->solution, &is_used);
    if (!err && is_used)
        claim->verdict = CHALLENGE_USED;
    return err;
}

static int64_t churn_ends(const struct account_facts *account)
{
    return account->slow_ends + account->quick_ends / 4;
}

/* When the account may hold again. */
static int64_t churn_until_ms(const struct account_facts *account)
{
    int64_t over = churn_ends(account) - CHURN_ENDS_MAX;
    if (over < 0)
        return 0;
    int64_t wait_ms = over < 8 ? CHURN_WAIT_MS << over : CHURN_WAIT_MS_MAX;
    return account->last_end_ms + (wait_ms < CHURN_WAIT_MS_MAX ? wait_ms : CHURN_WAIT_MS_MAX);
}

/* False: answered. */
static bool account_may(const struct claim *claim, const struct account_facts *account)
{
    const struct event *event = claim->event;
    int64_t wait_ms = churn_until_ms(account) - claim->tx->now_ms;
    if (account->places + claim->booking->places > event->per_account) {
        refuse(claim->call, RULE_ACCOUNT,
               "This would be more places than one account may have for this event.");
    } else if (account->open_count >= event->abuse.open_holds) {
        refuse_open(claim->call, event->id, account);
    } else if (wait_ms > 0) {
        count_refusal(RULE_CHURN);
        problem_retry(claim->call, PROBLEM_RATE_LIMITED,
                      "Several of your holds for this event have ended unpaid. Please wait before "
                      "the next.",
                      (wait_ms + 999) / 1000);
    } else {
        return true;
    }
    return false;
}

static int64_t cluster_cap(const struct event *event)
{
    const struct abuse_settings *abuse = &event->abuse;
    return abuse->per_device > abuse->per_card ? abuse->per_device : abuse->per_card;
}

static bool cluster_may(const struct claim *claim, const struct cluster *cluster)
{
    if (!cluster->is_too_large &&
        cluster->places + claim->booking->places <= cluster_cap(claim->event))
        return true;
    refuse(claim->call, RULE_CLUSTER,
           "Together with others who use the same device or card this would be more places than "
           "one household may have for this event.");
    return false;
}

enum crowd {
    CROWD_NONE,
    CROWD_UNSOLVED, /* over the cap of those who have solved nothing */
    CROWD_FULL,     /* over the cap of everybody */
};

static enum crowd crowd_of(const struct claim *claim, const struct network_facts *network)
{
    int64_t cap = claim->event->abuse.per_network;
    int64_t places = claim->booking->places;
    if (network->places + places > cap * NETWORK_SOLVED_FACTOR)
        return CROWD_FULL;
    return network->unsolved + places > cap ? CROWD_UNSOLVED : CROWD_NONE;
}

/* Many people may call from one address: a campus, a phone company. Nobody of them is turned away
 * whose wish is small, and whose wish is large does not get it for being many. False: answered. */
static bool share_may(const struct claim *claim, enum crowd crowd, const struct cluster *cluster)
{
    if (crowd == CROWD_NONE || cluster->places + claim->booking->places <= CROWD_PLACES)
        return true;
    refuse(claim->call, RULE_NETWORK,
           "Many people of your network buy places of this event. There are four for each.");
    return false;
}

/* Judges the network and whether a challenge is due. False: answered. */
static bool crowd_may(const struct claim *claim, enum crowd crowd, bool is_suspicious)
{
    enum challenge_rule rule = claim->event->abuse.challenge;
    bool is_solved = claim->verdict == CHALLENGE_SOLVED || claim->booking->origin.solution;
    bool is_due =
        rule == CHALLENGE_ON || (rule == CHALLENGE_AUTO && (is_suspicious || crowd != CROWD_NONE));
    if (crowd == CROWD_FULL || (crowd == CROWD_UNSOLVED && rule == CHALLENGE_OFF)) {
        refuse(claim->call, RULE_NETWORK,
               "So many places of this event are in the hands of your network already.");
        return false;
    }
    if (is_due && !is_solved) {
        refuse_challenge(claim->call, claim->event->id, claim->verdict, claim->tx->now_ms);
        return false;
    }
    return true;
}

static void set_lifetime(const struct claim *claim, bool is_suspicious)
{
    int64_t ttl_ms = claim->event->hold_ttl_s * 1000;
    if (is_suspicious && ttl_ms > SUSPICIOUS_TTL_MS)
        ttl_ms = SUSPICIOUS_TTL_MS;
    claim->booking->expires_at = claim->tx->now_ms + ttl_ms;
}

static bool judge_hold(const struct claim *claim, const struct account_facts *account,
                       const struct network_facts *network, struct cluster *cluster,
                       enum err *ret_err)
{
    if (!account_may(claim, account))
        return false;
    *ret_err = cluster_grow(cluster, claim->tx->db, claim->event->id, cluster_cap(claim->event));
    if (*ret_err || !cluster_may(claim, cluster))
        return false;
    enum crowd crowd = crowd_of(claim, network);
    bool is_suspicious = cluster->accounts.count >= CLUSTER_ACCOUNTS_SUSPICIOUS ||
                         churn_ends(account) >= CHURN_ENDS_MAX;
    if (!share_may(claim, crowd, cluster) || !crowd_may(claim, crowd, is_suspicious))
        return false;
    if (claim->verdict == CHALLENGE_SOLVED)
        claim->booking->origin.solution = claim->guard->solution;
    set_lifetime(claim, is_suspicious || network->places + claim->booking->places >
                                             claim->event->abuse.per_network);
    return true;
}

bool abuse_hold(struct call *call, struct writer_tx *tx, const struct event *event,
                const struct abuse_guard *guard, const struct abuse_reads *reads,
                struct booking *booking, enum err *ret_err)
{
    struct claim claim = {call, tx, event, guard, booking, guard->verdict};
    struct account_facts account;
    struct network_facts network;
    struct cluster cluster;
    struct counted_sink sink = {cluster_take, &cluster};
    cluster_begin(&cluster, true);
    cluster_add_account(&cluster, booking->account_id);
    cluster_add_device(&cluster, booking->origin.device);
    cluster_was_asked(&cluster);
    *ret_err = abuse_store_read(reads, &sink, &account, &network);
    if (!*ret_err)
        *ret_err = look_up_solution(&claim);
    return !*ret_err && judge_hold(&claim, &account, &network, &cluster, ret_err);
}

/* --- The checkout --- */

/* Where the checkout comes from, when that is news. */
static bool note_checkout(const struct claim *claim)
{
    struct booking_origin *origin = &claim->booking->origin;
    const struct abuse_guard *guard = claim->guard;
    bool is_news = false;
    if (guard->device && guard->device != origin->device) {
        origin->pay_device = guard->device;
        is_news = true;
    }
    if (guard->network && guard->network != origin->network) {
        origin->pay_network = guard->network;
        is_news = true;
    }
    if (!origin->solution && claim->verdict == CHALLENGE_SOLVED) {
        origin->solution = guard->solution;
        is_news = true;
    }
    return is_news;
}

/* The booking joins the network of its checkout, if that is another one. */
static bool network_may(const struct claim *claim, enum err *ret_err)
{
    struct network_facts network;
    bool is_known = claim->guard->network == claim->booking->origin.network;
    if (is_known || !claim->guard->network)
        return true;
    *ret_err =
        abuse_store_network(claim->tx->db, claim->event->id, claim->guard->network, &network);
    if (*ret_err)
        return false;
    return crowd_may(claim, crowd_of(claim, &network), false);
}

bool abuse_checkout(struct call *call, struct writer_tx *tx, const struct event *event,
                    const struct abuse_guard *guard, struct booking *booking, enum err *ret_err)
{
    struct claim claim = {call, tx, event, guard, booking, guard->verdict};
    struct cluster cluster;
    *ret_err = ERR_OK;
    if (!booking->origin.network)
        return true;
    if (!app_config(call->app)->abuse) {
        *ret_err = abuse_forget(tx, booking);
        return *ret_err == ERR_OK;
    }
    cluster_begin(&cluster, false);
    cluster_skip_booking(&cluster, booking->id);
    cluster_add_account(&cluster, booking->account_id);
    cluster_add_device(&cluster, booking->origin.device);
    cluster_add_device(&cluster, guard->device);
    *ret_err = cluster_grow(&cluster, tx->db, event->id, cluster_cap(event));
    if (*ret_err || !cluster_may(&claim, &cluster))
        return false;
    *ret_err = look_up_solution(&claim);
    if (*ret_err || !network_may(&claim, ret_err))
        return false;
    if (note_checkout(&claim))
        *ret_err = abuse_store_save(tx->db, booking);
    return *ret_err == ERR_OK;
}

/* --- The money --- */

enum err abuse_forget(struct writer_tx *tx, struct booking *booking)
{
    if (!booking->origin.network)
        return ERR_OK;
    booking->origin = (struct booking_origin){.solution = booking->origin.solution};
    return abuse_store_save(tx->db, booking);
}

/* Whether the places would be too many for this network, whoever has solved what. */
static enum err network_is_over(struct writer_tx *tx, const struct event *event,
                                const struct booking *booking, uint64_t network, bool *ret_is_over)
{
    struct network_facts facts;
    if (!network)
        return ERR_OK;
    enum err err = abuse_store_network(tx->db, event->id, network, &facts);
    if (!err && facts.places + booking->places > event->abuse.per_network * NETWORK_SOLVED_FACTOR)
        *ret_is_over = true;
    return err;
}

enum err abuse_card(struct tickets *tickets, struct writer_tx *tx, struct str provider,
                    struct str card, struct booking *booking, bool *ret_is_over)
{
    int64_t places = 0, cap = 0;
    *ret_is_over = false;
    if (!booking->origin.network || card.len == 0)
        return ERR_OK;
    booking->origin.card = origin_card(&tickets->abuse_keys, provider, card);
    enum err err = abuse_store_save(tx->db, booking);
    if (!err)
        err = abuse_store_card(tx->db, booking, &places, &cap);
    *ret_is_over = !err && places + booking->places > cap;
    if (*ret_is_over)
        count_refusal(RULE_CARD);
    return err;
}

enum err abuse_is_over(struct writer_tx *tx, const struct event *event,
                       const struct booking *booking, bool *ret_is_over)
{
    struct cluster cluster;
    int64_t places = 0;
    *ret_is_over = false;
    if (!booking->origin.network)
        return ERR_OK;
    enum err err = booking_store_places(tx->db, booking->account_id, event->id, &places);
    cluster_begin(&cluster, false);
    cluster_add_account(&cluster, booking->account_id);
    cluster_add_device(&cluster, booking->origin.device);
    cluster_add_device(&cluster, booking->origin.pay_device);
    cluster_add_card(&cluster, booking->origin.card);
    if (!err)
        err = cluster_grow(&cluster, tx->db, event->id, cluster_cap(event));
    *ret_is_over =
        !err && (cluster.is_too_large || cluster.places + booking->places > cluster_cap(event) ||
                 places + booking->places > event->per_account);
    if (!err)
        err = network_is_over(tx, event, booking, booking->origin.network, ret_is_over);
    if (!err && booking->origin.pay_network)
        err = network_is_over(tx, event, booking, booking->origin.pay_network, ret_is_over);
    return err;
}
