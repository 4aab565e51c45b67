/* A second reader of JSON and UTF-8, jansson by itself: its names are also ours, so it has a file of
 * its own. */
#ifndef TESTS_FUZZ_WITNESS_H
#define TESTS_FUZZ_WITNESS_H

#include "base/str.h"

#define WITNESS_TEXT_MAX ((size_t)64 << 10)

bool witness_utf8(struct str text);
/* One JSON text, without twice the same name. */
bool witness_json(struct str text);
/* Members of the object; 0 when the text is none. */
size_t witness_count(struct str text);
/* A text member; its bytes, at most WITNESS_TEXT_MAX, are there until the next call. False: none. */
bool witness_text(struct str text, const char *name, struct str *ret_value);
bool witness_i64(struct str text, const char *name, int64_t *ret_value);
/* Also of an integer. */
bool witness_f64(struct str text, const char *name, double *ret_value);

#endif
