/* The data directory: one program at a time may write in it. */
#ifndef APP_DATA_DIR_H
#define APP_DATA_DIR_H

#include "base/str.h"

#define DATA_DIR_MESSAGE_SIZE 256

/* Makes the directory (and its parents) when absent and takes DIR/lock, which is held until ret_fd
 * is closed or the process ends. ERR_CONFLICT: another process holds it; ERR_IO. One line in
 * ret_message on failure. */
ERR_MUST_USE enum err data_dir_lock(const char *path, int *ret_fd,
                                    char ret_message[static DATA_DIR_MESSAGE_SIZE]);
/* The same for `foyer restore`, also into a directory that a restore left unfinished (*ret_is_again);
 * data_dir_lock refuses such a one. */
ERR_MUST_USE enum err data_dir_lock_restoring(const char *path, int *ret_fd, bool *ret_is_again,
                                              char ret_message[static DATA_DIR_MESSAGE_SIZE]);
/* From begin to end the directory is unfinished, also after a power cut. ERR_IO. */
ERR_MUST_USE enum err data_dir_restore_begin(const char *path);
ERR_MUST_USE enum err data_dir_restore_end(const char *path);
/* "DIR/name" with a NUL; ERR_LIMIT when it does not fit. */
ERR_MUST_USE enum err data_dir_path(const char *path, const char *name, char *ret_path,
                                    size_t size);

#endif
