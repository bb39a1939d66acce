/* report/html.h - escaping, and small charts as inline SVG drawn by our own code. */
#ifndef CADRE_REPORT_HTML_H
#define CADRE_REPORT_HTML_H

#include "core/text.h"

/* text with & < > " ' escaped, for text and for attributes. Control characters become
 * '?'. */
void cadre__html_escape(cadre__text *out, const char *text); /* NULL: nothing */
void cadre__html_escape_n(cadre__text *out, const char *text, size_t n);

/* Rows of horizontal bars on one axis. */
#define CADRE__BAR_PARTS 3
typedef struct cadre__bar_row {
    const char *label;
    double parts[CADRE__BAR_PARTS]; /* >= 0 */
    char note[96];                  /* to the right of the bar */
} cadre__bar_row;

typedef struct cadre__bar_chart {
    const char *title, *unit;              /* unit of the axis */
    const char *parts[CADRE__BAR_PARTS];   /* names in the legend; NULL: no such part */
    const char *colours[CADRE__BAR_PARTS]; /* class names of the page's style */
    bool side_by_side; /* a thin bar for each part instead of a stack */
    size_t n_rows;
    const cadre__bar_row *rows;
} cadre__bar_chart;
void cadre__svg_bars(const cadre__bar_chart *chart, cadre__text *out);

/* Up to two lines over x; a point that is not finite is left out. */
typedef struct cadre__line_chart {
    const char *title, *x_name;
    const char *names[2];   /* of the lines; [1] may be NULL. The first has values */
    const char *colours[2]; /* class names */
    size_t n;
    const double *x, *y[2]; /* x > 0, on a logarithmic axis; y >= 0 */
} cadre__line_chart;
void cadre__svg_lines(const cadre__line_chart *chart, cadre__text *out);

#endif
