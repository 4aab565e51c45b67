/*
 * The command: arguments, then a search for the rate of admissions that is safe, then the sale.
 *
 * The search doubles the rate until holds are no longer answered in time at p99, each time on a copy of
 * the event without a waiting room, and looks once between the last good rate and the first bad one.
 */
#include "tickets/rehearse.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "base/clock.h"
#include "base/ids.h"

#define ARGUMENTS_MAX 64
#define RATE_FIRST    50
#define STEP_SECONDS  2
#define STEP_SAMPLES  50 /* fewer holds say nothing */
#define STEP_GRACE_S  10 /* for answers that are late */
#define SEARCH_SHARE  3  /* a third of the time at most */

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

bool rehearse_is_over(void)
{
    return is_interrupted != 0;
}

/* --- Arguments --- */

static bool take_number(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    return !text || (str_to_i64(str_from_c(text), ret_value) == ERR_OK && *ret_value >= min &&
                     *ret_value <= max);
}

static int usage(const char *problem)
{
    fprintf(stderr,
            "foyer: %s\nusage: foyer rehearse --data DIR --event evt_… [--people N] "
            "[--arrivals RATE] [--ramp S] [--early N] [--seconds S] [--json FILE]\n",
            problem);
    return 2;
}

static int parse(int argc, char *const *argv, struct rehearse_options *options)
{
    const char *event = NULL, *people = NULL, *arrivals = NULL, *ramp = NULL, *seconds = NULL;
    const char *early = NULL;
    char message[256];
    char *rest[ARGUMENTS_MAX];
    int rest_count = 0;
    *options =
        (struct rehearse_options){.people = 2000, .arrivals = 200, .ramp_s = 5, .seconds = 120};
    for (int i = 0; i < argc && rest_count < ARGUMENTS_MAX; i++) {
        if (!command_take_value(argc, argv, &i, "--event", &event) &&
            !command_take_value(argc, argv, &i, "--people", &people) &&
            !command_take_value(argc, argv, &i, "--arrivals", &arrivals) &&
            !command_take_value(argc, argv, &i, "--ramp", &ramp) &&
            !command_take_value(argc, argv, &i, "--early", &early) &&
            !command_take_value(argc, argv, &i, "--seconds", &seconds) &&
            !command_take_value(argc, argv, &i, "--json", &options->json))
            rest[rest_count++] = argv[i];
    }
    if (!event || id_parse(str_from_c(event), "evt", &options->event_id) != ERR_OK)
        return usage("--event must be the id of an event");
    if (!take_number(people, 1, REHEARSE_PEOPLE_MAX, &options->people))
        return usage("--people must be 1 to 60000");
    if (!take_number(arrivals, 1, REHEARSE_RATE_MAX, &options->arrivals))
        return usage("--arrivals must be 1 to 20000 a second");
    if (!take_number(ramp, 0, REHEARSE_SECONDS_MAX, &options->ramp_s))
        return usage("--ramp must be 0 to 3600 seconds");
    if (!take_number(early, 0, options->people, &options->early))
        return usage("--early must be 0 to as many as --people");
    if (!take_number(seconds, 1, REHEARSE_SECONDS_MAX, &options->seconds))
        return usage("--seconds must be 1 to 3600");
    return config_load(rest_count, rest, &options->config, message) == ERR_OK ? 0 : usage(message);
}

/* --- The search --- */

struct search {
    const struct rehearse_options *options;
    const struct rehearse_stage *stage;
    const struct rehearse_event *event;
    int64_t good, bad; /* rates; bad 0: none yet */
};

/* ERR_OK with is_good when holds at this rate were answered in time. */
static enum err try_rate(const struct search *search, int64_t rate, bool *ret_is_good)
{
    char id[64];
    struct rehearse_result result;
    int64_t people = rate * STEP_SECONDS;
    if (people > search->options->people)
        people = search->options->people;
    enum err err = rehearse_stage_event(search->stage, search->event, false, clock_now_ms() - 1000,
                                        id, sizeof(id));
    if (err)
        return err;
    const struct rehearse_crowd_options options = {.stage = search->stage,
                                                   .event_id = id,
                                                   .people = people,
                                                   .arrivals = rate,
                                                   .seconds = STEP_SECONDS + STEP_GRACE_S};
    err = rehearse_crowd(&options, &result);
    if (!err) {
        *ret_is_good = result.unanswered == 0 && (int64_t)result.hold_count == people &&
                       rehearse_percentile(&result, 0.99) * 1e6 <= (double)REHEARSE_GOOD_NS;
        printf("  %6lld a second: p99 %.1f ms%s\n", (long long)rate,
               rehearse_percentile(&result, 0.99), *ret_is_good ? "" : ", too slow");
        (void)fflush(stdout); /* for people who wait */
    }
    rehearse_result_free(&result);
    return err;
}

static enum err search_rate(struct search *search)
{
    int64_t end_ns = clock_mono_ns() + search->options->seconds * 1000000000LL / SEARCH_SHARE;
    int64_t rate = RATE_FIRST;
    enum err err = ERR_OK;
    printf("Looking for a safe rate of admissions\n");
    for (bool is_last = false; !err && !is_last && !rehearse_is_over();) {
        bool is_good = false;
        err = try_rate(search, rate, &is_good);
        if (is_good)
            search->good = rate;
        else
            search->bad = rate;
        is_last = search->bad > 0 && search->bad - search->good <= search->good / 2;
        rate = search->bad ? (search->good + search->bad) / 2 : 2 * rate;
        /* A second of people at least, or the rate is none. */
        is_last = is_last || rate < 1 || rate > search->options->people ||
                  rate > REHEARSE_RATE_MAX || clock_mono_ns() > end_ns;
    }
    return err;
}

/* --- All of it --- */

static enum err play_sale(const struct rehearse_options *options, struct rehearse_stage *stage,
                          const struct rehearse_event *event, struct rehearse_report *report)
{
    char id[64];
    struct rehearse_result sale = {.arrived = 0};
    int64_t lead_ms = REHEARSE_LEAD_MS + options->early * 1000 / options->arrivals;
    int64_t onsale_ms = clock_now_ms() + (options->early > 0 ? lead_ms : -1000);
    enum err err = rehearse_stage_event(stage, event, true, onsale_ms, id, sizeof(id));
    if (err)
        return err;
    int64_t wait_ms = options->early > 0 ? onsale_ms - clock_now_ms() : 0;
    const struct rehearse_crowd_options crowd = {.stage = stage,
                                                 .early = options->early,
                                                 .wait_ns = wait_ms * 1000000,
                                                 .event_id = id,
                                                 .people = options->people,
                                                 .arrivals = options->arrivals,
                                                 .ramp_s = options->ramp_s,
                                                 .seconds = options->seconds,
                                                 .has_waiting_room = event->has_waiting_room,
                                                 .pays = true};
    err = rehearse_crowd(&crowd, &sale);
    report->sale = &sale;
    report->drawn = event->has_waiting_room ? rehearse_stage_drawn(stage, id) : 0;
    rehearse_stage_stop(stage);
    if (!err)
        err = rehearse_count(stage, id, &report->places_taken, &report->double_sold);
    if (!err && !rehearse_is_over()) {
        printf("\n");
        rehearse_report_print(report);
        if (options->json)
            err = rehearse_report_write(report);
    }
    rehearse_result_free(&sale);
    report->sale = NULL;
    return err;
}

static int run(const struct rehearse_options *options, const struct rehearse_event *event)
{
    struct rehearse_stage stage;
    struct rehearse_report report = {.options = options, .event = event};
    struct search search = {.options = options, .stage = &stage, .event = event};
    enum err err = rehearse_stage_begin(&stage, options->people);
    if (!err)
        err = search_rate(&search);
    report.safe_rate = search.good;
    report.tried_rate = search.bad > search.good ? search.bad : search.good;
    if (!err && !rehearse_is_over())
        err = play_sale(options, &stage, event, &report);
    rehearse_stage_end(&stage);
    if (rehearse_is_over())
        fprintf(stderr, "foyer: interrupted; nothing is left of the rehearsal\n");
    else if (err)
        fprintf(stderr, "foyer: the rehearsal failed: %s\n", err_name(err));
    return err || rehearse_is_over() || report.double_sold > 0 ? 1 : 0;
}

/* They come at the rate of arrivals, while the room is open before the sale. */
static int check_early(const struct rehearse_options *options, const struct rehearse_event *event)
{
    if (!event->has_waiting_room)
        return usage("--early needs an event that has a waiting room");
    if (options->early / options->arrivals + REHEARSE_LULL_MS / 1000 >= event->opens_before_s)
        return usage("--early: so many take longer at this rate of --arrivals than the waiting "
                     "room is open before the sale (opens_before_s)");
    return 0;
}

int command_rehearse(int argc, char *const *argv)
{
    struct rehearse_options options;
    struct rehearse_event event;
    struct sigaction action = {.sa_handler = on_signal};
    int status = parse(argc, argv, &options);
    if (status != 0)
        return status;
    (void)sigaction(SIGINT, &action, NULL); /* cannot fail for these */
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    enum err err = rehearse_copy(&options, &event);
    if (err)
        fprintf(stderr, "foyer: the event cannot be read: %s\n",
                err == ERR_NOT_FOUND ? "there is none of that id" : err_name(err));
    else if (options.early > 0)
        status = check_early(&options, &event);
    if (status == 0)
        status = err ? 1 : run(&options, &event);
    rehearse_event_free(&event);
    return status;
}
