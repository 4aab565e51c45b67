/*
 * Recomputes the order of every closed list from its revealed seed; see audit_queue.h. A list is read
 * by the ids, its hash made, its ranks sorted, and held against the places in the rows. Rooms whose list
 * is closed, but not hashed yet, are looked at for their commitment only.
 */
#include "tickets/audit_queue.h"

#include <stdlib.h>

#include "base/ids.h"
#include "tickets/limits.h"
#include "tickets/queue_order.h"
#include "tickets/queue_store.h"

struct list {
    uint64_t event_id;
    struct queue_ranked *items;
    size_t count, cap;
    struct crypto_sha256 hash;
};

static enum err on_id(uint64_t id, void *ctx)
{
    struct list *list = ctx;
    char text[ID_TEXT_SIZE];
    if (list->count == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 1024;
        struct queue_ranked *items = realloc(list->items, cap * sizeof(*items));
        if (!items)
            return ERR_NOMEM;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++].id = id;
    crypto_sha256_add(&list->hash, id_format2(text, "que", list->event_id, id));
    crypto_sha256_add(&list->hash, STR("\n"));
    return ERR_OK;
}

static void finding(struct audit *audit, uint64_t event_id, const char *what)
{
    char text[160];
    struct buf line = {.data = text, .cap = sizeof(text) - 1, .max = sizeof(text) - 1};
    buf_printf(&line, "event %llu: %s", (unsigned long long)event_id, what);
    text[line.len] = '\0';
    audit_found(text, audit);
}

struct walk {
    struct audit *audit;
    const struct list *list;
    int64_t next;
    bool is_wrong;
};

static enum err on_place(const struct queue_row *row, void *ctx)
{
    struct walk *walk = ctx;
    bool is_right = (size_t)walk->next < walk->list->count && row->place == walk->next + 1 &&
                    row->id == walk->list->items[walk->next].id;
    walk->is_wrong = walk->is_wrong || !is_right;
    walk->next++;
    return ERR_OK;
}

static enum err check_places(struct audit *audit, struct db *db, const struct queue_terms *terms,
                             struct list *list, const struct queue_secret *secret)
{
    uint8_t key[SHA256_SIZE];
    struct walk walk = {.audit = audit, .list = list};
    queue_order_key(secret->seed, secret->entries_hash, key);
    for (size_t i = 0; i < list->count; i++) {
        char text[ID_TEXT_SIZE];
        queue_order_rank(key, id_format2(text, "que", list->event_id, list->items[i].id),
                         list->items[i].rank);
    }
    if (list->count > 0)
        qsort(list->items, list->count, sizeof(*list->items), queue_order_compare);
    enum err err = queue_store_places(db, terms->event_id, 1, terms->entry_count, on_place, &walk);
    if (!err && (walk.is_wrong || walk.next != terms->placed))
        finding(audit, terms->event_id, "the places are not in the order of the revealed seed");
    return err;
}

static enum err check_room(struct audit *audit, struct db *db, const struct queue_terms *terms)
{
    struct queue_secret secret;
    struct list list = {.event_id = terms->event_id};
    uint8_t hash[SHA256_SIZE];
    enum err err = queue_store_secret(db, terms->event_id, &secret);
    if (err)
        return err;
    crypto_sha256(str_from((const char *)secret.seed, SHA256_SIZE), hash);
    if (memcmp(hash, secret.commitment, SHA256_SIZE) != 0)
        finding(audit, terms->event_id, "the commitment is not of the seed");
    if (!secret.is_revealed)
        return ERR_OK;
    crypto_sha256_begin(&list.hash);
    err = queue_store_list(db, terms->event_id, terms->closed_at, on_id, &list);
    crypto_sha256_end(&list.hash, hash);
    if (!err && (memcmp(hash, secret.entries_hash, SHA256_SIZE) != 0 ||
                 (int64_t)list.count != terms->entry_count))
        finding(audit, terms->event_id, "the closed list is not the one that was hashed");
    else if (!err)
        err = check_places(audit, db, terms, &list, &secret);
    free(list.items);
    return err;
}

#define ROOMS_AT_ONCE 64

static enum err check_rooms(struct audit *audit, struct db *db)
{
    struct queue_terms terms[ROOMS_AT_ONCE];
    uint64_t after_id = 0;
    size_t count = 0;
    enum err err;
    do {
        err = queue_store_all_rooms(db, after_id, ROOMS_AT_ONCE, terms, &count);
        for (size_t i = 0; !err && i < count; i++)
            err = check_room(audit, db, &terms[i]);
        after_id = count ? terms[count - 1].event_id : after_id;
    } while (!err && count == ROOMS_AT_ONCE);
    return err;
}

void audit_queue_orders(struct audit *audit)
{
    audit_begin(audit, "queue-order");
    audit_end(audit, check_rooms(audit, audit_db(audit)));
}
