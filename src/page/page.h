/* The page at /: its files as they are, built into the program. */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H

#include "agora_token.h"

struct page {
    struct agora_text html; /* names the other two as a browser that opens the file expects */
    struct agora_text style;
    struct agora_text script;
};

struct page page_files(void);

/* What stands in html for the style and for the script. */
#define PAGE_STYLE_LINK "<link rel=\"stylesheet\" href=\"page.css\">"
#define PAGE_SCRIPT_LINK "<script src=\"page.js\"></script>"

#endif
