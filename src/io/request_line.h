/* io/request_line.h - what one line of a request file says. */
#ifndef CADRE_IO_REQUEST_LINE_H
#define CADRE_IO_REQUEST_LINE_H

#include "core/text.h"
#include "io/job.h"
#include "io/json.h"
#include "io/name_table.h"
#include "io/requests.h"

/* Memory for chats that are put together, used again for each line; all zero at first. */
typedef struct cadre__chat_buffers {
    cadre__text joined, messages; /* messages: of cadre_message */
} cadre__chat_buffers;
void cadre__chat_buffers_fini(cadre__chat_buffers *buffers);

typedef struct cadre__request_line {
    cadre__item item; /* without custom_id, line, data and bytes; messages stand in the
                         buffers, stops point to `stops` below; extra is NULL */
    const char *custom_id;              /* borrowed from the document */
    const cadre__json *id_node, *row;   /* row: an array; NULL for a text */
    const char *text;                   /* borrowed from the document or joined */
    const char *stops[CADRE_MAX_STOPS]; /* borrowed from the document */
    bool openai;                        /* it has OpenAI's form */
} cadre__request_line;

/* doc is one line, in either form or as the job's input says, parsed lean. tenants has
 * the job's tenants by name. out->item.flaw is the caller's, on failure too.
 * CADRE_ERR_INPUT names line, path, expected and found. */
cadre_status cadre__request_line_parse(const cadre__job *job,
                                       const cadre__name_table *tenants,
                                       const cadre__json_doc *doc,
                                       cadre__chat_buffers *buffers,
                                       cadre__request_line *out);

/* The sentence for a tenant or tier that the job does not have: list[n] are those it
 * has. */
cadre_status cadre__request_unknown_tenant(const cadre__job *job, const char *name,
                                           cadre__text *sentence);
cadre_status cadre__request_unknown_tier(const cadre__job *job, const char *name,
                                         cadre__text *sentence);

#endif
