/*
 * Fuzz target of the seating plan reader. Whatever comes: no crash, no leak; a refusal names what
 * is wrong; a plan that is taken is consistent, so that what is written to the tables can be read
 * again.
 *
 * Run: plan_fuzz tests/fuzz/corpus/plan
 */
#include "fuzz.h"

#include "tickets/limits.h"
#include "tickets/plan.h"

#include <math.h>

#define ARENA_BYTES ((size_t)32 << 20)

static void check_seat(const struct plan *plan, uint32_t seat_no)
{
    const struct layout_seat *seat = &plan->seats[seat_no];
    require(seat->guid.len >= 1 && seat->guid.len <= PLAN_GUID_MAX && str_is_utf8(seat->guid));
    require(seat->section_no < plan->section_count && seat->category_no < plan->category_count);
    const struct layout_section *section = &plan->sections[seat->section_no];
    require(seat_no >= section->seat_first && seat_no < section->seat_first + section->seat_count);
    require(isfinite(seat->x) && isfinite(seat->y));
}

static void check_plan(const struct plan *plan)
{
    uint32_t next = 0;
    require(plan->category_count >= 1 && plan->category_count <= PLAN_CATEGORIES_MAX);
    require(plan->seat_count + plan->area_count >= 1);
    for (uint32_t i = 0; i < plan->section_count; i++) {
        require(plan->sections[i].seat_first == next && plan->sections[i].name.len > 0);
        next += plan->sections[i].seat_count;
    }
    require(next == plan->seat_count);
    for (uint32_t i = 0; i < plan->seat_count; i++)
        check_seat(plan, i);
    for (uint32_t i = 0; i < plan->area_count; i++) {
        require(plan->areas[i].capacity >= 1 && plan->areas[i].capacity <= AREA_CAPACITY_MAX);
        require(plan->areas[i].section_no < plan->section_count && plan->areas[i].guid.len > 0);
        require(plan->areas[i].category_no < plan->category_count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct field_errors errors;
    struct json_node *root;
    struct str message = STR_NONE;
    struct plan plan;
    arena_init(&arena, ARENA_BYTES);
    field_errors_init(&errors, &arena);
    if (json_parse(&arena, str_from((const char *)data, size), &root, &message) == ERR_OK) {
        enum err err = plan_parse(&arena, root, "seating_plan", &errors, &plan);
        require(err == ERR_NOMEM || (err == ERR_INVALID) == (errors.count > 0));
        if (err == ERR_OK)
            check_plan(&plan);
        for (size_t i = 0; i < errors.count; i++)
            require(str_is_utf8(errors.items[i].field) && str_is_utf8(errors.items[i].message));
    }
    arena_release(&arena);
    return 0;
}
