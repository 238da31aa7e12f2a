/* Small files, secrets among them. */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stddef.h>

/* What a buffer for a file of settings, and for one of a policy or of keys, holds. */
enum { FILE_SIZE_MAX = 64 * 1024, POLICY_SIZE_MAX = 1024 * 1024 };

/* Reads a whole file of less than size bytes as a NUL-terminated text. What a pipe holds is waited
 * for, for timeout_ms, at -1 for ever. False with errno when the file can't be read: EILSEQ when it
 * has a zero byte. Leaves no copy behind; the caller wipes the text. */
bool file_read(const char *path, int timeout_ms, char *text, size_t size);

/* Whether the mode of a file lets anybody read it who is neither its owner nor of its group, or
 * anybody but its owner change it. A sentence in error then says so, and what to type. */
bool file_is_exposed(const char *path, char *error, size_t size);

/* The same for a file that everybody may read. */
bool file_is_writable_by_others(const char *path, char *error, size_t size);

#endif
