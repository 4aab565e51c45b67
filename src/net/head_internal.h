/*
 * The head of a request, parsed strictly (RFC 9112) from its raw bytes. No h2o types: it is fuzzed
 * alone.
 */
#ifndef NET_HEAD_INTERNAL_H
#define NET_HEAD_INTERNAL_H

#include "net/request.h"

#define HEAD_BYTES_MAX  (64u << 10)
#define HEAD_FIELDS_MAX 100

enum head_fault {
    HEAD_OK,
    HEAD_INCOMPLETE,
    HEAD_TOO_LARGE,
    HEAD_TOO_MANY_FIELDS,
    HEAD_BAD_REQUEST_LINE,
    HEAD_BAD_TARGET,
    HEAD_TARGET_TOO_LONG,
    HEAD_BAD_LINE_END,
    HEAD_BAD_NAME,
    HEAD_FOLDED,
    HEAD_BAD_VALUE,
    HEAD_HOST_MISSING,
    HEAD_HOST_TWICE,
    HEAD_BAD_HOST,
    HEAD_LENGTH_TWICE,
    HEAD_BAD_LENGTH,
    HEAD_LENGTH_AND_CODING,
    HEAD_BAD_CODING,
    HEAD_FAULT_COUNT,
};

/* Slices of the raw bytes. */
struct head {
    struct str method;
    struct str path;  /* starts with '/' */
    struct str query; /* without '?' */
    unsigned minor;   /* HTTP/1.minor */
    bool is_chunked;
    bool has_length;
    uint64_t length; /* Content-Length */
    struct str host;
    size_t size; /* bytes of the head with its empty line */
    size_t field_count;
    struct request_field fields[HEAD_FIELDS_MAX];
};

/* raw may go on behind the head (body, next requests). *ret_head is meaningful on HEAD_OK only. */
enum head_fault head_parse(struct str raw, struct head *ret_head);
/* 400, 414 or 431. */
int head_fault_status(enum head_fault fault);
/* One sentence for the client; static; JSON takes it as it is. */
const char *head_fault_detail(enum head_fault fault);

#endif
