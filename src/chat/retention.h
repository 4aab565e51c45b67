/* Empties day tables that are past keeping: at start, and every two minutes, on the steward. */
#ifndef CHAT_RETENTION_H
#define CHAT_RETENTION_H

#include "app/timer.h"
#include "chat/service.h"

ERR_MUST_USE enum err chat_retention_start(struct chat_service *chat, struct timer *timer);

#endif
