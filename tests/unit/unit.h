/* What every unit test includes: cmocka, which wants these headers before its own. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static inline struct agora_text text(const char *string) {
    return agora_text_of(string);
}

#endif
