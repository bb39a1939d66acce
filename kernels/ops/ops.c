/* ops/ops.c - which level runs: detection, the table in force, and its names. */
#include "core/settings.h"
#include "ops/levels.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <threads.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static bool cpu_any(void)
{
    return true;
}

#ifdef __x86_64__
/* Leaf 1 of CPUID: clang 14 has no name for this feature. */
static bool cpu_f16c(void)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

/* The compiler's run-time library asks CPUID and, by XGETBV, whether the operating system
 * saves the wide registers: both have to say yes. */
static bool cpu_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_f16c();
}

static bool cpu_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

/* Leaf 7 of CPUID, since clang 14 has no names for these: tiles, and their int8 and bf16
 * products. The operating system gives tile registers to a process that asks for them, to
 * all its threads, if it saves them. */
static bool cpu_amx(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    const unsigned wanted = AMX_BF16 | AMX_TILE | AMX_INT8;
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 &&
           (edx & wanted) == wanted && __builtin_cpu_supports("avx512vnni") &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

/* Weakest first; each level overwrites what it improves. */
static const struct {
    const char *name;
    bool (*usable)(void);
    void (*fill)(cadre_ops *ops);
    const char *why, *why_not;
} levels[] = {
    {"ref", cpu_any, cadre__ops_fill_ref, "portable loops, always there", ""},
#ifdef __x86_64__
    {"avx2", cpu_avx2, cadre__ops_fill_avx2,
     "the CPU has AVX2, FMA and F16C and the OS saves its registers",
     "the CPU lacks one of AVX2, FMA and F16C, or the OS does not save its registers"},
    {"avx512", cpu_avx512, cadre__ops_fill_avx512,
     "the CPU has AVX-512 F, BW, DQ and VL and the OS saves its registers",
     "the CPU lacks one of AVX-512 F, BW, DQ and VL, or the OS does not save its "
     "registers"},
    {"amx", cpu_amx, cadre__ops_fill_amx,
     "the CPU has AMX for int8 and bf16 and the OS gives its registers",
     "the CPU lacks AMX for int8 and bf16, or the OS does not give its registers"},
#endif
};

enum { N_LEVELS = sizeof levels / sizeof levels[0] };

static cadre_ops tables[N_LEVELS];
static once_flag tables_once = ONCE_FLAG_INIT;
static const cadre_ops *_Atomic current;

static void fill_tables(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
#endif
    cadre_ops table = {0};
    for (size_t i = 0; i < N_LEVELS && levels[i].usable(); i++) {
        levels[i].fill(&table);
        tables[i] = table;
    }
}

static size_t best_level(void)
{
    size_t best = 0;

    call_once(&tables_once, fill_tables);
    while (best + 1 < N_LEVELS && tables[best + 1].level)
        best++;
    return best;
}

static cadre_status find_level(const char *name, size_t *out)
{
    const size_t best = best_level();

    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strcmp(levels[i].name, name) != 0)
            continue;
        if (i > best)
            return cadre_fail(CADRE_ERR_INPUT,
                              "instruction set \"%s\": not on this machine: %s", name,
                              levels[i].why_not);
        *out = i;
        return CADRE_OK;
    }
    return cadre_fail(CADRE_ERR_INPUT,
                      "instruction set \"%s\": unknown, expected ref, avx2, avx512 or "
                      "amx",
                      name);
}

cadre_status cadre_ops_init(const char *level)
{
    size_t chosen = best_level();

    if (level) {
        CADRE_TRY(find_level(level, &chosen));
    } else {
        const char *cap = cadre__setting_value(CADRE__SETTING_ISA);
        if (cap[0] != '\0')
            CADRE_TRY(cadre_context(find_level(cap, &chosen), "%s",
                                    cadre__setting_name(CADRE__SETTING_ISA)));
    }
    CADRE_TRY(cadre__blas_threads_from_settings());
    atomic_store(&current, &tables[chosen]);
    return CADRE_OK;
}

const cadre_ops *cadre_ops_get(void)
{
    const cadre_ops *ops = atomic_load(&current);

    if (!ops) {
        ops = &tables[best_level()];
        atomic_store(&current, ops);
    }
    return ops;
}

const char *cadre_ops_level(size_t index, int *usable, const char **why)
{
    if (index >= N_LEVELS)
        return NULL;
    const bool have = index <= best_level();
    if (usable)
        *usable = have;
    if (why)
        *why = have ? levels[index].why : levels[index].why_not;
    return levels[index].name;
}
