/* Handlers whose rows stand in payment_http.c's route table. */
#ifndef TICKETS_PAYMENT_HTTP_H
#define TICKETS_PAYMENT_HTTP_H

#include "app/route.h"

/* POST /v1/bookings/{id}/refund: refund_http.c */
extern const struct json_field refund_request_fields[];
ERR_MUST_USE enum err refund_post_prepare(struct call *call, struct db *db);
ERR_MUST_USE enum err refund_post_apply(struct call *call, struct writer_tx *tx);

#endif
