/* tests/mpi/test_reproducible.c - sums that have the same bits for any number of ranks:
 * the same pieces of data are dealt to the ranks in many ways and summed by every
 * algorithm, blocking and as plans. What comes out is compared with digests that are
 * written down here, so that runs with other numbers of ranks are compared, too; with
 * exact sums in integers of 128 bits where nothing but the result is rounded; and with
 * the error bound that is promised. */
#include "core/memory.h"
#include "mpi_check.h"
#include <cadre/coll.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { PIECES = 12, COUNT = 70001, KINDS = 4 };

__extension__ typedef __int128 wide;

static cadre_comm *world;
static int rank, size;

static float *f32[PIECES];
static double *f64[PIECES];
static float *sum_f32;
static double *sum_f64;

/* ---- Data ---- */

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* What pieces hold: numbers of like size, of very unlike size, subnormal ones, and sums
 * that nearly cancel. Every rank knows all pieces. */
enum { LIKE, UNLIKE, SUBNORMAL, CANCELLING };

static const int spread[KINDS] = {12, 60, 5, 16};

/* The unit that all numbers of a kind are multiples of, as a power of two. */
static int unit_of(int kind, cadre_dtype dtype)
{
    if (kind == SUBNORMAL)
        return dtype == CADRE_F32 ? -149 : -1074;
    return kind == UNLIKE ? -60 : -30;
}

static void fill(int kind)
{
    uint64_t seed = (uint64_t)kind + 1;

    for (int p = 0; p < PIECES; p++)
        for (int i = 0; i < COUNT; i++) {
            const int64_t bits = (int64_t)next(&seed);
            const int power = (int)(next(&seed) % (uint64_t)(spread[kind] + 1));
            const int64_t m24 = kind == SUBNORMAL ? bits >> 50 : bits >> 40;
            const int64_t m53 = kind == SUBNORMAL ? bits >> 30 : bits >> 11;
            f32[p][i] = ldexpf((float)m24, unit_of(kind, CADRE_F32) + power);
            f64[p][i] = ldexp((double)m53, unit_of(kind, CADRE_F64) + power);
            if (kind == CANCELLING && p % 2 && i % 5) {
                f32[p][i] = -f32[p - 1][i];
                f64[p][i] = -f64[p - 1][i];
            }
        }
}

/* FNV-1a (Fowler, Noll and Vo 1991), of words of 32 bits. */
static uint64_t digest(const void *data, size_t bytes)
{
    const char *at = data;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < bytes; i += sizeof(uint32_t)) {
        uint32_t word;
        memcpy(&word, at + i, sizeof word);
        hash = (hash ^ word) * 0x100000001b3u;
    }
    return hash;
}

/* Of the sums as the method defines them, made with Python's integers. */
static const uint64_t expected[KINDS][2] = {
    [LIKE] = {0xaaead2a436afd984, 0x0ca9b495e04ff177},
    [UNLIKE] = {0x84095254ff9aa7bf, 0x91f6c5f4056c70c6},
    [SUBNORMAL] = {0x2c9bcf0cddfa6041, 0xdbf69304fea79918},
    [CANCELLING] = {0x805da32710726875, 0x07843a92aa908430},
};

/* ---- Exact sums ---- */

/* x as a multiple of 2^unit, which it is. */
static wide in_units(double x, int unit)
{
    int exponent;
    const int64_t digits = (int64_t)ldexp(frexp(x, &exponent), 53);
    const int shift = exponent - 53 - unit;

    if (x == 0)
        return 0;
    return shift >= 0 ? (wide)digits * ((wide)1 << shift) : (wide)digits >> -shift;
}

/* The first wrong value is enough to read. */
static bool check_value(int kind, cadre_dtype dtype, int i, double sum)
{
    const int unit = unit_of(kind, dtype), digits = dtype == CADRE_F32 ? 24 : 53;
    const int below = dtype == CADRE_F32 ? 43 : 85;
    double most = 0;
    wide exact = 0;
    int exponent;

    for (int p = 0; p < PIECES; p++) {
        const double x = dtype == CADRE_F32 ? (double)f32[p][i] : f64[p][i];
        exact += in_units(x, unit);
        most = fmax(most, fabs(x));
    }
    if (kind != UNLIKE) { /* nothing but the result is rounded, and gcc rounds as IEEE */
        const double want = dtype == CADRE_F32 ? ldexp((double)(float)exact, unit)
                                               : ldexp((double)exact, unit);
        CHECK(sum == want, "kind %d, %s, element %d: %a, expected %a", kind,
              cadre_dtype_name(dtype), i, sum, want);
        return sum == want;
    }
    frexp(sum, &exponent);
    const double error = fabs(ldexp((double)(in_units(sum, unit) - exact), unit));
    const double bound = PIECES * most * ldexp(1, -below) + ldexp(0.5, exponent - digits);
    CHECK(error <= bound, "%s, element %d: off by %g, expected %g at most",
          cadre_dtype_name(dtype), i, error, bound);
    return error <= bound;
}

static void check_sums(int kind, const char *what)
{
    const uint64_t of_f32 = digest(sum_f32, COUNT * sizeof *sum_f32);
    const uint64_t of_f64 = digest(sum_f64, COUNT * sizeof *sum_f64);

    CHECK(of_f32 == expected[kind][0] && of_f64 == expected[kind][1],
          "kind %d, %s: digests 0x%016llx, 0x%016llx", kind, what,
          (unsigned long long)of_f32, (unsigned long long)of_f64);
    memset(sum_f32, 0xff, COUNT * sizeof *sum_f32);
    memset(sum_f64, 0xff, COUNT * sizeof *sum_f64);
}

/* ---- Pieces ---- */

/* Which rank has piece p: dealt in turn, in rows, at random, all to the last. */
static int owner(int deal, int p)
{
    uint64_t seed = (uint64_t)p * 100 + (uint64_t)deal;

    switch (deal) {
    case 0:
        return p % size;
    case 1:
        return p * size / PIECES;
    case 2:
        return size - 1;
    default:
        return (int)(next(&seed) % (uint64_t)size);
    }
}

/* Backwards at odd deals. */
static size_t own_pieces(int deal, const void **out_f32, const void **out_f64)
{
    size_t n = 0;

    for (int i = 0; i < PIECES; i++) {
        const int p = deal % 2 ? PIECES - 1 - i : i;
        if (owner(deal, p) != rank)
            continue;
        out_f32[n] = f32[p];
        out_f64[n++] = f64[p];
    }
    return n;
}

static void sum_pieces(int deal, const char *algorithm, cadre_reduction reduction)
{
    const cadre_coll_opts opts = {.algorithm = algorithm};
    const void *of_f32[PIECES], *of_f64[PIECES];
    const size_t n = own_pieces(deal, of_f32, of_f64);

    CHECK(cadre_allreduce_pieces(world, of_f32, n, sum_f32, COUNT, CADRE_F32, reduction,
                                 &opts) == CADRE_OK,
          "f32, %s", algorithm ? algorithm : "by choice");
    CHECK(cadre_allreduce_pieces(world, of_f64, n, sum_f64, COUNT, CADRE_F64, reduction,
                                 &opts) == CADRE_OK,
          "f64, %s", algorithm ? algorithm : "by choice");
}

static void check_pieces(int kind)
{
    for (int deal = 0; deal < 4; deal++) {
        sum_pieces(deal, NULL, CADRE_SUM);
        for (int i = rank; deal == 0 && i < COUNT; i += size)
            if (!check_value(kind, CADRE_F32, i, (double)sum_f32[i]) ||
                !check_value(kind, CADRE_F64, i, sum_f64[i]))
                break;
        check_sums(kind, "pieces");
    }
}

static void check_algorithms(int kind)
{
    const char *name;

    for (size_t i = 0; (name = cadre_coll_algorithm("allreduce", i, NULL)); i++) {
        const cadre_coll_opts opts = {.algorithm = name};
        uint8_t byte = 0;
        const cadre_status st =
            cadre_allreduce(world, CADRE_IN_PLACE, &byte, 1, CADRE_U8, CADRE_MAX, &opts);
        if (st == CADRE_OK) { /* not all apply, but to all ranks alike */
            sum_pieces((int)i, name, CADRE_SUM);
            check_sums(kind, name);
        }
    }
}

/* ---- One piece of each rank ---- */

/* The plain call gives what pieces do, if each rank has one. */
static void check_plain(int kind, cadre_reduction reduction)
{
    const cadre_coll_opts opts = {.reproducible = 1};
    const void *of_f32[] = {f32[rank % PIECES]}, *of_f64[] = {f64[rank % PIECES]};
    float *out_f32 = cadre__alloc_n(COUNT, sizeof *out_f32);
    double *out_f64 = cadre__alloc_n(COUNT, sizeof *out_f64);

    CHECK(cadre_allreduce_pieces(world, of_f32, 1, sum_f32, COUNT, CADRE_F32, reduction,
                                 NULL) == CADRE_OK,
          "f32");
    CHECK(cadre_allreduce_pieces(world, of_f64, 1, sum_f64, COUNT, CADRE_F64, reduction,
                                 NULL) == CADRE_OK,
          "f64");
    CHECK(cadre_allreduce(world, of_f32[0], out_f32, COUNT, CADRE_F32, reduction,
                          &opts) == CADRE_OK,
          "f32");
    CHECK(memcmp(out_f32, sum_f32, COUNT * sizeof *out_f32) == 0, "kind %d, f32", kind);
    memcpy(out_f64, of_f64[0], COUNT * sizeof *out_f64);
    CHECK(cadre_allreduce(world, CADRE_IN_PLACE, out_f64, COUNT, CADRE_F64, reduction,
                          &opts) == CADRE_OK,
          "f64");
    CHECK(memcmp(out_f64, sum_f64, COUNT * sizeof *out_f64) == 0, "kind %d, f64", kind);
    cadre__free(out_f32);
    cadre__free(out_f64);
}

/* A plan, started several times on other data, sums as the blocking call. */
static void check_plan(void)
{
    const cadre_coll_opts opts = {.reproducible = 1};
    float *in = cadre__alloc_n(COUNT, sizeof *in);
    float *out = cadre__alloc_n(COUNT, sizeof *out);
    const cadre_coll_args args = {.collective = CADRE_ALLREDUCE,
                                  .send = in,
                                  .recv = out,
                                  .count = COUNT,
                                  .dtype = CADRE_F32,
                                  .reduction = CADRE_AVG};
    cadre_coll_plan *plan = NULL;

    CHECK(cadre_coll_plan_make(world, &args, &opts, &plan) == CADRE_OK, "plan");
    for (int turn = 0; turn < 3; turn++) {
        memcpy(in, f32[(rank + turn) % PIECES], COUNT * sizeof *in);
        CHECK(cadre_coll_start(plan, 0) == CADRE_OK, "turn %d", turn);
        CHECK(cadre_coll_wait(plan) == CADRE_OK, "turn %d", turn);
        CHECK(cadre_allreduce(world, in, sum_f32, COUNT, CADRE_F32, CADRE_AVG, &opts) ==
                  CADRE_OK,
              "turn %d", turn);
        CHECK(memcmp(out, sum_f32, COUNT * sizeof *out) == 0, "turn %d", turn);
    }
    cadre_coll_plan_free(plan);
    cadre__free(in);
    cadre__free(out);
}

/* An average is the sum, divided by the pieces. */
static void check_average(void)
{
    static float sums[COUNT];

    sum_pieces(0, NULL, CADRE_SUM);
    memcpy(sums, sum_f32, sizeof sums);
    sum_pieces(1, NULL, CADRE_AVG);
    for (int i = 0; i < COUNT; i++)
        sums[i] /= PIECES;
    CHECK(memcmp(sums, sum_f32, sizeof sums) == 0, "averages differ");
}

/* ---- Infinities, NaN, small counts ---- */

static void check_special(void)
{
    /* One element for each case; terms of even and odd pieces. */
    const float even[] = {1, INFINITY, INFINITY, NAN, -INFINITY, 0x1.8p127f, -0.0f};
    const float odd[] = {2, 1, -INFINITY, INFINITY, -1, -0x1.8p127f, -0.0f};
    const int n = sizeof even / sizeof even[0];
    const void *mine[PIECES];
    float sum[8];
    size_t n_mine = 0;

    for (int p = 0; p < PIECES; p++)
        if (owner(3, p) == rank)
            mine[n_mine++] = p % 2 ? odd : even;
    CHECK(cadre_allreduce_pieces(world, mine, n_mine, sum, (size_t)n, CADRE_F32,
                                 CADRE_SUM, NULL) == CADRE_OK,
          "special values");
    CHECK(sum[0] == 18, "%g", (double)sum[0]);
    CHECK(isinf(sum[1]) && sum[1] > 0, "%g", (double)sum[1]);
    CHECK(isnan(sum[2]) && isnan(sum[3]), "%g %g", (double)sum[2], (double)sum[3]);
    CHECK(isinf(sum[4]) && sum[4] < 0, "%g", (double)sum[4]);
    CHECK(sum[5] == 0, "%g", (double)sum[5]); /* partial sums would overflow */
    CHECK(sum[6] == 0 && !signbit(sum[6]), "%g", (double)sum[6]);
}

static void check_refused(void)
{
    const cadre_coll_opts opts = {.reproducible = 1};
    const void *pieces[] = {f32[0], NULL};
    float out[4];

    CHECK(cadre_allreduce_pieces(world, pieces, 1, out, 4, CADRE_I32, CADRE_SUM, NULL) ==
              CADRE_ERR_ARG,
          "type");
    CHECK(cadre_allreduce_pieces(world, pieces, 1, out, 4, CADRE_F32, CADRE_MAX, NULL) ==
              CADRE_ERR_ARG,
          "reduction");
    CHECK(cadre_allreduce_pieces(world, pieces, 2, out, 4, CADRE_F32, CADRE_SUM, NULL) ==
              CADRE_ERR_ARG,
          "a piece is NULL");
    CHECK(cadre_allreduce_pieces(world, NULL, 1, out, 4, CADRE_F32, CADRE_SUM, NULL) ==
              CADRE_ERR_ARG,
          "no pieces");
    CHECK(cadre_allreduce_pieces(world, pieces, 1, NULL, 4, CADRE_F32, CADRE_SUM, NULL) ==
              CADRE_ERR_ARG,
          "no result");
    CHECK(cadre_allreduce_pieces(world, pieces, 1, f32[0] + 3, 4, CADRE_F32, CADRE_SUM,
                                 NULL) == CADRE_ERR_ARG,
          "overlap");
    CHECK(cadre_allreduce_pieces(world, pieces, 1, out, SIZE_MAX / 4, CADRE_F32,
                                 CADRE_SUM, NULL) == CADRE_ERR_RANGE,
          "too many bytes");
    CHECK(cadre_allreduce_pieces(NULL, pieces, 1, out, 4, CADRE_F32, CADRE_SUM, NULL) ==
              CADRE_ERR_ARG,
          "no comm");
    CHECK(cadre_allreduce_pieces(world, NULL, 0, out, 4, CADRE_F32, CADRE_AVG, NULL) ==
              CADRE_ERR_ARG,
          "an average of nothing");
    CHECK(cadre_allreduce_pieces(world, NULL, 0, out, 4, CADRE_F32, CADRE_SUM, NULL) ==
                  CADRE_OK &&
              out[0] == 0,
          "a sum of nothing");
    CHECK(cadre_allreduce(world, f32[0], out, 4, CADRE_F32, CADRE_PROD, &opts) ==
              CADRE_ERR_UNSUPPORTED,
          "a product cannot be");
}

/* More than the integers hold: refused on all ranks, and the comm works on. */
static void check_too_many(void)
{
    const size_t n = ((size_t)1 << 20) / (size_t)size + 2;
    const void **many = cadre__alloc_n(n, sizeof *many);
    const float one = 1;
    float out = 0;

    for (size_t i = 0; i < n; i++)
        many[i] = &one;
    CHECK(cadre_allreduce_pieces(world, many, n, &out, 1, CADRE_F32, CADRE_SUM, NULL) ==
              CADRE_ERR_RANGE,
          "too many pieces");
    CHECK(cadre_allreduce_pieces(world, many, n - 3, &out, 1, CADRE_F32, CADRE_SUM,
                                 NULL) == CADRE_OK &&
              out == (float)((n - 3) * (size_t)size),
          "many pieces: %g", (double)out);
    cadre__free(many);
}

int main(void)
{
    world = check_start();
    rank = cadre_comm_rank(world);
    size = cadre_comm_size(world);
    for (int p = 0; p < PIECES; p++) {
        f32[p] = cadre__alloc_n(COUNT, sizeof *f32[p]);
        f64[p] = cadre__alloc_n(COUNT, sizeof *f64[p]);
    }
    sum_f32 = cadre__alloc_n(COUNT, sizeof *sum_f32);
    sum_f64 = cadre__alloc_n(COUNT, sizeof *sum_f64);

    for (int kind = 0; kind < KINDS; kind++) {
        fill(kind);
        check_pieces(kind);
        if (kind == UNLIKE)
            check_algorithms(kind);
        check_plain(kind, CADRE_SUM);
    }
    fill(LIKE);
    check_plain(LIKE, CADRE_AVG);
    check_plan();
    check_average();
    check_special();
    check_refused();
    check_too_many();

    for (int p = 0; p < PIECES; p++) {
        cadre__free(f32[p]);
        cadre__free(f64[p]);
    }
    cadre__free(sum_f32);
    cadre__free(sum_f64);
    return check_finish(world);
}
