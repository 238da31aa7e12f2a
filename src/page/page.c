#include "page/page.h"

#include <stdint.h>

/* The assembler reads the file, whose path is seen from where make runs. */
#define EMBED(name, file)                                                                          \
    __asm__(".pushsection .rodata\n"                                                               \
            "page_" #name ": .incbin \"src/page/" file "\"\n"                                      \
            "page_" #name "_end: .balign 4\n"                                                      \
            "page_" #name "_length: .long page_" #name "_end - page_" #name "\n"                   \
            ".popsection\n");                                                                      \
    __attribute__((visibility("hidden"))) extern const char page_##name[];                         \
    __attribute__((visibility("hidden"))) extern const uint32_t page_##name##_length

EMBED(html, "page.html");
EMBED(style, "page.css");
EMBED(script, "page.js");

struct page page_files(void) {
    return (struct page){
        .html = {page_html, page_html_length},
        .style = {page_style, page_style_length},
        .script = {page_script, page_script_length},
    };
}
