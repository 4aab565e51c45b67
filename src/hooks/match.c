/* See match.h. */
#include "hooks/match.h"

#include "hooks/limits.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

bool match_is_pattern(struct str pattern)
{
    if (str_eq(pattern, STR("*")))
        return true;
    if (str_ends_with(pattern, STR(".*")))
        pattern.len -= 2;
    if (pattern.len == 0 || pattern.len > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < pattern.len; i++) {
        if (!is_name_char(pattern.data[i]))
            return false;
    }
    return true;
}

/* "invoice.*" is for "invoice.paid" and "invoice.item.added", not for "invoice". */
static bool matches(struct str pattern, struct str name)
{
    if (str_eq(pattern, STR("*")))
        return true;
    if (!str_ends_with(pattern, STR(".*")))
        return str_eq(pattern, name);
    pattern.len--;
    return name.len > pattern.len && str_starts_with(name, pattern);
}

static bool has_line(struct str lines, struct str line)
{
    while (lines.len > 0) {
        if (str_eq(str_split(&lines, '\n'), line))
            return true;
    }
    return false;
}

static bool wants_channels(struct str channels, struct str message_channels)
{
    if (channels.len == 0)
        return true;
    while (message_channels.len > 0) {
        if (has_line(channels, str_split(&message_channels, '\n')))
            return true;
    }
    return false;
}

bool match_wants(struct str event_types, struct str channels, struct str event_type,
                 struct str message_channels)
{
    bool is_wanted = event_types.len == 0;
    while (!is_wanted && event_types.len > 0)
        is_wanted = matches(str_split(&event_types, '\n'), event_type);
    return is_wanted && wants_channels(channels, message_channels);
}
