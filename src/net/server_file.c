/*
 * Answers whose body is a file: one piece is read when h2o has sent the one before it, so a download
 * takes FILE_PIECE_BYTES of memory however large it is and however slowly its client reads.
 *
 * The pieces are read on the loop. What comes next is asked of the kernel ahead of time, so that such a
 * read is a copy from its cache; the loop waits for a disk only when that cannot keep up. The deadline of
 * the whole answer (server_exchange.c) counts the file's bytes.
 *
 * A file that ends early or cannot be read breaks the connection: the length has been said, and a shorter
 * answer must not look like a whole one.
 */
#include "net/loop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_PIECE_BYTES ((size_t)64 << 10)
#define FILE_AHEAD_BYTES ((off_t)512 << 10)

/* In h2o's pool: it is gone with the request. */
struct file_stream {
    h2o_generator_t super;
    struct exchange *exchange;
    int64_t at;
    int64_t left;
    char *piece;
};

/* The whole piece, or false. */
static bool read_piece(struct file_stream *stream, size_t size)
{
    int fd = stream->exchange->request.res.file.fd;
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, stream->piece + done, size - done, stream->at + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static void send_piece(struct file_stream *stream)
{
    h2o_req_t *h2o = stream->exchange->h2o;
    size_t size =
        stream->left < (int64_t)FILE_PIECE_BYTES ? (size_t)stream->left : FILE_PIECE_BYTES;
    if (!read_piece(stream, size)) {
        h2o->http1_is_persistent = 0;
        /* h2o sees that it cannot write, and closes. */
        (void)shutdown(h2o_socket_get_fd(stream->exchange->connection->socket), SHUT_RDWR);
        size = 0;
        stream->left = 0;
    }
    stream->at += (int64_t)size;
    stream->left -= (int64_t)size;
    if (stream->left > 0) /* a hint */
        (void)posix_fadvise(stream->exchange->request.res.file.fd, stream->at, FILE_AHEAD_BYTES,
                            POSIX_FADV_WILLNEED);
    h2o_iovec_t body = {stream->piece, size};
    h2o_send(h2o, &body, size > 0 ? 1 : 0,
             stream->left > 0 ? H2O_SEND_STATE_IN_PROGRESS : H2O_SEND_STATE_FINAL);
}

static void on_proceed(h2o_generator_t *self, h2o_req_t *h2o)
{
    (void)h2o;
    send_piece(container_of(self, struct file_stream, super));
}

void file_stream_start(struct exchange *exchange)
{
    h2o_req_t *h2o = exchange->h2o;
    const struct response *res = &exchange->request.res;
    struct file_stream *stream = h2o_mem_alloc_pool(&h2o->pool, sizeof(*stream));
    *stream = (struct file_stream){.super = {on_proceed, NULL},
                                   .exchange = exchange,
                                   .at = res->file.offset,
                                   .left = res->file.size,
                                   .piece = h2o_mem_alloc_pool(&h2o->pool, FILE_PIECE_BYTES)};
    h2o_start_response(h2o, &stream->super);
    send_piece(stream);
}
