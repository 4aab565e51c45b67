/* The pages: static files from the binary, with their headers ready; see pages.c. */
#ifndef APP_PAGES_H
#define APP_PAGES_H

#include "app/route.h"

struct pages;

/* Takes in the embedded files of web/dist. NULL: out of memory. */
struct pages *pages_new(void);
void pages_free(struct pages *pages);
/* Answers any path that is not of the API; 404 when there is no such page, 405 for other methods
 * than GET. Loop thread. */
void pages_reply(const struct pages *pages, struct call *call);

#endif
