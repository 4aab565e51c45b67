/* See endpoint_view.h. */
#include "hooks/endpoint_view.h"

#include "hooks/hooks_call.h"

static void write_schedule(struct json_writer *writer, const struct endpoint *endpoint)
{
    json_key(writer, "retrySchedule");
    if (endpoint->delay_count == 0) {
        json_null(writer);
        return;
    }
    json_open_array(writer);
    for (size_t i = 0; i < endpoint->delay_count; i++)
        json_i64(writer, endpoint->delays_ms[i] / 1000);
    json_close_array(writer);
}

void endpoint_write_members(struct json_writer *writer, const struct endpoint *endpoint)
{
    static const char *const formats[] = {[SIGNATURE_BOTH] = "both",
                                          [SIGNATURE_STANDARD] = "standard",
                                          [SIGNATURE_TIMESTAMPED] = "timestamped"};
    static const char *const disabled_by[] = {
        [DISABLED_BY_CALLER] = "caller", [DISABLED_GONE] = "gone", [DISABLED_FAILING] = "failing"};
    json_put_id2(writer, "id", "ep", endpoint->app_id, endpoint->id);
    hooks_put_optional(writer, "uid", endpoint->uid);
    json_put_str(writer, "url", endpoint->url);
    json_put_i64(writer, "version", 1);
    json_put_str(writer, "description", endpoint->description);
    json_put_bool(writer, "disabled", endpoint->disabled_by != DISABLED_NOT);
    hooks_put_optional(writer, "disabledBy",
                       endpoint->disabled_by ? str_from_c(disabled_by[endpoint->disabled_by])
                                             : STR_NONE);
    hooks_put_lines(writer, "eventTypes", endpoint->event_types);
    hooks_put_lines(writer, "filterTypes", endpoint->event_types);
    hooks_put_lines(writer, "channels", endpoint->channels);
    json_key(writer, "metadata");
    json_raw(writer, endpoint->metadata);
    hooks_put_rate(writer, endpoint->throttle_rate);
    write_schedule(writer, endpoint);
    json_put_str(writer, "signatureFormat", str_from_c(formats[endpoint->signature_format]));
    json_put_str(writer, "signatureAlgorithm",
                 str_from_c(secret_kind_names[endpoint->secret_kind]));
    json_put_time(writer, "createdAt", endpoint->created_at);
    json_put_time(writer, "updatedAt", endpoint->updated_at);
}

bool endpoint_header_is_sensitive(struct str name)
{
    static const char *const names[] = {"authorization", "proxy-authorization", "cookie",
                                        "x-api-key", "x-auth-token"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_ci(name, str_from_c(names[i])))
            return true;
    }
    return false;
}
