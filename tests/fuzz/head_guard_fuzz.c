/*
 * Fuzz target of the framing guard. Whatever comes: no crash, slices within the input; and a head
 * that the guard takes is the same to the library's parser: same method, target, fields and end.
 *
 * Run: head_guard_fuzz tests/fuzz/corpus/head_guard
 */
#include "fuzz.h"

#include "net/head_internal.h"

#include <strings.h>

/* Of the library's parser, whose header is not installed. */
struct phr_header {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};
int phr_parse_request(const char *buf, size_t len, const char **method, size_t *method_len,
                      const char **path, size_t *path_len, int *minor_version,
                      struct phr_header *headers, size_t *num_headers, size_t last_len);

static void compare_fields(const struct head *head, const struct phr_header *theirs, size_t count)
{
    require(head->field_count == count);
    for (size_t i = 0; i < count; i++) {
        const struct request_field *ours = &head->fields[i];
        require(str_eq(ours->name, str_from(theirs[i].name, theirs[i].name_len)));
        /* They keep blanks at the end. */
        require(ours->value.len <= theirs[i].value_len);
        require(ours->value.len == 0 || ours->value.data == theirs[i].value);
        for (size_t at = ours->value.len; at < theirs[i].value_len; at++)
            require(theirs[i].value[at] == ' ' || theirs[i].value[at] == '\t');
    }
}

static void compare(struct str raw, const struct head *head)
{
    struct phr_header theirs[HEAD_FIELDS_MAX];
    size_t count = HEAD_FIELDS_MAX;
    struct str method;
    struct str target;
    int minor;
    int end = phr_parse_request(raw.data, raw.len, &method.data, &method.len, &target.data,
                                &target.len, &minor, theirs, &count, 0);
    require(end > 0 && (size_t)end == head->size);
    require(str_eq(method, head->method));
    require((unsigned)minor == head->minor);
    require(str_ends_with(target, head->query));
    compare_fields(head, theirs, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head head;
    struct str raw = str_from((const char *)data, size);
    enum head_fault fault = head_parse(raw, &head);
    require(fault < HEAD_FAULT_COUNT);
    if (fault != HEAD_OK)
        return 0;
    require(head.size > 0 && head.size <= size && head.size <= HEAD_BYTES_MAX);
    require(head.path.len > 0 && head.path.data[0] == '/');
    require(head.path.len + head.query.len <= REQUEST_URL_MAX);
    require(!(head.has_length && head.is_chunked));
    require(head.minor == 0 || head.host.len > 0);
    require_inside(raw, head.method);
    require_inside(raw, head.path);
    require_inside(raw, head.query);
    compare(raw, &head);
    return 0;
}
