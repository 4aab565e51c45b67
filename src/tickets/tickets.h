/* The tickets service: what main.c composes. */
#ifndef TICKETS_TICKETS_H
#define TICKETS_TICKETS_H

#include "app/app.h"
#include "app/config.h"
#include "tickets/abuse_keys.h"
#include "tickets/inventory.h"

struct expiry;
struct payments;
struct replay_keys;
struct live;
struct mailer;
struct search;
struct tail;
struct queue_desk;
struct warm;

struct tickets {
    const struct config *config;
    struct app *app; /* from tickets_start on */
    struct service service;
    struct writer *writer;
    char database_path[CONFIG_LOCATION_MAX];
    struct inventory *inventory;
    struct expiry *expiry;
    struct payments *payments;
    struct replay_keys *replay_keys;
    struct mailer *mailer;
    struct live *live; /* started by whoever has the server */
    struct search *search;
    struct tail *tail;                /* NULL: no other node writes to this database */
    struct queue_desk *queue;         /* waiting rooms */
    struct warm *warm;                /* what is kept for sales that are near */
    _Atomic bool has_stalled_cancels; /* see event_cancel.c */
    char base_url[CONFIG_TEXT_MAX];   /* public, without a slash at the end */
    uint8_t ticket_public_key[32], ticket_secret_key[64];
    uint64_t ticket_key_id;
    struct abuse_keys abuse_keys;
};

/* Opens data_dir/tickets.db (writer thread started) and builds the route table. */
ERR_MUST_USE enum err tickets_new(const struct config *config, struct tickets **ret_tickets);
/* Other nodes write to the same database: memory follows the journal from now on. Before anything is
 * loaded; tickets_new does it on PostgreSQL. */
ERR_MUST_USE enum err tickets_follow(struct tickets *tickets);
struct service *tickets_service(struct tickets *tickets);
const char *tickets_database_path(const struct tickets *tickets);
/* Re-arms timers and starts the workers; port: where the server listens. Before requests are
 * served. */
ERR_MUST_USE enum err tickets_start(struct tickets *tickets, struct app *app, unsigned port);
/* Workers first, then the writer; after the server and the application's pools have stopped. */
void tickets_stop(struct tickets *tickets);
void tickets_free(struct tickets *tickets);

/* Route tables of the parts, joined by tickets.c. */
#define TICKETS_ROUTE_TABLES                                                                       \
    TABLE(venue_routes)                                                                            \
    TABLE(event_routes)                                                                            \
    TABLE(seatmap_routes)                                                                          \
    TABLE(live_routes)                                                                             \
    TABLE(queue_routes)                                                                            \
    TABLE(booking_routes)                                                                          \
    TABLE(abuse_routes)                                                                            \
    TABLE(payment_routes)                                                                          \
    TABLE(ticket_routes)                                                                           \
    TABLE(checkin_routes)                                                                          \
    TABLE(scans_routes)                                                                            \
    TABLE(report_routes)                                                                           \
    TABLE(desk_routes)                                                                             \
    TABLE(journal_routes)
#define TABLE(name)                                                                                \
    extern const struct route name[];                                                              \
    extern const size_t name##_count;
TICKETS_ROUTE_TABLES
#undef TABLE

#endif
