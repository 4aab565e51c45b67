/*
 * Fuzz target of what providers send, Stripe and the bank: callbacks, and answers to each kind of
 * call. Whatever comes: no
 * crash, and what is taken for money has an amount, a currency and a reference.
 *
 * Run: provider_fuzz tests/fuzz/corpus/provider
 */
#include "fuzz.h"

#include "base/crypto.h"
#include "tickets/provider.h"

#define ARENA_BYTES ((size_t)4 << 20)

static void read_event(const struct provider_driver *driver, struct str text)
{
    struct arena arena;
    struct provider_event event;
    arena_init(&arena, ARENA_BYTES);
    if (driver->read_event(&arena, text, &event) == ERR_OK) {
        require(arena.overflow || event.event_ref.len > 0);
        if (event.fact == FACT_SUCCEEDED)
            require(event.provider_ref.len > 0 && strlen(event.currency) == 3);
        if (event.fact == FACT_REFUND_SUCCEEDED || event.fact == FACT_REFUND_FAILED)
            require(event.refund_id != 0);
    }
    arena_release(&arena);
}

static void read_answer(const struct provider_driver *driver, enum provider_op op, int status,
                        struct str text)
{
    struct arena arena;
    struct provider_answer answer;
    struct http_call call = {.err = ERR_OK, .status = status};
    arena_init(&arena, ARENA_BYTES);
    buf_init(&call.response, text.len + 1);
    buf_append_str(&call.response, text);
    provider_read(driver, op, &call, &arena, &answer);
    if (answer.verdict == VERDICT_OK && answer.fact == FACT_SUCCEEDED)
        require(answer.provider_ref.len > 0 && strlen(answer.currency) == 3);
    if (answer.verdict == VERDICT_OK && op == PROVIDER_CREATE)
        require(answer.url.len > 0 && answer.session_ref.len > 0);
    buf_release(&call.response);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct provider_driver *const drivers[] = {&provider_stripe, &provider_sandbox};
    if (crypto_init() != ERR_OK)
        abort();
    struct str text = str_from((const char *)data, size);
    for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        read_event(drivers[i], text);
        for (enum provider_op op = PROVIDER_CREATE; op <= PROVIDER_ASK_REFUND; op++) {
            read_answer(drivers[i], op, 200, text);
            read_answer(drivers[i], op, 400, text);
        }
    }
    return 0;
}
