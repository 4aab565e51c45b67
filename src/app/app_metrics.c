/* Which figures the application shows: requests by route, writers, pools, the process. metrics.c
 * keeps the numbers. */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "app/app_internal.h"
#include "base/clock.h"
#include "net/websocket.h"

#define LABELS_SIZE 320

/* Once at start; the loops and workers then count through the pointers. */
void app_metrics_bind(struct bound_route *bound)
{
    static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
    char labels[LABELS_SIZE];
    const char *method = http_method_name(bound->route->method);
    for (size_t i = bound->route->success == 101 ? 1 : 2; i < 6; i++) {
        (void)snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\",status=\"%s\"", method,
                       bound->route->pattern, classes[i]); /* patterns are short */
        bound->by_class[i] = metric_counter("foyer_http_requests_total", labels,
                                            "Requests answered, by route and class of status.");
    }
    (void)snprintf(labels, sizeof(labels), "method=\"%s\",route=\"%s\"", method,
                   bound->route->pattern);
    bound->latency = metric_histogram("foyer_http_request_duration_seconds", labels,
                                      "From the request's head to its answer.");
}

/* ---- writers: ctx is the writer ---- */

static struct writer_stats stats_of(void *writer)
{
    struct writer_stats stats;
    writer_stats(writer, &stats);
    return stats;
}

static int64_t writer_queue(void *writer)
{
    return (int64_t)stats_of(writer).queue_length;
}

static int64_t writer_jobs(void *writer)
{
    return (int64_t)stats_of(writer).jobs;
}

static int64_t writer_groups(void *writer)
{
    return (int64_t)stats_of(writer).groups;
}

static int64_t writer_failed_groups(void *writer)
{
    return (int64_t)stats_of(writer).failed_groups;
}

static int64_t writer_commit_us(void *writer)
{
    return (int64_t)(stats_of(writer).commit_ns_total / 1000);
}

static int64_t writer_group_us(void *writer)
{
    return (int64_t)(stats_of(writer).group_ns_total / 1000);
}

static int64_t writer_steward(void *writer)
{
    return writer_is_steward(writer);
}

static void register_writer(const char *service, struct writer *writer)
{
    char labels[LABELS_SIZE];
    (void)snprintf(labels, sizeof(labels), "service=\"%s\"", service); /* names are short */
    metric_gauge_fn("foyer_writer_queue", labels, "Writes that wait.", writer_queue, writer);
    metric_counter_fn("foyer_writer_jobs_total", labels, "Writes run; by groups: their size.",
                      writer_jobs, writer);
    metric_counter_fn("foyer_writer_groups_total", labels, "Transactions.", writer_groups, writer);
    metric_counter_fn("foyer_writer_failed_groups_total", labels,
                      "Transactions that were lost and run again one by one.", writer_failed_groups,
                      writer);
    metric_counter_fn("foyer_writer_commit_microseconds_total", labels, "Time in COMMIT.",
                      writer_commit_us, writer);
    metric_counter_fn("foyer_writer_group_microseconds_total", labels,
                      "Time from taking a group to its last answer.", writer_group_us, writer);
    metric_gauge_fn("foyer_steward", labels,
                    "1 on the node that does the service's own work for all that share its "
                    "database.",
                    writer_steward, writer);
}

/* ---- pools: ctx is the pool ---- */

static int64_t pool_queue(void *pool)
{
    return (int64_t)pool_queue_length(pool);
}

/* ---- the server: ctx is the server ---- */

static struct server_stats server_stats_of(void *server)
{
    struct server_stats stats;
    server_stats(server, &stats);
    return stats;
}

static int64_t connections_accepted(void *server)
{
    return (int64_t)server_stats_of(server).connections_accepted;
}

static int64_t connections_open(void *server)
{
    return (int64_t)server_stats_of(server).connections_open;
}

static int64_t requests_open(void *server)
{
    return (int64_t)server_stats_of(server).requests_open;
}

static int64_t connections_shed(void *server)
{
    return (int64_t)server_stats_of(server).shed;
}

static int64_t refused_malformed(void *server)
{
    return (int64_t)server_stats_of(server).refused_malformed;
}

/* ---- its websockets: ctx is the server, too ---- */

static struct websocket_stats websocket_stats_of(void *server)
{
    struct websocket_stats stats;
    websocket_stats(server_websockets(server), &stats);
    return stats;
}

#define FIGURE(name, field)                                                                        \
    static int64_t name(void *server)                                                              \
    {                                                                                              \
        return (int64_t)websocket_stats_of(server).field;                                          \
    }
FIGURE(sockets_open, open)
FIGURE(sockets_opened, opened)
FIGURE(frames_in, frames_in)
FIGURE(frames_out, frames_out)
FIGURE(bytes_in, bytes_in)
FIGURE(bytes_out, bytes_out)
FIGURE(socket_writes, writes)
FIGURE(dropped_ephemeral, dropped_ephemeral)
FIGURE(dropped_posts, dropped_posts)
FIGURE(refused_too_fast, refused[WEBSOCKET_TOO_FAST])
FIGURE(refused_origin, refused[WEBSOCKET_BAD_ORIGIN])
FIGURE(closed_by_peer, closed[WEBSOCKET_END_PEER])
FIGURE(closed_by_service, closed[WEBSOCKET_END_SERVICE])
FIGURE(closed_gone, closed[WEBSOCKET_END_GONE])
FIGURE(closed_idle, closed[WEBSOCKET_END_IDLE])
FIGURE(closed_slow_reader, closed[WEBSOCKET_END_SLOW_READER])
FIGURE(closed_full, closed[WEBSOCKET_END_FULL])
FIGURE(closed_stop, closed[WEBSOCKET_END_STOP])
#undef FIGURE

/* Everything else: mistakes of the client, or no memory. */
static int64_t closed_otherwise(void *server)
{
    struct websocket_stats stats = websocket_stats_of(server);
    return (int64_t)(stats.closed[WEBSOCKET_END_PROTOCOL] + stats.closed[WEBSOCKET_END_NOT_TEXT] +
                     stats.closed[WEBSOCKET_END_TOO_BIG] +
                     stats.closed[WEBSOCKET_END_SLOW_MESSAGE] + stats.closed[WEBSOCKET_END_MEMORY] +
                     stats.closed[WEBSOCKET_END_UNOPEN]);
}

struct socket_figure {
    const char *name, *labels, *help;
    int64_t (*fn)(void *server);
};

static const struct socket_figure socket_figures[] = {
    {"foyer_websockets_opened_total", NULL, "WebSockets opened.", sockets_opened},
    {"foyer_websockets_closed_total", "end=\"peer\"", "WebSockets that ended.", closed_by_peer},
    {"foyer_websockets_closed_total", "end=\"service\"", "WebSockets that ended.",
     closed_by_service},
    {"foyer_websockets_closed_total", "end=\"gone\"", "WebSockets that ended.", closed_gone},
    {"foyer_websockets_closed_total", "end=\"idle\"", "WebSockets that ended.", closed_idle},
    {"foyer_websockets_closed_total", "end=\"slow_reader\"", "WebSockets that ended.",
     closed_slow_reader},
    {"foyer_websockets_closed_total", "end=\"full\"", "WebSockets that ended.", closed_full},
    {"foyer_websockets_closed_total", "end=\"stop\"", "WebSockets that ended.", closed_stop},
    {"foyer_websockets_closed_total", "end=\"other\"", "WebSockets that ended.", closed_otherwise},
    {"foyer_websockets_refused_total", "why=\"too_fast\"", "Handshakes refused.", refused_too_fast},
    {"foyer_websockets_refused_total", "why=\"origin\"", "Handshakes refused.", refused_origin},
    {"foyer_websocket_frames_total", "way=\"in\"", "Frames of WebSockets.", frames_in},
    {"foyer_websocket_frames_total", "way=\"out\"", "Frames of WebSockets.", frames_out},
    {"foyer_websocket_bytes_total", "way=\"in\"", "Bytes of WebSockets.", bytes_in},
    {"foyer_websocket_bytes_total", "way=\"out\"", "Bytes of WebSockets.", bytes_out},
    {"foyer_websocket_writes_total", NULL, "System calls that wrote frames.", socket_writes},
    {"foyer_websocket_dropped_total", "what=\"ephemeral\"", "Frames dropped.", dropped_ephemeral},
    {"foyer_websocket_dropped_total", "what=\"posts\"", "Frames dropped.", dropped_posts},
};

static void show_websockets(struct server *server)
{
    if (!server_websockets(server))
        return;
    metric_gauge_fn("foyer_websockets_open", NULL, "WebSockets that are open.", sockets_open,
                    server);
    for (size_t i = 0; i < sizeof(socket_figures) / sizeof(socket_figures[0]); i++) {
        const struct socket_figure *figure = &socket_figures[i];
        metric_counter_fn(figure->name, figure->labels, figure->help, figure->fn, server);
    }
}

void app_show_server(struct app *app, struct server *server)
{
    app->server = server;
    show_websockets(server);
    metric_counter_fn("foyer_connections_accepted_total", NULL, "Connections taken in.",
                      connections_accepted, server);
    metric_gauge_fn("foyer_connections_open", NULL, "Connections that are open.", connections_open,
                    server);
    metric_gauge_fn("foyer_requests_open", NULL, "Requests that are not yet answered.",
                    requests_open, server);
    metric_counter_fn("foyer_connections_shed_total", NULL,
                      "Connections closed for the memory of their bodies.", connections_shed,
                      server);
    metric_counter_fn("foyer_requests_malformed_total", NULL,
                      "Refused because their framing could be read in two ways.", refused_malformed,
                      server);
}

/* ---- the process ---- */

static int64_t process_memory(void *ctx)
{
    (void)ctx;
    long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*s %lld", &pages) != 1)
        pages = 0;
    (void)fclose(file); /* was only read */
    return pages * sysconf(_SC_PAGESIZE);
}

/* What is in use of all arenas, without what the allocator keeps. */
static int64_t process_heap(void *app)
{
    struct mallinfo2 info = mallinfo2();
    (void)app;
    return (int64_t)(info.uordblks + info.hblkhd);
}

static int64_t process_fds(void *ctx)
{
    (void)ctx;
    int64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    (void)closedir(dir); /* was only read */
    return count - 3;    /* ".", ".." and the directory itself */
}

static int64_t process_cpu(void *ctx)
{
    (void)ctx;
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000000;
}

/* ---- the disk of the data: ctx is the application ---- */

static int64_t disk_free(void *ctx)
{
    const struct app *app = ctx;
    struct statvfs disk;
    if (statvfs(app->config->data, &disk) != 0)
        return 0;
    return (int64_t)(disk.f_bavail * disk.f_frsize);
}

static int64_t disk_size(void *ctx)
{
    const struct app *app = ctx;
    struct statvfs disk;
    if (statvfs(app->config->data, &disk) != 0)
        return 0;
    return (int64_t)(disk.f_blocks * disk.f_frsize);
}

static int64_t is_ready(void *ctx)
{
    return app_is_ready(ctx);
}

void app_metrics_register(struct app *app)
{
    register_writer("platform", app->platform_writer);
    for (size_t i = 0; i < app->table_count; i++) {
        if (app->tables[i]->writer && app->tables[i]->writer != app->platform_writer)
            register_writer(app->tables[i]->name, app->tables[i]->writer);
    }
    metric_gauge_fn("foyer_pool_queue", "pool=\"read\"", "Tasks that wait for a pool thread.",
                    pool_queue, app->pools[POOL_READ]);
    metric_gauge_fn("foyer_pool_queue", "pool=\"slow\"", "Tasks that wait for a pool thread.",
                    pool_queue, app->pools[POOL_SLOW]);
    metric_gauge_fn("foyer_ready", NULL, "1 when /readyz says so.", is_ready, app);
    metric_gauge_fn("foyer_disk_free_bytes", NULL, "Free on the disk of the data.", disk_free, app);
    metric_gauge_fn("foyer_disk_size_bytes", NULL, "Size of the disk of the data.", disk_size, app);
    metric_gauge_fn("process_resident_memory_bytes", NULL, "Memory in use.", process_memory, app);
    metric_gauge_fn("foyer_heap_bytes", NULL, "Allocated and not freed.", process_heap, app);
    metric_gauge_fn("process_open_fds", NULL, "Open descriptors.", process_fds, app);
    metric_counter_fn("process_cpu_seconds_total", NULL, "Processor time.", process_cpu, app);
    metric_set(metric_gauge("process_start_time_seconds", NULL, "Start, seconds since 1970."),
               clock_now_ms() / 1000);
}

void app_metrics_forget(struct app *app)
{
    for (size_t i = 0; i < app->table_count; i++)
        metrics_forget(app->tables[i]->writer);
    metrics_forget(app->pools[POOL_READ]);
    metrics_forget(app->pools[POOL_SLOW]);
    if (app->server)
        metrics_forget(app->server);
    metrics_forget(app);
}
