/* coll/learn.c - where the costs of a comm come from: a file, or measurement. */
#include "coll/cost_set.h"
#include "coll/state.h"
#include "comm/internal.h"
#include "core/memory.h"
#include "core/settings.h"
#include <cadre/log.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULE "coll"
/* With less time left than that nothing is measured. */
#define LEARN_NS (5 * CADRE_NS_PER_S)
#define KEY_BYTES 512
#define PATH_BYTES 1024

/* ---- What the costs depend on ---- */

/* FNV-1a (Fowler, Noll, Vo). */
static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;

    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

extern char **environ;

/* The settings of Open MPI that choose transports and algorithms, in any order. */
static uint64_t hash_settings(void)
{
    static const char *const prefixes[] = {"OMPI_MCA_coll", "OMPI_MCA_btl",
                                           "OMPI_MCA_pml", "OMPI_MCA_mtl",
                                           "OMPI_MCA_mpi_yield"};
    uint64_t sum = 0;

    for (char **entry = environ; *entry != NULL; entry++)
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (strncmp(*entry, prefixes[i], strlen(prefixes[i])) == 0)
                sum += hash(*entry);
    return sum;
}

static void find_cpu_model(char *out, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(out, size, "unknown CPU");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            snprintf(out, size, "%.*s", (int)strcspn(colon + 1, "\n"), colon + 1);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
}

static void make_key(const cadre_comm *comm, char *key, size_t size)
{
    char cpu[128];

    find_cpu_model(cpu, sizeof cpu);
    snprintf(key, size,
             "cadre %s; %.200s;%s; %d CPUs; %d ranks on %d nodes, %d here; %016llx",
             cadre_version(), cadre__mpi_library_version(), cpu,
             cadre__comm_node_cpus(comm), cadre_comm_size(comm), cadre_comm_n_nodes(comm),
             cadre_comm_node_size(comm), (unsigned long long)hash_settings());
    for (char *at = key; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
}

/* Of the file where nobody names one; false: there is no home. */
static bool default_path(const cadre_comm *comm, const char *key, char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const bool has_cache = cache != NULL && cache[0] == '/';

    if (!has_cache && (home == NULL || home[0] != '/'))
        return false;
    return (size_t)snprintf(path, size, "%s%s/cadre/coll-%s-%dx%d-%016llx.costs",
                            has_cache ? cache : home, has_cache ? "" : "/.cache",
                            cadre_comm_host_of(comm, 0), cadre_comm_size(comm),
                            cadre_comm_n_nodes(comm),
                            (unsigned long long)hash(key)) < size;
}

/* ---- What is to be done ---- */

/* What rank 0 has found out, and all do. */
typedef struct plan {
    bool measure;             /* the set is not valid yet */
    bool in_any_case;         /* also on a busy machine */
    cadre__coll_cost_set set; /* to be used, if it is not to be measured */
} plan;

static void use_built_in(plan *p, bool crowded, const char *why)
{
    p->measure = false;
    p->set = *cadre__coll_built_in_costs(crowded);
    snprintf(p->set.origin, sizeof p->set.origin, "built in: %s", why);
}

/* On rank 0: CADRE_COLL_COSTS, then the file. Leaves the path to write to, or "". */
static void find_plan(cadre_comm *comm, bool in_time, const char *key, char *path,
                      plan *out)
{
    const char *setting = cadre__setting_value(CADRE__SETTING_COLL_COSTS);
    const bool anew = strcmp(setting, "measure") == 0;
    const bool named = setting[0] != '\0' && !anew;
    const bool crowded = cadre__comm_crowded(comm);
    bool has_path = true;

    path[0] = '\0';
    if (strcmp(setting, "off") == 0) {
        use_built_in(out, crowded, "CADRE_COLL_COSTS=off");
        return;
    }
    if (named)
        snprintf(path, PATH_BYTES, "%s", setting);
    else
        has_path = default_path(comm, key, path, PATH_BYTES);
    if (has_path && !anew && cadre__coll_costs_read(path, key, &out->set) == CADRE_OK)
        return;
    out->measure = true;
    out->in_any_case = anew;
    if (!in_time) {
        use_built_in(out, crowded, "the first call had too little time to measure");
        return;
    }
    if (anew || (has_path && cadre__coll_costs_writable(path) == CADRE_OK))
        return;
    /* Measuring for each job anew would cost more than it gains. */
    cadre_log(
        CADRE_LOG_WARN, MODULE,
        "measured costs of collectives cannot be kept (%s): built-in numbers choose "
        "the algorithms; CADRE_COLL_COSTS=FILE says where to keep them, =measure "
        "measures in each job",
        has_path ? cadre_last_error() : "there is no home folder");
    path[0] = '\0';
    use_built_in(out, crowded, "there is no place to keep measured ones");
}

/* From rank 0 to all. */
static cadre_status send_plan(cadre_comm *comm, plan *p, int64_t deadline_ns)
{
    const cadre_coll_opts opts = {.deadline_ns = deadline_ns, .algorithm = "binomial"};

    return cadre_broadcast(comm, p, sizeof *p, CADRE_U8, 0, &opts);
}

/* Whether all ranks have time for it. */
static cadre_status agree_on_time(cadre_comm *comm, int64_t deadline_ns, bool *in_time)
{
    const cadre_coll_opts opts = {.deadline_ns = deadline_ns,
                                  .algorithm = "recursive_doubling"};
    int32_t enough = deadline_ns - cadre_clock_ns() >= LEARN_NS;

    CADRE_TRY(
        cadre_allreduce(comm, CADRE_IN_PLACE, &enough, 1, CADRE_I32, CADRE_MIN, &opts));
    *in_time = enough != 0;
    return CADRE_OK;
}

static cadre_status fill_plan(cadre_comm *comm, int64_t deadline_ns, plan *p)
{
    char key[KEY_BYTES] = "", path[PATH_BYTES] = "";
    const bool first = cadre_comm_rank(comm) == 0;
    bool in_time;

    CADRE_TRY(agree_on_time(comm, deadline_ns, &in_time));
    if (first) {
        make_key(comm, key, sizeof key);
        find_plan(comm, in_time, key, path, p);
    }
    CADRE_TRY(send_plan(comm, p, deadline_ns));
    if (!p->measure && p->set.busy)
        snprintf(p->set.origin, sizeof p->set.origin,
                 "built in: the machine was too busy to measure");
    if (!p->measure)
        return CADRE_OK;
    CADRE_TRY(cadre__coll_measure(comm, deadline_ns, p->in_any_case, &p->set));
    snprintf(p->set.origin, sizeof p->set.origin, "%s",
             p->set.busy ? "built in: the machine is too busy to measure"
                         : "measured in this job");
    if (path[0] != '\0' && cadre__coll_costs_write(path, key, &p->set) != CADRE_OK)
        cadre_log(CADRE_LOG_WARN, MODULE, "measured costs are not kept: %s",
                  cadre_last_error());
    return CADRE_OK;
}

/* A comm and those for its nodes and across them, all of which have no order yet. */
static void renew(cadre_comm *comm)
{
    cadre__coll_state *state;

    if (comm == NULL || cadre__coll_state_of(comm, &state) != CADRE_OK)
        return;
    state->settled = true;
    state->costs = cadre__coll_costs_of(comm);
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        cadre__free(state->orders[c]);
        state->orders[c] = NULL;
    }
}

cadre_status cadre__coll_learn(cadre_comm *comm, int64_t deadline_ns)
{
    cadre__coll_state *state;
    plan p = {0};

    CADRE_TRY(cadre__coll_state_of(comm, &state));
    state->settled = true; /* also what follows are calls */
    if (deadline_ns == 0)
        deadline_ns = cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS);
    CADRE_TRY(fill_plan(comm, deadline_ns, &p));
    cadre__coll_cost_set *kept = cadre__alloc(sizeof *kept);
    CADRE_TRY(
        cadre_comm_agree(comm, kept != NULL ? CADRE_OK : CADRE_ERR_NOMEM, deadline_ns));
    *kept = p.set;
    cadre__comm_bequeath(comm, kept);
    renew(comm);
    renew(cadre__comm_node(comm));
    renew(cadre__comm_cross(comm));
    return CADRE_OK;
}
