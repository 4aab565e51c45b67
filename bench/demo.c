/*
 * demo: the main job on real input. Makes an arena of 50,000 seats of its own, imports a stadium's
 * seating plan when one is given, and sells that stadium out to thousands of simulated buyers over
 * real HTTP: overlapping choices, payments that succeed, fail, come late, doubled, out of order,
 * forged or never told. Then nothing may be sold twice, the bank's ledger must equal the confirmed
 * sales, and the audit must be clean.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "buyer.h"
#include "child.h"
#include "scenario.h"

#define DEMO_CONNECTIONS 600
#define DEMO_BUYERS      9000
#define DEMO_SECONDS     900
#define HOLD_TTL_S       30
#define MAP_MS           250
#define SETTLE_SECONDS   90

struct demo {
    struct child child;
    struct sale sale;
    struct load *load;
    int64_t started_ns, printed_ns, sold_out_ns;
    int64_t expired; /* holds that ran out, as the server counts them */
    char map_path[128];
};

/* --- The plan's seat ids, in layout order --- */

static enum err plan_seats(struct sale *sale, struct str plan)
{
    struct arena arena;
    struct json_node *node = NULL;
    struct str message;
    arena_init(&arena, 512u << 20);
    enum err err = json_parse(&arena, plan, &node, &message);
    const struct json_node *zones = json_get(node, "zones");
    sale->seat_ids = calloc(SALE_SEATS_MAX, sizeof(*sale->seat_ids));
    sale->states = calloc(SALE_SEATS_MAX, 1);
    sale->free_seats = calloc(SALE_SEATS_MAX, sizeof(*sale->free_seats));
    if (!sale->seat_ids || !sale->states || !sale->free_seats)
        err = ERR_NOMEM;
    for (size_t z = 0; !err && z < json_count(zones); z++) {
        const struct json_node *rows = json_get(json_at(zones, z), "rows");
        for (size_t r = 0; r < json_count(rows); r++) {
            const struct json_node *seats = json_get(json_at(rows, r), "seats");
            for (size_t s = 0; s < json_count(seats) && sale->seat_count < SALE_SEATS_MAX; s++) {
                struct str guid;
                if (json_as_str(json_get(json_at(seats, s), "seat_guid"), &guid) &&
                    str_to_c(guid, sale->seat_ids[sale->seat_count], 40) == ERR_OK)
                    sale->seat_count++;
            }
        }
    }
    arena_release(&arena);
    return err;
}

static enum err read_file(const char *path, struct buf *ret_text)
{
    FILE *file = path ? fopen(path, "r") : NULL;
    char bytes[65536];
    size_t n;
    buf_init(ret_text, 64u << 20);
    if (!file)
        return ERR_NOT_FOUND;
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        buf_append(ret_text, bytes, n);
    fclose(file);
    return ERR_OK;
}

/* --- Watching the map --- */

static void map_ask(struct load_conn *conn)
{
    struct demo *demo = conn->actor;
    struct load_request request = {.method = "GET",
                                   .path = str_from_c(demo->map_path),
                                   .headers = STR("Accept: application/octet-stream\r\n")};
    load_send(conn, &request);
}

static void map_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct demo *demo = conn->actor;
    struct sale *sale = &demo->sale;
    if (answer->status == 200 && answer->body.len >= (sale->seat_count + 3) / 4) {
        sale->free_count = 0;
        sale->booked_count = 0;
        for (unsigned i = 0; i < sale->seat_count; i++) {
            unsigned state = ((unsigned char)answer->body.data[i / 4] >> (i % 4 * 2)) & 3;
            sale->states[i] = (uint8_t)state;
            if (state == 0)
                sale->free_seats[sale->free_count++] = i;
            sale->booked_count += state == 2;
        }
        sale->is_endgame = sale->booked_count * 100 > sale->seat_count * 90;
    }
    load_timer(conn, MAP_MS);
}

static void progress(struct demo *demo, bool is_last)
{
    const struct sale *sale = &demo->sale;
    int64_t now_ns = clock_mono_ns();
    if (!is_last && now_ns - demo->printed_ns < 1000000000)
        return;
    demo->printed_ns = now_ns;
    unsigned held = sale->seat_count - sale->free_count - sale->booked_count;
    unsigned width = 30,
             filled = sale->seat_count ? sale->booked_count * width / sale->seat_count : 0;
    char bar[40];
    for (unsigned i = 0; i < width; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[width] = '\0';
    printf("  %3llds [%s] sold %6u  held %5u  free %6u | holds %6llu  refused %6llu\n",
           (long long)((now_ns - demo->started_ns) / 1000000000), bar, sale->booked_count, held,
           sale->free_count, (unsigned long long)sale->tally.holds,
           (unsigned long long)sale->tally.refused);
}

static bool sale_is_over(void *ctx)
{
    struct demo *demo = ctx;
    progress(demo, false);
    if (demo->sale.booked_count < demo->sale.seat_count)
        return false;
    if (!demo->sale.is_over) {
        demo->sale.is_over = true;
        demo->sold_out_ns = clock_mono_ns();
    }
    return true;
}

/* --- Preparing --- */

static const struct {
    const char *name, *city, *country, *event, *category;
    double lat, lon;
    int days;
} halls[] = {
    {"Elbphilharmonie", "Hamburg", "DE", "Evening of strings", "classical", 53.5413, 9.9841, 21},
    {"Olympia", "Paris", "FR", "Nouvelle vague live", "concert", 48.8702, 2.3282, 34},
    {"Royal Albert Hall", "London", "GB", "Proms in November", "classical", 51.5009, -0.1774, 12},
    {"Carnegie Hall", "New York", "US", "Jazz at midnight", "jazz", 40.7651, -73.9799, 45},
    {"Sydney Opera House", "Sydney", "AU", "The harbour gala", "opera", -33.8568, 151.2153, 60},
    {"Teatro Colon", "Buenos Aires", "AR", "Tango de invierno", "dance", -34.6011, -58.3835, 51},
    {"Suntory Hall", "Tokyo", "JP", "Winter symphony", "classical", 35.6668, 139.7413, 28},
    {"Paradiso", "Amsterdam", "NL", "Indie weekender", "concert", 52.3622, 4.8839, 9},
    {"Konserthuset", "Stockholm", "SE", "Northern lights suite", "classical", 59.3349, 18.0632, 40},
    {"Baxter Theatre", "Cape Town", "ZA", "Cape stories", "theatre", -33.9577, 18.4660, 33},
};

/* Half past seven in the evening (UTC), so many days from today. */
static int64_t evening_after(int days)
{
    const int64_t day_ms = 24 * 3600 * 1000LL;
    return (clock_now_ms() / day_ms + days) * day_ms + 19 * 3600000LL + 30 * 60000LL;
}

/* A catalogue to browse: small halls in ten cities. What fails here shows in the pages only. */
static void seed_halls(unsigned port)
{
    struct seed_arena hall = {.sections = 4, .rows = 10, .seats_per_row = 14};
    struct buf plan, body, answer;
    buf_init(&plan, 8u << 20);
    seed_arena_plan(&hall, &plan);
    for (size_t i = 0; i < sizeof(halls) / sizeof(halls[0]); i++) {
        char venue[40], event[40], starts_at[CLOCK_TEXT_SIZE], onsale_at[CLOCK_TEXT_SIZE], path[96];
        buf_init(&body, 16u << 20);
        buf_printf(&body,
                   "{\"name\":\"%s\",\"city\":\"%s\",\"country\":\"%s\",\"lat\":%.4f,\"lon\":%.4f,"
                   "\"seating_plan\":%.*s}",
                   halls[i].name, halls[i].city, halls[i].country, halls[i].lat, halls[i].lon,
                   STR_ARG(buf_str(&plan)));
        (void)child_request(port, "POST", "/v1/venues", buf_str(&body), &answer);
        bool is_made = seed_member(buf_str(&answer), "id", venue, sizeof(venue)) == ERR_OK;
        buf_release(&answer);
        buf_clear(&body);
        clock_format(evening_after(halls[i].days), starts_at);
        clock_format(clock_now_ms() - 60000, onsale_at);
        buf_printf(&body,
                   "{\"venue_id\":\"%s\",\"name\":\"%s\",\"description\":\"One night at %s, "
                   "%s.\",\"category\":\"%s\","
                   "\"starts_at\":\"%s\",\"onsale_at\":\"%s\",\"currency\":\"EUR\",\"prices\":{"
                   "\"Standard\":%d}}",
                   is_made ? venue : "", halls[i].event, halls[i].name, halls[i].city,
                   halls[i].category, starts_at, onsale_at, 2500 + (int)i * 700);
        (void)child_request(port, "POST", "/v1/events", buf_str(&body), &answer);
        if (seed_member(buf_str(&answer), "id", event, sizeof(event)) == ERR_OK) {
            buf_release(&answer);
            snprintf(path, sizeof(path), "/v1/events/%s/publish", event);
            (void)child_request(port, "POST", path, STR("{}"), &answer);
        }
        buf_release(&answer);
        buf_release(&body);
    }
    buf_release(&plan);
}

static enum err demo_arena(struct demo *demo)
{
    struct seed_arena arena = {.sections = 50, .rows = 25, .seats_per_row = 40};
    struct buf plan;
    char venue[40], event[40];
    buf_init(&plan, 32u << 20);
    seed_arena_plan(&arena, &plan);
    int64_t started_ns = clock_mono_ns();
    enum err err = seed_venue(demo->child.port, "Foyer Arena", buf_str(&plan), venue);
    if (!err)
        err = seed_event(demo->child.port, venue, "Arena opening night", "{\"Standard\":6500}", 600,
                         event);
    if (!err)
        printf("  arena of 50,000 seats made in %.1f s\n",
               (double)(clock_mono_ns() - started_ns) / 1e9);
    buf_release(&plan);
    return err;
}

static enum err demo_stadium(struct demo *demo, const char *plan_path)
{
    struct seed_arena fallback = {.sections = 60, .rows = 17, .seats_per_row = 16};
    struct buf plan;
    char venue[40];
    bool is_real = read_file(plan_path, &plan) == ERR_OK;
    if (!is_real)
        seed_arena_plan(&fallback, &plan);
    enum err err = plan_seats(&demo->sale, buf_str(&plan));
    if (!err)
        err = seed_venue(demo->child.port, is_real ? "Stadium" : "Generated stadium",
                         buf_str(&plan), venue);
    buf_release(&plan);
    const char *prices = is_real
                             ? "{\"Pitchside\":12000,\"Lower\":8500,\"Middle\":6500,\"Upper\":3500}"
                             : "{\"Standard\":4500}";
    if (!err)
        err = seed_event(demo->child.port, venue, "Cup final", prices, HOLD_TTL_S,
                         demo->sale.event_id);
    if (!err)
        printf("  stadium of %u seats %s\n", demo->sale.seat_count,
               is_real ? "imported" : "generated (no plan was given)");
    return err;
}

static enum err demo_prepare(struct demo *demo, const struct scenario_options *options)
{
    /* Thousands of people at one address are what the defence against bots is for; demo_onsale.mjs shows it. */
    static const char *const arguments[] = {"--log-level=warn", "--abuse=off", NULL};
    enum err err = ERR_OK;
    if (options->data) {
        snprintf(demo->child.data, sizeof(demo->child.data), "%s", options->data);
        err = mkdir(options->data, 0700) == 0 || errno == EEXIST ? ERR_OK : ERR_IO;
        const char *store = getenv("FOYER_STORE"); /* of whoever keeps the data, too */
        snprintf(demo->child.store, sizeof(demo->child.store), "%s", store ? store : "");
    } else
        err = child_directory(&demo->child);
    if (!err)
        err = seed_buyers(&demo->child, options->buyers ? (size_t)options->buyers : DEMO_BUYERS,
                          &demo->sale.buyers);
    if (!err)
        printf("  %zu buyers' accounts made\n", demo->sale.buyers.count);
    if (!err)
        err = child_start(&demo->child, arguments);
    if (!err)
        err = demo_arena(demo);
    if (!err)
        err = demo_stadium(demo, options->plan);
    if (!err)
        seed_halls(demo->child.port);
    demo->sale.foyer_port = demo->child.port;
    snprintf(demo->map_path, sizeof(demo->map_path), "/v1/events/%s/seats", demo->sale.event_id);
    return err;
}

/* --- Selling --- */

static bool all_left(void *ctx)
{
    const struct demo *demo = ctx;
    return demo->sale.active == 0;
}

static enum err demo_sell(struct demo *demo, const struct scenario_options *options)
{
    size_t connections = options->connections ? (size_t)options->connections : DEMO_CONNECTIONS;
    enum err err = load_new(connections, demo->child.port, &demo->load);
    if (err)
        return err;
    struct buyer *buyers = buyers_new(demo->load, &demo->sale);
    if (!buyers)
        return ERR_NOMEM;
    struct load *watch;
    err = load_new(1, demo->child.port, &watch);
    if (err)
        return err;
    demo->started_ns = demo->printed_ns = clock_mono_ns();
    int64_t seconds = options->seconds ? options->seconds : DEMO_SECONDS;
    int64_t until_ns = demo->started_ns + seconds * 1000000000LL;
    struct load_conn *conn = load_conn_at(watch, 0);
    conn->actor = demo;
    conn->on_answer = map_answer;
    conn->on_timer = map_ask;
    load_timer(conn, 0);
    /* Two engines take turns on this thread: the buyers' and the one that watches the map. */
    while (clock_mono_ns() < until_ns && !sale_is_over(demo)) {
        load_run(watch, clock_mono_ns() + 2000000, NULL, NULL);
        load_run(demo->load, clock_mono_ns() + 20000000, NULL, NULL);
    }
    progress(demo, true);
    /* Who is still paying, or is paid back, comes to an end too. */
    printf("  sold out; %zu buyers finish\n", demo->sale.active);
    load_run(demo->load, clock_mono_ns() + SETTLE_SECONDS * 1000000000LL, all_left, demo);
    load_free(watch);
    load_free(demo->load);
    buyers_free(buyers);
    return ERR_OK;
}

/* --- Checking --- */

struct money {
    int64_t revenue, refunded_by_sales, captured, refunded, pending;
};

static bool json_member_i64(struct str json, const char *name, int64_t *ret_value)
{
    struct arena arena;
    struct json_node *node;
    struct str message;
    arena_init(&arena, 16u << 20);
    bool is_read = json_parse(&arena, json, &node, &message) == ERR_OK &&
                   json_as_i64(json_get(node, name), ret_value);
    arena_release(&arena);
    return is_read;
}

/* First line of a file in DIR/sandbox; empty when there is none. */
static void bank_line(const struct demo *demo, const char *name, char *ret_line, size_t size)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/sandbox/%s", demo->child.data, name);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(ret_line, (int)size, file))
        ret_line[0] = '\0';
    ret_line[strcspn(ret_line, "\r\n")] = '\0';
    if (file)
        fclose(file);
}

/* Asks the bank that serve has started. */
static int bank_request(const struct demo *demo, const char *path, struct buf *ret_body)
{
    char url[256], secret[256];
    bank_line(demo, "url", url, sizeof(url));
    bank_line(demo, "secret", secret, sizeof(secret));
    const char *colon = strrchr(url, ':');
    return child_request_as(secret, colon ? (unsigned)atoi(colon + 1) : 0, "GET", path, STR_NONE,
                            ret_body);
}

static bool money_read(struct demo *demo, struct money *ret_money)
{
    char path[128];
    struct buf answer;
    snprintf(path, sizeof(path), "/v1/events/%s/report", demo->sale.event_id);
    bool is_read = child_request(demo->child.port, "GET", path, STR_NONE, &answer) == 200 &&
                   json_member_i64(buf_str(&answer), "revenue", &ret_money->revenue);
    buf_release(&answer);
    is_read = bank_request(demo, "/ledger/summary", &answer) == 200 &&
              json_member_i64(buf_str(&answer), "captured", &ret_money->captured) &&
              json_member_i64(buf_str(&answer), "refunded", &ret_money->refunded) && is_read;
    buf_release(&answer);
    return is_read;
}

/* Late money and refunds need their time: waits until the ledger equals the sales. */
static bool money_settles(struct demo *demo, struct money *ret_money)
{
    int64_t until_ns = clock_mono_ns() + SETTLE_SECONDS * 1000000000LL;
    do {
        if (money_read(demo, ret_money) &&
            ret_money->captured - ret_money->refunded == ret_money->revenue)
            return true;
        struct timespec pause = {.tv_nsec = 500000000};
        nanosleep(&pause, NULL);
    } while (clock_mono_ns() < until_ns);
    return false;
}

/* The value of a counter without labels on /metrics. */
static int64_t metric_read(const struct demo *demo, const char *name)
{
    struct buf answer;
    long long value = 0;
    (void)child_request(demo->child.port, "GET", "/metrics", STR_NONE, &answer);
    struct str rest = buf_str(&answer);
    while (rest.len) {
        struct str line = str_split(&rest, '\n');
        int64_t number;
        if (str_eq(str_split(&line, ' '), str_from_c(name)) && !str_to_i64(str_trim(line), &number))
            value = number;
    }
    buf_release(&answer);
    return value;
}

static void demo_report(struct demo *demo, struct report *report, const struct money *money)
{
    static const char *const hold_names[4] = {"hold_p50_ms", "hold_p95_ms", "hold_p99_ms",
                                              "hold_max_ms"};
    static const char *const confirm_names[4] = {
        "paid_to_confirmed_p50_ms", "paid_to_confirmed_p95_ms", "paid_to_confirmed_p99_ms",
        "paid_to_confirmed_max_ms"};
    const struct sale *sale = &demo->sale;
    double seconds = (double)(sale->last_hold_ns - sale->first_hold_ns) / 1e9;
    report_figure(report, "seats", sale->seat_count);
    report_figure(report, "sold", sale->booked_count);
    report_figure(report, "seconds_to_sell_out",
                  (double)(demo->sold_out_ns - demo->started_ns) / 1e9);
    report_figure(report, "holds", (double)sale->tally.holds);
    report_figure(report, "refused", (double)sale->tally.refused);
    report_figure(report, "hold_requests_per_s",
                  seconds > 0 ? (double)sale->hold_latency.total / seconds : 0);
    report_figure(report, "expired", (double)demo->expired);
    report_figure(report, "refunded", (double)sale->tally.refunded);
    report_figure(report, "abandoned", (double)sale->tally.abandoned);
    report_figure(report, "given_back", (double)sale->tally.given_back);
    report_figure(report, "payments_failed", (double)sale->tally.failed);
    report_figure(report, "callbacks_doubled", (double)sale->tally.told_twice);
    report_figure(report, "callbacks_late", (double)sale->tally.told_late);
    report_figure(report, "callbacks_never", (double)sale->tally.never_told);
    report_figure(report, "callbacks_forged", (double)sale->tally.forged);
    report_figure(report, "settled_after_expiry", (double)sale->tally.settled_late);
    report_figure(report, "revenue_minor", (double)money->revenue);
    report_figure(report, "bank_captured_minor", (double)money->captured);
    report_figure(report, "bank_refunded_minor", (double)money->refunded);
    report_figure(report, "unexpected_answers", (double)sale->tally.unexpected);
    report_latency(report, &sale->hold_latency, hold_names);
    report_latency(report, &sale->confirm_latency, confirm_names);
}

static void demo_check(struct demo *demo, struct report *report)
{
    struct money money = {0};
    bool is_sold_out = demo->sale.booked_count == demo->sale.seat_count;
    bool is_settled = is_sold_out && money_settles(demo, &money);
    if (!is_sold_out)
        printf("  NOT sold out: %u of %u\n", demo->sale.booked_count, demo->sale.seat_count);
    else
        printf("  the bank's ledger %s: captured %lld - refunded %lld %s confirmed sales %lld\n",
               is_settled ? "reconciles" : "DOES NOT reconcile", (long long)money.captured,
               (long long)money.refunded, is_settled ? "=" : "<>", (long long)money.revenue);
    demo->expired = metric_read(demo, "foyer_holds_expired_total");
    bool is_stopped = child_stop(&demo->child) == ERR_OK;
    printf("  audit of the database:\n");
    bool is_clean = child_audit(&demo->child) == 0;
    demo_report(demo, report, &money);
    report->ok =
        is_sold_out && is_settled && is_stopped && is_clean && demo->sale.tally.unexpected == 0;
}

bool scenario_demo(const struct scenario_options *options, struct report *report)
{
    struct demo *demo = calloc(1, sizeof(*demo));
    report->scenario = "demo";
    if (!demo)
        return false;
    printf("Preparing\n");
    enum err err = demo_prepare(demo, options);
    if (!err) {
        printf("Selling the stadium over HTTP to simulated buyers\n");
        err = demo_sell(demo, options);
    }
    if (!err) {
        printf("Checking\n");
        demo_check(demo, report);
    }
    child_kill(&demo->child);
    if (!options->data)
        child_remove(&demo->child);
    seed_buyers_release(&demo->sale.buyers);
    free(demo->sale.seat_ids);
    free(demo->sale.states);
    free(demo->sale.free_seats);
    free(demo);
    return !err;
}
