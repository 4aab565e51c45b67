/*
 * The directory of media. What is being uploaded is DIR/uploads/ID; what is finished DIR/xx/HASH-ID, with
 * the hash of its bytes and the id of the upload that brought them; a thumbnail has its image's name and
 * ".thumb". Names are never used again, so removing a file can only remove what it was meant for.
 *
 * A finished file is under the first name until the collector has moved it, which nobody waits for: who
 * opens one tries both. All of it may wait for a disk: pool threads and workers only.
 */
#ifndef CHAT_MEDIA_FILES_H
#define CHAT_MEDIA_FILES_H

#include "base/crypto.h"

struct media_files;

/* Makes the directory when it is not there. ERR_IO. */
ERR_MUST_USE enum err media_files_open(const char *dir, struct media_files **ret_files);
void media_files_close(struct media_files *files); /* NULL is fine */

/* The file of an upload, made when it is not there, for this caller alone until it is closed, also among
 * processes that share the directory. ERR_CONFLICT: another one has it. */
ERR_MUST_USE enum err media_upload_open(struct media_files *files, uint64_t id, int *ret_fd);
/* Lets it go. */
void media_upload_close(int fd);
/* On disk when it returns. */
ERR_MUST_USE enum err media_upload_write(int fd, int64_t offset, struct str bytes);
/* SHA-256 of the first size bytes, and the beginning of them (head_size of them at most). */
ERR_MUST_USE enum err media_upload_hash(int fd, int64_t size, uint8_t ret_hash[static SHA256_SIZE],
                                        char *ret_head, size_t *head_size);
/* Another descriptor of it, which cannot write. */
ERR_MUST_USE enum err media_upload_view(struct media_files *files, uint64_t id, int *ret_fd);
/* In place of one that is there; on disk when it returns. */
ERR_MUST_USE enum err media_thumb_write(struct media_files *files, uint64_t id, struct str bytes);

struct media_file {
    uint64_t id;
    uint8_t hash[SHA256_SIZE];
    bool is_thumb;
};
/* For reading. ERR_NOT_FOUND; ERR_CORRUPT: it is not that long (size < 0: any length). ERR_FULL: a download holds
 * its descriptor as long as its client takes, and the last of the process are for its own work. */
ERR_MUST_USE enum err media_file_open(struct media_files *files, const struct media_file *file,
                                      int64_t size, int *ret_fd, int64_t *ret_size);
/* From the first name to the second, with the thumbnail. What is not there is no failure. */
ERR_MUST_USE enum err media_file_settle(struct media_files *files, const struct media_file *file);
/* With the thumbnail, under both names. */
ERR_MUST_USE enum err media_file_remove(struct media_files *files, const struct media_file *file);
/* What belongs to an upload. */
ERR_MUST_USE enum err media_upload_remove(struct media_files *files, uint64_t id);

#endif
