/*
 * The inventory's read model; purpose, loading and invariants stand in inventory.h.
 *
 * Threads. One mutex guards the table of models, the table of layouts and the list of loads; it is
 * held for a look-up only. How a model changes stands in model_change.c. A model that left the table
 * is frozen: requests that hold a reference see old seats until they end, and the database judges
 * what they ask for.
 *
 * A tail's row may come between the commit of an installation and its effect, when the model is in
 * nobody's sight. So each load that is under way stands in a list where the tail notes what came; a
 * model that is older than that is not installed, and whoever comes next loads it anew.
 */
#include "tickets/inventory.h"

#include <assert.h>
#include <stdlib.h>

#include "tickets/inventory_store.h"
#include "tickets/limits.h"
#include "tickets/model_change.h"

/* An inventory_load under way; on its stack. */
struct load {
    struct load *next;
    uint64_t event_id;
    int64_t tail_version; /* the newest that the tail had meanwhile; 0: none */
};

struct inventory {
    struct writer *writer;
    pthread_mutex_t lock;
    struct map models;  /* event id to struct event_model * */
    struct map layouts; /* venue id mixed with plan version to struct layout * */
    uint64_t layout_seats, layout_seats_max;
    size_t hand; /* where in models the search for an idle one goes on */
    struct load *loads;
    bool is_followed;
};

enum err inventory_new(struct writer *writer, struct inventory **ret_inventory)
{
    struct inventory *inventory = calloc(1, sizeof(*inventory));
    if (!inventory)
        return ERR_NOMEM;
    inventory->writer = writer;
    pthread_mutex_init(&inventory->lock, NULL);
    map_init(&inventory->models, MODELS_MAX + 1);
    map_init(&inventory->layouts, MODELS_MAX + 1);
    inventory->layout_seats_max = LAYOUT_SEATS_MAX;
    *ret_inventory = inventory;
    return ERR_OK;
}

void inventory_free(struct inventory *inventory)
{
    if (!inventory)
        return;
    size_t position = 0;
    uint64_t key;
    uintptr_t value;
    while (map_each(&inventory->models, &position, &key, &value))
        event_model_unref((struct event_model *)value);
    position = 0;
    while (map_each(&inventory->layouts, &position, &key, &value))
        layout_unref((struct layout *)value);
    map_release(&inventory->models);
    map_release(&inventory->layouts);
    pthread_mutex_destroy(&inventory->lock);
    free(inventory);
}

void inventory_set_seats_max(struct inventory *inventory, uint64_t seats_max)
{
    inventory->layout_seats_max = seats_max;
}

void inventory_set_followed(struct inventory *inventory)
{
    inventory->is_followed = true;
}

void event_model_unref(struct event_model *model)
{
    if (!model || atomic_fetch_sub(&model->refs, 1) != 1)
        return;
    kept_slot_release(&model->kept_availability);
    kept_slot_release(&model->kept_bits);
    layout_unref(model->layout);
    free((void *)model->seats);
    free((void *)model->section_available);
    free((void *)model->area_available);
    free((void *)model->asked_seats);
    free((void *)model->asked_areas);
    free((void *)model->gone_until);
    free(model->given_areas);
    free(model->seat_versions);
    free(model->area_versions);
    pthread_mutex_destroy(&model->change_lock);
    pthread_mutex_destroy(&model->asked_lock);
    arena_release(&model->arena);
    free(model);
}

struct event_model *inventory_get(struct inventory *inventory, uint64_t event_id)
{
    struct event_model *model = NULL;
    uintptr_t value;
    pthread_mutex_lock(&inventory->lock);
    if (map_get(&inventory->models, event_id, &value)) {
        model = (struct event_model *)value;
        atomic_fetch_add(&model->refs, 1);
        if (!atomic_load_explicit(&model->is_fresh, memory_order_relaxed))
            atomic_store_explicit(&model->is_fresh, true, memory_order_relaxed);
    }
    pthread_mutex_unlock(&inventory->lock);
    return model;
}

static uint64_t layout_key(uint64_t venue_id, int64_t plan_version)
{
    return venue_id * 1000003u + (uint64_t)plan_version;
}

/* The layout from the table or the database; a race between two loaders keeps the first. */
static enum err layout_get(struct inventory *inventory, struct db *db, uint64_t venue_id,
                           int64_t plan_version, struct layout **ret_layout)
{
    uint64_t key = layout_key(venue_id, plan_version);
    uintptr_t value;
    pthread_mutex_lock(&inventory->lock);
    struct layout *layout =
        map_get(&inventory->layouts, key, &value) ? (struct layout *)value : NULL;
    if (layout && layout->venue_id == venue_id && layout->plan_version == plan_version)
        *ret_layout = layout_ref(layout);
    else
        layout = NULL;
    pthread_mutex_unlock(&inventory->lock);
    if (layout)
        return ERR_OK;
    enum err err = layout_load(db, venue_id, plan_version, &layout);
    if (err)
        return err;
    pthread_mutex_lock(&inventory->lock);
    /* A full table only means that this plan is loaded again next time. */
    if (!map_has(&inventory->layouts, key) &&
        map_put(&inventory->layouts, key, (uintptr_t)layout) == ERR_OK) {
        layout_ref(layout);
        inventory->layout_seats += layout->seat_count;
    }
    pthread_mutex_unlock(&inventory->lock);
    *ret_layout = layout;
    return ERR_OK;
}

/* Recomputes the counters that follow from seats and prices. */
static void model_count(struct event_model *model)
{
    const struct layout *layout = model->layout;
    int64_t available = 0, total = 0;
    for (uint32_t i = 0; i < layout->section_count; i++)
        atomic_store(&model->section_available[i], 0);
    for (uint32_t i = 0; i < layout->category_count; i++)
        atomic_store(&model->category_available[i], 0);
    for (uint32_t i = 0; i < layout->seat_count; i++) {
        if (model->prices[layout->seats[i].category_no] == PRICE_NONE)
            continue;
        total++;
        if (atomic_load(&model->seats[i]) != SEAT_FREE)
            continue;
        available++;
        atomic_fetch_add(&model->section_available[layout->seats[i].section_no], 1);
        atomic_fetch_add(&model->category_available[layout->seats[i].category_no], 1);
    }
    for (uint32_t i = 0; i < model->area_count; i++) {
        total += model->areas[i].capacity;
        available += atomic_load(&model->area_available[i]);
    }
    model->total = total;
    atomic_store(&model->available, available);
}

static enum err make_marks(const struct inventory *inventory, struct event_model *model)
{
    size_t seats = (size_t)model->layout->seat_count + 1;
    model->asked_seats = calloc(seats, sizeof(*model->asked_seats));
    model->asked_areas = calloc((size_t)model->area_count + 1, sizeof(*model->asked_areas));
    model->given_areas = calloc((size_t)model->area_count + 1, sizeof(*model->given_areas));
    if (inventory->is_followed)
        model->gone_until = calloc(seats, sizeof(*model->gone_until));
    bool is_ok = model->asked_seats && model->asked_areas && model->given_areas &&
                 (model->gone_until || !inventory->is_followed);
    return is_ok ? ERR_OK : ERR_NOMEM;
}

static enum err model_build(struct inventory *inventory, struct db *db, uint64_t event_id,
                            struct event_model *model)
{
    enum err err = event_load(db, event_id, &model->arena, &model->event);
    if (err)
        return err;
    err =
        layout_get(inventory, db, model->event.venue_id, model->event.plan_version, &model->layout);
    if (err)
        return err;
    size_t seats = model->layout->seat_count ? model->layout->seat_count : 1;
    size_t sections = model->layout->section_count ? model->layout->section_count : 1;
    model->seats = calloc(seats, sizeof(*model->seats));
    model->section_available = calloc(sections, sizeof(*model->section_available));
    if (!model->seats || !model->section_available)
        return ERR_NOMEM;
    err = inventory_store_load(db, model);
    if (!err)
        err = make_marks(inventory, model);
    if (!err && inventory->is_followed)
        err = event_model_follow(model, db);
    if (err)
        return err;
    model_count(model);
    return model->arena.overflow ? ERR_NOMEM : ERR_OK;
}

static enum err model_read(struct inventory *inventory, struct db *db, uint64_t event_id,
                           struct event_model **ret_model)
{
    struct event_model *model = calloc(1, sizeof(*model));
    if (!model)
        return ERR_NOMEM;
    atomic_init(&model->refs, 1);
    atomic_init(&model->is_fresh, true);
    kept_slot_init(&model->kept_availability);
    kept_slot_init(&model->kept_bits);
    pthread_mutex_init(&model->change_lock, NULL);
    pthread_mutex_init(&model->asked_lock, NULL);
    arena_init(&model->arena, 4u << 20);
    for (size_t i = 0; i < sizeof(model->prices) / sizeof(model->prices[0]); i++)
        model->prices[i] = PRICE_NONE;
    enum err err = db_snapshot_begin(db);
    if (!err) {
        err = model_build(inventory, db, event_id, model);
        db_snapshot_end(db);
    }
    if (err)
        event_model_unref(model);
    else
        *ret_model = model;
    return err;
}

/* --- Installing, on the writer --- */

struct install_job {
    struct writer_job job;
    struct inventory *inventory;
    struct event_model *model;
    struct load *load;
    bool is_refreshed; /* it shows a transaction that may have been lost since */
};

struct install_effect {
    struct inventory *inventory;
    struct event_model *model; /* with a reference of its own, for the table */
    struct load *load;         /* whose thread waits for the job's end */
};

/* Takes a model that nobody uses and nobody asked for lately from the table; NULL: none. Who comes by
 * the first time loses its freshness only. The lock is held. */
static struct event_model *model_take_idle(struct inventory *inventory)
{
    uint64_t key;
    uintptr_t value;
    for (size_t looks = 0; looks < 2 * inventory->models.count; looks++) {
        if (!map_each(&inventory->models, &inventory->hand, &key, &value)) {
            inventory->hand = 0;
            if (!map_each(&inventory->models, &inventory->hand, &key, &value))
                return NULL;
        }
        struct event_model *model = (struct event_model *)value;
        if (atomic_load(&model->refs) > 1 || atomic_exchange(&model->is_fresh, false))
            continue;
        map_remove(&inventory->models, key);
        return model;
    }
    return NULL;
}

/* The same for a plan that no model has any more. The lock is held. */
static struct layout *layout_take_idle(struct inventory *inventory)
{
    size_t position = 0;
    uint64_t key;
    uintptr_t value;
    while (map_each(&inventory->layouts, &position, &key, &value)) {
        struct layout *layout = (struct layout *)value;
        if (atomic_load(&layout->refs) > 1)
            continue;
        map_remove(&inventory->layouts, key);
        inventory->layout_seats -= layout->seat_count;
        return layout;
    }
    return NULL;
}

/* Makes room for one more model. What is in use stays, even if that is too much. */
static void models_trim(struct inventory *inventory)
{
    for (;;) {
        pthread_mutex_lock(&inventory->lock);
        bool is_heavy = inventory->layout_seats > inventory->layout_seats_max ||
                        inventory->layouts.count > MODELS_MAX;
        bool is_full = is_heavy || inventory->models.count >= MODELS_MAX;
        struct layout *layout = is_heavy ? layout_take_idle(inventory) : NULL;
        struct event_model *model = is_full && !layout ? model_take_idle(inventory) : NULL;
        pthread_mutex_unlock(&inventory->lock);
        if (!layout && !model)
            return;
        /* Here, not under the lock: there may be megabytes to free. */
        layout_unref(layout);
        event_model_unref(model);
    }
}

static void install_run(void *data)
{
    struct install_effect *effect = data;
    struct inventory *inventory = effect->inventory;
    struct event_model *old = NULL;
    uintptr_t value;
    models_trim(inventory);
    pthread_mutex_lock(&inventory->lock);
    if (effect->load->tail_version > atomic_load(&effect->model->version)) {
        pthread_mutex_unlock(&inventory->lock);
        return;
    }
    if (map_get(&inventory->models, effect->model->event.id, &value))
        old = (struct event_model *)value;
    if (old && old->event.updated_at == effect->model->event.updated_at) {
        /* Somebody else loaded it meanwhile. What is in the table is as true, and has the marks of all
         * who ask already. */
        pthread_mutex_unlock(&inventory->lock);
        return;
    }
    atomic_fetch_add(&effect->model->refs, 1);
    bool is_in =
        map_put(&inventory->models, effect->model->event.id, (uintptr_t)effect->model) == ERR_OK;
    pthread_mutex_unlock(&inventory->lock);
    if (is_in)
        event_model_unref(old);
    else
        event_model_unref(effect->model);
}

static enum err install_apply(struct writer_job *job, struct writer_tx *tx)
{
    struct install_job *install = container_of(job, struct install_job, job);
    struct event_model *model = install->model;
    int64_t version = 0;
    enum err err = journal_staged_version(tx->journal, model->event.id, &version);
    if (err)
        return err;
    if (version != atomic_load(&model->version) || install->is_refreshed) {
        bool is_same_event = false;
        install->is_refreshed = true;
        err = inventory_store_refresh(tx->db, model, &is_same_event);
        if (err)
            return err;
        if (!is_same_event)
            return ERR_AGAIN;
        atomic_store(&model->version, version);
        model_count(model);
        if (install->inventory->is_followed)
            err = event_model_follow(model, tx->db);
        if (err)
            return err;
    }
    struct install_effect *effect = writer_effect(tx, install_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct install_effect){install->inventory, model, install->load};
    return ERR_OK;
}

static void install_done(struct writer_job *job, enum err outcome)
{
    (void)job;
    (void)outcome; /* writer_run hands the outcome to whoever waits. */
}

static void load_begin(struct inventory *inventory, struct load *load)
{
    pthread_mutex_lock(&inventory->lock);
    load->next = inventory->loads;
    inventory->loads = load;
    pthread_mutex_unlock(&inventory->lock);
}

static void load_end(struct inventory *inventory, struct load *load)
{
    pthread_mutex_lock(&inventory->lock);
    struct load **link = &inventory->loads;
    while (*link != load)
        link = &(*link)->next;
    *link = load->next;
    pthread_mutex_unlock(&inventory->lock);
}

/* Reads a model and has the writer install it. ERR_AGAIN: the event was edited meanwhile. */
static enum err load_once(struct inventory *inventory, struct db *db, uint64_t event_id,
                          struct event_model **ret_model)
{
    struct load load = {.event_id = event_id};
    struct event_model *model = NULL;
    load_begin(inventory, &load);
    enum err err = model_read(inventory, db, event_id, &model);
    if (!err) {
        struct install_job install = {
            .job = {.shard = event_id, .apply = install_apply, .done = install_done},
            .inventory = inventory,
            .model = model,
            .load = &load};
        err = writer_run(inventory->writer, &install.job);
        if (err)
            event_model_unref(model);
    }
    load_end(inventory, &load);
    if (err)
        return err;
    *ret_model = inventory_get(inventory, event_id); /* perhaps another's who was faster */
    if (!*ret_model)
        *ret_model = model;
    else
        event_model_unref(model);
    return ERR_OK;
}

enum err inventory_load(struct inventory *inventory, struct db *db, uint64_t event_id,
                        struct event_model **ret_model)
{
    /* An event that is edited while it is loaded sends us round again; three edits within
     * milliseconds are somebody's load test. */
    for (int attempt = 0; attempt < 3; attempt++) {
        struct event_model *model = inventory_get(inventory, event_id);
        if (model) {
            *ret_model = model;
            return ERR_OK;
        }
        enum err err = load_once(inventory, db, event_id, ret_model);
        if (err != ERR_AGAIN)
            return err;
    }
    return ERR_TIMEOUT;
}

/* --- Finding --- */

int event_model_find_area(const struct event_model *model, struct str guid)
{
    for (uint32_t i = 0; i < model->area_count; i++)
        if (str_eq(model->areas[i].guid, guid))
            return (int)i;
    return -1;
}

int event_model_area_index(const struct event_model *model, uint32_t area_no)
{
    for (uint32_t i = 0; i < model->area_count; i++)
        if (model->areas[i].area_no == area_no)
            return (int)i;
    return -1;
}

/* --- Effects --- */

struct places_effect {
    struct inventory *inventory;
    uint64_t event_id;
    struct places_change change;
    uint32_t seat_nos[]; /* what change.seat_nos points to */
};

static void places_run(void *data)
{
    struct places_effect *effect = data;
    const struct places_change *change = &effect->change;
    struct event_model *model = inventory_get(effect->inventory, effect->event_id);
    if (!model)
        return;
    event_model_change(model, change);
    event_model_unref(model);
}

enum err inventory_stage_places(struct inventory *inventory, struct writer_tx *tx,
                                uint64_t event_id, const struct places_change *change)
{
    assert(change->area_count <= BOOKING_PLACES_MAX);
    size_t seats_size = change->seat_count * sizeof(*change->seat_nos);
    if (change->seat_count + change->area_count == 0)
        return ERR_OK;
    struct places_effect *effect =
        writer_effect(tx, places_run, sizeof(struct places_effect) + seats_size);
    if (!effect)
        return ERR_NOMEM;
    effect->inventory = inventory;
    effect->event_id = event_id;
    effect->change = *change;
    effect->change.seat_nos = effect->seat_nos;
    if (seats_size > 0)
        memcpy(effect->seat_nos, change->seat_nos, seats_size);
    return ERR_OK;
}

void inventory_forget(struct inventory *inventory, const struct event_model *model)
{
    uintptr_t value;
    pthread_mutex_lock(&inventory->lock);
    bool is_in = map_get(&inventory->models, model->event.id, &value) &&
                 (const struct event_model *)value == model;
    if (is_in)
        map_remove(&inventory->models, model->event.id);
    pthread_mutex_unlock(&inventory->lock);
    if (is_in)
        event_model_unref((struct event_model *)value);
}

struct drop_effect {
    struct inventory *inventory;
    uint64_t event_id;
};

/* Forgets the event's model, if it shows less than this version. */
static void drop_older(struct inventory *inventory, uint64_t event_id, int64_t version)
{
    struct event_model *model = NULL;
    uintptr_t value;
    pthread_mutex_lock(&inventory->lock);
    if (map_get(&inventory->models, event_id, &value) &&
        atomic_load(&((struct event_model *)value)->version) < version) {
        model = (struct event_model *)value;
        map_remove(&inventory->models, event_id);
    }
    pthread_mutex_unlock(&inventory->lock);
    event_model_unref(model);
}

static void drop_run(void *data)
{
    struct drop_effect *effect = data;
    drop_older(effect->inventory, effect->event_id, INT64_MAX);
}

enum err inventory_stage_drop(struct inventory *inventory, struct writer_tx *tx, uint64_t event_id)
{
    struct drop_effect *effect = writer_effect(tx, drop_run, sizeof(*effect));
    if (!effect)
        return ERR_NOMEM;
    *effect = (struct drop_effect){inventory, event_id};
    return ERR_OK;
}

/* --- For the tail --- */

/* The model to tell of this row, with a reference; NULL: there is none. Loads under way are told. */
static struct event_model *model_to_tell(struct inventory *inventory, uint64_t event_id,
                                         int64_t version)
{
    struct event_model *model = NULL;
    uintptr_t value;
    pthread_mutex_lock(&inventory->lock);
    for (struct load *load = inventory->loads; load; load = load->next)
        if (load->event_id == event_id && load->tail_version < version)
            load->tail_version = version;
    if (map_get(&inventory->models, event_id, &value)) {
        model = (struct event_model *)value;
        atomic_fetch_add(&model->refs, 1);
    }
    pthread_mutex_unlock(&inventory->lock);
    return model;
}

void inventory_follow(struct inventory *inventory, uint64_t event_id,
                      const struct places_change *change)
{
    struct event_model *model = model_to_tell(inventory, event_id, change->version);
    /* A gap: rows of this event have passed without being seen. The database knows. */
    if (model && !event_model_change_in_order(model, change))
        drop_older(inventory, event_id, change->version);
    event_model_unref(model);
}

void inventory_follow_edit(struct inventory *inventory, uint64_t event_id, int64_t version)
{
    event_model_unref(model_to_tell(inventory, event_id, version));
    drop_older(inventory, event_id, version);
}

void inventory_drop_all(struct inventory *inventory)
{
    uint64_t key = 0;
    uintptr_t value = 0;
    bool has_one;
    do { /* one at a time: freeing takes long, and nobody shall wait for the lock */
        size_t position = 0;
        pthread_mutex_lock(&inventory->lock);
        for (struct load *load = inventory->loads; load; load = load->next)
            load->tail_version = INT64_MAX;
        has_one = map_each(&inventory->models, &position, &key, &value);
        if (has_one)
            map_remove(&inventory->models, key);
        pthread_mutex_unlock(&inventory->lock);
        if (has_one)
            event_model_unref((struct event_model *)value);
    } while (has_one);
}
