/*
 * Checks a draw: the commitment against the seed, the hash against the list, the list against its own
 * order; then draws again and says a place. It trusts nothing that it was given: the two documents are
 * somebody else's bytes.
 */
#include "tickets/verify_queue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "base/json.h"
#include "net/http_client.h"
#include "tickets/queue_order.h"

#define LIST_BYTES_MAX     ((size_t)256 << 20)
#define FAIRNESS_BYTES_MAX ((size_t)64 << 10)
#define ENTRY_TEXT_MAX     64
#define FETCH_TIMEOUT_MS   60000

struct evidence {
    uint8_t commitment[SHA256_SIZE], entries_hash[SHA256_SIZE], seed[SHA256_SIZE];
    int64_t entry_count;
};

static bool read_hash(const struct json_node *object, const char *name,
                      uint8_t ret_hash[static SHA256_SIZE])
{
    struct str text;
    size_t size = 0;
    return json_as_str(json_get(object, name), &text) &&
           hex_decode(text, ret_hash, SHA256_SIZE, &size) == ERR_OK && size == SHA256_SIZE;
}

static const char *read_evidence(struct arena *arena, struct str text, struct evidence *evidence)
{
    struct json_node *document = NULL;
    struct str message, algorithm;
    if (json_parse(arena, text, &document, &message) != ERR_OK || !json_is_object(document))
        return "the fairness document is not a JSON object";
    if (!json_as_str(json_get(document, "algorithm"), &algorithm) ||
        !str_eq(algorithm, STR(QUEUE_ORDER_ALGORITHM)))
        return "the algorithm is not one that this program knows";
    if (!read_hash(document, "commitment", evidence->commitment))
        return "there is no commitment";
    if (!read_hash(document, "revealed_seed", evidence->seed) ||
        !read_hash(document, "entries_hash", evidence->entries_hash) ||
        !json_as_i64(json_get(document, "entry_count"), &evidence->entry_count))
        return "the seed is not revealed yet: the list is still open";
    return NULL;
}

struct drawn {
    uint8_t rank[SHA256_SIZE];
    struct str id;
};

static int compare(const void *a, const void *b)
{
    const struct drawn *first = a, *second = b;
    return memcmp(first->rank, second->rank, SHA256_SIZE);
}

/* Lines into items; a fault, or NULL. */
static const char *read_list(struct str list, struct drawn *items, size_t count)
{
    struct str before = STR_NONE;
    for (size_t i = 0; i < count; i++) {
        struct str line = str_split(&list, '\n');
        if (line.len == 0 || line.len > ENTRY_TEXT_MAX)
            return "a line of the list is no id";
        size_t shared = before.len < line.len ? before.len : line.len;
        int order = before.data ? memcmp(before.data, line.data, shared) : -1;
        if (order > 0 || (order == 0 && before.len >= line.len))
            return "the list is not in the order of ids, or has one twice";
        items[i].id = before = line;
    }
    return NULL;
}

static const char *check(const struct evidence *evidence, struct str list, size_t lines)
{
    uint8_t hash[SHA256_SIZE];
    crypto_sha256(str_from((const char *)evidence->seed, SHA256_SIZE), hash);
    if (memcmp(hash, evidence->commitment, SHA256_SIZE) != 0)
        return "the revealed seed is not the one that was committed to";
    crypto_sha256(list, hash);
    if (memcmp(hash, evidence->entries_hash, SHA256_SIZE) != 0)
        return "the list is not the one that was hashed";
    if ((int64_t)lines != evidence->entry_count)
        return "the list has another length than it is said to have";
    return list.len > 0 && list.data[list.len - 1] != '\n' ? "the list's last line is cut" : NULL;
}

static void draw(const struct evidence *evidence, struct drawn *items, size_t count)
{
    uint8_t key[SHA256_SIZE];
    queue_order_key(evidence->seed, evidence->entries_hash, key);
    for (size_t i = 0; i < count; i++)
        queue_order_rank(key, items[i].id, items[i].rank);
    if (count > 0)
        qsort(items, count, sizeof(*items), compare);
}

enum err verify_queue(struct str fairness, struct str list, struct str entry, size_t *ret_count,
                      size_t *ret_place, const char **ret_fault)
{
    struct evidence evidence = {.entry_count = 0};
    struct arena arena;
    size_t lines = 0;
    arena_init(&arena, FAIRNESS_BYTES_MAX * 16);
    const char *fault = read_evidence(&arena, fairness, &evidence);
    arena_release(&arena);
    for (size_t i = 0; i < list.len; i++)
        lines += list.data[i] == '\n';
    if (!fault)
        fault = check(&evidence, list, lines);
    struct drawn *items = calloc(lines + 1, sizeof(*items));
    if (!items)
        return ERR_NOMEM;
    if (!fault)
        fault = read_list(list, items, lines);
    if (!fault)
        draw(&evidence, items, lines);
    *ret_count = lines;
    *ret_place = 0;
    *ret_fault = fault;
    for (size_t i = 0; !fault && entry.data && i < lines; i++)
        if (str_eq(items[i].id, entry))
            *ret_place = i + 1;
    free(items);
    return fault ? ERR_CORRUPT : ERR_OK;
}

/* --- Where the two documents come from --- */

static enum err read_file(const char *path, struct buf *text)
{
    char chunk[65536];
    size_t size;
    FILE *file = fopen(path, "rb");
    if (!file)
        return ERR_NOT_FOUND;
    while ((size = fread(chunk, 1, sizeof(chunk), file)) > 0)
        buf_append(text, chunk, size);
    bool has_failed = ferror(file) != 0;
    (void)fclose(file); /* only read */
    return has_failed ? ERR_IO : text->overflow ? ERR_LIMIT : ERR_OK;
}

struct fetch {
    struct http_call call;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
};

static void on_done(struct http_call *call)
{
    struct fetch *fetch = call->ctx;
    pthread_mutex_lock(&fetch->lock);
    fetch->is_done = true;
    pthread_cond_signal(&fetch->done);
    pthread_mutex_unlock(&fetch->lock);
}

static enum err fetch_text(struct http_client *client, const char *url, struct buf *text)
{
    struct fetch fetch = {.call = {.method = "GET",
                                   .url = url,
                                   .timeout_ms = FETCH_TIMEOUT_MS,
                                   .response_max = text->max,
                                   .on_done = on_done}};
    fetch.call.ctx = &fetch;
    pthread_mutex_init(&fetch.lock, NULL);
    pthread_cond_init(&fetch.done, NULL);
    enum err err = http_client_submit(client, &fetch.call);
    if (!err) {
        pthread_mutex_lock(&fetch.lock);
        while (!fetch.is_done)
            pthread_cond_wait(&fetch.done, &fetch.lock);
        pthread_mutex_unlock(&fetch.lock);
        err = fetch.call.err;
        if (!err && fetch.call.status != 200)
            err = ERR_NOT_FOUND;
        if (!err)
            buf_append_str(text, buf_str(&fetch.call.response));
        if (err)
            fprintf(stderr, "foyer verify-queue: %s: status %d %s\n", url, fetch.call.status,
                    fetch.call.message);
        http_call_release(&fetch.call);
    }
    pthread_cond_destroy(&fetch.done);
    pthread_mutex_destroy(&fetch.lock);
    return err ? err : text->overflow ? ERR_LIMIT : ERR_OK;
}

struct options {
    const char *url, *event, *entry, *fairness, *entries;
};

static enum err fetch_both(const struct options *options, struct buf *fairness, struct buf *list)
{
    char url[1024];
    struct http_client_options client_options = {.in_flight_max = 1, .queue_max = 2};
    struct http_client *client = NULL;
    enum err err = http_client_new(&client_options, &client);
    if (err)
        return err;
    int size =
        snprintf(url, sizeof(url), "%s/v1/events/%s/queue/fairness", options->url, options->event);
    err = size > 0 && (size_t)size < sizeof(url) ? fetch_text(client, url, fairness) : ERR_LIMIT;
    if (!err) {
        (void)snprintf(url, sizeof(url), "%s/v1/events/%s/queue/entries", options->url,
                       options->event); /* not longer than the one before */
        err = fetch_text(client, url, list);
    }
    http_client_free(client);
    return err;
}

static enum err read_both(const struct options *options, struct buf *fairness, struct buf *list)
{
    if (options->url)
        return fetch_both(options, fairness, list);
    enum err err = read_file(options->fairness, fairness);
    return err ? err : read_file(options->entries, list);
}

static int usage(void)
{
    fputs(
        "usage: foyer verify-queue --url URL --event evt_... [--entry que_...]\n"
        "       foyer verify-queue --fairness FILE --entries FILE [--entry que_...]\n"
        "Checks the draw of a waiting room: commitment, list, order; and says an entry's place.\n",
        stderr);
    return 2;
}

static bool read_options(int argc, char *const *argv, struct options *options)
{
    for (int i = 0; i < argc; i++) {
        if (!command_take_value(argc, argv, &i, "--url", &options->url) &&
            !command_take_value(argc, argv, &i, "--event", &options->event) &&
            !command_take_value(argc, argv, &i, "--entry", &options->entry) &&
            !command_take_value(argc, argv, &i, "--fairness", &options->fairness) &&
            !command_take_value(argc, argv, &i, "--entries", &options->entries))
            return false;
    }
    bool is_online = options->url && options->event && !options->fairness && !options->entries;
    bool is_offline = options->fairness && options->entries && !options->url && !options->event;
    return is_online || is_offline;
}

static int say(const struct options *options, struct str fairness, struct str list)
{
    size_t count = 0, place = 0;
    const char *fault = NULL;
    struct str entry = options->entry ? str_from_c(options->entry) : STR_NONE;
    enum err err = verify_queue(fairness, list, entry, &count, &place, &fault);
    if (err) {
        printf("not right: %s\n", fault ? fault : err_name(err));
        return 1;
    }
    printf("right: %zu entries, the commitment is of the seed, the hash is of the list\n", count);
    if (!options->entry)
        return 0;
    if (place > 0)
        printf("%s has place %zu\n", options->entry, place);
    else
        printf("%s is not on the list: it came after the draw, or left before\n", options->entry);
    return place > 0 ? 0 : 1;
}

int verify_queue_main(int argc, char *const *argv)
{
    struct options options = {.url = NULL};
    struct buf fairness, list;
    if (!read_options(argc, argv, &options))
        return usage();
    if (crypto_init() != ERR_OK)
        return 2;
    buf_init(&fairness, FAIRNESS_BYTES_MAX);
    buf_init(&list, LIST_BYTES_MAX);
    enum err err = read_both(&options, &fairness, &list);
    int status = 2;
    if (err)
        fprintf(stderr, "foyer verify-queue: the evidence could not be read: %s\n", err_name(err));
    else
        status = say(&options, buf_str(&fairness), buf_str(&list));
    buf_release(&fairness);
    buf_release(&list);
    return status;
}
