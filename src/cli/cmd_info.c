/* cli/cmd_info.c - cadre info: versions of everything, instruction sets, built-in
 * kernels. */
#include "cli/args.h"
#include "cli/help.h"
#include "comm/internal.h"
#include "group/kernel_registry.h"
#include "io/json.h"
#include "io/versions.h"
#include "report/report.h"
#include "run/run.h"
#include "topo/topo_internal.h"
#include <cadre/export.h>
#include <cadre/kernel.h>
#include <cadre/ops.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

typedef struct values {
    const char *format;
} values;

static const cadre__option options[] = {
    {"format", "text|json", "form of the output (default: text)", CADRE__OPTION_CHOICE,
     offsetof(values, format), 0, 0},
};

typedef struct version {
    const char *key, *name;
    char text[128];
} version;

enum { N_VERSIONS = 10 };

static void put(version *v, const char *key, const char *name, const char *text)
{
    v->key = key;
    v->name = name;
    snprintf(v->text, sizeof v->text, "%s", text);
}

/* text without prefix, if it has it. */
static const char *after(const char *text, const char *prefix)
{
    const size_t n = strlen(prefix);
    return strncmp(text, prefix, n) == 0 ? text + n : text;
}

static void collect_versions(version all[N_VERSIONS])
{
    put(&all[0], "cadre", "cadre", cadre_version());
    put(&all[1], "mpi", "MPI", cadre__mpi_library_version());
    /* "Open MPI v4.1.4, package: ...": the rest is for bug reports to Open MPI. */
    all[1].text[strcspn(all[1].text, ",\n")] = '\0';
    put(&all[2], "hwloc", "hwloc", cadre__topo_library_version());
    put(&all[3], "hdf5", "HDF5", cadre__hdf5_version());
    put(&all[4], "openblas", "OpenBLAS", after(cadre_blas_version(), "OpenBLAS "));
    put(&all[5], "openblas_core", "OpenBLAS core", cadre_blas_core());
    put(&all[6], "cjson", "cJSON", cadre__cjson_version());
    put(&all[7], "zlib", "zlib", cadre__zlib_version());
    put(&all[8], "xxhash", "xxHash", cadre__xxhash_version());
    put(&all[9], "compiler", "compiler", COMPILER);
}

static void ops_text(cadre__text *out)
{
    const char *why, *level;
    int usable;

    cadre__text_printf(out, "ops run at level %s\n", cadre_ops_get()->level);
    for (size_t i = 0; (level = cadre_ops_level(i, &usable, &why)); i++)
        cadre__text_printf(out, "  %-7s %-3s  %s\n", level, usable ? "yes" : "no", why);
}

static void as_text(bool only_ops, cadre__text *out)
{
    version versions[N_VERSIONS];

    if (!only_ops) {
        collect_versions(versions);
        for (size_t i = 0; i < N_VERSIONS; i++)
            cadre__text_printf(out, "%-14s %s\n", versions[i].name, versions[i].text);
        cadre__text_puts(out, "\n");
    }
    ops_text(out);
    if (only_ops)
        return;
    cadre__text_puts(out, "\nbuilt-in kernels\n");
    for (size_t i = 0; cadre__builtin_kernels[i]; i++)
        cadre__text_printf(out, "  %-12s %s\n", cadre__builtin_kernels[i]->name,
                           cadre__builtin_kernels[i]->summary);
}

static cadre__json *ops_json(void)
{
    cadre__json *ops = cadre__json_new_object(), *levels = cadre__json_new_array();
    const char *why, *name;
    int usable;

    cadre__json_add_string(ops, "level", cadre_ops_get()->level);
    for (size_t i = 0; (name = cadre_ops_level(i, &usable, &why)); i++) {
        cadre__json *level = cadre__json_new_object();
        cadre__json_add_string(level, "name", name);
        cadre__json_add_bool(level, "usable", usable);
        cadre__json_add_string(level, "why", why);
        cadre__json_add(levels, NULL, level);
    }
    cadre__json_add(ops, "levels", levels);
    return ops;
}

static cadre_status as_json(bool only_ops, cadre__text *out)
{
    cadre__json *root = cadre__json_new_object();
    version versions[N_VERSIONS];

    cadre__json_add_integer(root, "schema_version", 1);
    if (!only_ops) {
        cadre__json *object = cadre__json_new_object(),
                    *kernels = cadre__json_new_array();
        collect_versions(versions);
        for (size_t i = 0; i < N_VERSIONS; i++)
            cadre__json_add_string(object, versions[i].key, versions[i].text);
        cadre__json_add(root, "versions", object);
        for (size_t i = 0; cadre__builtin_kernels[i]; i++) {
            cadre__json *kernel = cadre__json_new_object();
            cadre__json_add_string(kernel, "name", cadre__builtin_kernels[i]->name);
            cadre__json_add_string(kernel, "summary", cadre__builtin_kernels[i]->summary);
            cadre__json_add(kernels, NULL, kernel);
        }
        cadre__json_add(root, "kernels", kernels);
    }
    cadre__json_add(root, "ops", ops_json());
    return cadre__json_append(root, out);
}

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {.format = "text"};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__text out = {0};
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    const bool only_ops = operands[0] && strcmp(operands[0], "ops") == 0;
    if (operands[0] && !only_ops) {
        fprintf(stderr, "cadre info: expected ops or nothing, found \"%s\"\n",
                operands[0]);
        return CADRE__EXIT_USAGE;
    }
    if (cadre_ops_init(NULL) != CADRE_OK) {
        fprintf(stderr, "cadre info: %s\n", cadre_last_error());
        return CADRE__EXIT_USAGE;
    }
    if (strcmp(v.format, "json") != 0)
        as_text(only_ops, &out);
    else if (as_json(only_ops, &out) != CADRE_OK)
        out.failed = true;
    return cadre__print(&out);
}

const cadre__command cadre__cmd_info = {
    .name = "info",
    .summary = "print versions, instruction sets and built-in kernels",
    .operands = "[ops]",
    .description =
        "Versions of cadre and of the libraries that are running, each "
        "instruction set with the reason why it can be used here or not, and the "
        "kernels that are built in. With ops: the instruction sets only.",
    .examples = "cadre info\ncadre info ops",
    .max_operands = 1,
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
