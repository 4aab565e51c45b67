/*
 * SMTP submission by libcurl's easy interface.
 *
 * Addresses go into commands, so those with control characters, spaces or angle brackets are
 * refused here, whatever the caller has checked.
 *
 * Replies of the 5xx kind are for good (RFC 5321, 4.2.1), but 530, 534, 535 and 538 speak of our
 * login, and 500 to 504 of our commands: these are an operator's to mend, and the mail can wait.
 */
#include "net/smtp_client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ADDRESS_MAX 320

struct smtp_client {
    CURL *easy;
    char *url, *ca_file;
    atomic_bool is_cancelled;
    struct str rest; /* of the message, not yet handed over */
    char error[CURL_ERROR_SIZE];
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static bool is_curl_ready;

static void start_curl(void)
{
    is_curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

enum err smtp_client_new(const char *url, const char *ca_file, struct smtp_client **ret_client)
{
    (void)pthread_once(&curl_once, start_curl); /* cannot fail with a valid control */
    struct smtp_client *client = is_curl_ready ? calloc(1, sizeof(*client)) : NULL;
    if (!client)
        return ERR_NOMEM;
    client->easy = curl_easy_init();
    client->url = strdup(url);
    client->ca_file = ca_file ? strdup(ca_file) : NULL;
    if (!client->easy || !client->url || (ca_file && !client->ca_file)) {
        smtp_client_free(client);
        return ERR_NOMEM;
    }
    *ret_client = client;
    return ERR_OK;
}

void smtp_client_free(struct smtp_client *client)
{
    if (!client)
        return;
    if (client->easy)
        curl_easy_cleanup(client->easy);
    free(client->url);
    free(client->ca_file);
    free(client);
}

void smtp_client_cancel(struct smtp_client *client)
{
    atomic_store(&client->is_cancelled, true);
}

static size_t on_read(char *data, size_t size, size_t count, void *ctx)
{
    struct smtp_client *client = ctx;
    struct str chunk = str_sub(client->rest, 0, size * count);
    if (chunk.len > 0)
        memcpy(data, chunk.data, chunk.len);
    client->rest = str_sub(client->rest, chunk.len, client->rest.len);
    return chunk.len;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct smtp_client *client = ctx;
    (void)down_total, (void)down, (void)up_total, (void)up;
    return atomic_load(&client->is_cancelled);
}

static bool is_address(const char *address)
{
    size_t len = strlen(address);
    if (len < 3 || len > ADDRESS_MAX || !strchr(address, '@'))
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)address[i];
        if (c <= ' ' || c == 0x7f || c == '<' || c == '>')
            return false;
    }
    return true;
}

static bool set_server(struct smtp_client *client, long timeout_ms)
{
    CURL *easy = client->easy;
    return curl_easy_setopt(easy, CURLOPT_URL, client->url) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY) == CURLE_OK &&
           (!client->ca_file ||
            curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file) == CURLE_OK) &&
           curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, timeout_ms / 1000 + 1) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
}

static bool set_mail(struct smtp_client *client, const char *from, struct curl_slist *recipients,
                     size_t size)
{
    CURL *easy = client->easy;
    return curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_READDATA, client) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_XFERINFODATA, client) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->error) == CURLE_OK;
}

static enum err result_of(const struct smtp_client *client, CURLcode code)
{
    long reply = 0;
    if (code == CURLE_OK)
        return ERR_OK;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return ERR_CLOSED;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERR_TIMEOUT;
    /* 0 when it fails */
    (void)curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &reply);
    bool is_ours = reply == 530 || reply == 534 || reply == 535 || reply == 538;
    return reply > 504 && reply < 600 && !is_ours ? ERR_DENIED : ERR_IO;
}

static enum err perform(struct smtp_client *client, const struct smtp_mail *mail,
                        struct curl_slist *recipients, char ret_message[static SMTP_MESSAGE_SIZE])
{
    curl_easy_reset(client->easy); /* keeps the connection */
    client->error[0] = '\0';
    client->rest = mail->message;
    if (!set_server(client, (long)mail->timeout_ms) ||
        !set_mail(client, mail->from, recipients, mail->message.len))
        return ERR_NOMEM;
    CURLcode code = curl_easy_perform(client->easy);
    if (code != CURLE_OK)
        (void)snprintf(ret_message, SMTP_MESSAGE_SIZE, "%.150s",
                       client->error[0] ? client->error : curl_easy_strerror(code));
    return result_of(client, code);
}

enum err smtp_client_send(struct smtp_client *client, const struct smtp_mail *mail,
                          char ret_message[static SMTP_MESSAGE_SIZE])
{
    (void)snprintf(ret_message, SMTP_MESSAGE_SIZE, "out of memory or not possible");
    if (atomic_load(&client->is_cancelled))
        return ERR_CLOSED;
    if (!is_address(mail->from) || !is_address(mail->to)) {
        (void)snprintf(ret_message, SMTP_MESSAGE_SIZE, "not an address");
        return ERR_DENIED;
    }
    struct curl_slist *recipients = curl_slist_append(NULL, mail->to);
    if (!recipients)
        return ERR_NOMEM;
    enum err err = perform(client, mail, recipients, ret_message);
    curl_slist_free_all(recipients);
    return err;
}
