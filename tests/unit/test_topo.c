/* tests/unit/test_topo.c - machines read from XML, slots, control-group limits, and the
 * plan that gives ranks their slots. */
#include "topo/cgroup.h"
#include "topo/topo_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static cadre_topo *open_machine(const char *name)
{
    char path[4096];
    cadre_topo *topo = NULL;
    const char *source = getenv("CADRE_TEST_SOURCE");
    snprintf(path, sizeof path, "%s/tests/data/%s", source ? source : ".", name);
    setenv("CADRE_TOPO_XML", path, 1);
    if (cadre_topo_create(&topo) != CADRE_OK)
        fail_msg("%s: %s", name, cadre_last_error());
    unsetenv("CADRE_TOPO_XML");
    return topo;
}

static void test_server_facts(void **state)
{
    (void)state;
    char cpus[64];
    cadre_topo *topo = open_machine("topo-2x8-smt.xml");
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);

    assert_string_equal(facts->cpu_model, "Example Server CPU 8-core");
    assert_int_equal(facts->n_packages, 2);
    assert_int_equal(facts->n_numa, 2);
    assert_int_equal(facts->n_cores, 16);
    assert_int_equal(facts->n_pus, 32);
    assert_int_equal(facts->usable_cores, 16);
    assert_int_equal(facts->usable_pus, 32);
    assert_int_equal(facts->node_cores, 16);
    assert_int_equal(facts->bound, 0);
    assert_int_equal(facts->memory_bytes, 256 * GIB);
    assert_int_equal(facts->memory_limit_bytes, 256 * GIB);
    assert_string_equal(cadre_topo_cpuset(topo, cpus, sizeof cpus), "0-31");
    cadre_topo_destroy(topo);
}

static void test_caches(void **state)
{
    (void)state;
    cadre_topo *topo = open_machine("topo-2x16-numa4.xml");
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);
    static const cadre_topo_cache expected[] = {
        {1, 32 * 1024, 32, 1, 64}, {2, 512 * 1024, 32, 1, 64}, {3, 32 * MIB, 8, 4, 64}};

    assert_int_equal(facts->n_numa, 4);
    assert_int_equal(facts->n_caches, 3);
    for (size_t i = 0; i < facts->n_caches; i++) {
        assert_int_equal(facts->caches[i].level, expected[i].level);
        assert_int_equal(facts->caches[i].bytes, expected[i].bytes);
        assert_int_equal(facts->caches[i].n, expected[i].n);
        assert_int_equal(facts->caches[i].cores_each, expected[i].cores_each);
        assert_int_equal(facts->caches[i].line_bytes, expected[i].line_bytes);
    }
    cadre_topo_destroy(topo);
}

static void test_cpuset_limits_cores(void **state)
{
    (void)state;
    char cpus[64];
    cadre_topo *topo = open_machine("topo-4-cpuset.xml");
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);

    assert_int_equal(facts->n_cores, 4);
    assert_int_equal(facts->node_cores, 2);
    assert_int_equal(facts->usable_cores, 2);
    assert_int_equal(facts->bound, 0);
    assert_string_equal(cadre_topo_cpuset(topo, cpus, sizeof cpus), "1-2");
    assert_string_equal(cadre__topo_slot_cpuset(topo, 1, 2, cpus, sizeof cpus), "2");
    assert_string_equal(cadre_topo_cpuset(topo, cpus, 2), "1"); /* cut, but terminated */
    cadre_topo_destroy(topo);
}

static void test_slots(void **state)
{
    (void)state;
    static const struct {
        size_t slot, n_slots;
        const char *cpus;
    } cases[] = {{0, 1, "0-31"},  {0, 2, "0-15"},   {1, 2, "16-31"},  {0, 3, "0-9"},
                 {1, 3, "10-19"}, {2, 3, "20-31"},  {0, 16, "0-1"},   {15, 16, "30-31"},
                 {16, 17, "0-1"}, {5, 40, "10-11"}, {39, 40, "14-15"}};
    char cpus[64];
    cadre_topo *topo = open_machine("topo-2x8-smt.xml");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(cadre__topo_slot_cpuset(topo, cases[i].slot, cases[i].n_slots,
                                                    cpus, sizeof cpus),
                            cases[i].cpus);
    cadre_topo_destroy(topo);
}

/* Slots that are fewer than cores cut them into disjoint parts that leave none over. */
static void test_slots_cover(void **state)
{
    (void)state;
    cadre_topo *topo = open_machine("topo-2x16-numa4.xml");
    for (size_t n_slots = 1; n_slots <= 32; n_slots++) {
        size_t first, last, next = 0;
        for (size_t slot = 0; slot < n_slots; slot++) {
            char cpus[64], *end;
            cadre__topo_slot_cpuset(topo, slot, n_slots, cpus, sizeof cpus);
            first = strtoul(cpus, &end, 10);
            last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
            assert_true(end != cpus && *end == '\0');
            assert_int_equal(first, next);
            next = last + 1;
        }
        assert_int_equal(next, 32);
    }
    cadre_topo_destroy(topo);
}

static void test_bind_is_reported(void **state)
{
    (void)state;
    char cpus[64];
    cadre_topo *topo = open_machine("topo-4.xml");
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);

    assert_int_equal(cadre_topo_bind_slot(topo, 2, 2), CADRE_ERR_ARG);
    assert_int_equal(cadre_topo_bind_slot(topo, 0, 0), CADRE_ERR_ARG);
    assert_int_equal(facts->bound, 0);
    assert_int_equal(cadre_topo_bind_slot(topo, 1, 2), CADRE_OK);
    assert_int_equal(facts->bound, 1);
    assert_int_equal(facts->usable_cores, 2);
    assert_int_equal(facts->node_cores, 4);
    assert_string_equal(cadre_topo_cpuset(topo, cpus, sizeof cpus), "2-3");
    /* Bound now, so that a second call changes nothing. */
    assert_int_equal(cadre_topo_bind_slot(topo, 0, 4), CADRE_OK);
    assert_string_equal(cadre_topo_cpuset(topo, cpus, sizeof cpus), "2-3");
    cadre_topo_destroy(topo);
}

static void test_bad_xml(void **state)
{
    (void)state;
    cadre_topo *topo = (cadre_topo *)1;
    setenv("CADRE_TOPO_XML", "/nowhere/machine.xml", 1);
    assert_int_equal(cadre_topo_create(&topo), CADRE_ERR_TOPO);
    unsetenv("CADRE_TOPO_XML");
    assert_null(topo);
    assert_non_null(strstr(cadre_last_error(), "/nowhere/machine.xml"));
    cadre_topo_destroy(NULL);
}

static void test_this_machine(void **state)
{
    (void)state;
    char cpus[256];
    cadre_topo *topo = NULL;
    assert_int_equal(cadre_topo_create(&topo), CADRE_OK);
    const cadre_topo_facts *facts = cadre_topo_get_facts(topo);

    assert_true(facts->n_packages >= 1 && facts->n_cores >= 1);
    assert_true(facts->n_pus >= facts->n_cores);
    assert_true(facts->usable_cores >= 1 && facts->usable_cores <= facts->node_cores);
    assert_true(facts->node_cores <= facts->n_cores);
    assert_true(facts->memory_limit_bytes >= MIB);
    assert_true(facts->memory_limit_bytes <= facts->memory_bytes);
    assert_true(strlen(cadre_topo_cpuset(topo, cpus, sizeof cpus)) > 0);
    assert_true(strlen(cadre__topo_library_version()) >= strlen("2.0.0"));
    cadre_topo_destroy(topo);
}

/* A small file system that looks like /proc and /sys/fs/cgroup. */
static void put(const char *root, const char *path, const char *text)
{
    char name[512];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *p = name + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        mkdir(name, 0700);
        *p = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int make_root(void **state)
{
    static char root[64];
    snprintf(root, sizeof root, "/tmp/cadre-test-XXXXXX");
    *state = mkdtemp(root);
    return *state ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf -- %s", (char *)*state);
    return system(command);
}

static void test_cgroup_v2(void **state)
{
    const char *root = *state;
    cadre__cgroup_limits limits;
    put(root, "/proc/self/mountinfo",
        "20 1 0:5 / /proc rw - proc proc rw\n"
        "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 "
        "rw,nsdelegate\n");
    put(root, "/proc/self/cgroup", "0::/job/step\n");
    put(root, "/sys/fs/cgroup/job/memory.max", "1073741824\n");
    put(root, "/sys/fs/cgroup/job/cpu.max", "250000 100000\n");
    put(root, "/sys/fs/cgroup/job/step/memory.max", "max\n");
    put(root, "/sys/fs/cgroup/job/step/cpu.max", "max 100000\n");
    cadre__cgroup_read(root, &limits);
    assert_int_equal(limits.memory_bytes, GIB);
    assert_int_equal(limits.quota_cpus, 3); /* 2.5, rounded up */

    put(root, "/sys/fs/cgroup/job/step/memory.max", "536870912\n");
    put(root, "/sys/fs/cgroup/job/step/cpu.max", "1000 100000\n");
    cadre__cgroup_read(root, &limits);
    assert_int_equal(limits.memory_bytes, GIB / 2);
    assert_int_equal(limits.quota_cpus, 1);
}

static void test_cgroup_v1_in_container(void **state)
{
    const char *root = *state;
    cadre__cgroup_limits limits;
    put(root, "/proc/self/mountinfo",
        "33 31 0:30 /docker/abc /cg/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu\n"
        "35 31 0:32 /docker/abc /cg/memory rw - cgroup cgroup rw,memory\n");
    put(root, "/proc/self/cgroup",
        "4:memory:/docker/abc\n3:cpuacct,cpu:/docker/abc/in\n");
    put(root, "/cg/memory/memory.limit_in_bytes", "268435456\n");
    put(root, "/cg/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
    put(root, "/cg/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    put(root, "/cg/cpu,cpuacct/in/cpu.cfs_quota_us", "-1\n");
    put(root, "/cg/cpu,cpuacct/in/cpu.cfs_period_us", "100000\n");
    cadre__cgroup_read(root, &limits);
    assert_int_equal(limits.memory_bytes, 256 * MIB);
    assert_int_equal(limits.quota_cpus, 4);
}

static void test_cgroup_absent_or_odd(void **state)
{
    const char *root = *state;
    cadre__cgroup_limits limits;
    cadre__cgroup_read(root, &limits);
    assert_true(limits.memory_bytes == CADRE__CGROUP_NO_LIMIT);
    assert_true(limits.quota_cpus == CADRE__CGROUP_NO_LIMIT);

    put(root, "/proc/self/mountinfo", "nonsense\n1 2 3 - cgroup2\n - \n");
    put(root, "/proc/self/cgroup", "nonsense\n\n1:\n::\n");
    cadre__cgroup_read(root, &limits);
    assert_true(limits.memory_bytes == CADRE__CGROUP_NO_LIMIT);

    put(root, "/proc/self/mountinfo", "1 1 0:1 / /cg rw - cgroup2 none rw\n");
    put(root, "/proc/self/cgroup", "0::/../elsewhere\n");
    put(root, "/cg/memory.max", "\n");
    put(root, "/cg/cpu.max", "1000 0\n"); /* a period of zero is no quota */
    cadre__cgroup_read(root, &limits);
    assert_true(limits.memory_bytes == CADRE__CGROUP_NO_LIMIT);
    assert_true(limits.quota_cpus == CADRE__CGROUP_NO_LIMIT);
}

static void test_binding_plan(void **state)
{
    (void)state;
    static const struct {
        size_t node_rank, node_size, cores;
        bool coordinator_here, bind;
        size_t slot, n_slots;
    } cases[] = {
        {0, 1, 8, true, false, 0, 0}, /* alone: the whole node is its own */
        {0, 3, 4, true, false, 0, 0}, /* the coordinator sleeps: it needs no part */
        {2, 3, 4, true, true, 1, 2},  /* workers share all cores, for their threads */
        {0, 5, 4, true, false, 0,
         0}, /* one worker per core: rank 0 takes none from them */
        {1, 5, 4, true, true, 0, 4},   /* */
        {4, 5, 4, true, true, 3, 4},   /* */
        {1, 6, 4, true, false, 0, 0},  /* oversubscribed: the scheduler shares better */
        {0, 4, 4, false, true, 0, 4},  /* a node without the coordinator */
        {4, 5, 4, false, false, 0, 0}, /* */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const cadre__bind_plan plan =
            cadre__topo_plan_binding(cases[i].node_rank, cases[i].node_size,
                                     cases[i].coordinator_here, cases[i].cores);
        assert_int_equal(plan.bind, cases[i].bind);
        assert_non_null(plan.why);
        if (plan.bind) {
            assert_int_equal(plan.slot, cases[i].slot);
            assert_int_equal(plan.n_slots, cases[i].n_slots);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_facts),
        cmocka_unit_test(test_caches),
        cmocka_unit_test(test_cpuset_limits_cores),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_slots_cover),
        cmocka_unit_test(test_bind_is_reported),
        cmocka_unit_test(test_bad_xml),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test_setup_teardown(test_cgroup_v2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_cgroup_v1_in_container, make_root,
                                        remove_root),
        cmocka_unit_test_setup_teardown(test_cgroup_absent_or_odd, make_root,
                                        remove_root),
        cmocka_unit_test(test_binding_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
