/*
 * Fuzz target of ticket codes. Whatever comes: no crash; what parses is canonical (signing the same
 * numbers gives the same text before the signature); and nothing that is not signed by our key is
 * ever accepted, the input itself included once it is signed.
 *
 * Run: ticket_code_fuzz tests/fuzz/corpus/ticket_code
 */
#include "fuzz.h"

#include "tickets/ticket_code.h"

#define SIGNED_LEN 35 /* "F1." and the payload */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t public_key[ED25519_PUBLIC_SIZE], secret[ED25519_SECRET_SIZE];
    static bool has_key;
    if (!has_key) {
        require(crypto_init() == ERR_OK);
        crypto_ed25519_keypair(public_key, secret);
        has_key = true;
    }
    struct str text = str_from((const char *)data, size);
    struct ticket_code code, again;
    bool is_parsed = ticket_code_parse(text, &code) == ERR_OK;
    require(!ticket_code_verify(text, public_key)); /* the key was made a moment ago */
    if (!is_parsed)
        return 0;
    char signed_text[TICKET_CODE_SIZE];
    struct str whole = ticket_code_sign(&code, secret, signed_text);
    require(str_eq(str_sub(whole, 0, SIGNED_LEN), str_sub(text, 0, SIGNED_LEN)));
    require(ticket_code_verify(whole, public_key));
    require(ticket_code_parse(whole, &again) == ERR_OK);
    require(again.key_id == code.key_id && again.event_id == code.event_id &&
            again.ticket_id == code.ticket_id && again.is_area == code.is_area &&
            again.place_no == code.place_no);
    return 0;
}
