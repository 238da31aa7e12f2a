/* The least that a CGI program can do: one line. */
#include <stdio.h>

int main(void) {
    puts("Content-Type: text/plain\r\n\r\nhello");
    return 0;
}
