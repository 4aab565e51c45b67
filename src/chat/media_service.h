/* What the media of a running service have: the directory, and figures. */
#ifndef CHAT_MEDIA_SERVICE_H
#define CHAT_MEDIA_SERVICE_H

#include "app/config.h"
#include "app/metrics.h"
#include "chat/media.h"
#include "chat/media_sniff.h"

struct chat_service;

struct media_service {
    struct media_files *files;
    struct metric *received; /* bytes */
    struct metric *finished, *collected;
    struct metric *thumbs_made, *thumbs_refused, *thumbs_ended;
    struct metric *thumb_time;
};

/* Makes the directory. */
ERR_MUST_USE enum err media_service_open(struct media_service *media, const struct config *config);
void media_service_close(struct media_service *media);

/* What the whole upload is: hashed, named, and, where it is an image, with a thumbnail. What cannot be made
 * small has none. ERR_DENIED: of a kind that is not taken. Pool threads only: takes seconds at worst. */
ERR_MUST_USE enum err media_inspect(struct media_service *media, const struct media *upload, int fd,
                                    struct media_result *ret_result);

/* Collects what nobody wants, and does to files what is due. On the steward, now and then. */
void media_sweep(struct chat_service *chat);

#endif
