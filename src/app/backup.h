/* `foyer backup` and `foyer restore`: a copy of all databases, taken beside a running server, and the way back. */
#ifndef APP_BACKUP_H
#define APP_BACKUP_H

#include "app/config.h"

/* What follows the subcommand: the directory of the backup, and the configuration. */
struct backup_args {
    const char *directory;
    struct config config;
};

/* Takes flag ("--to", "--from") and its value out of argv, the rest is configuration. 0, or the
 * exit status 2 after a message. */
int backup_args_parse(int argc, char *const *argv, const char *flag, struct backup_args *ret_args);
/* Copies every database of the data directory, each as one moment saw it, into a new directory.
 * Online: the server may run. Exit status 0 or 1. */
int backup_run(const struct backup_args *args);
/* Puts a backup into a data directory that holds no database. The caller audits it afterwards. Exit
 * status 0 or 1. */
int restore_run(const struct backup_args *args);

#endif
