/* The .env file, in the syntax of godotenv: NAME=value lines, comments, export, quotes. */
#ifndef DOTENV_H
#define DOTENV_H

#include <stdbool.h>
#include <stddef.h>

/* Names and their values in one block, each ended by a NUL: NAME, value, NAME, value… All zero is a
 * file without settings. */
struct dotenv {
    char *data;
    size_t length;
    size_t size;
};

/*
 * Parses a NUL-terminated text:
 *
 *     # comment                     export NAME=value             NAME: value
 *     NAME=value # comment          NAME='as it stands'           NAME="a \"b\" \\ \n"
 *
 * An unquoted value ends with its line or at a # behind white space. Quoted values may span lines.
 * Of a name that stands twice the last value counts. Variables are not expanded.
 *
 * Returns 0, or the number of the line that can't be read, or -1 when there is no memory. On
 * success the result is to be given to dotenv_free; otherwise it is empty.
 */
int dotenv_parse(const char *text, struct dotenv *out);

/* NULL when the name does not stand in the file. */
const char *dotenv_get(const struct dotenv *dotenv, const char *name);

/* Whether the file at path, which this was read from, holds the certificate and lets others read or
 * change it; error is as file_is_exposed has it. */
bool dotenv_is_exposed(const struct dotenv *dotenv, const char *path, char *error, size_t size);

/* Wipes the block, as secrets are among the values, and frees it. */
void dotenv_free(struct dotenv *dotenv);

#endif
