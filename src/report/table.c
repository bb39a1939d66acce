/* report/table.c - lay out cells as text or HTML. A column of numbers is aligned on the
 * decimal point, all else to the left. Cells may come from job files, so control
 * characters are shown as '?' and HTML is escaped. */
#include "report/table.h"
#include "core/memory.h"
#include "report/html.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct cadre__table {
    size_t n_columns, n_cells, capacity;
    char **cells; /* row by row, the first row is the header */
    bool failed;  /* out of memory: said by print */
};

typedef struct layout { /* of one column */
    bool numeric;
    size_t width, whole, fraction; /* characters: all, before the point, from it on */
} layout;

cadre__table *cadre__table_new(size_t n_columns)
{
    cadre__table *table = cadre__alloc(sizeof *table);

    if (table)
        table->n_columns = n_columns ? n_columns : 1;
    return table;
}

static void table_destroy(cadre__table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->n_cells; i++)
        cadre__free(table->cells[i]);
    cadre__free(table->cells);
    cadre__free(table);
}

static bool make_room(cadre__table *table)
{
    const size_t size = sizeof *table->cells;
    const size_t capacity = table->capacity ? 2 * table->capacity : 64;

    if (table->n_cells < table->capacity)
        return true;
    char **cells =
        table->cells ? cadre__grow(table->cells, table->capacity * size, capacity * size)
                     : cadre__alloc_n(capacity, size);
    if (!cells)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

void cadre__table_cell(cadre__table *table, const char *fmt, ...)
{
    char small[64];
    va_list args, again;

    if (!table || table->failed)
        return;
    va_start(args, fmt);
    va_copy(again, args);
    const int n = vsnprintf(small, sizeof small, fmt, args);
    char *cell = n < 0 ? NULL : cadre__alloc((size_t)n + 1);
    if (cell)
        vsnprintf(cell, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(args);
    if (!cell || !make_room(table)) {
        cadre__free(cell);
        table->failed = true;
        return;
    }
    /* The header may break lines, nothing else may. */
    for (char *c = cell; *c; c++)
        if (((unsigned char)*c < ' ' || *c == 127) &&
            !(*c == '\n' && table->n_cells < table->n_columns))
            *c = '?';
    table->cells[table->n_cells++] = cell;
}

/* ---- Cells of the usual kinds ---- */

char *cadre__show_count(uint64_t count, char *buf)
{
    char digits[24];
    const int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *at = buf;

    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return buf;
}

char *cadre__show_number(double value, char *buf)
{
    const double size = fabs(value);

    if (!isfinite(value))
        return strcpy(buf, "-");
    if (size >= 999.5 && size < 1e18) {
        const bool negative = value < 0;
        if (negative)
            buf[0] = '-';
        cadre__show_count((uint64_t)(size + 0.5), buf + negative);
        return buf;
    }
    snprintf(buf, 40,
             size >= 1e18    ? "%.3e"
             : size >= 99.95 ? "%.1f"
             : size >= 9.995 ? "%.2f"
                             : "%.3f",
             value);
    return buf;
}

void cadre__table_text(cadre__table *table, const char *text)
{
    cadre__table_cell(table, "%s", text && *text ? text : "-");
}

void cadre__table_count(cadre__table *table, uint64_t count)
{
    char buf[40];

    cadre__table_cell(table, "%s", cadre__show_count(count, buf));
}

void cadre__table_number(cadre__table *table, double value)
{
    char buf[40];

    cadre__table_cell(table, "%s", cadre__show_number(value, buf));
}

void cadre__table_ms(cadre__table *table, int64_t ns)
{
    cadre__table_number(table, (double)ns / 1e6);
}

void cadre__table_percent(cadre__table *table, double part, double whole)
{
    if (whole > 0 && isfinite(part))
        cadre__table_cell(table, "%.1f", 100 * part / whole);
    else
        cadre__table_cell(table, "-");
}

void cadre__table_money(cadre__table *table, cadre_money amount)
{
    char buf[CADRE_MONEY_TEXT];

    cadre__table_cell(table, "%s", cadre_money_format(amount, buf));
}

void cadre__table_header(cadre__table *table, const char *const *names)
{
    for (size_t i = 0; table && i < table->n_columns; i++)
        cadre__table_cell(table, "%s", names[i]);
}

/* ---- Layout ---- */

/* Characters of n bytes of UTF-8. */
static size_t characters(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xC0) != 0x80;
    return count;
}

/* "-12,345.678" or "1.234e+20", but not "0-3". */
static bool is_number(const char *cell)
{
    static const char digits[] = "0123456789";
    size_t n;

    cell += *cell == '-';
    n = strspn(cell, "0123456789,");
    if (n == 0 || *cell == ',')
        return false;
    cell += n;
    if (*cell == '.')
        cell += 1 + strspn(cell + 1, digits);
    if (*cell == 'e' && (cell[1] == '+' || cell[1] == '-'))
        cell += 2 + strspn(cell + 2, digits);
    return *cell == '\0';
}

static bool is_none(const char *cell)
{
    return strcmp(cell, "-") == 0;
}

static size_t fraction_of(const char *cell)
{
    const char *point = strchr(cell, '.');

    return point ? strlen(point) : 0;
}

/* The widest line of a header cell. */
static size_t header_width(const char *cell)
{
    size_t width = 0;

    while (*cell) {
        const size_t n = strcspn(cell, "\n");
        const size_t line = characters(cell, n);
        width = line > width ? line : width;
        cell += n + (cell[n] == '\n');
    }
    return width;
}

static void lay_out(const cadre__table *table, size_t column, layout *out)
{
    size_t n_numbers = 0, n_words = 0, widest = 0;

    *out = (layout){0};
    for (size_t i = table->n_columns + column; i < table->n_cells;
         i += table->n_columns) {
        const char *cell = table->cells[i];
        const size_t all = characters(cell, strlen(cell)), fraction = fraction_of(cell);
        widest = all > widest ? all : widest;
        if (!is_number(cell) && !is_none(cell)) {
            n_words++;
            continue;
        }
        n_numbers += is_number(cell);
        out->fraction = fraction > out->fraction ? fraction : out->fraction;
        out->whole = all - fraction > out->whole ? all - fraction : out->whole;
    }
    out->numeric = n_numbers > 0 && n_words == 0;
    out->width = out->numeric ? out->whole + out->fraction : widest;
    const size_t header = header_width(table->cells[column]);
    out->width = header > out->width ? header : out->width;
}

static void pad(cadre__text *out, size_t n)
{
    while (n--)
        cadre__text_append(out, " ", 1);
}

static void end_line(cadre__text *out)
{
    while (out->size > 0 && out->data && out->data[out->size - 1] == ' ')
        out->data[--out->size] = '\0';
    cadre__text_puts(out, "\n");
}

static void print_cell(cadre__text *out, const layout *l, const char *cell, size_t n)
{
    const size_t width = characters(cell, n);
    const size_t right = l->numeric ? l->fraction - fraction_of(cell) : l->width - width;

    pad(out, l->numeric ? l->width - width - right : 0);
    cadre__text_append(out, cell, n);
    pad(out, right + 2);
}

/* Headers stand at the bottom of their rows: a short one beside one of two lines. */
static void print_header(const cadre__table *table, const layout *layouts,
                         cadre__text *out)
{
    size_t n_lines = 1;

    for (size_t c = 0; c < table->n_columns; c++) {
        size_t n = 1;
        for (const char *at = table->cells[c]; (at = strchr(at, '\n')); at++)
            n++;
        n_lines = n > n_lines ? n : n_lines;
    }
    for (size_t line = 0; line < n_lines; line++) {
        pad(out, 2);
        for (size_t c = 0; c < table->n_columns; c++) {
            const char *at = table->cells[c];
            size_t own = 1;
            for (const char *s = at; (s = strchr(s, '\n')); s++)
                own++;
            const size_t skip = n_lines - own;
            for (size_t i = skip; i < line; i++)
                at = at + strcspn(at, "\n") + 1;
            const size_t n = line < skip ? 0 : strcspn(at, "\n");
            const size_t width = characters(at, n), space = layouts[c].width - width;
            pad(out, layouts[c].numeric ? space : 0);
            cadre__text_append(out, at, n);
            pad(out, (layouts[c].numeric ? 0 : space) + 2);
        }
        end_line(out);
    }
    pad(out, 2);
    for (size_t c = 0; c < table->n_columns; c++) {
        for (size_t i = 0; i < layouts[c].width; i++)
            cadre__text_puts(out, "-");
        pad(out, 2);
    }
    end_line(out);
}

/* Whether the table can be shown; one with a cell too few or too many is a mistake of
 * ours. */
static cadre_status check(const cadre__table *table)
{
    if (!table || table->failed)
        return CADRE_ERR_NOMEM;
    if (table->n_cells == 0 || table->n_cells % table->n_columns != 0)
        return cadre_fail(CADRE_ERR_INTERNAL, "a table of %zu columns has %zu cells",
                          table->n_columns, table->n_cells);
    return CADRE_OK;
}

static layout *lay_out_all(const cadre__table *table)
{
    layout *layouts = cadre__alloc_n(table->n_columns, sizeof *layouts);

    for (size_t c = 0; layouts && c < table->n_columns; c++)
        lay_out(table, c, &layouts[c]);
    return layouts;
}

cadre_status cadre__table_print(cadre__table *table, cadre__text *out)
{
    cadre_status st = check(table);
    layout *layouts = st == CADRE_OK ? lay_out_all(table) : NULL;

    if (layouts) {
        print_header(table, layouts, out);
        for (size_t i = table->n_columns; i < table->n_cells; i += table->n_columns) {
            pad(out, 2);
            for (size_t c = 0; c < table->n_columns; c++)
                print_cell(out, &layouts[c], table->cells[i + c],
                           strlen(table->cells[i + c]));
            end_line(out);
        }
        st = cadre__text_status(out);
    } else if (st == CADRE_OK) {
        st = CADRE_ERR_NOMEM;
    }
    cadre__free(layouts);
    table_destroy(table);
    return st;
}

static void html_cell(cadre__text *out, const char *tag, const layout *l,
                      const char *cell)
{
    cadre__text_printf(out, "<%s%s>", tag, l->numeric ? " class=\"n\"" : "");
    for (const char *at = cell;;) { /* a header breaks its lines here too */
        const size_t n = strcspn(at, "\n");
        cadre__html_escape_n(out, at, n);
        if (at[n] == '\0')
            break;
        cadre__text_puts(out, "<br>");
        at += n + 1;
    }
    /* Points line up when missing digits are there but not seen. */
    if (l->numeric && strcmp(tag, "td") == 0 && l->fraction > fraction_of(cell)) {
        const size_t missing = l->fraction - fraction_of(cell);
        cadre__text_puts(out, "<i>");
        for (size_t i = 0; i < missing; i++)
            cadre__text_puts(out, i == 0 && !strchr(cell, '.') ? "." : "0");
        cadre__text_puts(out, "</i>");
    }
    cadre__text_printf(out, "</%s>", tag);
}

cadre_status cadre__table_html(cadre__table *table, cadre__text *out)
{
    cadre_status st = check(table);
    layout *layouts = st == CADRE_OK ? lay_out_all(table) : NULL;

    if (layouts) {
        cadre__text_puts(out, "<div class=\"wide\"><table>\n");
        for (size_t i = 0; i < table->n_cells; i += table->n_columns) {
            cadre__text_puts(out, "<tr>");
            for (size_t c = 0; c < table->n_columns; c++)
                html_cell(out, i ? "td" : "th", &layouts[c], table->cells[i + c]);
            cadre__text_puts(out, "</tr>\n");
        }
        cadre__text_puts(out, "</table></div>\n");
        st = cadre__text_status(out);
    } else if (st == CADRE_OK) {
        st = CADRE_ERR_NOMEM;
    }
    cadre__free(layouts);
    table_destroy(table);
    return st;
}
