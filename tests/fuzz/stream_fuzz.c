/*
 * Fuzz target of what a client says on the chat stream, through a real server, its sockets, sessions and database. Each
 * line of the input is a text message; $CHAT, $USER, $MSG, $TOKEN and $DEV in it stand for things that are there. The
 * stream has said hello before, unless the input begins with "!".
 *
 * Whatever comes: frames that a client may be sent, each a JSON object with a t that the protocol has; errors that are the
 * client's; an ack with a seq; a stream that lives answers a ping, and one that is ended was told why.
 *
 * Run: stream_fuzz tests/fuzz/corpus/stream
 */
#include "fuzz.h"
#include "witness.h"

#include "served.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "app/app_internal.h"
#include "chat/service.h"
#include "net/server.h"

#define INPUT_MAX  ((size_t)8 << 10)
#define LINES_MAX  64
#define TEXT_MAX   ((size_t)64 << 10)
#define WAIT_MS    50000
#define TOKEN      "ses_0123456789012345678901234567890123456789012"
#define OTHER      "ses_9876543210987654321098765432109876543210987"
#define FRAME_TEXT 0x81
#define FRAME_END  0x88

/* h2o keeps memory of a thread for its next use, and of the process: see net/server_loop.c, whose own weak ones lose
 * against those of clang's library. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_pool\nleak:h2o_mem_alloc_recycle\nleak:h2o_buffer_reserve\n"
           "leak:h2o_multithread_create_queue\n";
}
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

static struct served *served;
static struct chat_service *chat;
static struct server *server;
static char chat_id[ID_TEXT_SIZE], message_id[ID_TEXT_SIZE + 16], user_id[ID_TEXT_SIZE];
static char device_id[ID_TEXT_SIZE];
static long long last_seq = 1;

/* ---- what is there ---- */

static void add_session(struct db *db, int64_t account_id, const char *token)
{
    uint8_t hash[SHA256_SIZE];
    struct buf sql;
    buf_init(&sql, 1024);
    crypto_sha256(str_from_c(token), hash);
    buf_append_str(&sql, STR("INSERT INTO session VALUES (x'"));
    hex_append(&sql, hash, sizeof(hash));
    buf_printf(&sql, "', %lld, %lld, 0, 9000000000000)", (long long)account_id,
               (long long)account_id);
    require(db_script(db, buf_str(&sql)) == ERR_OK);
    buf_release(&sql);
}

static void add_services(struct served *with, struct app_options *options)
{
    char path[128];
    struct writer *writer;
    (void)snprintf(path, sizeof(path), "%s/platform.db", with->fixture->dir);
    require(writer_new(path, "platform", &writer) == ERR_OK);
    require(db_begin(writer_db(writer)) == ERR_OK);
    add_session(writer_db(writer), 1, TOKEN);
    add_session(writer_db(writer), 2, OTHER);
    require(db_commit(writer_db(writer)) == ERR_OK);
    writer_free(writer);
    require(chat_service_new(&with->frame.config, &chat) == ERR_OK);
    options->services[options->service_count] = chat_service_of(chat);
    options->database_paths[options->service_count++] = chat_database_path(chat);
}

static void make(const char *path, const char *body, char *ret_id, size_t size)
{
    static struct answer answer;
    struct ask ask = {.method = HTTP_POST, .path = path, .token = TOKEN, .body = body};
    frame_ask(&served->frame, &ask, &answer);
    require(answer.status < 300 && answer_text(&answer, NULL, "id", ret_id, size));
}

static void stop(void)
{
    void *state = served;
    server_stop(server, 1000);
    app_stop(served->frame.app);
    chat_service_stop(chat);
    server_free(server);
    (void)served_teardown(&state);
    chat_service_free(chat);
}

static void start(void)
{
    void *state = NULL;
    char path[256], message[256], body[256];
    if (served)
        return;
    require(served_setup_more(&state, add_services) == 0);
    served = state;
    struct server_options options = {.listen = "127.0.0.1:0",
                                     .loops = 1,
                                     .connections_max = 1000,
                                     .body_max = 1 << 20,
                                     .request_timeout_ms = 60000,
                                     .send_timeout_ms = 60000,
                                     .on_request = app_on_request,
                                     .ctx = served->frame.app,
                                     .websockets = chat_service_websockets(chat)};
    require(server_new(&options, &server, message) == ERR_OK);
    require(chat_service_start(chat, served->frame.app, server_websockets(server)) == ERR_OK);
    require(server_start(server) == ERR_OK);
    (void)id_format(user_id, "usr", 2);
    (void)snprintf(body, sizeof(body),
                   "{\"type\":\"group\",\"title\":\"known\",\"member_ids\":[\"%s\"]}", user_id);
    make("/v1/chats", body, chat_id, sizeof(chat_id));
    (void)snprintf(path, sizeof(path), "/v1/chats/%s/messages", chat_id);
    make(path, "{\"client_id\":\"known\",\"body\":\"known\"}", message_id, sizeof(message_id));
    make("/v1/devices", "{\"name\":\"known\",\"platform\":\"web\"}", device_id, sizeof(device_id));
    require(atexit(stop) == 0);
}

/* ---- the client ---- */

struct client {
    int fd;
    bool is_over; /* no more comes */
    bool has_bye;
    size_t live, pongs;
    size_t size;
    uint8_t bytes[(size_t)1 << 20];
};

static void put(struct client *client, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0 && !client->is_over) {
        ssize_t sent = send(client->fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            client->is_over = true;
        else {
            at += sent;
            size -= (size_t)sent;
        }
    }
}

/* With a mask of zeros, which is one. */
static void say(struct client *client, struct str text)
{
    uint8_t head[14] = {FRAME_TEXT};
    size_t size;
    if (text.len < 126) {
        head[1] = (uint8_t)(0x80 | text.len);
        size = 2;
    } else {
        require(text.len <= 0xffff);
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(text.len >> 8);
        head[3] = (uint8_t)text.len;
        size = 4;
    }
    uint8_t
        frame[TEXT_MAX + sizeof(head)]; /* in one piece, so that nothing waits for the rest of it */
    memcpy(frame, head, size + 4);
    if (text.len > 0)
        memcpy(frame + size + 4, text.data, text.len);
    put(client, frame, size + 4 + text.len);
}

static bool is_of_protocol(struct str t)
{
    static const char *const names[] = {"ready",    "message", "receipts", "receipt", "resync",
                                        "live",     "left",    "ack",      "error",   "typing",
                                        "presence", "pong",    "bye"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(t, str_from_c(names[i])))
            return true;
    }
    return false;
}

static void check_error(struct str text)
{
    struct json_node *node;
    struct str message;
    struct arena arena;
    int64_t status = 0;
    arena_init(&arena, (size_t)4 << 20);
    require(json_parse(&arena, text, &node, &message) == ERR_OK);
    require(json_as_i64(json_get(json_get(node, "problem"), "status"), &status));
    require(status >= 400 && (status < 500 || status == 503));
    arena_release(&arena);
}

static void hear(struct client *client, struct str text)
{
    char t[16];
    struct str value;
    int64_t seq = 0;
    require(witness_json(text) && witness_text(text, "t", &value));
    require(str_to_c(value, t, sizeof(t)) == ERR_OK && is_of_protocol(str_from_c(t)));
    client->live += strcmp(t, "live") == 0;
    client->pongs += strcmp(t, "pong") == 0;
    client->has_bye = client->has_bye || strcmp(t, "bye") == 0;
    if (strcmp(t, "error") == 0)
        check_error(text);
    if (strcmp(t, "ack") == 0)
        require(witness_i64(text, "seq", &seq) && seq > 1);
    if (strcmp(t, "message") == 0 && witness_i64(text, "seq", &seq) && seq > last_seq)
        last_seq = seq;
}

/* False: not whole yet. */
static bool take_frame(struct client *client)
{
    const uint8_t *bytes = client->bytes;
    size_t head = 2, size;
    if (client->size < 4)
        return false;
    require((bytes[1] & 0x80) == 0); /* servers do not mask */
    size = bytes[1];
    if (size == 126) {
        size = (size_t)bytes[2] << 8 | bytes[3];
        head = 4;
    }
    require(size != 127 || client->size < 10); /* none is so long here */
    if (client->size < head + size)
        return false;
    require(bytes[0] == FRAME_TEXT || bytes[0] == FRAME_END || bytes[0] == 0x89);
    if (bytes[0] == FRAME_TEXT)
        hear(client, str_from((const char *)bytes + head, size));
    client->is_over = client->is_over || bytes[0] == FRAME_END;
    client->size -= head + size;
    memmove(client->bytes, bytes + head + size, client->size);
    return true;
}

/* Some bytes more; nothing for WAIT_MS is a broken promise. */
static void take_bytes(struct client *client)
{
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    require(poll(&poll_fd, 1, WAIT_MS) == 1);
    ssize_t got =
        recv(client->fd, client->bytes + client->size, sizeof(client->bytes) - client->size, 0);
    if (got <= 0)
        client->is_over = true;
    else
        client->size += (size_t)got;
}

static void hear_until(struct client *client, const size_t *count, size_t wanted)
{
    while (*count < wanted) {
        while (take_frame(client))
            ;
        if (*count >= wanted || client->is_over)
            return;
        take_bytes(client);
    }
}

static void open_stream(struct client *client)
{
    static const char head[] = "GET /v1/stream HTTP/1.1\r\nHost: a.b\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               "Sec-WebSocket-Protocol: foyer.chat.v1\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)server_port(server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger linger = {.l_onoff = 1}; /* no port stays taken */
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    require(client->fd >= 0);
    (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    require(connect(client->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    put(client, head, sizeof(head) - 1);
    const char *end = NULL;
    while (!end) {
        take_bytes(client);
        require(!client->is_over);
        end = memmem(client->bytes, client->size, "\r\n\r\n", 4);
    }
    require(memcmp(client->bytes, "HTTP/1.1 101", 12) == 0);
    size_t size = (size_t)((const uint8_t *)end + 4 - client->bytes);
    client->size -= size;
    memmove(client->bytes, client->bytes + size, client->size);
}

/* ---- the input ---- */

static void append_line(struct buf *buf, struct str line)
{
    static const struct {
        const char *name;
        const char *value;
    } words[] = {{"$CHAT", chat_id},
                 {"$USER", user_id},
                 {"$MSG", message_id},
                 {"$TOKEN", TOKEN},
                 {"$DEV", device_id}};
    while (line.len > 0) {
        size_t i = 0, count = sizeof(words) / sizeof(words[0]);
        while (i < count && !str_starts_with(line, str_from_c(words[i].name)))
            i++;
        if (i < count) {
            buf_append_str(buf, str_from_c(words[i].value));
            line = str_sub(line, strlen(words[i].name), line.len);
        } else {
            buf_append_char(buf, line.data[0]);
            line = str_sub(line, 1, line.len);
        }
    }
}

static void say_hello(struct client *client)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "{\"t\":\"hello\",\"token\":\"" TOKEN "\",\"cursors\":{\"%s\":[1,%lld]}}",
                   chat_id, last_seq);
    say(client, str_from_c(text));
    hear_until(client, &client->live, 1);
    require(client->live == 1);
}

static void say_lines(struct client *client, struct str input)
{
    struct buf line;
    buf_init(&line, TEXT_MAX - 1);
    for (size_t i = 0; i < LINES_MAX && input.len > 0; i++) {
        buf_clear(&line);
        append_line(&line, str_split(&input, '\n'));
        if (!line.overflow)
            say(client, buf_str(&line));
        line.overflow = false;
    }
    buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct client client;
    struct str input = str_from((const char *)data, size);
    start();
    if (size > INPUT_MAX)
        return 0;
    open_stream(&client);
    if (str_starts_with(input, STR("!")))
        input = str_sub(input, 1, input.len);
    else
        say_hello(&client);
    say_lines(&client, input);
    size_t before = client.pongs;
    say(&client, STR("{\"t\":\"ping\"}"));
    /* A ping within the input may be answered first; then what is behind it is not waited for. */
    hear_until(&client, &client.pongs, before + 1);
    (void)close(client.fd);
    return 0;
}
