/* tests/mpi/test_coll.c - every collective by every algorithm, types, reductions, counts
 * and roots; equal bits on all ranks; wrong arguments; ranks that never come.
 *
 * Inputs are small integers, so all results are exact whatever the order of operations,
 * and are compared with an expectation computed serially. The native algorithm, which is
 * the MPI library's own call, runs through the same comparison, so all results equal
 * MPI's. */
#include "core/memory.h"
#include "mpi_check.h"
#include <cadre/coll.h>
#include <stdbool.h>
#include <stdlib.h>

#define BIG 1000003
#define GUARD 8 /* elements before and after a receive buffer that nobody may touch */
#define GUARD_BYTE 0xA5

static cadre_comm *world;
static int size;

/* ---- Data ---- */

static double get(const void *buf, cadre_dtype dtype, size_t i)
{
    switch (dtype) {
#define X(id, name, type)                                                                \
    case CADRE_##id:                                                                     \
        return (double)((const type *)buf)[i];
        CADRE_DTYPE_LIST(X)
#undef X
    default:
        return 0;
    }
}

static void set(void *buf, cadre_dtype dtype, size_t i, double value)
{
    switch (dtype) {
#define X(id, name, type)                                                                \
    case CADRE_##id:                                                                     \
        ((type *)buf)[i] = (type)value;                                                  \
        break;
        CADRE_DTYPE_LIST(X)
#undef X
    default:
        break;
    }
}

/* What rank r has as element i: chosen so that each reduction has something to tell. */
static double input(cadre_reduction reduction, int r, size_t i)
{
    const int mix = (int)(i % 1000) * 3 + r * 7;

    switch (reduction) {
    case CADRE_PROD: /* at most 2^16 in all, exact in f32 */
        return mix % 3 == 0 ? -1 : mix % 3;
    case CADRE_LAND: /* true everywhere at even i */
        return i % 2 == 0 || mix % 5 != 0 ? mix % 4 + 1 : 0;
    case CADRE_LOR: /* false everywhere at even i */
        return i % 2 == 0 || mix % 5 != 0 ? 0 : mix % 4 + 1;
    default:
        return mix % 23 - 11;
    }
}

static double reduce_two(cadre_reduction reduction, double a, double b)
{
    switch (reduction) {
    case CADRE_SUM:
        return a + b;
    case CADRE_MIN:
        return a < b ? a : b;
    case CADRE_MAX:
        return a > b ? a : b;
    case CADRE_PROD:
        return a * b;
    case CADRE_LAND:
        return a != 0 && b != 0;
    default:
        return a != 0 || b != 0;
    }
}

static double reduced(cadre_reduction reduction, size_t i)
{
    double sum = input(reduction, 0, i);

    for (int r = 1; r < size; r++)
        sum = reduce_two(reduction, sum, input(reduction, r, i));
    if (reduction == CADRE_LAND || reduction == CADRE_LOR)
        sum = sum != 0; /* one rank alone: nothing was reduced */
    return sum;
}

/* A buffer between guards. */
typedef struct guarded {
    char *memory, *data;
    size_t bytes, guard_bytes;
} guarded;

static guarded make_guarded(size_t count, cadre_dtype dtype)
{
    guarded g = {.bytes = count * cadre_dtype_bytes(dtype),
                 .guard_bytes = GUARD * cadre_dtype_bytes(dtype)};

    g.memory = cadre__alloc(g.bytes + 2 * g.guard_bytes);
    if (g.memory == NULL)
        cadre_abort(1);
    memset(g.memory, GUARD_BYTE, g.bytes + 2 * g.guard_bytes);
    g.data = g.memory + g.guard_bytes;
    return g;
}

static bool untouched(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)bytes[i] != GUARD_BYTE)
            return false;
    }
    return true;
}

static void free_guarded(guarded *g, const char *what)
{
    CHECK(untouched(g->memory, g->guard_bytes), "%s wrote before its buffer", what);
    CHECK(untouched(g->data + g->bytes, g->guard_bytes), "%s wrote behind its buffer",
          what);
    cadre__free(g->memory);
}

/* One case and its name in messages. */
typedef struct trial {
    const char *collective, *algorithm;
    cadre_dtype dtype;
    cadre_reduction reduction;
    size_t count;
    int root;
    bool in_place;
    char name[160];
} trial;

static const char *name_of(trial *t)
{
    snprintf(t->name, sizeof t->name, "%s by %s, %s %s, %zu elements, root %d%s",
             t->collective, t->algorithm, cadre_reduction_name(t->reduction),
             cadre_dtype_name(t->dtype), t->count, t->root,
             t->in_place ? ", in place" : "");
    return t->name;
}

static cadre_coll_opts opts_of(const trial *t)
{
    return (cadre_coll_opts){.algorithm = t->algorithm};
}

/* The first element that is not as expected is told, the others are not. */
static void compare(trial *t, const void *got,
                    double (*expected)(const trial *t, size_t i), size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double want = expected(t, i), have = get(got, t->dtype, i);

        if (want != have) {
            CHECK(want == have, "%s: element %zu is %g, expected %g", name_of(t), i, have,
                  want);
            return;
        }
    }
}

static double expect_reduced(const trial *t, size_t i)
{
    /* One rank alone reduces nothing: logical values come back as they went in. */
    return size == 1 ? input(t->reduction, 0, i) : reduced(t->reduction, i);
}

static double expect_of_root(const trial *t, size_t i)
{
    return input(t->reduction, t->root, i);
}

static double expect_of_all(const trial *t, size_t i)
{
    return input(t->reduction, (int)(i / t->count), i % t->count);
}

static double expect_own_block(const trial *t, size_t i)
{
    return input(t->reduction, t->root, (size_t)check_rank * t->count + i);
}

static void fill(const trial *t, void *buf, int rank, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set(buf, t->dtype, i, input(t->reduction, rank, i));
}

/* ---- One call of each kind ---- */

static void run_allreduce(trial *t)
{
    const cadre_coll_opts opts = opts_of(t);
    guarded send = make_guarded(t->count, t->dtype),
            recv = make_guarded(t->count, t->dtype);

    fill(t, t->in_place ? recv.data : send.data, check_rank, t->count);
    const cadre_status st =
        cadre_allreduce(world, t->in_place ? CADRE_IN_PLACE : send.data, recv.data,
                        t->count, t->dtype, t->reduction, &opts);
    CHECK(st == CADRE_OK, "%s", name_of(t));
    compare(t, recv.data, expect_reduced, t->count);
    free_guarded(&send, name_of(t));
    free_guarded(&recv, name_of(t));
}

static void run_reduce(trial *t)
{
    const cadre_coll_opts opts = opts_of(t);
    const bool root = check_rank == t->root, in_place = root && t->in_place;
    guarded send = make_guarded(t->count, t->dtype),
            recv = make_guarded(t->count, t->dtype);

    fill(t, in_place ? recv.data : send.data, check_rank, t->count);
    const cadre_status st = cadre_reduce(world, in_place ? CADRE_IN_PLACE : send.data,
                                         root ? recv.data : NULL, t->count, t->dtype,
                                         t->reduction, t->root, &opts);
    CHECK(st == CADRE_OK, "%s", name_of(t));
    if (root)
        compare(t, recv.data, expect_reduced, t->count);
    free_guarded(&send, name_of(t));
    free_guarded(&recv, name_of(t));
}

static void run_broadcast(trial *t)
{
    const cadre_coll_opts opts = opts_of(t);
    guarded buf = make_guarded(t->count, t->dtype);

    if (check_rank == t->root)
        fill(t, buf.data, check_rank, t->count);
    CHECK(cadre_broadcast(world, buf.data, t->count, t->dtype, t->root, &opts) ==
              CADRE_OK,
          "%s", name_of(t));
    compare(t, buf.data, expect_of_root, t->count);
    free_guarded(&buf, name_of(t));
}

static void run_gather(trial *t)
{
    const cadre_coll_opts opts = opts_of(t);
    const bool root = check_rank == t->root, in_place = root && t->in_place;
    const size_t all = root ? t->count * (size_t)size : 0;
    guarded send = make_guarded(t->count, t->dtype), recv = make_guarded(all, t->dtype);
    char *own = recv.data + (size_t)check_rank * send.bytes;

    fill(t, in_place ? own : send.data, check_rank, t->count);
    CHECK(cadre_gather(world, in_place ? CADRE_IN_PLACE : send.data,
                       root ? recv.data : NULL, t->count, t->dtype, t->root,
                       &opts) == CADRE_OK,
          "%s", name_of(t));
    compare(t, recv.data, expect_of_all, all);
    free_guarded(&send, name_of(t));
    free_guarded(&recv, name_of(t));
}

static void run_scatter(trial *t)
{
    const cadre_coll_opts opts = opts_of(t);
    const bool root = check_rank == t->root, in_place = root && t->in_place;
    const size_t all = root ? t->count * (size_t)size : 0;
    guarded send = make_guarded(all, t->dtype), recv = make_guarded(t->count, t->dtype);

    fill(t, send.data, check_rank, all);
    CHECK(cadre_scatter(world, root ? send.data : NULL,
                        in_place ? CADRE_IN_PLACE : recv.data, t->count, t->dtype,
                        t->root, &opts) == CADRE_OK,
          "%s", name_of(t));
    if (in_place)
        CHECK(untouched(recv.data, recv.bytes), "%s wrote", name_of(t));
    else
        compare(t, recv.data, expect_own_block, t->count);
    compare(t, send.data, expect_of_root, all);
    free_guarded(&send, name_of(t));
    free_guarded(&recv, name_of(t));
}

/* Blocks of unequal length, some of them empty. */
static size_t block_of(const trial *t, int rank)
{
    return rank % 3 == 1 ? t->count / 2 : t->count;
}

static double expect_blocks(const trial *t, size_t i)
{
    int rank = 0;

    for (; i >= block_of(t, rank); rank++)
        i -= block_of(t, rank);
    return input(t->reduction, rank, i);
}

static void run_allgather(trial *t)
{
    const cadre_coll_opts opts = opts_of(t);
    size_t *counts = cadre__alloc_n((size_t)size, sizeof *counts), all = 0, before = 0;

    if (counts == NULL)
        cadre_abort(1);
    for (int r = 0; r < size; r++) {
        counts[r] = block_of(t, r);
        before += r < check_rank ? counts[r] : 0;
        all += counts[r];
    }
    guarded send = make_guarded(counts[check_rank], t->dtype),
            recv = make_guarded(all, t->dtype);
    char *own = recv.data + before * cadre_dtype_bytes(t->dtype);

    fill(t, t->in_place ? own : send.data, check_rank, counts[check_rank]);
    CHECK(cadre_allgather(world, t->in_place ? CADRE_IN_PLACE : send.data, recv.data,
                          counts, t->dtype, &opts) == CADRE_OK,
          "%s", name_of(t));
    compare(t, recv.data, expect_blocks, all);
    free_guarded(&send, name_of(t));
    free_guarded(&recv, name_of(t));
    cadre__free(counts);
}

static const struct {
    const char *name;
    void (*run)(trial *t);
    bool reduces, rooted;
} kinds[] = {
    {"allreduce", run_allreduce, true, false}, {"reduce", run_reduce, true, true},
    {"broadcast", run_broadcast, false, true}, {"gather", run_gather, false, true},
    {"scatter", run_scatter, false, true},     {"allgather", run_allgather, false, false},
};

#define N_KINDS (sizeof kinds / sizeof kinds[0])

/* ---- All of them ---- */

static bool meaningful(cadre_dtype dtype, cadre_reduction reduction)
{
    const bool logical = reduction == CADRE_LAND || reduction == CADRE_LOR;

    return !logical || dtype == CADRE_I32 || dtype == CADRE_I64;
}

/* Counts around the number of ranks; those that coincide are tried once. */
static size_t small_counts(size_t *counts)
{
    const size_t wanted[] = {0, 1, (size_t)size - 1, (size_t)size, (size_t)size + 1};
    size_t n = 0;

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        bool seen = false;

        for (size_t j = 0; j < n; j++)
            seen = seen || counts[j] == wanted[i];
        if (!seen)
            counts[n++] = wanted[i];
    }
    return n;
}

/* Every dtype and reduction, both in place and not; roots take turns. */
static void try_types(size_t kind, const char *algorithm)
{
    size_t counts[5] = {0};
    const size_t n = small_counts(counts);
    int turn = 0;

    for (int dtype = 0; dtype < CADRE_N_DTYPES; dtype++) {
        for (int reduction = 0; reduction < CADRE_N_REDUCTIONS; reduction++) {
            if (!meaningful((cadre_dtype)dtype, (cadre_reduction)reduction) ||
                (reduction > 0 && !kinds[kind].reduces))
                continue;
            for (size_t i = 0; i < n; i++) {
                trial t = {
                    .collective = kinds[kind].name,
                    .algorithm = algorithm,
                    .dtype = (cadre_dtype)dtype,
                    .reduction = (cadre_reduction)reduction,
                    .count = counts[i],
                    .root = kinds[kind].rooted ? turn % size : 0,
                };

                kinds[kind].run(&t);
                t.in_place = true;
                kinds[kind].run(&t);
                turn++;
            }
        }
    }
}

/* Every root with every small count; types and in place take turns. */
static void try_roots(size_t kind, const char *algorithm)
{
    size_t counts[5] = {0};
    const size_t n = small_counts(counts);
    int turn = 0;

    for (int root = 0; root < size && kinds[kind].rooted; root++) {
        for (size_t i = 0; i < n; i++, turn++) {
            trial t = {
                .collective = kinds[kind].name,
                .algorithm = algorithm,
                .dtype = (cadre_dtype)(turn % CADRE_N_DTYPES),
                .reduction = (cadre_reduction)(turn % CADRE_LAND),
                .count = counts[i],
                .root = root,
                .in_place = turn % 3 == 0,
            };

            kinds[kind].run(&t);
        }
    }
}

static void test_small(void)
{
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        const char *algorithm;

        for (size_t a = 0;
             (algorithm = cadre_coll_algorithm(kinds[kind].name, a, NULL)) != NULL; a++) {
            try_types(kind, algorithm);
            try_roots(kind, algorithm);
        }
    }
}

/* Long vectors: many segments, rendezvous messages. Each algorithm once, and reductions
 * also in place; gather and scatter in whole. */
static void test_big(void)
{
    for (size_t kind = 0; kind < N_KINDS; kind++) {
        const char *algorithm;

        for (size_t a = 0;
             (algorithm = cadre_coll_algorithm(kinds[kind].name, a, NULL)) != NULL; a++) {
            const bool blocks =
                !kinds[kind].reduces && strcmp(kinds[kind].name, "broadcast") != 0;
            trial t = {
                .collective = kinds[kind].name,
                .algorithm = algorithm,
                .dtype = a == 1 ? CADRE_F64 : CADRE_F32,
                .count = blocks ? BIG / (size_t)size + 1 : BIG,
                .root = kinds[kind].rooted ? size / 2 : 0,
            };

            kinds[kind].run(&t);
            t.in_place = true;
            if (kinds[kind].reduces)
                kinds[kind].run(&t);
        }
    }
}

/* Gather and scatter of 1e6+3 elements for each rank, by choice. */
static void test_big_blocks(void)
{
    trial t = {.collective = "gather", .dtype = CADRE_F32, .count = BIG};

    t.algorithm = "linear";
    run_gather(&t);
    t.collective = "scatter";
    run_scatter(&t);
}

/* ---- Determinism ---- */

/* Sums that do round: the bits must be equal on all ranks, from run to run, and in place
 * or not, and near to MPI's. */
static void check_rounding(const char *algorithm, size_t count)
{
    const cadre_coll_opts opts = {.algorithm = algorithm},
                          native = {.algorithm = "native"};
    const size_t bytes = count * sizeof(float);
    float *mine = cadre__alloc(bytes), *sum = cadre__alloc(bytes),
          *again = cadre__alloc(bytes);
    float *mpi = cadre__alloc(bytes);

    for (size_t i = 0; i < count; i++)
        again[i] = mine[i] = 1.0f / (float)(3 + i % 97 + (size_t)check_rank * 31);
    CHECK(cadre_allreduce(world, mine, sum, count, CADRE_F32, CADRE_SUM, &opts) ==
              CADRE_OK,
          "%s", algorithm);
    CHECK(cadre_allreduce(world, CADRE_IN_PLACE, again, count, CADRE_F32, CADRE_SUM,
                          &opts) == CADRE_OK,
          "%s", algorithm);
    CHECK(memcmp(sum, again, bytes) == 0, "%s, %zu elements: bits differ in place",
          algorithm, count);
    CHECK(cadre_allreduce(world, mine, mpi, count, CADRE_F32, CADRE_SUM, &native) ==
              CADRE_OK,
          "native");
    for (size_t i = 0; i < count; i++) {
        const float difference = sum[i] - mpi[i];

        if (difference > 1e-6f * mpi[i] || difference < -1e-6f * mpi[i]) {
            CHECK(0, "%s: element %zu is %g, by MPI %g", algorithm, i, (double)sum[i],
                  (double)mpi[i]);
            break;
        }
    }
    /* `again` becomes that of rank 0. */
    CHECK(cadre_broadcast(world, again, count, CADRE_F32, 0, NULL) == CADRE_OK,
          "broadcast");
    CHECK(memcmp(sum, again, bytes) == 0, "%s, %zu elements: other bits than rank 0",
          algorithm, count);
    cadre__free(mine);
    cadre__free(sum);
    cadre__free(again);
    cadre__free(mpi);
}

/* The larger of +0 and -0 is whichever operand an implementation prefers: ranks agree on
 * the sign only if they combine in the same order. */
/* Bits are what counts, also where values compare equal. */
static bool same_bits(const void *a, const void *b, size_t bytes)
{
    return memcmp(a, b, bytes) == 0;
}

static void check_signs_of_zero(const char *algorithm)
{
    const cadre_coll_opts opts = {.algorithm = algorithm};
    float mine[32], all[32], of_rank_0[32];

    for (int i = 0; i < 32; i++)
        mine[i] = (i >> check_rank % 5) % 2 == 0 ? 0.0f : -0.0f;
    CHECK(cadre_allreduce(world, mine, all, 32, CADRE_F32, CADRE_MAX, &opts) == CADRE_OK,
          "%s", algorithm);
    memcpy(of_rank_0, all, sizeof all);
    CHECK(cadre_broadcast(world, of_rank_0, 32, CADRE_F32, 0, NULL) == CADRE_OK,
          "broadcast");
    CHECK(same_bits(all, of_rank_0, sizeof all), "%s: other signs than rank 0",
          algorithm);
}

static void test_rounding(void)
{
    static const size_t counts[] = {1, 13, 100000};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        check_rounding("ring", counts[i]);
        check_rounding("recursive_doubling", counts[i]);
    }
    check_signs_of_zero("ring");
    check_signs_of_zero("recursive_doubling");
}

/* ---- Barrier and choice ---- */

/* Nobody leaves before the last has entered: the last one enters late, and knows when. */
static void test_barrier(void)
{
    const char *algorithm;

    for (size_t a = 0; (algorithm = cadre_coll_algorithm("barrier", a, NULL)) != NULL;
         a++) {
        const cadre_coll_opts opts = {.algorithm = algorithm};

        for (int late = 0; late < size; late += 1 + size / 3) {
            int64_t entered = 0, left;

            if (check_rank == late) {
                const int64_t until = cadre_clock_ns() + 3 * CADRE_NS_PER_MS;
                while (cadre_clock_ns() < until)
                    ;
                entered = cadre_clock_ns();
            }
            CHECK(cadre_barrier(world, &opts) == CADRE_OK, "barrier by %s", algorithm);
            left = cadre_clock_ns();
            CHECK(cadre_broadcast(world, &entered, 1, CADRE_I64, late, NULL) == CADRE_OK,
                  "broadcast");
            /* Instants compare within one node only. */
            if (cadre_comm_n_nodes(world) == 1)
                CHECK(left >= entered,
                      "barrier by %s: left %lld ns before rank %d entered", algorithm,
                      (long long)(entered - left), late);
        }
    }
}

static void test_default_choice(void)
{
    static const size_t counts[] = {1, 1000, 100000};

    for (size_t kind = 0; kind < N_KINDS; kind++) {
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
            trial t = {
                .collective = kinds[kind].name, .dtype = CADRE_F64, .count = counts[i]};

            kinds[kind].run(&t);
        }
    }
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "barrier");
}

/* ---- Wrong arguments: refused on every rank before anything is sent ---- */

#define REFUSED(status, call) CHECK((call) == (status), "should be refused")

static void test_bad_allreduce(void)
{
    const cadre_coll_opts unknown = {.algorithm = "rnig"};
    float a[4] = {0}, b[4] = {0};

    REFUSED(CADRE_ERR_ARG, cadre_allreduce(NULL, a, b, 4, CADRE_F32, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, NULL, b, 4, CADRE_F32, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, a, NULL, 4, CADRE_F32, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, a, CADRE_IN_PLACE, 4, CADRE_F32, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_allreduce(world, a, a, 4, CADRE_F32, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, a, a + 1, 3, CADRE_F32, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, a + 1, a, 3, CADRE_F32, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, a, b, 4, (cadre_dtype)9, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, a, b, 4, CADRE_F32, (cadre_reduction)9, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_allreduce(world, a, b, 4, CADRE_F32, CADRE_LAND, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_allreduce(world, a, b, 4, CADRE_F64, CADRE_LOR, NULL));
    REFUSED(CADRE_ERR_RANGE,
            cadre_allreduce(world, a, b, SIZE_MAX / 2, CADRE_F64, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_NOT_FOUND,
            cadre_allreduce(world, a, b, 4, CADRE_F32, CADRE_SUM, &unknown));
    CHECK(strstr(cadre_last_error(), "recursive_doubling, ring, native"),
          "no list of names");
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "barrier after refusals");
}

static void test_bad_arguments(void)
{
    const cadre_coll_opts unknown = {.algorithm = "rnig"};
    float a[4] = {0}, b[4] = {0};

    REFUSED(CADRE_ERR_ARG,
            cadre_reduce(world, a, b, 4, CADRE_F32, CADRE_SUM, size, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_reduce(world, a, b, 4, CADRE_F32, CADRE_SUM, -1, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_broadcast(world, NULL, 4, CADRE_F32, 0, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_broadcast(world, CADRE_IN_PLACE, 4, CADRE_F32, 0, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_broadcast(world, a, 4, CADRE_F32, size, NULL));
    REFUSED(CADRE_ERR_NOT_FOUND, cadre_barrier(world, &unknown));
    REFUSED(CADRE_ERR_ARG, cadre_gather(world, NULL, b, 4, CADRE_F32, 0, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_gather(world, a, a, 1, CADRE_F32, check_rank, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_scatter(world, a, NULL, 4, CADRE_F32, 0, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_allgather(world, a, b, NULL, CADRE_F32, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_scatter(world, a, a, 1, CADRE_F32, check_rank, NULL));
    if (size > 1) {
        const int other = (check_rank + 1) % size;

        REFUSED(CADRE_ERR_ARG, cadre_reduce(world, CADRE_IN_PLACE, b, 4, CADRE_F32,
                                            CADRE_SUM, other, NULL));
        REFUSED(CADRE_ERR_ARG,
                cadre_scatter(world, a, CADRE_IN_PLACE, 4, CADRE_F32, other, NULL));
        REFUSED(CADRE_ERR_RANGE,
                cadre_gather(world, a, b, SIZE_MAX / 8 / (size_t)size * 2, CADRE_F32,
                             other, NULL));
    }
    /* The refusals sent nothing and broke nothing. */
    CHECK(cadre_barrier(world, NULL) == CADRE_OK, "barrier after refusals");
}

/* ---- A rank that never comes ---- */

#define ABSENCE_MS 60

/* Longer than any rank may come late, and than the eager messages of any transport.
 * Static: after a timeout MPI may keep hold of it. */
static float lost_send[200000], lost_recv[200000];

typedef struct absence {
    const char *collective, *algorithm, *sentence;
    size_t count;
} absence;

static cadre_status call_without_one(cadre_comm *comm, const absence *a,
                                     const cadre_coll_opts *opts)
{
    if (strcmp(a->collective, "allreduce") == 0)
        return cadre_allreduce(comm, lost_send, lost_recv, a->count, CADRE_F32, CADRE_SUM,
                               opts);
    return cadre_barrier(comm, opts);
}

/* All but the last rank of a communicator of their own call; all must give up in time,
 * and those that waited for the last one itself must say so. */
static void check_absence(const absence *a, int tag)
{
    const int missing = size - 1;
    int ranks[64], n_named = 0, n_named_all = 0;
    cadre_comm *comm;
    char name[64];

    for (int r = 0; r < size; r++)
        ranks[r] = r;
    CHECK(cadre_comm_create(world, ranks, size, tag, &comm) == CADRE_OK, "comm_create");
    if (comm == NULL)
        return;
    if (check_rank != missing) {
        const int64_t start = cadre_clock_ns();
        const cadre_coll_opts opts = {.algorithm = a->algorithm,
                                      .deadline_ns = cadre_deadline_in_ms(ABSENCE_MS)};
        cadre_status st = call_without_one(comm, a, &opts);
        const int64_t took_ms = (cadre_clock_ns() - start) / CADRE_NS_PER_MS;

        CHECK(st == CADRE_ERR_TIMEOUT, "%s by %s: %s", a->collective, a->algorithm,
              cadre_status_name(st));
        CHECK(took_ms >= ABSENCE_MS - 1 && took_ms < ABSENCE_MS + 5000, "took %lld ms",
              (long long)took_ms);
        CHECK(strstr(cadre_last_error(), a->sentence) != NULL, "expected \"%s\"",
              a->sentence);
        snprintf(name, sizeof name, "rank %d on ", missing);
        n_named = strstr(cadre_last_error(), name) != NULL;
        st = cadre_barrier(comm, NULL);
        CHECK(st == CADRE_ERR_BROKEN, "afterwards: %s", cadre_status_name(st));
        CHECK(strstr(cadre_last_error(), "deadline passed") != NULL,
              "no reason is given");
    }
    CHECK(cadre_allreduce(world, &n_named, &n_named_all, 1, CADRE_I32, CADRE_SUM, NULL) ==
              CADRE_OK,
          "the world survives");
    CHECK(strcmp(a->algorithm, "native") == 0 || n_named_all > 0,
          "%s by %s: nobody names rank %d", a->collective, a->algorithm, missing);
    cadre_comm_destroy(comm);
}

static void test_absence(void)
{
    static const absence absences[] = {
        {"allreduce", "ring", "allreduce by ring, step ", 100},
        {"allreduce", "ring", "allreduce by ring, step ", 200000},
        {"allreduce", "recursive_doubling", "allreduce by recursive_doubling, step ", 1},
        {"barrier", "dissemination", "barrier by dissemination, step ", 0},
        {"barrier", "native", "barrier by native: ", 0},
    };

    for (size_t i = 0; size > 1 && i < sizeof absences / sizeof absences[0]; i++)
        check_absence(&absences[i], 100 + (int)i);
}

/* ---- Ranks that disagree on the count ---- */

static void test_unequal_counts(void)
{
    static const int ranks[] = {0, 1};
    const cadre_coll_opts opts = {.algorithm = "recursive_doubling"};
    cadre_comm *comm;

    if (size < 2 || check_rank > 1)
        return;
    CHECK(cadre_comm_create(world, ranks, 2, 99, &comm) == CADRE_OK, "comm_create");
    if (comm == NULL)
        return;
    const cadre_status st = cadre_allreduce(
        comm, lost_send, lost_recv, check_rank == 0 ? 4 : 2, CADRE_F32, CADRE_SUM, &opts);
    if (check_rank == 0) {
        CHECK(st == CADRE_ERR_ARG, "%s", cadre_status_name(st));
        CHECK(
            strstr(cadre_last_error(), "rank 1 sent 8 bytes where this rank expects 16"),
            "no sizes in the sentence");
    } else {
        CHECK(st != CADRE_OK, "a message longer than its buffer");
    }
    CHECK(cadre_barrier(comm, NULL) == CADRE_ERR_BROKEN, "not broken");
    cadre_comm_destroy(comm);
}

int main(void)
{
    world = check_start();
    size = cadre_comm_size(world);
    test_small();
    test_big();
    test_big_blocks();
    test_rounding();
    test_barrier();
    test_default_choice();
    test_bad_allreduce();
    test_bad_arguments();
    test_unequal_counts();
    test_absence();
    return check_finish(world);
}
