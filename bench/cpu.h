/* What processes cost. */
#ifndef BENCH_CPU_H
#define BENCH_CPU_H

#include <sys/types.h>

/* Processor time of a process so far, user and system, in seconds; 0 when there is none. */
double cpu_seconds(pid_t pid);
/* The first child of a process (the bank of a server); 0 when there is none. */
pid_t cpu_child_of(pid_t pid);
pid_t cpu_parent_of(pid_t pid);
/* A process with its children, those that have ended and were waited for among them: a PostgreSQL
 * server by its postmaster. 0 when there is none. */
double cpu_seconds_of_family(pid_t pid);

#endif
