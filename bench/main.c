/* foyer-bench SCENARIO [--seconds N] [--connections N] [--buyers N] [--rate N] [--json FILE] */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "scenario.h"

static const struct {
    const char *name;
    bool (*run)(const struct scenario_options *options, struct report *report);
    const char *help;
} scenarios[] = {
    {"holds", scenario_holds, "durable two-seat holds per second beside the bare writer"},
    {"peer", scenario_peer,
     "the same beside the textbook design: Redis guard, transaction a request"},
    {"onsale", scenario_onsale,
     "150,000 people at a waiting room, 8,000 attempts a second, a mass expiry"},
    {"soak", scenario_soak,
     "a sale that goes on for an hour: latency, memory, log and descriptors"},
    {"steady", scenario_steady, "latency of holds at a steady rate"},
    {"refused", scenario_refused, "refused holds on taken seats beside a bare HTTP server"},
    {"best", scenario_best, "best available seats of 50,000, beside one pass over them"},
    {"availability", scenario_availability, "availability and seat states beside the same"},
    {"browse", scenario_browse, "event pages, search and availability while holds run"},
    {"purchases", scenario_purchases, "whole purchases at the sandbox bank"},
    {"expiry", scenario_expiry, "50,000 holds that end at once while new ones arrive"},
    {"scalper", scenario_scalper,
     "a bot of 50 sessions after 500 seats, against the defence and beside honest people"},
    {"idle", scenario_idle, "thousands of idle connections beside a steady mix"},
    {"live", scenario_live, "the live map: 10,000 listeners of one event while holds go on"},
    {"ws-echo", scenario_ws_echo, "bare WebSockets: opening, idle memory, echo, fan-out"},
    {"demo", scenario_demo, "sells a whole stadium to thousands of simulated buyers"},
    {"ingest", scenario_ingest, "webhooks: durable messages per second beside the bare writer"},
    {"replay-all", scenario_replay_all,
     "webhooks: 10,000 dead letters sent again beside live messages"},
    {"deliveries", scenario_deliveries, "webhooks: sent a second beside a bare libcurl loop"},
    {"chat", scenario_chat, "chat: messages a second over the stream, idle memory, beside floors"},
    {"chat-crash", scenario_chat_crash,
     "chat: one of several servers killed under 95,000 connections and traffic"},
    {"search", scenario_search, "searches over many events in real cities at a steady rate"},
    {"slow-endpoint", scenario_slow_endpoint,
     "webhooks: an endpoint that takes 30 s, and half of them all, beside healthy ones"},
};
#define SCENARIO_COUNT (sizeof(scenarios) / sizeof(scenarios[0]))

static int usage(void)
{
    fprintf(stderr, "usage: foyer-bench SCENARIO [--seconds N] [--connections N] [--buyers N] "
                    "[--rate N] [--events N] [--plan FILE] [--data DIR] "
                    "[--minutes N] [--only PART] [--json FILE]\n");
    for (size_t i = 0; i < SCENARIO_COUNT; i++)
        fprintf(stderr, "  %-13s %s\n", scenarios[i].name, scenarios[i].help);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"seconds", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"buyers", required_argument, NULL, 'b'},
        {"rate", required_argument, NULL, 'r'},
        {"plan", required_argument, NULL, 'p'},
        {"data", required_argument, NULL, 'd'},
        {"events", required_argument, NULL, 'e'},
        {"minutes", required_argument, NULL, 'm'},
        {"only", required_argument, NULL, 'o'},
        {"json", required_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    struct scenario_options options = {0};
    struct report report = {0};
    const char *json_path = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 's':
            options.seconds = atoi(optarg);
            break;
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 'b':
            options.buyers = atoi(optarg);
            break;
        case 'r':
            options.rate = atoi(optarg);
            break;
        case 'p':
            options.plan = optarg;
            break;
        case 'd':
            options.data = optarg;
            break;
        case 'e':
            options.events = atoi(optarg);
            break;
        case 'm':
            options.minutes = atoi(optarg);
            break;
        case 'o':
            options.only = optarg;
            break;
        case 'j':
            json_path = optarg;
            break;
        default:
            return usage();
        }
    }
    if (optind + 1 != argc || crypto_init())
        return usage();
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < SCENARIO_COUNT; i++) {
        if (strcmp(scenarios[i].name, argv[optind]) != 0)
            continue;
        if (!scenarios[i].run(&options, &report)) {
            fprintf(stderr, "foyer-bench: %s could not run\n", argv[optind]);
            return 1;
        }
        report_print(&report);
        return report_write(&report, json_path) && report.ok ? 0 : 1;
    }
    return usage();
}
