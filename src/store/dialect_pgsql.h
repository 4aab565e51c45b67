/* Migrations are written once, in SQLite's dialect; this is how PostgreSQL reads them. */
#ifndef STORE_DIALECT_PGSQL_H
#define STORE_DIALECT_PGSQL_H

#include "base/buf.h"

/* Appends the script with its types as PostgreSQL has them: INTEGER is BIGINT (as a primary key it
 * numbers itself), REAL is DOUBLE PRECISION, BLOB is BYTEA, TEXT is ordered by its bytes, and WITHOUT
 * ROWID says nothing. Comments and quoted texts stay as they are. ret_text says overflow when it
 * does not fit. */
void dialect_pgsql(struct str script, struct buf *ret_text);

#endif
