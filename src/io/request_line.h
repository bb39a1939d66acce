/* io/request_line.h - what one line of a request file says. */
#ifndef CADRE_IO_REQUEST_LINE_H
#define CADRE_IO_REQUEST_LINE_H

#include "core/text.h"
#include "io/job.h"
#include "io/json.h"
#include "io/name_table.h"
#include "io/requests.h"

typedef struct cadre__request_line {
    cadre__item item;                 /* without custom_id, line, data and bytes */
    const char *custom_id;            /* borrowed from the document */
    const cadre__json *id_node, *row; /* row: an array; NULL for a text */
    const char *text;                 /* borrowed from the document or joined */
} cadre__request_line;

/* doc is one line in either form. tenants has the job's tenants by name. joined is memory
 * for messages that are put together. CADRE_ERR_INPUT names line, path, expected and
 * found. */
cadre_status cadre__request_line_parse(const cadre__job *job,
                                       const cadre__name_table *tenants,
                                       const cadre__json_doc *doc, cadre__text *joined,
                                       cadre__request_line *out);

/* The sentence for a tenant or tier that the job does not have: list[n] are those it
 * has. */
cadre_status cadre__request_unknown_tenant(const cadre__job *job, const char *name,
                                           cadre__text *sentence);
cadre_status cadre__request_unknown_tier(const cadre__job *job, const char *name,
                                         cadre__text *sentence);

#endif
