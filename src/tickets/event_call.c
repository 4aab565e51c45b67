/* Finding the event of a request. What a caller may not see is answered exactly as what isn't
 * there. */
#include "tickets/event_call.h"

#include "app/identity.h"

bool event_call_owns(const struct call *call, uint64_t account_id)
{
    if (!call->caller)
        return false;
    return (call->caller->scopes & SCOPE_ADMIN) != 0 || call->caller->account_id == account_id;
}

static void unref_model(void *ptr)
{
    event_model_unref(ptr);
}

enum err event_call_find(struct call *call, struct db *db, uint64_t event_id,
                         struct event_model **ret_model)
{
    struct inventory *inventory = event_call_tickets(call)->inventory;
    struct event_model *model = inventory_get(inventory, event_id);
    if (!model && !db)
        return ERR_AGAIN;
    enum err err = model ? ERR_OK : inventory_load(inventory, db, event_id, &model);
    if (err)
        return err;
    err = arena_on_release(call_arena(call), unref_model, model);
    if (!err)
        *ret_model = model;
    return err;
}

static bool get_model(struct call *call, struct db *db, bool is_for_owner,
                      struct event_model **ret_model, enum err *ret_err)
{
    uint64_t event_id;
    *ret_err = ERR_OK;
    if (!call_param_id(call, "id", "evt", &event_id))
        return false;
    struct event_model *model = NULL;
    enum err err = event_call_find(call, db, event_id, &model);
    if (err && err != ERR_NOT_FOUND) {
        *ret_err = err;
        return false;
    }
    bool is_hidden = !err && (is_for_owner || model->event.status == EVENT_DRAFT) &&
                     !event_call_owns(call, model->event.account_id);
    if (err || is_hidden) {
        problem_reply(call, PROBLEM_NOT_FOUND, "There is no such event.");
        return false;
    }
    *ret_model = model;
    return true;
}

bool event_call_model(struct call *call, struct db *db, struct event_model **ret_model,
                      enum err *ret_err)
{
    return get_model(call, db, false, ret_model, ret_err);
}

bool event_call_own_model(struct call *call, struct db *db, struct event_model **ret_model,
                          enum err *ret_err)
{
    return get_model(call, db, true, ret_model, ret_err);
}
