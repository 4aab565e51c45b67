/*
 * The pages: a single-page application built into web/dist and carried in the binary. A path with
 * a dot in its last segment is a file; every other path is one of the application's own addresses
 * and gets index.html, unless it is one that a proxy may take for another ("//x", "/a/../b").
 *
 * Files under /assets/ have a hash of their content in the name and never change; everything else
 * is asked for again (ETag). A file x with a twin x.gz is sent compressed to those who accept it.
 * Nothing from elsewhere runs on a page: see CSP.
 *
 * Built at start, then only read: any thread.
 */
#include "app/pages.h"

#include <stdlib.h>

#include "app/problem.h"
#include "base/crypto.h"
#include "base/embed.h"
#include "net/router.h"

#define ROOT       "web/dist/"
#define ETAG_BYTES 12
#define ETAG_SIZE  (ETAG_BYTES * 2 + 1)

#define CSP                                                                                        \
    "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none'; "              \
    "frame-ancestors 'none'; base-uri 'self'; form-action 'self'"

struct page_bytes {
    struct str data; /* data NULL: there is none */
    char etag[ETAG_SIZE];
};

struct page {
    struct str path; /* "/assets/app.js" */
    const char *type;
    bool is_immutable;
    struct page_bytes plain;
    struct page_bytes gzip;
};

struct pages {
    const struct page *index; /* NULL: the binary was built without pages */
    size_t count;
    struct page items[]; /* by path */
};

static const struct {
    const char *suffix;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".webp", "image/webp"},
    {".woff2", "font/woff2"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(struct str path)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_ends_with(path, str_from_c(types[i].suffix)))
            return types[i].type;
    }
    return "application/octet-stream";
}

/* ---- taking in ---- */

static void set_bytes(struct page_bytes *bytes, const struct embed_file *file)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[SHA256_SIZE];
    bytes->data = str_from(file->begin, (size_t)(file->end - file->begin));
    crypto_sha256(bytes->data, hash);
    for (size_t i = 0; i < ETAG_BYTES; i++) {
        bytes->etag[2 * i] = digits[hash[i] >> 4];
        bytes->etag[2 * i + 1] = digits[hash[i] & 15];
    }
}

/* Index of the page, or count. */
static size_t find(const struct pages *pages, struct str path)
{
    size_t low = 0, high = pages->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(pages->items[middle].path, path);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return pages->count;
}

static bool is_page(const struct embed_file *file)
{
    return str_starts_with(str_from_c(file->path), STR(ROOT));
}

/* "web/dist/x" as "/x". */
static struct str path_of(const struct embed_file *file)
{
    return str_from_c(file->path + sizeof(ROOT) - 2);
}

static void add_plain(struct pages *pages, const struct embed_file *file)
{
    struct str path = path_of(file);
    struct page *page = &pages->items[pages->count++];
    *page = (struct page){.path = path,
                          .type = type_of(path),
                          .is_immutable = str_starts_with(path, STR("/assets/"))};
    set_bytes(&page->plain, file);
}

/* A .gz whose plain twin is missing is never sent. */
static void add_gzip(struct pages *pages, const struct embed_file *file)
{
    struct str path = path_of(file);
    size_t index = find(pages, str_sub(path, 0, path.len - 3));
    if (index < pages->count)
        set_bytes(&pages->items[index].gzip, file);
}

struct pages *pages_new(void)
{
    size_t count = 0;
    for (const struct embed_file *file = embed_files; file->path; file++)
        count += is_page(file);
    struct pages *pages = calloc(1, sizeof(*pages) + count * sizeof(pages->items[0]));
    if (!pages)
        return NULL;
    /* embed_files is sorted, so the items are. */
    for (const struct embed_file *file = embed_files; file->path; file++) {
        if (is_page(file) && !str_ends_with(path_of(file), STR(".gz")))
            add_plain(pages, file);
    }
    for (const struct embed_file *file = embed_files; file->path; file++) {
        if (is_page(file) && str_ends_with(path_of(file), STR(".gz")))
            add_gzip(pages, file);
    }
    size_t index = find(pages, STR("/index.html"));
    pages->index = index < pages->count ? &pages->items[index] : NULL;
    return pages;
}

void pages_free(struct pages *pages)
{
    free(pages);
}

/* ---- sending ---- */

/* "q=0" in any of its spellings. */
static bool is_refused(struct str parameters)
{
    while (parameters.len > 0) {
        struct str parameter = str_trim(str_split(&parameters, ';'));
        double weight;
        if (str_starts_with(parameter, STR("q=")) &&
            str_to_f64(str_sub(parameter, 2, parameter.len), &weight) == ERR_OK && weight <= 0)
            return true;
    }
    return false;
}

/* Accept-Encoding (RFC 9110, 12.5.3). */
static bool accepts_gzip(struct str header)
{
    while (header.len > 0) {
        struct str item = str_split(&header, ',');
        struct str coding = str_trim(str_split(&item, ';'));
        if (str_eq_ci(coding, STR("gzip")))
            return !is_refused(item);
    }
    return false;
}

static bool is_api(struct str path)
{
    return str_starts_with(path, STR("/v1/")) || str_starts_with(path, STR("/api/"));
}

static bool names_file(struct str path)
{
    for (size_t i = path.len; i > 0 && path.data[i - 1] != '/'; i--) {
        if (path.data[i - 1] == '.')
            return true;
    }
    return false;
}

static void security_headers(struct request *request)
{
    response_header(request, "content-security-policy", STR(CSP));
    response_header(request, "referrer-policy", STR("same-origin"));
    response_header(request, "x-frame-options", STR("DENY"));
    response_header(request, "cross-origin-opener-policy", STR("same-origin"));
    if (request->is_tls)
        response_header(request, "strict-transport-security", STR("max-age=31536000"));
}

static void page_reply(const struct page *page, struct call *call)
{
    struct request *request = call->req;
    bool is_gzip = page->gzip.data.data && accepts_gzip(request_header(request, "accept-encoding"));
    const struct page_bytes *bytes = is_gzip ? &page->gzip : &page->plain;
    security_headers(request);
    response_header(request, "cache-control",
                    page->is_immutable ? STR("public, max-age=31536000, immutable")
                                       : STR("no-cache"));
    if (page->gzip.data.data)
        response_header(request, "vary", STR("Accept-Encoding"));
    if (reply_not_modified(call, str_from_c(bytes->etag)))
        return;
    if (is_gzip)
        response_header(request, "content-encoding", STR("gzip"));
    request->res.status = 200;
    request->res.content_type = str_from_c(page->type);
    request->res.body = bytes->data;
}

static void reply_not_built(struct call *call)
{
    security_headers(call->req);
    call->req->res.status = 200;
    call->req->res.content_type = STR("text/plain; charset=utf-8");
    call->req->res.body = STR("The pages are not built into this program. The API is under /v1; "
                              "/openapi.json describes it.\n");
}

void pages_reply(const struct pages *pages, struct call *call)
{
    struct request *request = call->req;
    const struct page *page = pages->index;
    if (is_api(request->path) || !router_is_plain_path(request)) {
        problem_reply(call, PROBLEM_NOT_FOUND, NULL);
        return;
    }
    if (names_file(request->path)) {
        size_t index = find(pages, request->path);
        if (index == pages->count) {
            problem_reply(call, PROBLEM_NOT_FOUND, NULL);
            return;
        }
        page = &pages->items[index];
    }
    if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
        response_header(request, "allow", STR("GET, HEAD"));
        problem_reply(call, PROBLEM_METHOD_NOT_ALLOWED, NULL);
        return;
    }
    if (page)
        page_reply(page, call);
    else
        reply_not_built(call);
}
