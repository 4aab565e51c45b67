/* Rows of queue_settings. */
#include "tickets/queue_settings.h"

SQL(SQL_LOAD, "SELECT admitted_max, admit_per_minute, opens_before_s, admission_s, quiet_s,"
              " auto_above FROM queue_settings WHERE event_id = $1");

enum err queue_settings_load(struct db *db, uint64_t event_id, struct queue_settings *ret_settings)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_LOAD);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    bool has_row;
    enum err err = db_step(stmt, &has_row);
    if (err)
        return err;
    if (!has_row) {
        queue_settings_default(ret_settings);
        return ERR_OK;
    }
    *ret_settings = (struct queue_settings){
        .admitted_max = db_col_i64(stmt, 0),
        .admit_per_minute = db_col_i64(stmt, 1),
        .opens_before_s = db_col_i64(stmt, 2),
        .admission_s = db_col_i64(stmt, 3),
        .quiet_s = db_col_i64(stmt, 4),
        .auto_above = db_col_i64(stmt, 5),
    };
    db_done(stmt);
    return ERR_OK;
}

SQL(SQL_PUT, "INSERT INTO queue_settings (event_id, admitted_max, admit_per_minute, opens_before_s,"
             " admission_s, quiet_s, auto_above) VALUES ($1, $2, $3, $4, $5, $6, $7)"
             " ON CONFLICT (event_id) DO UPDATE SET admitted_max = $2, admit_per_minute = $3,"
             " opens_before_s = $4, admission_s = $5, quiet_s = $6, auto_above = $7");

enum err queue_settings_put(struct db *db, uint64_t event_id, const struct queue_settings *settings)
{
    struct db_stmt *stmt = db_stmt(db, &SQL_PUT);
    db_bind_i64(stmt, 1, (int64_t)event_id);
    db_bind_i64(stmt, 2, settings->admitted_max);
    db_bind_i64(stmt, 3, settings->admit_per_minute);
    db_bind_i64(stmt, 4, settings->opens_before_s);
    db_bind_i64(stmt, 5, settings->admission_s);
    db_bind_i64(stmt, 6, settings->quiet_s);
    db_bind_i64(stmt, 7, settings->auto_above);
    return db_exec(stmt);
}
