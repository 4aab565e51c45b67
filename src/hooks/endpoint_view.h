/* An endpoint as the API shows it. */
#ifndef HOOKS_ENDPOINT_VIEW_H
#define HOOKS_ENDPOINT_VIEW_H

#include "base/json.h"
#include "hooks/endpoint.h"

/* Members of the object that is open. */
void endpoint_write_members(struct json_writer *writer, const struct endpoint *endpoint);
/* Of a header's name: its value may let somebody in, so it is named, not shown. */
bool endpoint_header_is_sensitive(struct str name);

#endif
