/*
 * Takes from this process what it does not need to turn bytes into bytes: it may compute, allocate within
 * THUMB_MEMORY_BYTES, and read and write descriptors 0, 1 and 2. Every other system call ends it (SIGSYS): no file
 * can be opened, no socket made, no process started, no memory made executable. There is no way back.
 */
#ifndef CHAT_MEDIA_CAGE_H
#define CHAT_MEDIA_CAGE_H

#include <stdbool.h>

/* False: not all of it could be done; do not go on. */
bool media_cage_enter(void);

#endif
