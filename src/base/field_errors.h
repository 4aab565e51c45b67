/* A list of what is wrong with an input, each with the path of the field; becomes a 422 problem
 * document. */
#ifndef BASE_FIELD_ERRORS_H
#define BASE_FIELD_ERRORS_H

#include "base/arena.h"

#define FIELD_ERRORS_MAX 20

struct field_error {
    struct str field; /* "prices.Lower", "zones[3].rows[7].seats[2].seat_guid" */
    struct str message;
};

struct field_errors {
    struct arena *arena; /* owns the texts */
    size_t count;        /* stops at FIELD_ERRORS_MAX; later ones are dropped */
    struct field_error items[FIELD_ERRORS_MAX];
};

void field_errors_init(struct field_errors *errors, struct arena *arena);
/* field is copied. */
void field_errors_add(struct field_errors *errors, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
