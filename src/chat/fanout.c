/* See fanout.h. */
#include "chat/fanout.h"

#include "chat/feed.h"

struct staged {
    struct fanout *fanout;
    struct fanout_event event;
};

static void staged_run(void *data)
{
    const struct staged *staged = data;
    staged->fanout->on_event(staged->fanout->ctx, &staged->event);
}

enum err fanout_stage(struct fanout *fanout, struct writer_tx *tx, const struct fanout_event *event)
{
    enum err err = feed_put(tx, event);
    if (err || !fanout->on_event)
        return err;
    struct staged *staged = writer_effect(tx, staged_run, sizeof(*staged));
    if (!staged)
        return ERR_NOMEM;
    *staged = (struct staged){fanout, *event};
    return ERR_OK;
}

enum err fanout_stage_members(struct fanout *fanout, struct writer_tx *tx, const struct chat *chat)
{
    struct fanout_event event = {
        .kind = FANOUT_MEMBERS, .chat_id = chat->id, .members_version = chat->members_version};
    return fanout_stage(fanout, tx, &event);
}
