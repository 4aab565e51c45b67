/*
 * The end of a connection whose request was refused before it was read: a body over the limit, or
 * bytes that make no sense. Closing a socket with unread bytes in it sends a reset, and a reset
 * makes the other side throw away what it has not read yet, which is the very answer that says why
 * (RFC 9112, 9.6). So after such an answer our side is shut, and what still comes is read and
 * dropped until the client closes, for LINGER_MS and LINGER_BYTES_MAX at most.
 *
 *   OPEN -- linger_prepare(): refused --> OPEN, with a duplicate of its descriptor
 *        -- h2o closes its socket, linger_begin() --> LINGERING --> gone
 *
 * h2o closes the descriptor before it says so, hence the duplicate. The connection counts as open
 * meanwhile: it has a descriptor. On the loop's thread.
 */
#include "net/loop_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_BYTES_MAX ((size_t)16 << 20)
#define LINGER_READS     16 /* in a row, then the others have their turn */

void linger_prepare(struct connection *connection)
{
    /* At the limit of descriptors this fails; then the connection just closes. */
    if (connection->linger_fd < 0)
        connection->linger_fd =
            fcntl(h2o_socket_get_fd(connection->socket), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static void on_late_bytes(h2o_socket_t *socket, const char *err)
{
    struct connection *connection = socket->data;
    char dropped[16384];
    for (int i = 0; i < LINGER_READS && !err; i++) {
        ssize_t got = recv(h2o_socket_get_fd(socket), dropped, sizeof(dropped), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return;
        connection->lingered_bytes += got > 0 ? (size_t)got : 0;
        if (got <= 0 || connection->lingered_bytes > LINGER_BYTES_MAX) {
            h2o_socket_close(socket);
            return;
        }
    }
    if (err)
        h2o_socket_close(socket);
}

static void on_time_over(h2o_timeout_entry_t *entry)
{
    h2o_socket_close(container_of(entry, struct connection, linger_timer)->socket);
}

bool linger_begin(struct connection *connection)
{
    struct server_loop *loop = connection->loop;
    int fd = connection->linger_fd;
    connection->linger_fd = -1;
    if (fd < 0)
        return false;
    if (shutdown(fd, SHUT_WR) != 0) {
        (void)close(fd); /* the client has gone */
        return false;
    }
    h2o_socket_t *socket =
        h2o_evloop_socket_create(loop->context.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
    socket->data = connection;
    connection->socket = socket;
    connection->linger_timer.cb = on_time_over;
    h2o_timeout_link(loop->context.loop, &loop->linger_timeout, &connection->linger_timer);
    h2o_socket_read_start(socket, on_late_bytes);
    return true;
}
