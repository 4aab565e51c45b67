/* Settings of waiting rooms. The rows are in queue_settings_store.c. */
#include "tickets/queue_settings.h"

#include <stddef.h>

#include "tickets/limits.h"

#define MEMBER(member, least, most)                                                                \
    {                                                                                              \
        .name = #member, .kind = JSON_I64, .offset = offsetof(struct queue_settings, member),      \
        .min = (least), .max = (most)                                                              \
    }

static const struct json_field settings_fields[] = {
    MEMBER(admitted_max, 1, QUEUE_ADMITTED_MAX),
    MEMBER(admit_per_minute, 1, QUEUE_PER_MINUTE_MAX),
    MEMBER(opens_before_s, 0, QUEUE_OPENS_BEFORE_S_MAX),
    MEMBER(admission_s, QUEUE_ADMISSION_S_MIN, QUEUE_ADMISSION_S_MAX),
    MEMBER(quiet_s, QUEUE_QUIET_S_MIN, QUEUE_QUIET_S_MAX),
    MEMBER(auto_above, 1, QUEUE_AUTO_ABOVE_MAX),
    {.name = NULL},
};

void queue_settings_default(struct queue_settings *settings)
{
    *settings = (struct queue_settings){
        .admitted_max = 500,
        .admit_per_minute = 600,
        .opens_before_s = 3600,
        .admission_s = 900,
        .quiet_s = 120,
        .auto_above = 1000,
    };
}

void queue_settings_apply(const struct json_node *node, struct queue_settings *settings,
                          struct field_errors *errors)
{
    struct queue_settings changed = *settings;
    if (node &&
        json_decode_node(errors->arena, node, "queue", settings_fields, &changed, errors) == ERR_OK)
        *settings = changed;
}

void queue_settings_write(struct json_writer *writer, const struct queue_settings *settings)
{
    json_key(writer, "queue");
    json_open_object(writer);
    json_put_i64(writer, "admitted_max", settings->admitted_max);
    json_put_i64(writer, "admit_per_minute", settings->admit_per_minute);
    json_put_i64(writer, "opens_before_s", settings->opens_before_s);
    json_put_i64(writer, "admission_s", settings->admission_s);
    json_put_i64(writer, "quiet_s", settings->quiet_s);
    json_put_i64(writer, "auto_above", settings->auto_above);
    json_close_object(writer);
}
