/* See media_files.h. */
#include "chat/media_files.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chat/limits.h"

#define NAME_SIZE    128
#define PATH_SIZE    1024
#define PIECE_BYTES  ((size_t)256 << 10)
#define UPLOADS      "uploads"
#define FILE_MODE    0600
#define FOLDER_MODE  0700
#define THUMB_SUFFIX ".thumb"

struct media_files {
    int dir;
    int uploads;
};

/* With its parents. */
static enum err make_folder(const char *dir)
{
    char path[PATH_SIZE];
    if (str_to_c(str_from_c(dir), path, sizeof(path)) != ERR_OK || !path[0])
        return ERR_IO;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST)
            return ERR_IO;
        *slash = '/';
    }
    return mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST ? ERR_OK : ERR_IO;
}

enum err media_files_open(const char *dir, struct media_files **ret_files)
{
    enum err err = make_folder(dir);
    struct media_files *files = err ? NULL : calloc(1, sizeof(*files));
    if (!files)
        return err ? err : ERR_NOMEM;
    files->uploads = -1;
    files->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (files->dir >= 0 && (mkdirat(files->dir, UPLOADS, FOLDER_MODE) == 0 || errno == EEXIST))
        files->uploads = openat(files->dir, UPLOADS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A failure to sync is one to write, which is told when there is something to lose. */
    if (files->uploads < 0) {
        media_files_close(files);
        return ERR_IO;
    }
    (void)fsync(files->dir);
    *ret_files = files;
    return ERR_OK;
}

void media_files_close(struct media_files *files)
{
    if (!files)
        return;
    if (files->uploads >= 0)
        (void)close(files->uploads); /* only a place to start from */
    if (files->dir >= 0)
        (void)close(files->dir); /* the same */
    free(files);
}

/* ---- names ---- */

/* In uploads. */
static void upload_name(uint64_t id, bool is_thumb, char ret_name[static NAME_SIZE])
{
    (void)snprintf(ret_name, NAME_SIZE, "%016" PRIx64 "%s", id, is_thumb ? THUMB_SUFFIX : "");
}

static void hash_text(const struct media_file *file, char ret_text[static 2 * SHA256_SIZE + 1])
{
    for (size_t i = 0; i < SHA256_SIZE; i++)
        (void)snprintf(ret_text + 2 * i, 3, "%02x", file->hash[i]);
}

/* In the directory. */
static void settled_name(const struct media_file *file, bool is_thumb,
                         char ret_name[static NAME_SIZE])
{
    char hash[2 * SHA256_SIZE + 1];
    hash_text(file, hash);
    (void)snprintf(ret_name, NAME_SIZE, "%.2s/%s-%016" PRIx64 "%s", hash, hash, file->id,
                   is_thumb ? THUMB_SUFFIX : "");
}

/* ---- uploads ---- */

static enum err lock(struct media_files *files, int fd)
{
    struct stat status;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_IO;
    /* Its name must outlive a power cut as its bytes do. */
    if (fstat(fd, &status) != 0 || (status.st_size == 0 && fsync(files->uploads) != 0))
        return ERR_IO;
    return ERR_OK;
}

enum err media_upload_open(struct media_files *files, uint64_t id, int *ret_fd)
{
    char name[NAME_SIZE];
    upload_name(id, false, name);
    int fd = openat(files->uploads, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return ERR_IO;
    enum err err = lock(files, fd);
    if (err) {
        (void)close(fd); /* nothing was written */
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

enum err media_upload_view(struct media_files *files, uint64_t id, int *ret_fd)
{
    char name[NAME_SIZE];
    upload_name(id, false, name);
    int fd = openat(files->uploads, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return ERR_IO;
    *ret_fd = fd;
    return ERR_OK;
}

/* A process that is being started at this moment may still have the descriptor, and with it the lock. */
void media_upload_close(int fd)
{
    (void)flock(fd, LOCK_UN);
    (void)close(fd); /* synced, or of no use */
}

static enum err write_all(int fd, int64_t offset, struct str bytes)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t wrote =
            pwrite(fd, bytes.data + done, bytes.len - done, (off_t)offset + (off_t)done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return ERR_IO;
        done += (size_t)wrote;
    }
    return ERR_OK;
}

enum err media_upload_write(int fd, int64_t offset, struct str bytes)
{
    enum err err = write_all(fd, offset, bytes);
    return err ? err : fdatasync(fd) == 0 ? ERR_OK : ERR_IO;
}

/* *got is 0 at the end. */
static enum err read_some(int fd, char *bytes, size_t size, int64_t offset, size_t *ret_got)
{
    ssize_t got;
    do
        got = pread(fd, bytes, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ERR_IO;
    *ret_got = (size_t)got;
    return ERR_OK;
}

enum err media_upload_hash(int fd, int64_t size, uint8_t ret_hash[static SHA256_SIZE],
                           char *ret_head, size_t *head_size)
{
    struct crypto_sha256 hash;
    size_t head_max = *head_size;
    char *piece = malloc(PIECE_BYTES);
    enum err err = piece ? ERR_OK : ERR_NOMEM;
    *head_size = 0;
    crypto_sha256_begin(&hash);
    for (int64_t at = 0; !err && at < size;) {
        size_t room = size - at < (int64_t)PIECE_BYTES ? (size_t)(size - at) : PIECE_BYTES;
        size_t got = 0;
        err = read_some(fd, piece, room, at, &got);
        if (!err && got == 0)
            err = ERR_CORRUPT; /* somebody has cut it */
        if (err)
            break;
        if (at == 0) {
            *head_size = got < head_max ? got : head_max;
            memcpy(ret_head, piece, *head_size);
        }
        crypto_sha256_add(&hash, str_from(piece, got));
        at += (int64_t)got;
    }
    crypto_sha256_end(&hash, ret_hash);
    free(piece);
    return err;
}

enum err media_thumb_write(struct media_files *files, uint64_t id, struct str bytes)
{
    char name[NAME_SIZE];
    upload_name(id, true, name);
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(files->uploads, name, flags, FILE_MODE);
    if (fd < 0)
        return ERR_IO;
    enum err err = write_all(fd, 0, bytes);
    if (!err && (fsync(fd) != 0 || fsync(files->uploads) != 0))
        err = ERR_IO;
    (void)close(fd); /* synced, or failed already */
    return err;
}

/* ---- finished ones ---- */

/* The second name last: what is not there any more may just have been moved to it. */
static int open_any(struct media_files *files, const struct media_file *file)
{
    char first[NAME_SIZE], second[NAME_SIZE];
    upload_name(file->id, file->is_thumb, first);
    settled_name(file, file->is_thumb, second);
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(files->dir, second, flags);
    if (fd < 0 && errno == ENOENT)
        fd = openat(files->uploads, first, flags);
    if (fd < 0 && errno == ENOENT)
        fd = openat(files->dir, second, flags);
    return fd;
}

/* The lowest number that is free is taken, so a high one says that few are left. */
static bool is_among_last(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t kept = limit.rlim_cur / 8;
    if (kept > MEDIA_DESCRIPTORS_KEPT)
        kept = MEDIA_DESCRIPTORS_KEPT;
    return (rlim_t)fd >= limit.rlim_cur - kept;
}

enum err media_file_open(struct media_files *files, const struct media_file *file, int64_t size,
                         int *ret_fd, int64_t *ret_size)
{
    struct stat status;
    int fd = open_any(files, file);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    if (is_among_last(fd)) {
        (void)close(fd); /* nothing was read */
        return ERR_FULL;
    }
    if (fstat(fd, &status) != 0 || status.st_size == 0 ||
        (size >= 0 && (int64_t)status.st_size < size)) {
        (void)close(fd); /* only read from */
        return ERR_CORRUPT;
    }
    *ret_fd = fd;
    *ret_size = size >= 0 ? size : (int64_t)status.st_size;
    return ERR_OK;
}

static enum err settle_one(struct media_files *files, const struct media_file *file, bool is_thumb)
{
    char first[NAME_SIZE], second[NAME_SIZE];
    upload_name(file->id, is_thumb, first);
    settled_name(file, is_thumb, second);
    int result = renameat(files->uploads, first, files->dir, second);
    if (result != 0 && errno == ENOENT) { /* moved already, or its folder is missing */
        char folder[3] = {second[0], second[1], '\0'};
        if (mkdirat(files->dir, folder, FOLDER_MODE) != 0 && errno != EEXIST)
            return ERR_IO;
        result = renameat(files->uploads, first, files->dir, second);
    }
    return result == 0 || errno == ENOENT ? ERR_OK : ERR_IO;
}

enum err media_file_settle(struct media_files *files, const struct media_file *file)
{
    enum err err = settle_one(files, file, false);
    return err ? err : settle_one(files, file, true);
}

static enum err remove_one(int folder, const char *name)
{
    return unlinkat(folder, name, 0) == 0 || errno == ENOENT ? ERR_OK : ERR_IO;
}

enum err media_upload_remove(struct media_files *files, uint64_t id)
{
    char name[NAME_SIZE];
    upload_name(id, false, name);
    enum err err = remove_one(files->uploads, name);
    upload_name(id, true, name);
    return err ? err : remove_one(files->uploads, name);
}

/* The first names first: a move that is still going on finds nothing then, or is found under the second. */
enum err media_file_remove(struct media_files *files, const struct media_file *file)
{
    char name[NAME_SIZE];
    enum err err = media_upload_remove(files, file->id);
    settled_name(file, false, name);
    if (!err)
        err = remove_one(files->dir, name);
    settled_name(file, true, name);
    return err ? err : remove_one(files->dir, name);
}
