/* A process of people; see onsale_people.h. What they try for is in onsale_attempt.c, how they
 * buy in onsale_buy.c. */
#include "onsale_people.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"
#include "onsale_person.h"
#include "process.h"

#define POLL_MS_DEFAULT 5000
#define RETRY_MS        1000
#define MAP_MS          400
#define FAILURES        3
#define EVER_NS         (365 * 86400 * 1000000000LL)
#define WATCHER         (TILLS) /* behind the tills: the connection that looks at the map */

/* --- Small things --- */

bool peek_text(struct str json, const char *name, char *ret_text, size_t size)
{
    char key[32];
    int len = snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *at = json.len ? memmem(json.data, json.len, key, (size_t)len) : NULL;
    if (!at)
        return false;
    at += len;
    const char *end = memchr(at, '"', (size_t)(json.data + json.len - at));
    return end && str_to_c(str_from(at, (size_t)(end - at)), ret_text, size) == ERR_OK;
}

bool peek_number(struct str json, const char *name, int64_t *ret_number)
{
    char key[32];
    int len = snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = json.len ? memmem(json.data, json.len, key, (size_t)len) : NULL;
    if (!at || at + len >= json.data + json.len || at[len] < '0' || at[len] > '9')
        return false;
    *ret_number = strtoll(at + len, NULL, 10);
    return true;
}

void person_send(struct person *person, const char *method, const char *path, struct str body,
                 const char *key, int64_t intended_ns)
{
    char headers[512];
    struct onsale_people *people = person->process->people;
    size_t n = person->number;
    int len = snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", people->tokens[n]);
    if (people->orders->has_networks)
        len +=
            snprintf(headers + len, sizeof(headers) - (size_t)len,
                     "X-Forwarded-For: %zu.%zu.%zu.7\r\n", 20 + n / 65536, n / 256 % 256, n % 256);
    if (person->admission[0])
        len += snprintf(headers + len, sizeof(headers) - (size_t)len, "Foyer-Admission: %s\r\n",
                        person->admission);
    if (key)
        len +=
            snprintf(headers + len, sizeof(headers) - (size_t)len, "Idempotency-Key: %s\r\n", key);
    struct load_request request = {.method = method,
                                   .path = str_from_c(path),
                                   .headers = str_from(headers, (size_t)len),
                                   .body = body,
                                   .intended_ns = intended_ns};
    person->process->figures->tally.reopened += !load_is_open(person->conn);
    person->sent_ns = clock_mono_ns();
    load_send(person->conn, &request);
}

void person_wake(struct person *person, int64_t delay_ms)
{
    person->wake_ns = clock_mono_ns() + delay_ms * 1000000;
    load_timer(person->conn, delay_ms);
}

void person_become_idle(struct person *person)
{
    struct crowd_process *process = person->process;
    person->step = PERSON_INSIDE;
    if (person->idle_at || !person->is_admitted)
        return;
    process->idle[process->idle_count++] = person;
    person->idle_at = process->idle_count;
    if (person->wake_ns < clock_mono_ns()) /* it was due while something was under way */
        person_wake(person, 1);
}

void person_leave_idle(struct person *person)
{
    struct crowd_process *process = person->process;
    if (!person->idle_at)
        return;
    struct person *last = process->idle[--process->idle_count];
    process->idle[person->idle_at - 1] = last;
    last->idle_at = person->idle_at;
    person->idle_at = 0;
}

void person_note_stay(struct person *person)
{
    if (person->stays >= ONSALE_STAYS)
        return;
    struct onsale_stay *stay =
        &person->process->people->stays[person->number * ONSALE_STAYS + person->stays];
    if (!stay->from_ns)
        stay->from_ns = clock_mono_ns();
    stay->to_ns = person->sent_ns;
}

void person_end_stay(struct person *person)
{
    if (person->stays < ONSALE_STAYS &&
        person->process->people->stays[person->number * ONSALE_STAYS + person->stays].from_ns)
        person->stays++;
    person->is_admitted = false;
    person->admission[0] = '\0';
}

void person_goes(struct person *person)
{
    person_leave_idle(person);
    person->step = PERSON_GONE;
    load_close(person->conn);
}

/* --- The waiting room --- */

static void queue_path(const struct person *person, bool is_own, char *ret_path, size_t size)
{
    snprintf(ret_path, size, "/v1/events/%s/queue%s%s", person->process->orders->event,
             is_own ? "/" : "", is_own ? person->entry : "");
}

static void person_walk_in(struct person *person)
{
    person->process->figures->tally.came_in += !person->is_admitted;
    person->is_admitted = true;
    person->wake_ns = INT64_MAX;
    person_become_idle(person);
}

static void person_join(struct person *person)
{
    char path[160];
    if (!person->process->orders->has_room) {
        person_walk_in(person);
        return;
    }
    queue_path(person, false, path, sizeof(path));
    person->step = PERSON_JOIN;
    person_send(person, "POST", path, STR_NONE, NULL, 0);
}

void person_poll(struct person *person)
{
    char path[160];
    person_leave_idle(person);
    if (!person->process->orders->has_room) {
        person_walk_in(person);
        return;
    }
    queue_path(person, true, path, sizeof(path));
    person->step = PERSON_POLL;
    person->process->figures->tally.polls++;
    person_send(person, "GET", path, STR_NONE, NULL, 0);
}

static void take_place(struct person *person, const struct load_answer *answer)
{
    struct crowd_process *process = person->process;
    struct onsale_tally *tally = &process->figures->tally;
    char state[32] = "";
    int64_t pause_ms = POLL_MS_DEFAULT;
    (void)peek_text(answer->body, "state", state, sizeof(state));
    (void)peek_number(answer->body, "poll_after_ms", &pause_ms);
    if (strcmp(state, "admitted") == 0 &&
        peek_text(answer->body, "token", person->admission, sizeof(person->admission))) {
        tally->came_in += !person->is_admitted;
        person->is_admitted = true;
        person_wake(person, pause_ms);
        person_become_idle(person);
        return;
    }
    if (person->is_admitted)
        person_end_stay(person);
    if (strcmp(state, "lapsed") == 0) {
        tally->lapsed++;
        person_join(person);
        return;
    }
    if (strcmp(state, "done") == 0 || strcmp(state, "left") == 0) {
        person_goes(person);
        return;
    }
    person->step = PERSON_WAITS;
    person_wake(person, pause_ms);
    if (!process->orders->keeps_sockets)
        load_close(person->conn);
}

static void on_place(struct person *person, const struct load_answer *answer)
{
    struct onsale_tally *tally = &person->process->figures->tally;
    bool is_join = person->step == PERSON_JOIN;
    bool is_good = answer->status == 200 || answer->status == 201;
    hist_add(&person->process->figures->polls, answer->latency_ns);
    if (is_good && is_join) {
        tally->joined++;
        is_good = peek_text(answer->body, "id", person->entry, sizeof(person->entry));
    }
    if (is_good) {
        take_place(person, answer);
        return;
    }
    if (answer->status == 409 && is_join &&
        memmem(answer->body.data, answer->body.len, "closed", 6)) {
        person_goes(person);
        return;
    }
    if (answer->status != 503 && answer->status != 429 && answer->status != 409 &&
        answer->status != 0 && tally->unexpected++ < FAILURES)
        fprintf(stderr, "onsale: place: %d %.*s\n", answer->status, STR_ARG(answer->body));
    tally->busy += answer->status == 503 || answer->status == 0;
    person->step = is_join ? PERSON_OUT : PERSON_WAITS;
    person_wake(person, RETRY_MS);
}

/* --- A person's answers and times --- */

static void on_answer(struct load_conn *conn, const struct load_answer *answer)
{
    struct person *person = conn->actor;
    switch (person->step) {
    case PERSON_JOIN:
    case PERSON_POLL:
        on_place(person, answer);
        break;
    case PERSON_HOLD:
        attempts_on_answer(person, answer);
        break;
    case PERSON_OUT:
    case PERSON_WAITS:
    case PERSON_INSIDE:
    case PERSON_GONE:
        break;
    default:
        buy_on_answer(person, answer);
    }
}

static void on_timer(struct load_conn *conn)
{
    struct person *person = conn->actor;
    if (clock_mono_ns() + 1000000 < person->wake_ns || person->conn->under_way > 0)
        return; /* another one is to come, or the answer */
    switch (person->step) {
    case PERSON_OUT:
        person_join(person);
        break;
    case PERSON_WAITS:
    case PERSON_INSIDE:
        person_poll(person);
        break;
    case PERSON_GIVE_BACK:
    case PERSON_CHECKOUT:
    case PERSON_URL:
    case PERSON_END:
        buy_on_timer(person);
        break;
    default:
        break;
    }
}

/* --- The map --- */

static void watch_map(struct load_conn *conn)
{
    struct crowd_process *process = conn->actor;
    char path[128];
    snprintf(path, sizeof(path), "/v1/events/%s/seats", process->orders->event);
    struct load_request request = {.method = "GET",
                                   .path = str_from_c(path),
                                   .headers = STR("Authorization: Bearer " BENCH_ADMIN_KEY
                                                  "\r\nAccept: application/octet-stream\r\n")};
    if (conn->under_way == 0)
        load_send(conn, &request);
}

static void on_map(struct load_conn *conn, const struct load_answer *answer)
{
    struct crowd_process *process = conn->actor;
    if (answer->status == 200)
        attempts_see(process, answer->body);
    atomic_store_explicit(&process->figures->shopping, process->idle_count, memory_order_relaxed);
    load_timer(conn, MAP_MS);
}

/* --- The process --- */

static bool is_over(void *ctx)
{
    struct crowd_process *process = ctx;
    return atomic_load_explicit(&process->orders->is_over, memory_order_relaxed);
}

static void set_up_person(struct crowd_process *process, size_t i)
{
    struct onsale_orders *orders = process->orders;
    struct person *person = &process->persons[i];
    struct load_conn *conn = load_conn_at(process->load, i);
    int64_t span_ms = (orders->join_until_ns - orders->join_from_ns) / 1000000;
    int64_t from_ms = (orders->join_from_ns - clock_mono_ns()) / 1000000;
    int64_t delay_ms = from_ms + (span_ms > 0 ? (int64_t)rand_below((uint64_t)span_ms) : 0);
    *person = (struct person){.process = process,
                              .conn = conn,
                              .number = process->index * orders->per_process + i,
                              .step = PERSON_OUT};
    conn->actor = person;
    conn->on_answer = on_answer;
    conn->on_timer = on_timer;
    conn->source = 1 + (uint32_t)(person->number % ONSALE_SOURCES);
    person_wake(person, delay_ms > 0 ? delay_ms : 0);
}

static enum err set_up(struct crowd_process *process)
{
    struct onsale_orders *orders = process->orders;
    size_t first = process->index * orders->per_process;
    process->count = first + orders->per_process <= orders->people ? orders->per_process
                                                                   : orders->people - first;
    process->persons = calloc(process->count, sizeof(*process->persons));
    process->idle = calloc(process->count, sizeof(struct person *));
    process->paying = calloc(process->count, sizeof(struct person *));
    process->sold = process->people->sold + first;
    if (!process->persons || !process->idle || !process->paying ||
        load_new(process->count + TILLS + 1, orders->port, &process->load))
        return ERR_NOMEM;
    for (size_t i = 0; i < process->count; i++)
        set_up_person(process, i);
    for (unsigned i = 0; i < TILLS; i++) {
        struct load_conn *conn = load_conn_at(process->load, process->count + i);
        process->tills[i].process = process;
        conn->actor = &process->tills[i];
        conn->on_answer = till_on_answer;
        load_retarget(conn, orders->bank_port);
    }
    struct load_conn *watcher = load_conn_at(process->load, process->count + WATCHER);
    watcher->actor = process;
    watcher->on_answer = on_map;
    watcher->on_timer = watch_map;
    load_timer(watcher, (int64_t)rand_below(MAP_MS));
    return attempts_init(process);
}

/* In the child; ends with it. */
static void serve(struct onsale_people *people, unsigned index)
{
    struct crowd_process process = {.people = people,
                                    .orders = people->orders,
                                    .figures = &people->figures[index],
                                    .index = index};
    process_raise_files();
    srand((unsigned)getpid());
    if (set_up(&process))
        _exit(1);
    atomic_store(&process.figures->ready, 1);
    load_run(process.load, clock_mono_ns() + EVER_NS, is_over, &process);
    attempts_finish(&process);
    _exit(0);
}

/* --- For the scenario --- */

enum err onsale_people_init(struct onsale_people *people, size_t count, unsigned seats)
{
    people->orders = process_share(sizeof(*people->orders));
    people->figures = process_share(ONSALE_PROCESSES_MAX * sizeof(*people->figures));
    people->stays = process_share(count * ONSALE_STAYS * sizeof(*people->stays));
    people->sold = process_share(count * sizeof(*people->sold));
    people->held_until_ns = process_share(seats * sizeof(*people->held_until_ns));
    people->sold_times = process_share(seats * sizeof(*people->sold_times));
    if (!people->orders || !people->figures || !people->stays || !people->sold ||
        !people->held_until_ns || !people->sold_times)
        return ERR_NOMEM;
    struct onsale_orders *orders = people->orders;
    orders->people = count;
    orders->seats = seats;
    orders->processes = (unsigned)((count + ONSALE_PEOPLE_MAX - 1) / ONSALE_PEOPLE_MAX);
    if (orders->processes < 2)
        orders->processes = 2;
    orders->per_process = (count + orders->processes - 1) / orders->processes;
    return orders->processes <= ONSALE_PROCESSES_MAX ? ERR_OK : ERR_LIMIT;
}

void onsale_people_release(struct onsale_people *people)
{
    if (!people->orders)
        return;
    size_t count = people->orders->people, seats = people->orders->seats;
    process_unshare(people->figures, ONSALE_PROCESSES_MAX * sizeof(*people->figures));
    process_unshare(people->stays, count * ONSALE_STAYS * sizeof(*people->stays));
    process_unshare(people->sold, count * sizeof(*people->sold));
    process_unshare(people->held_until_ns, seats * sizeof(*people->held_until_ns));
    process_unshare(people->sold_times, seats * sizeof(*people->sold_times));
    process_unshare(people->orders, sizeof(*people->orders));
    *people = (struct onsale_people){0};
}

enum err onsale_people_start(struct onsale_people *people)
{
    for (unsigned i = 0; i < people->orders->processes; i++) {
        people->pids[i] = fork();
        if (people->pids[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(people, i);
        }
        if (people->pids[i] < 0)
            return ERR_IO;
    }
    return ERR_OK;
}

enum err onsale_people_stop(struct onsale_people *people)
{
    enum err err = ERR_OK;
    if (!people->orders)
        return ERR_OK;
    atomic_store(&people->orders->is_over, true);
    for (unsigned i = 0; i < ONSALE_PROCESSES_MAX; i++) {
        int status = 0;
        if (people->pids[i] <= 0)
            continue;
        if (waitpid(people->pids[i], &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
            err = ERR_IO;
        people->pids[i] = 0;
    }
    return err;
}

void onsale_people_tally(const struct onsale_people *people, struct onsale_tally *ret_tally)
{
    *ret_tally = (struct onsale_tally){0};
    uint64_t *sums = (uint64_t *)ret_tally;
    for (unsigned i = 0; i < people->orders->processes; i++) {
        const uint64_t *figures = (const uint64_t *)&people->figures[i].tally;
        for (size_t k = 0; k < sizeof(*ret_tally) / sizeof(*sums); k++)
            sums[k] += figures[k];
    }
}

void onsale_people_phase(const struct onsale_people *people, unsigned first, unsigned end,
                         struct onsale_phase_figures *ret_figures)
{
    for (unsigned i = 0; i < people->orders->processes; i++) {
        for (unsigned k = first; k < end; k++) {
            const struct onsale_phase_figures *from = &people->figures[i].phases[k];
            hist_merge(&ret_figures->holds, &from->holds);
            hist_merge(&ret_figures->granted, &from->granted);
            hist_merge(&ret_figures->served, &from->served);
            ret_figures->due += from->due;
            ret_figures->answered += from->answered;
            ret_figures->unsent += from->unsent;
            ret_figures->nobody += from->nobody;
        }
    }
}

void onsale_people_polls(const struct onsale_people *people, struct hist *ret_hist)
{
    for (unsigned i = 0; i < people->orders->processes; i++)
        hist_merge(ret_hist, &people->figures[i].polls);
}
