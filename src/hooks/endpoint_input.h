/* What callers say of an endpoint: bodies, and the rules that they must follow. */
#ifndef HOOKS_ENDPOINT_INPUT_H
#define HOOKS_ENDPOINT_INPUT_H

#include "hooks/hooks_call.h"

struct endpoint_body {
    struct str url, uid, description, secret, signature_format, algorithm;
    bool is_disabled;
    struct json_strs event_types, filter_types, channels;
    struct json_node *metadata, *headers, *retry_schedule;
    int64_t throttle_rate, rate_limit;
    bool has_url, has_uid, has_description, has_secret, has_format, has_disabled, has_event_types,
        has_filter_types, has_channels, has_throttle, has_rate, has_algorithm;
};
extern const struct json_field endpoint_fields[];       /* POST and PUT */
extern const struct json_field endpoint_patch_fields[]; /* PATCH */

/* What has passed. */
struct endpoint_form {
    struct endpoint_body body;
    struct json_node *tree; /* PATCH */
    struct str metadata;    /* JSON */
    struct str headers;     /* JSON */
    struct endpoint rules;  /* event types, channels, schedule, format and rate are set here */
    struct str secret;      /* as it is stored; STR_NONE: not given */
};

/* Decodes and checks the call's body. False: answered, or no memory (err). */
ERR_MUST_USE enum err endpoint_form_read(struct call *call, struct endpoint_form **ret_form);
/* POST, PUT: everything; PATCH: what the body has, and null takes away. Not headers and secret. */
void endpoint_form_apply(const struct call *call, const struct endpoint_form *form,
                         struct endpoint *endpoint);

/* After endpoint_form_apply. The secret that the endpoint is to have from now on, as it is
 * stored: the form's, or one that is made because it is new or gets another algorithm; STR_NONE:
 * it keeps its own. ERR_INVALID: answered. */
ERR_MUST_USE enum err endpoint_form_secret(struct call *call, const struct endpoint_form *form,
                                           bool is_new, struct endpoint *endpoint,
                                           struct str *ret_secret);
/* False: answered 422 that names the field. */
bool endpoint_check_signing(struct call *call, const struct endpoint *endpoint, const char *field);
/* Of secret_kind_names. */
enum secret_kind endpoint_algorithm_of(struct str name);
/* Headers of a body as JSON; NULL: none. Answers 422 and returns false. */
bool endpoint_headers_read(struct call *call, const struct json_node *object, struct str *ret_json);

#endif
