/* coll/reproducible.c - sums and averages of f32 and f64 that have the same bits for any
 * number, order and placement of ranks, and any algorithm: all terms are rounded to
 * integers of one scale, which may be added in any order and in any groups.
 *
 * Method, for each element:
 *   1. the largest exponent of all terms: an allreduce of one byte (f64: two);
 *   2. each term becomes an integer, relative to that exponent (ops/loops_exact.h);
 *   3. the sum of the integers: an allreduce of one int64 (f64: two);
 *   4. back to floating point, rounded once; an average is then divided, and rounded
 *      again.
 * Bins that are fixed by the largest term were first used for sums by Demmel and Hida
 * ("Accurate and efficient floating point summation", 2003; "Fast and accurate floating
 * point summation with application to computational geometry", 2004), and for
 * reproducible ones by Demmel and Nguyen ("Fast reproducible floating-point summation",
 * 2013; "Parallel reproducible summation", 2015) and Ahrens, Demmel and Nguyen
 * ("Algorithms for efficient reproducible floating point summation", 2020). Theirs are
 * floating-point numbers and need an operation of their own; with integers any algorithm
 * of allreduce will do.
 *
 * Error bound: n terms, the largest of magnitude M, give a sum off by less than
 * n M 2^-43 (f32) or n M 2^-85 (f64), and half an ulp of the result. The usual bound of
 * floating-point sums is (n - 1) 2^-24 (2^-53) times the sum of the magnitudes. A sum of
 * zero is +0. Infinities and NaNs give what IEEE 754 says, except that a sum of finite
 * terms is infinite only if the exact one rounds to it.
 *
 * Cost: short vectors: allreduces of a quarter and of twice the bytes. Long ones: the
 * sums are scattered, and each rank turns its slice back, so that twice the bytes travel
 * once and the bytes once more: 1.75 times what a plain sum moves. Three passes over the
 * data besides.
 * Reason: everything is a collective for which the best algorithm at hand is used, and
 * the bytes that move do not grow with the ranks, unlike gathering all terms.
 */
#include "coll/reproducible.h"
#include "coll/choice.h"
#include "coll/cost.h"
#include "coll/schedule.h"
#include "comm/internal.h"
#include "core/memory.h"
#include <string.h>

/* Elements of a block, which are summed at once: some caches full, but enough for each
 * rank that messages are worth their latency. */
#define LEAST_BLOCK ((size_t)64 << 10)
#define MOST_BLOCK ((size_t)1 << 20)
#define BLOCK_OF_RANK ((size_t)16 << 10)

/* A program has at most so many blocks, each with two or three operations. */
#define MOST_BLOCKS 16

/* Integers of so many bytes are cut into slices, one for each rank to finish: then floats
 * travel back instead of integers, at the price of one operation more. */
#define CUT_BYTES ((size_t)256 << 10)

static size_t block_elements(int size)
{
    const size_t wanted = (size_t)size * BLOCK_OF_RANK;

    return wanted < LEAST_BLOCK ? LEAST_BLOCK : wanted > MOST_BLOCK ? MOST_BLOCK : wanted;
}

/* ---- One block of elements ---- */

typedef struct block {
    cadre_dtype dtype;
    size_t first, n; /* elements */
    const void *const *terms;
    size_t n_terms;
    void *top;          /* [n] exponents */
    int64_t *sums;      /* of each slice, one after the other */
    int n_slices, mine; /* the slice that this rank finishes; one slice: all finish it */
    int64_t *own;       /* the sums of that slice over all ranks */
    size_t *counts;     /* [n_slices] elements, */
    size_t *n_sums;     /* and integers, of slices */
    char *out;          /* of the block */
    int divisor;        /* 0: a sum */
} block;

static size_t top_bytes(cadre_dtype dtype)
{
    return dtype == CADRE_F32 ? sizeof(uint8_t) : sizeof(uint16_t);
}

/* Integers that stand for n elements. */
static size_t sums_of(cadre_dtype dtype, size_t n)
{
    return dtype == CADRE_F32 ? n : 2 * n;
}

static cadre__span slice_of(const block *b, int slice)
{
    return cadre__chunk(b->n, b->n_slices, slice);
}

static const void *term_at(const block *b, size_t term, size_t element)
{
    return (const char *)b->terms[term] +
           (b->first + element) * cadre_dtype_bytes(b->dtype);
}

static void find_exponents(void *context)
{
    const block *b = context;
    const cadre_ops *ops = cadre_ops_get();

    memset(b->top, 0, b->n * top_bytes(b->dtype));
    for (size_t t = 0; t < b->n_terms; t++) {
        if (b->dtype == CADRE_F32)
            ops->exponents_f32(term_at(b, t, 0), b->n, b->top);
        else
            ops->exponents_f64(term_at(b, t, 0), b->n, b->top);
    }
}

static void add_terms(void *context)
{
    const block *b = context;
    const cadre_ops *ops = cadre_ops_get();

    memset(b->sums, 0, sums_of(b->dtype, b->n) * sizeof *b->sums);
    for (int slice = 0; slice < b->n_slices; slice++) {
        const cadre__span s = slice_of(b, slice);
        const char *top = (const char *)b->top + s.first * top_bytes(b->dtype);
        int64_t *sums = b->sums + sums_of(b->dtype, s.first);

        for (size_t t = 0; t < b->n_terms; t++) {
            if (b->dtype == CADRE_F32)
                ops->fixed_add_f32(term_at(b, t, s.first), (const void *)top, s.count,
                                   sums);
            else
                ops->fixed_add_f64(term_at(b, t, s.first), (const void *)top, s.count,
                                   sums);
        }
    }
}

static void finish_slice(void *context)
{
    const block *b = context;
    const cadre__span s = slice_of(b, b->mine);
    const char *top = (const char *)b->top + s.first * top_bytes(b->dtype);
    char *out = b->out + s.first * cadre_dtype_bytes(b->dtype);

    if (b->dtype == CADRE_F32)
        cadre_ops_get()->fixed_to_f32(b->own, (const void *)top, s.count, (void *)out);
    else
        cadre_ops_get()->fixed_to_f64(b->own, (const void *)top, s.count, (void *)out);
    if (b->divisor > 1)
        cadre__divide(b->dtype, out, s.count, b->divisor);
}

/* ---- What ranks do together ---- */

static cadre_coll_args exponents_args(const block *b)
{
    return (cadre_coll_args){.collective = CADRE_ALLREDUCE,
                             .send = CADRE_IN_PLACE,
                             .recv = b->top,
                             .count = b->n,
                             .dtype = b->dtype == CADRE_F32 ? CADRE_U8 : CADRE_U16,
                             .reduction = CADRE_MAX};
}

static cadre_coll_args sums_args(const block *b)
{
    const bool cut = b->n_slices > 1;

    return (cadre_coll_args){.collective = cut ? CADRE_REDUCE_SCATTER : CADRE_ALLREDUCE,
                             .send = cut ? (const void *)b->sums : CADRE_IN_PLACE,
                             .recv = b->own,
                             .count = cut ? 0 : sums_of(b->dtype, b->n),
                             .counts = cut ? b->n_sums : NULL,
                             .dtype = CADRE_I64,
                             .reduction = CADRE_SUM};
}

/* Of slices only. */
static cadre_coll_args results_args(const block *b)
{
    return (cadre_coll_args){.collective = CADRE_ALLGATHER,
                             .send = CADRE_IN_PLACE,
                             .recv = b->out,
                             .counts = b->counts,
                             .dtype = b->dtype};
}

/* ---- Memory for blocks of a length ---- */

typedef struct layout {
    size_t length, top_at, own_at, bytes; /* sums first; bytes in all */
    int n_slices, mine;
} layout;

static layout plan_layout(cadre_dtype dtype, size_t length, const cadre_comm *comm,
                          bool may_cut)
{
    const size_t n_sums = sums_of(dtype, length), sums = n_sums * sizeof(int64_t);
    const bool cut = may_cut && sums >= CUT_BYTES && cadre_comm_size(comm) > 1;
    layout l = {.length = length,
                .n_slices = cut ? cadre_comm_size(comm) : 1,
                .mine = cut ? cadre_comm_rank(comm) : 0};
    const size_t most = (length - 1) / (size_t)l.n_slices + 1; /* of a slice */

    l.own_at = cut ? sums : 0;
    l.top_at = sums + (cut ? sums_of(dtype, most) * sizeof(int64_t) : 0);
    l.bytes = l.top_at + length * top_bytes(dtype);
    return l;
}

/* Block `first` to first + n of b, whose dtype, terms, out and divisor are set. */
static void place_block(block *b, const layout *l, char *scratch, size_t *counts,
                        size_t first, size_t n)
{
    b->first = first;
    b->n = n;
    b->sums = (int64_t *)(void *)scratch;
    b->own = (int64_t *)(void *)(scratch + l->own_at);
    b->top = scratch + l->top_at;
    b->n_slices = l->n_slices;
    b->mine = l->mine;
    b->counts = counts;
    b->n_sums = counts + l->n_slices;
    for (int slice = 0; slice < l->n_slices; slice++) {
        b->counts[slice] = slice_of(b, slice).count;
        b->n_sums[slice] = sums_of(b->dtype, b->counts[slice]);
    }
}

/* ---- One term of each rank: a program ---- */

static cadre_status build_block(cadre__coll_call *call, block *b)
{
    const cadre_coll_args exponents = exponents_args(b), sums = sums_args(b);
    const cadre_coll_args results = results_args(b);

    CADRE_TRY(cadre__coll_apply(call, find_exponents, b));
    CADRE_TRY(cadre__coll_child(call, call->comm, &exponents, NULL));
    call->step++;
    CADRE_TRY(cadre__coll_apply(call, add_terms, b));
    CADRE_TRY(cadre__coll_child(call, call->comm, &sums, NULL));
    call->step++;
    CADRE_TRY(cadre__coll_apply(call, finish_slice, b));
    if (b->n_slices > 1)
        CADRE_TRY(cadre__coll_child(call, call->comm, &results, NULL));
    call->step++;
    return CADRE_OK;
}

static cadre_status keep(cadre__coll_call *call, size_t n, size_t bytes, void **out)
{
    return cadre__coll_keep(call, n * bytes, out);
}

cadre_status cadre__allreduce_reproducible(cadre__coll_call *call)
{
    const size_t usual = block_elements(call->size);
    const size_t least = (call->count + MOST_BLOCKS - 1) / MOST_BLOCKS;
    const size_t most = usual > least ? usual : least;
    const size_t length = most < call->count ? most : call->count;
    const size_t n_blocks = (call->count + length - 1) / length;
    const layout l = plan_layout(call->dtype, length, call->comm, true);
    void *blocks, *counts, *term;
    char *scratch;

    call->n_steps = (int)(3 * n_blocks);
    CADRE_TRY(cadre__coll_workspace(call, l.bytes, &scratch));
    CADRE_TRY(keep(call, n_blocks, sizeof(block), &blocks));
    CADRE_TRY(keep(call, n_blocks * (size_t)l.n_slices * 2, sizeof(size_t), &counts));
    CADRE_TRY(keep(call, 1, sizeof(void *), &term));
    *(const void **)term = cadre__coll_input(call);
    for (size_t i = 0; i < n_blocks; i++) {
        const size_t first = i * length, rest = call->count - first;
        block *b = (block *)blocks + i;

        *b = (block){.dtype = call->dtype,
                     .terms = term,
                     .n_terms = 1,
                     .out = (char *)call->recv + first * call->element_bytes,
                     .divisor = call->reduction == CADRE_AVG ? call->size : 0};
        place_block(b, &l, scratch, (size_t *)counts + i * (size_t)l.n_slices * 2, first,
                    rest < length ? rest : length);
        CADRE_TRY(build_block(call, b));
    }
    return CADRE_OK;
}

bool cadre__allreduce_reproducible_applies(const cadre__coll_call *call)
{
    return (size_t)call->size <= CADRE__MOST_TERMS;
}

/* Of another collective, with so many bytes as it counts them, by the cheapest. */
static double child_cost(const cadre__coll_call *call, cadre_collective collective,
                         double bytes)
{
    const cadre__coll_row *row;
    cadre__coll_call child = *call;
    double best = 0;

    child.collective = collective;
    child.reproducible = false;
    child.dtype = CADRE_I64;
    child.reduction = CADRE_SUM;
    child.bytes = (size_t)bytes;
    child.element_bytes = 1;
    child.count = child.bytes;
    for (size_t i = 0; (row = cadre__coll_row_at(collective, i)) != NULL; i++) {
        const double cost = cadre__coll_applies(row, &child) ? row->cost_ns(&child) : 0;
        if (cost > 0 && (best == 0 || cost < best))
            best = cost;
    }
    return best;
}

/* The passes take some four times what adding the bytes takes. */
double cadre__allreduce_reproducible_cost(const cadre__coll_call *call)
{
    const double bytes = (double)call->bytes;
    const double common =
        child_cost(call, CADRE_ALLREDUCE, bytes / 4) + 4 * call->costs->reduce_ns * bytes;

    if (2 * bytes < (double)CUT_BYTES)
        return common + child_cost(call, CADRE_ALLREDUCE, 2 * bytes);
    return common + child_cost(call, CADRE_REDUCE_SCATTER, 2 * bytes) +
           child_cost(call, CADRE_ALLGATHER, bytes / call->size);
}

/* ---- Any number of terms of each rank ---- */

typedef struct pieces_call {
    cadre_comm *comm;
    const void *const *pieces;
    size_t n_pieces, count;
    cadre_coll_opts opts; /* of the operations on blocks */
} pieces_call;

static cadre_status check_pieces(const pieces_call *p, const void *recv,
                                 cadre_dtype dtype, cadre_reduction reduction)
{
    const size_t element = cadre_dtype_bytes(dtype), count = p->count;
    size_t bytes;

    if (dtype != CADRE_F32 && dtype != CADRE_F64)
        return cadre_fail(CADRE_ERR_ARG, "pieces of %s, expected f32 or f64",
                          cadre_dtype_name(dtype));
    if (reduction != CADRE_SUM && reduction != CADRE_AVG)
        return cadre_fail(CADRE_ERR_ARG, "%s of pieces, expected sum or average",
                          cadre_reduction_name(reduction));
    if (__builtin_mul_overflow(count, element, &bytes) || bytes > SIZE_MAX / 4)
        return cadre_fail(CADRE_ERR_RANGE, "pieces of %zu %s elements", count,
                          cadre_dtype_name(dtype));
    if (count > 0 && (recv == NULL || (p->n_pieces > 0 && p->pieces == NULL)))
        return cadre_fail(CADRE_ERR_ARG, "%s is NULL",
                          recv == NULL ? "the receive buffer" : "the list of pieces");
    for (size_t i = 0; count > 0 && i < p->n_pieces; i++) {
        const uintptr_t piece = (uintptr_t)p->pieces[i], to = (uintptr_t)recv;

        if (p->pieces[i] == NULL || p->pieces[i] == CADRE_IN_PLACE)
            return cadre_fail(CADRE_ERR_ARG, "piece %zu of %zu is no buffer", i,
                              p->n_pieces);
        if (piece < to + bytes && to < piece + bytes)
            return cadre_fail(CADRE_ERR_ARG, "piece %zu overlaps the receive buffer", i);
    }
    return CADRE_OK;
}

/* How many all ranks have together; all fail alike if that cannot be summed. */
static cadre_status count_pieces(const pieces_call *p, cadre_reduction reduction,
                                 int64_t *n_terms)
{
    const size_t most = CADRE__MOST_TERMS + 1; /* more cannot be told from it */

    *n_terms = (int64_t)(p->n_pieces < most ? p->n_pieces : most);
    CADRE_TRY(cadre_allreduce(p->comm, CADRE_IN_PLACE, n_terms, 1, CADRE_I64, CADRE_SUM,
                              &p->opts));
    if (*n_terms > (int64_t)CADRE__MOST_TERMS)
        return cadre_fail(CADRE_ERR_RANGE, "more than %zu of all ranks together",
                          CADRE__MOST_TERMS);
    if (*n_terms == 0 && reduction == CADRE_AVG)
        return cadre_fail(CADRE_ERR_ARG, "no rank has any");
    return CADRE_OK;
}

static cadre_status sum_block(const pieces_call *p, block *b)
{
    const cadre_coll_args exponents = exponents_args(b), sums = sums_args(b);
    const cadre_coll_args results = results_args(b);

    find_exponents(b);
    CADRE_TRY(cadre_coll_call(p->comm, &exponents, &p->opts));
    add_terms(b);
    CADRE_TRY(cadre_coll_call(p->comm, &sums, &p->opts));
    finish_slice(b);
    return b->n_slices > 1 ? cadre_coll_call(p->comm, &results, &p->opts) : CADRE_OK;
}

static cadre_status sum_pieces(const pieces_call *p, void *recv, cadre_dtype dtype,
                               int divisor)
{
    const size_t usual = block_elements(cadre_comm_size(p->comm));
    const layout l =
        plan_layout(dtype, usual < p->count ? usual : p->count, p->comm,
                    p->opts.algorithm == NULL); /* what is named is an allreduce */
    const size_t counts_bytes = 2 * (size_t)l.n_slices * sizeof(size_t);
    char *scratch = cadre__alloc(l.bytes + counts_bytes);
    cadre_status st = CADRE_OK;

    if (scratch == NULL)
        return CADRE_ERR_NOMEM;
    for (size_t first = 0; first < p->count && st == CADRE_OK; first += l.length) {
        const size_t rest = p->count - first;
        block b = {.dtype = dtype,
                   .terms = p->pieces,
                   .n_terms = p->n_pieces,
                   .out = (char *)recv + first * cadre_dtype_bytes(dtype),
                   .divisor = divisor};

        place_block(&b, &l, scratch + counts_bytes, (size_t *)(void *)scratch, first,
                    rest < l.length ? rest : l.length);
        st = sum_block(p, &b);
    }
    if (st == CADRE_OK) /* else MPI may use it for ever */
        cadre__free(scratch);
    return st;
}

cadre_status cadre_allreduce_pieces(cadre_comm *comm, const void *const *pieces,
                                    size_t n_pieces, void *recv, size_t count,
                                    cadre_dtype dtype, cadre_reduction reduction,
                                    const cadre_coll_opts *opts)
{
    pieces_call p = {
        .comm = comm, .pieces = pieces, .n_pieces = n_pieces, .count = count};
    int64_t n_terms = 0;

    if (comm == NULL)
        return cadre_fail(CADRE_ERR_ARG, "pieces: there is no communicator");
    CADRE_TRY(cadre__comm_check(comm));
    CADRE_TRY(check_pieces(&p, recv, dtype, reduction));
    if (count == 0)
        return CADRE_OK;
    p.opts.algorithm = opts ? opts->algorithm : NULL;
    p.opts.deadline_ns = opts && opts->deadline_ns
                             ? opts->deadline_ns
                             : cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS);
    cadre_status st = count_pieces(&p, reduction, &n_terms);
    if (st == CADRE_OK)
        st = sum_pieces(&p, recv, dtype, reduction == CADRE_AVG ? (int)n_terms : 0);
    return cadre_context(st, "reproducible %s of pieces",
                         cadre_reduction_name(reduction));
}
