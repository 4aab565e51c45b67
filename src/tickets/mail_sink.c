/*
 * Where mail goes.
 *
 * A file is written under another name, brought to disk, and renamed: whoever watches the directory
 * sees whole messages only. Its name is the mail's id, so a repetition replaces it.
 */
#include "tickets/mail_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tickets/limits.h"

#define PATH_SIZE (CONFIG_TEXT_MAX + 64)

struct mail_sink {
    char dir[CONFIG_TEXT_MAX + 16]; /* "": SMTP */
    struct smtp_client *smtp;
};

enum err mail_sink_new(const struct config *config, struct mail_sink **ret_sink)
{
    struct mail_sink *sink = calloc(1, sizeof(*sink));
    if (!sink)
        return ERR_NOMEM;
    enum err err = ERR_OK;
    if (strcmp(config->mail, "dir") == 0) {
        (void)snprintf(sink->dir, sizeof(sink->dir), "%s/mail", config->data);
        if (mkdir(sink->dir, 0700) != 0 && errno != EEXIST)
            err = ERR_IO;
    } else {
        err = smtp_client_new(config->mail, NULL, &sink->smtp);
    }
    if (err) {
        mail_sink_free(sink);
        return err;
    }
    *ret_sink = sink;
    return ERR_OK;
}

void mail_sink_free(struct mail_sink *sink)
{
    if (!sink)
        return;
    smtp_client_free(sink->smtp);
    free(sink);
}

void mail_sink_cancel(struct mail_sink *sink)
{
    if (sink->smtp)
        smtp_client_cancel(sink->smtp);
}

static bool write_all(int fd, struct str data)
{
    while (data.len > 0) {
        ssize_t written = write(fd, data.data, data.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data = str_sub(data, (size_t)written, data.len);
    }
    return true;
}

static enum err write_file(const struct mail_sink *sink, const struct mail_parcel *parcel)
{
    char path[PATH_SIZE], temporary[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%lld.eml", sink->dir, (long long)parcel->id);
    (void)snprintf(temporary, sizeof(temporary), "%s/%lld.tmp", sink->dir, (long long)parcel->id);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_IO;
    bool is_written = write_all(fd, parcel->message) && fsync(fd) == 0;
    is_written &= close(fd) == 0;
    if (is_written && rename(temporary, path) == 0)
        return ERR_OK;
    (void)unlink(temporary); /* a left-over would only be in the way */
    return ERR_IO;
}

enum err mail_sink_send(struct mail_sink *sink, const struct mail_parcel *parcel,
                        char ret_message[static SMTP_MESSAGE_SIZE])
{
    if (sink->smtp) {
        struct smtp_mail mail = {.from = parcel->from,
                                 .to = parcel->to,
                                 .message = parcel->message,
                                 .timeout_ms = MAIL_TIMEOUT_MS};
        return smtp_client_send(sink->smtp, &mail, ret_message);
    }
    enum err err = write_file(sink, parcel);
    if (err)
        (void)snprintf(ret_message, SMTP_MESSAGE_SIZE, "cannot write to %.120s", sink->dir);
    return err;
}
