/* Which endpoints a message is for. Pure. */
#ifndef HOOKS_MATCH_H
#define HOOKS_MATCH_H

#include "base/str.h"

/* A name of letters, digits, '-', '_', '.', or such a name that ends with ".*", or "*". */
bool match_is_pattern(struct str pattern);
/* event_types and channels are lines (endpoint.h); message_channels, too. No event types: all. No
 * channels: all messages, whether they have any or not; else those that share one. */
bool match_wants(struct str event_types, struct str channels, struct str event_type,
                 struct str message_channels);

#endif
