/* io/graded.c - the generator "graded": a classification task whose rows differ in difficulty.
 *
 * Column 0 is the difficulty t. The class of a row is two bits, and t decides from which columns
 * they come and how:
 *   easy,   t < 0.3   the signs of columns 1 and 2: two straight lines;
 *   medium, t < 0.7   the signs of two products, columns 3 x 4 and 5 x 6: two exclusive ors;
 *   hard              a table of classes over a grid of GRID x GRID cells in the plane of
 *                     columns 7 and 8: a network has to remember every cell.
 * All other columns are noise. Values keep a margin from the borders between classes.
 *
 * Every number comes from 24 bits of a counter-based generator (splitmix64: Steele, Lea and
 * Flood 2014), so it is exact in f32 and the same everywhere.
 */
#include "core/memory.h"
#include "io/dataset.h"

enum { GRID = 6 };

#define EASY_BELOW 0.3f
#define MEDIUM_BELOW 0.7f
#define TABLE_SEED UINT64_C(0x67726964) /* the grid's classes, the same for all seeds */

static uint64_t mix(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* The column-th number of a row, in [0, 1). */
static float unit(uint64_t row_key, size_t column)
{
    return (float)(mix(row_key, column) >> 40) * 0x1p-24f;
}

/* In [-1, 1), at least 1/8 away from 0. */
static float off_zero(float u)
{
    return u < 0.5f ? -0.125f - u * 1.75f : 0.125f + (u - 0.5f) * 1.75f;
}

/* In [-1, 1): cell `cell` of GRID, and where in it, at least 1/8 of its width from its border. */
static float in_cell(float u, size_t *cell)
{
    const float place = u * (float)GRID;

    *cell = (size_t)place;
    const float within = 0.125f + 0.75f * (place - (float)*cell);
    return ((float)*cell + within) * (2.0f / (float)GRID) - 1.0f;
}

static int32_t make_row(uint64_t seed, uint64_t row, float *x)
{
    const uint64_t key = mix(seed, row);
    size_t cells[2];

    x[0] = unit(key, 0);
    for (size_t c = 1; c < 7; c++)
        x[c] = off_zero(unit(key, c));
    for (size_t c = 0; c < 2; c++)
        x[7 + c] = in_cell(unit(key, 7 + c), &cells[c]);
    for (size_t c = 9; c < CADRE__GRADED_COLUMNS; c++)
        x[c] = 2.0f * unit(key, c) - 1.0f;

    if (x[0] < EASY_BELOW)
        return 2 * (x[1] > 0) + (x[2] > 0);
    if (x[0] < MEDIUM_BELOW)
        return 2 * (x[3] * x[4] > 0) + (x[5] * x[6] > 0);
    return (int32_t)(mix(TABLE_SEED, cells[0] * GRID + cells[1]) % CADRE__GRADED_CLASSES);
}

cadre_status cadre__dataset_graded(uint64_t seed, uint64_t first_row, size_t n_rows,
                                   cadre__dataset **out)
{
    cadre__dataset *set = cadre__alloc(sizeof *set);

    *out = NULL;
    if (!set)
        return CADRE_ERR_NOMEM;
    set->n_rows = n_rows;
    set->n_cols = CADRE__GRADED_COLUMNS;
    set->x = cadre__alloc_n(n_rows, CADRE__GRADED_COLUMNS * sizeof *set->x);
    set->labels = set->x ? cadre__alloc_n(n_rows, sizeof *set->labels) : NULL;
    set->complexity = set->labels ? cadre__alloc_n(n_rows, sizeof *set->complexity) : NULL;
    if (!set->complexity) {
        cadre__dataset_destroy(set);
        return CADRE_ERR_NOMEM;
    }
    for (size_t r = 0; r < n_rows; r++) {
        float *x = set->x + r * CADRE__GRADED_COLUMNS;
        set->labels[r] = make_row(seed, first_row + r, x);
        set->complexity[r] = (double)x[0];
    }
    *out = set;
    return CADRE_OK;
}
