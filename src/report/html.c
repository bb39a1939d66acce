/* report/html.c - text into HTML. Names come from job files and from reports that may be
 * anybody's, so nothing gets into a page but through here. */
#include "report/html.h"

#include <string.h>

void cadre__html_escape(cadre__text *out, const char *text)
{
    if (text)
        cadre__html_escape_n(out, text, strlen(text));
}

void cadre__html_escape_n(cadre__text *out, const char *text, size_t n)
{
    for (const char *c = text; c < text + n; c++) {
        switch (*c) {
        case '&':
            cadre__text_puts(out, "&amp;");
            break;
        case '<':
            cadre__text_puts(out, "&lt;");
            break;
        case '>':
            cadre__text_puts(out, "&gt;");
            break;
        case '"':
            cadre__text_puts(out, "&quot;");
            break;
        case '\'':
            cadre__text_puts(out, "&#39;");
            break;
        case '\n':
            cadre__text_puts(out, " ");
            break;
        default:
            cadre__text_append(out, (unsigned char)*c < ' ' || *c == 127 ? "?" : c, 1);
        }
    }
}
