/* report/table.h - cells of the usual kinds, and the ways a table can be shown. */
#ifndef CADRE_REPORT_TABLE_H
#define CADRE_REPORT_TABLE_H

#include "report/report.h"

/* One cell. "-" stands for what does not apply. A '\n' in a header breaks it in text. */
void cadre__table_text(cadre__table *table, const char *text); /* NULL or "": "-" */
void cadre__table_count(cadre__table *table, uint64_t count);  /* 12,345 */
void cadre__table_number(cadre__table *table,
                         double value);                /* about 4 digits; NAN: "-" */
void cadre__table_ms(cadre__table *table, int64_t ns); /* as milliseconds */
void cadre__table_percent(cadre__table *table, double part,
                          double whole); /* whole 0: "-" */
void cadre__table_money(cadre__table *table,
                        cadre_money amount); /* no sign: USD in the header */

/* Header cells, as many as there are columns. */
void cadre__table_header(cadre__table *table, const char *const *names);

/* <table> with escaped cells; destroys the table. */
cadre_status cadre__table_html(cadre__table *table, cadre__text *out);

/* What a cell holds, for charts and prose: 12,345 and 0.1234 in buf of at least 40
 * bytes. */
char *cadre__show_count(uint64_t count, char *buf);
char *cadre__show_number(double value, char *buf);

#endif
