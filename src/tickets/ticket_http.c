/* Tickets over HTTP. */
#include "tickets/tickets.h"

const struct route ticket_routes[1];
const size_t ticket_routes_count = 0;
