/*
 * A seating plan as organizers send it: open JSON, parsed and checked whole before a row is
 * written. Numbers are given out here: sections, seats and areas count from 0 in the order of the
 * document.
 */
#ifndef TICKETS_PLAN_H
#define TICKETS_PLAN_H

#include "base/json.h"
#include "tickets/layout.h"

struct plan {
    struct str name;
    float width, height;
    struct layout_focus focus;
    uint32_t category_count, section_count, seat_count, area_count;
    struct layout_category *categories;
    struct layout_section *sections;
    struct layout_seat *seats;
    struct layout_area *areas;
};

/* Checks everything and collects up to FIELD_ERRORS_MAX errors, each with its path below prefix
 * ("seating_plan"). ERR_INVALID with errors; ERR_NOMEM. Texts are borrowed from the tree, the
 * arrays lie in the arena. Any thread; milliseconds for large plans. */
ERR_MUST_USE enum err plan_parse(struct arena *arena, const struct json_node *document,
                                 const char *prefix, struct field_errors *errors,
                                 struct plan *ret_plan);

#endif
