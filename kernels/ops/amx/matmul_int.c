/* ops/amx/matmul_int.c - products of the quantised types by tdpbssd, as packed.h says.
 *
 * An integer sum over one block of 32 k (Q6_K: 16) is one instruction for 16 rows and 16
 * outputs, half (a quarter) as deep as it could be; then the sums are stored, converted,
 * and added to those of floats with their scales. Weights are unpacked to signed bytes,
 * from which the zero has been taken, so that nothing is left to correct; that is done
 * for a chunk of k at a time, once for the tiles of rows of a part. While the sums of one
 * tile are scaled, those of the next are multiplied. */
#include "ops/amx/amx.h"
#include "ops/amx/tile.h"
#include "ops/avx512/avx512.h"
#include "ops/avx512/weights.h"
#include <string.h>

enum {
    N_SUMS = 8,  /* of a row and output in a chunk of k */
    N_TILES = 4, /* of a part */
    SCALED = 4,  /* rows that are scaled at a time */

    /* Bytes of a chunk, where it is not a superblock. */
    Q8_0_CHUNK = N_SUMS / 2 * CADRE__Q8_0_GROUP_BYTES,
    Q4_0_CHUNK = N_SUMS / 2 * CADRE__Q4_0_GROUP_BYTES,
    Q6_K_CHUNK = CADRE__Q6_K_BYTES / 2, /* on average: a superblock has a head */

    /* Below so many rows the tiles would stand nearly empty. */
    MIN_ROWS = 5
};

/* A chunk of a panel. */
typedef struct weights {
    _Alignas(64) uint8_t quads[8 * N_SUMS][CADRE__QUAD_BYTES]; /* of int8 */
    float scale[N_SUMS][CADRE_PANEL];
    float minimum[N_SUMS][CADRE_PANEL]; /* Q4_K, Q5_K */
} weights;

/* One integer sum for each row and output of a tile, for each of two jobs in turn. They
 * lie so that no sum of one has the low 12 bits of its address in common with one of the
 * other: loads of the one would seem to depend on stores of the other. */
typedef int32_t both_sums[2][TILE_HEIGHT][CADRE_PANEL];

/* A chunk times a tile of rows. */
typedef struct job {
    const weights *w;
    size_t n_sums;                 /* even */
    const uint8_t *values;         /* of the tile's first row */
    size_t row_bytes, row_blocks;  /* the distance of rows */
    const float *scales, *offsets; /* of its first own row */
    both_sums *sums;               /* [n_sums], of all the tile's rows */
    size_t turn;                   /* which of the two */
    size_t n_rows, before;         /* own rows, and others before them */
    float (*acc)[CADRE_PANEL];     /* of the own rows */
} job;

typedef void unpack_fn(const uint8_t *panel, size_t chunk, size_t n_sums, weights *out);
typedef void scale_fn(const job *j, size_t row, size_t n);

/* How a type is multiplied. */
typedef struct scheme {
    size_t depth;       /* k of a sum */
    size_t chunk_bytes; /* of a panel */
    unpack_fn *unpack;
    scale_fn *scale;
} scheme;

/* ---- Weights: a chunk of a panel, in signed bytes ---- */

/* Where the quads of the 64 k number c of a chunk are. */
INLINE void store_quad(weights *out, size_t c, size_t j, __m512i signed_quad)
{
    _mm512_store_si512(out->quads[16 * c + j], signed_quad);
}

typedef __m512i quad_fn(const uint8_t *w, size_t j);

/* Q8_0 and Q4_0; a chunk is four groups. */
INLINE void unpack_groups(const uint8_t *group, size_t group_bytes, quad_fn *quad,
                          char zero, size_t n_sums, weights *out)
{
    for (size_t c = 0; c < n_sums / 2; c++, group += group_bytes) {
        UNROLL
        for (size_t j = 0; j < 16; j++)
            store_quad(out, c, j,
                       _mm512_sub_epi8(quad(group, j), _mm512_set1_epi8(zero)));
        _mm512_store_ps(out->scale[2 * c], load_f16(group));
        _mm512_store_ps(out->scale[2 * c + 1], load_f16(group + 32));
    }
}

static void unpack_q8_0(const uint8_t *panel, size_t chunk, size_t n_sums, weights *out)
{
    unpack_groups(panel + chunk * Q8_0_CHUNK, CADRE__Q8_0_GROUP_BYTES, q8_0_quad,
                  (char)-128, n_sums, out);
}

static void unpack_q4_0(const uint8_t *panel, size_t chunk, size_t n_sums, weights *out)
{
    unpack_groups(panel + chunk * Q4_0_CHUNK, CADRE__Q4_0_GROUP_BYTES, q4_0_quad, 8,
                  n_sums, out);
}

/* Q4_K and Q5_K; a chunk is a superblock. */
INLINE void unpack_super(const uint8_t *super, size_t part_bytes, quad_fn *quad,
                         weights *out)
{
    const __m512 d = load_f16(super), dmin = load_f16(super + 32);
    const uint8_t *at = super + CADRE__HEAD_BYTES;

    for (size_t c = 0; c < 4; c++, at += part_bytes) {
        UNROLL
        for (size_t j = 0; j < 16; j++)
            store_quad(out, c, j, quad(at, j));
        for (size_t i = 0; i < 2; i++) {
            const uint8_t *scale = at + i * CADRE_PANEL;
            _mm512_store_ps(out->scale[2 * c + i], _mm512_mul_ps(d, load_u8(scale)));
            _mm512_store_ps(out->minimum[2 * c + i],
                            _mm512_mul_ps(dmin, load_u8(scale + CADRE__PART_MINIMA)));
        }
    }
}

static void unpack_q4_k(const uint8_t *panel, size_t chunk, size_t n_sums, weights *out)
{
    (void)n_sums;
    unpack_super(panel + chunk * CADRE__Q4_K_BYTES, CADRE__Q4_K_PART_BYTES, q4_k_quad,
                 out);
}

static void unpack_q5_k(const uint8_t *panel, size_t chunk, size_t n_sums, weights *out)
{
    (void)n_sums;
    unpack_super(panel + chunk * CADRE__Q5_K_BYTES, CADRE__Q5_K_PART_BYTES, q5_k_quad,
                 out);
}

/* A chunk is half a superblock. */
static void unpack_q6_k(const uint8_t *panel, size_t chunk, size_t n_sums, weights *out)
{
    const uint8_t *super = panel + chunk / 2 * CADRE__Q6_K_BYTES;
    const uint8_t *at =
        super + CADRE__HEAD_BYTES + chunk % 2 * 2 * CADRE__Q6_K_PART_BYTES;
    const __m512 d = load_f16(super);

    (void)n_sums;
    for (size_t c = 0; c < 2; c++, at += CADRE__Q6_K_PART_BYTES) {
        UNROLL
        for (size_t j = 0; j < 16; j++)
            store_quad(out, c, j,
                       _mm512_sub_epi8(q6_k_quad(at, j), _mm512_set1_epi8(32)));
        for (size_t h = 0; h < 4; h++)
            _mm512_store_ps(out->scale[4 * c + h],
                            _mm512_mul_ps(d, load_s8(at + h * CADRE_PANEL)));
    }
}

/* ---- Sums ---- */

/* Two sums of the job from number s on, of all rows of the tile. */
INLINE void multiply_two(const job *j, size_t depth, size_t s)
{
    const uint8_t *values = j->values + s * depth;
    const uint8_t *quads = j->w->quads[s * depth / 4];

    _tile_zero(0);
    _tile_zero(1);
    LOAD_TILE(4, values, j->row_bytes);
    LOAD_TILE(6, quads, TILE_ROW_BYTES);
    _tile_dpbssd(0, 4, 6);
    LOAD_TILE(5, values + depth, j->row_bytes);
    LOAD_TILE(7, quads + depth / 4 * CADRE__QUAD_BYTES, TILE_ROW_BYTES);
    _tile_dpbssd(1, 5, 7);
    _tile_stored(0, j->sums[s][j->turn], TILE_ROW_BYTES);
    _tile_stored(1, j->sums[s + 1][j->turn], TILE_ROW_BYTES);
}

/* Add the scaled sums of n rows (a constant) from `row` on, of the own ones; a block of
 * 32 k has sums_per_block of them. */
INLINE void scale_n(const job *j, size_t row, size_t n, size_t sums_per_block, int minima)
{
    const float *scales = j->scales + row * j->row_blocks;
    const float *offsets = j->offsets + row * j->row_blocks;
    __m512 acc[SCALED];

    UNROLL
    for (size_t r = 0; r < n; r++)
        acc[r] = _mm512_load_ps(j->acc[row + r]);
    for (size_t s = 0; s < j->n_sums; s++) {
        const size_t block = s / sums_per_block;
        const __m512 scale = _mm512_load_ps(j->w->scale[s]);
        UNROLL
        for (size_t r = 0; r < n; r++) {
            const float *of_row = scales + r * j->row_blocks;
            const __m512i sum =
                _mm512_load_si512(j->sums[s][j->turn][j->before + row + r]);
            acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum),
                                     _mm512_mul_ps(scale, _mm512_set1_ps(of_row[block])),
                                     acc[r]);
        }
        if (!minima)
            continue;
        const __m512 minimum = _mm512_load_ps(j->w->minimum[s]);
        UNROLL
        for (size_t r = 0; r < n; r++) {
            const float *of_row = offsets + r * j->row_blocks;
            acc[r] = _mm512_fnmadd_ps(minimum, _mm512_set1_ps(of_row[block]), acc[r]);
        }
    }
    UNROLL
    for (size_t r = 0; r < n; r++)
        _mm512_store_ps(j->acc[row + r], acc[r]);
}

/* The same for n from 1 to SCALED. */
INLINE void scale_some(const job *j, size_t row, size_t n, size_t sums_per_block,
                       int minima)
{
    if (n == 4)
        scale_n(j, row, 4, sums_per_block, minima);
    else if (n == 3)
        scale_n(j, row, 3, sums_per_block, minima);
    else if (n == 2)
        scale_n(j, row, 2, sums_per_block, minima);
    else
        scale_n(j, row, 1, sums_per_block, minima);
}

static void scale_blocks(const job *j, size_t row, size_t n)
{
    scale_some(j, row, n, 1, 0);
}

static void scale_half_blocks(const job *j, size_t row, size_t n)
{
    scale_some(j, row, n, 2, 0);
}

static void scale_blocks_with_minima(const job *j, size_t row, size_t n)
{
    scale_some(j, row, n, 1, 1);
}

/* Multiply `next` while the sums of `last` are scaled. A job without rows and sums does
 * nothing. */
static void advance_jobs(const scheme *how, const job *next, const job *last)
{
    const size_t n_steps = last->n_rows > 0 ? (last->n_rows + SCALED - 1) / SCALED : 1;
    size_t s = 0;

    for (size_t i = 0; i < n_steps; i++) {
        for (; s < next->n_sums && s * n_steps < (i + 1) * next->n_sums; s += 2)
            multiply_two(next, how->depth, s);
        if (SCALED * i < last->n_rows)
            how->scale(last, SCALED * i, smaller(SCALED, last->n_rows - SCALED * i));
    }
}

/* ---- Parts ---- */

/* What is in use while a part is computed; jobs take turns. */
typedef struct workspace {
    weights w[2];
    _Alignas(64) both_sums sums[N_SUMS];
    float acc[N_TILES * TILE_HEIGHT][CADRE_PANEL];
} workspace;

/* Have a chunk on its way to the second level of cache. This is done while there is other
 * work before it is unpacked, which would leave memory idle; past the end of a matrix it
 * does no harm. */
INLINE void fetch_chunk(const uint8_t *panel, size_t chunk, size_t chunk_bytes)
{
    const char *from = (const char *)panel + chunk * chunk_bytes;

    for (size_t i = 0; i < chunk_bytes; i += 64)
        _mm_prefetch(from + i, _MM_HINT_T1);
}

static job job_of(const product *p, size_t tile, size_t k)
{
    const cadre_rows *x = p->x;
    const size_t before = rows_before_own(&p->tiles, tile);
    const size_t row = first_row_of(p, tile);
    job j = {.row_bytes = x->stride, .row_blocks = x->stride / 32, .before = before};

    j.values = (const uint8_t *)x->values + row * j.row_bytes + k;
    j.scales = x->scales + (row + before) * j.row_blocks + k / 32;
    j.offsets = x->offsets + (row + before) * j.row_blocks + k / 32;
    j.n_rows = own_rows(&p->tiles, tile);
    return j;
}

static void compute_part(const product *p, const part *t, const scheme *how)
{
    const size_t panel_bytes = cadre_panel_bytes(p->w->type, p->w->n_in);
    const uint8_t *panel =
        (const uint8_t *)p->w->data + (p->first_panel + t->first_panel) * panel_bytes;
    const size_t height = p->tiles.height, chunk_k = N_SUMS * how->depth;
    job last = {0};
    size_t turn = 0;
    workspace work;

    memset(work.acc, 0, t->n_tiles * height * sizeof work.acc[0]);
    for (size_t chunk = 0, k = 0; k < p->x->stride; chunk++, k += chunk_k) {
        const size_t n_sums = smaller(p->x->stride - k, chunk_k) / how->depth;
        weights *w = &work.w[chunk % 2];
        fetch_chunk(panel, chunk + 2, how->chunk_bytes);
        how->unpack(panel, chunk, n_sums, w);
        for (size_t i = 0; i < t->n_tiles; i++) {
            job next = job_of(p, t->first_tile + i, k);
            next.w = w;
            next.n_sums = n_sums;
            next.sums = work.sums;
            next.turn = turn++ % 2;
            next.acc = work.acc + i * height;
            advance_jobs(how, &next, &last);
            last = next;
        }
    }
    advance_jobs(how, &(job){0}, &last);

    const size_t first = t->first_tile * height;
    store_sums(p, t->first_tile, t->first_panel,
               smaller(t->n_tiles * height, p->tiles.n_rows - first), work.acc);
}

/* ---- The types ---- */

#define MATMUL_INT(name, depth, bytes, scale)                                            \
    static void name##_part(const product *p, const part *t)                             \
    {                                                                                    \
        static const scheme how = {depth, bytes, unpack_##name, scale};                  \
        compute_part(p, t, &how);                                                        \
    }                                                                                    \
    void cadre__amx_matmul_##name(                                                       \
        const cadre_matrix *w, size_t first_panel, size_t n_panels, const cadre_rows *x, \
        size_t first_row, size_t n_rows, float *y, size_t y_stride, int accumulate)      \
    {                                                                                    \
        if (n_rows < MIN_ROWS) {                                                         \
            cadre__avx512_matmul_##name(w, first_panel, n_panels, x, first_row, n_rows,  \
                                        y, y_stride, accumulate);                        \
            return;                                                                      \
        }                                                                                \
        const product p = {w,        first_panel, n_panels,                              \
                           x,        y,           first_row,                             \
                           y_stride, accumulate,  row_tiles_of(n_rows)};                 \
        shape_tiles(p.tiles.height, depth);                                              \
        compute_parts(&p, x->stride, N_TILES, 1, name##_part);                           \
        _tile_release();                                                                 \
    }

MATMUL_INT(q8_0, 32, Q8_0_CHUNK, scale_blocks)
MATMUL_INT(q4_0, 32, Q4_0_CHUNK, scale_blocks)
MATMUL_INT(q4_k, 32, CADRE__Q4_K_BYTES, scale_blocks_with_minima)
MATMUL_INT(q5_k, 32, CADRE__Q5_K_BYTES, scale_blocks_with_minima)
MATMUL_INT(q6_k, 16, Q6_K_CHUNK, scale_half_blocks)
