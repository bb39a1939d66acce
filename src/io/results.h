/* io/results.h - inside of the run directory: how records are written. */
#ifndef CADRE_IO_RESULTS_H
#define CADRE_IO_RESULTS_H

#include "core/text.h"
#include "io/record.h"

/* Append the line of one record, with its newline: OpenAI's batch output form and a
 * "cadre" object, whose last members alone (from "attempts" on: timings and cached
 * tokens) may differ between two runs. */
void cadre__result_line(cadre__text *out, const cadre__job *job, const cadre__item *item,
                        const cadre__record *record);

/* Append the value of OpenAI's "logprobs", as choices of completions or of chats have it;
 * "null" for NULL. A token that is not a whole number of characters is shown with U+FFFD;
 * "bytes", which chats have, is exact. */
void cadre__put_logprobs(cadre__text *out, const cadre_logprobs *logprobs, bool chat);

/* What stands in results.h5 about the run as a whole. */
typedef struct cadre__run_facts {
    const char *host, *command, *started, *finished, *version;
} cadre__run_facts;

/* Write results.h5: one dataset per column, [n] in input order, each with "units" and
 * "long_name". records[requests->n], all there. CADRE_ERR_IO */
cadre_status cadre__results_h5_write(const char *path, const cadre__job *job,
                                     const cadre__requests *requests,
                                     const cadre__record *records,
                                     const cadre__run_facts *facts);

#endif
