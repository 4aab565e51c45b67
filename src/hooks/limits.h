/* The limits of the hooks service, by name. Those that people notice stand in docs/api.md too. */
#ifndef HOOKS_LIMITS_H
#define HOOKS_LIMITS_H

#define DAY_MS (24 * INT64_C(3600) * 1000)

/* What callers send. */
#define NAME_BYTES_MAX         256
#define UID_BYTES_MAX          256
#define DESCRIPTION_BYTES_MAX  1024
#define URL_BYTES_MAX          2048
#define METADATA_BYTES_MAX     (32 << 10)
#define METADATA_KEYS_MAX      64
#define PAYLOAD_BYTES_MAX      (1u << 20)
#define ENVELOPE_BYTES_MAX     (64u << 10) /* of a message's body, besides its payload */
#define EVENT_ID_BYTES_MAX     256
#define EVENT_TYPES_MAX        64 /* that one endpoint names */
#define CHANNELS_MAX           10 /* of one endpoint */
#define MESSAGE_CHANNELS_MAX   5
#define ENDPOINT_HEADERS_MAX   32
#define HEADER_NAME_BYTES_MAX  128
#define HEADER_VALUE_BYTES_MAX 4096
#define THROTTLE_RATE_MAX      65535
#define ENDPOINTS_MAX          100 /* of one application */

/* Secrets: 24 to 64 bytes behind whsec_ (Standard Webhooks). */
#define SECRET_BYTES_MIN     24
#define SECRET_BYTES_MAX     64
#define SECRET_BYTES_DEFAULT 32
#define SECRETS_MAX          5 /* the current one and those of the grace period */
#define GRACE_S_DEFAULT      (24 * 3600)
#define GRACE_S_MAX          (7 * 24 * 3600)

/* Portal links. */
#define PORTAL_EXPIRY_S_MIN     3600
#define PORTAL_EXPIRY_S_MAX     (7 * 24 * 3600) /* the default, too */
#define PORTAL_TOKENS_MAX       1000 /* of one application: one more, and the oldest ends */
#define PORTAL_CAPABILITIES_MAX 16
#define PORTAL_SESSIONS_MAX     64 /* that one request may end */

/* What ingest keeps in memory of applications (routing.h); with more of them it begins anew. */
#define ROUTING_APPS_MAX     8192
#define ROUTING_BYTES_MAX    (64u << 20)
#define ROUTING_ACCOUNTS_MAX (1 << 18)
#define INGEST_LOOP_BYTES    (64u << 10) /* a larger body is read on a reader, not on a loop */

/* H2. */
#define ATTEMPTS_MAX    12
#define SCHEDULE_MS_MAX DAY_MS

/* Days are kept in rings of tables: see ring.h. */
#define RING_SLOTS        33
#define RETENTION_DAYS    31 /* what is older is not shown, though its table may still be there */
#define SEEN_SLOTS        4
#define SEEN_DAYS         11 /* days that one table of eventIds spans */
#define RING_SWEEP_MS_MAX (3600 * INT64_C(1000))

/* The dispatcher. */
#define DISPATCH_IN_FLIGHT_MAX     4096
#define DISPATCH_RESERVE           1024 /* of these, one each for endpoints that answer at once */
#define DISPATCH_SHARE             24   /* an endpoint has at most this part of what is left, */
#define DISPATCH_APP_IN_FLIGHT_MAX 640
#define DISPATCH_APP_RESERVE       ENDPOINTS_MAX /* of these, one for each of its endpoints */
#define DISPATCH_APP_SHARE         3             /* and this of what its application has left */
#define DISPATCH_WINDOW            4             /* of an endpoint, to begin with; see window.h */
#define DISPATCH_WINDOW_NARROW     32            /* for whoever answers */
#define DISPATCH_WINDOW_WIDE       128           /* for whoever can do so much at once */
#define DISPATCH_BYTES_MAX         (256 << 20)   /* of payloads in flight */
#define DISPATCH_READ_MAX          16            /* deliveries of an endpoint that wait in memory */
#define DISPATCH_KNOWN_MAX         256 /* of an endpoint, with those whose result is being written */
#define DISPATCH_DRAIN_MS          500        /* of a stop: what is in flight may end by itself */
#define DISPATCH_WAITING_MAX       (1 << 18)  /* of all */
#define DISPATCH_TARGETS_MAX       (1 << 20)  /* endpoints with something to do */
#define DISPATCH_NOTES_MAX         (1 << 16)  /* news from the writer; more, and all is read */
#define DISPATCH_QUANTUM           (64 << 10) /* bytes an application may send a round */
#define DISPATCH_COST              4096       /* of a delivery, besides its payload's bytes */
#define DISPATCH_SPARES_MAX        1024       /* of attempts, their memory of some 16 KiB each */
#define DISPATCH_SPARE_BYTES       4096       /* of one, of payload and answer */
#define DISPATCH_BATCH_MAX         256        /* results in one write */
#define DISPATCH_ROUND_MAX         256        /* sends begun before the network is looked at */
#define DISPATCH_STALL_MS                                                                          \
    1000 /* no answer for that long: nothing more is sent until there is one */
#define DISPATCH_PROVEN_MS       10000 /* an endpoint that has answered lately */
#define DISPATCH_FULL_MS         250   /* when the places are taken: asked again then */
#define DISPATCH_WAIT_MS         1000
#define DISPATCH_PAUSE_MS        1000  /* after a failure of our own */
#define DISPATCH_ENDPOINT_AGE_MS 5000  /* what is known of an endpoint is read anew then */
#define DISPATCH_OVER_MS         30000 /* how often those that wait for a breaker are counted out */
#define DISPATCH_POLL_MS         1000  /* how often other nodes' deliveries are looked for */
#define DISPATCH_POLL_ALL_MS     10000 /* also for messages of days ago */
#define DISPATCH_IDLE_MS         (30 * INT64_C(60000)) /* who has had nothing to do is forgotten */
#define DISPATCH_IDLE_LOOK_MS    1000                  /* how often some are looked at: */
#define DISPATCH_IDLE_LOOK_MAX   1024
#define BREAKER_FAILURES_MAX     10
#define BREAKER_PAUSE_MS         1000
#define BREAKER_PAUSE_MS_MAX     60000
#define FAILING_MS_MAX           (5 * DAY_MS) /* then the endpoint is disabled */

/* What waits for an endpoint is counted up to here when its health is asked for. */
#define QUEUED_COUNT_MAX 100000

/* Replays. */
#define REPLAY_IN_FLIGHT_MAX  16     /* of all jobs, to one endpoint; half of its window, if less */
#define REPLAY_WAITING_MAX    64     /* of a job and endpoint, queued and not attempted yet */
#define REPLAY_STEP_MAX       32     /* queued in one write */
#define REPLAY_YIELD_JOBS     32     /* that wait for the writer: replays queue nothing now */
#define REPLAY_YIELD_MS       50     /* then they look again */
#define REPLAY_SCAN_MAX       2048   /* messages looked at in one step when most do not count */
#define REPLAY_LOOK_MAX       500000 /* messages looked at to count what was never tried */
#define REPLAY_ROUND_MAX      64     /* legs in one round of the worker */
#define REPLAY_RUNNING_MAX    16     /* jobs of one application */
#define REPLAY_DELIVERIES_MAX 500000 /* of one job */
#define REPLAY_POLL_MS        1000   /* how often jobs of other nodes are looked for */
#define REPLAY_SWEEP_MAX      256    /* rows that go at each sweep of the ring */
#define REPLAY_HELD_DAYS      1      /* that retention waits for a running job */
/* Quotas: see quota.h. */
#define QUOTA_BURST_S         10    /* of the rate may come at once */
#define QUOTA_APPS_MAX        65536 /* whose messages are counted in memory */
#define QUOTA_BACKLOG_RETRY_S 30    /* when to ask again while too much waits */

/* What is kept of an answer. */
#define RESPONSE_BYTES_KEPT (16u << 10)

#endif
