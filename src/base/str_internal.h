/* UTF-8 for the files of base that walk text themselves (str.c, json_write.c). */
#ifndef BASE_STR_INTERNAL_H
#define BASE_STR_INTERNAL_H

#include <stddef.h>

/* Length (1-4) of the well-formed UTF-8 character at text (RFC 3629); 0 when it is malformed or
 * cut. left > 0. */
size_t utf8_char_len(const unsigned char *text, size_t left);

#endif
