/*
 * See media_cage.h. Limits first, then the filter. libseccomp's header is included here alone.
 *
 * The sanitizers' runtime needs address space without a limit and a few harmless calls more; builds with one
 * have the filter all the same.
 */
#include "chat/media_cage.h"

#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "chat/limits.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

static bool limit(int what, rlim_t most)
{
    const struct rlimit limits = {most, most};
    return setrlimit((__rlimit_resource_t)what, &limits) == 0;
}

static bool limit_all(void)
{
    bool has_memory = HAS_SANITIZER || limit(RLIMIT_AS, THUMB_MEMORY_BYTES);
    return has_memory && limit(RLIMIT_CPU, THUMB_CPU_S) && limit(RLIMIT_FSIZE, 0) &&
           limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, 3) && limit(RLIMIT_NPROC, 0);
}

static const int allowed[] = {
    SCMP_SYS(read),  SCMP_SYS(write),         SCMP_SYS(exit_group),   SCMP_SYS(exit),
    SCMP_SYS(brk),   SCMP_SYS(munmap),        SCMP_SYS(mremap),       SCMP_SYS(madvise),
    SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(rt_sigreturn),
};

static const int allowed_to_sanitizers[] = {
    SCMP_SYS(sched_yield), SCMP_SYS(getpid),         SCMP_SYS(gettid),
    SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigprocmask),
};

static bool allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, calls[i], 0, NULL) != 0)
            return false;
    }
    return true;
}

static bool filter_calls(void)
{
    const struct scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return false;
    bool is_done = allow(filter, allowed, sizeof(allowed) / sizeof(allowed[0]));
    if (is_done && HAS_SANITIZER)
        is_done = allow(filter, allowed_to_sanitizers,
                        sizeof(allowed_to_sanitizers) / sizeof(allowed_to_sanitizers[0]));
    is_done =
        is_done &&
        seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &not_executable) == 0 &&
        seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &not_executable) ==
            0 &&
        seccomp_load(filter) == 0;
    seccomp_release(filter);
    return is_done;
}

bool media_cage_enter(void)
{
    if (close_range(STDERR_FILENO + 1, ~0U, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    return limit_all() && filter_calls();
}
