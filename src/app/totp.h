/* One-time codes by time (RFC 6238 with SHA-1, six digits, steps of 30 s) and recovery codes: what
 * they look like and how they are computed. Pure functions; any thread. */
#ifndef APP_TOTP_H
#define APP_TOTP_H

#include "base/arena.h"
#include "base/crypto.h"

#define TOTP_SECRET_SIZE 20 /* bytes, as RFC 4226 recommends for SHA-1 */
#define TOTP_TEXT_SIZE   33 /* of a secret in base32, with NUL */
#define TOTP_CODE_SIZE   7  /* six digits and NUL */
#define TOTP_STEP_MS     30000
#define TOTP_DRIFT       1 /* steps that a device's clock may be off, either way */

#define RECOVERY_CODES     10
#define RECOVERY_CODE_SIZE 20 /* "0123-4567-89ab-cdef" with NUL: 80 random bits */

/* RFC 4226's number before it is cut to digits; 31 bits. */
uint32_t totp_number(struct str secret, uint64_t step);
void totp_code(const uint8_t secret[static TOTP_SECRET_SIZE], int64_t step,
               char ret_code[static TOTP_CODE_SIZE]);
int64_t totp_step_at(int64_t now_ms);
/* Six digits, and spaces anywhere between them. ERR_INVALID. */
ERR_MUST_USE enum err totp_code_parse(struct str text, char ret_code[static TOTP_CODE_SIZE]);
/* The step whose code this is, of those around now and after last_step, which is the step of the last
 * code that was used. False: there is none. Takes as long whether it is right or wrong. */
bool totp_find_step(const uint8_t secret[static TOTP_SECRET_SIZE],
                    const char code[static TOTP_CODE_SIZE], int64_t now_ms, int64_t last_step,
                    int64_t *ret_step);

/* The secret as apps take it by hand. */
void totp_secret_text(const uint8_t secret[static TOTP_SECRET_SIZE],
                      char ret_text[static TOTP_TEXT_SIZE]);
/* otpauth://totp/..., as apps take it from a picture. STR_NONE: the arena is full. */
struct str totp_url(struct arena *arena, struct str email, const char *secret_text);

void recovery_code_make(char ret_code[static RECOVERY_CODE_SIZE]);
/* Of a code as people type it: in any letter case, with or without dashes and spaces; o is 0, i and l
 * are 1. ERR_INVALID: it cannot be one. */
ERR_MUST_USE enum err recovery_code_hash(struct str text, uint8_t ret_hash[static SHA256_SIZE]);

#endif
