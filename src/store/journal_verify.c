/*
 * journal_verify: one walk over the rows in order of seq, with the end of every chain in memory
 * (about 80 bytes a shard), then one over the heads. After a finding the chain goes on from what
 * the row says, so that one alteration is one finding or two and not one for every later row.
 *
 * What it proves: nobody altered, removed, added or reordered rows without recomputing every later
 * hash of the shard and its head. Against one who did, compare the heads with published ones.
 */
#include "store/journal.h"
#include "store/journal_internal.h"

#include "base/map.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARDS_MAX  ((size_t)1 << 30)
#define READ_ROWS   4000
#define FINDING_MAX 256

SQL(SQL_HEADS, "SELECT shard, version, hash FROM journal_head ORDER BY shard");

struct shard_chain {
    uint64_t shard;
    struct chain last;
    bool has_head;
};

struct verifier {
    void (*on_finding)(const char *line, void *ctx);
    void *ctx;
    uint64_t rows;
    int64_t last_seq;
    struct map index; /* shard to position in chains */
    struct shard_chain *chains;
    size_t count;
    size_t cap;
};

__attribute__((format(printf, 2, 3))) static void found(const struct verifier *verifier,
                                                        const char *format, ...)
{
    char line[FINDING_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args); /* a cut line is good enough */
    va_end(args);
    verifier->on_finding(line, verifier->ctx);
}

static bool is_hash(struct str stored, const uint8_t hash[static SHA256_SIZE])
{
    return str_eq(stored, str_from((const char *)hash, SHA256_SIZE));
}

static enum err chain_add(struct verifier *verifier, uint64_t shard)
{
    if (verifier->count == verifier->cap) {
        size_t cap = verifier->cap ? 2 * verifier->cap : 256;
        void *chains = reallocarray(verifier->chains, cap, sizeof(*verifier->chains));
        if (!chains) {
            return ERR_NOMEM;
        }
        verifier->chains = chains;
        verifier->cap = cap;
    }
    enum err err = map_put(&verifier->index, shard, verifier->count);
    if (err == ERR_OK) {
        verifier->chains[verifier->count++] = (struct shard_chain){.shard = shard};
    }
    return err;
}

/* The chain of a shard, new if need be; valid until the next call. */
static enum err chain_find(struct verifier *verifier, uint64_t shard,
                           struct shard_chain **ret_chain)
{
    uintptr_t position = verifier->count;
    if (!map_get(&verifier->index, shard, &position)) {
        enum err err = chain_add(verifier, shard);
        if (err != ERR_OK) {
            return err;
        }
    }
    *ret_chain = &verifier->chains[position];
    return ERR_OK;
}

static void check_row(const struct verifier *verifier, const struct chain *last,
                      const struct journal_row *row)
{
    if (row->version != last->version + 1) {
        found(verifier, "journal seq %lld: shard %llu has version %lld after %lld",
              (long long)row->seq, (unsigned long long)row->shard, (long long)row->version,
              (long long)last->version);
        return;
    }
    if (row->type.len > JOURNAL_TYPE_MAX) {
        found(verifier, "journal seq %lld: type is too long", (long long)row->seq);
        return;
    }
    uint8_t hash[SHA256_SIZE];
    journal_row_hash(last->hash, row, hash);
    if (!is_hash(row->hash, hash)) {
        found(verifier, "journal seq %lld: hash of shard %llu version %lld does not match",
              (long long)row->seq, (unsigned long long)row->shard, (long long)row->version);
    }
}

static enum err on_row(const struct journal_row *row, void *ctx)
{
    struct verifier *verifier = ctx;
    struct shard_chain *chain;
    enum err err = chain_find(verifier, row->shard, &chain);
    if (err != ERR_OK) {
        return err;
    }
    verifier->rows++;
    verifier->last_seq = row->seq;
    check_row(verifier, &chain->last, row);
    chain->last.version = row->version;
    memset(chain->last.hash, 0, SHA256_SIZE);
    if (row->hash.len == SHA256_SIZE) {
        memcpy(chain->last.hash, row->hash.data, SHA256_SIZE);
    }
    return ERR_OK;
}

static void check_head(const struct verifier *verifier, uint64_t shard, int64_t version,
                       struct str hash)
{
    uintptr_t position;
    if (!map_get(&verifier->index, shard, &position)) {
        found(verifier, "journal head of shard %llu: there are no rows", (unsigned long long)shard);
        return;
    }
    struct shard_chain *chain = &verifier->chains[position];
    chain->has_head = true;
    if (version != chain->last.version) {
        found(verifier, "journal head of shard %llu: version %lld, but the last row has %lld",
              (unsigned long long)shard, (long long)version, (long long)chain->last.version);
    } else if (!is_hash(hash, chain->last.hash)) {
        found(verifier, "journal head of shard %llu: hash is not that of the last row",
              (unsigned long long)shard);
    }
}

static enum err check_heads(struct db *db, const struct verifier *verifier)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_HEADS);
    for (;;) {
        bool has_row;
        enum err err = db_step(stmt, &has_row);
        if (err != ERR_OK) {
            return err;
        }
        if (!has_row) {
            break;
        }
        check_head(verifier, (uint64_t)db_col_i64(stmt, 0), db_col_i64(stmt, 1),
                   db_col_blob(stmt, 2));
    }
    for (size_t i = 0; i < verifier->count; i++) {
        if (!verifier->chains[i].has_head) {
            found(verifier, "journal head of shard %llu is missing",
                  (unsigned long long)verifier->chains[i].shard);
        }
    }
    return ERR_OK;
}

/* In pages: PostgreSQL hands over all rows of a statement at once. */
static enum err read_all(struct db *db, struct verifier *verifier)
{
    uint64_t rows_before;
    enum err err;
    verifier->last_seq = INT64_MIN;
    do {
        rows_before = verifier->rows;
        err = journal_read_all(db, verifier->last_seq, READ_ROWS, on_row, verifier);
    } while (err == ERR_OK && verifier->rows - rows_before == READ_ROWS);
    return err;
}

enum err journal_verify(struct db *db, void (*on_finding)(const char *line, void *ctx), void *ctx,
                        uint64_t *ret_rows)
{
    struct verifier verifier = {.on_finding = on_finding, .ctx = ctx};
    map_init(&verifier.index, SHARDS_MAX);
    /* Rows and heads must be of one moment; a caller that checks more has begun its own. */
    bool is_own_snapshot = !db_in_transaction(db);
    enum err err = is_own_snapshot ? db_snapshot_begin(db) : ERR_OK;
    if (err == ERR_OK) {
        err = read_all(db, &verifier);
    }
    if (err == ERR_OK) {
        err = check_heads(db, &verifier);
    }
    if (is_own_snapshot) {
        db_snapshot_end(db);
    }
    map_release(&verifier.index);
    free(verifier.chains);
    if (err == ERR_OK) {
        *ret_rows = verifier.rows;
    }
    return err;
}
