/* `foyer verify-queue`: anybody's check of a waiting room's draw, from what the server has published. */
#ifndef TICKETS_VERIFY_QUEUE_H
#define TICKETS_VERIFY_QUEUE_H

#include "base/err.h"
#include "base/str.h"

/* Exit status: 0 the draw is right, 1 it is not, 2 wrong arguments, or something could not be read. */
int verify_queue_main(int argc, char *const *argv);

/* Place of an entry in the list (from 1), 0 when it is not on it. ERR_CORRUPT: *ret_fault says what is
 * wrong. fairness: the JSON document; list: the text; entry: STR_NONE for none. For tests, too. */
ERR_MUST_USE enum err verify_queue(struct str fairness, struct str list, struct str entry,
                                   size_t *ret_count, size_t *ret_place, const char **ret_fault);

#endif
