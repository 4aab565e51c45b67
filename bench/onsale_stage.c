/* What an on-sale starts from, and its end; see onsale_run.h. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/ids.h"
#include "onsale_run.h"
#include "process.h"
#include "store.h"
#include "store/db.h"

#define PROXIES      "--trusted-proxies=127.0.0.0/8"
#define SOCKETS_MAX  19000 /* of the server, which may have 20,000 descriptors */
#define SOCKETS_KEPT 15000 /* with more people, who waits closes its own between two questions */
/* Time for the other nights' holds; no hold lives shorter than its least lifetime. */
#define EARLY_S(holds) ((int)(holds) / (bench_is_pgsql() ? 150 : 500) + 20)
#define BEFORE_SALE_MS 2000
#define START_S        2
#define READY_S        60

void onsale_nap(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (ms > 0)
        nanosleep(&pause, NULL);
}

/* --- Accounts --- */

static enum err read_tokens(const char *path, struct seed_buyers *accounts)
{
    char line[512];
    size_t count = 0;
    FILE *file = fopen(path, "r");
    while (file && count < accounts->count && fgets(line, sizeof(line), file)) {
        const char *comma = strchr(line, ',');
        if (comma)
            snprintf(accounts->tokens[count++], SEED_TOKEN_SIZE, "%.*s",
                     (int)strcspn(comma + 1, "\r\n"), comma + 1);
    }
    if (file)
        fclose(file);
    return count == accounts->count ? ERR_OK : ERR_IO;
}

/* By the program's own command, as an operator would. */
static enum err import_accounts(struct onsale_run *run)
{
    char program[512], path[320], command[2048];
    struct seed_buyers *accounts = &run->accounts;
    accounts->count = run->plan.people + run->plan.early;
    accounts->tokens = calloc(accounts->count, SEED_TOKEN_SIZE);
    if (!accounts->tokens)
        return ERR_NOMEM;
    child_program("foyer", program, sizeof(program));
    snprintf(path, sizeof(path), "%s/sessions.csv", run->child.data);
    snprintf(command, sizeof(command),
             "'%s' admin import-users --data '%s' --count %zu --prefix buyer --sessions '%s'%s%s "
             ">/dev/null",
             program, run->child.data, accounts->count, path,
             run->child.store[0] ? " --store " : "", run->child.store);
    fflush(stdout);
    if (system(command) != 0) {
        fprintf(stderr, "onsale: could not import the accounts\n");
        return ERR_IO;
    }
    return read_tokens(path, accounts);
}

/* --- Events --- */

static enum err post(unsigned port, const char *path, const char *body, int wanted, char *ret_id)
{
    struct buf answer;
    int status = child_request(port, "POST", path, str_from_c(body), &answer);
    enum err err = status == wanted ? ERR_OK : ERR_IO;
    if (!err && ret_id)
        err = seed_member(buf_str(&answer), "id", ret_id, 40);
    if (err)
        fprintf(stderr, "onsale: %s: %d %.*s\n", path, status, STR_ARG(buf_str(&answer)));
    buf_release(&answer);
    return err;
}

static enum err make_event(struct onsale_run *run)
{
    const struct onsale_plan *plan = &run->plan;
    char starts_at[CLOCK_TEXT_SIZE], onsale_at[CLOCK_TEXT_SIZE], body[2048], path[128];
    clock_format(run->onsale_at_ms + 30 * 24 * 3600 * 1000LL, starts_at);
    clock_format(run->onsale_at_ms, onsale_at);
    char room[256] = "";
    if (!plan->is_open)
        snprintf(room, sizeof(room),
                 ",\"waiting_room\":\"on\",\"queue\":{\"admitted_max\":%d,\"admit_per_minute\":%d,"
                 "\"opens_before_s\":3600}",
                 plan->cap, plan->admit_per_minute);
    snprintf(
        body, sizeof(body),
        "{\"venue_id\":\"%s\",\"name\":\"The on-sale\",\"description\":\"\",\"category\":"
        "\"concert\",\"starts_at\":\"%s\",\"onsale_at\":\"%s\",\"currency\":\"EUR\",\"prices\":"
        "{\"Standard\":4500},\"hold_ttl_s\":%d%s}",
        run->venue, starts_at, onsale_at, plan->hold_ttl_s, room);
    enum err err = post(run->child.port, "/v1/events", body, 201, run->event);
    snprintf(path, sizeof(path), "/v1/events/%s/publish", run->event);
    if (!err)
        err = post(run->child.port, path, "{}", 200, NULL);
    return err ? err : id_parse(str_from_c(run->event), "evt", &run->event_id);
}

static enum err make_venue(struct onsale_run *run)
{
    struct buf plan;
    buf_init(&plan, 64u << 20);
    seed_arena_plan(&run->arena, &plan);
    enum err err = seed_venue(run->child.port, "Arena", buf_str(&plan), run->venue);
    buf_release(&plan);
    return err;
}

/* The holds of the other nights end in the middle of the sale. */
static enum err take_others(struct onsale_run *run)
{
    const struct onsale_plan *plan = &run->plan;
    int64_t now_ms = clock_now_ms();
    int64_t until_ends_s =
        EARLY_S(plan->early) + plan->join_s + BEFORE_SALE_MS / 1000 + plan->ramp_s + plan->steady_s;
    run->ends_at_ms = (now_ms / 1000 + until_ends_s) * 1000;
    run->onsale_at_ms = run->ends_at_ms - (plan->ramp_s + plan->steady_s + 1) * 1000LL;
    if (plan->early == 0)
        return ERR_OK;
    struct early_holds early = {.port = run->child.port,
                                .venue = run->venue,
                                .arena = &run->arena,
                                .tokens = run->accounts.tokens + plan->people,
                                .count = plan->early,
                                .ends_at_ms = run->ends_at_ms,
                                .until_ms = run->onsale_at_ms - 1000LL * plan->join_s,
                                .has_networks = run->has_networks,
                                .network = plan->people};
    return early_holds_take(&early);
}

/* --- People --- */

static unsigned bank_port(const struct child *child)
{
    char path[320], line[128] = "";
    snprintf(path, sizeof(path), "%s/sandbox/url", child->data);
    FILE *file = fopen(path, "r");
    const char *got = file ? fgets(line, sizeof(line), file) : NULL;
    if (file)
        fclose(file);
    const char *colon = got ? strrchr(line, ':') : NULL;
    return colon ? (unsigned)atoi(colon + 1) : 0;
}

static bool are_ready(const struct onsale_people *people)
{
    for (unsigned i = 0; i < people->orders->processes; i++)
        if (!atomic_load(&people->figures[i].ready))
            return false;
    return true;
}

static enum err gather_people(struct onsale_run *run)
{
    const struct onsale_plan *plan = &run->plan;
    enum err err = onsale_people_init(&run->people, plan->people, plan->seats);
    if (err)
        return err;
    struct onsale_orders *orders = run->people.orders;
    int64_t mono_ns = clock_mono_ns(), now_ms = clock_now_ms();
    run->onsale_ns = mono_ns + (run->onsale_at_ms - now_ms) * 1000000;
    run->people.tokens = run->accounts.tokens;
    orders->port = run->child.port;
    orders->bank_port = bank_port(&run->child);
    orders->arena = run->arena;
    snprintf(orders->event, sizeof(orders->event), "%s", run->event);
    orders->has_room = !plan->is_open;
    orders->keeps_sockets = plan->people <= SOCKETS_KEPT;
    orders->join_until_ns = plan->arrive_s ? run->onsale_ns + plan->arrive_s * 1000000000LL
                                           : run->onsale_ns - BEFORE_SALE_MS * 1000000LL;
    orders->join_from_ns = run->onsale_ns - (plan->join_s * 1000LL + BEFORE_SALE_MS) * 1000000LL;
    if (orders->join_from_ns < mono_ns + START_S * 1000000000LL)
        orders->join_from_ns = mono_ns + START_S * 1000000000LL;
    orders->has_networks = run->has_networks;
    orders->hold_ttl_s = plan->hold_ttl_s;
    orders->fresh_share = plan->fresh_share;
    orders->abandon_share = plan->abandon_share;
    err = onsale_people_start(&run->people);
    for (int i = 0; !err && i < READY_S * 10 && !are_ready(&run->people); i++)
        onsale_nap(100);
    return err ? err : are_ready(&run->people) ? ERR_OK : ERR_TIMEOUT;
}

/* --- All of it --- */

/* Whether the server believes its proxies, so that each person can have a network of its own. */
static bool knows_proxies(void)
{
    char program[512], command[640];
    child_program("foyer", program, sizeof(program));
    snprintf(command, sizeof(command), "'%s' config " PROXIES " >/dev/null 2>&1", program);
    return system(command) == 0;
}

enum err onsale_open(struct onsale_run *run)
{
    char sockets[48], location[512];
    run->has_networks = knows_proxies();
    const char *arguments[] = {run->has_networks ? PROXIES : "--abuse=off", "--log-level=warn",
                               sockets, NULL};
    printf("  %s\n", run->has_networks ? "defence on: an account, an address and a network each"
                                       : "defence off: the server takes no word for addresses");
    run->arena =
        (struct seed_arena){.sections = run->plan.seats / 1000, .rows = 25, .seats_per_row = 40};
    snprintf(sockets, sizeof(sockets), "--connections-max=%d", SOCKETS_MAX);
    process_raise_files();
    enum err err = child_directory(&run->child);
    if (!err)
        err = import_accounts(run);
    if (!err)
        err = child_start(&run->child, arguments);
    if (!err)
        err = make_venue(run);
    if (!err)
        err = take_others(run);
    if (!err)
        err = make_event(run);
    if (!err)
        err = gather_people(run);
    bench_location(&run->child, "tickets", location, sizeof(location));
    return err ? err : db_open(location, DB_ADMIN, &run->db);
}

void onsale_drop(struct onsale_run *run)
{
    if (run->people.orders)
        (void)!onsale_people_stop(&run->people);
    db_close(run->db);
    child_kill(&run->child);
    child_remove(&run->child);
    seed_buyers_release(&run->accounts);
    onsale_people_release(&run->people);
}

bool onsale_close(struct onsale_run *run)
{
    db_close(run->db);
    run->db = NULL;
    bool is_stopped = child_stop(&run->child) == ERR_OK;
    bool is_clean = child_audit(&run->child) == 0;
    if (!is_stopped || !is_clean)
        fprintf(stderr, "onsale: %s\n",
                is_stopped ? "the audit is not clean" : "the server did not stop well");
    onsale_drop(run);
    return is_stopped && is_clean;
}
