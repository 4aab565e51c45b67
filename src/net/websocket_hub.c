/*
 * The hub: which sockets there are, and what other threads leave for them.
 *
 * An id is loop, slot and generation. A slot's generation moves on when its socket leaves it, so an
 * id that somebody still has reaches nobody else. Only the loop's thread reads and writes slots;
 * other threads just carry ids.
 *
 * A post is linked into its loop's list under the loop's lock; the first one wakes the loop, which
 * takes over all of them at its next turn, in order. One post carries one frame to all its targets
 * on that loop. Targets that wait are bounded by posts_max. Beyond it, an ephemeral frame is
 * dropped; any other leaves its socket's generation in a table as large as the slots, so that it
 * needs no memory to say who has missed something, and that socket is closed for a resync. A
 * message is never lost without its reader hearing of it.
 *
 * Tasks and closes are not counted against it: each belongs to work that was bounded where it was
 * taken in.
 */
#include "net/event_stream.h"
#include "net/websocket_internal.h"

#include "base/rand.h"

#include <assert.h>
#include <stdlib.h>

#define MESSAGE_MAX_DEFAULT    ((size_t)64 << 10)
#define QUEUE_BYTES_DEFAULT    ((size_t)256 << 10)
#define QUEUE_FRAMES_DEFAULT   1024
#define PARTIAL_MAX_DEFAULT    ((size_t)64 << 20)
#define POSTS_MAX_DEFAULT      ((size_t)256 << 10)
#define ADMIT_PER_S_DEFAULT    2000
#define PING_MS_DEFAULT        30000
#define PONG_MS_DEFAULT        15000
#define MESSAGE_MS_DEFAULT     30000
#define WRITE_MS_DEFAULT       20000
#define CLOSE_MS_DEFAULT       5000
#define CONTROL_FRAMES_RESERVE 16
#define TICK_MS_MIN            5
#define TICK_MS_MAX            5000
#define LOOPS_MAX              64
#define SLOT_BITS              24
#define SLOTS_FIRST            64

_Static_assert(WEBSOCKET_SLOTS_MAX <= 1u << SLOT_BITS, "a slot fits into an id");

enum post_kind {
    POST_FRAME,
    POST_CLOSE,
    POST_TASK
};

struct post_target {
    uint32_t slot, generation;
};

struct websocket_post {
    struct websocket_post *next;
    enum post_kind kind;
    bool is_ephemeral;
    unsigned code;
    struct shared *frame;
    struct websocket_task *task;
    size_t count;
    struct post_target targets[];
};

/* --- the hub --- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_defaults(struct websocket_options *options)
{
#define DEFAULT(field, value) options->field = options->field ? options->field : (value)
    DEFAULT(message_max, MESSAGE_MAX_DEFAULT);
    DEFAULT(frame_max, options->message_max);
    DEFAULT(queue_bytes_max, QUEUE_BYTES_DEFAULT);
    DEFAULT(queue_frames_max, QUEUE_FRAMES_DEFAULT);
    DEFAULT(queue_burst, 1);
    DEFAULT(partial_max, PARTIAL_MAX_DEFAULT);
    DEFAULT(posts_max, POSTS_MAX_DEFAULT);
    DEFAULT(admit_per_s, ADMIT_PER_S_DEFAULT);
    DEFAULT(ping_ms, PING_MS_DEFAULT);
    DEFAULT(pong_ms, PONG_MS_DEFAULT);
    DEFAULT(message_ms, MESSAGE_MS_DEFAULT);
    DEFAULT(write_ms, WRITE_MS_DEFAULT);
    DEFAULT(close_ms, CLOSE_MS_DEFAULT);
#undef DEFAULT
}

static int64_t tick_of(const struct websocket_options *options)
{
    int64_t shortest =
        least(least(options->ping_ms, options->pong_ms),
              least(options->message_ms, least(options->write_ms, options->close_ms)));
    int64_t tick = shortest / 4;
    return tick < TICK_MS_MIN ? TICK_MS_MIN : least(tick, TICK_MS_MAX);
}

struct websocket_hub *websocket_hub_new(const struct websocket_options *options, unsigned loops)
{
    assert(loops <= LOOPS_MAX && (options->on_message || options->is_event_stream));
    struct websocket_hub *hub = calloc(1, sizeof(*hub) + loops * sizeof(hub->loops[0]));
    struct shared *ping =
        options->is_event_stream ? event_stream_comment() : websocket_ping_frame();
    if (!hub || !ping) {
        free(hub);
        shared_unref(ping);
        return NULL;
    }
    hub->options = *options;
    set_defaults(&hub->options);
    assert(hub->options.queue_frames_max * hub->options.queue_burst + CONTROL_FRAMES_RESERVE <=
           OUTBOX_FRAMES_LIMIT);
    hub->limits = (struct outbox_limits){.frames_max = hub->options.queue_frames_max,
                                         .bytes_max = hub->options.queue_bytes_max};
    hub->burst_limits =
        (struct outbox_limits){.frames_max = hub->limits.frames_max * hub->options.queue_burst,
                               .bytes_max = hub->limits.bytes_max * hub->options.queue_burst};
    hub->control_limits = hub->burst_limits;
    hub->control_limits.frames_max += CONTROL_FRAMES_RESERVE;
    hub->control_limits.bytes_max += (size_t)CONTROL_FRAMES_RESERVE * (WEBSOCKET_CONTROL_MAX + 2);
    hub->partial_max = hub->options.partial_max / loops;
    hub->tick_ms = tick_of(&hub->options);
    hub->ping = ping;
    hub->loop_count = loops;
    for (unsigned i = 0; i < loops; i++) {
        struct websocket_loop *loop = &hub->loops[i];
        loop->hub = hub;
        loop->index = i;
        loop->posts_tail = &loop->posts;
        (void)pthread_mutex_init(&loop->lock, NULL); /* cannot fail on Linux */
    }
    return hub;
}

void websocket_hub_free(struct websocket_hub *hub)
{
    if (!hub)
        return;
    for (unsigned i = 0; i < hub->loop_count; i++) {
        struct websocket_loop *loop = &hub->loops[i];
        assert(!loop->is_open && !loop->posts);
        free(loop->slots);
        free(loop->overflowed);
        pthread_mutex_destroy(&loop->lock);
    }
    shared_unref(hub->ping);
    free(hub);
}

/* --- slots --- */

static websocket_id make_id(const struct websocket_loop *loop, uint32_t slot, uint32_t generation)
{
    return (uint64_t)loop->index << (32 + SLOT_BITS) | (uint64_t)slot << 32 | generation;
}

/* NULL: the id is none. */
static struct websocket_loop *loop_of(struct websocket_hub *hub, websocket_id id)
{
    uint64_t index = id >> (32 + SLOT_BITS);
    bool may_be = (uint32_t)id != 0 && index < hub->loop_count;
    return may_be ? &hub->loops[index] : NULL;
}

static struct post_target target_of(websocket_id id)
{
    return (struct post_target){.slot = id >> 32 & ((1u << SLOT_BITS) - 1),
                                .generation = (uint32_t)id};
}

websocket_id websocket_get_id(const struct websocket *socket)
{
    return socket->loop ? make_id(socket->loop, socket->slot, socket->generation) : 0;
}

static enum err grow_slots(struct websocket_loop *loop)
{
    uint32_t count = loop->slot_count ? loop->slot_count * 2 : SLOTS_FIRST;
    if (count > WEBSOCKET_SLOTS_MAX)
        return ERR_LIMIT;
    struct websocket_slot *slots = realloc(loop->slots, count * sizeof(*slots));
    if (!slots)
        return ERR_NOMEM;
    loop->slots = slots;
    uint32_t *overflowed = calloc(count, sizeof(*overflowed));
    if (!overflowed)
        return ERR_NOMEM;
    pthread_mutex_lock(&loop->lock);
    if (loop->overflow_cap > 0)
        memcpy(overflowed, loop->overflowed, loop->overflow_cap * sizeof(*overflowed));
    free(loop->overflowed);
    loop->overflowed = overflowed;
    loop->overflow_cap = count;
    pthread_mutex_unlock(&loop->lock);
    for (uint32_t i = loop->slot_count; i < count; i++)
        slots[i] = (struct websocket_slot){.generation = 1, .next_free = i + 1};
    loop->slot_count = count;
    return ERR_OK;
}

enum err websocket_slot_take(struct websocket_loop *loop, struct websocket *socket)
{
    if (loop->slot_free == loop->slot_count) {
        enum err err = grow_slots(loop);
        if (err)
            return err;
    }
    struct websocket_slot *slot = &loop->slots[loop->slot_free];
    assert(!slot->socket);
    socket->slot = loop->slot_free;
    socket->generation = slot->generation;
    socket->loop = loop;
    loop->slot_free = slot->next_free;
    slot->socket = socket;
    return ERR_OK;
}

void websocket_slot_leave(struct websocket_loop *loop, struct websocket *socket)
{
    struct websocket_slot *slot = &loop->slots[socket->slot];
    assert(slot->socket == socket && slot->generation == socket->generation);
    slot->socket = NULL;
    slot->generation = slot->generation == UINT32_MAX ? 1 : slot->generation + 1;
    slot->next_free = loop->slot_free;
    loop->slot_free = socket->slot;
}

static struct websocket *find(const struct websocket_loop *loop, struct post_target target)
{
    if (target.slot >= loop->slot_count)
        return NULL;
    const struct websocket_slot *slot = &loop->slots[target.slot];
    bool is_there = slot->socket && slot->generation == target.generation;
    return is_there && slot->socket->state == WEBSOCKET_OPEN ? slot->socket : NULL;
}

/* --- posting --- */

static struct websocket_post *post_new(enum post_kind kind, size_t count)
{
    struct websocket_post *post = calloc(1, sizeof(*post) + count * sizeof(post->targets[0]));
    if (post)
        post->kind = kind;
    return post;
}

static void post_free(struct websocket_post *post)
{
    shared_unref(post->frame);
    free(post);
}

/* With the loop's lock held, and open. */
static void link_locked(struct websocket_loop *loop, struct websocket_post *post)
{
    assert(loop->is_open);
    *loop->posts_tail = post;
    loop->posts_tail = &post->next;
    loop->post_targets += post->count;
    server_loop_wake(loop->server_loop);
}

static void overflow_locked(struct websocket_loop *loop, const websocket_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct post_target target = target_of(ids[i]);
        if (loop_of(loop->hub, ids[i]) == loop && target.slot < loop->overflow_cap)
            loop->overflowed[target.slot] = target.generation;
    }
    loop->has_overflowed = true;
    server_loop_wake(loop->server_loop);
}

/* Those of the ids that are of this loop, count of them. */
static enum err post_to_loop(struct websocket_loop *loop, const websocket_id *ids, size_t id_count,
                             size_t count, struct shared *frame, bool is_ephemeral)
{
    struct websocket_post *post = frame ? post_new(POST_FRAME, count) : NULL;
    enum err err = post ? ERR_OK : ERR_FULL;
    for (size_t i = 0; post && i < id_count; i++) {
        if (loop_of(loop->hub, ids[i]) == loop)
            post->targets[post->count++] = target_of(ids[i]);
    }
    if (post) {
        post->frame = shared_ref(frame);
        post->is_ephemeral = is_ephemeral;
    }
    pthread_mutex_lock(&loop->lock);
    if (loop->is_open && loop->post_targets + count > loop->hub->options.posts_max)
        err = ERR_FULL;
    if (loop->is_open && err == ERR_OK) {
        link_locked(loop, post);
        post = NULL;
    } else if (loop->is_open && is_ephemeral) {
        loop->counters.dropped_posts += count;
    } else if (loop->is_open) {
        overflow_locked(loop, ids, id_count);
    }
    pthread_mutex_unlock(&loop->lock);
    if (post)
        post_free(post);
    return err;
}

enum err websocket_post(struct websocket_hub *hub, const websocket_id *ids, size_t count,
                        struct shared *frame, bool is_ephemeral)
{
    size_t counts[LOOPS_MAX] = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        const struct websocket_loop *loop = loop_of(hub, ids[i]);
        if (loop)
            counts[loop->index]++;
    }
    for (unsigned i = 0; i < hub->loop_count; i++) {
        enum err loop_err =
            counts[i] > 0 ? post_to_loop(&hub->loops[i], ids, count, counts[i], frame, is_ephemeral)
                          : ERR_OK;
        err = loop_err ? loop_err : err;
    }
    return err;
}

static enum err post_one(struct websocket_hub *hub, websocket_id id, struct websocket_post *post)
{
    struct websocket_loop *loop = loop_of(hub, id);
    if (!post || !loop) {
        free(post);
        return post ? ERR_CLOSED : ERR_NOMEM;
    }
    post->targets[0] = target_of(id);
    post->count = 1;
    pthread_mutex_lock(&loop->lock);
    bool is_open = loop->is_open;
    if (is_open)
        link_locked(loop, post);
    pthread_mutex_unlock(&loop->lock);
    if (!is_open)
        free(post);
    return is_open ? ERR_OK : ERR_CLOSED;
}

enum err websocket_post_close(struct websocket_hub *hub, websocket_id id, unsigned code)
{
    struct websocket_post *post = post_new(POST_CLOSE, 1);
    assert(websocket_is_code(code));
    if (post)
        post->code = code;
    return post_one(hub, id, post);
}

enum err websocket_post_task(struct websocket_hub *hub, struct websocket_task *task)
{
    struct websocket_post *post = post_new(POST_TASK, 1);
    if (post)
        post->task = task;
    return post_one(hub, task->id, post);
}

/* --- taking over --- */

static void carry_out(struct websocket_loop *loop, const struct websocket_post *post)
{
    for (size_t i = 0; i < post->count; i++) {
        struct websocket *socket = find(loop, post->targets[i]);
        if (post->kind == POST_TASK)
            post->task->run(post->task, socket);
        else if (socket && post->kind == POST_CLOSE)
            websocket_close(socket, post->code, STR_NONE);
        else if (socket) /* refusals are the service's to hear, in on_full */
            (void)websocket_send(socket, post->frame, post->is_ephemeral);
    }
}

static void close_overflowed(struct websocket_loop *loop)
{
    for (uint32_t slot = 0; slot < loop->slot_count; slot++) {
        pthread_mutex_lock(&loop->lock);
        uint32_t generation = loop->overflowed[slot];
        loop->overflowed[slot] = 0;
        pthread_mutex_unlock(&loop->lock);
        struct post_target target = {.slot = slot, .generation = generation};
        struct websocket *socket = generation ? find(loop, target) : NULL;
        if (socket)
            websocket_overflow(socket);
    }
}

void websocket_loop_take_posts(struct websocket_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct websocket_post *post = loop->posts;
    bool has_overflowed = loop->has_overflowed;
    loop->posts = NULL;
    loop->posts_tail = &loop->posts;
    loop->post_targets = 0;
    loop->has_overflowed = false;
    pthread_mutex_unlock(&loop->lock);
    while (post) {
        struct websocket_post *next = post->next;
        carry_out(loop, post);
        post_free(post);
        post = next;
    }
    if (has_overflowed)
        close_overflowed(loop);
    websocket_loop_feed(loop);
    h2o_context_t *context = &loop->server_loop->context;
    if (!h2o_linklist_is_empty(&loop->turn_list) && !h2o_timeout_is_linked(&loop->turn))
        h2o_timeout_link(context->loop, &context->zero_timeout, &loop->turn);
}

/* --- a loop's beginning and end --- */

void websocket_loop_open(struct websocket_loop *loop, struct server_loop *server_loop)
{
    loop->server_loop = server_loop;
    h2o_linklist_init_anchor(&loop->turn_list);
    h2o_linklist_init_anchor(&loop->hungry_list);
    loop->turn.cb = websocket_on_turn;
    h2o_timeout_init(server_loop->context.loop, &loop->tick_timeout, (uint64_t)loop->hub->tick_ms);
    pthread_mutex_lock(&loop->lock);
    loop->is_open = true;
    pthread_mutex_unlock(&loop->lock);
}

void websocket_loop_close(struct websocket_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->is_open = false;
    pthread_mutex_unlock(&loop->lock);
    websocket_loop_take_posts(loop); /* tasks go back to their owners */
    assert(counter_get(&loop->counters.open) == 0 && h2o_linklist_is_empty(&loop->turn_list) &&
           h2o_linklist_is_empty(&loop->hungry_list));
    h2o_timeout_unlink(&loop->turn);
    h2o_timeout_dispose(loop->server_loop->context.loop, &loop->tick_timeout);
    while (loop->spare_count > 0)
        websocket_reader_free(loop->spares[--loop->spare_count]);
}

/* --- figures --- */

void websocket_stats(struct websocket_hub *hub, struct websocket_stats *ret_stats)
{
    *ret_stats = (struct websocket_stats){0};
    for (unsigned i = 0; i < hub->loop_count; i++) {
        const struct websocket_counters *counters = &hub->loops[i].counters;
        ret_stats->open += counter_get(&counters->open);
        ret_stats->opened += counter_get(&counters->opened);
        ret_stats->messages_in += counter_get(&counters->messages_in);
        ret_stats->frames_in += counter_get(&counters->frames_in);
        ret_stats->frames_out += counter_get(&counters->frames_out);
        ret_stats->bytes_in += counter_get(&counters->bytes_in);
        ret_stats->bytes_out += counter_get(&counters->bytes_out);
        ret_stats->writes += counter_get(&counters->writes);
        ret_stats->dropped_ephemeral += counter_get(&counters->dropped_ephemeral);
        ret_stats->dropped_posts += counter_get(&counters->dropped_posts);
        ret_stats->partial_bytes += counter_get(&counters->partial_bytes);
        for (int end = 0; end < WEBSOCKET_END_COUNT; end++)
            ret_stats->closed[end] += counter_get(&counters->closed[end]);
    }
    ret_stats->closed[WEBSOCKET_END_UNOPEN] += counter_get(&hub->unopened);
    for (int refusal = 0; refusal < WEBSOCKET_REFUSAL_COUNT; refusal++)
        ret_stats->refused[refusal] = counter_get(&hub->refused[refusal]);
}
