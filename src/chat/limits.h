/* The limits of the chat service, by name. Those that people notice stand in docs/api.md too. */
#ifndef CHAT_LIMITS_H
#define CHAT_LIMITS_H

#define DAY_MS (24 * INT64_C(3600) * 1000)

/* What callers send. */
#define TITLE_BYTES_MAX     200
#define TEXT_BYTES_MAX      8192 /* of a message */
#define CLIENT_ID_BYTES_MAX 64
#define EMOJI_BYTES_MAX     32
#define REASON_BYTES_MAX    1000
#define DEVICE_BYTES_MAX    100 /* name, platform */
#define PUSH_BYTES_MAX      2048
#define CHAT_BODY_BYTES_MAX (64u << 10)

/* How many. */
#define MEMBERS_MAX      100  /* of a chat */
#define CHATS_MAX        1000 /* of a user */
#define DEVICES_MAX      20   /* of a user */
#define BLOCKS_MAX       1000 /* of a user */
#define REACTIONS_MAX    8    /* of a user to one message */
#define MEMBERS_SHOWN    10   /* of a chat in a list of chats */
#define CONTEXT_MESSAGES 10   /* before a reported one */
#define PAGE_BYTES_MAX   (4u << 20)
#define LIST_BODY_MAX    (24u << 20)

/* Search: see search.h. A request ends when it has looked at so much, and says where to go on. */
#define SEARCH_QUERY_BYTES_MAX 200
#define SEARCH_WORDS_MAX       10
#define SEARCH_ENTRIES_MAX     20000
#define SEARCH_READS_MAX       2500 /* statements */
#define SEARCH_BYTES_MAX       (16 << 20)
#define SEARCH_MS_MAX          300 /* well below what a reading snapshot may take */

/* Media: see media.h. */
#define MEDIA_BYTES_MAX          (INT64_C(100) << 20) /* of a file */
#define MEDIA_PIECE_BYTES_MAX    (4u << 20)           /* of a PATCH: its body is held in memory */
#define MEDIA_QUOTA_BYTES        (INT64_C(1) << 30)   /* of a user: all that is kept */
#define MEDIA_QUOTA_FILES        2000                 /* the same, counted */
#define MEDIA_UPLOADS_MAX        20                   /* of a user, not finished */
#define MEDIA_FRESH_MS           DAY_MS /* to finish an upload, and then to send it somewhere */
#define MEDIA_NAME_BYTES_MAX     255
#define MEDIA_TYPE_BYTES_MAX     100
#define MEDIA_KEY_BYTES_MAX      64
#define MEDIA_METADATA_BYTES_MAX 4096
#define MEDIA_AGAIN_MS           (5 * 60 * INT64_C(1000)) /* that the collector waits for tables */
#define MEDIA_SWEEP_MAX          64 /* files of one transaction of the collector */
#define MEDIA_DESCRIPTORS_KEPT   128 /* that downloads leave: to databases, uploads, outgoing calls */

/* Thumbnails: see media_thumb.h. */
#define THUMB_PIXELS       512 /* of a side */
#define THUMB_BYTES_MAX    (512u << 10)
#define THUMB_SOURCE_BYTES (INT64_C(25) << 20) /* of an image; larger ones get none */
#define THUMB_SOURCE_PX    (INT64_C(40) << 20) /* pixels of an image: 40 M; the same */
#define THUMB_MEMORY_BYTES (512u << 20)
#define THUMB_CPU_S        5
#define THUMB_WAIT_MS      8000

/* Days of the log are kept in a ring of tables: see days.h. */
#define LOG_SLOTS        33
#define LOG_DAYS         30 /* an entry of an older day is not shown, though its table may still be there */
#define SENT_SLOTS       4
#define SENT_DAYS        11 /* days that one table of client ids spans */
#define SWEEP_INTERVAL_S 120

/* Receipts of the stream, until they are written: see receipt.h. */
#define RECEIPTS_INTERVAL_MS 200
#define RECEIPTS_CHATS_MAX   65536
#define RECEIPTS_BATCH_MAX   256 /* of a chat: members and devices */
#define RECEIPTS_TOGETHER    4   /* changes of a chat from which on they are told in one message */

/* The stream: see stream.h. */
#define STREAM_MESSAGE_BYTES_MAX (64u << 10)
#define STREAM_QUEUE_BYTES_MAX   (256u << 10) /* what waits for a client that does not read */
#define STREAM_QUEUE_FRAMES_MAX  1024
#define STREAM_QUEUE_BURST       4   /* times these for one that reads */
#define STREAM_SESSIONS_MAX      40  /* of a user; more end the oldest */
#define STREAM_UNANSWERED_MAX    64  /* sends of a session */
#define STREAM_MISTAKES_MAX      100 /* of a session in STREAM_MISTAKES_MS */
#define STREAM_MISTAKES_MS       60000
#define STREAM_HELLO_MS          10000 /* until a client has said who it is */
#define STREAM_ADMIT_PER_S       2000  /* new connections */
#define STREAM_READS_MAX         2 /* tasks of all streams at the reader pool; others wait outside of it */
#define STREAM_PAGE_BYTES_MAX                                                                      \
    (48u << 10) /* of frames in one trip to the database, and one message */
#define STREAM_PAGE_MESSAGES_MAX 100
#define STREAM_NEWS_MESSAGES_MAX 200 /* that one trip reads for the live listeners of a chat */
#define STREAM_NEWS_BYTES_MAX    (512u << 10)
#define STREAM_TYPING_MAX        1024 /* that wait to be looked at */
#define STREAM_TYPING_BATCH      64
#define STREAM_TYPING_KNOWN      4096 /* chats of which it is known whether typing is shown */
#define STREAM_TYPING_MS         3000 /* in which a session may type in so many chats */
#define STREAM_TYPING_BURST      5
#define STREAM_WATCH_MS          10000 /* in which a session may watch so often */
#define STREAM_WATCH_BURST       10
#define STREAM_CLOCK_MS          100   /* between looks at what is due */
#define STREAM_RECHECK_MS        60000 /* between looks whether a session's token still counts */
#define STREAM_RECHECK_BATCH     512
#define STREAM_RECHECK_USERS     4096 /* that one look for those that are due goes through */
#define STREAM_RESUME_JITTER_MS  2000 /* at least; more where more connections would come back */

/* What nodes tell each other: see feed.h. */
#define FEED_SPAN_MS      (10 * 60 * INT64_C(1000)) /* that one of the two tables is written */
#define FEED_INTERVAL_MS  20
#define FEED_PAUSE_MS_MAX 5000
#define FEED_BATCH_MAX    500

/* Typing and presence between nodes: see ephemera.h. */
#define EPHEMERA_INTERVAL_MS 100
#define EPHEMERA_WAITING_MAX 16384 /* to be said */
#define EPHEMERA_CALLS_MAX   16    /* in one turn */
#define EPHEMERA_BEAT_MS     2000
#define EPHEMERA_LOST_MS     10000
#define EPHEMERA_NODES_MAX   64

/* Who is online, and who watches them: see presence.h. */
#define PRESENCE_USERS_MAX    (1u << 20) /* that a node knows of */
#define PRESENCE_WATCHES_MAX  (1u << 20)
#define PRESENCE_WATCHED_MAX  100    /* of a stream */
#define PRESENCE_GRACE_MS     3000   /* away for less than this is not away */
#define PRESENCE_TRUST_MS     30000  /* that a watcher may see somebody */
#define PRESENCE_AGAIN_MS     20000  /* that who is here is said to other nodes again */
#define PRESENCE_AGES         3      /* turns after which it is not believed any more */
#define PRESENCE_WRITE_MS     180000 /* between two writes of when a user was seen last, */
#define PRESENCE_REFRESH_MS   900000 /* which are made also while they are here */
#define PRESENCE_WRITE_BATCH  256
#define PRESENCE_TELL_BATCH   1024 /* watchers of one user, of one change */
#define PRESENCE_CHECKS_MAX   65536
#define PRESENCE_CHECKS_BATCH 64

/* Notifications: see push.h. */
#define PUSH_DELAY_MS       2000 /* from a message to the first look: who is there says so meanwhile */
#define PUSH_AGAIN_MS       10000        /* between two to a device about one chat */
#define PUSH_KEPT_MS        (7 * DAY_MS) /* one that was shown may be taken back */
#define PUSH_TTL_S          (24 * 3600)  /* a push service keeps it for a device that is away */
#define PUSH_TIMEOUT_MS     10000
#define PUSH_WAIT_MS        100                   /* between two looks */
#define PUSH_PAUSE_MS       2000                  /* after one that failed */
#define PUSH_EXPAND_MAX     64                    /* chats looked at together */
#define PUSH_LOOK_MAX       256                   /* notifications that are due, read at once */
#define PUSH_SKIPPED_MAX    (256 * PUSH_LOOK_MAX) /* of them, that wait for their likes */
#define PUSH_FLIGHTS_MAX    64                    /* under way */
#define PUSH_USER_MAX       4                     /* of these, of one user: */
#define PUSH_ORIGIN_MAX     48                    /* and to one push service */
#define PUSH_ATTEMPTS_MAX   6
#define PUSH_BACKOFF_MS     5000                      /* doubled with each attempt */
#define PUSH_BACKOFF_MS_MAX (30 * 60 * INT64_C(1000)) /* also what Retry-After may ask for */
#define PUSH_FAILURES_MAX   3   /* given up in a row: the subscription is forgotten */
#define PUSH_TEXT_BYTES_MAX 240 /* of a message */
#define PUSH_ENTRIES_MAX    50  /* looked through for what to show */
#define PUSH_ENDPOINT_MAX   1024
#define PUSH_ORIGIN_BYTES   272 /* of it at most: a scheme, a name of 253, a port; it is signed */
#define PUSH_JWT_MS         (12 * 3600 * INT64_C(1000))

/* What webhooks are told: see fact.h. */
#define FACT_BATCH_MAX 100
#define FACT_WAIT_MS   200
#define FACT_PAUSE_MS  2000
#define FACT_KEPT_MS   (3 * DAY_MS) /* those that could not be told are dropped then */
#define FACT_SWEEP_MAX 1000         /* rows of a sweep */
#define FACT_BYTES_MAX (48u << 10)  /* of recipients in one; more are another */

#endif
