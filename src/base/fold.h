/* Folding of text for comparison: lower case without accents, for Latin (U+00C0 to U+017F), Greek and Cyrillic.
 * Spaces at the ends go, runs of them and of line ends become one. Pure functions, any thread. */
#ifndef BASE_FOLD_H
#define BASE_FOLD_H

#include "base/arena.h"

/* The text is valid UTF-8; what is folded stays as it is when it is folded again. */
struct str fold_text(struct arena *arena, struct str text);
/* The same into a buffer of text.len + FOLD_ROOM bytes; returns the length. No folded character is longer than
 * what it came from. */
#define FOLD_ROOM 4
size_t fold_into(struct str text, char *ret_text);

#endif
