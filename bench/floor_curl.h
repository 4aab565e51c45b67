/* The floor of sending: a bare libcurl multi loop on epoll. */
#ifndef BENCH_FLOOR_CURL_H
#define BENCH_FLOOR_CURL_H

#include <stdint.h>

#include "base/err.h"

/* POSTs as many bytes as a webhook has to http://127.0.0.1:port/0 and on, paths of them, in_flight at
 * a time on kept connections, for about duration_ms. Handles and lists of headers are made once.
 * ret_rate: answers/s; ret_cpu_us: processor time of the loop for one. */
ERR_MUST_USE enum err floor_curl(unsigned port, unsigned paths, unsigned in_flight,
                                 int64_t duration_ms, double *ret_rate, double *ret_cpu_us);

#endif
