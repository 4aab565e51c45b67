/*
 * The data directory and its lock: an flock() on DIR/lock, which the kernel lets go when the holder
 * ends, however it ends. The file holds the holder's process id, for people only. Children do not
 * inherit the descriptor.
 */
#include "app/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err make_one(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return ERR_OK;
    return ERR_IO;
}

static enum err make_with_parents(const char *path)
{
    char part[PATH_MAX];
    if (str_to_c(str_from_c(path), part, sizeof(part)) != ERR_OK) {
        errno = ENAMETOOLONG;
        return ERR_IO;
    }
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (make_one(part) != ERR_OK)
            return ERR_IO;
        *slash = '/';
    }
    return make_one(part);
}

static long read_holder(int fd)
{
    char text[24] = "";
    ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
    int64_t pid = 0;
    if (len <= 0 || str_to_i64(str_trim(str_from(text, (size_t)len)), &pid) != ERR_OK)
        return 0;
    return (long)pid;
}

static void write_holder(int fd)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    /* The lock is what counts; a missing id only makes another's message poorer. */
    if (ftruncate(fd, 0) == 0)
        (void)!pwrite(fd, text, (size_t)len, 0);
}

static enum err lock_directory(const char *path, int *ret_fd,
                               char ret_message[static DATA_DIR_MESSAGE_SIZE])
{
    char lock_path[PATH_MAX];
    if (make_with_parents(path) != ERR_OK ||
        data_dir_path(path, "lock", lock_path, sizeof(lock_path)) != ERR_OK) {
        (void)snprintf(ret_message, DATA_DIR_MESSAGE_SIZE, "cannot make directory %.150s: %s", path,
                       strerror(errno));
        return ERR_IO;
    }
    int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)snprintf(ret_message, DATA_DIR_MESSAGE_SIZE, "cannot open %.150s/lock: %s", path,
                       strerror(errno));
        return ERR_IO;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool is_held = errno == EWOULDBLOCK;
        if (is_held)
            (void)snprintf(ret_message, DATA_DIR_MESSAGE_SIZE,
                           "%.150s is in use by another foyer (process %ld)", path,
                           read_holder(fd));
        else
            (void)snprintf(ret_message, DATA_DIR_MESSAGE_SIZE, "cannot lock %.150s: %s", path,
                           strerror(errno));
        (void)close(fd); /* nothing was written */
        return is_held ? ERR_CONFLICT : ERR_IO;
    }
    write_holder(fd);
    *ret_fd = fd;
    return ERR_OK;
}

/* ---- a restore that is under way ---- */

#define RESTORING "restoring"

static bool is_restoring(const char *path)
{
    char marker[PATH_MAX];
    return data_dir_path(path, RESTORING, marker, sizeof(marker)) == ERR_OK &&
           access(marker, F_OK) == 0;
}

static bool directory_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd); /* synced, or failed already */
    return is_synced;
}

enum err data_dir_lock(const char *path, int *ret_fd,
                       char ret_message[static DATA_DIR_MESSAGE_SIZE])
{
    int fd;
    enum err err = lock_directory(path, &fd, ret_message);
    if (err != ERR_OK)
        return err;
    if (is_restoring(path)) {
        (void)snprintf(ret_message, DATA_DIR_MESSAGE_SIZE,
                       "%.150s: a restore into it did not finish; run foyer restore again", path);
        (void)close(fd); /* nothing was written but the process id */
        return ERR_CONFLICT;
    }
    *ret_fd = fd;
    return ERR_OK;
}

enum err data_dir_lock_restoring(const char *path, int *ret_fd, bool *ret_is_again,
                                 char ret_message[static DATA_DIR_MESSAGE_SIZE])
{
    enum err err = lock_directory(path, ret_fd, ret_message);
    if (err == ERR_OK)
        *ret_is_again = is_restoring(path);
    return err;
}

enum err data_dir_restore_begin(const char *path)
{
    char marker[PATH_MAX];
    if (data_dir_path(path, RESTORING, marker, sizeof(marker)) != ERR_OK)
        return ERR_LIMIT;
    int fd = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return ERR_IO;
    (void)close(fd); /* its existence is what counts */
    return directory_sync(path) ? ERR_OK : ERR_IO;
}

enum err data_dir_restore_end(const char *path)
{
    char marker[PATH_MAX];
    if (data_dir_path(path, RESTORING, marker, sizeof(marker)) != ERR_OK)
        return ERR_LIMIT;
    /* The files' names first: without the marker they must be there. */
    if (!directory_sync(path) || unlink(marker) != 0)
        return ERR_IO;
    return directory_sync(path) ? ERR_OK : ERR_IO;
}

enum err data_dir_path(const char *path, const char *name, char *ret_path, size_t size)
{
    int len = snprintf(ret_path, size, "%s/%s", path, name);
    return len >= 0 && (size_t)len < size ? ERR_OK : ERR_LIMIT;
}
