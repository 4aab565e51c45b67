/* Many power cuts in one run: images of a directory, made before operations of its disk that a seed
 * picks, each with the number of jobs that had been answered by then. */
#ifndef TESTS_STORE_POWER_CUTS_H
#define TESTS_STORE_POWER_CUTS_H

#include "store/fault_disk.h"

#include <stdatomic.h>

#define CUTS_MAX 48

struct cut {
    char dir[DISK_PATH_SIZE];
    uint64_t seed; /* of its losses */
    uint64_t at;   /* the operation, counted from the start of the cuts */
    enum disk_loss loss;
    enum disk_op op;
    size_t answered;
};

struct cuts {
    const char *dir; /* what is cut; images are made in it */
    uint64_t seed;
    uint64_t one_in;         /* how rare cuts are */
    _Atomic size_t answered; /* counted by done() */
    uint64_t seen;
    size_t count;
    struct cut items[CUTS_MAX];
};

static inline void cuts_take(struct cuts *cuts, enum disk_op op, enum disk_loss loss)
{
    struct cut *cut = &cuts->items[cuts->count];
    uint64_t seed = disk_random(&cuts->seed);
    *cut = (struct cut){.seed = seed,
                        .at = cuts->seen,
                        .loss = loss,
                        .op = op,
                        .answered = atomic_load(&cuts->answered)};
    (void)snprintf(cut->dir, sizeof(cut->dir), "%s" DISK_IMAGE "%zu", cuts->dir, cuts->count);
    cuts->count++;
    disk_image(cuts->dir, cut->dir, loss, &seed);
}

static inline void cuts_before(enum disk_op op, const char *path, void *ctx)
{
    struct cuts *cuts = ctx;
    bool changes = op == DISK_WRITE || op == DISK_SYNC || op == DISK_TRUNCATE || op == DISK_DELETE;
    (void)path;
    if (!changes)
        return;
    cuts->seen++;
    if (cuts->count < CUTS_MAX && disk_below(&cuts->seed, cuts->one_in) == 0)
        cuts_take(cuts, op, disk_below(&cuts->seed, DISK_LOSSES));
}

static inline void cuts_begin(struct cuts *cuts, const char *dir, uint64_t seed, uint64_t one_in)
{
    cuts->dir = dir;
    cuts->seed = seed;
    cuts->one_in = one_in;
    cuts->seen = 0;
    cuts->count = 0;
    disk_set_hook(cuts_before, cuts);
}

static inline void cuts_end(struct cuts *cuts)
{
    (void)cuts;
    disk_set_hook(NULL, NULL);
}

/* What an image turned out to be. */
enum cut_finding {
    CUT_SOUND,
    CUT_LOST,   /* an answered job is missing, or a job is there in part */
    CUT_BROKEN, /* the database cannot be read, or contradicts itself */
};

/* The seed of a test: FOYER_SEED repeats a run. */
static inline uint64_t cuts_seed(uint64_t usual)
{
    const char *text = getenv("FOYER_SEED");
    return text ? strtoull(text, NULL, 0) : usual;
}

#endif
