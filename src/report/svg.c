/* report/svg.c - bars and lines as inline SVG. Colours are classes of the page's style,
 * so that light and dark follow the reader's setting. Sizes are in units of the view box.
 */
#include "report/html.h"
#include "report/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 860.0

static void say(cadre__text *out, double x, double y, const char *class, const char *text)
{
    cadre__text_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    cadre__html_escape(out, text);
    cadre__text_puts(out, "</text>\n");
}

/* A row's name, ending at x; cut where it would run out of the picture. */
static void say_name(cadre__text *out, double x, double y, const char *name)
{
    char cut[96] = "";
    size_t n = 0, characters = 0;

    name = name ? name : "";
    while (n < sizeof cut - 8 && name[n]) {
        characters += ((unsigned char)name[n] & 0xC0) != 0x80;
        if (characters > 19)
            break;
        n++;
    }
    while (name[n] && n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80)
        n--; /* not inside a character */
    memcpy(cut, name, n);
    strcpy(cut + n, name[n] ? "\xE2\x80\xA6" : "");
    say(out, x, y, "end", cut);
}

static void line(cadre__text *out, double x1, double y1, double x2, double y2)
{
    cadre__text_printf(out,
                       "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
                       "y2=\"%.1f\"/>\n",
                       x1, y1, x2, y2);
}

static void open_figure(cadre__text *out, const char *title, double width, double height)
{
    cadre__text_puts(out, "<figure><figcaption>");
    cadre__html_escape(out, title);
    cadre__text_printf(out,
                       "</figcaption>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                       "aria-label=\"",
                       width, height);
    cadre__html_escape(out, title);
    cadre__text_puts(out, "\">\n");
}

/* The names of the parts under a chart, each with its colour. */
static void close_figure(cadre__text *out, const char *const *names,
                         const char *const *colours, size_t n)
{
    cadre__text_puts(out, "</svg>\n<p class=\"legend\">");
    for (size_t i = 0; i < n && names[i]; i++) {
        cadre__text_printf(
            out,
            "<span><svg viewBox=\"0 0 10 10\"><rect class=\"%s\" width=\"10\" "
            "height=\"10\" rx=\"2\"/></svg>",
            colours[i]);
        cadre__html_escape(out, names[i]);
        cadre__text_puts(out, "</span>");
    }
    cadre__text_puts(out, "</p></figure>\n");
}

/* 1, 2 or 5 times a power of ten, so that about five steps make up `top`. */
static double nice_step(double top)
{
    if (!(top > 0))
        return 1;
    const double power = pow(10, floor(log10(top / 5)));
    const double rest = top / 5 / power;

    return power * (rest <= 1 ? 1 : rest <= 2 ? 2 : rest <= 5 ? 5 : 10);
}

/* A number at a tick or a point, three digits at least: 0, 0.5, 97.5, 1,500. */
static const char *tick(double value, char *buf)
{
    if (value >= 999.5)
        return cadre__show_number(value, buf);
    snprintf(buf, 40, "%.3g", value);
    return buf;
}

/* ---- Bars ---- */

static double row_extent(const cadre__bar_chart *chart, const cadre__bar_row *row)
{
    double sum = 0, most = 0;

    for (int p = 0; p < CADRE__BAR_PARTS && chart->parts[p]; p++) {
        sum += row->parts[p];
        most = fmax(most, row->parts[p]);
    }
    return chart->side_by_side ? most : sum;
}

static void bar(cadre__text *out, const char *class, double x, double y, double w,
                double h, const cadre__bar_chart *chart, const cadre__bar_row *row,
                int part)
{
    char value[40];

    if (w < 0.05)
        return;
    cadre__text_printf(out,
                       "<rect class=\"%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" "
                       "height=\"%.1f\"><title>",
                       class, x, y, w, h);
    cadre__html_escape(out, row->label);
    cadre__text_puts(out, ", ");
    cadre__html_escape(out, chart->parts[part]);
    cadre__text_printf(out, ": %s ", cadre__show_number(row->parts[part], value));
    cadre__html_escape(out, chart->unit);
    cadre__text_puts(out, "</title></rect>\n");
}

void cadre__svg_bars(const cadre__bar_chart *chart, cadre__text *out)
{
    const double left = 150, right = 250, space = WIDTH - left - right;
    const double row_height = chart->side_by_side ? 40 : 28, top = 6;
    const double height = top + row_height * (double)chart->n_rows + 24;
    double most = 0;
    char buf[40];

    for (size_t i = 0; i < chart->n_rows; i++)
        most = fmax(most, row_extent(chart, &chart->rows[i]));
    most = most > 0 ? most : 1;
    open_figure(out, chart->title, WIDTH, height);
    const double step = nice_step(most);
    for (int i = 0; i * step <= most * 1.0001; i++) {
        const double x = left + space * i * step / most;
        line(out, x, top, x, height - 20);
        say(out, x, height - 6, "tick mid", tick(i * step, buf));
    }
    say(out, left + space + 24, height - 6, "tick", chart->unit);
    for (size_t i = 0; i < chart->n_rows; i++) {
        const cadre__bar_row *row = &chart->rows[i];
        const double y = top + row_height * (double)i, middle = y + row_height / 2 + 4;
        double x = left;
        say_name(out, left - 10, middle, row->label);
        for (int p = 0; p < CADRE__BAR_PARTS && chart->parts[p]; p++) {
            const double w = space * row->parts[p] / most;
            if (chart->side_by_side)
                bar(out, chart->colours[p], left, y + 4 + 11 * p, w, 9, chart, row, p);
            else
                bar(out, chart->colours[p], x, y + 5, w, row_height - 10, chart, row, p);
            x += w;
        }
        say(out, left + space + 24, middle, "note", row->note);
    }
    close_figure(out, chart->parts, chart->colours, CADRE__BAR_PARTS);
}

/* ---- Lines ---- */

typedef struct frame { /* where values lie in a line chart */
    double left, top, width, height;
    double x_low, x_high, y_high;
} frame;

static double at_x(const frame *f, double x)
{
    if (f->x_high <= f->x_low)
        return f->left + f->width / 2;
    return f->left + f->width * (log2(x) - f->x_low) / (f->x_high - f->x_low);
}

static double at_y(const frame *f, double y)
{
    return f->top + f->height * (1 - y / f->y_high);
}

static void draw_line(const cadre__line_chart *chart, const frame *f, int k,
                      cadre__text *out)
{
    const char *command = "M";
    char buf[40];

    cadre__text_printf(out, "<path class=\"path %s\" d=\"", chart->colours[k]);
    for (size_t i = 0; i < chart->n; i++) {
        if (!isfinite(chart->y[k][i]))
            continue;
        cadre__text_printf(out, "%s%.1f %.1f", command, at_x(f, chart->x[i]),
                           at_y(f, chart->y[k][i]));
        command = "L";
    }
    cadre__text_puts(out, "\"/>\n");
    for (size_t i = 0; k == 0 && i < chart->n; i++) {
        const double y = chart->y[k][i];
        if (!isfinite(y))
            continue;
        cadre__text_printf(out,
                           "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n",
                           chart->colours[k], at_x(f, chart->x[i]), at_y(f, y));
        say(out, at_x(f, chart->x[i]), at_y(f, y) - 9, "value mid", tick(y, buf));
    }
}

static void draw_axes(const cadre__line_chart *chart, const frame *f, double step,
                      cadre__text *out)
{
    char buf[40];

    for (int i = 0; i * step <= f->y_high * 1.0001; i++) {
        const double y = at_y(f, i * step);
        line(out, f->left - 20, y, f->left + f->width + 20, y);
        say(out, f->left - 26, y + 4, "tick end", tick(i * step, buf));
    }
    for (size_t i = 0; i < chart->n; i++)
        if (i == 0 || chart->x[i] != chart->x[i - 1])
            say(out, at_x(f, chart->x[i]), f->top + f->height + 18, "tick mid",
                tick(chart->x[i], buf));
    say(out, f->left + f->width / 2, f->top + f->height + 36, "tick mid", chart->x_name);
}

void cadre__svg_lines(const cadre__line_chart *chart, cadre__text *out)
{
    const double width = 430, height = 270;
    frame f = {.left = 84, .top = 24, .width = 302, .height = 196};
    double most = 0;

    f.x_low = INFINITY;
    f.x_high = -INFINITY;
    for (size_t i = 0; i < chart->n; i++) {
        f.x_low = fmin(f.x_low, log2(chart->x[i]));
        f.x_high = fmax(f.x_high, log2(chart->x[i]));
        for (int k = 0; k < 2 && chart->names[k]; k++)
            if (isfinite(chart->y[k][i]))
                most = fmax(most, chart->y[k][i]);
    }
    const double step = nice_step(most);
    f.y_high = fmax(step, ceil(most / step - 0.0001) * step);
    open_figure(out, chart->title, width, height);
    draw_axes(chart, &f, step, out);
    for (int k = 1; k >= 0; k--)
        if (chart->names[k])
            draw_line(chart, &f, k, out);
    close_figure(out, chart->names, chart->colours, 2);
}
