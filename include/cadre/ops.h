/* cadre/ops.h - compute primitives, one implementation per instruction set.
 *
 * A table of functions is chosen once per process: "ref" fills every entry, "avx2"
 * "avx512" and "amx" overwrite what they do faster. All levels give the same bits for
 * everything in the table, except that the bf16 matrix product of a level rounds as that
 * level's instructions do. cadre_gemm_f32() is OpenBLAS's and as exact as that is on the
 * CPU at hand (cadre_blas_core() tells which of its kernels runs).
 *
 * No op allocates, communicates or fails; arguments are the caller's responsibility.
 */
#ifndef CADRE_OPS_H
#define CADRE_OPS_H

#include <cadre/dtype.h>
#include <cadre/matrix.h>
#include <cadre/status.h>

/* out[i] = a[i] (reduction) b[i] for n elements of the table's dtype; out may be exactly
 * a or b, or overlaps neither. bf16 and f16 are combined as f32 and rounded to nearest
 * even. Integers wrap. Logical reductions give 0 or 1. For entries [dtype][reduction]
 * that have no meaning for two values (logical reductions of floating-point types,
 * averages) the pointer is NULL. */
typedef void cadre_combine_fn(void *out, const void *a, const void *b, size_t n);

#define CADRE_OPS_LIST(X)                                                                \
    /* y[r][c] = max(0, y[r][c] + bias[c]), rows x cols */                               \
    X(bias_relu_f32, void, (float *y, const float *bias, size_t rows, size_t cols))      \
    /* y = gelu(y + bias), tanh form (Hendrycks and Gimpel 2016) */                      \
    X(bias_gelu_f32, void, (float *y, const float *bias, size_t rows, size_t cols))      \
    /* y = y + bias */                                                                   \
    X(bias_add_f32, void, (float *y, const float *bias, size_t rows, size_t cols))       \
    /* each row of y becomes its softmax */                                              \
    X(softmax_f32, void, (float *y, size_t rows, size_t cols))                           \
    /* grad *= derivative of relu or gelu at pre (the value before the activation) */    \
    X(relu_backward_f32, void, (float *grad, const float *pre, size_t n))                \
    X(gelu_backward_f32, void, (float *grad, const float *pre, size_t n))                \
    /* y += a * x */                                                                     \
    X(axpy_f32, void, (float *y, float a, const float *x, size_t n))                     \
    /* 1 if all n values are finite */                                                   \
    X(all_finite_f32, int, (const float *x, size_t n))                                   \
    /* y = x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019) */               \
    X(rmsnorm_f32, void,                                                                 \
      (const float *x, const float *weight, float eps, size_t n, float *y))              \
    /* gate = silu(gate) * up (SwiGLU, Shazeer 2020); rows x cols, own strides */        \
    X(silu_mul_f32, void,                                                                \
      (float *gate, size_t gate_stride, const float *up, size_t up_stride, size_t rows,  \
       size_t cols))                                                                     \
    /* Rotate n_rot leading values of each of n_heads heads of head_dim values by the    \
     * angles whose cosines and sines are given [n_rot / 2]: pairs (2i, 2i+1), or, with  \
     * halves, (i, i + n_rot / 2) (RoPE, Su et al. 2021) */                              \
    X(rope_f32, void,                                                                    \
      (float *x, size_t n_heads, size_t head_dim, size_t n_rot, const float *cosines,    \
       const float *sines, int halves))                                                  \
    /* The lowest index of the largest of n values, n > 0; NaN is never chosen unless    \
     * all are */                                                                        \
    X(argmax_f32, size_t, (const float *x, size_t n))                                    \
    /* y = exp((x - max) * scale), and their sum; y may be x, or NULL */                 \
    X(exp_sum_f32, float, (const float *x, size_t n, float max, float scale, float *y))  \
    /* n_rows rows of x into rows [first, first + n_rows) of out, in out's form */       \
    X(to_rows, void,                                                                     \
      (const float *x, size_t x_stride, size_t n_rows, cadre_rows *out, size_t first))   \
    /* Store the key and value of one position, f32[head_dim] each, at slot 0 to         \
     * CADRE_KV_PAGE - 1 of a block. What is beyond f16's range is clamped to it, for    \
     * CADRE_KV_F32 infinities to f32's; a NaN is stored as 0 */                         \
    X(kv_store, void,                                                                    \
      (cadre_kv_type type, size_t head_dim, void *block, size_t slot, const float *key,  \
       const float *value))                                                              \
    X(attention, void, (const cadre_attention *a))                                       \
    /* Sums that do not depend on the order of their terms (loops_exact.h has the        \
     * method, cadre_coll_opts.reproducible uses it). First top[i] = the largest biased  \
     * exponent of top[i] and x[i] */                                                    \
    X(exponents_f32, void, (const float *x, size_t n, uint8_t *top))                     \
    X(exponents_f64, void, (const double *x, size_t n, uint16_t *top))                   \
    /* then sums += x in fixed point relative to top, of up to 2^20 x: [n], or [2 n] of  \
     * high, then low integers; such sums may be added */                                \
    X(fixed_add_f32, void,                                                               \
      (const float *x, const uint8_t *top, size_t n, int64_t *sums))                     \
    X(fixed_add_f64, void,                                                               \
      (const double *x, const uint16_t *top, size_t n, int64_t *sums))                   \
    /* and out = the sums, rounded once */                                               \
    X(fixed_to_f32, void,                                                                \
      (const int64_t *sums, const uint8_t *top, size_t n, float *out))                   \
    X(fixed_to_f64, void,                                                                \
      (const int64_t *sums, const uint16_t *top, size_t n, double *out))                 \
    /* memcpy() past the caches, for what this core does not read soon */                \
    X(copy_stream, void, (void *dst, const void *src, size_t bytes))

/* y[i][o] = sum over k of w[16 * first_panel + o][k] * x[first_row + i][k], for n_rows
 * rows i and the outputs o of n_panels panels (fewer where the matrix ends); with
 * `accumulate` that is added to y. x has the form that w's type needs. */
typedef void cadre_matmul_fn(const cadre_matrix *w, size_t first_panel, size_t n_panels,
                             const cadre_rows *x, size_t first_row, size_t n_rows,
                             float *y, size_t y_stride, int accumulate);

typedef struct cadre_ops {
    const char *level; /* "ref", "avx2", "avx512", "amx" */
    cadre_combine_fn *combine[CADRE_N_DTYPES][CADRE_N_REDUCTIONS];
    cadre_matmul_fn *matmul[CADRE_N_WTYPES];
#define X(name, ret, args) ret(*name) args;
    CADRE_OPS_LIST(X)
#undef X
} cadre_ops;

/* Choose the level: the named one, or with NULL what CADRE_ISA names, or the best that
 * this CPU and operating system offer. Once per process, before anything computes;
 * calling it again changes the level for calls that follow. Also sets OpenBLAS's threads
 * to CADRE_BLAS_THREADS. Local.
 *
 * CADRE_ERR_INPUT  no such level, this machine does not have it, or CADRE_BLAS_THREADS is
 * no number from 1 to 1024 */
CADRE_API cadre_status cadre_ops_init(const char *level);

/* The table in force; chooses the best level if cadre_ops_init() was never called.
 * Local. */
CADRE_API const cadre_ops *cadre_ops_get(void);

/* The index-th known level, weakest first; NULL past the last. *usable (may be NULL) is 1
 * if this machine has it; *why (may be NULL) says why or why not. Local. */
CADRE_API const char *cadre_ops_level(size_t index, int *usable, const char **why);

/* C (m x n) = alpha * op(A) * op(B) + beta * C, all row-major and contiguous per row with
 * the leading dimensions given; transposed operands are stored as (k x m) and (n x k).
 * Runs on as many threads as cadre_blas_set_threads() said, 1 by default. Local. */
CADRE_API void cadre_gemm_f32(int trans_a, int trans_b, size_t m, size_t n, size_t k,
                              float alpha, const float *a, size_t lda, const float *b,
                              size_t ldb, float beta, float *c, size_t ldc);

/* Local. */
CADRE_API void cadre_blas_set_threads(int n_threads);

/* OpenBLAS's name for the CPU kernels it runs, for instance "SkylakeX". Ranks with unlike
 * names may round a matrix product differently. Local. */
CADRE_API const char *cadre_blas_core(void);
CADRE_API const char *cadre_blas_version(void);

#endif
