/* run/bench_output.h - where a benchmark's report goes. */
#ifndef CADRE_RUN_BENCH_OUTPUT_H
#define CADRE_RUN_BENCH_OUTPUT_H

#include "report/report.h"

/* Make the folder, before anything is measured.
 * CADRE_ERR_INPUT  it holds the run of a job, or nobody may write there
 * CADRE_ERR_IO     storage fails */
cadre_status cadre__bench_check_output(const char *folder);

/* The exit code for what failed before anything was measured: a resource's where the disk
 * or memory is to blame, else that of bad input. */
int cadre__bench_exit_code(cadre_status st);

/* The report in this format to standard output, and report.json and report.html into the
 * folder. */
cadre_status cadre__bench_publish(const cadre__report *report, const char *format,
                                  const char *folder);

/* notes[n] as strings of a report's own. NULL when out of memory. */
char **cadre__bench_notes(const char *const *notes, size_t n);

#endif
