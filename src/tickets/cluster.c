/* Breadth first over names; each name is looked up once, each booking counts once. */
#include "tickets/cluster.h"

void cluster_begin(struct cluster *cluster, bool counts_held)
{
    cluster->accounts.count = cluster->accounts.asked = 0;
    cluster->devices.count = cluster->devices.asked = 0;
    cluster->cards.count = cluster->cards.asked = 0;
    cluster->booking_count = 0;
    cluster->is_too_large = false;
    cluster->counts_held = counts_held;
    cluster->places = 0;
}

static bool is_among(const uint64_t *items, size_t count, uint64_t item)
{
    for (size_t i = 0; i < count; i++)
        if (items[i] == item)
            return true;
    return false;
}

static void add_name(struct cluster *cluster, struct cluster_names *names, uint64_t name)
{
    if (!name || is_among(names->items, names->count, name))
        return;
    if (names->count == CLUSTER_NAMES_MAX)
        cluster->is_too_large = true;
    else
        names->items[names->count++] = name;
}

void cluster_add_account(struct cluster *cluster, uint64_t account_id)
{
    add_name(cluster, &cluster->accounts, account_id);
}

void cluster_add_device(struct cluster *cluster, uint64_t device)
{
    add_name(cluster, &cluster->devices, device);
}

void cluster_add_card(struct cluster *cluster, uint64_t card)
{
    add_name(cluster, &cluster->cards, card);
}

void cluster_skip_booking(struct cluster *cluster, uint64_t booking_id)
{
    if (cluster->booking_count == CLUSTER_BOOKINGS_MAX)
        cluster->is_too_large = true;
    else
        cluster->bookings[cluster->booking_count++] = booking_id;
}

void cluster_was_asked(struct cluster *cluster)
{
    cluster->accounts.asked = cluster->accounts.count;
    cluster->devices.asked = cluster->devices.count;
    cluster->cards.asked = cluster->cards.count;
}

void cluster_take(void *ctx, const struct counted *row)
{
    struct cluster *cluster = ctx;
    if (is_among(cluster->bookings, cluster->booking_count, row->id))
        return;
    cluster_skip_booking(cluster, row->id);
    if (cluster->counts_held || row->state != BOOKING_HELD)
        cluster->places += row->places;
    cluster_add_account(cluster, row->account_id);
    cluster_add_device(cluster, row->device);
    cluster_add_device(cluster, row->pay_device);
    cluster_add_card(cluster, row->card);
}

/* Looks up the next name that was not; false when there is none. */
static bool ask_next(struct cluster *cluster, struct db *db, uint64_t event_id, enum err *ret_err)
{
    struct counted_sink sink = {cluster_take, cluster};
    if (cluster->accounts.asked < cluster->accounts.count) {
        uint64_t account_id = cluster->accounts.items[cluster->accounts.asked++];
        *ret_err = abuse_store_by_account(db, event_id, account_id, &sink);
        return true;
    }
    if (cluster->devices.asked < cluster->devices.count) {
        uint64_t device = cluster->devices.items[cluster->devices.asked++];
        *ret_err = abuse_store_by_device(db, event_id, device, &sink);
        return true;
    }
    if (cluster->cards.asked < cluster->cards.count) {
        uint64_t card = cluster->cards.items[cluster->cards.asked++];
        *ret_err = abuse_store_by_card(db, event_id, card, &sink);
        return true;
    }
    return false;
}

enum err cluster_grow(struct cluster *cluster, struct db *db, uint64_t event_id, int64_t places_max)
{
    enum err err = ERR_OK;
    while (!err && !cluster->is_too_large && cluster->places <= places_max &&
           ask_next(cluster, db, event_id, &err))
        continue;
    return err;
}
