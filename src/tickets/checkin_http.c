/* Check-in over HTTP. */
#include "tickets/tickets.h"

const struct route checkin_routes[1];
const size_t checkin_routes_count = 0;
