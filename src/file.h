/* Small files, secrets among them. */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>

enum { FILE_ROOM = 64 * 1024 };

/* Reads a whole file of less than FILE_ROOM bytes as a NUL-terminated text. False with errno when
 * it can't be read. Leaves no copy behind; the caller wipes the text. */
bool file_read(const char *path, char text[static FILE_ROOM]);

#endif
