/*
 * A disk that fails on demand: a SQLite VFS over the system's, the default one of the process once
 * disk_install() has run. It knows of every file what was synced and what was only written, so that
 * it can say what a power cut would leave, and it makes the n-th write, sync, truncation, deletion,
 * read, opening or mapping fail.
 *
 * Model of a power cut
 *  - A write or truncation is safe once the file was synced after it. Of the others each one, or
 *    each sector of each one, may be there or not, whatever came before or after; a sector may
 *    hold the beginning of what was written, or rubbish. Bytes outside of the written range are
 *    never harmed: SQLite is told so by the system's VFS (SQLITE_IOCAP_POWERSAFE_OVERWRITE).
 *  - That a file is there, or gone, is safe once its directory was synced, which SQLite does with
 *    the first sync of a log or journal after opening it, and after a deletion that asks for it.
 *  - A sync that fails has lost what it was asked for: as on Linux, later ones say yes without it.
 *  - Shared memory is lost.
 *
 * An image can be made while everything goes on, so one run is cut in many places. Nothing is
 * really synced: the model is the judge. Threads: any, one at a time; hooks run under the lock and
 * must not touch a database.
 */
#ifndef TESTS_STORE_FAULT_DISK_H
#define TESTS_STORE_FAULT_DISK_H

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_PATH_SIZE 160
#define DISK_FILES_MAX 64
#define DISK_SECTOR    512
#define DISK_IMAGE     "/cut-" /* in a path: an image, of which nothing is known and nothing fails */

enum disk_op {
    DISK_WRITE,
    DISK_SYNC,
    DISK_TRUNCATE,
    DISK_DELETE,
    DISK_READ,
    DISK_OPEN,
    DISK_MAP, /* of the log's index */
    DISK_OPS
};

/* A write (data) or truncation (size 0, to offset) that no sync has covered. */
struct disk_change {
    struct disk_change *next;
    int64_t offset;
    size_t size;
    bool is_truncation;
    uint8_t data[];
};

/* Bytes of a file; zero between size and room. */
struct disk_content {
    uint8_t *bytes;
    int64_t size, room;
};

/* What is known of one path. */
struct disk_file {
    char path[DISK_PATH_SIZE];
    bool is_there, was_there; /* now, and as the synced directory has it */
    int64_t size;
    struct disk_content synced;
    struct disk_change *changes, **changes_tail;
};

struct disk_fault {
    enum disk_op op;
    uint64_t at;     /* the at-th from now on fails, counted from 1; 0: none */
    bool is_lasting; /* and all behind it */
    int code;        /* SQLITE_IOERR_WRITE etc. */
    bool is_torn;    /* a failing write has written its first half */
};

struct disk {
    sqlite3_vfs vfs, *real;
    pthread_mutex_t lock;
    struct disk_file files[DISK_FILES_MAX];
    size_t file_count;
    uint64_t counts[DISK_OPS];
    uint64_t log_syncs, main_syncs;
    struct disk_fault fault;
    uint64_t fault_seen; /* operations of its kind since it was set */
    uint64_t fault_hits;
    bool lies;          /* syncs say yes and do nothing */
    uint64_t sync_seed; /* other than 0: one sync in sync_one_in fails, at random */
    uint64_t sync_one_in;
    int64_t bytes_max; /* room for all files together; -1: unlimited */
    const char *only;  /* paths with this in them are meant by faults and hooks; NULL: all */
    void (*before)(enum disk_op op, const char *path, void *ctx);
    void *before_ctx;
};

static struct disk disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .bytes_max = -1};

/* An open file: the system's lies behind it. */
struct disk_handle {
    sqlite3_file base;
    struct disk_file *file; /* NULL: an image, or a temporary one without a name */
    bool is_log;
    bool syncs_directory; /* with its next sync */
    sqlite3_file *real;
};

/* Repeatable numbers, apart from base/rand.h, which the code under test uses (splitmix64). */
static inline uint64_t disk_random(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t disk_below(uint64_t *seed, uint64_t bound)
{
    return disk_random(seed) % bound;
}

/* ---- what is on the disk ---- */

static inline void disk_forget_changes(struct disk_file *file)
{
    while (file->changes) {
        struct disk_change *change = file->changes;
        file->changes = change->next;
        free(change);
    }
    file->changes_tail = &file->changes;
}

static inline struct disk_file *disk_find(const char *path)
{
    for (size_t i = 0; i < disk.file_count; i++) {
        if (strcmp(disk.files[i].path, path) == 0)
            return &disk.files[i];
    }
    assert(disk.file_count < DISK_FILES_MAX && strlen(path) < DISK_PATH_SIZE);
    struct disk_file *file = &disk.files[disk.file_count++];
    *file = (struct disk_file){.changes_tail = &file->changes};
    (void)snprintf(file->path, sizeof(file->path), "%s", path);
    return file;
}

static inline void disk_note_change(struct disk_file *file, bool is_truncation, const void *data,
                                    size_t size, int64_t offset)
{
    struct disk_change *change = malloc(sizeof(*change) + size);
    assert(change);
    *change = (struct disk_change){.offset = offset, .size = size, .is_truncation = is_truncation};
    if (size > 0)
        memcpy(change->data, data, size);
    *file->changes_tail = change;
    file->changes_tail = &change->next;
    if (is_truncation)
        file->size = offset;
    else if (offset + (int64_t)size > file->size)
        file->size = offset + (int64_t)size;
}

static inline void disk_make_room(struct disk_content *content, int64_t size)
{
    if (size <= content->room)
        return;
    int64_t room = 2 * size;
    uint8_t *bytes = calloc(1, (size_t)room);
    assert(bytes);
    if (content->size > 0)
        memcpy(bytes, content->bytes, (size_t)content->size);
    free(content->bytes);
    content->bytes = bytes;
    content->room = room;
}

static inline void disk_cut_to(struct disk_content *content, int64_t size)
{
    disk_make_room(content, size + 1);
    if (size < content->size)
        memset(content->bytes + size, 0, (size_t)(content->size - size));
    content->size = size;
}

static inline void disk_put(struct disk_content *content, const uint8_t *data, int64_t offset,
                            size_t size)
{
    if (size == 0)
        return;
    disk_make_room(content, offset + (int64_t)size);
    memcpy(content->bytes + offset, data, size);
    if (offset + (int64_t)size > content->size)
        content->size = offset + (int64_t)size;
}

/* What the system has in the file at the moment. */
static inline void disk_load(const char *path, struct disk_content *content)
{
    struct stat info;
    FILE *stream = fopen(path, "rb");
    assert(stream);
    int found = fstat(fileno(stream), &info);
    assert(found == 0);
    disk_cut_to(content, info.st_size);
    size_t read = fread(content->bytes, 1, (size_t)info.st_size, stream);
    assert(read == (size_t)info.st_size);
    (void)found, (void)read;
    (void)fclose(stream);
}

static inline void disk_apply(struct disk_content *content, const struct disk_change *change)
{
    if (change->is_truncation)
        disk_cut_to(content, change->offset);
    else
        disk_put(content, change->data, change->offset, change->size);
}

static inline void disk_apply_all(struct disk_file *file)
{
    for (struct disk_change *change = file->changes; change; change = change->next)
        disk_apply(&file->synced, change);
    disk_forget_changes(file);
}

static inline void disk_sync_directory(const char *path)
{
    size_t len = (size_t)(strrchr(path, '/') - path + 1);
    for (size_t i = 0; i < disk.file_count; i++) {
        struct disk_file *file = &disk.files[i];
        if (strncmp(file->path, path, len) == 0 && !strchr(file->path + len, '/'))
            file->was_there = file->is_there;
    }
}

/* ---- what a power cut leaves ---- */

enum disk_loss {
    DISK_LOSES_ALL,     /* whatever was not synced */
    DISK_LOSES_NOTHING, /* as if only the process had been killed */
    DISK_LOSES_LAST,    /* some first changes are whole, then one is torn, the others are lost */
    DISK_LOSES_CHANGES, /* each is there or not */
    DISK_LOSES_SECTORS, /* each sector of each is there or not, or torn, or rubbish */
    DISK_LOSSES
};

static inline void disk_apply_sectors(struct disk_content *content,
                                      const struct disk_change *change, uint64_t *seed)
{
    for (size_t done = 0; done < change->size;) {
        size_t sector = DISK_SECTOR - (size_t)(change->offset + (int64_t)done) % DISK_SECTOR;
        size_t part = sector < change->size - done ? sector : change->size - done;
        uint64_t fate = disk_below(seed, 100);
        uint8_t rubbish[DISK_SECTOR];
        for (size_t i = 0; fate >= 98 && i < part; i++)
            rubbish[i] = (uint8_t)disk_random(seed);
        size_t kept = fate < 45 ? part : fate < 90 ? 0 : disk_below(seed, part);
        disk_put(content, fate >= 98 ? rubbish : change->data + done,
                 change->offset + (int64_t)done, fate >= 98 ? part : kept);
        done += part;
    }
}

static inline void disk_apply_some(struct disk_content *content, const struct disk_file *file,
                                   enum disk_loss loss, uint64_t *seed)
{
    uint64_t count = 0, at = 0;
    for (struct disk_change *change = file->changes; change; change = change->next)
        count++;
    uint64_t whole = disk_below(seed, count + 1);
    for (struct disk_change *change = file->changes; change; change = change->next, at++) {
        bool is_kept = loss == DISK_LOSES_LAST ? at < whole : disk_below(seed, 2);
        bool is_torn = loss == DISK_LOSES_LAST ? at == whole : loss == DISK_LOSES_SECTORS;
        if (loss == DISK_LOSES_ALL)
            break;
        if (is_torn && !change->is_truncation)
            disk_apply_sectors(content, change, seed);
        else if (is_kept)
            disk_apply(content, change);
    }
}

/* Writes what the files of from_dir would be after a power cut into to_dir, which is made. Called
 * under the lock: from the hook, or when nothing runs. */
static inline void disk_image(const char *from_dir, const char *to_dir, enum disk_loss loss,
                              uint64_t *seed)
{
    size_t len = strlen(from_dir);
    int made = mkdir(to_dir, 0700);
    assert(made == 0);
    (void)made;
    for (size_t i = 0; i < disk.file_count; i++) {
        struct disk_file *file = &disk.files[i];
        if (strncmp(file->path, from_dir, len) != 0 || file->path[len] != '/' ||
            strchr(file->path + len + 1, '/'))
            continue;
        bool is_there = file->is_there;
        if (file->is_there != file->was_there && loss != DISK_LOSES_NOTHING)
            is_there = loss == DISK_LOSES_ALL ? file->was_there : disk_below(seed, 2);
        if (!is_there)
            continue;
        struct disk_content content = {0};
        if (loss == DISK_LOSES_NOTHING) {
            disk_load(file->path, &content);
        } else {
            disk_cut_to(&content, file->synced.size);
            disk_put(&content, file->synced.bytes, 0, (size_t)file->synced.size);
            disk_apply_some(&content, file, loss, seed);
        }
        char path[2 * DISK_PATH_SIZE];
        (void)snprintf(path, sizeof(path), "%s%s", to_dir, file->path + len);
        FILE *image = fopen(path, "wb");
        assert(image);
        size_t written = fwrite(content.bytes, 1, (size_t)content.size, image);
        assert(written == (size_t)content.size);
        (void)written;
        (void)fclose(image);
        free(content.bytes);
    }
}

/* Removes what disk_image made, and what SQLite made beside it. */
static inline void disk_image_remove(const char *dir, const char *const *names)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (; *names; names++) {
        for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
            char path[2 * DISK_PATH_SIZE];
            (void)snprintf(path, sizeof(path), "%s/%s%s", dir, *names, suffixes[i]);
            (void)unlink(path); /* not all of them are there */
        }
    }
    (void)rmdir(dir); /* the test's teardown fails when something is left */
}

/* ---- faults ---- */

static inline int64_t disk_bytes_used(void)
{
    int64_t used = 0;
    for (size_t i = 0; i < disk.file_count; i++)
        used += disk.files[i].is_there ? disk.files[i].size : 0;
    return used;
}

/* Counts the operation and says with which code it fails; SQLITE_OK: it does not. */
static inline int disk_begin(enum disk_op op, const char *path)
{
    if (strstr(path, DISK_IMAGE) || (disk.only && !strstr(path, disk.only)))
        return SQLITE_OK;
    disk.counts[op]++;
    if (disk.before)
        disk.before(op, path, disk.before_ctx);
    if (disk.fault.at == 0 || disk.fault.op != op)
        return SQLITE_OK;
    disk.fault_seen++;
    bool is_hit =
        disk.fault.is_lasting ? disk.fault_seen >= disk.fault.at : disk.fault_seen == disk.fault.at;
    disk.fault_hits += is_hit;
    return is_hit ? disk.fault.code : SQLITE_OK;
}

static inline const char *disk_path_of(const struct disk_handle *handle)
{
    return handle->file ? handle->file->path : "temporary";
}

/* ---- a file's methods ---- */

#define DISK_LOCK()   (void)pthread_mutex_lock(&disk.lock)
#define DISK_UNLOCK() (void)pthread_mutex_unlock(&disk.lock)

static int disk_close(sqlite3_file *base)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xClose(handle->real);
}

static int disk_read(sqlite3_file *base, void *data, int size, sqlite3_int64 offset)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    DISK_LOCK();
    int code = disk_begin(DISK_READ, disk_path_of(handle));
    DISK_UNLOCK();
    return code ? code : handle->real->pMethods->xRead(handle->real, data, size, offset);
}

static int disk_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    DISK_LOCK();
    int code = disk_begin(DISK_WRITE, disk_path_of(handle));
    int done = code == SQLITE_OK ? size : disk.fault.is_torn ? size / 2 : 0;
    int64_t growth = handle->file ? offset + done - handle->file->size : 0;
    if (disk.bytes_max >= 0 && growth > 0 && disk_bytes_used() + growth > disk.bytes_max) {
        code = SQLITE_FULL;
        done = 0;
    }
    if (done > 0) {
        int real = handle->real->pMethods->xWrite(handle->real, data, done, offset);
        code = code ? code : real;
        if (handle->file)
            disk_note_change(handle->file, false, data, (size_t)done, offset);
    }
    DISK_UNLOCK();
    return code;
}

static int disk_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    DISK_LOCK();
    int code = disk_begin(DISK_TRUNCATE, disk_path_of(handle));
    if (code == SQLITE_OK)
        code = handle->real->pMethods->xTruncate(handle->real, size);
    if (code == SQLITE_OK && handle->file)
        disk_note_change(handle->file, true, NULL, 0, size);
    DISK_UNLOCK();
    return code;
}

static int disk_sync(sqlite3_file *base, int flags)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    (void)flags;
    DISK_LOCK();
    int code = disk_begin(DISK_SYNC, disk_path_of(handle));
    if (handle->file && disk.sync_seed && disk_below(&disk.sync_seed, disk.sync_one_in) == 0)
        code = SQLITE_IOERR_FSYNC;
    if (code && handle->file)
        disk_forget_changes(handle->file);
    disk.log_syncs += handle->is_log;
    disk.main_syncs += !handle->is_log;
    if (code == SQLITE_OK && !disk.lies && handle->file) {
        disk_apply_all(handle->file);
        if (handle->syncs_directory)
            disk_sync_directory(handle->file->path);
        handle->syncs_directory = false;
    }
    DISK_UNLOCK();
    return code;
}

static int disk_file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xFileSize(handle->real, ret_size);
}

static int disk_lock_file(sqlite3_file *base, int level)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xLock(handle->real, level);
}

static int disk_unlock_file(sqlite3_file *base, int level)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xUnlock(handle->real, level);
}

static int disk_check_reserved(sqlite3_file *base, int *ret_is_reserved)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xCheckReservedLock(handle->real, ret_is_reserved);
}

static int disk_control(sqlite3_file *base, int op, void *arg)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xFileControl(handle->real, op, arg);
}

static int disk_sector_size(sqlite3_file *base)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xSectorSize(handle->real);
}

static int disk_characteristics(sqlite3_file *base)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xDeviceCharacteristics(handle->real);
}

static int disk_map(sqlite3_file *base, int page, int size, int extends, void volatile **ret_map)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    DISK_LOCK();
    int code = disk_begin(DISK_MAP, disk_path_of(handle));
    DISK_UNLOCK();
    if (code)
        return code;
    return handle->real->pMethods->xShmMap(handle->real, page, size, extends, ret_map);
}

static int disk_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xShmLock(handle->real, offset, count, flags);
}

static void disk_shm_barrier(sqlite3_file *base)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    handle->real->pMethods->xShmBarrier(handle->real);
}

static int disk_unmap(sqlite3_file *base, int deletes)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    return handle->real->pMethods->xShmUnmap(handle->real, deletes);
}

static const sqlite3_io_methods disk_methods = {
    .iVersion = 2, /* no memory-mapped reads: they would pass the model by */
    .xClose = disk_close,
    .xRead = disk_read,
    .xWrite = disk_write,
    .xTruncate = disk_truncate,
    .xSync = disk_sync,
    .xFileSize = disk_file_size,
    .xLock = disk_lock_file,
    .xUnlock = disk_unlock_file,
    .xCheckReservedLock = disk_check_reserved,
    .xFileControl = disk_control,
    .xSectorSize = disk_sector_size,
    .xDeviceCharacteristics = disk_characteristics,
    .xShmMap = disk_map,
    .xShmLock = disk_shm_lock,
    .xShmBarrier = disk_shm_barrier,
    .xShmUnmap = disk_unmap,
};

/* ---- the file system's methods ---- */

/* What the disk holds at this path when it is opened for the first time counts as synced. */
static inline void disk_note_opened(struct disk_file *file, const struct stat *found)
{
    if (file->is_there)
        return;
    disk_forget_changes(file);
    disk_cut_to(&file->synced, 0);
    file->size = 0;
    file->is_there = true;
    if (!found)
        return;
    file->was_there = true;
    file->size = found->st_size;
    disk_load(file->path, &file->synced);
}

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                     int *ret_flags)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    struct stat info;
    (void)vfs;
    *handle = (struct disk_handle){.real = (sqlite3_file *)&handle[1]};
    bool is_journal = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
    DISK_LOCK();
    bool is_found = path && stat(path, &info) == 0;
    int code = disk_begin(DISK_OPEN, path ? path : "temporary");
    if (code == SQLITE_OK)
        code = disk.real->xOpen(disk.real, path, handle->real, flags, ret_flags);
    if (code == SQLITE_OK) {
        handle->base.pMethods = &disk_methods;
        handle->is_log = flags & SQLITE_OPEN_WAL;
        handle->syncs_directory = is_journal && (flags & SQLITE_OPEN_CREATE);
        handle->file = path && !strstr(path, DISK_IMAGE) ? disk_find(path) : NULL;
        if (handle->file)
            disk_note_opened(handle->file, is_found ? &info : NULL);
    }
    DISK_UNLOCK();
    return code;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int syncs_directory)
{
    (void)vfs;
    DISK_LOCK();
    int code = disk_begin(DISK_DELETE, path);
    if (code == SQLITE_OK)
        code = disk.real->xDelete(disk.real, path, 0);
    if (code == SQLITE_OK && !strstr(path, DISK_IMAGE)) {
        disk_find(path)->is_there = false;
        if (syncs_directory)
            disk_sync_directory(path);
    }
    DISK_UNLOCK();
    return code;
}

/* ---- for tests ---- */

/* Before the first database of the process is opened. */
static inline void disk_install(void)
{
    if (disk.real)
        return;
    disk.real = sqlite3_vfs_find(NULL);
    assert(disk.real);
    disk.vfs = *disk.real;
    disk.vfs.zName = "fault-disk";
    disk.vfs.szOsFile = (int)sizeof(struct disk_handle) + disk.real->szOsFile;
    disk.vfs.xOpen = disk_open;
    disk.vfs.xDelete = disk_delete;
    int code = sqlite3_vfs_register(&disk.vfs, 1);
    assert(code == SQLITE_OK);
    (void)code;
}

/* Forgets files, faults and counts; no database is open. */
static inline void disk_reset(void)
{
    DISK_LOCK();
    for (size_t i = 0; i < disk.file_count; i++) {
        disk_forget_changes(&disk.files[i]);
        free(disk.files[i].synced.bytes);
    }
    disk.file_count = 0;
    memset(disk.counts, 0, sizeof(disk.counts));
    disk.log_syncs = disk.main_syncs = 0;
    disk.fault = (struct disk_fault){0};
    disk.lies = false;
    disk.sync_seed = 0;
    disk.bytes_max = -1;
    disk.only = NULL;
    disk.before = NULL;
    DISK_UNLOCK();
}

/* Sets what fails from now on; {0}: nothing. */
static inline void disk_set_fault(struct disk_fault fault)
{
    DISK_LOCK();
    disk.fault = fault;
    disk.fault_seen = disk.fault_hits = 0;
    DISK_UNLOCK();
}

/* How many operations have failed since then. */
static inline uint64_t disk_fault_hits(void)
{
    DISK_LOCK();
    uint64_t hits = disk.fault_hits;
    DISK_UNLOCK();
    return hits;
}

static inline void disk_set_hook(void (*before)(enum disk_op op, const char *path, void *ctx),
                                 void *ctx)
{
    DISK_LOCK();
    disk.before = before;
    disk.before_ctx = ctx;
    DISK_UNLOCK();
}

/* Room for all files together from now on: as much as they take, and extra bytes; -1: unlimited. */
static inline void disk_set_room(int64_t extra)
{
    DISK_LOCK();
    disk.bytes_max = extra < 0 ? -1 : disk_bytes_used() + extra;
    DISK_UNLOCK();
}

#endif
