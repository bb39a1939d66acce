/* cli/cmd_topo.c - cadre topo: the machines of a job and where its ranks are. */
#include "cli/args.h"
#include "cli/help.h"
#include "cli/session.h"
#include "core/memory.h"
#include "io/json.h"
#include "report/report.h"
#include "run/run.h"
#include <cadre/coll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct values {
    const char *format;
} values;

static const cadre__option options[] = {
    {"format", "text|json", "form of the output (default: text)", CADRE__OPTION_CHOICE,
     offsetof(values, format), 0, 0},
};

/* What one rank tells about itself. It travels as int32 elements. */
typedef struct place {
    cadre_topo_facts facts;
    char host[64], cpus[128], bound_by[16];
    int32_t node, rank;
} place;

_Static_assert(sizeof(place) % sizeof(int32_t) == 0, "a place is whole int32 elements");

static void describe(const cadre_topo *topo, const char *bound_by, place *out)
{
    out->facts = *cadre_topo_get_facts(topo);
    cadre_topo_cpuset(topo, out->cpus, sizeof out->cpus);
    snprintf(out->bound_by, sizeof out->bound_by, "%s", bound_by);
}

static const char *role_of(const place *p, size_t n)
{
    return n == 1 ? "coordinator and worker" : p->rank == 0 ? "coordinator" : "worker";
}

/* Whether places[i] is the first of its node. */
static bool first_of_node(const place *places, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (places[k].node == places[i].node)
            return false;
    }
    return true;
}

static const char *bytes_text(uint64_t bytes, char *buf, size_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    const bool whole = value == (double)(uint64_t)value;
    snprintf(buf, size, "%.*f %s", whole ? 0 : 1, value, units[unit]);
    return buf;
}

static void plural(cadre__text *out, size_t n, const char *what)
{
    cadre__text_printf(out, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

static void machine_text(const place *p, cadre__text *out)
{
    const cadre_topo_facts *f = &p->facts;
    char bytes[32];

    cadre__text_printf(out, "machine %s\n  CPU     %s: ", p->host, f->cpu_model);
    plural(out, f->n_packages, "package");
    cadre__text_puts(out, ", ");
    plural(out, f->n_numa, "NUMA node");
    cadre__text_puts(out, ", ");
    plural(out, f->n_cores, "core");
    cadre__text_puts(out, ", ");
    plural(out, f->n_pus, "hardware thread");
    cadre__text_puts(out, "\n  caches  ");
    for (size_t i = 0; i < f->n_caches; i++) {
        const cadre_topo_cache *cache = &f->caches[i];
        cadre__text_printf(out, "%sL%d %s for each ", i ? ", " : "", cache->level,
                           bytes_text(cache->bytes, bytes, sizeof bytes));
        if (cache->cores_each == 1)
            cadre__text_puts(out, "core");
        else
            plural(out, cache->cores_each, "core");
    }
    cadre__text_printf(out, "%s\n  memory  %s", f->n_caches ? "" : "unknown",
                       bytes_text(f->memory_bytes, bytes, sizeof bytes));
    if (f->memory_limit_bytes < f->memory_bytes)
        cadre__text_printf(out, ", limited to %s",
                           bytes_text(f->memory_limit_bytes, bytes, sizeof bytes));
    cadre__text_puts(out, "\n  usable  ");
    plural(out, f->node_cores, "core");
    cadre__text_puts(out, " by this job\n\n");
}

static cadre_status as_text(const place *places, size_t n, cadre__text *out)
{
    for (size_t i = 0; i < n; i++) {
        if (first_of_node(places, i))
            machine_text(&places[i], out);
    }
    cadre__table *table = cadre__table_new(6);
    static const char *const header[] = {"rank", "role",  "host",
                                         "CPUs", "cores", "bound by"};
    for (size_t i = 0; i < 6; i++)
        cadre__table_cell(table, "%s", header[i]);
    for (size_t i = 0; i < n; i++) {
        cadre__table_cell(table, "%d", places[i].rank);
        cadre__table_cell(table, "%s", role_of(&places[i], n));
        cadre__table_cell(table, "%s", places[i].host);
        cadre__table_cell(table, "%s", places[i].cpus);
        cadre__table_cell(table, "%zu", places[i].facts.usable_cores);
        cadre__table_cell(table, "%s", places[i].bound_by);
    }
    return cadre__table_print(table, out);
}

static void add_count(cadre__json *object, const char *key, uint64_t value)
{
    cadre__json_add_integer(object, key, (int64_t)value);
}

static cadre__json *machine_json(const place *p)
{
    const cadre_topo_facts *f = &p->facts;
    cadre__json *machine = cadre__json_new_object(), *caches = cadre__json_new_array();

    cadre__json_add_string(machine, "host", p->host);
    cadre__json_add_string(machine, "cpu", f->cpu_model);
    add_count(machine, "packages", f->n_packages);
    add_count(machine, "numa_nodes", f->n_numa);
    add_count(machine, "cores", f->n_cores);
    add_count(machine, "hardware_threads", f->n_pus);
    add_count(machine, "usable_cores", f->node_cores);
    add_count(machine, "memory_bytes", f->memory_bytes);
    add_count(machine, "memory_limit_bytes", f->memory_limit_bytes);
    for (size_t i = 0; i < f->n_caches; i++) {
        cadre__json *cache = cadre__json_new_object();
        cadre__json_add_integer(cache, "level", f->caches[i].level);
        add_count(cache, "bytes", f->caches[i].bytes);
        add_count(cache, "count", f->caches[i].n);
        add_count(cache, "cores_each", f->caches[i].cores_each);
        add_count(cache, "line_bytes", f->caches[i].line_bytes);
        cadre__json_add(caches, NULL, cache);
    }
    cadre__json_add(machine, "caches", caches);
    return machine;
}

static cadre__json *rank_json(const place *p, size_t n)
{
    cadre__json *rank = cadre__json_new_object();
    cadre__json_add_integer(rank, "rank", p->rank);
    cadre__json_add_string(rank, "role", role_of(p, n));
    cadre__json_add_string(rank, "host", p->host);
    cadre__json_add_string(rank, "cpus", p->cpus);
    add_count(rank, "usable_cores", p->facts.usable_cores);
    cadre__json_add_string(rank, "bound_by", p->bound_by);
    return rank;
}

static cadre_status as_json(const place *places, size_t n, cadre__text *out)
{
    cadre__json *root = cadre__json_new_object(), *machines = cadre__json_new_array(),
                *ranks = cadre__json_new_array();

    cadre__json_add_integer(root, "schema_version", 1);
    for (size_t i = 0; i < n; i++) {
        if (first_of_node(places, i))
            cadre__json_add(machines, NULL, machine_json(&places[i]));
        cadre__json_add(ranks, NULL, rank_json(&places[i], n));
    }
    cadre__json_add(root, "machines", machines);
    cadre__json_add(root, "ranks", ranks);
    return cadre__json_append(root, out);
}

static int show(const place *places, size_t n, const char *format)
{
    cadre__text out = {0};
    const cadre_status st =
        strcmp(format, "json") == 0 ? as_json(places, n, &out) : as_text(places, n, &out);
    if (st != CADRE_OK)
        out.failed = true;
    return cadre__print(&out);
}

/* A process of its own: no MPI needed. */
static int show_this_machine(const values *v)
{
    cadre_topo *topo;
    place here = {0};

    if (cadre_topo_create(&topo) != CADRE_OK) {
        fprintf(stderr, "cadre topo: %s\n", cadre_last_error());
        return CADRE__EXIT_RESOURCE;
    }
    describe(topo, cadre_topo_get_facts(topo)->bound ? "launcher" : "nobody", &here);
    cadre_topo_destroy(topo);
    gethostname(here.host, sizeof here.host - 1);
    return show(&here, 1, v->format);
}

/* Every rank sends its place to rank 0, which shows them all. */
static int show_job(const cadre__session *session, const values *v)
{
    cadre_comm *world = session->world;
    const int rank = cadre_comm_rank(world);
    const size_t n = (size_t)cadre_comm_size(world);
    place mine = {.rank = rank, .node = cadre_comm_node_of(world, rank)};
    place *all = rank == 0 ? cadre__alloc_n(n, sizeof *all) : NULL;
    cadre_status st = rank == 0 && !all ? CADRE_ERR_NOMEM : CADRE_OK;
    int code = CADRE__EXIT_OK;

    describe(session->topo, session->bound_by, &mine);
    snprintf(mine.host, sizeof mine.host, "%s", cadre_comm_host_of(world, rank));
    st = cadre_comm_agree(world, st, cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS));
    if (st == CADRE_OK)
        st = cadre_gather(world, &mine, all, sizeof mine / sizeof(int32_t), CADRE_I32, 0,
                          NULL);
    if (st != CADRE_OK) {
        code = CADRE__EXIT_RESOURCE;
        if (rank == 0)
            fprintf(stderr, "cadre topo: %s\n", cadre_last_error());
    } else if (all) {
        code = show(all, n, v->format);
    }
    cadre__free(all);
    return code;
}

static int run(const cadre__command *self, const cadre__call *call)
{
    values v = {.format = "text"};
    const char *operands[CADRE__MAX_OPERANDS];
    cadre__session session;
    int code;

    if (!cadre__args_ready(self, call, &v, operands, &code))
        return code;
    if (!call->launched)
        return show_this_machine(&v);
    code = cadre__session_open(call, &session);
    if (code)
        return code;
    return cadre__session_close(&session, show_job(&session, &v));
}

const cadre__command cadre__cmd_topo = {
    .name = "topo",
    .summary = "print this machine, or all machines and ranks of a job",
    .operands = "",
    .description =
        "Packages, NUMA nodes, cores, caches and memory, what control groups and CPU "
        "sets "
        "leave of them, and who bound this process. Under mpirun or srun also where each "
        "rank is and which CPUs it may use, bound as cadre run would bind it.",
    .examples = "cadre topo\nmpirun -n 4 cadre topo --format json",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .uses_mpi = true,
    .run = run,
};
