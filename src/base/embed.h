/* Files that travel inside the binary: migrations, pages, API schemas (see scripts/embed.sh). */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

struct embed_file {
    const char
        *path; /* as in the repository, e.g. "sql/tickets/001_initial.sql"; NULL ends the table */
    const char *begin;
    const char *end;
};

/* Sorted by path. Immutable; any thread. */
extern const struct embed_file embed_files[];

#endif
