/* What appending (journal.c) and verifying (journal_verify.c) share. */
#ifndef STORE_JOURNAL_INTERNAL_H
#define STORE_JOURNAL_INTERNAL_H

#include "store/journal.h"

#define JOURNAL_TYPE_MAX 64

/* The end of a shard's chain; all zero before the first row. */
struct chain {
    int64_t version;
    uint8_t hash[SHA256_SIZE];
};

/* The hash of a row that follows prev in its shard's chain; row->hash is not looked at. The type
 * must not be longer than JOURNAL_TYPE_MAX. */
void journal_row_hash(const uint8_t prev[static SHA256_SIZE], const struct journal_row *row,
                      uint8_t ret_hash[static SHA256_SIZE]);

/* journal_read without that last promise: all that the connection can see, for comparing it with the
 * heads. */
ERR_MUST_USE enum err journal_read_all(struct db *db, int64_t after_seq, size_t limit,
                                       enum err (*on_row)(const struct journal_row *row, void *ctx),
                                       void *ctx);

#endif
