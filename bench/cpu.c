/* What processes cost; see cpu.h. From /proc/PID/stat. */
#include "cpu.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stat_line {
    int parent;
    unsigned long long user_ticks, system_ticks;
    long long ended_user_ticks, ended_system_ticks; /* of children that were waited for */
};

static int read_stat(pid_t pid, struct stat_line *ret_stat)
{
    char path[64], line[1024] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return -1;
    char *got = fgets(line, sizeof(line), file);
    fclose(file);
    const char *rest = got ? strrchr(line, ')') : NULL; /* the name may hold anything */
    return rest && sscanf(rest + 1,
                          " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld",
                          &ret_stat->parent, &ret_stat->user_ticks, &ret_stat->system_ticks,
                          &ret_stat->ended_user_ticks, &ret_stat->ended_system_ticks) == 5
               ? 0
               : -1;
}

double cpu_seconds(pid_t pid)
{
    struct stat_line stat = {0};
    if (pid <= 0 || read_stat(pid, &stat))
        return 0;
    return (double)(stat.user_ticks + stat.system_ticks) / (double)sysconf(_SC_CLK_TCK);
}

pid_t cpu_child_of(pid_t pid)
{
    struct stat_line stat = {0};
    pid_t found = 0;
    DIR *processes = opendir("/proc");
    const struct dirent *entry;
    while (processes && !found && (entry = readdir(processes))) {
        pid_t candidate = (pid_t)atoi(entry->d_name);
        if (candidate > 0 && read_stat(candidate, &stat) == 0 && stat.parent == (int)pid)
            found = candidate;
    }
    if (processes)
        closedir(processes);
    return found;
}

pid_t cpu_parent_of(pid_t pid)
{
    struct stat_line stat = {0};
    return pid > 0 && read_stat(pid, &stat) == 0 ? stat.parent : 0;
}

double cpu_seconds_of_family(pid_t pid)
{
    struct stat_line stat = {0};
    const struct dirent *entry;
    if (pid <= 0 || read_stat(pid, &stat))
        return 0;
    double ticks = (double)(stat.user_ticks + stat.system_ticks) +
                   (double)(stat.ended_user_ticks + stat.ended_system_ticks);
    DIR *processes = opendir("/proc");
    while (processes && (entry = readdir(processes))) {
        pid_t candidate = (pid_t)atoi(entry->d_name);
        if (candidate > 0 && read_stat(candidate, &stat) == 0 && stat.parent == (int)pid)
            ticks += (double)(stat.user_ticks + stat.system_ticks);
    }
    if (processes)
        closedir(processes);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}
