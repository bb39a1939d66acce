/* run/bench_output.c - benchmark reports on standard output and in a folder. */
#include "run/bench_output.h"
#include "core/memory.h"
#include "io/file.h"
#include "run/run.h"
#include <stdio.h>

static cadre_status write_file(const char *folder, const char *name,
                               const cadre__text *text)
{
    char *path = cadre__path_join(folder, name);
    if (!path)
        return CADRE_ERR_NOMEM;
    const cadre_status st = cadre__file_write(path, cadre__text_string(text), text->size);
    cadre__free(path);
    return st;
}

/* Into a file of the folder, or to standard output if file is NULL. */
static cadre_status write_format(const cadre__report *report, const char *format,
                                 const char *folder, const char *file)
{
    cadre__text text = {0};
    cadre_status st = cadre__report_format(report, format, &text);
    if (st == CADRE_OK && file)
        st = write_file(folder, file, &text);
    else if (st == CADRE_OK)
        fputs(cadre__text_string(&text), stdout);
    cadre__text_fini(&text);
    return st;
}

cadre_status cadre__bench_check_output(const char *folder)
{
    CADRE_TRY(cadre__make_output_folder(folder));
    char *run = cadre__path_join(folder, "run.json");
    if (!run)
        return CADRE_ERR_NOMEM;
    const bool taken = cadre__file_exists(run);
    cadre__free(run);
    return taken ? cadre_fail(CADRE_ERR_INPUT,
                              "--output: %s holds the run of a job: choose another "
                              "folder",
                              folder)
                 : CADRE_OK;
}

int cadre__bench_exit_code(cadre_status st)
{
    return st == CADRE_OK                                ? CADRE__EXIT_OK
           : st == CADRE_ERR_IO || st == CADRE_ERR_NOMEM ? CADRE__EXIT_RESOURCE
                                                         : CADRE__EXIT_INPUT;
}

cadre_status cadre__bench_publish(const cadre__report *report, const char *format,
                                  const char *folder)
{
    CADRE_TRY(write_format(report, format, folder, NULL));
    CADRE_TRY(write_format(report, "json", folder, "report.json"));
    CADRE_TRY(write_format(report, "html", folder, "report.html"));
    fprintf(stderr, "cadre: report.json and report.html are in %s\n", folder);
    return CADRE_OK;
}

char **cadre__bench_notes(const char *const *notes, size_t n)
{
    char **copies = cadre__alloc_n(n, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++)
        copies[i] = cadre__strdup(notes[i]);
    return copies;
}
