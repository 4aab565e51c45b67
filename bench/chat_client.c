/*
 * A device of the chat stream, as docs/chat-stream.md says that one behaves: it keeps what it has
 * of each chat and what it sent until the ack, shows a message whose seq is the next and passes
 * over what it has, comes back after a time of its own, at the other nodes in turn, and then says
 * what it has, sends again what has no ack, and says its receipts again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ids.h"
#include "chat_load_internal.h"

#define OPENING_MS      20000 /* handshake and hello */
#define AGAIN_MS        1000
#define BACKOFF_MS_MAX  60000
#define JITTER_MS_FIRST 2000 /* until a server has said another */
#define UNDER_WAY_MAX   60   /* the server takes 64 */
#define FRAMES_MAX      (1u << 20)
#define SOURCE_DEVICES  4000 /* of one address */
#define OPCODE_TEXT     1
#define TEXT                                                                                       \
    "Meet you at the north entrance at eight, by the big clock. Bring the tickets, I have none "   \
    "on me today!"

static void on_open(struct ws_client *socket);
static void on_text(struct ws_client *socket, struct str text);
static void on_end(struct ws_client *socket, int status, int64_t retry_after_s);

static const struct ws_client_calls calls = {on_open, on_text, on_end};

/* The process: a client's callbacks know it by the one that runs. */
static struct client_process *here;

static struct ws_client_from address_of(const struct client_process *process,
                                        const struct client *client)
{
    uint32_t index = (uint32_t)(client - process->clients);
    return (struct ws_client_from){.port = process->load->ports[client->node],
                                   .source = process->number * 16 + 1 + index / SOURCE_DEVICES,
                                   .path = "/v1/stream",
                                   .protocol = "foyer.chat.v1"};
}

static void set_timer(struct client_process *process, const struct client *client,
                      enum client_timer timer, int64_t in_ms)
{
    struct heap_item item = {.due_ms = process->now_ns / 1000000 + in_ms,
                             .shard = (uint64_t)client->generation << 8 | timer,
                             .id = (uint64_t)(client - process->clients)};
    if (heap_push(&process->timers, item) != ERR_OK)
        figure_add(&process->figures->strange, 1);
}

static struct chat_comeback *comeback_of(struct client_process *process,
                                         const struct client *client)
{
    return &process->load->comebacks[client->user];
}

static void strange(struct client_process *process, const struct client *client, const char *what,
                    struct str text)
{
    if (process->figures->strange < 3)
        fprintf(stderr, "bench: user %u: %s: %.*s\n", client->user, what,
                (int)(text.len < 300 ? text.len : 300), text.data ? text.data : "");
    figure_add(&process->figures->strange, 1);
}

void client_init(struct client_process *process, struct client *client, uint32_t user)
{
    here = process;
    *client = (struct client){.user = user,
                              .node = chat_load_home(process->load, user),
                              .turn = user * 7919u % 1009u,
                              .told_jitter_ms = JITTER_MS_FIRST,
                              .first = NO_MESSAGE,
                              .last = NO_MESSAGE,
                              .unsent = NO_MESSAGE};
    ws_client_init(&client->socket, client);
}

/* --- coming and going --- */

/* After a connection that was open: the time that the server has told. After a try that failed:
 * twice as long. */
static void come_back(struct client_process *process, struct client *client, int64_t at_least_ms)
{
    unsigned nodes = process->load->node_count;
    unsigned home = chat_load_home(process->load, client->user);
    bool is_first = client->tries == 0;
    client->after_ms = is_first ? client->told_after_ms : client->after_ms * 2;
    client->jitter_ms = is_first ? client->told_jitter_ms : client->jitter_ms * 2;
    if (client->after_ms > BACKOFF_MS_MAX)
        client->after_ms = BACKOFF_MS_MAX;
    if (client->jitter_ms > BACKOFF_MS_MAX)
        client->jitter_ms = BACKOFF_MS_MAX;
    if (nodes > 1)
        client->node = (home + 1 + client->turn++ % (nodes - 1)) % nodes;
    client->tries++;
    int64_t wait_ms =
        client->after_ms + (int64_t)(client_random(process) % (uint64_t)(client->jitter_ms + 1));
    set_timer(process, client, TIMER_OPEN, wait_ms > at_least_ms ? wait_ms : at_least_ms);
}

static void gone(struct client_process *process, struct client *client, int64_t at_least_ms)
{
    struct chat_figures *figures = process->figures;
    struct chat_comeback *comeback = comeback_of(process, client);
    if (client->state == CLIENT_OPENING)
        process->opening--;
    if (client->state >= CLIENT_CATCHING) {
        figure_add(&figures->lost, 1);
        figure_add(&figures->open, -1);
        client->tries = 0;
        if (comeback->lost_ns == 0)
            comeback->lost_ns = process->now_ns;
    }
    if (client->state == CLIENT_LIVE)
        figure_add(&figures->live, -1);
    client->state = CLIENT_OUT;
    client->generation++;
    client->is_receipt_due = false;
    client->under_way = 0;
    client->unsent = client->first;
    come_back(process, client, at_least_ms);
}

void client_open(struct client_process *process, struct client *client)
{
    struct ws_client_from from = address_of(process, client);
    client->state = CLIENT_OPENING;
    process->opening++;
    figure_add(&process->figures->tried, 1);
    comeback_of(process, client)->tries++;
    if (ws_client_open(&client->socket, process->epoll, &from) != ERR_OK) {
        figure_add(&process->figures->refused, 1);
        gone(process, client, 0);
        return;
    }
    set_timer(process, client, TIMER_DEADLINE, OPENING_MS);
}

void client_close(struct client_process *process, struct client *client)
{
    process->opening -= client->state == CLIENT_OPENING;
    if (client->state >= CLIENT_CATCHING)
        figure_add(&process->figures->open, -1);
    if (client->state == CLIENT_LIVE)
        figure_add(&process->figures->live, -1);
    ws_client_close(&client->socket, process->epoll);
    client->state = CLIENT_OUT;
    client->generation++;
    client->is_receipt_due = false;
    client->tries = 0;
    client->under_way = 0;
    client->unsent = client->first;
}

static void on_end(struct ws_client *socket, int status, int64_t retry_after_s)
{
    struct client *client = socket->ctx;
    if (client->state == CLIENT_OPENING)
        figure_add(status == 503 ? &here->figures->busy : &here->figures->refused, 1);
    if (status != 0 && status != 503)
        strange(here, client, "answer to the handshake", STR_NONE);
    gone(here, client, retry_after_s * 1000);
}

static void on_open(struct ws_client *socket)
{
    struct client *client = socket->ctx;
    const struct chat_seed *seed = here->seed;
    const struct chat_seed_user *user = &seed->users[client->user];
    char device[ID_TEXT_SIZE];
    struct buf hello;
    buf_init(&hello, FRAMES_MAX);
    figure_add(&here->figures->opened, 1);
    buf_printf(&hello, "{\"t\":\"hello\",\"token\":\"%s\",\"device_id\":\"%.*s\",\"cursors\":{",
               user->token, STR_ARG(id_format(device, "dev", user->device)));
    for (uint32_t i = 0; i < seed->per_user; i++) {
        uint32_t chat = seed->chats_of[(size_t)client->user * seed->per_user + i];
        buf_printf(&hello, "%s\"%s\":[1,%u]", i ? "," : "", seed->chats[chat].name,
                   client->seqs[i]);
    }
    buf_append_str(&hello, STR("}}"));
    ws_client_send(socket, here->epoll, buf_str(&hello));
    buf_release(&hello);
}

/* --- sending --- */

bool client_write(struct client_process *process, struct client *client, bool is_to_group,
                  int64_t due_ns)
{
    const struct chat_seed *seed = process->seed;
    bool has_group = seed->group_size > 0;
    uint32_t slot = has_group && (is_to_group || seed->directs == 0)
                        ? seed->per_user - 1
                        : (uint32_t)(client_random(process) % seed->directs);
    struct chat_sent sent = {.due_ns = due_ns,
                             .chat = seed->chats_of[(size_t)client->user * seed->per_user + slot],
                             .sender = client->user,
                             .phase = (uint8_t)process->work.phase};
    uint32_t message = chat_ledger_send(&process->load->ledger, process->number, &sent);
    if (message == UINT32_MAX)
        return false;
    uint32_t base = process->number * process->load->ledger.sent_max;
    process->next[message - base] = NO_MESSAGE;
    if (client->last == NO_MESSAGE)
        client->first = message;
    else
        process->next[client->last - base] = message;
    client->last = message;
    if (client->unsent == NO_MESSAGE)
        client->unsent = message;
    return true;
}

static void put_send(struct client_process *process, uint32_t message, struct buf *frames)
{
    char text[512];
    const struct chat_sent *sent = &process->load->ledger.sent[message];
    int len = snprintf(text, sizeof(text),
                       "{\"t\":\"send\",\"id\":%u,\"chat_id\":\"%s\",\"client_id\":\"m%u\","
                       "\"body\":\"" TEXT "\"}",
                       message, process->seed->chats[sent->chat].name, message);
    ws_client_frame(frames, OPCODE_TEXT, str_from(text, (size_t)len));
    figure_add(&process->figures->sent, 1);
}

void client_flush(struct client_process *process, struct client *client)
{
    struct buf frames;
    uint32_t base = process->number * process->load->ledger.sent_max;
    if (client->state < CLIENT_CATCHING || client->unsent == NO_MESSAGE ||
        client->under_way >= UNDER_WAY_MAX)
        return;
    buf_init(&frames, FRAMES_MAX);
    while (client->unsent != NO_MESSAGE && client->under_way < UNDER_WAY_MAX) {
        put_send(process, client->unsent, &frames);
        client->unsent = process->next[client->unsent - base];
        client->under_way++;
    }
    ws_client_send_frames(&client->socket, process->epoll, buf_str(&frames));
    buf_release(&frames);
}

static void send_receipts(struct client_process *process, struct client *client)
{
    struct buf frames;
    char text[128];
    buf_init(&frames, FRAMES_MAX);
    for (uint32_t i = 0; i < process->seed->per_user; i++) {
        uint32_t chat = process->seed->chats_of[(size_t)client->user * process->seed->per_user + i];
        if (!(client->dirty >> i & 1))
            continue;
        int len = snprintf(text, sizeof(text),
                           "{\"t\":\"receipt\",\"chat_id\":\"%s\",\"delivered_seq\":%u}",
                           process->seed->chats[chat].name, client->seqs[i]);
        ws_client_frame(&frames, OPCODE_TEXT, str_from(text, (size_t)len));
    }
    ws_client_send_frames(&client->socket, process->epoll, buf_str(&frames));
    buf_release(&frames);
    client->dirty = 0;
    client->is_receipt_due = false;
}

void client_timer(struct client_process *process, struct client *client, enum client_timer timer)
{
    switch (timer) {
    case TIMER_OPEN:
        client_open(process, client);
        break;
    case TIMER_DEADLINE:
        if (client->state != CLIENT_OPENING)
            break;
        figure_add(&process->figures->refused, 1);
        ws_client_close(&client->socket, process->epoll);
        gone(process, client, 0);
        break;
    case TIMER_RECEIPTS:
        if (client->state >= CLIENT_CATCHING)
            send_receipts(process, client);
        break;
    case TIMER_AGAIN:
        client->unsent = client->first;
        client->under_way = 0;
        client_flush(process, client);
        break;
    }
}

/* --- what comes --- */

/* What stands behind the first such name; at its end is the end of the text. */
static const char *after(struct str text, struct str name)
{
    const char *at = memmem(text.data, text.len, name.data, name.len);
    return at ? at + name.len : NULL;
}

static int64_t number_after(struct str text, struct str name)
{
    int64_t value = 0;
    const char *at = after(text, name), *end = text.data + text.len;
    if (!at)
        return -1;
    for (; at < end && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (*at - '0');
    return value;
}

static bool is_other(const struct chat_load *load, uint32_t sender, uint32_t receiver)
{
    return chat_load_home(load, sender) != load->killed_node &&
           chat_load_home(load, receiver) != load->killed_node;
}

static void on_ready_frame(struct client_process *process, struct client *client, struct str text)
{
    struct chat_comeback *comeback = comeback_of(process, client);
    int64_t after_ms = number_after(text, STR("\"after_ms\":"));
    int64_t jitter_ms = number_after(text, STR("\"jitter_ms\":"));
    process->opening--;
    client->state = CLIENT_CATCHING;
    client->tries = 0;
    client->told_after_ms = after_ms > 0 ? after_ms : 0;
    client->told_jitter_ms = jitter_ms > 0 ? jitter_ms : JITTER_MS_FIRST;
    figure_add(&process->figures->ready, 1);
    figure_add(&process->figures->open, 1);
    if (comeback->ready_ns == 0)
        comeback->ready_ns = process->now_ns;
    if (client->was_open && client->first != NO_MESSAGE)
        figure_add(&process->figures->again, 1);
    client->was_open = true;
    client->unsent = client->first;
    client->under_way = 0;
    client_flush(process, client);
    if (process->load->receipts_ms > 0 && client->dirty)
        send_receipts(process, client);
}

static void on_live_frame(struct client_process *process, struct client *client)
{
    struct chat_comeback *comeback = comeback_of(process, client);
    client->state = CLIENT_LIVE;
    figure_add(&process->figures->live, 1);
    if (comeback->live_ns == 0)
        comeback->live_ns = process->now_ns;
}

static void show(struct client_process *process, struct client *client, uint32_t message,
                 uint32_t seq)
{
    const struct chat_sent *sent = &process->load->ledger.sent[message];
    struct chat_figures *figures = process->figures;
    struct chat_shown shown = {message, client->user, seq};
    chat_ledger_show(&process->load->ledger, process->number, &shown);
    figure_add(&figures->shown, 1);
    if (sent->sender == client->user)
        return;
    int64_t elapsed_ns = process->now_ns - sent->due_ns;
    hist_add(&figures->receives[sent->phase], elapsed_ns);
    if (is_other(process->load, sent->sender, client->user))
        hist_add(&figures->other_receives[sent->phase], elapsed_ns);
}

/* The chat's place among the client's; per_user: it is none of them. */
static uint32_t slot_named(const struct client_process *process, const struct client *client,
                           struct str text)
{
    const struct chat_seed *seed = process->seed;
    const char *name = after(text, STR("\"chat_id\":\""));
    size_t len = CHAT_SEED_NAME_SIZE;
    uint32_t slot = 0;
    if (!name)
        return seed->per_user;
    for (; slot < seed->per_user; slot++) {
        uint32_t chat = seed->chats_of[(size_t)client->user * seed->per_user + slot];
        len = strlen(seed->chats[chat].name);
        if (len < (size_t)(text.data + text.len - name) &&
            memcmp(name, seed->chats[chat].name, len) == 0)
            break;
    }
    return slot;
}

static bool message_of(const struct client_process *process, struct str text, uint32_t *ret_message)
{
    const struct chat_ledger *ledger = &process->load->ledger;
    int64_t number = number_after(text, STR("\"client_id\":\"m"));
    if (number < 0 || number >= (int64_t)ledger->sent_max * ledger->processes)
        return false;
    *ret_message = (uint32_t)number;
    return true;
}

static void on_message_frame(struct client_process *process, struct client *client, struct str text)
{
    struct chat_figures *figures = process->figures;
    uint32_t slot = slot_named(process, client, text), message = 0;
    int64_t seq = number_after(text, STR("\"seq\":"));
    figure_add(&figures->came, 1);
    if (slot == process->seed->per_user || seq <= 0 || !message_of(process, text, &message)) {
        strange(process, client, "message", text);
        return;
    }
    if (seq <= client->seqs[slot]) {
        figure_add(&figures->passed, 1);
        return;
    }
    if (seq != (int64_t)client->seqs[slot] + 1) {
        figure_add(&figures->gaps, 1);
        strange(process, client, "gap before", text);
    }
    client->seqs[slot] = (uint32_t)seq;
    show(process, client, message, (uint32_t)seq);
    client->dirty |= 1u << slot;
    if (process->load->receipts_ms > 0 && !client->is_receipt_due) {
        client->is_receipt_due = true;
        set_timer(process, client, TIMER_RECEIPTS, process->load->receipts_ms);
    }
}

/* Takes the message out of those that wait; false: it was not among them. */
static bool forget(struct client_process *process, struct client *client, uint32_t message)
{
    uint32_t base = process->number * process->load->ledger.sent_max;
    uint32_t before = NO_MESSAGE, at = client->first;
    while (at != NO_MESSAGE && at != message) {
        before = at;
        at = process->next[at - base];
    }
    if (at == NO_MESSAGE)
        return false;
    uint32_t behind = process->next[at - base];
    if (client->unsent == at)
        client->unsent = behind;
    else if (client->under_way > 0)
        client->under_way--;
    if (before == NO_MESSAGE)
        client->first = behind;
    else
        process->next[before - base] = behind;
    if (client->last == at)
        client->last = before;
    return true;
}

static void on_ack_frame(struct client_process *process, struct client *client, struct str text)
{
    struct chat_figures *figures = process->figures;
    uint32_t message = 0;
    int64_t seq = number_after(text, STR("\"seq\":"));
    if (!message_of(process, text, &message) || seq <= 0 ||
        number_after(text, STR("\"id\":")) != message) {
        strange(process, client, "ack", text);
        return;
    }
    struct chat_sent *sent = &process->load->ledger.sent[message];
    if (after(text, STR("\"repeated\":true")))
        figure_add(&figures->repeated, 1);
    if (!forget(process, client, message)) {
        if (sent->seq != seq)
            strange(process, client, "another seq for what was acknowledged", text);
        return;
    }
    sent->seq = (uint32_t)seq;
    figure_add(&figures->acked, 1);
    int64_t elapsed_ns = process->now_ns - sent->due_ns;
    hist_add(&figures->acks[sent->phase], elapsed_ns);
    if (is_other(process->load, client->user, client->user))
        hist_add(&figures->other_acks[sent->phase], elapsed_ns);
    client->is_behind = true;
    if (process->work.pace == CHAT_CLOSED_LOOP)
        (void)client_write(process, client, client_random(process) % 1000 < process->work.groups,
                           process->now_ns);
}

static void on_error_frame(struct client_process *process, struct client *client, struct str text)
{
    int64_t status = number_after(text, STR("\"status\":"));
    int64_t after_s = number_after(text, STR("\"retry_after_s\":"));
    figure_add(&process->figures->errors, 1);
    if (status != 429 && status != 503)
        strange(process, client, "error", text);
    else
        set_timer(process, client, TIMER_AGAIN, after_s > 0 ? after_s * 1000 : AGAIN_MS);
}

static void on_bye_frame(struct client_process *process, struct client *client, struct str text)
{
    int64_t after_ms = number_after(text, STR("\"reconnect_after_ms\":"));
    figure_add(&process->figures->byes, 1);
    if (after_ms < 0 && !after(text, STR("\"resync\"")))
        strange(process, client, "bye", text);
    ws_client_close(&client->socket, process->epoll);
    gone(process, client, after_ms > 0 ? after_ms : 0);
}

static void on_text(struct ws_client *socket, struct str text)
{
    struct client *client = socket->ctx;
    const char *kind = after(text, STR("\"t\":\""));
    if (!kind) {
        strange(here, client, "frame", text);
        return;
    }
    struct str rest = str_from(kind, (size_t)(text.data + text.len - kind));
    if (str_starts_with(rest, STR("message\"")))
        on_message_frame(here, client, text);
    else if (str_starts_with(rest, STR("ack\"")))
        on_ack_frame(here, client, text);
    else if (str_starts_with(rest, STR("receipt")))
        figure_add(&here->figures->receipts, 1);
    else if (str_starts_with(rest, STR("ready\"")) && client->state == CLIENT_OPENING)
        on_ready_frame(here, client, text);
    else if (str_starts_with(rest, STR("live\"")) && client->state == CLIENT_CATCHING)
        on_live_frame(here, client);
    else if (str_starts_with(rest, STR("error\"")))
        on_error_frame(here, client, text);
    else if (str_starts_with(rest, STR("bye\"")))
        on_bye_frame(here, client, text);
    else if (str_starts_with(rest, STR("resync\""))) {
        figure_add(&here->figures->resyncs, 1);
        strange(here, client, "resync", text);
    } else if (!str_starts_with(rest, STR("presence\"")))
        strange(here, client, "frame", text);
}

void client_ready(struct client_process *process, struct client *client, uint32_t events)
{
    struct ws_client_from from = address_of(process, client);
    ws_client_ready(&client->socket, process->epoll, &from, events, &calls);
    if (client->is_behind) {
        client->is_behind = false;
        client_flush(process, client);
    }
}
