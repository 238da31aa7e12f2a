#include "file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_read(const char *path, char text[static FILE_ROOM]) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    setvbuf(file, NULL, _IONBF, 0); /* a buffer would keep a copy that nobody wipes */
    size_t length = fread(text, 1, FILE_ROOM - 1, file);
    int failed = ferror(file) ? errno : length == FILE_ROOM - 1 ? EFBIG : 0;
    fclose(file);
    text[length] = '\0';
    errno = failed;
    return failed == 0;
}

bool file_is_exposed(const char *path, char *error, size_t size) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) ||
        !(status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)))
        return false;
    /* A log does not tell the working directory. */
    char absolute[PATH_MAX];
    if (realpath(path, absolute))
        path = absolute;
    int length = snprintf(error, size, "mode %04o of %s lets other users read or change it; type: ",
                          (unsigned)status.st_mode & 07777, path);
    if (length < 0 || (size_t)length >= size)
        return true;
    error += length;
    size -= (size_t)length;
    /* Whoever runs this program has to read it, which may be another than its owner. */
    if (status.st_uid == geteuid())
        snprintf(error, size, "chmod 600 '%s'", path);
    else
        snprintf(error, size, "chgrp %u '%s'; chmod 640 '%s'", (unsigned)getegid(), path, path);
    return true;
}
