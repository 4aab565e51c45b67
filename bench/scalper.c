/*
 * scalper (P1): a bot of 50 sessions that wants 500 seats: each holds ten, all wait for nine minutes (the test clock moves them),
 * then they pay. First with the defence off, where it must get them all; then against the defence, with ever
 * more of what makes sessions look like different people, and a crowd of honest people beside it: most
 * at home, families behind one router and with one card, a campus and a phone company behind one address each. What each
 * got is counted by what the clients saw confirmed, and again in the database.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/identity_store.h"
#include "base/rand.h"
#include "patron.h"
#include "scenario.h"
#include "store.h"
#include "tickets/booking.h"

#define BOTS            50
#define BOT_PLACES      10
#define BOT_PER_HOLD    6 /* what one hold may have */
#define WAIT_STEPS      3
#define WAIT_STEP_MS    (3 * 60 * 1000)
#define WAIT_MS         (WAIT_STEPS * WAIT_STEP_MS)
#define AFTER_ROUNDS    3 /* tries for more after paying */
#define AT_HOME         400
#define FAMILIES        100
#define FAMILY_BUYERS   2
#define CAMPUS          250
#define MOBILE          150
#define MOBILE_NETWORKS 2
#define HONEST          (AT_HOME + FAMILIES * FAMILY_BUYERS + CAMPUS + MOBILE)
#define HONEST_TRIES    4
#define PEOPLE          (BOTS + HONEST)
#define TEXT_SIZE       24
#define REFUSED_MAX     0.5 /* percent */

enum kind {
    KIND_HOME,
    KIND_FAMILY,
    KIND_CAMPUS,
    KIND_MOBILE,
    KIND_COUNT
};

/* What the bot's sessions have of their own. */
struct part {
    const char *name; /* static, of figures */
    bool has_defence, has_crowd;
    bool has_devices, has_networks, has_cards; /* 50 of them each; else one for all */
    bool throws_cookies_away;
    bool is_on_campus;                                      /* its one network is the campus's */
    const char *got, *counted, *refused_holds, *challenges; /* names of its figures */
};

#define PART_NAMES(text)                                                                           \
    .name = text, .got = text "_seats", .counted = text "_seats_by_database",                      \
    .refused_holds = text "_refused", .challenges = text "_challenges_solved"

static const struct part parts[] = {
    {PART_NAMES("control")},
    {PART_NAMES("one_browser"), .has_defence = true, .has_crowd = true},
    {PART_NAMES("one_network"), .has_defence = true, .has_crowd = true, .has_devices = true,
     .has_cards = true},
    {PART_NAMES("no_cookies"), .has_defence = true, .has_cards = true, .throws_cookies_away = true},
    {PART_NAMES("one_card"), .has_defence = true, .has_devices = true, .has_networks = true},
    {PART_NAMES("on_campus"), .has_defence = true, .has_crowd = true, .has_devices = true,
     .has_cards = true, .is_on_campus = true},
    {PART_NAMES("all_own"), .has_defence = true, .has_crowd = true, .has_devices = true,
     .has_networks = true, .has_cards = true},
};
#define PARTS (sizeof(parts) / sizeof(parts[0]))

struct person {
    struct patron patron;
    char device[DEVICE_TEXT_SIZE];
    char network[TEXT_SIZE], card[TEXT_SIZE];
    enum kind kind;
};

struct scalper {
    struct child child;
    struct seed_buyers buyers;
    char venue[40];
    struct patron_shop shop;
    struct person people[PEOPLE]; /* the bot's sessions first */
    uint64_t accounts[PEOPLE];
    /* Over all parts with a crowd. */
    unsigned honest, honest_refused, honest_challenged, honest_short;
    unsigned kinds[KIND_COUNT], kinds_refused[KIND_COUNT], kinds_challenged[KIND_COUNT];
    bool has_failed;
};

/* ---- who comes ---- */

static void dress_bot(struct person *person, unsigned index, const struct part *part,
                      struct person *first)
{
    *person = (struct person){0};
    snprintf(person->network, sizeof(person->network), "%s",
             part->is_on_campus ? "198.18.7.1" : "198.51.100.7");
    if (part->has_networks)
        snprintf(person->network, sizeof(person->network), "203.%u.%u.9", index, index * 3);
    snprintf(person->card, sizeof(person->card), "bot-card-%u", part->has_cards ? index : 0);
    person->patron = (struct patron){
        .account = index,
        .device = part->throws_cookies_away ? NULL
                  : part->has_devices       ? person->device
                                            : first->device,
        .network = person->network,
        .card = person->card,
        .wanted = BOT_PLACES,
        .per_hold = BOT_PER_HOLD,
        .pays_within_ms = part->has_defence ? WAIT_MS : 0, /* it is no fool */
    };
}

/* Most want two; nobody more than four. */
static unsigned places_wanted(void)
{
    static const unsigned wishes[] = {1, 2, 2, 2, 2, 2, 3, 4, 4, 4};
    return wishes[rand_below(sizeof(wishes) / sizeof(wishes[0]))];
}

static void dress_honest(struct person *person, unsigned index)
{
    unsigned family = (index - AT_HOME) / FAMILY_BUYERS;
    unsigned campus = AT_HOME + FAMILIES * FAMILY_BUYERS, mobile = campus + CAMPUS;
    *person = (struct person){0};
    snprintf(person->card, sizeof(person->card), "card-%u", index);
    if (index < AT_HOME) { /* three homes in each /24 */
        person->kind = KIND_HOME;
        snprintf(person->network, sizeof(person->network), "100.%u.%u.%u", 64 + index / 300,
                 index / 3 % 100, 10 + index % 3);
    } else if (index < campus) {
        person->kind = KIND_FAMILY;
        snprintf(person->network, sizeof(person->network), "100.80.%u.5", family);
        snprintf(person->card, sizeof(person->card), "family-card-%u", family);
    } else if (index < mobile) {
        person->kind = KIND_CAMPUS;
        snprintf(person->network, sizeof(person->network), "198.18.7.%u", 1 + index % 2);
    } else {
        person->kind = KIND_MOBILE;
        snprintf(person->network, sizeof(person->network), "100.100.%u.1", index % MOBILE_NETWORKS);
    }
    person->patron = (struct patron){.account = BOTS + index,
                                     .device = person->device,
                                     .network = person->network,
                                     .card = person->card,
                                     .wanted = places_wanted(),
                                     .per_hold = BOT_PER_HOLD};
}

/* Every other family has one computer for both. */
static void share_computers(struct person *people)
{
    for (unsigned family = 0; family < FAMILIES; family += 2) {
        unsigned first = BOTS + AT_HOME + family * FAMILY_BUYERS;
        for (unsigned i = 1; i < FAMILY_BUYERS; i++)
            people[first + i].patron.device = people[first].device;
    }
}

/* ---- what they do ---- */

static enum err act(struct scalper *scalper, unsigned first, unsigned count, enum patron_task task)
{
    struct patron *patrons[PEOPLE];
    size_t found = 0;
    for (unsigned i = first; i < first + count; i++) {
        struct person *person = &scalper->people[i];
        /* A device's cookie is fetched once. */
        if (task != PATRON_TAKES_DEVICE || person->patron.device == person->device)
            patrons[found++] = &person->patron;
    }
    return found ? patrons_do(&scalper->shop, patrons, found, task) : ERR_OK;
}

static enum err advance(const struct scalper *scalper, int64_t ms)
{
    char body[64];
    struct buf answer;
    int len = snprintf(body, sizeof(body), "{\"advance_ms\":%lld}", (long long)ms);
    int status = child_request(scalper->child.port, "POST", "/v1/test/clock",
                               str_from(body, (size_t)len), &answer);
    buf_release(&answer);
    return status == 200 ? ERR_OK : ERR_IO;
}

/* A share of the crowd buys; who was refused comes again when some time has passed. */
static enum err crowd_buys(struct scalper *scalper, unsigned step)
{
    struct patron *patrons[HONEST];
    size_t count = 0;
    for (unsigned i = 0; i < HONEST; i++) {
        struct patron *patron = &scalper->people[BOTS + i].patron;
        bool has_come = i % (WAIT_STEPS + 1) <= step;
        if (has_come && patron->bought < patron->wanted && patron->given_up < HONEST_TRIES)
            patrons[count++] = patron;
    }
    return count ? patrons_do(&scalper->shop, patrons, count, PATRON_BUYS) : ERR_OK;
}

static enum err play(struct scalper *scalper, const struct part *part)
{
    enum err err = act(scalper, 0, part->has_crowd ? PEOPLE : BOTS, PATRON_TAKES_DEVICE);
    if (!err && part->has_crowd && !scalper->people[BOTS].device[0])
        err = ERR_NOT_FOUND; /* browsers get no cookie: then the rest would prove nothing */
    if (!err)
        err = act(scalper, 0, BOTS, PATRON_HOLDS);
    for (unsigned step = 0; step < WAIT_STEPS && !err; step++) {
        if (part->has_crowd)
            err = crowd_buys(scalper, step);
        if (!err)
            err = advance(scalper, WAIT_STEP_MS);
        if (!err && step + 1 < WAIT_STEPS)
            err = act(scalper, 0, BOTS, PATRON_HOLDS); /* what was lost, again */
    }
    if (!err)
        err = act(scalper, 0, BOTS, PATRON_PAYS);
    for (unsigned round = 0; round < AFTER_ROUNDS && !err; round++) {
        err = act(scalper, 0, BOTS, PATRON_BUYS);
        if (!err && part->has_crowd)
            err = crowd_buys(scalper, WAIT_STEPS);
        if (!err)
            err = advance(scalper, WAIT_STEP_MS);
    }
    return err;
}

/* ---- counting ---- */

SQL(SQL_ACCOUNT_OF, "SELECT id FROM account WHERE email = $1");

static enum err find_accounts(struct scalper *scalper)
{
    char location[512];
    struct db *db = NULL;
    bench_location(&scalper->child, "platform", location, sizeof(location));
    enum err err = db_open(location, DB_ADMIN, &db);
    for (size_t i = 0; i < PEOPLE && !err; i++) {
        char email[64];
        int64_t id = 0;
        snprintf(email, sizeof(email), "buyer%zu@example.com", i);
        struct db_stmt *stmt = db_stmt(db, &SQL_ACCOUNT_OF);
        db_bind_str(stmt, 1, str_from_c(email));
        err = db_get_i64(stmt, &id);
        scalper->accounts[i] = (uint64_t)id;
    }
    db_close(db);
    return err;
}

SQL(SQL_BOUGHT, "SELECT COALESCE(SUM(places - given_back), 0) FROM booking "
                "WHERE event_id = $1 AND account_id = $2 AND state = $3");

/* Places that these people have in the database; each must have what it saw. */
static enum err recount(struct scalper *scalper, unsigned first, unsigned count,
                        unsigned *ret_places)
{
    char location[512];
    struct db *db = NULL;
    uint64_t event = 0;
    *ret_places = 0;
    bench_location(&scalper->child, "tickets", location, sizeof(location));
    enum err err = id_parse(str_from_c(scalper->shop.event), "evt", &event);
    if (!err)
        err = db_open(location, DB_ADMIN, &db);
    for (unsigned i = first; i < first + count && !err; i++) {
        int64_t places = 0;
        struct db_stmt *stmt = db_stmt(db, &SQL_BOUGHT);
        db_bind_i64(stmt, 1, (int64_t)event);
        db_bind_i64(stmt, 2, (int64_t)scalper->accounts[i]);
        db_bind_i64(stmt, 3, BOOKING_CONFIRMED);
        err = db_get_i64(stmt, &places);
        *ret_places += (unsigned)places;
        if (!err && places != scalper->people[i].patron.bought) {
            fprintf(stderr, "scalper: person %u saw %u places, the database has %lld\n", i,
                    scalper->people[i].patron.bought, (long long)places);
            scalper->has_failed = true;
        }
    }
    db_close(db);
    return err;
}

static enum err count_bot(struct scalper *scalper, const struct part *part, struct report *report)
{
    unsigned got = 0, refused = 0, solved = 0, by_database = 0;
    for (unsigned i = 0; i < BOTS; i++) {
        const struct patron *patron = &scalper->people[i].patron;
        got += patron->bought;
        refused += patron->refused + patron->slowed;
        solved += patron->solved;
        scalper->has_failed = scalper->has_failed || patron->unexpected > 0;
    }
    enum err err = recount(scalper, 0, BOTS, &by_database);
    report_figure(report, part->got, got);
    report_figure(report, part->counted, by_database);
    report_figure(report, part->refused_holds, refused);
    report_figure(report, part->challenges, solved);
    return err;
}

/* Who went away with nothing at all, or with less than they came for. */
static enum err count_crowd(struct scalper *scalper, const struct part *part)
{
    unsigned by_database = 0, refused = 0, fell_short = 0, challenged = 0, got = 0;
    for (unsigned i = BOTS; i < PEOPLE; i++) {
        const struct person *person = &scalper->people[i];
        const struct patron *patron = &person->patron;
        bool is_refused = patron->bought == 0;
        scalper->kinds[person->kind]++;
        scalper->kinds_refused[person->kind] += is_refused;
        scalper->kinds_challenged[person->kind] += patron->challenged > 0;
        refused += is_refused;
        fell_short += !is_refused && patron->bought < patron->wanted;
        challenged += patron->challenged > 0;
        got += patron->bought;
        scalper->has_failed = scalper->has_failed || patron->unexpected > 0;
    }
    printf("  %s: of %d honest people %u were refused, %u got fewer than they wanted, %u were "
           "challenged; %u places\n",
           part->name, HONEST, refused, fell_short, challenged, got);
    scalper->honest += HONEST;
    scalper->honest_refused += refused;
    scalper->honest_short += fell_short;
    scalper->honest_challenged += challenged;
    return recount(scalper, BOTS, HONEST, &by_database);
}

/* ---- the whole ---- */

static enum err run_part(struct scalper *scalper, const struct part *part, struct report *report)
{
    for (unsigned i = 0; i < BOTS; i++)
        dress_bot(&scalper->people[i], i, part, &scalper->people[0]);
    for (unsigned i = 0; i < HONEST; i++)
        dress_honest(&scalper->people[BOTS + i], i);
    share_computers(scalper->people);
    scalper->shop.port = scalper->child.port;
    enum err err = seed_event(scalper->child.port, scalper->venue, part->name,
                              "{\"Standard\":4500}", 600, scalper->shop.event);
    if (!err)
        err = play(scalper, part);
    if (!err)
        err = count_bot(scalper, part, report);
    if (!err && part->has_crowd)
        err = count_crowd(scalper, part);
    if (err)
        fprintf(stderr, "scalper: %s: %s\n", part->name, err_name(err));
    return err;
}

static enum err open_house(struct scalper *scalper, bool has_defence)
{
    const char *arguments[] = {has_defence ? "--abuse=on" : "--abuse=off", "--test-clock",
                               "--log-level=warn", "--trusted-proxies=127.0.0.0/8", NULL};
    const struct seed_arena arena = {.sections = 10, .rows = 20, .seats_per_row = 40};
    struct buf plan;
    enum err err = child_directory(&scalper->child);
    if (!err)
        err = seed_buyers(&scalper->child, PEOPLE, &scalper->buyers);
    if (!err)
        err = child_start(&scalper->child, arguments);
    if (err)
        return err;
    scalper->shop.buyers = &scalper->buyers;
    buf_init(&plan, 32u << 20);
    seed_arena_plan(&arena, &plan);
    err = seed_venue(scalper->child.port, "Scalper arena", buf_str(&plan), scalper->venue);
    buf_release(&plan);
    return err ? err : find_accounts(scalper);
}

static enum err close_house(struct scalper *scalper, enum err err)
{
    if (!err)
        err = child_stop(&scalper->child);
    if (!err && child_audit(&scalper->child) != 0)
        scalper->has_failed = true;
    child_kill(&scalper->child);
    child_remove(&scalper->child);
    seed_buyers_release(&scalper->buyers);
    scalper->child = (struct child){0};
    return err;
}

static enum err run_parts(struct scalper *scalper, const char *only, bool has_defence,
                          struct report *report)
{
    enum err err = open_house(scalper, has_defence);
    for (size_t i = 0; i < PARTS && !err; i++) {
        if (parts[i].has_defence == has_defence && (!only || strcmp(only, parts[i].name) == 0))
            err = run_part(scalper, &parts[i], report);
    }
    return close_house(scalper, err);
}

static void report_crowd(const struct scalper *scalper, struct report *report)
{
    static const char *const names[KIND_COUNT] = {"at home", "families", "campus", "mobile"};
    double percent = scalper->honest ? 100.0 * scalper->honest_refused / scalper->honest : 0;
    report_figure(report, "honest_people", scalper->honest);
    report_figure(report, "honest_refused", scalper->honest_refused);
    report_figure(report, "honest_got_fewer", scalper->honest_short);
    report_figure(report, "honest_challenged", scalper->honest_challenged);
    for (unsigned i = 0; i < KIND_COUNT; i++)
        printf("  %-9s %u came, %u refused, %u challenged\n", names[i], scalper->kinds[i],
               scalper->kinds_refused[i], scalper->kinds_challenged[i]);
    report_aim(report, (struct report_aim){.what = "honest people refused, %",
                                           .value = percent,
                                           .at_most = REFUSED_MAX});
}

bool scenario_scalper(const struct scenario_options *options, struct report *report)
{
    struct scalper *scalper = calloc(1, sizeof(*scalper));
    report->scenario = "scalper";
    if (!scalper)
        return false;
    enum err err = run_parts(scalper, options->only, false, report);
    if (!err)
        err = run_parts(scalper, options->only, true, report);
    report_crowd(scalper, report);
    /* Without its 500 in the control the rest would prove nothing. */
    bool is_control = options->only && strcmp(options->only, "control") != 0;
    bool has_500 =
        is_control || (unsigned)report_value(report, "control_seats") == BOTS * BOT_PLACES;
    report->ok = !err && !scalper->has_failed && has_500;
    free(scalper);
    return !err;
}
