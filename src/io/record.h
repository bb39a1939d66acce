/* io/record.h - how one request ended, and the run directory that keeps it. */
#ifndef CADRE_IO_RECORD_H
#define CADRE_IO_RECORD_H

#include "io/file.h"
#include "io/job.h"
#include "io/requests.h"
#include <cadre/money.h>

typedef struct cadre__record {
    size_t index; /* of the request */
    bool ok;
    /* If not ok: budget_exceeded, timeout, bad_request, kernel_error, expired. */
    const char *error_code;
    char *message;   /* the sentence; owned */
    int tier;        /* that served it, or -1 */
    int wanted_tier; /* that the router wanted, or -1 */
    bool downgraded;
    int attempts;
    cadre_money cost;
    uint32_t tokens_in, tokens_out;
    uint32_t tokens_shared; /* of tokens_in: found computed; differs between runs */
    int64_t queue_ns;       /* from job start to sending */
    int64_t service_ns;     /* from sending to answer */
    /* From reaching its shard to the first and the last token of text; 0: no such
     * thing. */
    int64_t first_token_ns, last_token_ns;
    char *decision; /* the router's sentence; owned */
    cadre_payload gives;
    void *data; /* the answer: f32 row or text; owned */
    size_t bytes;
    const char *finish_reason; /* NULL if there is none; must live as long as data */
    cadre_logprobs *logprobs;  /* in one piece of memory; owned; NULL: none */
} cadre__record;

void cadre__record_fini(cadre__record *record);

/* Mean time of each token after the first; 0 if there is no such thing. */
int64_t cadre__record_ns_per_token(const cadre__record *record);

/* ---- The run directory ---- */

typedef struct cadre__rundir cadre__rundir;

/* Make the folder ready for this job. One that is there must be empty or hold this same
 * job (by digest in run.json); if that is finished, only `overwrite` starts over. Writes
 * run.json with "status": "in_progress". The caller owns *out; job and requests are
 * borrowed until destroy. One process at a time: run.json.lock says who.
 * CADRE_ERR_EXISTS  another job, a finished one, or files that are no run directory
 * CADRE_ERR_INPUT   nobody may write there
 * CADRE_ERR_IO      storage fails */
cadre_status cadre__rundir_open(const char *path, const cadre__job *job,
                                const cadre__requests *requests,
                                const cadre__json *run_info, bool overwrite,
                                cadre__rundir **out);

/* Take one record over: *record is all zero afterwards, whatever is returned. Records may
 * come in any order; lines are appended to results.jsonl.partial and errors.jsonl.partial
 * in input order as soon as all earlier ones are there. A second record of the same index
 * is CADRE_ERR_INTERNAL. */
cadre_status cadre__rundir_put(cadre__rundir *dir, cadre__record *record);

/* One line of ledger.jsonl (JSON without newline). */
cadre_status cadre__rundir_ledger(cadre__rundir *dir, const char *line);

/* The record of a request; NULL if it has not come yet. Borrowed. Log-probabilities are
 * gone once their line is written. */
const cadre__record *cadre__rundir_record(const cadre__rundir *dir, size_t index);

typedef struct cadre__named_text {
    const char *name, *text;
} cadre__named_text;

/* Every record is there: write results.h5 and give results, errors and ledger their final
 * names. CADRE_ERR_STATE if a record is missing. */
cadre_status cadre__rundir_finish_records(cadre__rundir *dir);

/* That, unless it is done already, then the whole files[] (name, text), each by rename,
 * and last run.json with "status": "completed". */
cadre_status cadre__rundir_complete(cadre__rundir *dir, const cadre__named_text *files,
                                    size_t n_files);

/* Free; what is not complete stays under .partial names. NULL is ignored. */
void cadre__rundir_destroy(cadre__rundir *dir);

/* Free, and remove what was written: for a job that failed before it computed anything,
 * so that it can be mended and run again. NULL is ignored. */
void cadre__rundir_withdraw(cadre__rundir *dir);

#endif
