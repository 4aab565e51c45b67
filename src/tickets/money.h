/* Money as people read it: minor units and an ISO 4217 code become "1,234.50 EUR". */
#ifndef TICKETS_MONEY_H
#define TICKETS_MONEY_H

#include "base/buf.h"

/* Digits of the minor unit: 2 for most currencies, 0 or 3 for some. */
unsigned money_minor_digits(const char *currency);
/* "1234.50": a decimal number for machines. */
void money_append_decimal(struct buf *buf, int64_t amount, const char *currency);
/* "1,234.50 EUR". */
void money_append(struct buf *buf, int64_t amount, const char *currency);

#endif
