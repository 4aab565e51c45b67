/* Scenarios of foyer-bench and their options. */
#ifndef BENCH_SCENARIO_H
#define BENCH_SCENARIO_H

#include "report.h"

struct scenario_options {
    int seconds;      /* 0: the scenario's own */
    int connections;  /* 0: the scenario's own */
    int buyers;       /* 0: the scenario's own */
    int rate;         /* arrivals a second; 0: the scenario's own */
    const char *plan; /* demo: seating plan to sell, or NULL */
    const char *data; /* demo, search: keep the data here, or NULL */
    int events;       /* search; onsale: seats; 0: the scenario's own */
    int minutes;      /* slow-endpoint: how long it is ill; soak; 0: the scenario's own */
    /* holds: "defence", see there. slow-endpoint: the part to run, "15", "35", "half" or "half35"; NULL: all but the last. scalper:
     * the part to run, by its name; NULL: all. onsale: "open", without the waiting room; "brief",
     * without the last two parts. */
    const char *only;
};

/* Fills the report; false when it could not run at all. */
bool scenario_holds(const struct scenario_options *options, struct report *report);
bool scenario_steady(const struct scenario_options *options, struct report *report);
bool scenario_refused(const struct scenario_options *options, struct report *report);
bool scenario_availability(const struct scenario_options *options, struct report *report);
bool scenario_browse(const struct scenario_options *options, struct report *report);
bool scenario_purchases(const struct scenario_options *options, struct report *report);
bool scenario_expiry(const struct scenario_options *options, struct report *report);
bool scenario_live(const struct scenario_options *options, struct report *report);
bool scenario_idle(const struct scenario_options *options, struct report *report);
bool scenario_ws_echo(const struct scenario_options *options, struct report *report);
bool scenario_demo(const struct scenario_options *options, struct report *report);
bool scenario_replay_all(const struct scenario_options *options, struct report *report);
bool scenario_slow_endpoint(const struct scenario_options *options, struct report *report);
bool scenario_ingest(const struct scenario_options *options, struct report *report);
bool scenario_deliveries(const struct scenario_options *options, struct report *report);
bool scenario_chat(const struct scenario_options *options, struct report *report);
bool scenario_chat_crash(const struct scenario_options *options, struct report *report);
bool scenario_onsale(const struct scenario_options *options, struct report *report);
bool scenario_soak(const struct scenario_options *options, struct report *report);
bool scenario_peer(const struct scenario_options *options, struct report *report);
bool scenario_scalper(const struct scenario_options *options, struct report *report);
bool scenario_best(const struct scenario_options *options, struct report *report);
bool scenario_search(const struct scenario_options *options, struct report *report);

#endif
