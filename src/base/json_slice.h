/* A value of a JSON object as it stands in the text, byte for byte. */
#ifndef BASE_JSON_SLICE_H
#define BASE_JSON_SLICE_H

#include "base/str.h"

#define JSON_SLICE_DEPTH_MAX 64

/*
 * text must be one JSON object (RFC 8259, UTF-8), and is checked from end to end; ret_value is what
 * stands behind the member's colon, without the blanks around it. Other than json_parse it has no
 * opinion on what values mean: numbers of any size, members that come twice within a value, NUL and
 * lone surrogates as escapes are all fine. ERR_NOT_FOUND: no such member. ERR_INVALID: not an object,
 * deeper than JSON_SLICE_DEPTH_MAX, or the member comes twice; ret_at is where.
 */
ERR_MUST_USE enum err json_slice(struct str text, const char *name, struct str *ret_value,
                                 size_t *ret_at);

#endif
