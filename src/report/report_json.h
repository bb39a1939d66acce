/* report/report_json.h - the one list of a report's fields, for all that walks over
 * them. */
#ifndef CADRE_REPORT_REPORT_JSON_H
#define CADRE_REPORT_REPORT_JSON_H

#include "report/report.h"

/* Fill *out, which is all zero, from a parsed report. CADRE_ERR_INPUT; the caller frees
 * what is there already. */
cadre_status cadre__report_from_json(const cadre__json_doc *doc, cadre__report *out);

#endif
