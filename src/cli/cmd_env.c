/* cli/cmd_env.c - cadre env: settings from the environment, their source and meaning. */
#include "cli/args.h"
#include "cli/help.h"
#include "core/settings.h"
#include "io/json.h"
#include "report/report.h"
#include <stdlib.h>
#include <string.h>

typedef struct values {
    const char *format;
} values;

static const cadre__option options[] = {
    {"format", "text|json", "form of the output (default: text)", CADRE__OPTION_CHOICE,
     offsetof(values, format), 0, 0},
};

/* Variables of others that change what cadre does or how fast. */
static const struct {
    const char *name, *meaning;
} foreign[] = {
    {"OMPI_ALLOW_RUN_AS_ROOT", "1, with the next: mpirun agrees to run as root"},
    {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1: confirms the one before"},
    {"OMPI_MCA_rmaps_base_oversubscribe", "1: more ranks than cores are allowed"},
    {"OMPI_MCA_hwloc_base_binding_policy", "how mpirun binds ranks; none: cadre does"},
    {"OMPI_MCA_mpi_yield_when_idle", "1: ranks that wait inside MPI give up the core"},
    {"OMPI_MCA_btl", "transports that MPI may use"},
    {"OMPI_COMM_WORLD_SIZE", "ranks that mpirun started"},
    {"OMP_NUM_THREADS", "threads of OpenMP libraries"},
    {"OPENBLAS_NUM_THREADS", "threads of OpenBLAS; CADRE_BLAS_THREADS overrides it"},
    {"OPENBLAS_CORETYPE", "CPU that OpenBLAS runs as; the same on all ranks"},
    {"HWLOC_XMLFILE", "machine that hwloc reads instead of this one"},
    {"SLURM_JOB_ID", "the Slurm job"},
    {"SLURM_JOB_NUM_NODES", "nodes of the Slurm job"},
    {"SLURM_NTASKS", "ranks that Slurm starts"},
    {"SLURM_CPUS_PER_TASK", "cores for each rank"},
    {"SLURM_MEM_PER_NODE", "MiB of memory on each node"},
    {"SLURM_RESTART_COUNT", "how often Slurm has requeued this job"},
    {"TMPDIR", "folder for temporary files, also of MPI"},
};
#define N_FOREIGN (sizeof foreign / sizeof foreign[0])

static void row(cadre__table *table, const char *name, const char *value,
                const char *source, const char *meaning)
{
    cadre__table_cell(table, "%s", name);
    cadre__table_cell(table, "%s", value);
    cadre__table_cell(table, "%s", source);
    cadre__table_cell(table, "%s", meaning);
}

static cadre_status as_text(cadre__text *out)
{
    cadre__table *table = cadre__table_new(4);

    row(table, "variable", "value", "source", "meaning");
    for (int i = 0; i < CADRE__N_SETTINGS; i++) {
        const cadre__setting s = (cadre__setting)i;
        row(table, cadre__setting_name(s), cadre__setting_value(s),
            cadre__setting_source(s), cadre__setting_help(s));
    }
    for (size_t i = 0; i < N_FOREIGN; i++) {
        const char *value = getenv(foreign[i].name);
        row(table, foreign[i].name, value ? value : "", value ? "environment" : "not set",
            foreign[i].meaning);
    }
    return cadre__table_print(table, out);
}

static void json_row(cadre__json *array, const char *name, const char *value,
                     const char *source, const char *meaning)
{
    cadre__json *object = cadre__json_new_object();
    cadre__json_add_string(object, "name", name);
    cadre__json_add_string(object, "value", value);
    cadre__json_add_string(object, "source", source);
    cadre__json_add_string(object, "meaning", meaning);
    cadre__json_add(array, NULL, object);
}

static cadre_status as_json(cadre__text *out)
{
    cadre__json *root = cadre__json_new_object(), *own = cadre__json_new_array(),
                *others = cadre__json_new_array();

    cadre__json_add_integer(root, "schema_version", 1);
    for (int i = 0; i < CADRE__N_SETTINGS; i++) {
        const cadre__setting s = (cadre__setting)i;
        json_row(own, cadre__setting_name(s), cadre__setting_value(s),
                 cadre__setting_source(s), cadre__setting_help(s));
    }
    for (size_t i = 0; i < N_FOREIGN; i++) {
        const char *value = getenv(foreign[i].name);
        json_row(others, foreign[i].name, value, value ? "environment" : "not set",
                 foreign[i].meaning);
    }
    cadre__json_add(root, "settings", own);
    cadre__json_add(root, "others", others);
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
    if ((strcmp(v.format, "json") == 0 ? as_json(&out) : as_text(&out)) != CADRE_OK)
        out.failed = true;
    return cadre__print(&out);
}

const cadre__command cadre__cmd_env = {
    .name = "env",
    .summary = "print settings from the environment, with their source and meaning",
    .operands = "",
    .description =
        "All CADRE_* variables that cadre knows, with the value in force and whether it "
        "is "
        "the default or the environment's, and the variables of MPI, OpenBLAS and Slurm "
        "that "
        "matter. A CADRE_* variable that is set but unknown is warned about.\n\n"
        "Defaults give way to the environment, the environment to the job file, the job "
        "file "
        "to the command line.",
    .examples = "cadre env\ncadre env --format json | jq "
                "'.settings[]|select(.source!=\"default\")'",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .run = run,
};
