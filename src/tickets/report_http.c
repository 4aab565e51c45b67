/* Reports over HTTP. */
#include "tickets/tickets.h"

const struct route report_routes[1];
const size_t report_routes_count = 0;
