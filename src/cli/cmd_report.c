/* cli/cmd_report.c - cadre report: the figures of a finished run or benchmark again. */
#include "cli/args.h"
#include "cli/help.h"
#include "io/file.h"
#include "report/report.h"
#include "run/run.h"
#include <stdio.h>

typedef struct values {
    const char *format, *output;
} values;

static const cadre__option options[] = {
    {"format", "text|json|csv|html", "form of the report (default: text)",
     CADRE__OPTION_CHOICE, offsetof(values, format), 0, 0},
    {"output", "FILE", "write to FILE, whole or not at all, instead of standard output",
     CADRE__OPTION_TEXT, offsetof(values, output), 0, 0},
};

/* Exit code of a failure, said on stderr. */
static int fail(cadre_status st)
{
    fprintf(stderr, "cadre report: %s\n", cadre_last_error());
    return st == CADRE_ERR_NOMEM || st == CADRE_ERR_IO ? CADRE__EXIT_RESOURCE
                                                       : CADRE__EXIT_INPUT;
}

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {.format = "text"};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__report report = {0};
    cadre__text out = {0};
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    cadre_status st = cadre__report_load(operands[0], &report);
    if (st != CADRE_OK)
        return fail(st);
    st = cadre__report_format(&report, v.format, &out);
    cadre__report_fini(&report);
    if (st == CADRE_OK && !v.output)
        return cadre__print(&out);
    if (st == CADRE_OK && call->speaks)
        st = cadre__file_write(v.output, cadre__text_string(&out), out.size);
    cadre__text_fini(&out);
    return st == CADRE_OK ? CADRE__EXIT_OK : fail(st);
}

const cadre__command cadre__cmd_report = {
    .name = "report",
    .summary = "print the report of a finished run or benchmark",
    .operands = "RUN_DIR",
    .description =
        "Reads report.json of a run directory, or a report file itself, and prints "
        "it as a table, JSON, CSV, or as one self-contained HTML page.",
    .examples = "cadre report jobs/runs/quickstart\n"
                "cadre report jobs/runs/quickstart --format html --output report.html",
    .min_operands = 1,
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
