/* The OpenAPI 3.1 document, made from the route tables and docs/api/schemas.json; see openapi.c. */
#ifndef APP_OPENAPI_H
#define APP_OPENAPI_H

#include "app/route.h"

/* Writes the whole document. ERR_NOMEM; ERR_CORRUPT: the schemas are missing from the binary. */
ERR_MUST_USE enum err openapi_write(struct service *const *services, size_t service_count,
                                    struct buf *buf);

#endif
