/*
 * Memory for requests that are coming in. h2o keeps a body whole in the connection's buffer before
 * anybody is asked about it, so a few thousand strangers who each send 10 MiB could take all there
 * is. Once a second a loop adds up its large buffers; over its share of bodies_max it closes
 * the connections that have the most, until it is under it again. A request that the application
 * has is left alone: its time is short, and the count of those is bounded by the queues.
 *
 * Between two looks it may be exceeded by what the network carries in a second. A look at 7,500
 * connections takes about two milliseconds, so it is not more often. On the loop's thread.
 */
#include "net/loop_internal.h"

#include <sys/socket.h>

#define LARGE_BYTES ((size_t)128 << 10) /* smaller buffers are the connection cap's concern */

static size_t large_bytes(const struct connection *connection)
{
    const h2o_buffer_t *input = connection->socket->input;
    return input->bytes && input->capacity > LARGE_BYTES ? input->capacity : 0;
}

static struct connection *largest_coming_in(struct server_loop *loop)
{
    struct connection *largest = NULL;
    for (h2o_linklist_t *link = loop->connections.next; link != &loop->connections;
         link = link->next) {
        struct connection *connection = container_of(link, struct connection, link);
        if (connection->exchange || connection->is_shed || large_bytes(connection) == 0)
            continue;
        if (!largest || large_bytes(connection) > large_bytes(largest))
            largest = connection;
    }
    return largest;
}

static void shed(struct server_loop *loop)
{
    size_t total = 0;
    for (h2o_linklist_t *link = loop->connections.next; link != &loop->connections;
         link = link->next)
        total += large_bytes(container_of(link, struct connection, link));
    while (total > loop->bodies_max) {
        struct connection *connection = largest_coming_in(loop);
        if (!connection)
            return;
        connection->is_shed = true;
        total -= large_bytes(connection);
        counter_add(&loop->counters.shed, 1);
        /* h2o sees the end and closes; or the client has gone already */
        (void)shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
    }
}

static void on_look(h2o_timeout_entry_t *entry)
{
    struct server_loop *loop = container_of(entry, struct server_loop, memory_timer);
    shed(loop);
    h2o_timeout_link(loop->context.loop, &loop->memory_timeout, entry);
}

void memory_watch_start(struct server_loop *loop)
{
    h2o_timeout_init(loop->context.loop, &loop->memory_timeout, MEMORY_LOOK_MS);
    loop->memory_timer.cb = on_look;
    h2o_timeout_link(loop->context.loop, &loop->memory_timeout, &loop->memory_timer);
}

void memory_watch_stop(struct server_loop *loop)
{
    h2o_timeout_unlink(&loop->memory_timer);
    h2o_timeout_dispose(loop->context.loop, &loop->memory_timeout);
}
