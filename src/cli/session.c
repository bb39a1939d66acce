/* cli/session.c - MPI, topology, binding and instruction set around a command. */
#include "cli/session.h"
#include "core/settings.h"
#include "run/run.h"
#include "topo/topo_internal.h"
#include <cadre/coll.h>
#include <cadre/log.h>
#include <cadre/ops.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MODULE "cli"
#define CORE_NAME_BYTES 32 /* of OpenBLAS's name for a CPU */
#define START_TIMEOUT_MS 60000

static cadre_status read_settings(bool *bind)
{
    const char *value = cadre__setting_value(CADRE__SETTING_BIND);
    int64_t n_threads = 1;

    if (strcmp(value, "auto") != 0 && strcmp(value, "none") != 0)
        return cadre_fail(CADRE_ERR_ARG,
                          "CADRE_BIND: expected auto or none, found \"%s\"", value);
    *bind = strcmp(value, "auto") == 0;
    CADRE_TRY(cadre__setting_integer(CADRE__SETTING_BLAS_THREADS, 1, 1024, &n_threads));
    cadre_blas_set_threads((int)n_threads);
    return CADRE_OK;
}

/* Bind this rank unless somebody did or it would harm. Binding that fails costs speed
 * only. */
static void bind_rank(cadre__session *session, bool wanted)
{
    const cadre_comm *world = session->world;
    const cadre_topo_facts *facts = cadre_topo_get_facts(session->topo);
    const bool coordinator_here =
        cadre_comm_node_of(world, cadre_comm_rank(world)) == cadre_comm_node_of(world, 0);
    const cadre__bind_plan plan = cadre__topo_plan_binding(
        (size_t)cadre_comm_node_rank(world), (size_t)cadre_comm_node_size(world),
        coordinator_here, facts->node_cores);
    char cpus[128];

    session->bound_by = facts->bound ? "launcher" : "nobody";
    if (!facts->bound && wanted && plan.bind) {
        if (cadre_topo_bind_slot(session->topo, plan.slot, plan.n_slots) == CADRE_OK)
            session->bound_by = facts->bound ? "cadre" : "nobody";
        else
            cadre_log(CADRE_LOG_WARN, MODULE, "not bound: %s", cadre_last_error());
    }
    cadre_log(CADRE_LOG_INFO, MODULE, "CPUs %s, bound by %s (%s)",
              cadre_topo_cpuset(session->topo, cpus, sizeof cpus), session->bound_by,
              strcmp(session->bound_by, "launcher") == 0 ? "cadre leaves that alone"
              : wanted                                   ? plan.why
                                                         : "CADRE_BIND=none");
}

/* The best level of this rank, as an index into the levels. CADRE_ISA caps it. */
static cadre_status best_level(int32_t *index)
{
    CADRE_TRY(cadre_ops_init(NULL));
    const char *level = cadre_ops_get()->level;
    for (size_t i = 0; cadre_ops_level(i, NULL, NULL); i++) {
        if (strcmp(cadre_ops_level(i, NULL, NULL), level) == 0)
            *index = (int32_t)i;
    }
    return CADRE_OK;
}

/* All ranks compute with the lowest level common to them, so that they round alike. */
static cadre_status choose_level(cadre_comm *world)
{
    int32_t mine = 0, common = 0;
    const cadre_status st = best_level(&mine);
    CADRE_TRY(cadre_comm_agree(world, st, cadre_deadline_in_ms(START_TIMEOUT_MS)));
    CADRE_TRY(cadre_allreduce(world, &mine, &common, 1, CADRE_I32, CADRE_MIN, NULL));
    const char *level = cadre_ops_level((size_t)common, NULL, NULL);
    if (common < mine)
        cadre_log(CADRE_LOG_INFO, MODULE,
                  "ops at level %s, the lowest common to all ranks", level);
    return cadre_ops_init(level);
}

/* OpenBLAS chooses its kernels by itself; unlike ones round a product differently. */
static cadre_status compare_blas(cadre_comm *world)
{
    _Alignas(int32_t) char root[CORE_NAME_BYTES];
    char mine[CORE_NAME_BYTES] = "";
    int32_t unlike, lowest = 0;

    snprintf(mine, sizeof mine, "%s", cadre_blas_core());
    memcpy(root, mine, sizeof root);
    CADRE_TRY(cadre_broadcast(world, root, CORE_NAME_BYTES / sizeof(int32_t), CADRE_I32,
                              0, NULL));
    root[sizeof root - 1] = '\0';
    unlike = strcmp(mine, root) != 0 ? cadre_comm_rank(world) : INT32_MAX;
    CADRE_TRY(cadre_allreduce(world, &unlike, &lowest, 1, CADRE_I32, CADRE_MIN, NULL));
    if (lowest == cadre_comm_rank(world))
        cadre_log(
            CADRE_LOG_WARN, MODULE,
            "OpenBLAS runs as %s here but as %s on rank 0: results may differ in the "
            "last bits; set OPENBLAS_CORETYPE=Haswell for all ranks",
            mine, root);
    return CADRE_OK;
}

static cadre_status prepare(cadre__session *session)
{
    bool bind = true;
    cadre_status st = read_settings(&bind);
    if (st == CADRE_OK)
        st = cadre_topo_create(&session->topo);
    CADRE_TRY(
        cadre_comm_agree(session->world, st, cadre_deadline_in_ms(START_TIMEOUT_MS)));
    bind_rank(session, bind);
    CADRE_TRY(choose_level(session->world));
    return compare_blas(session->world);
}

int cadre__session_open(const cadre__call *call, cadre__session *session)
{
    *session = (cadre__session){.bound_by = "nobody"};
    if (cadre_init(&session->world) != CADRE_OK) {
        if (call->speaks)
            fprintf(stderr, "cadre: starting MPI: %s\n", cadre_last_error());
        return CADRE__EXIT_RESOURCE;
    }
    const cadre_status st = prepare(session);
    if (st == CADRE_OK)
        return CADRE__EXIT_OK;
    if (cadre_comm_rank(session->world) == 0)
        fprintf(stderr, "cadre: %s\n", cadre_last_error());
    return cadre__session_close(session, st == CADRE_ERR_ARG || st == CADRE_ERR_INPUT ||
                                                 st == CADRE_ERR_NOT_FOUND
                                             ? CADRE__EXIT_USAGE
                                             : CADRE__EXIT_RESOURCE);
}

int cadre__session_close(cadre__session *session, int exit_code)
{
    /* Named, so that it works where what CADRE_COLL says does not. */
    const cadre_coll_opts opts = {.algorithm = "recursive_doubling"};
    const int32_t mine = exit_code;
    int32_t all = exit_code;

    if (cadre_allreduce(session->world, &mine, &all, 1, CADRE_I32, CADRE_MAX, &opts) !=
        CADRE_OK) {
        cadre_log(CADRE_LOG_ERROR, MODULE, "ending the job: %s", cadre_last_error());
        cadre_abort(exit_code ? exit_code : CADRE__EXIT_RESOURCE);
    }
    cadre_topo_destroy(session->topo);
    cadre_finalize(session->world);
    return all;
}
