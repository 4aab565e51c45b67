/*
 * An SMTP server of a test's own: one thread, one connection at a time, on a free port of the
 * loopback. It answers as it is told and keeps what it was sent.
 */
#ifndef TESTS_TICKETS_SMTP_STUB_H
#define TESTS_TICKETS_SMTP_STUB_H

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STUB_TEXT_MAX (4u << 20)

struct smtp_stub {
    int listener;
    unsigned port;
    pthread_t thread;
    atomic_int rcpt_code;  /* answer to RCPT; 0: none, for ever */
    atomic_int auth_code;  /* 0: AUTH is not offered */
    atomic_bool has_tls;   /* offers STARTTLS, and then refuses it */
    atomic_int rcpts;      /* how often it was asked */
    atomic_int messages;   /* taken */
    atomic_int connection; /* -1: none */
    pthread_mutex_t lock;  /* guards the texts */
    char *commands, *data; /* of all connections; of the last message, dots as on the wire */
};

static inline void stub_say(int fd, const char *line)
{
    char text[128];
    int len = snprintf(text, sizeof(text), "%s\r\n", line);
    (void)!write(fd, text, (size_t)len); /* a client that has gone is seen at the next read */
}

static inline void stub_keep(struct smtp_stub *stub, char *text, const char *line)
{
    pthread_mutex_lock(&stub->lock);
    size_t len = strlen(text);
    if (len + strlen(line) + 2 < STUB_TEXT_MAX)
        (void)snprintf(text + len, STUB_TEXT_MAX - len, "%s\n", line);
    pthread_mutex_unlock(&stub->lock);
}

static inline void stub_ehlo(const struct smtp_stub *stub, int fd)
{
    stub_say(fd, "250-stub");
    if (atomic_load(&stub->has_tls))
        stub_say(fd, "250-STARTTLS");
    if (atomic_load(&stub->auth_code))
        stub_say(fd, "250-AUTH PLAIN");
    stub_say(fd, "250 8BITMIME");
}

static inline void stub_rcpt(struct smtp_stub *stub, int fd)
{
    int code = atomic_load(&stub->rcpt_code);
    char text[32];
    atomic_fetch_add(&stub->rcpts, 1);
    (void)snprintf(text, sizeof(text), "%d as told", code);
    if (code)
        stub_say(fd, text);
}

/* PLAIN, with or without the response in the same line. */
static inline void stub_auth(struct smtp_stub *stub, FILE *in, int fd, const char *line)
{
    char text[1024];
    if (strcmp(line, "AUTH PLAIN") == 0) {
        stub_say(fd, "334 ");
        if (!fgets(text, sizeof(text), in))
            return;
        text[strcspn(text, "\r\n")] = '\0';
        stub_keep(stub, stub->commands, text);
    }
    (void)snprintf(text, sizeof(text), "%d as told", atomic_load(&stub->auth_code));
    stub_say(fd, text);
}

/* The body up to its dot. */
static inline void stub_data(struct smtp_stub *stub, FILE *in, int fd)
{
    char line[2048];
    size_t len = 0;
    stub_say(fd, "354 go on");
    char *text = calloc(1, STUB_TEXT_MAX);
    assert(text);
    while (fgets(line, sizeof(line), in) && strcmp(line, ".\r\n") != 0) {
        size_t size = strlen(line);
        assert(len + size < STUB_TEXT_MAX);
        memcpy(text + len, line, size);
        len += size;
    }
    pthread_mutex_lock(&stub->lock);
    free(stub->data);
    stub->data = text;
    pthread_mutex_unlock(&stub->lock);
    atomic_fetch_add(&stub->messages, 1);
    stub_say(fd, "250 taken");
}

/* False: QUIT. */
static inline int stub_command(struct smtp_stub *stub, FILE *in, int fd, const char *line)
{
    if (strncmp(line, "EHLO", 4) == 0)
        stub_ehlo(stub, fd);
    else if (strncmp(line, "STARTTLS", 8) == 0)
        stub_say(fd, "454 not now");
    else if (strncmp(line, "AUTH", 4) == 0)
        stub_auth(stub, in, fd, line);
    else if (strncmp(line, "RCPT", 4) == 0)
        stub_rcpt(stub, fd);
    else if (strncmp(line, "DATA", 4) == 0)
        stub_data(stub, in, fd);
    else
        stub_say(fd, strncmp(line, "QUIT", 4) == 0 ? "221 bye" : "250 ok");
    return strncmp(line, "QUIT", 4) != 0;
}

static inline void *stub_main(void *ctx)
{
    struct smtp_stub *stub = ctx;
    int fd;
    while ((fd = accept(stub->listener, NULL, NULL)) >= 0) {
        char line[2048];
        FILE *in = fdopen(fd, "r");
        assert(in);
        atomic_store(&stub->connection, fd);
        stub_say(fd, "220 stub");
        int goes_on = 1;
        while (goes_on && fgets(line, sizeof(line), in)) {
            line[strcspn(line, "\r\n")] = '\0';
            stub_keep(stub, stub->commands, line);
            goes_on = stub_command(stub, in, fd, line);
        }
        atomic_store(&stub->connection, -1);
        (void)fclose(in);
    }
    return NULL;
}

static inline struct smtp_stub *stub_start(void)
{
    struct smtp_stub *stub = calloc(1, sizeof(*stub));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    assert(stub);
    stub->commands = calloc(1, STUB_TEXT_MAX);
    stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    atomic_init(&stub->rcpt_code, 250);
    atomic_init(&stub->connection, -1);
    pthread_mutex_init(&stub->lock, NULL);
    int result = bind(stub->listener, (struct sockaddr *)&address, sizeof(address));
    assert(stub->commands && result == 0);
    result = listen(stub->listener, 16);
    assert(result == 0);
    result = getsockname(stub->listener, (struct sockaddr *)&address, &size);
    assert(result == 0);
    stub->port = ntohs(address.sin_port);
    result = pthread_create(&stub->thread, NULL, stub_main, stub);
    assert(result == 0);
    return stub;
}

static inline void stub_stop(struct smtp_stub *stub)
{
    (void)shutdown(stub->listener, SHUT_RDWR); /* wakes accept */
    int fd = atomic_load(&stub->connection);
    if (fd >= 0)
        (void)shutdown(fd, SHUT_RDWR);
    (void)pthread_join(stub->thread, NULL);
    (void)close(stub->listener);
    pthread_mutex_destroy(&stub->lock);
    free(stub->commands);
    free(stub->data);
    free(stub);
}

#endif
