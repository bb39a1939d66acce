/* io/graded.c - the generator "graded": a classification task whose rows differ in
 * difficulty.
 *
 * Column 0 is the difficulty t. It decides from which two columns the class comes, and
 * how: easy,   t < 0.3  columns 1 and 2: the four quadrants of a plane, which straight
 * lines tell apart; medium, t < 0.7  columns 3 and 4: a table of classes over 5 x 5 cells
 * of a plane; hard             columns 5 and 6: the same over 8 x 8 cells, each of which
 * a network has to remember. Columns that do not count for a row look the same as those
 * that do; 7 to 15 are noise. Points keep a margin from the borders between cells.
 *
 * Every number comes from 24 bits of a counter-based generator (splitmix64: Steele, Lea
 * and Flood 2014), so it is the same everywhere.
 */
#include "core/memory.h"
#include "io/dataset.h"

enum { MEDIUM_GRID = 5, HARD_GRID = 8 };

#define EASY_BELOW 0.3f
#define MEDIUM_BELOW 0.7f
/* The tables' classes are the same for all seeds of rows. */
#define MEDIUM_SEED UINT64_C(0x67726965)
#define HARD_SEED UINT64_C(0x67726964)

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

/* In [-1, 1), at least 1/4 away from 0. */
static float off_zero(float u)
{
    return u < 0.5f ? -0.25f - u * 1.5f : 0.25f + (u - 0.5f) * 1.5f;
}

/* In [-1, 1), which is cut into n_cells: *cell is where it falls, at least 1/8 of a cell
 * away from the border. */
static float in_cell(float u, size_t n_cells, size_t *cell)
{
    const float place = u * (float)n_cells;

    *cell = (size_t)place;
    const float within = 0.125f + 0.75f * (place - (float)*cell);
    return ((float)*cell + within) * (2.0f / (float)n_cells) - 1.0f;
}

/* The class of a cell of a table. */
static int32_t look_up(uint64_t table_seed, const size_t cell[2], size_t n_cells)
{
    return (int32_t)(mix(table_seed, cell[0] * n_cells + cell[1]) %
                     CADRE__GRADED_CLASSES);
}

static int32_t make_row(uint64_t seed, uint64_t row, float *x)
{
    const uint64_t key = mix(seed, row);
    size_t medium[2], hard[2];

    x[0] = unit(key, 0);
    for (size_t c = 0; c < 2; c++) {
        x[1 + c] = off_zero(unit(key, 1 + c));
        x[3 + c] = in_cell(unit(key, 3 + c), MEDIUM_GRID, &medium[c]);
        x[5 + c] = in_cell(unit(key, 5 + c), HARD_GRID, &hard[c]);
    }
    for (size_t c = 7; c < CADRE__GRADED_COLUMNS; c++)
        x[c] = 2.0f * unit(key, c) - 1.0f;

    if (x[0] < EASY_BELOW)
        return 2 * (x[1] > 0) + (x[2] > 0);
    if (x[0] < MEDIUM_BELOW)
        return look_up(MEDIUM_SEED, medium, MEDIUM_GRID);
    return look_up(HARD_SEED, hard, HARD_GRID);
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
    set->complexity =
        set->labels ? cadre__alloc_n(n_rows, sizeof *set->complexity) : NULL;
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
