/* What all providers have in common. Pure functions, any thread. */
#include "tickets/provider.h"

#include <ctype.h>

#include "base/ids.h"
#include "tickets/signature.h"

static enum provider_verdict verdict_of_status(const struct provider_driver *driver,
                                               enum provider_op op, const struct http_call *call,
                                               struct arena *arena, struct str *ret_message)
{
    if (call->status >= 500)
        return VERDICT_DOWN;
    if (call->status == 429 || call->status < 400)
        return VERDICT_RETRY;
    return driver->read_refusal(op, arena, call->status, buf_str(&call->response), ret_message);
}

void provider_read(const struct provider_driver *driver, enum provider_op op,
                   const struct http_call *call, struct arena *arena,
                   struct provider_answer *ret_answer)
{
    struct provider_answer answer = {.verdict = VERDICT_DOWN, .fact = FACT_IGNORED};
    if (call->err == ERR_OK && call->status >= 200 && call->status < 300) {
        answer.verdict = VERDICT_OK;
        if (driver->read_answer(op, arena, buf_str(&call->response), &answer) != ERR_OK)
            answer = (struct provider_answer){.verdict = VERDICT_RETRY,
                                              .fact = FACT_IGNORED,
                                              .message = STR("an answer that is not understood")};
    } else if (call->err == ERR_OK) {
        answer.verdict = verdict_of_status(driver, op, call, arena, &answer.message);
    } else if (call->err == ERR_LIMIT) {
        answer.verdict = VERDICT_RETRY;
        answer.message = STR("an answer that is too long");
    }
    *ret_answer = answer;
}

enum err provider_verify(const struct provider *provider, struct str header, struct str body,
                         int64_t now_ms, int64_t *ret_signed_at_ms)
{
    struct signature_check check = {
        .secrets = str_from_c(provider->callback_secrets),
        .header = header,
        .body = body,
        .now_ms = now_ms,
        .tolerance_ms = CALLBACK_TOLERANCE_MS,
    };
    return signature_verify(&check, ret_signed_at_ms);
}

bool provider_add_header(struct http_call *call, struct arena *arena, const char *name,
                         struct str value)
{
    size_t index = 0;
    while (index < HTTP_CALL_HEADERS_MAX && call->headers[index])
        index++;
    if (index >= HTTP_CALL_HEADERS_MAX)
        return false;
    struct str line = arena_printf(arena, "%s: %.*s", name, STR_ARG(value));
    call->headers[index] = line.data;
    return line.data != NULL;
}

void provider_append_escaped(struct buf *buf, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
        if (is_plain) {
            buf_append_char(buf, (char)c);
        } else {
            char code[3] = {'%', digits[c >> 4], digits[c & 15]};
            buf_append(buf, code, sizeof(code));
        }
    }
}

enum err provider_read_currency(struct str text, char ret_currency[static 4])
{
    if (text.len != 3)
        return ERR_INVALID;
    for (size_t i = 0; i < 3; i++) {
        if (!isalpha((unsigned char)text.data[i]))
            return ERR_INVALID;
        ret_currency[i] = (char)toupper((unsigned char)text.data[i]);
    }
    ret_currency[3] = '\0';
    return ERR_OK;
}

struct str provider_json_str(struct arena *arena, const struct json_node *object, const char *name)
{
    struct str value;
    if (!json_as_str(json_get(object, name), &value))
        return STR_NONE;
    return arena_str_dup(arena, value);
}

void provider_read_reference(struct str text, uint64_t *ret_event_id, uint64_t *ret_payment_id)
{
    uint64_t event_id, payment_id;
    if (id_parse2(text, "pay", &event_id, &payment_id) != ERR_OK)
        return;
    *ret_event_id = event_id;
    *ret_payment_id = payment_id;
}
