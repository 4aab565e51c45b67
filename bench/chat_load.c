/* See chat_load.h. */
#include "chat_load_internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "process.h"

#define EVENTS_MAX      512
#define WAIT_NS         INT64_C(5000000)
#define LATE_NS         INT64_C(10000000)
#define SECOND_NS       INT64_C(1000000000)
#define WORK_SECONDS    10
#define TIMERS_A_CLIENT 6

unsigned chat_load_home(const struct chat_load *load, uint32_t user)
{
    return (user / load->processes + user) % load->node_count;
}

uint32_t chat_load_users(const struct chat_load *load, unsigned process)
{
    return (load->seed->user_count + load->processes - 1 - process) / load->processes;
}

/* --- a process --- */

uint64_t client_random(struct client_process *process)
{
    uint64_t state = process->seed_state;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return process->seed_state = state;
}

static void start_senders(struct client_process *process)
{
    uint32_t senders = process->work.senders ? process->work.senders : process->wanted;
    for (uint32_t i = 0; i < senders && i < process->wanted; i++) {
        for (unsigned k = 0; k < process->work.depth; k++)
            (void)client_write(process, &process->clients[i],
                               client_random(process) % 1000 < process->work.groups,
                               process->now_ns);
        client_flush(process, &process->clients[i]);
    }
}

static void take_orders(struct client_process *process)
{
    struct chat_orders *orders = process->load->orders;
    unsigned number = atomic_load_explicit(&orders->number, memory_order_acquire);
    if (number == process->order)
        return;
    process->order = number;
    process->work = orders->work;
    process->next_due_ns = process->now_ns;
    process->next_open_ns = process->now_ns;
    atomic_store_explicit(&orders->seen[process->number], number, memory_order_release);
    if (process->work.pace == CHAT_CLOSED_LOOP)
        start_senders(process);
}

static void open_some(struct client_process *process)
{
    const struct chat_work *work = &process->work;
    while (process->wanted > work->opened)
        client_close(process, &process->clients[--process->wanted]);
    while (process->wanted < work->opened && process->wanted < process->count &&
           process->opening < work->opening && process->next_open_ns <= process->now_ns) {
        client_open(process, &process->clients[process->wanted++]);
        if (work->open_per_s > 0)
            process->next_open_ns += SECOND_NS / work->open_per_s;
    }
}

static void write_due(struct client_process *process)
{
    const struct chat_work *work = &process->work;
    if (work->pace != CHAT_OPEN_LOOP || process->wanted == 0 || work->rate <= 0)
        return;
    uint32_t senders =
        work->senders && work->senders < process->wanted ? work->senders : process->wanted;
    while (process->next_due_ns <= process->now_ns) {
        struct client *client = &process->clients[client_random(process) % senders];
        if (process->now_ns - process->next_due_ns > LATE_NS)
            figure_add(&process->figures->late, 1);
        (void)client_write(process, client, client_random(process) % 1000 < work->groups,
                           process->next_due_ns);
        client_flush(process, client);
        process->next_due_ns += (int64_t)(1e9 / work->rate);
    }
}

/* Until the next timer or message, at most a few milliseconds: orders come without a sound. */
static int64_t run_timers(struct client_process *process)
{
    const struct heap_item *first;
    int64_t now_ms = process->now_ns / 1000000;
    while ((first = heap_peek(&process->timers)) && first->due_ms <= now_ms) {
        struct heap_item item = heap_pop(&process->timers);
        struct client *client = &process->clients[item.id];
        if (client->generation == (uint32_t)(item.shard >> 8))
            client_timer(process, client, (enum client_timer)(item.shard & 0xFF));
    }
    int64_t wait_ns = first ? first->due_ms * 1000000 - process->now_ns : WAIT_NS;
    if (process->work.pace == CHAT_OPEN_LOOP && process->next_due_ns - process->now_ns < wait_ns)
        wait_ns = process->next_due_ns - process->now_ns;
    return wait_ns < 0 ? 0 : wait_ns < WAIT_NS ? wait_ns : WAIT_NS;
}

static void turn(struct client_process *process)
{
    struct epoll_event events[EVENTS_MAX];
    process->now_ns = clock_mono_ns();
    take_orders(process);
    open_some(process);
    write_due(process);
    struct timespec wait = {.tv_nsec = run_timers(process)};
    int count = epoll_pwait2(process->epoll, events, EVENTS_MAX, &wait, NULL);
    for (int i = 0; i < count; i++) {
        const struct ws_client *socket = events[i].data.ptr;
        process->now_ns = clock_mono_ns();
        client_ready(process, socket->ctx, events[i].events);
    }
}

static void serve(struct chat_load *load, unsigned number)
{
    struct client_process process = {.load = load,
                                     .seed = load->seed,
                                     .figures = &load->figures[number],
                                     .number = number,
                                     .count = chat_load_users(load, number),
                                     .seed_state = rand_u64() | 1};
    process.clients = calloc(process.count, sizeof(*process.clients));
    process.next = calloc(load->ledger.sent_max, sizeof(*process.next));
    process.epoll = epoll_create1(EPOLL_CLOEXEC);
    heap_init(&process.timers, (size_t)process.count * TIMERS_A_CLIENT + 1024);
    if (!process.clients || !process.next || process.epoll < 0)
        _exit(1);
    process_raise_files();
    for (uint32_t i = 0; i < process.count; i++)
        client_init(&process, &process.clients[i], i * load->processes + number);
    while (!atomic_load_explicit(&load->orders->is_over, memory_order_relaxed))
        turn(&process);
    _exit(0);
}

/* --- the parent --- */

enum err chat_load_start(struct chat_load *load)
{
    load->ledger.seed = load->seed;
    load->ledger.processes = load->processes;
    load->figures = process_share(load->processes * sizeof(*load->figures));
    load->comebacks = process_share(load->seed->user_count * sizeof(*load->comebacks));
    load->orders = process_share(sizeof(*load->orders));
    if (!load->figures || !load->comebacks || !load->orders ||
        chat_ledger_make(&load->ledger) != ERR_OK)
        return ERR_NOMEM;
    for (unsigned i = 0; i < load->processes; i++) {
        load->pids[i] = fork();
        if (load->pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(load, i);
        }
        if (load->pids[i] < 0)
            return ERR_IO;
    }
    return ERR_OK;
}

enum err chat_load_stop(struct chat_load *load)
{
    enum err err = ERR_OK;
    if (load->orders)
        atomic_store(&load->orders->is_over, true);
    for (unsigned i = 0; i < load->processes; i++) {
        int status = 0;
        if (load->pids[i] <= 0)
            continue;
        if (waitpid(load->pids[i], &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
            err = ERR_IO;
        load->pids[i] = 0;
    }
    return err;
}

void chat_load_nap(int64_t ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

enum err chat_load_work(struct chat_load *load, const struct chat_work *work)
{
    int64_t until_ns = clock_mono_ns() + WORK_SECONDS * SECOND_NS;
    struct chat_orders *orders = load->orders;
    orders->work = *work;
    unsigned number = atomic_fetch_add_explicit(&orders->number, 1, memory_order_release) + 1;
    for (unsigned i = 0; i < load->processes; i++) {
        while (atomic_load_explicit(&orders->seen[i], memory_order_acquire) != number) {
            if (clock_mono_ns() > until_ns)
                return ERR_TIMEOUT;
            chat_load_nap(1);
        }
    }
    return ERR_OK;
}

uint64_t chat_load_sum(const struct chat_load *load, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < load->processes; i++) {
        const char *figures = (const char *)&load->figures[i];
        sum += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(figures + offset),
                                    memory_order_relaxed);
    }
    return sum;
}

void chat_load_hist(const struct chat_load *load, size_t offset, unsigned phase,
                    struct hist *ret_hist)
{
    *ret_hist = (struct hist){0};
    for (unsigned i = 0; i < load->processes; i++) {
        const char *figures = (const char *)&load->figures[i];
        hist_merge(ret_hist, (const struct hist *)(const void *)(figures + offset) + phase);
    }
}

enum err chat_load_wait(const struct chat_load *load, size_t offset, uint64_t value,
                        int64_t until_ns)
{
    while (chat_load_sum(load, offset) < value) {
        if (clock_mono_ns() > until_ns)
            return ERR_TIMEOUT;
        chat_load_nap(5);
    }
    return ERR_OK;
}
