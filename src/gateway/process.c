#include "gateway/process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double cpu_seconds(void) {
    struct timespec spent;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent) != 0)
        return -1;
    return (double)spent.tv_sec + (double)spent.tv_nsec / 1e9;
}

static double open_fds(void) {
    DIR *directory = opendir("/proc/self/fd");
    if (!directory)
        return -1;
    /* Less the folder itself, as . and .. are none either. */
    double count = -3;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static double max_fds(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : -1;
}

void process_look(struct process_figures *figures) {
    unsigned long pages[2];
    const double page = (double)sysconf(_SC_PAGESIZE);
    FILE *memory = fopen("/proc/self/statm", "re");
    bool is_known = memory && fscanf(memory, "%lu %lu", &pages[0], &pages[1]) == 2;
    if (memory)
        fclose(memory);
    figures->cpu_seconds = cpu_seconds();
    figures->open_fds = open_fds();
    figures->max_fds = max_fds();
    figures->virtual_bytes = is_known ? page * (double)pages[0] : -1;
    figures->resident_bytes = is_known ? page * (double)pages[1] : -1;
}
