/* io/job_internal.h - what the files that parse a job file share. */
#ifndef CADRE_IO_JOB_INTERNAL_H
#define CADRE_IO_JOB_INTERNAL_H

#include "io/job.h"

/* out = a copy of text (NULL counts as ""). */
cadre_status cadre__job_copy(const char *text, char **out);

/* out = path, relative to folder unless absolute; "" stays "". */
cadre_status cadre__job_path(const char *folder, const char *path, char **out);

/* A required member that is a name: 1 to CADRE__NAME_BYTES of A-Z a-z 0-9 . _ -, not
 * beginning with a dot. out is a copy. */
cadre_status cadre__job_name(const cadre__json_doc *doc, const cadre__json *object,
                             const char *key, char **out);

/* An optional member that is one of known[0..n); out is a copy, of known[0] when it is
 * absent. */
cadre_status cadre__job_choice(const cadre__json_doc *doc, const cadre__json *object,
                               const char *key, const char *const *known, size_t n,
                               char **out);

/* An optional whole number that is a size. */
cadre_status cadre__job_size(const cadre__json_doc *doc, const cadre__json *object,
                             const char *key, int64_t min, int64_t max, size_t *out);

cadre_status cadre__job_parse_tier(const cadre__json_doc *doc, const cadre__json *node,
                                   const char *folder, cadre__job_tier *out);
void cadre__job_tier_fini(cadre__job_tier *tier);

/* node may be NULL: all defaults. The job's tiers are there already. */
cadre_status cadre__job_parse_router(const cadre__json_doc *doc, const cadre__json *node,
                                     cadre__job *job);

#endif
