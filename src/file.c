#include "file.h"

#include <errno.h>
#include <stdio.h>

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
