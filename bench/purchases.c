/*
 * purchases: people who hold two seats, check out, pay at the sandbox bank and read their tickets,
 * one purchase after the other on each connection (closed loop). The bank shares the two cores, so
 * what it costs is named, and its own speed with nobody between is the floor. Afterwards the bank
 * must have taken exactly the money of the confirmed bookings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cpu.h"
#include "scenario.h"
#include "stage.h"

#define PURCHASE_CONNS   64
#define PURCHASE_SECONDS 10
#define PURCHASE_EVENTS  8
#define SETTLE_SECONDS   30
#define BANK_SECONDS     3
#define URL_POLL_MS      2
#define END_POLL_MS      2
#define POLLS_MAX        10000
#define AMOUNT           9000

enum step {
    STEP_HOLD,
    STEP_CHECKOUT,
    STEP_URL,
    STEP_PAY,
    STEP_END,
    STEP_TICKETS,
    BANK_SESSION,
    BANK_PAY,
};

struct purchases;

struct shopper {
    struct purchases *purchases;
    enum step step;
    unsigned polls;
    int64_t began_ns;
    const char *token;
    char booking[64];
    char pay_path[160];
};

struct purchases {
    struct stage stage;
    struct pairs pairs;
    struct shopper shoppers[PURCHASE_CONNS];
    int64_t measure_ns, until_ns;
    unsigned running;
    uint64_t confirmed, measured, polls, unexpected;
    struct hist hist;                /* from the hold's sending to the confirmation seen */
    double server_s, bank_s, load_s; /* processor time of the run */
    unsigned bank_port;
    char bank_headers[256];
    uint64_t bank_keys, bank_sales;
    double bank_rate;
    int64_t captured;
};

static void shopper_next(struct load_conn *conn);

/* The text after "name":" up to the next quote; what we look for has no escapes. */
static bool text_member(struct str body, const char *name, char *ret_text, size_t size)
{
    char key[32];
    int len = snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *at = memmem(body.data, body.len, key, (size_t)len);
    if (!at)
        return false;
    at += len;
    const char *end = memchr(at, '"', (size_t)(body.data + body.len - at));
    return end && str_to_c(str_from(at, (size_t)(end - at)), ret_text, size) == ERR_OK;
}

static void shopper_send(struct load_conn *conn, const char *method, const char *suffix)
{
    struct shopper *shopper = conn->actor;
    char path[128], headers[128];
    snprintf(path, sizeof(path), "/v1/bookings/%s%s", shopper->booking, suffix);
    int len = snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", shopper->token);
    load_retarget(conn, shopper->purchases->stage.child.port);
    struct load_request request = {
        .method = method, .path = str_from_c(path), .headers = str_from(headers, (size_t)len)};
    load_send(conn, &request);
}

/* "http://127.0.0.1:PORT/pay/ID" in the body: where to pay. */
static bool take_pay_url(struct purchases *purchases, struct shopper *shopper, struct str body)
{
    char url[160];
    int at = 0;
    if (!text_member(body, "url", url, sizeof(url)) ||
        sscanf(url, "http://127.0.0.1:%u%n", &purchases->bank_port, &at) != 1 || !url[at])
        return false;
    snprintf(shopper->pay_path, sizeof(shopper->pay_path), "%.120s/complete", url + at);
    return true;
}

static void shopper_pay(struct load_conn *conn, const char *order)
{
    struct shopper *shopper = conn->actor;
    load_retarget(conn, shopper->purchases->bank_port);
    struct load_request request = {
        .method = "POST", .path = str_from_c(shopper->pay_path), .body = str_from_c(order)};
    load_send(conn, &request);
}

static void unexpected(struct load_conn *conn, const struct load_answer *answer)
{
    struct shopper *shopper = conn->actor;
    if (shopper->purchases->unexpected++ < 3)
        fprintf(stderr, "purchases: step %d: %d %.*s\n", shopper->step, answer->status,
                STR_ARG(answer->body));
    shopper->purchases->running--;
}

static void on_polled(struct load_conn *conn, const struct load_answer *answer)
{
    struct shopper *shopper = conn->actor;
    struct purchases *purchases = shopper->purchases;
    char status[32] = "";
    purchases->polls++;
    if (answer->status != 200 || shopper->polls++ > POLLS_MAX ||
        !text_member(answer->body, "status", status, sizeof(status))) {
        unexpected(conn, answer);
        return;
    }
    if (shopper->step == STEP_URL && take_pay_url(purchases, shopper, answer->body)) {
        shopper->step = STEP_PAY;
        shopper_pay(conn, "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":1}}");
    } else if (shopper->step == STEP_END && strcmp(status, "confirmed") == 0) {
        int64_t now_ns = clock_mono_ns();
        purchases->confirmed++;
        if (now_ns >= purchases->measure_ns && now_ns < purchases->until_ns)
            purchases->measured++;
        if (shopper->began_ns >= purchases->measure_ns)
            hist_add(&purchases->hist, now_ns - shopper->began_ns);
        shopper->step = STEP_TICKETS;
        shopper_send(conn, "GET", "/tickets");
    } else {
        load_timer(conn, shopper->step == STEP_URL ? URL_POLL_MS : END_POLL_MS);
    }
}

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    static const int wanted[] = {[STEP_HOLD] = 201, [STEP_CHECKOUT] = 202, [STEP_URL] = 200,
                                 [STEP_PAY] = 200,  [STEP_END] = 200,      [STEP_TICKETS] = 200};
    struct shopper *shopper = conn->actor;
    char code[256];
    bool is_read = shopper->step == STEP_HOLD
                       ? text_member(answer->body, "id", shopper->booking, sizeof(shopper->booking))
                   : shopper->step == STEP_TICKETS
                       ? text_member(answer->body, "code", code, sizeof(code))
                       : true;
    if (answer->status != wanted[shopper->step] || !is_read) {
        unexpected(conn, answer);
        return;
    }
    switch (shopper->step) {
    case STEP_HOLD:
        shopper->step = STEP_CHECKOUT;
        shopper_send(conn, "POST", "/checkout");
        break;
    case STEP_CHECKOUT:
        shopper->step = STEP_URL;
        load_timer(conn, URL_POLL_MS);
        break;
    case STEP_PAY:
        shopper->step = STEP_END;
        load_timer(conn, END_POLL_MS);
        break;
    case STEP_TICKETS:
        shopper_next(conn);
        break;
    default:
        on_polled(conn, answer);
    }
}

static void on_timer(struct load_conn *conn)
{
    shopper_send(conn, "GET", "");
}

static void shopper_next(struct load_conn *conn)
{
    struct shopper *shopper = conn->actor;
    struct purchases *purchases = shopper->purchases;
    struct load_request request;
    if (clock_mono_ns() >= purchases->until_ns || !pairs_next(&purchases->pairs, &request)) {
        purchases->running--;
        return;
    }
    shopper->step = STEP_HOLD;
    shopper->polls = 0;
    shopper->token = purchases->pairs.token;
    shopper->began_ns = clock_mono_ns();
    load_retarget(conn, purchases->stage.child.port);
    load_send(conn, &request);
}

static bool are_over(void *ctx)
{
    const struct purchases *purchases = ctx;
    return purchases->running == 0;
}

static enum err run_load(struct purchases *purchases, size_t connections,
                         void (*on_start)(struct load_conn *conn),
                         void (*handler)(struct load_conn *conn, const struct load_answer *answer))
{
    struct load *load;
    enum err err = load_new(connections, purchases->stage.child.port, &load);
    if (err)
        return err;
    for (size_t i = 0; i < connections; i++) {
        struct load_conn *conn = load_conn_at(load, i);
        purchases->shoppers[i].purchases = purchases;
        conn->actor = &purchases->shoppers[i];
        conn->on_answer = handler;
        conn->on_timer = on_timer;
        purchases->running++;
        on_start(conn);
    }
    load_run(load, purchases->until_ns + SETTLE_SECONDS * 1000000000LL, are_over, purchases);
    load_free(load);
    return purchases->running == 0 ? ERR_OK : ERR_TIMEOUT;
}

static enum err purchases_run(struct purchases *purchases, const struct scenario_options *options)
{
    size_t connections = options->connections ? (size_t)options->connections : PURCHASE_CONNS;
    int64_t seconds = options->seconds ? options->seconds : PURCHASE_SECONDS;
    pid_t server = purchases->stage.child.pid, bank = cpu_child_of(server);
    double server_s = cpu_seconds(server), bank_s = cpu_seconds(bank);
    double load_s = cpu_seconds(getpid());
    if (connections > PURCHASE_CONNS)
        connections = PURCHASE_CONNS;
    purchases->measure_ns = clock_mono_ns() + 1000000000;
    purchases->until_ns = purchases->measure_ns + seconds * 1000000000;
    enum err err = run_load(purchases, connections, shopper_next, on_answer);
    purchases->server_s = cpu_seconds(server) - server_s;
    purchases->bank_s = cpu_seconds(bank) - bank_s;
    purchases->load_s = cpu_seconds(getpid()) - load_s;
    return err;
}

/* --- The bank alone --- */

static void bank_line(const struct purchases *purchases, const char *name, char ret_line[128])
{
    char path[512];
    snprintf(path, sizeof(path), "%s/sandbox/%s", purchases->stage.child.data, name);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(ret_line, 128, file))
        ret_line[0] = '\0';
    ret_line[strcspn(ret_line, "\r\n")] = '\0';
    if (file)
        fclose(file);
}

static void bank_next(struct load_conn *conn)
{
    struct shopper *shopper = conn->actor;
    struct purchases *purchases = shopper->purchases;
    char headers[256];
    if (clock_mono_ns() >= purchases->until_ns) {
        purchases->running--;
        return;
    }
    int len = snprintf(headers, sizeof(headers), "%sIdempotency-Key: bench-%llu\r\n",
                       purchases->bank_headers, (unsigned long long)purchases->bank_keys++);
    struct load_request request = {
        .method = "POST",
        .path = STR("/sessions"),
        .headers = str_from(headers, (size_t)len),
        .body = STR("{\"reference\":\"bench\",\"amount\":9000,\"currency\":\"EUR\","
                    "\"description\":\"Two seats\",\"callback_url\":\"http://127.0.0.1:9/\","
                    "\"return_url\":\"http://127.0.0.1:9/\"}")};
    shopper->step = BANK_SESSION;
    load_retarget(conn, purchases->bank_port);
    load_send(conn, &request);
}

static void on_bank(struct load_conn *conn, const struct load_answer *answer)
{
    struct shopper *shopper = conn->actor;
    struct purchases *purchases = shopper->purchases;
    if (shopper->step == BANK_PAY && answer->status == 200) {
        purchases->bank_sales++;
        bank_next(conn);
    } else if (shopper->step == BANK_SESSION && answer->status == 201 &&
               take_pay_url(purchases, shopper, answer->body)) {
        shopper->step = BANK_PAY;
        shopper_pay(conn, "{\"outcome\":\"succeeded\",\"callbacks\":{\"count\":0}}");
    } else {
        unexpected(conn, answer);
    }
}

/* What the bank does with nobody between: a session and its payment, no callback. */
static enum err bank_alone(struct purchases *purchases)
{
    int64_t began_ns = clock_mono_ns();
    purchases->until_ns = began_ns + BANK_SECONDS * 1000000000LL;
    enum err err = run_load(purchases, PURCHASE_CONNS, bank_next, on_bank);
    purchases->bank_rate =
        (double)purchases->bank_sales / ((double)(clock_mono_ns() - began_ns) / 1e9);
    return err;
}

/* The money the bank has taken; also learns how to talk to it. */
static enum err bank_captured(struct purchases *purchases)
{
    static const char name[] = "\"captured\":";
    char url[128], secret[128];
    struct buf answer;
    bank_line(purchases, "url", url);
    bank_line(purchases, "secret", secret);
    const char *colon = strrchr(url, ':');
    purchases->bank_port = colon ? (unsigned)atoi(colon + 1) : 0;
    snprintf(purchases->bank_headers, sizeof(purchases->bank_headers),
             "Authorization: Bearer %s\r\n", secret);
    int status =
        child_request_as(secret, purchases->bank_port, "GET", "/ledger/summary", STR_NONE, &answer);
    const char *at = status == 200 ? memmem(answer.data, answer.len, name, sizeof(name) - 1) : NULL;
    purchases->captured = at ? strtoll(at + sizeof(name) - 1, NULL, 10) : -1;
    buf_release(&answer);
    return at ? ERR_OK : ERR_IO;
}

static void purchases_report(struct purchases *purchases, struct report *report)
{
    static const char *const names[4] = {"p50_ms", "p95_ms", "p99_ms", "max_ms"};
    uint64_t confirmed = purchases->confirmed ? purchases->confirmed : 1;
    report_latency(report, &purchases->hist, names);
    report_figure(report, "confirmed", (double)purchases->confirmed);
    report_figure(report, "unexpected", (double)purchases->unexpected);
    report_figure(report, "polls_per_purchase", (double)purchases->polls / (double)confirmed);
    report_figure(report, "server_cpu_ms_each", purchases->server_s * 1000 / (double)confirmed);
    report_figure(report, "bank_cpu_ms_each", purchases->bank_s * 1000 / (double)confirmed);
    report_figure(report, "load_cpu_ms_each", purchases->load_s * 1000 / (double)confirmed);
    report_floor(report, "bank_alone_per_s", purchases->bank_rate);
}

bool scenario_purchases(const struct scenario_options *options, struct report *report)
{
    struct purchases *purchases = calloc(1, sizeof(*purchases));
    report->scenario = "purchases";
    if (!purchases || stage_dir(&purchases->stage))
        return false;
    int64_t seconds = options->seconds ? options->seconds : PURCHASE_SECONDS;
    purchases->stage.event_count = PURCHASE_EVENTS;
    enum err err = stage_open(&purchases->stage);
    if (!err)
        err = pairs_init(&purchases->pairs, &purchases->stage);
    if (!err)
        err = purchases_run(purchases, options);
    if (!err)
        err = bank_captured(purchases);
    bool is_reconciled = purchases->captured == (int64_t)purchases->confirmed * AMOUNT;
    if (!err)
        err = bank_alone(purchases);
    if (!err) {
        double rate = (double)purchases->measured / (double)seconds;
        report_figure(report, "purchases_per_s", rate);
        purchases_report(purchases, report);
        report_aim(report, (struct report_aim){.what = "whole purchases a second",
                                               .value = rate,
                                               .floor = purchases->bank_rate});
    }
    report->ok = !err && is_reconciled && purchases->unexpected == 0 && purchases->measured > 0;
    if (!is_reconciled)
        fprintf(stderr, "purchases: the bank took %lld, sold were %lld\n",
                (long long)purchases->captured, (long long)purchases->confirmed * AMOUNT);
    if (err)
        stage_drop(&purchases->stage);
    else
        report->ok = stage_close(&purchases->stage, report) && report->ok;
    pairs_release(&purchases->pairs);
    free(purchases);
    return !err;
}
