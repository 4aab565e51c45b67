/* A layout's lifetime and look-ups; layout_store.c reads it. Nothing of a layout changes once it is
 * loaded but its reference count and the list of rendered maps. */
#include "tickets/layout.h"

#include "tickets/seatmap.h"

#include <stdatomic.h>
#include <stdlib.h>

struct layout *layout_ref(struct layout *layout)
{
    atomic_fetch_add(&layout->refs, 1);
    return layout;
}

void layout_unref(struct layout *layout)
{
    if (!layout || atomic_fetch_sub(&layout->refs, 1) != 1)
        return;
    seatmap_free_all(atomic_load(&layout->seatmaps));
    map_release(&layout->seat_by_guid);
    arena_release(&layout->arena);
    free(layout);
}

bool layout_find_seat(const struct layout *layout, struct str guid, uint32_t *ret_seat_no)
{
    uintptr_t value;
    if (!map_get(&layout->seat_by_guid, str_hash(guid), &value))
        return false;
    uint32_t seat_no = (uint32_t)value - 1;
    if (!str_eq(layout->seats[seat_no].guid, guid))
        return false;
    *ret_seat_no = seat_no;
    return true;
}

bool layout_find_category(const struct layout *layout, struct str name, uint32_t *ret_category_no)
{
    for (uint32_t i = 0; i < layout->category_count; i++) {
        if (str_eq(layout->categories[i].name, name)) {
            *ret_category_no = i;
            return true;
        }
    }
    return false;
}

struct str layout_section_name(const struct layout *layout, uint32_t section_no)
{
    return section_no < layout->section_count ? layout->sections[section_no].name : STR("");
}
