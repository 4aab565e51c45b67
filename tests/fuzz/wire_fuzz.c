/*
 * Fuzz target of what servers answer our clients: "h" and an HTTP response, "s" and replies of a
 * mail server, divided by NUL, one after each thing we say. A server on a port of this machine
 * plays them. Whatever comes: the call ends in one of its ways and keeps to its limits, and no mail
 * counts as sent that was not accepted at the end.
 *
 * Run: wire_fuzz tests/fuzz/corpus/wire
 */
#include "fuzz.h"

#include "net/http_client.h"
#include "net/smtp_client.h"
#include "tickets/provider.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_MAX    ((size_t)8 << 10)
#define RESPONSE_MAX 4096
#define TIMEOUT_MS   200 /* short: whatever waits for more than comes costs all of it */
#define MAIL         STR("Subject: x\r\n\r\nHello\r\n.\r\n")

static struct {
    int listener;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct str script; /* what is played to each connection */
    bool says_first;   /* a mail server greets */
} stage = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct http_client *http;
static struct smtp_client *smtp;

/* ---- the server ---- */

static bool say(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t written = send(fd, text.data, text.len, MSG_NOSIGNAL);
        if (written <= 0)
            return false;
        text = str_sub(text, (size_t)written, text.len);
    }
    return true;
}

static bool hear(int fd)
{
    char bytes[16384];
    return recv(fd, bytes, sizeof(bytes), 0) > 0;
}

/* One connection. The script is its own: the client may give up, and the next one begin, while it
 * is played. */
struct act {
    int fd;
    bool says_first;
    size_t len;
    char script[];
};

static void *play(void *ctx)
{
    struct act *act = ctx;
    struct str rest = str_from(act->script, act->len);
    bool goes_on = act->says_first || hear(act->fd);
    while (goes_on && rest.len > 0)
        goes_on = say(act->fd, str_split(&rest, '\0')) && (rest.len == 0 || hear(act->fd));
    (void)shutdown(act->fd, SHUT_WR);
    /* Until the other side has gone: closing with bytes unread would take back what was sent. */
    while (hear(act->fd))
        continue;
    (void)close(act->fd);
    free(act);
    return NULL;
}

static struct act *make_act(int fd)
{
    pthread_mutex_lock(&stage.lock);
    struct act *act = malloc(sizeof(*act) + stage.script.len);
    require(act != NULL);
    *act = (struct act){.fd = fd, .says_first = stage.says_first, .len = stage.script.len};
    if (act->len > 0)
        memcpy(act->script, stage.script.data, act->len);
    pthread_mutex_unlock(&stage.lock);
    return act;
}

/* Clients keep connections that we have ended, for a while: a thread each. */
static void *serve(void *ctx)
{
    pthread_t thread;
    (void)ctx;
    for (;;) {
        int fd = accept(stage.listener, NULL, NULL);
        require(fd >= 0 && pthread_create(&thread, NULL, play, make_act(fd)) == 0);
        require(pthread_detach(thread) == 0);
    }
    return NULL;
}

static void set_script(struct str script, bool says_first)
{
    pthread_mutex_lock(&stage.lock);
    stage.script = script;
    stage.says_first = says_first;
    pthread_mutex_unlock(&stage.lock);
}

static void start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    char url[64];
    if (http)
        return;
    stage.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(stage.listener >= 0 &&
            bind(stage.listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    require(listen(stage.listener, 16) == 0 &&
            getsockname(stage.listener, (struct sockaddr *)&address, &size) == 0);
    stage.port = ntohs(address.sin_port);
    require(pthread_create(&stage.thread, NULL, serve, NULL) == 0);
    const struct http_client_options options = {.in_flight_max = 2, .queue_max = 4};
    require(http_client_new(&options, &http) == ERR_OK);
    (void)snprintf(url, sizeof(url), "smtp://127.0.0.1:%u", stage.port);
    require(smtp_client_new(url, NULL, &smtp) == ERR_OK);
}

/* ---- the clients ---- */

static void on_done(struct http_call *call)
{
    require(sem_post(call->ctx) == 0);
}

static void read_call(const struct http_call *call)
{
    struct arena arena;
    struct provider_answer answer;
    arena_init(&arena, (size_t)1 << 20);
    provider_read(&provider_stripe, PROVIDER_CREATE, call, &arena, &answer);
    require(call->err == ERR_OK || answer.verdict == VERDICT_DOWN ||
            answer.verdict == VERDICT_RETRY);
    arena_release(&arena);
}

static void ask_http(struct str script)
{
    char url[64];
    sem_t done;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/x", stage.port);
    struct http_call call = {.method = "POST",
                             .url = url,
                             .headers = {"Content-Type: application/json", NULL},
                             .body = STR("{}"),
                             .timeout_ms = TIMEOUT_MS,
                             .response_max = RESPONSE_MAX,
                             .on_done = on_done,
                             .ctx = &done};
    set_script(script, false);
    require(sem_init(&done, 0, 0) == 0 && http_client_submit(http, &call) == ERR_OK);
    while (sem_wait(&done) != 0)
        continue;
    require(call.err == ERR_OK || call.err == ERR_TIMEOUT || call.err == ERR_IO ||
            call.err == ERR_LIMIT);
    require(call.response.len <= RESPONSE_MAX && memchr(call.message, '\0', sizeof(call.message)));
    /* libcurl takes the protocol's name in any case. */
    if (call.err == ERR_OK)
        require(script.len > 5 && strncasecmp(script.data, "HTTP/", 5) == 0 && call.status >= 100 &&
                call.status < 1000);
    else
        require(call.message[0] != '\0');
    read_call(&call);
    http_call_release(&call);
    (void)sem_destroy(&done);
}

static void send_mail(struct str script)
{
    char message[SMTP_MESSAGE_SIZE] = "";
    const struct smtp_mail mail = {.from = "tickets@example.org",
                                   .to = "fay@example.org",
                                   .message = MAIL,
                                   .timeout_ms = TIMEOUT_MS};
    size_t replies = 0;
    set_script(script, true);
    enum err err = smtp_client_send(smtp, &mail, message);
    require(err == ERR_OK || err == ERR_DENIED || err == ERR_TIMEOUT || err == ERR_IO);
    require(memchr(message, '\0', sizeof(message)) && (err == ERR_OK || message[0] != '\0'));
    for (size_t i = 0; i < script.len; i++)
        replies += script.data[i] == '\n';
    /* Greeting, EHLO, MAIL, RCPT, DATA, the end. */
    require(err != ERR_OK || replies >= 6);
    require(err != ERR_OK || memmem(script.data, script.len, "354", 3) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_from((const char *)data, size);
    if (size < 2 || size > INPUT_MAX)
        return 0;
    start();
    if (data[0] == 'h')
        ask_http(str_sub(text, 1, size));
    else if (data[0] == 's')
        send_mail(str_sub(text, 1, size));
    return 0;
}
