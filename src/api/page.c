/* GET /: the page, in one document. */
#include <assert.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "api/endpoints.h"
#include "page/page.h"
#include "text.h"

enum { DIGEST_LENGTH = 32, BASE64_SIZE = (DIGEST_LENGTH + 2) / 3 * 4 + 1 };

/* As a source of a Content-Security-Policy, which names an inline text by its hash. */
struct hash {
    char base64[BASE64_SIZE];
};

static bool hash(const struct buffer *body, size_t begin, size_t end, struct hash *out) {
    unsigned char digest[DIGEST_LENGTH];
    if (body->failed ||
        EVP_Digest(body->data + begin, end - begin, digest, NULL, EVP_sha256(), NULL) != 1)
        return false;
    EVP_EncodeBlock((unsigned char *)out->base64, digest, DIGEST_LENGTH);
    return true;
}

/* Without the indentation, which is a seventh of the page. */
static void put_lines(struct buffer *out, struct agora_text text) {
    while (text.length > 0) {
        struct agora_text line = text_cut(&text, '\n');
        size_t indentation = 0;
        while (indentation < line.length && line.data[indentation] == ' ')
            indentation++;
        buffer_put(out, (struct agora_text){line.data + indentation, line.length - indentation});
        buffer_puts(out, "\n");
    }
}

/* Writes html up to the link, and in the link's place an element with the text that it leads to. */
static bool put_inline(struct buffer *out, struct agora_text *html, const char *link,
                       const char *tag, struct agora_text text, struct hash *hashed) {
    const char *at = memmem(html->data, html->length, link, strlen(link));
    assert(at);
    size_t length = (size_t)(at - html->data);
    put_lines(out, (struct agora_text){html->data, length});
    html->data += length + strlen(link);
    html->length -= length + strlen(link);

    buffer_printf(out, "<%s>", tag);
    size_t begin = out->length;
    put_lines(out, text);
    size_t end = out->length;
    buffer_printf(out, "</%s>", tag);
    return hash(out, begin, end, hashed);
}

/* Nothing is loaded from anywhere and nothing runs but the script, which asks this service alone.
 */
static const char *security_policy(const struct hash *style, const struct hash *script) {
    /* The value of a header must outlive the endpoint. */
    static _Thread_local char policy[512];
    int length = snprintf(policy, sizeof policy,
                          "default-src 'none'; style-src 'sha256-%s'; script-src 'sha256-%s'; "
                          "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
                          "frame-ancestors 'none'; require-trusted-types-for 'script'; "
                          "trusted-types 'none'",
                          style->base64, script->base64);
    assert((size_t)length < sizeof policy);
    (void)length;
    return policy;
}

void endpoint_page(const struct call *call, struct response *response) {
    (void)call;
    struct page page = page_files();
    struct hash style, script;
    struct buffer *body = &response->body;
    if (!put_inline(body, &page.html, PAGE_STYLE_LINK, "style", page.style, &style) ||
        !put_inline(body, &page.html, PAGE_SCRIPT_LINK, "script", page.script, &script)) {
        response_error(response, HTTP_INTERNAL_SERVER_ERROR, "the page cannot be put together");
        return;
    }
    put_lines(body, page.html);
    response->content_type = "text/html; charset=utf-8";
    response->caching = "Cache-Control: no-cache\r\n";
    response_header(response, "Content-Security-Policy",
                    agora_text_of(security_policy(&style, &script)));
    response_header(response, "X-Content-Type-Options", agora_text_of("nosniff"));
    response_header(response, "Referrer-Policy", agora_text_of("no-referrer"));
}
