/*
 * TLS for the listener: certificate chain and key from PEM files, TLS 1.2 and up, no ALPN (h2o
 * would take "h2" for an invitation, and HTTP/2 belongs to the proxy in front). Made once at start,
 * shared by all loops; OpenSSL counts its references.
 */
#include "net/server_internal.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

#define TLS_MESSAGE_SIZE 256

static enum err fail(SSL_CTX *tls, const char *what, const char *path, char *ret_message)
{
    char reason[120];
    unsigned long code = ERR_get_error();
    ERR_error_string_n(code, reason, sizeof(reason));
    (void)snprintf(ret_message, TLS_MESSAGE_SIZE, "%s %s: %s", what, path ? path : "", reason);
    ERR_clear_error();
    SSL_CTX_free(tls);
    return ERR_IO;
}

enum err tls_context_new(const char *cert_path, const char *key_path, struct ssl_ctx_st **ret_tls,
                         char *ret_message)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls)
        return fail(NULL, "TLS", NULL, ret_message);
    if (SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1)
        return fail(tls, "TLS 1.2", NULL, ret_message);
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (SSL_CTX_use_certificate_chain_file(tls, cert_path) != 1)
        return fail(tls, "certificate", cert_path, ret_message);
    if (SSL_CTX_use_PrivateKey_file(tls, key_path, SSL_FILETYPE_PEM) != 1)
        return fail(tls, "key", key_path, ret_message);
    if (SSL_CTX_check_private_key(tls) != 1)
        return fail(tls, "key does not belong to the certificate:", key_path, ret_message);
    *ret_tls = tls;
    return ERR_OK;
}

void tls_context_free(struct ssl_ctx_st *tls)
{
    SSL_CTX_free(tls);
}
