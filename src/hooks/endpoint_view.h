/* An endpoint as the API shows it. */
#ifndef HOOKS_ENDPOINT_VIEW_H
#define HOOKS_ENDPOINT_VIEW_H

#include "base/json.h"
#include "hooks/endpoint.h"

/* Members of the object that is open. */
void endpoint_write_members(struct json_writer *writer, const struct endpoint *endpoint);

#endif
