/* See db_clock.h. The answer was right at some moment between question and answer; taken for the
 * middle, it is wrong by half of what they are apart at most. */
#include "store/db_clock.h"

#include "base/clock.h"

#define MS_NS INT64_C(1000000)

SQL(SQL_CLOCK, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)");

static enum err ask(struct db *db, struct clock_reading *ret_reading)
{
    struct clock_reading reading;
    int64_t begin_ns = clock_mono_ns();
    enum err err = db_get_i64(db_stmt(db, &SQL_CLOCK), &reading.other_ms);
    int64_t half_ns = (clock_mono_ns() - begin_ns) / 2;
    reading.mono_ns = begin_ns + half_ns;
    reading.within_ms = half_ns / MS_NS + 1; /* and the millisecond that the answer was cut to */
    if (err == ERR_OK) {
        *ret_reading = reading;
    }
    return err;
}

enum err db_clock_follow(struct db *db, unsigned samples)
{
    struct clock_reading best = {.within_ms = INT64_MAX};
    if (!db_is_pgsql(db)) {
        return ERR_OK;
    }
    for (unsigned i = 0; i < samples; i++) {
        struct clock_reading reading;
        enum err err = ask(db, &reading);
        if (err != ERR_OK) {
            return err;
        }
        if (reading.within_ms < best.within_ms) {
            best = reading;
        }
    }
    (void)clock_follow(&best); /* by how much it moved is nobody's business */
    return ERR_OK;
}
