/* topo/topo.c - this node as hwloc sees it, and what of it this process may use. */
#include "core/memory.h"
#include "core/settings.h"
#include "topo/cgroup.h"
#include "topo/topo_internal.h"
#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <string.h>

struct cadre_topo {
    hwloc_topology_t machine;
    hwloc_cpuset_t allowed; /* PUs that the cgroup leaves us */
    hwloc_cpuset_t usable;  /* of them those that this process is bound to */
    uint64_t quota_cpus;
    cadre_topo_facts facts;
};

const char *cadre__topo_library_version(void)
{
    static char text[64];
    const unsigned interface = hwloc_get_api_version();
    snprintf(text, sizeof text, "%s (interface %u.%u)", HWLOC_VERSION, interface >> 16,
             interface >> 8 & 0xff);
    return text;
}

static cadre_status load_machine(cadre_topo *topo)
{
    const char *xml = cadre__setting_value(CADRE__SETTING_TOPO_XML);

    if (hwloc_topology_init(&topo->machine) != 0)
        return cadre_fail(CADRE_ERR_TOPO, "hwloc cannot start: %s", strerror(errno));
    /* Disallowed PUs are kept, so that the facts can tell the node from what we get of
     * it. */
    hwloc_topology_set_flags(topo->machine, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    if (xml[0] && hwloc_topology_set_xml(topo->machine, xml) != 0)
        return cadre_fail(CADRE_ERR_TOPO, "CADRE_TOPO_XML: hwloc cannot read %s: %s", xml,
                          strerror(errno));
    if (hwloc_topology_load(topo->machine) != 0)
        return cadre_fail(CADRE_ERR_TOPO, "hwloc cannot read %s: %s",
                          xml[0] ? xml : "this machine", strerror(errno));
    return CADRE_OK;
}

/* Cores with at least one PU in set; PUs if hwloc knows no cores here. */
static size_t cores_in(const cadre_topo *topo, hwloc_const_cpuset_t set)
{
    size_t n = 0;
    hwloc_obj_t core = NULL;
    while ((core = hwloc_get_next_obj_by_type(topo->machine, HWLOC_OBJ_CORE, core)))
        n += hwloc_bitmap_intersects(core->cpuset, set) ? 1 : 0;
    if (n > 0)
        return n;
    const int n_pus = hwloc_bitmap_weight(set);
    return n_pus > 0 ? (size_t)n_pus : 0;
}

static size_t count_of(const cadre_topo *topo, hwloc_obj_type_t type)
{
    const int n = hwloc_get_nbobjs_by_type(topo->machine, type);
    return n > 0 ? (size_t)n : 0;
}

static cadre_status find_usable(cadre_topo *topo)
{
    topo->allowed = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(topo->machine));
    topo->usable = hwloc_bitmap_alloc();
    if (!topo->allowed || !topo->usable)
        return cadre_fail(CADRE_ERR_NOMEM, "CPU sets of %zu PUs", topo->facts.n_pus);
    if (hwloc_bitmap_iszero(topo->allowed))
        return cadre_fail(CADRE_ERR_TOPO, "hwloc finds no PU that may be used");
    /* A machine read from a file binds nobody. */
    if (!hwloc_topology_is_thissystem(topo->machine) ||
        hwloc_get_cpubind(topo->machine, topo->usable, HWLOC_CPUBIND_PROCESS) != 0)
        hwloc_bitmap_copy(topo->usable, topo->allowed);
    hwloc_bitmap_and(topo->usable, topo->usable, topo->allowed);
    if (hwloc_bitmap_iszero(topo->usable))
        hwloc_bitmap_copy(topo->usable, topo->allowed);
    return CADRE_OK;
}

static size_t at_most(size_t n, uint64_t limit)
{
    return n < limit ? n : (size_t)limit;
}

static void count_usable(cadre_topo *topo)
{
    cadre_topo_facts *facts = &topo->facts;
    const int n_usable = hwloc_bitmap_weight(topo->usable);
    facts->usable_cores = at_most(cores_in(topo, topo->usable), topo->quota_cpus);
    facts->usable_pus = at_most(n_usable > 0 ? (size_t)n_usable : 0, topo->quota_cpus);
    facts->node_cores = at_most(cores_in(topo, topo->allowed), topo->quota_cpus);
    facts->bound = !hwloc_bitmap_isequal(topo->usable, topo->allowed);
}

static void find_limits(cadre_topo *topo)
{
    cadre_topo_facts *facts = &topo->facts;
    cadre__cgroup_limits limits = {CADRE__CGROUP_NO_LIMIT, CADRE__CGROUP_NO_LIMIT};

    if (hwloc_topology_is_thissystem(topo->machine))
        cadre__cgroup_read("", &limits);
    topo->quota_cpus = limits.quota_cpus;
    facts->memory_bytes = hwloc_get_root_obj(topo->machine)->total_memory;
    facts->memory_limit_bytes = limits.memory_bytes < facts->memory_bytes
                                    ? limits.memory_bytes
                                    : facts->memory_bytes;
}

static void find_caches(cadre_topo *topo)
{
    static const hwloc_obj_type_t types[] = {HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L2CACHE,
                                             HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE,
                                             HWLOC_OBJ_L5CACHE};
    cadre_topo_facts *facts = &topo->facts;

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const size_t n = count_of(topo, types[i]);
        if (n == 0)
            continue;
        const hwloc_obj_t first = hwloc_get_obj_by_type(topo->machine, types[i], 0);
        cadre_topo_cache *cache = &facts->caches[facts->n_caches++];
        cache->level = (int)first->attr->cache.depth;
        cache->bytes = first->attr->cache.size;
        cache->line_bytes = first->attr->cache.linesize;
        cache->n = n;
        cache->cores_each = cores_in(topo, first->cpuset);
    }
}

static void find_cpu_model(cadre_topo *topo)
{
    const hwloc_obj_t package =
        hwloc_get_obj_by_type(topo->machine, HWLOC_OBJ_PACKAGE, 0);
    const char *model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    if (!model)
        model = hwloc_obj_get_info_by_name(hwloc_get_root_obj(topo->machine), "CPUModel");
    snprintf(topo->facts.cpu_model, sizeof topo->facts.cpu_model, "%s",
             model ? model : "unknown");
}

static cadre_status discover(cadre_topo *topo)
{
    cadre_topo_facts *facts = &topo->facts;

    CADRE_TRY(load_machine(topo));
    facts->n_packages = count_of(topo, HWLOC_OBJ_PACKAGE);
    facts->n_numa = count_of(topo, HWLOC_OBJ_NUMANODE);
    facts->n_pus = count_of(topo, HWLOC_OBJ_PU);
    facts->n_cores = count_of(topo, HWLOC_OBJ_CORE);
    if (facts->n_cores == 0)
        facts->n_cores = facts->n_pus;
    CADRE_TRY(find_usable(topo));
    find_limits(topo);
    count_usable(topo);
    find_caches(topo);
    find_cpu_model(topo);
    return CADRE_OK;
}

cadre_status cadre_topo_create(cadre_topo **out)
{
    *out = NULL;
    cadre_topo *topo = cadre__alloc(sizeof *topo);
    if (!topo)
        return CADRE_ERR_NOMEM;
    const cadre_status st = discover(topo);
    if (st != CADRE_OK) {
        cadre_topo_destroy(topo);
        return st;
    }
    *out = topo;
    return CADRE_OK;
}

void cadre_topo_destroy(cadre_topo *topo)
{
    if (!topo)
        return;
    hwloc_bitmap_free(topo->usable);
    hwloc_bitmap_free(topo->allowed);
    if (topo->machine)
        hwloc_topology_destroy(topo->machine);
    cadre__free(topo);
}

const cadre_topo_facts *cadre_topo_get_facts(const cadre_topo *topo)
{
    return &topo->facts;
}

char *cadre_topo_cpuset(const cadre_topo *topo, char *buf, size_t size)
{
    hwloc_bitmap_list_snprintf(buf, size, topo->usable);
    return buf;
}

/* The index-th core with allowed PUs in topology order, or PU where there are no
 * cores. */
static hwloc_obj_t allowed_unit(const cadre_topo *topo, hwloc_obj_type_t type,
                                size_t index)
{
    hwloc_obj_t unit = NULL;
    while ((unit = hwloc_get_next_obj_by_type(topo->machine, type, unit))) {
        if (hwloc_bitmap_intersects(unit->cpuset, topo->allowed) && index-- == 0)
            return unit;
    }
    return NULL;
}

/* The PUs of a slot into set, empty to begin with. */
static void slot_set(const cadre_topo *topo, size_t slot, size_t n_slots,
                     hwloc_cpuset_t set)
{
    const hwloc_obj_type_t type =
        count_of(topo, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    const size_t n_units = cores_in(topo, topo->allowed);
    if (n_units == 0)
        return;
    size_t first = slot % n_units, end = first + 1;

    if (n_slots <= n_units) {
        first = slot * n_units / n_slots;
        end = (slot + 1) * n_units / n_slots;
    }
    for (size_t i = first; i < end; i++) {
        const hwloc_obj_t unit = allowed_unit(topo, type, i);
        if (unit)
            hwloc_bitmap_or(set, set, unit->cpuset);
    }
    hwloc_bitmap_and(set, set, topo->allowed);
}

char *cadre__topo_slot_cpuset(const cadre_topo *topo, size_t slot, size_t n_slots,
                              char *buf, size_t size)
{
    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    buf[0] = '\0';
    if (set) {
        slot_set(topo, slot, n_slots, set);
        hwloc_bitmap_list_snprintf(buf, size, set);
    }
    hwloc_bitmap_free(set);
    return buf;
}

cadre_status cadre_topo_bind_slot(cadre_topo *topo, size_t slot, size_t n_slots)
{
    if (n_slots == 0 || slot >= n_slots)
        return cadre_fail(CADRE_ERR_ARG, "slot %zu of %zu to bind to", slot, n_slots);
    if (topo->facts.bound)
        return CADRE_OK;

    hwloc_cpuset_t set = hwloc_bitmap_alloc();
    if (!set)
        return cadre_fail(CADRE_ERR_NOMEM, "CPU set of %zu PUs", topo->facts.n_pus);
    slot_set(topo, slot, n_slots, set);
    cadre_status st = CADRE_OK;
    if (hwloc_set_cpubind(topo->machine, set, HWLOC_CPUBIND_PROCESS) != 0) {
        st = cadre_fail(CADRE_ERR_TOPO, "binding to slot %zu of %zu: %s", slot, n_slots,
                        strerror(errno));
    } else {
        hwloc_bitmap_copy(topo->usable, set);
        count_usable(topo);
    }
    hwloc_bitmap_free(set);
    return st;
}

cadre__bind_plan cadre__topo_plan_binding(size_t node_rank, size_t node_size,
                                          bool coordinator_here, size_t node_cores)
{
    const size_t n_workers = node_size - (coordinator_here ? 1 : 0);

    if (node_size < 2)
        return (cadre__bind_plan){.why = "alone on its node"};
    if (n_workers > node_cores)
        return (cadre__bind_plan){.why = "more workers than cores"};
    if (!coordinator_here)
        return (cadre__bind_plan){true, node_rank, node_size, "its part of the cores"};
    if (node_rank == 0)
        return (cadre__bind_plan){.why =
                                      "the coordinator leaves the cores to the workers"};
    return (cadre__bind_plan){true, node_rank - 1, n_workers, "its part of the cores"};
}
