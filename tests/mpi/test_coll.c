/* tests/mpi/test_coll.c - every collective by every algorithm, types, reductions, counts
 * and roots; equal bits on all ranks; wrong arguments; ranks that never come.
 *
 * Inputs are small integers, so all results are exact whatever the order of operations,
 * and are compared with an expectation computed serially. The native algorithm, which is
 * the MPI library's own call, runs through the same comparison, so all results equal
 * MPI's. */
#include "core/memory.h"
#include "mpi_check.h"
#include "ops/half.h"
#include <cadre/coll.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define BIG 150001
#define GUARD 8 /* elements before and after a buffer that nobody may touch */
#define GUARD_BYTE 0xA5
#define MOST_RANKS 64
#define PERIOD 1000 /* of inputs, in elements */

static cadre_comm *world;
static int size;

/* ---- Data ---- */

static double get(const void *buf, cadre_dtype dtype, size_t i)
{
    if (dtype == CADRE_BF16)
        return (double)bf16_to_f32(((const uint16_t *)buf)[i]);
    if (dtype == CADRE_F16)
        return (double)f16_to_f32(((const uint16_t *)buf)[i]);
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
    if (dtype == CADRE_BF16) {
        ((uint16_t *)buf)[i] = f32_to_bf16((float)value);
        return;
    }
    if (dtype == CADRE_F16) {
        ((uint16_t *)buf)[i] = f32_to_f16((float)value);
        return;
    }
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

static bool is_unsigned(cadre_dtype dtype)
{
    return dtype == CADRE_U8 || dtype == CADRE_U16 || dtype == CADRE_U32 ||
           dtype == CADRE_U64;
}

static bool is_float(cadre_dtype dtype)
{
    return dtype == CADRE_F32 || dtype == CADRE_F64 || dtype == CADRE_BF16 ||
           dtype == CADRE_F16;
}

/* One case and its name in messages. */
typedef struct trial {
    cadre_collective collective;
    const char *algorithm;
    cadre_dtype dtype;
    cadre_reduction reduction;
    size_t count;
    int root;
    bool unequal; /* blocks of unequal length */
    bool in_place;
    size_t first[MOST_RANKS + 1]; /* where blocks begin, once it runs */
    size_t skipped[MOST_RANKS];   /* alltoall: elements before ours at each rank */
    char name[160];
} trial;

/* What rank r has as element i: chosen so that each reduction has something to tell, and
 * no sum or product of 16 leaves what the type holds exactly. */
static double input(const trial *t, int r, size_t i)
{
    const bool narrow = cadre_dtype_bytes(t->dtype) < 4;
    const int mix = (int)(i % PERIOD) * 3 + r * 5, shift = is_unsigned(t->dtype) ? 0 : 1;

    switch (t->reduction) {
    case CADRE_PROD:
        if (narrow)
            return mix % 4 == 0 ? 2 : 1;
        return mix % 3 == 0 ? 1 - 2 * shift : mix % 3;
    case CADRE_LAND: /* true everywhere at even i */
        return i % 2 == 0 || mix % 5 != 0 ? mix % 4 + 1 : 0;
    case CADRE_LOR: /* false everywhere at even i */
        return i % 2 == 0 || mix % 5 != 0 ? 0 : mix % 4 + 1;
    default:
        return narrow ? mix % 7 - 3 * shift : mix % 23 - 11 * shift;
    }
}

static double reduce_two(cadre_reduction reduction, double a, double b)
{
    switch (reduction) {
    case CADRE_SUM:
    case CADRE_AVG:
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

/* As the type divides: rounded once, or truncated. */
static double divided(cadre_dtype dtype, double sum)
{
    double out[1];

    if (!is_float(dtype))
        return trunc(sum / size);
    set(out, dtype, 0,
        dtype == CADRE_F64 ? sum / size : (double)((float)sum / (float)size));
    return get(out, dtype, 0);
}

/* The reduction over ranks 0 to last; the values of a period are kept. */
static double reduced(const trial *t, int last, size_t i)
{
    static double values[PERIOD];
    static trial of;
    static int of_last = -1;

    if (of_last == last && of.dtype == t->dtype && of.reduction == t->reduction)
        return values[i % PERIOD];
    of = *t;
    of_last = last;
    for (size_t k = 0; k < PERIOD; k++) {
        values[k] = input(t, 0, k);
        for (int r = 1; r <= last; r++)
            values[k] = reduce_two(t->reduction, values[k], input(t, r, k));
        if (t->reduction == CADRE_AVG)
            values[k] = divided(t->dtype, values[k]);
    }
    return values[i % PERIOD];
}

/* ---- Blocks ---- */

/* Elements of the block of a rank; of alltoall: of what it and rank `other` exchange. */
static size_t block_of(const trial *t, int rank, int other)
{
    const int odd = t->collective == CADRE_ALLTOALL ? other + rank : rank;

    if (t->unequal)
        return odd % 3 == 1 ? t->count / 2 : odd % 3 == 2 ? 0 : t->count;
    if (t->collective == CADRE_REDUCE_SCATTER)
        return t->count / (size_t)size + ((size_t)rank < t->count % (size_t)size);
    return t->count;
}

static void place_blocks(trial *t)
{
    for (int r = 0; r < size; r++) {
        t->first[r + 1] = t->first[r] + block_of(t, r, check_rank);
        t->skipped[r] = 0;
        for (int k = 0; k < check_rank; k++)
            t->skipped[r] += block_of(t, k, r);
    }
}

/* Which block element i belongs to. */
static int find_block(const trial *t, size_t i)
{
    static int rank;

    if (rank >= size || i < t->first[rank])
        rank = 0;
    while (i >= t->first[rank + 1])
        rank++;
    return rank;
}

/* ---- What goes in and what must come out, element i of a buffer of this rank ---- */

static double sent(const trial *t, size_t i)
{
    return input(t, check_rank, i);
}

static double expected(const trial *t, size_t i)
{
    int from;

    switch (t->collective) {
    case CADRE_ALLREDUCE:
    case CADRE_REDUCE:
        return reduced(t, size - 1, i);
    case CADRE_REDUCE_SCATTER:
        return reduced(t, size - 1, t->first[check_rank] + i);
    case CADRE_SCAN:
        return reduced(t, check_rank, i);
    case CADRE_BROADCAST:
        return input(t, t->root, i);
    case CADRE_SCATTER:
        return input(t, t->root, t->first[check_rank] + i);
    case CADRE_GATHER:
    case CADRE_ALLGATHER:
        from = find_block(t, i);
        return input(t, from, i - t->first[from]);
    default: /* alltoall */
        from = find_block(t, i);
        return input(t, from, t->skipped[from] + i - t->first[from]);
    }
}

/* A buffer between guards. */
typedef struct guarded {
    char *memory, *data;
    size_t count, bytes, guard_bytes;
} guarded;

static guarded make_guarded(size_t count, cadre_dtype dtype)
{
    guarded g = {.count = count,
                 .bytes = count * cadre_dtype_bytes(dtype),
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

static const char *collective_name(cadre_collective collective)
{
    static const char *const names[] = {
#define X(id, name) name,
        CADRE_COLLECTIVE_LIST(X)
#undef X
    };

    return names[collective];
}

static const char *name_of(trial *t)
{
    snprintf(t->name, sizeof t->name, "%s by %s, %s %s, %zu elements%s, root %d%s",
             collective_name(t->collective), t->algorithm ? t->algorithm : "choice",
             cadre_reduction_name(t->reduction), cadre_dtype_name(t->dtype), t->count,
             t->unequal ? " or less" : "", t->root, t->in_place ? ", in place" : "");
    return t->name;
}

/* The first element that is not as expected is told, the others are not. */
static void compare(trial *t, const guarded *g, const char *which,
                    double (*value)(const trial *t, size_t i))
{
    for (size_t i = 0; i < g->count; i++) {
        const double want = value(t, i), have = get(g->data, t->dtype, i);

        if (want != have) {
            CHECK(want == have, "%s: element %zu of the %s buffer is %g, expected %g",
                  name_of(t), i, which, have, want);
            return;
        }
    }
}

static void fill(const trial *t, char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set(data, t->dtype, i, sent(t, i));
}

/* ---- One call ---- */

/* Elements of the buffers of this rank, and where input stands in recv when in place. */
typedef struct extents {
    size_t send, recv, offset;
    bool may_be_in_place;
} extents;

static extents extents_of(const trial *t)
{
    const bool root = check_rank == t->root;
    const size_t all = t->first[size], before = t->first[check_rank];
    const size_t own = t->first[check_rank + 1] - before;

    switch (t->collective) {
    case CADRE_REDUCE:
        return (extents){t->count, root ? t->count : 0, 0, root};
    case CADRE_REDUCE_SCATTER:
        return (extents){all, own, 0, true};
    case CADRE_BROADCAST:
        return (extents){0, t->count, 0, false};
    case CADRE_GATHER:
        return (extents){own, root ? all : 0, before, root};
    case CADRE_SCATTER:
        return (extents){root ? all : 0, own, 0, root};
    case CADRE_ALLGATHER:
        return (extents){own, all, before, true};
    case CADRE_ALLTOALL:
        return (extents){all, all, 0, true};
    default:
        return (extents){t->count, t->count, 0, true};
    }
}

/* Algorithms that need something special, and the MPI library's, may refuse. */
static bool may_refuse(const trial *t)
{
    static const char *const names[] = {"native",       "hierarchical", "leader",
                                        "reproducible", "direct",       "bruck"};

    for (size_t i = 0; t->algorithm && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(t->algorithm, names[i]) == 0)
            return true;
    }
    return t->algorithm && strncmp(t->algorithm, "shm", 3) == 0;
}

static void check_result(trial *t, const guarded *send, guarded *recv, const extents *e,
                         bool in_place)
{
    const bool scatters = t->collective == CADRE_SCATTER;

    if (in_place && scatters) {
        CHECK(untouched(recv->data, recv->bytes), "%s wrote", name_of(t));
    } else {
        guarded result = *recv;

        result.count = e->recv;
        compare(t, &result, "receive", expected);
    }
    if (!in_place || scatters)
        compare(t, send, "send", sent);
}

/* Whether the algorithm does this. */
static bool run(trial *t)
{
    place_blocks(t);
    const extents e = extents_of(t);
    const bool in_place = t->in_place && e.may_be_in_place;
    const bool scatters = t->collective == CADRE_SCATTER;
    const size_t recv_count = in_place && e.send > e.recv ? e.send : e.recv;
    size_t *counts = cadre__alloc_n((size_t)size, sizeof *counts);
    guarded send = make_guarded(e.send, t->dtype),
            recv = make_guarded(recv_count, t->dtype);
    const cadre_coll_opts opts = {.algorithm = t->algorithm};
    cadre_coll_args args = {
        .collective = t->collective,
        .send = in_place && !scatters ? CADRE_IN_PLACE : send.data,
        .recv = in_place && scatters ? CADRE_IN_PLACE : recv.data,
        .count = t->count,
        .counts = t->unequal ? counts : NULL,
        .recv_counts = t->unequal && t->collective == CADRE_ALLTOALL ? counts : NULL,
        .dtype = t->dtype,
        .reduction = t->reduction,
        .root = t->root,
    };

    if (counts == NULL)
        cadre_abort(1);
    for (int r = 0; r < size; r++)
        counts[r] = t->first[r + 1] - t->first[r];
    if (in_place && !scatters)
        fill(t, recv.data + e.offset * cadre_dtype_bytes(t->dtype), e.send);
    else if (t->collective == CADRE_BROADCAST && check_rank == t->root)
        fill(t, recv.data, e.recv);
    else
        fill(t, send.data, e.send);
    const cadre_status st = cadre_coll_call(world, &args, &opts);
    CHECK(st == CADRE_OK || (st == CADRE_ERR_UNSUPPORTED && may_refuse(t)), "%s",
          name_of(t));
    if (st == CADRE_OK)
        check_result(t, &send, &recv, &e, in_place);
    free_guarded(&send, name_of(t));
    free_guarded(&recv, name_of(t));
    cadre__free(counts);
    return st == CADRE_OK;
}

/* ---- All of them ---- */

static bool reduces(cadre_collective c)
{
    return c == CADRE_ALLREDUCE || c == CADRE_REDUCE || c == CADRE_REDUCE_SCATTER ||
           c == CADRE_SCAN;
}

static bool rooted(cadre_collective c)
{
    return c == CADRE_REDUCE || c == CADRE_BROADCAST || c == CADRE_GATHER ||
           c == CADRE_SCATTER;
}

static bool has_blocks(cadre_collective c)
{
    return c == CADRE_REDUCE_SCATTER || c == CADRE_GATHER || c == CADRE_SCATTER ||
           c == CADRE_ALLGATHER || c == CADRE_ALLTOALL;
}

static bool meaningful(const trial *t)
{
    const bool logical = t->reduction == CADRE_LAND || t->reduction == CADRE_LOR;

    if (!reduces(t->collective))
        return t->reduction == CADRE_SUM;
    return !(logical && is_float(t->dtype)) &&
           !(t->reduction == CADRE_AVG && t->collective == CADRE_SCAN);
}

/* Counts around the number of ranks, and some more. */
static size_t small_count(int turn)
{
    const size_t counts[] = {1,  (size_t)size, 0, 13, (size_t)size + 1, (size_t)size - 1,
                             600};

    return counts[(size_t)turn % (sizeof counts / sizeof counts[0])];
}

/* Every dtype and reduction; counts, roots, in place or not, equal blocks or not take
 * turns. */
static void try_types(trial t)
{
    static int turn;

    for (int dtype = 0; dtype < CADRE_N_DTYPES; dtype++) {
        for (int reduction = 0; reduction < CADRE_N_REDUCTIONS; reduction++) {
            t.dtype = (cadre_dtype)dtype;
            t.reduction = (cadre_reduction)reduction;
            if (!meaningful(&t))
                continue;
            turn++;
            t.count = small_count(turn);
            t.root = rooted(t.collective) ? turn % size : 0;
            t.in_place = turn / 2 % 2;
            t.unequal = has_blocks(t.collective) && turn / 4 % 2;
            (void)run(&t);
        }
    }
}

/* The first roots, one in the middle and the last, with every small count; types, in
 * place and blocks take turns. */
static void try_counts(trial t)
{
    const int roots[] = {0, 1, size / 2, size - 1};
    int turn = 0;

    for (int k = 0; k < (rooted(t.collective) ? 4 : 1); k++) {
        for (int i = 0; i < 7 && roots[k] < size && (k == 0 || roots[k] > roots[k - 1]);
             i++, turn++) {
            t.dtype = (cadre_dtype)(turn % CADRE_N_DTYPES);
            t.reduction =
                reduces(t.collective) ? (cadre_reduction)(turn % CADRE_LAND) : CADRE_SUM;
            t.root = roots[k];
            t.count = small_count(i);
            t.in_place = turn % 3 == 0;
            t.unequal = has_blocks(t.collective) && turn % 2;
            (void)run(&t);
        }
    }
}

static void each_algorithm(void (*try)(trial t))
{
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        trial t = {.collective = (cadre_collective)c};

        for (size_t a = 0; c != CADRE_BARRIER; a++) {
            t.algorithm = cadre_coll_algorithm(collective_name(t.collective), a, NULL);
            try(t); /* the last time: by choice */
            if (t.algorithm == NULL)
                break;
        }
    }
}

/* Long vectors: many segments, rendezvous messages. */
static void try_big(trial t)
{
    const bool of_each = has_blocks(t.collective) && t.collective != CADRE_REDUCE_SCATTER;

    t.count = of_each ? BIG / (size_t)size + 1 : BIG;
    t.root = rooted(t.collective) ? size / 2 : 0;
    t.dtype = t.algorithm && strlen(t.algorithm) % 2 ? CADRE_F32 : CADRE_I32;
    if (!run(&t))
        return;
    t.in_place = true;
    t.dtype = CADRE_F64;
    t.count /= 2;
    t.unequal = has_blocks(t.collective);
    (void)run(&t);
}

/* Segments that end in the middle of chunks, two of them at least. */
static void try_middling(trial t)
{
    t.count = 20000 * (size_t)size / (has_blocks(t.collective) ? (size_t)size : 1) + 77;
    t.dtype = CADRE_F64;
    t.reduction =
        reduces(t.collective) && t.collective != CADRE_SCAN ? CADRE_AVG : CADRE_SUM;
    t.in_place = t.algorithm && t.algorithm[0] % 2;
    (void)run(&t);
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
    static const size_t counts[] = {1, 13, 30000};
    const char *algorithm;

    for (size_t a = 0; (algorithm = cadre_coll_algorithm("allreduce", a, NULL)); a++) {
        trial t = {.algorithm = algorithm, .count = 1};

        if (strcmp(algorithm, "native") == 0 || !run(&t))
            continue;
        for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
            check_rounding(algorithm, counts[i]);
        check_signs_of_zero(algorithm);
    }
}

/* ---- Barrier and choice ---- */

/* Nobody leaves before the last has entered: the last one enters late, and knows when. */
static void test_barrier(void)
{
    const char *algorithm;

    for (size_t a = 0; (algorithm = cadre_coll_algorithm("barrier", a, NULL)) != NULL;
         a++) {
        const cadre_coll_opts opts = {.algorithm = algorithm};

        if (cadre_barrier(world, &opts) == CADRE_ERR_UNSUPPORTED)
            continue;
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
            cadre_allreduce(world, a, b, 4, (cadre_dtype)99, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_ARG,
            cadre_allreduce(world, a, b, 4, CADRE_F32, (cadre_reduction)9, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_allreduce(world, a, b, 4, CADRE_F32, CADRE_LAND, NULL));
    REFUSED(CADRE_ERR_ARG, cadre_allreduce(world, a, b, 4, CADRE_F64, CADRE_LOR, NULL));
    REFUSED(CADRE_ERR_RANGE,
            cadre_allreduce(world, a, b, SIZE_MAX / 2, CADRE_F64, CADRE_SUM, NULL));
    REFUSED(CADRE_ERR_NOT_FOUND,
            cadre_allreduce(world, a, b, 4, CADRE_F32, CADRE_SUM, &unknown));
    CHECK(strstr(cadre_last_error(), "recursive_doubling, ring, "), "no list of names");
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

/* A call like the one before is not looked at again, but for what may differ. */
static void test_bad_after_good(void)
{
    const cadre_coll_opts named = {.algorithm = "recursive_doubling"};
    const cadre_coll_opts unknown = {.algorithm = "recursive"};
    float a[4] = {1, 1, 1, 1}, b[4];
    double d[4] = {0.5, 0.5, 0.5, 0.5}, e[4];

    for (int round = 0; round < 3; round++) {
        const cadre_coll_opts *opts = round == 1 ? &named : NULL;

        b[3] = 0;
        CHECK(cadre_allreduce(world, a, b, 4, CADRE_F32, CADRE_SUM, opts) == CADRE_OK &&
                  b[3] == (float)size,
              "sum of ones is %g on %d ranks, round %d", b[3], size, round);
        REFUSED(CADRE_ERR_ARG,
                cadre_allreduce(world, NULL, b, 4, CADRE_F32, CADRE_SUM, opts));
        REFUSED(CADRE_ERR_ARG,
                cadre_allreduce(world, a, NULL, 4, CADRE_F32, CADRE_SUM, opts));
        REFUSED(CADRE_ERR_ARG,
                cadre_allreduce(world, a, a + 1, 4, CADRE_F32, CADRE_SUM, opts));
        REFUSED(CADRE_ERR_NOT_FOUND,
                cadre_allreduce(world, a, b, 4, CADRE_F32, CADRE_SUM, &unknown));
        REFUSED(CADRE_ERR_ARG,
                cadre_allreduce(world, a, b, 4, CADRE_F32, CADRE_LAND, opts));
        CHECK(cadre_allreduce(world, d, e, 4, CADRE_F64, CADRE_SUM, opts) == CADRE_OK &&
                  e[3] == 0.5 * size,
              "sum of halves is %g on %d ranks, round %d", e[3], size, round);
        for (int root = 0; root < size; root++) {
            b[0] = check_rank == root ? (float)(root + 7) : 0;
            CHECK(cadre_broadcast(world, b, 1, CADRE_F32, root, NULL) == CADRE_OK &&
                      b[0] == (float)(root + 7),
                  "root %d sent %d and %g came", root, root + 7, b[0]);
            REFUSED(CADRE_ERR_ARG, cadre_broadcast(world, b, 1, CADRE_F32, size, NULL));
            REFUSED(CADRE_ERR_ARG, cadre_broadcast(world, b, 1, CADRE_F32, -1, NULL));
            REFUSED(CADRE_ERR_ARG,
                    cadre_broadcast(world, NULL, 1, CADRE_F32, root, NULL));
        }
    }
}

static cadre_status call_with(cadre_coll_args args, int reproducible)
{
    static float a[4], b[4];

    args.send = args.send ? args.send : a;
    args.recv = b;
    return cadre_coll_call(world, &args,
                           &(cadre_coll_opts){.reproducible = reproducible});
}

static void test_bad_kinds(void)
{
    const size_t counts[64] = {0}, others[64] = {1};

    REFUSED(CADRE_ERR_ARG, cadre_coll_call(world, NULL, NULL));
    REFUSED(CADRE_ERR_ARG,
            call_with((cadre_coll_args){.collective = (cadre_collective)77}, 0));
    REFUSED(CADRE_ERR_ARG, call_with((cadre_coll_args){.collective = CADRE_SCAN,
                                                       .count = 1,
                                                       .reduction = CADRE_AVG},
                                     0));
    REFUSED(
        CADRE_ERR_ARG,
        call_with((cadre_coll_args){.collective = CADRE_ALLREDUCE, .counts = counts}, 0));
    REFUSED(
        CADRE_ERR_ARG,
        call_with((cadre_coll_args){.collective = CADRE_ALLTOALL, .counts = counts}, 0));
    REFUSED(CADRE_ERR_ARG, call_with((cadre_coll_args){.collective = CADRE_ALLGATHER,
                                                       .counts = counts,
                                                       .recv_counts = counts},
                                     0));
    if (size > 1)
        REFUSED(CADRE_ERR_ARG, call_with((cadre_coll_args){.collective = CADRE_ALLTOALL,
                                                           .send = CADRE_IN_PLACE,
                                                           .counts = counts,
                                                           .recv_counts = others},
                                         0));
    REFUSED(CADRE_ERR_UNSUPPORTED,
            call_with((cadre_coll_args){.collective = CADRE_SCAN, .count = 1}, 1));
    REFUSED(CADRE_ERR_UNSUPPORTED,
            call_with((cadre_coll_args){.collective = CADRE_ALLREDUCE,
                                        .count = 1,
                                        .dtype = CADRE_BF16},
                      1));
    CHECK(call_with(
              (cadre_coll_args){.collective = CADRE_SCAN, .count = 1, .dtype = CADRE_I32},
              1) == CADRE_OK,
          "sums of integers are reproducible");
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
        {"allreduce", "ring", "allreduce by ring, step ", 200000},
        {"allreduce", "recursive_doubling", "allreduce by recursive_doubling, step ", 1},
        {"allreduce", "rabenseifner", "allreduce by rabenseifner, step ", 200000},
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
        CHECK(strstr(cadre_last_error(), "differ"), "no reason in the sentence");
    } else {
        CHECK(st != CADRE_OK, "a message longer than its buffer");
    }
    CHECK(cadre_barrier(comm, NULL) == CADRE_ERR_BROKEN, "not broken");
    cadre_comm_destroy(comm);
}

/* ---- Functions of one collective each, which the trials above go past ---- */

static void test_functions(void)
{
    const int ranks = size * (size - 1) / 2; /* 0 + 1 + .. + size - 1 */
    const int until = check_rank * (check_rank + 1) / 2;
    size_t counts[MOST_RANKS];
    float a[MOST_RANKS], b[MOST_RANKS], own = -1, before = -1;

    for (int i = 0; i < size; i++) {
        counts[i] = 1;
        a[i] = (float)(100 * i + check_rank);
    }
    CHECK(cadre_reduce_scatter(world, a, &own, counts, CADRE_F32, CADRE_SUM, NULL) ==
              CADRE_OK,
          "reduce_scatter");
    CHECK(own == (float)(100 * check_rank * size + ranks), "reduce_scatter: %g", own);
    CHECK(cadre_scan(world, a, &before, 1, CADRE_F32, CADRE_SUM, NULL) == CADRE_OK,
          "scan");
    CHECK(before == (float)until, "scan: %g", before);
    CHECK(cadre_alltoall(world, a, b, 1, CADRE_F32, NULL) == CADRE_OK, "alltoall");
    for (int r = 0; r < size; r++)
        CHECK(b[r] == (float)(100 * check_rank + r), "alltoall: %g from %d", b[r], r);
}

int main(void)
{
    world = check_start();
    size = cadre_comm_size(world);
    each_algorithm(try_types);
    each_algorithm(try_counts);
    each_algorithm(try_middling);
    each_algorithm(try_big);
    test_rounding();
    test_barrier();
    test_functions();
    test_bad_allreduce();
    test_bad_arguments();
    test_bad_after_good();
    test_bad_kinds();
    test_unequal_counts();
    test_absence();
    return check_finish(world);
}
