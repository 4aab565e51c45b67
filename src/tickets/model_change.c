/*
 * How what happened reaches an event's model.
 *
 * One node alone (SQLite): the writer's effects are the only ones to change a model, in the order of
 * the commits. So a change is applied as it comes.
 *
 * Several nodes: a node's own changes come at once, by effects, and all changes, its own included,
 * come a little later in the order of the journal, by the tail. The two meet in any order, and the
 * model must show the same in the end. It does, because every change says what a place is from now
 * on, not by how much it differs, and names the version of its row: a place takes a change only if
 * that is newer than the one it shows.
 *
 * version is what the model shows without a gap, and what answers are cached by. An effect moves it on only if it is the next one;
 * else rows of other nodes are still to come and the tail, which sees every row, moves it. Seats may
 * be newer than it, never older: that is what version promises.
 *
 * Threads: with a tail two threads change a model, under change_lock. Readers use atomics.
 */
#include "tickets/model_change.h"

#include <assert.h>
#include <stdlib.h>

#include "store/journal.h"

enum err event_model_follow(struct event_model *model, struct db *db)
{
    struct journal_bounds bounds;
    enum err err = journal_bounds(db, &bounds);
    if (err)
        return err;
    size_t seats = model->layout->seat_count ? model->layout->seat_count : 1;
    free(model->seat_versions);
    free(model->area_versions);
    model->seat_versions = calloc(seats, sizeof(*model->seat_versions));
    model->area_versions = calloc((size_t)model->area_count + 1, sizeof(*model->area_versions));
    if (!model->seat_versions || !model->area_versions)
        return ERR_NOMEM;
    model->base_version = atomic_load(&model->version);
    model->seen_seq = bounds.seen_seq;
    return ERR_OK;
}

/* Whether the place shows something older; then it is that row's from now on. */
static bool is_news(const struct event_model *model, int64_t *versions, size_t index,
                    int64_t version)
{
    if (!versions)
        return true;
    if (version <= model->base_version || version <= versions[index])
        return false;
    versions[index] = version;
    return true;
}

static void set_seat(struct event_model *model, uint32_t seat_no, enum seat_state state)
{
    uint8_t before = atomic_load_explicit(&model->seats[seat_no], memory_order_relaxed);
    atomic_store_explicit(&model->seats[seat_no], (uint8_t)state, memory_order_release);
    int change = (state == SEAT_FREE) - (before == SEAT_FREE);
    const struct layout_seat *seat = &model->layout->seats[seat_no];
    if (change == 0 || model->prices[seat->category_no] == PRICE_NONE)
        return;
    atomic_fetch_add_explicit(&model->section_available[seat->section_no], change,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&model->category_available[seat->category_no], change,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&model->available, change, memory_order_relaxed);
}

static void set_area(struct event_model *model, size_t index, int32_t free_places)
{
    int32_t before = atomic_exchange(&model->area_available[index], free_places);
    atomic_fetch_add(&model->available, free_places - before);
}

static void set_places(struct event_model *model, const struct places_change *change)
{
    for (size_t i = 0; i < change->seat_count; i++) {
        uint32_t seat_no = change->seat_nos[i];
        assert(seat_no < model->layout->seat_count);
        if (is_news(model, model->seat_versions, seat_no, change->version))
            set_seat(model, seat_no, change->state);
    }
    for (size_t i = 0; i < change->area_count; i++) {
        int index = event_model_area_index(model, change->areas[i].area_no);
        if (index >= 0 && is_news(model, model->area_versions, (size_t)index, change->version))
            set_area(model, (size_t)index, change->areas[i].free);
    }
}

/* The last step of a change: now the model shows it whole. changes moves before the version, so
 * that no body older than a version is sent under it, and after it, so that none is kept which
 * names the version before. */
static void set_version(struct event_model *model, int64_t version)
{
    atomic_fetch_add_explicit(&model->changes, 1, memory_order_release);
    if (version > atomic_load_explicit(&model->version, memory_order_relaxed))
        atomic_store_explicit(&model->version, version, memory_order_release);
    atomic_fetch_add_explicit(&model->changes, 1, memory_order_release);
}

void event_model_change(struct event_model *model, const struct places_change *change)
{
    if (!model->seat_versions) {
        set_places(model, change);
        set_version(model, change->version);
        return;
    }
    pthread_mutex_lock(&model->change_lock);
    int64_t version = atomic_load_explicit(&model->version, memory_order_relaxed);
    set_places(model, change);
    set_version(model, change->version == version + 1 ? change->version : version);
    pthread_mutex_unlock(&model->change_lock);
}

/* Seats that the plan does not have would be a damaged row's. */
static bool has_seats(const struct event_model *model, const struct places_change *change)
{
    for (size_t i = 0; i < change->seat_count; i++)
        if (change->seat_nos[i] >= model->layout->seat_count)
            return false;
    return true;
}

bool event_model_change_in_order(struct event_model *model, const struct places_change *change)
{
    assert(model->seat_versions);
    if (!has_seats(model, change))
        return false;
    pthread_mutex_lock(&model->change_lock);
    int64_t version = atomic_load_explicit(&model->version, memory_order_relaxed);
    bool is_next = change->version == version + 1;
    if (is_next) {
        set_places(model, change);
        set_version(model, change->version);
    }
    pthread_mutex_unlock(&model->change_lock);
    return change->version <= version + 1;
}
