/* run/coll_explain.c - `cadre coll explain`: for each size who could do it, what they are
 * predicted to take, what they take now, and who is chosen. */
#include "coll/explain.h"
#include "core/memory.h"
#include "io/json.h"
#include "report/table.h"
#include "run/coll_task.h"
#include "run/run.h"
#include "run/word_list.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZES "8-16M"
#define MOST_BYTES ((size_t)1 << 30)
#define REPETITIONS 5
#define WAIT_MS 60000

/* A prediction orders wrongly what it says to be faster, and what is slower by more than
 * that; a choice is wrong by the same measure. */
#define TOLERANCE 1.1

typedef struct line {
    const char *name, *summary;
    bool applies, chosen;
    double predicted_us, measured_us; /* NAN: does not apply, not measured */
    const char *misjudged; /* one that is predicted slower and is faster; NULL: none */
} line;

typedef struct explained {
    cadre_collective collective;
    size_t bytes, class_bytes, n;
    char why[160];
    line lines[CADRE__MAX_CANDIDATES];
    const char *faster; /* than the one chosen, by more than the tolerance; NULL: none */
} explained;

typedef struct job {
    cadre_comm *world;
    const cadre__explain_opts *opts;
    bool collectives[CADRE_N_COLLECTIVES], shared;
    cadre__size_list sizes;
    cadre_dtype dtype;
    cadre_reduction reduction;
    explained *all;
    size_t n;
} job;

/* ---- What was asked ---- */

static cadre_status complete(job *j)
{
    const cadre__explain_opts *o = j->opts;

    j->shared = strcmp(o->buffers, "shared") == 0;
    CADRE_TRY(cadre__dtype_by_name(o->dtype, &j->dtype));
    CADRE_TRY(cadre__reduction_by_name(o->reduction, &j->reduction));
    CADRE_TRY(cadre__collectives_read(o->collective, "--collective", j->collectives));
    CADRE_TRY(
        cadre__sizes_read(o->sizes ? o->sizes : SIZES, "--sizes", MOST_BYTES, &j->sizes));
    j->all = cadre__alloc_n(CADRE_N_COLLECTIVES * j->sizes.n, sizeof *j->all);
    return cadre_comm_agree(j->world, j->all ? CADRE_OK : CADRE_ERR_NOMEM,
                            cadre_deadline_in_ms(WAIT_MS));
}

/* ---- One collective of one size ---- */

/* The fastest of some repetitions, in turns with the other candidates. */
static cadre_status measure(cadre__coll_task *task, explained *e, bool shared)
{
    cadre__coll_contender who[CADRE__MAX_CANDIDATES];
    double us;

    for (size_t i = 0; i < e->n; i++) {
        who[i] = (cadre__coll_contender){.algorithm = e->lines[i].name, .shared = shared};
        if (e->lines[i].applies) {
            CADRE_TRY(cadre__coll_task_verify(task, &who[i]));
            CADRE_TRY(cadre__coll_task_time(task, &who[i], &us));
        }
    }
    for (int r = 0; r < REPETITIONS; r++)
        for (size_t i = 0; i < e->n; i++) {
            if (!e->lines[i].applies)
                continue;
            CADRE_TRY(cadre__coll_task_time(task, &who[i], &us));
            e->lines[i].measured_us = fmin(e->lines[i].measured_us, us);
        }
    return CADRE_OK;
}

/* Compare what was predicted with what was measured. */
static void judge(explained *e)
{
    for (size_t i = 0; i < e->n; i++) {
        line *mine = &e->lines[i];
        for (size_t k = 0; k < e->n && !isnan(mine->measured_us); k++) {
            const line *other = &e->lines[k];
            const bool faster = other->measured_us * TOLERANCE < mine->measured_us;
            if (faster && other->predicted_us > mine->predicted_us)
                mine->misjudged = other->name;
            if (faster && mine->chosen)
                e->faster = other->name;
        }
    }
}

static cadre_status fill(job *j, cadre__coll_task *task, explained *e)
{
    const cadre__coll_contender who = {.shared = j->shared};
    cadre__coll_explanation found;
    cadre_coll_args args;

    CADRE_TRY(cadre__coll_task_args(task, &who, &args));
    CADRE_TRY(cadre__coll_explain(j->world, &args, NULL, &found));
    *e = (explained){.collective = args.collective,
                     .bytes = task->bytes,
                     .class_bytes = found.class_bytes,
                     .n = found.n};
    snprintf(e->why, sizeof e->why, "%s", found.why);
    for (size_t i = 0; i < found.n; i++) {
        const cadre__coll_candidate *c = &found.candidates[i];
        e->lines[i] = (line){
            .name = c->name,
            .summary = c->summary,
            .applies = c->applies,
            .chosen = c->chosen,
            .predicted_us = c->applies ? c->predicted_ns / 1000 : NAN,
            .measured_us = NAN,
        };
    }
    if (!j->opts->measure)
        return CADRE_OK;
    CADRE_TRY(measure(task, e, j->shared));
    judge(e);
    return CADRE_OK;
}

static cadre_status explain(job *j, cadre_collective collective, size_t bytes)
{
    cadre__coll_task task;

    CADRE_TRY(cadre__coll_task_init(&task, j->world, collective, j->dtype, j->reduction,
                                    bytes));
    const cadre_status st = fill(j, &task, &j->all[j->n++]);
    cadre__coll_task_fini(&task);
    return st;
}

static cadre_status explain_all(job *j)
{
    /* So that the machine's costs are known. */
    CADRE_TRY(cadre_barrier(j->world, NULL));
    for (int c = 0; c < CADRE_N_COLLECTIVES; c++) {
        const size_t n = !j->collectives[c] ? 0 : c == CADRE_BARRIER ? 1 : j->sizes.n;
        for (size_t i = 0; i < n; i++)
            CADRE_TRY(cadre_context(explain(j, (cadre_collective)c, j->sizes.bytes[i]),
                                    "%s", cadre__collective_name((cadre_collective)c)));
    }
    return CADRE_OK;
}

/* ---- What is printed ---- */

/* What the algorithms of a collective are. */
static void legend_of(const explained *e, cadre__text *out)
{
    cadre__text_printf(out, "\n%s\n", cadre__collective_name(e->collective));
    for (size_t i = 0; i < e->n; i++)
        cadre__text_printf(out, "  %-18s  %s\n", e->lines[i].name, e->lines[i].summary);
}

static void text_of(const explained *e, bool measured, cadre__text *out)
{
    static const char *const header[] = {"", "algorithm", "predicted us", "measured us",
                                         ""};
    cadre__table *table = cadre__table_new(sizeof header / sizeof header[0]);
    char bytes[40];

    cadre__text_printf(out, "\n%s, %s bytes", cadre__collective_name(e->collective),
                       cadre__show_count(e->bytes, bytes));
    if (e->class_bytes != e->bytes)
        cadre__text_printf(out, " (predictions for %s)",
                           cadre__show_count(e->class_bytes, bytes));
    cadre__text_puts(out, "\n");
    cadre__table_header(table, header);
    for (size_t i = 0; i < e->n; i++) {
        const line *l = &e->lines[i];
        if (!l->applies)
            continue;
        cadre__table_cell(table, "%s", l->chosen ? "*" : "");
        cadre__table_text(table, l->name);
        cadre__table_number(table, l->predicted_us);
        cadre__table_number(table, l->measured_us);
        cadre__table_cell(table, "%s%s", l->misjudged ? "! slower than " : "",
                          l->misjudged ? l->misjudged : "");
    }
    if (cadre__table_print(table, out) != CADRE_OK)
        out->failed = true;
    for (size_t i = 0; i < e->n; i++)
        if (e->lines[i].chosen)
            cadre__text_printf(out, "  * %s: %s%s%s%s\n", e->lines[i].name, e->why,
                               e->faster ? "; faster was " : "",
                               e->faster ? e->faster : "",
                               e->faster || !measured ? "" : "; none was faster");
}

static void json_of(const explained *e, cadre__json *array)
{
    cadre__json *object = cadre__json_new_object(), *lines = cadre__json_new_array();

    cadre__json_add_string(object, "collective", cadre__collective_name(e->collective));
    cadre__json_add_integer(object, "bytes", (int64_t)e->bytes);
    cadre__json_add_integer(object, "class_bytes", (int64_t)e->class_bytes);
    for (size_t i = 0; i < e->n; i++) {
        const line *l = &e->lines[i];
        cadre__json *candidate = cadre__json_new_object();
        cadre__json_add_string(candidate, "algorithm", l->name);
        cadre__json_add_string(candidate, "summary", l->summary);
        cadre__json_add_bool(candidate, "applies", l->applies);
        cadre__json_add_bool(candidate, "chosen", l->chosen);
        cadre__json_add_number(candidate, "predicted_us", l->predicted_us);
        cadre__json_add_number(candidate, "measured_us", l->measured_us);
        cadre__json_add_string(candidate, "slower_than", l->misjudged);
        cadre__json_add(lines, NULL, candidate);
    }
    cadre__json_add(object, "candidates", lines);
    cadre__json_add_string(object, "why", e->why);
    cadre__json_add_string(object, "faster", e->faster);
    cadre__json_add(array, NULL, object);
}

static cadre_status json(const job *j, cadre__text *out)
{
    cadre__json *root = cadre__json_new_object(), *all = cadre__json_new_array();

    cadre__json_add_integer(root, "ranks", cadre_comm_size(j->world));
    cadre__json_add_integer(root, "nodes", cadre_comm_n_nodes(j->world));
    cadre__json_add_string(root, "dtype", cadre_dtype_name(j->dtype));
    cadre__json_add_string(root, "reduction", cadre_reduction_name(j->reduction));
    cadre__json_add_string(root, "buffers", j->opts->buffers);
    cadre__json_add_string(root, "costs", cadre__coll_costs_origin(j->world));
    for (size_t i = 0; i < j->n; i++)
        json_of(&j->all[i], all);
    cadre__json_add(root, "calls", all);
    CADRE_TRY(cadre__json_append(root, out));
    return cadre__text_status(out);
}

static cadre_status text(const job *j, cadre__text *out)
{
    const int n_ranks = cadre_comm_size(j->world), nodes = cadre_comm_n_nodes(j->world);

    cadre__text_printf(
        out,
        "%d rank%s on %d node%s, %s, %s, %s buffers; costs: %s\n"
        "*: chosen when nobody names another. measured: the fastest of %d "
        "repetitions, in turns.\n!: took over %.0f %% longer than one that "
        "was predicted to take longer.\n",
        n_ranks, n_ranks == 1 ? "" : "s", nodes, nodes == 1 ? "" : "s",
        cadre_dtype_name(j->dtype), cadre_reduction_name(j->reduction), j->opts->buffers,
        cadre__coll_costs_origin(j->world), REPETITIONS, 100 * (TOLERANCE - 1));
    for (size_t i = 0; i < j->n; i++) {
        if (i == 0 || j->all[i].collective != j->all[i - 1].collective)
            legend_of(&j->all[i], out);
        text_of(&j->all[i], j->opts->measure, out);
    }
    return cadre__text_status(out);
}

static cadre_status print(const job *j)
{
    cadre__text out = {0};
    cadre_status st =
        strcmp(j->opts->format, "json") == 0 ? json(j, &out) : text(j, &out);

    if (st == CADRE_OK &&
        (fputs(cadre__text_string(&out), stdout) < 0 || fflush(stdout) != 0))
        st = cadre_fail(CADRE_ERR_IO, "standard output: %s", strerror(errno));
    cadre__text_fini(&out);
    return st;
}

int cadre__coll_explain_job(cadre_comm *world, const cadre__explain_opts *opts)
{
    job j = {.world = world, .opts = opts};
    int exit_code = CADRE__EXIT_USAGE;

    cadre_status st = complete(&j);
    if (st == CADRE_OK) {
        exit_code = CADRE__EXIT_RESOURCE;
        st = explain_all(&j);
    }
    if (st == CADRE_OK && cadre_comm_rank(world) == 0)
        st = print(&j);
    if (st != CADRE_OK && cadre_comm_rank(world) == 0)
        fprintf(stderr, "cadre: coll explain: %s\n", cadre_last_error());
    cadre__free(j.all);
    return st == CADRE_OK ? CADRE__EXIT_OK : exit_code;
}
