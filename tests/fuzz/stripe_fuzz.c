/*
 * Fuzz target of what Stripe sends: callbacks, and answers to each kind of call. Whatever comes: no
 * crash, and what is taken for money has an amount, a currency and a reference.
 *
 * Build with FOYER_FUZZ (clang); run: stripe_fuzz tests/fuzz/corpus/stripe
 */
#include "base/crypto.h"
#include "tickets/provider.h"

#include <stdlib.h>

#define ARENA_BYTES ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void read_event(struct str text)
{
    struct arena arena;
    struct provider_event event;
    arena_init(&arena, ARENA_BYTES);
    if (provider_stripe.read_event(&arena, text, &event) == ERR_OK) {
        must(arena.overflow || event.event_ref.len > 0);
        if (event.fact == FACT_SUCCEEDED)
            must(event.provider_ref.len > 0 && strlen(event.currency) == 3);
        if (event.fact == FACT_REFUND_SUCCEEDED || event.fact == FACT_REFUND_FAILED)
            must(event.refund_id != 0);
    }
    arena_release(&arena);
}

static void read_answer(enum provider_op op, int status, struct str text)
{
    struct arena arena;
    struct provider_answer answer;
    struct http_call call = {.err = ERR_OK, .status = status};
    arena_init(&arena, ARENA_BYTES);
    buf_init(&call.response, text.len + 1);
    buf_append_str(&call.response, text);
    provider_read(&provider_stripe, op, &call, &arena, &answer);
    if (answer.verdict == VERDICT_OK && answer.fact == FACT_SUCCEEDED)
        must(answer.provider_ref.len > 0 && strlen(answer.currency) == 3);
    if (answer.verdict == VERDICT_OK && op == PROVIDER_CREATE)
        must(answer.url.len > 0 && answer.session_ref.len > 0);
    buf_release(&call.response);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (crypto_init() != ERR_OK)
        abort();
    struct str text = str_from((const char *)data, size);
    read_event(text);
    for (enum provider_op op = PROVIDER_CREATE; op <= PROVIDER_ASK_REFUND; op++) {
        read_answer(op, 200, text);
        read_answer(op, 400, text);
    }
    return 0;
}
