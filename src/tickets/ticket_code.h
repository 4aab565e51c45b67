/*
 * The code of a ticket, as its QR shows it: signed with Ed25519, so that a scanner checks it with
 * the public key alone.
 *
 *     F1.<payload>.<signature>        both base64url without padding (RFC 4648, 5)
 *
 * payload, 24 bytes, integers big-endian:
 *
 *     offset  size  what
 *      0      4     id of the signing key
 *      4      8     event
 *     12      8     ticket, unique within the event
 *     20      4     the place: bit 31 clear: seat_no in layout order; set: the other bits are
 * area_no
 *
 * signature, 64 bytes: Ed25519 (RFC 8032) over the ASCII text before the second dot, "F1."
 * included.
 *
 * A scanner splits at the dots, takes the key of that id (check-in bundle), verifies, compares the
 * event, and looks the ticket up among the revoked ones and those it has let in already. API ids
 * are made of these numbers: "tkt_" and both, event first, 13 digits each of Crockford's base32.
 *
 * Codes are not stored: signing the same ticket with the same key gives the same code.
 */
#ifndef TICKETS_TICKET_CODE_H
#define TICKETS_TICKET_CODE_H

#include "base/crypto.h"

#define TICKET_CODE_FORMAT "F1"
#define TICKET_CODE_LEN    (3 + 32 + 1 + 86)
#define TICKET_CODE_SIZE   (TICKET_CODE_LEN + 1)

struct ticket_code {
    uint32_t key_id;
    uint64_t event_id, ticket_id;
    bool is_area;
    uint32_t place_no; /* seat_no or area_no; at most 31 bits */
};

/* NUL-terminated; returned as str too. Any thread. */
struct str ticket_code_sign(const struct ticket_code *code,
                            const uint8_t secret[static ED25519_SECRET_SIZE],
                            char ret_text[static TICKET_CODE_SIZE]);
/* ERR_INVALID unless exactly of the form above. Proves nothing: see ticket_code_verify. */
ERR_MUST_USE enum err ticket_code_parse(struct str text, struct ticket_code *ret_code);
/* Whether the key of code.key_id has signed it; text must have been parsed. */
bool ticket_code_verify(struct str text, const uint8_t public_key[static ED25519_PUBLIC_SIZE]);

#endif
