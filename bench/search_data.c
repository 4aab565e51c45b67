/* Seeding and indexing; see search_data.h. The file "catalogue" in the directory says what it
 * holds; it is written last. */
#include "search_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define INDEX_WAIT_MS INT64_C(7200000)
#define POLL_US       200000

static const char *const server_arguments[] = {"--abuse=off", "--log-level=warn", NULL};

static double seconds_since(int64_t started_ns)
{
    return (double)(clock_mono_ns() - started_ns) / 1e9;
}

/* --- Seeding --- */

static void label_path(const struct search_data *data, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "%s/catalogue", data->child.data);
}

static bool read_label(const struct search_data *data, size_t *ret_events, int64_t *ret_first_ms)
{
    char path[512];
    long long first_ms = 0;
    label_path(data, path, sizeof(path));
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool is_read = fscanf(file, "%zu %lld", ret_events, &first_ms) == 2;
    fclose(file);
    *ret_first_ms = first_ms;
    return is_read;
}

static enum err write_label(const struct search_data *data)
{
    char path[512];
    label_path(data, path, sizeof(path));
    FILE *file = fopen(path, "w");
    if (!file)
        return ERR_IO;
    fprintf(file, "%zu %lld\n", data->catalogue.event_count, (long long)data->catalogue.first_ms);
    return fclose(file) == 0 ? ERR_OK : ERR_IO;
}

static enum err seed(struct search_data *data)
{
    int64_t started_ns = clock_mono_ns();
    enum err err = catalogue_write(&data->catalogue, data->child.data);
    if (!err)
        err = write_label(data);
    data->seed_s = seconds_since(started_ns);
    data->is_new = true;
    return err;
}

enum err search_data_make(struct search_data *data, const char *directory, size_t events)
{
    size_t found = 0;
    int64_t first_ms = (clock_now_ms() / CATALOGUE_DAY_MS + 1) * CATALOGUE_DAY_MS;
    *data = (struct search_data){.is_kept = directory != NULL};
    if (directory) {
        snprintf(data->child.data, sizeof(data->child.data), "%s", directory);
        (void)mkdir(directory, 0700); /* it may be there */
    } else if (child_directory(&data->child)) {
        return ERR_IO;
    }
    bool is_there = read_label(data, &found, &first_ms);
    if (is_there && found != events) {
        fprintf(stderr, "%s holds %zu events, not %zu\n", data->child.data, found, events);
        return ERR_CONFLICT;
    }
    enum err err = catalogue_make(events, first_ms, &data->catalogue);
    return err || is_there ? err : seed(data);
}

/* --- Indexing --- */

/* Value of a line of /metrics that begins with the name; -1: not there. */
static int64_t metric(const struct search_data *data, const char *name)
{
    struct buf body;
    int64_t value = -1;
    int status = child_request(data->child.port, "GET", "/metrics", STR_NONE, &body);
    buf_append_char(&body, '\0');
    char start[128];
    snprintf(start, sizeof(start), "\n%s", name);
    const char *line = status == 200 ? strstr(body.data, start) : NULL;
    if (line)
        value = strtoll(line + strlen(start), NULL, 10);
    buf_release(&body);
    return value;
}

void search_data_cache(const struct search_data *data, int64_t *ret_hits, int64_t *ret_misses)
{
    *ret_hits = metric(data, "foyer_search_answers_total{from=\"memory\"} ");
    *ret_misses = metric(data, "foyer_search_answers_total{from=\"index\"} ");
}

/* A row of the journal an event: the index has them all when its cursor says so, and is at rest
 * when its pieces are merged. */
static enum err wait_indexed(struct search_data *data)
{
    int64_t started_ns = clock_mono_ns(), events = (int64_t)data->catalogue.event_count, done = 0;
    while (seconds_since(started_ns) * 1000 < INDEX_WAIT_MS) {
        done = metric(data, "foyer_consumer_cursor{consumer=\"search\"} ");
        if (done >= events && metric(data, "foyer_search_untidy ") == 0)
            break;
        usleep(POLL_US);
    }
    data->index_s = seconds_since(started_ns);
    return done >= events ? ERR_OK : ERR_TIMEOUT;
}

static int64_t resident_mib(const struct child *child)
{
    char path[64];
    long long pages = 0, resident = 0;
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)child->pid);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%lld %lld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * sysconf(_SC_PAGESIZE) >> 20;
}

enum err search_data_index(struct search_data *data)
{
    enum err err = child_start(&data->child, server_arguments);
    if (!err)
        err = wait_indexed(data);
    if (!err)
        err = child_stop(&data->child);
    if (err)
        return err;
    int64_t started_ns = clock_mono_ns();
    err = child_start(&data->child, server_arguments);
    data->start_ms = seconds_since(started_ns) * 1000;
    data->start_mib = resident_mib(&data->child);
    double index_s = data->index_s;
    if (!err)
        err = wait_indexed(data);
    data->index_s = index_s;
    return err;
}

void search_data_release(struct search_data *data)
{
    child_kill(&data->child);
    if (!data->is_kept)
        child_remove(&data->child);
    catalogue_release(&data->catalogue);
}
