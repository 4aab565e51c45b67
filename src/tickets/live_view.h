/*
 * What the listeners of one event's live map show: a copy of the state of all places as it was last
 * sent, and for each place the frame that changed it last. The difference to the model is the next
 * frame; what has changed since any earlier frame is known for as long as the view lives, whatever the
 * number of frames was, and needs no history of them.
 *
 * A frame says version V. Who has applied it shows each place in the state that it had at version
 * V of the event's journal or at a later one, never at an earlier one: the model's version is read before its
 * places. Its id is "V.N.F": besides the version the view's name, which no other view has, here, on another
 * node or after a restart, and the frame's number in it.
 *
 * One thread at a time; the caller locks.
 */
#ifndef TICKETS_LIVE_VIEW_H
#define TICKETS_LIVE_VIEW_H

#include "net/shared.h"
#include "tickets/inventory.h"
#include "tickets/seatmap.h"

struct live_view;

/* NULL: no memory. It keeps nothing of the model. */
struct live_view *live_view_new(const struct event_model *model);
void live_view_free(struct live_view *view); /* NULL is fine */

/* Whether the model still has the places that the view has: it may have been loaded anew. False also when
 * that cannot be said for want of memory. */
bool live_view_fits(const struct live_view *view, const struct event_model *model);
/* Takes over what the model shows. True: that is something else than before, and a frame more. */
bool live_view_look(struct live_view *view, const struct event_model *model);

int64_t live_view_version(const struct live_view *view);
/* The number of the last frame; 0 is the first snapshot's. */
uint32_t live_view_frame(const struct live_view *view);
/* All places; encoded once for each frame number. The caller's reference; NULL: no memory. */
struct shared *live_view_snapshot(struct live_view *view);
/* What has changed since that frame of this view: a delta, or the snapshot when that is smaller. The caller's
 * reference; NULL: no memory. */
struct shared *live_view_since(struct live_view *view, uint32_t frame);
/* The frame that the id names, if it is one of this view. */
bool live_view_knows(const struct live_view *view, struct str id, uint32_t *ret_frame);

#endif
