/* What the processes of a benchmark have in common: memory, descriptors, a port. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Zeroed memory that children made from now on share; pages come into being as they are written.
 * NULL: there is none. */
void *process_share(size_t bytes);
void process_unshare(void *memory, size_t bytes); /* NULL is fine */
/* As many descriptors as this process may have; with fewer, opening fails and says so. */
void process_raise_files(void);
/* Resident memory; 0 when unknown. */
int64_t process_rss_bytes(pid_t pid);
/* A listening socket that does not block, on a free port of 127.0.0.1; -1. */
int process_listen(unsigned *ret_port);
/* A socket that does not block, on its way to a server on 127.0.0.1. source is a number: it comes
 * from the address so many behind 127.0.0.255, because one address has 28,000 ports, and the kernel
 * looks long for a free one of many. -1. */
int process_connect(uint32_t source, unsigned port);

#endif
