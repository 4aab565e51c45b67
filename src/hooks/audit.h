/* What an audit asks of this service: do messages, deliveries, attempts and endpoints agree, and do
 * secrets open? */
#ifndef HOOKS_AUDIT_H
#define HOOKS_AUDIT_H

#include "app/audit.h"

extern const struct audit_part hooks_audit;

#endif
