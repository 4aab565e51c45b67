/* Every limit of the tickets service has its name here. */
#ifndef TICKETS_LIMITS_H
#define TICKETS_LIMITS_H

#define BOOKING_PLACES_MAX    6   /* seats plus area places of one booking */
#define EVENT_PER_ACCOUNT_MAX 100 /* highest cap an organizer may set per account and event */
#define EVENT_PER_ACCOUNT     12  /* default */
#define HOLD_TTL_S_MIN        30
#define HOLD_TTL_S_MAX        3600
#define HOLD_TTL_S            600
#define HOLD_EXTENSION_MS_MAX                                                                      \
    (10 * 60 * 1000)            /* once, while our breaker proves the provider is down */
#define BEST_PICKS_MAX        3 /* of one request whose seats turn out to be gone */
#define BEST_MARKS_MAX        (2 * (BEST_PICKS_MAX + 2) * BOOKING_PLACES_MAX) /* of one request */
#define BEST_TRIES_MAX        64  /* of one group, when others are faster each time */
#define BEST_GONE_MS          500 /* how long a node passes over what other nodes have taken */
#define BEST_STRICT_PERCENT   10  /* more free seats than that: none is left alone */
#define EVENT_PER_DEVICE      12  /* default, as of a card */
#define EVENT_PER_DEVICE_MAX  100
#define EVENT_PER_NETWORK     48 /* default */
#define EVENT_PER_NETWORK_MAX 100000
#define EVENT_OPEN_HOLDS      1 /* default */
#define EVENT_OPEN_HOLDS_MAX  100
/* Defence against bots, see abuse.h. */
#define CLUSTER_BOOKINGS_MAX        128 /* a cluster of more is over any cap */
#define CLUSTER_ACCOUNTS_SUSPICIOUS 3   /* accounts that a device or card joins */
#define NETWORK_SOLVED_FACTOR       20 /* more places of a network for those who solve challenges */
#define CROWD_PLACES                4  /* of each cluster there, holds and bookings together */
#define SUSPICIOUS_TTL_MS           (120 * 1000LL)
#define CHURN_WINDOW_MS             (30 * 60 * 1000LL)
#define CHURN_ENDS_MAX              3              /* holds that may end unpaid within it */
#define CHURN_QUICK_MS              (120 * 1000LL) /* given back so soon, a hold counts a quarter */
#define CHURN_WAIT_MS               (60 * 1000LL)  /* doubled for each one more */
#define CHURN_WAIT_MS_MAX           (15 * 60 * 1000LL)
#define CHALLENGE_MS                (10 * 60 * 1000LL)
#define CHALLENGE_NUMBER_MAX        100000             /* hashes that solving takes at most */
#define WARM_BEFORE_MS              (15 * 60 * 1000LL) /* how long before its sale an event is in memory */
#define WARM_AFTER_MS               (60 * 60 * 1000LL)
#define WARM_INTERVAL_MS            1000
#define WARM_PATIENCE_MS            60000 /* how long a node is not ready for want of one */
#define WARM_EVENTS_MAX             64    /* the earliest sales */
#define IDEMPOTENCY_MS              (24 * 60 * 60 * 1000LL)
#define EXPIRY_CHUNK_MAX            64   /* holds freed in one write */
#define EXPIRY_RETRY_MS             2000 /* after a write that failed for want of disk or memory */
#define OPEN_HOLDS_MAX              4000000
#define OFFICE_WAIT_MS              1000 /* how often a node asks whether it is the steward now */
#define TAIL_INTERVAL_MS            50   /* how often a node looks for what others wrote */
#define TAIL_OLD_MS                 5000 /* memory that is older refuses nobody */
#define TAIL_CLOCK_MS               1000 /* how often it asks for the database's time */
#define TAIL_PAUSE_MS_MAX           1000 /* while that fails */
#define TAIL_ROWS_MAX               500  /* in one round */
/* By how much an id may seem older than its transaction: clocks of nodes differ by less. */
#define KEYS_SLACK_MS 60000
/* A plan without a venue is somebody's import until it is that old. */
#define IMPORT_AGE_MS        (60 * 60 * 1000LL)
#define BACKSTOP_INTERVAL_MS 30000
#define BACKSTOP_OVERDUE_MS  30000
#define BACKSTOP_ROWS_MAX    1000
#define BACKSTOP_AGAIN_MS    1000 /* when it found as many */

#define PLAN_SEATS_MAX      250000
#define PLAN_SECTIONS_MAX   2000
#define PLAN_AREAS_MAX      200
#define PLAN_CATEGORIES_MAX 50
#define PLAN_NAME_MAX       100
#define PLAN_GUID_MAX       64
#define PLAN_COORDINATE_MAX 1000000.0
#define AREA_CAPACITY_MAX   1000000
#define MODELS_MAX          4096    /* events whose seats are in memory; idle ones leave first */
#define LAYOUT_SEATS_MAX    4000000 /* of all seating plans in memory; those in use stay */
#define PRICE_MAX           100000000LL /* minor units of one place */
#define BLOCK_SEATS_MAX     1000        /* in one request */

#define CALLBACK_TOLERANCE_MS  (5 * 60 * 1000)
#define PROVIDER_TIMEOUT_MS    10000
#define PROVIDER_RESPONSE_MAX  (256u << 10)
#define PROVIDER_IN_FLIGHT_MAX 64
#define PROVIDER_QUEUE_MAX     1024
/* The provider's breaker, see base/breaker.h. */
#define PROVIDER_FAILURES_MAX 5
#define PROVIDER_PAUSE_MS     500
#define PROVIDER_PAUSE_MS_MAX 5000
#define PROVIDER_PROBE_MS     15000

#define CHECK_IN_GATE_MAX    64
#define CHECK_IN_REVOKED_MAX 200000 /* in one bundle */
#define REPORT_HOURS_MAX     10000  /* newest ones */
#define REPORT_TICKETS_CHUNK 20000  /* rows of one read */
#define CSV_ROWS_MAX         50000  /* bookings in one file */
#define CSV_ROWS_CHUNK       500
#define SALES_POINTS_MAX     1440            /* minutes or hours in one answer */
#define DESK_ROWS_CHUNK      500             /* bookings looked at in one read */
#define DESK_ROWS_MAX        5000            /* and for one page of an organizer's list */
#define DESK_ACCOUNTS_MAX    100             /* whose email begins with what is searched for */
#define DESK_SEARCH_MIN      3               /* characters of an email */
#define SCANS_MAX            100             /* in one upload of an offline scanner */
#define TICKET_SCANS_MAX     100             /* that are kept of one ticket */
#define SCAN_EARLY_MS        (5 * 60 * 1000) /* by how much a scanner's clock may be ahead */

#define MAIL_ATTEMPTS_MAX 12
#define MAIL_RETRY_MS     15000 /* first pause, doubled each time */
#define MAIL_RETRY_MS_MAX (2 * 60 * 60 * 1000LL)
#define MAIL_TIMEOUT_MS   30000                       /* of one message, name to reply */
#define MAIL_FACT_AGE_MS  (7 * 24 * 60 * 60 * 1000LL) /* older news is not mailed any more */
#define MAIL_KEPT_MS      (30 * 24 * 60 * 60 * 1000LL)
#define MAIL_POLL_MS      500 /* how often the journal is looked at */
#define MAIL_NICE         15  /* of the thread that composes: people come first */
/* Rows without mail after which the cursor is written all the same. */
#define MAIL_CURSOR_ROWS 5000

/* The live map. */
#define LIVE_LISTENERS_MAX       200000 /* of all events, and never more than */
#define LIVE_CONNECTIONS_PERCENT 80     /* so much of the connections that the server takes */
#define LIVE_PER_EVENT_MAX       100000
#define LIVE_PER_NETWORK_MAX     4096 /* of one address (IPv6: /64): a crowd behind one NAT fits in */
#define LIVE_VIEWS_MAX           1024 /* events that somebody listens to, or has lately */
#define LIVE_TICK_MS             100  /* how long changes are gathered, and */
#define LIVE_TICK_LISTENERS      10000 /* so much longer again for each so many listeners of the event */
#define LIVE_KEPT_MS             60000 /* how long it is known what the last listener has seen */
#define LIVE_RETRY_MS            1000  /* after an event could not be read */
#define LIVE_QUEUE_BYTES_MAX     (256u << 10) /* of one listener that reads slowly */
#define LIVE_QUEUE_FRAMES_MAX    32
#define LIVE_SEND_BUFFER         (64 << 10) /* the same, in the kernel */
#define LIVE_COMMENT_MS          15000
#define LIVE_ADMIT_PER_S         5000
#define LIVE_ID_MAX              64

/* The waiting room: bounds of an event's settings, */
#define QUEUE_ADMITTED_MAX       100000
#define QUEUE_PER_MINUTE_MAX     600000
#define QUEUE_OPENS_BEFORE_S_MAX 86400
#define QUEUE_ADMISSION_S_MIN    60
#define QUEUE_ADMISSION_S_MAX    7200
#define QUEUE_QUIET_S_MIN        30
#define QUEUE_QUIET_S_MAX        3600
#define QUEUE_AUTO_ABOVE_MAX     100000
/* and the rest of it. */
#define QUEUE_ROOMS_MAX       4096    /* in memory */
#define QUEUE_DROP_MAX        64      /* that leave it at once */
#define QUEUE_ENTRIES_MAX     4000000 /* of one room */
#define QUEUE_JOINS_MAX       50      /* of one account into one room: a row stays of each */
#define QUEUE_TICK_MS         200     /* how often rooms are looked after */
#define QUEUE_GAP_MS          10000   /* more between two looks: time has jumped */
#define QUEUE_CHUNK_MAX       256     /* rows of one write */
#define QUEUE_CHUNKS_MAX      64      /* writes of one room in one look */
#define QUEUE_PLACE_CHUNKS    8       /* the same of places: the first ones are let in meanwhile */
#define QUEUE_FOLLOW_ROWS     2000    /* of the log in one read */
#define QUEUE_STALE_MS        2000    /* memory that is older accepts no token */
#define QUEUE_POLLS_PER_S     5000    /* questions of those who wait in one room, all together */
#define QUEUE_POLLS_FRONT     200     /* as far from the front people ask every second */
#define QUEUE_TOKEN_MS        60000   /* how long a token is good */
#define QUEUE_SEEN_PART       4       /* seen_at is written that often in quiet_s */
#define QUEUE_SEEN_MAX        65536   /* people to be noted as seen, of one room */
#define QUEUE_CROWD_MS        60000   /* `auto`: who was there that long ago is there */
#define QUEUE_AUTO_RELEASE_MS 300000  /* and doors stay closed at least that long */

#define BRIDGE_POLL_MS 100 /* how often the journal is looked at for messages to organizers */
/* Rows without a message after which the cursor is written all the same. */
#define BRIDGE_CURSOR_ROWS 5000
#define BRIDGE_CURSOR_MS   1000 /* the same when nothing comes */

#endif
