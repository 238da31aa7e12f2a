#include "gateway/process.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "file.h"

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

/* The first numbers of statm(5) are what is mapped and what is resident of it, in pages. */
static void read_memory(struct process_figures *figures) {
    const double page = (double)sysconf(_SC_PAGESIZE);
    char text[256];
    char *rest = text;
    figures->virtual_bytes = figures->resident_bytes = -1;
    if (!file_read("/proc/self/statm", 0, text, sizeof text))
        return;
    figures->virtual_bytes = page * (double)strtoul(rest, &rest, 10);
    figures->resident_bytes = page * (double)strtoul(rest, &rest, 10);
}

void process_read(struct process_figures *figures) {
    figures->cpu_seconds = cpu_seconds();
    figures->open_fds = open_fds();
    figures->max_fds = max_fds();
    read_memory(figures);
}
