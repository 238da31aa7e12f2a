/*
 * Times whole processes: process COUNT PROGRAM... runs the programs in turn, COUNT times each, with
 * this environment and no input, and prints the median and the least milliseconds of each.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    size_t count = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
    size_t programs = argc > 2 ? (size_t)argc - 2 : 0;
    double *times = calloc(count * programs + 1, sizeof *times);
    posix_spawn_file_actions_t files;
    if (count == 0 || !times || posix_spawn_file_actions_init(&files) != 0 ||
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0) != 0 ||
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0)
        return EXIT_FAILURE;

    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; p < programs; p++) {
            char *arguments[] = {argv[p + 2], NULL};
            pid_t pid;
            int status = 0;
            double begin = now_ms();
            if (posix_spawn(&pid, argv[p + 2], &files, NULL, arguments, environ) != 0 ||
                waitpid(pid, &status, 0) != pid || status != 0) {
                fprintf(stderr, "%s failed\n", argv[p + 2]);
                return EXIT_FAILURE;
            }
            times[p * count + i] = now_ms() - begin;
        }
    }
    for (size_t p = 0; p < programs; p++) {
        qsort(&times[p * count], count, sizeof *times, compare);
        printf("%s %.3f %.3f\n", argv[p + 2], times[p * count + count / 2], times[p * count]);
    }
    posix_spawn_file_actions_destroy(&files);
    free(times);
    return EXIT_SUCCESS;
}
