/* report/report_json.c - a report to JSON and back. The fields stand in tables, once:
 * writing, reading and freeing walk over the same rows and cannot drift apart. */
#include "report/report_json.h"
#include "core/memory.h"
#include "report/tables.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#define SCHEMA_VERSION 1
#define WHOLE_MAX ((INT64_C(1) << 53) - 1) /* JSON readers hold numbers as double */

typedef enum kind {
    STRING,   /* char *, may be NULL; owned */
    INT,      /* int */
    SIZE,     /* size_t */
    COUNT,    /* uint64_t */
    INTEGER,  /* int64_t */
    BOOL,     /* bool */
    NUMBER,   /* double; null for NAN */
    MONEY,    /* cadre_money, as a decimal string */
    QUANTILES /* cadre__quantiles, as an object */
} kind;

typedef struct field {
    const char *key;
    kind kind;
    size_t at;     /* offset in the struct */
    bool may_lack; /* older reports have it not: 0 then */
} field;

typedef struct list { /* an array of structs (fields), or of strings (fields NULL) */
    const char *key;
    size_t at_n, at_items, item_bytes; /* offsets of the count and of the pointer */
    const field *fields;
    size_t n_fields;
} list;

typedef struct shape { /* of a whole report */
    const char *kind;
    const field *fields;
    size_t n_fields;
    const list *lists;
    size_t n_lists;
} shape;

#define N(array) (sizeof(array) / sizeof(array)[0])

#define FIELD(type, kind, member, key)                                                   \
    {                                                                                    \
        key, kind, offsetof(type, member), false                                         \
    }
/* Rows of the type `row`, and strings. */
#define ROWS(type, part, row, fields)                                                    \
    {                                                                                    \
#part, offsetof(type, n_##part), offsetof(type, part), sizeof(row), fields,      \
            N(fields)                                                                    \
    }
#define NOTES(type)                                                                      \
    {                                                                                    \
        "notes", offsetof(type, n_notes), offsetof(type, notes), sizeof(char *), NULL, 0 \
    }

#define F(kind, member, key) FIELD(cadre__quantiles, kind, member, key)
static const field quantile_fields[] = {
    F(INTEGER, p50, "p50_ns"),  F(INTEGER, p90, "p90_ns"),   F(INTEGER, p95, "p95_ns"),
    F(INTEGER, p99, "p99_ns"),  F(INTEGER, p999, "p999_ns"), F(INTEGER, max, "max_ns"),
    F(NUMBER, mean, "mean_ns"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__report_tier, kind, member, key)
static const field tier_fields[] = {
    F(STRING, name, "name"),
    F(STRING, kernel, "kernel"),
    F(STRING, model_digest, "model_digest"),
    F(SIZE, shards, "shards"),
    F(SIZE, ranks_per_shard, "ranks_per_shard"),
    F(COUNT, requests, "requests"),
    F(COUNT, failed, "failed"),
    F(COUNT, downgraded_to, "downgraded_to"),
    F(COUNT, tokens_in, "tokens_in"),
    F(COUNT, tokens_out, "tokens_out"),
    F(MONEY, cost, "cost_usd"),
    F(INTEGER, compute_ns, "compute_ns"),
    F(QUANTILES, service, "service"),
    F(COUNT, labelled, "labelled"),
    F(COUNT, correct, "correct"),
    {"tokens_shared", COUNT, offsetof(cadre__report_tier, tokens_shared), true},
    {"ttft", QUANTILES, offsetof(cadre__report_tier, first_token), true},
    {"tpot", QUANTILES, offsetof(cadre__report_tier, per_token), true},
};
#undef F

#define F(kind, member, key) FIELD(cadre__report_tenant, kind, member, key)
static const field tenant_fields[] = {
    F(STRING, name, "name"),
    F(STRING, state, "state"),
    F(BOOL, limited, "limited"),
    F(MONEY, budget, "budget_usd"),
    F(MONEY, spent, "spent_usd"),
    F(MONEY, refused_worth, "refused_worth_usd"),
    F(COUNT, requests, "requests"),
    F(COUNT, completed, "completed"),
    F(COUNT, failed, "failed"),
    F(COUNT, refused, "refused"),
    F(COUNT, downgraded, "downgraded"),
    F(COUNT, tokens_in, "tokens_in"),
    F(COUNT, tokens_out, "tokens_out"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__report_rank, kind, member, key)
static const field rank_fields[] = {
    F(INT, rank, "rank"),
    F(STRING, host, "host"),
    F(STRING, role, "role"),
    F(STRING, cores, "cores"),
    F(STRING, shards, "shards"),
    F(INTEGER, wall_ns, "wall_ns"),
    F(INTEGER, compute_ns, "compute_ns"),
    F(INTEGER, coordination_ns, "coordination_ns"),
    F(INTEGER, idle_ns, "idle_ns"),
    F(INTEGER, n_batches, "batches"),
    F(INTEGER, n_requests, "requests"),
    F(INTEGER, bytes_in, "bytes_in"),
    F(INTEGER, bytes_out, "bytes_out"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__run_report, kind, member, key)
static const field run_fields[] = {
    F(STRING, job, "job"),
    F(STRING, digest, "digest"),
    F(STRING, output_dir, "output_dir"),
    F(STRING, started, "started"),
    F(STRING, finished, "finished"),
    F(STRING, version, "version"),
    F(STRING, host, "host"),
    F(INT, n_ranks, "ranks_total"),
    F(INT, n_nodes, "nodes"),
    F(INT, exit_code, "exit_code"),
    F(STRING, exit_reason, "exit_reason"),
    F(COUNT, requests, "requests"),
    F(COUNT, completed, "completed"),
    F(COUNT, failed, "failed"),
    F(COUNT, refused, "refused"),
    F(COUNT, downgraded, "downgraded"),
    F(INTEGER, wall_ns, "wall_ns"),
    F(INTEGER, validate_ns, "validate_ns"),
    F(INTEGER, broadcast_ns, "broadcast_ns"),
    F(INTEGER, open_ns, "open_ns"),
    F(INTEGER, barrier_ns, "barrier_ns"),
    F(INTEGER, serve_ns, "serve_ns"),
    F(INTEGER, reduce_ns, "reduce_ns"),
    F(INTEGER, write_ns, "write_ns"),
    F(MONEY, cost, "cost_usd"),
    F(QUANTILES, queue, "queue"),
    F(QUANTILES, service, "service"),
};
#undef F

#define L(part, key, type, fields)                                                       \
    {                                                                                    \
        key, offsetof(cadre__run_report, n_##part),                                      \
            offsetof(cadre__run_report, type##s), sizeof(cadre__report_##type), fields,  \
            N(fields)                                                                    \
    }
static const list run_lists[] = {
    L(tiers, "tiers", tier, tier_fields),
    L(tenants, "tenants", tenant, tenant_fields),
    L(ranks_listed, "ranks", rank, rank_fields),
};
#undef L

#define F(kind, member, key) FIELD(cadre__bench_row, kind, member, key)
static const field row_fields[] = {
    F(STRING, name, "name"),
    F(SIZE, shards, "shards"),
    F(SIZE, batch, "batch_rows"),
    F(COUNT, requests, "requests"),
    F(NUMBER, kib_per_request, "kib_per_request"),
    F(SIZE, repetitions, "repetitions"),
    F(NUMBER, requests_per_s, "requests_per_s"),
    F(NUMBER, wall_ms, "wall_ms"),
    F(NUMBER, spread_percent, "spread_percent"),
    F(NUMBER, p50_ms, "p50_ms"),
    F(NUMBER, p95_ms, "p95_ms"),
    F(NUMBER, p99_ms, "p99_ms"),
    F(NUMBER, compute_ms, "compute_ms"),
    F(NUMBER, coordination_ms, "coordination_ms"),
    F(NUMBER, compute_percent, "compute_percent"),
    F(NUMBER, granularity, "granularity"),
    F(NUMBER, efficiency_percent, "efficiency_percent"),
    F(NUMBER, imbalance, "imbalance"),
    F(NUMBER, karp_flatt, "karp_flatt"),
    F(SIZE, nodes, "nodes"),
    F(SIZE, cores, "cores"),
    F(COUNT, errors, "errors"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__bench_report, kind, member, key)
static const field bench_fields[] = {
    F(STRING, benchmark, "benchmark"), F(STRING, started, "started"),
    F(STRING, command, "command"),     F(STRING, version, "version"),
    F(STRING, host, "host"),           F(STRING, cpu, "cpu"),
    F(STRING, blas, "blas"),           F(STRING, mpi, "mpi"),
    F(INT, n_ranks, "ranks_total"),    F(STRING, scaling, "scaling"),
    F(STRING, verified, "verified"),
};
#undef F

static const list bench_lists[] = {
    ROWS(cadre__bench_report, rows, cadre__bench_row, row_fields),
    NOTES(cadre__bench_report),
};

#define F(kind, member, key) FIELD(cadre__infer_row, kind, member, key)
static const field infer_row_fields[] = {
    F(STRING, name, "name"),
    F(SIZE, shards, "shards"),
    F(SIZE, ranks_per_shard, "ranks_per_shard"),
    F(COUNT, requests, "requests"),
    F(COUNT, tokens_in, "tokens_in"),
    F(COUNT, tokens_out, "tokens_out"),
    F(COUNT, early, "ended_early"),
    F(SIZE, repetitions, "repetitions"),
    F(NUMBER, wall_ms, "wall_ms"),
    F(NUMBER, spread_percent, "spread_percent"),
    F(NUMBER, tokens_per_s, "tokens_per_s"),
    F(NUMBER, generated_per_s, "generated_per_s"),
    F(NUMBER, compute_percent, "compute_percent"),
    F(QUANTILES, first_token, "ttft"),
    F(QUANTILES, per_token, "tpot"),
    F(QUANTILES, latency, "latency"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__infer_report, kind, member, key)
static const field infer_fields[] = {
    F(STRING, started, "started"),
    F(STRING, command, "command"),
    F(STRING, version, "version"),
    F(STRING, host, "host"),
    F(STRING, cpu, "cpu"),
    F(STRING, ops, "ops"),
    F(STRING, mpi, "mpi"),
    F(INT, n_ranks, "ranks_total"),
    F(STRING, kernel, "kernel"),
    F(STRING, model, "model"),
    F(STRING, options, "options"),
    F(STRING, verified, "verified"),
    F(NUMBER, open_ms, "open_ms"),
    F(NUMBER, open_again_ms, "open_again_ms"),
    F(COUNT, model_bytes, "model_bytes"),
    F(COUNT, weights_bytes, "weights_bytes"),
    F(COUNT, pss_bytes, "pss_bytes"),
    F(COUNT, pss_mapped_bytes, "pss_mapped_bytes"),
};
#undef F

static const list infer_lists[] = {
    ROWS(cadre__infer_report, rows, cadre__infer_row, infer_row_fields),
    NOTES(cadre__infer_report),
};

#define F(kind, member, key) FIELD(cadre__ops_row, kind, member, key)
static const field ops_row_fields[] = {
    F(STRING, op, "op"),
    F(STRING, shape, "shape"),
    F(STRING, level, "level"),
    F(SIZE, rows, "rows"),
    F(SIZE, repetitions, "repetitions"),
    F(NUMBER, time_us, "time_us"),
    F(NUMBER, spread_percent, "spread_percent"),
    F(NUMBER, gops_per_s, "gops_per_s"),
    F(NUMBER, peak_percent, "peak_percent"),
    F(NUMBER, gb_per_s, "gb_per_s"),
    F(NUMBER, read_percent, "read_percent"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__ops_peak_row, kind, member, key)
static const field ops_peak_fields[] = {
    F(STRING, level, "level"),
    F(STRING, instruction, "instruction"),
    F(INT, form, "form"),
    F(NUMBER, gops_per_s, "gops_per_s"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__ops_report, kind, member, key)
static const field ops_fields[] = {
    F(STRING, started, "started"),
    F(STRING, command, "command"),
    F(STRING, version, "version"),
    F(STRING, host, "host"),
    F(STRING, cpu, "cpu"),
    F(STRING, verified, "verified"),
    F(NUMBER, read_gb_per_s, "read_gb_per_s"),
};
#undef F

static const list ops_lists[] = {
    ROWS(cadre__ops_report, peaks, cadre__ops_peak_row, ops_peak_fields),
    ROWS(cadre__ops_report, rows, cadre__ops_row, ops_row_fields),
    NOTES(cadre__ops_report),
};

#define F(kind, member, key) FIELD(cadre__collectives_row, kind, member, key)
static const field collectives_row_fields[] = {
    F(STRING, collective, "collective"),
    F(COUNT, bytes, "bytes"),
    F(STRING, algorithm, "algorithm"),
    F(STRING, buffers, "buffers"),
    F(BOOL, is_native, "is_mpi_call"),
    F(BOOL, chosen, "chosen"),
    F(SIZE, repetitions, "repetitions"),
    F(NUMBER, time_us, "time_us"),
    F(NUMBER, spread_percent, "spread_percent"),
    F(NUMBER, best_us, "best_us"),
    F(NUMBER, algorithm_gb_per_s, "algorithm_gb_per_s"),
    F(NUMBER, bus_gb_per_s, "bus_gb_per_s"),
    F(NUMBER, speedup, "speedup"),
    F(NUMBER, best_speedup, "best_speedup"),
};
#undef F

#define F(kind, member, key) FIELD(cadre__collectives_report, kind, member, key)
static const field collectives_fields[] = {
    F(STRING, started, "started"),   F(STRING, command, "command"),
    F(STRING, version, "version"),   F(STRING, host, "host"),
    F(STRING, cpu, "cpu"),           F(STRING, mpi, "mpi"),
    F(STRING, settings, "settings"), F(INT, n_ranks, "ranks_total"),
    F(INT, n_nodes, "nodes"),        F(INT, n_cpus, "cpus_of_node"),
    F(STRING, dtype, "dtype"),       F(STRING, reduction, "reduction"),
    F(STRING, verified, "verified"),
};
#undef F

static const list collectives_lists[] = {
    ROWS(cadre__collectives_report, rows, cadre__collectives_row, collectives_row_fields),
    NOTES(cadre__collectives_report),
};

static const shape run_shape = {"run", run_fields, N(run_fields), run_lists,
                                N(run_lists)};
static const shape bench_shape = {"bench", bench_fields, N(bench_fields), bench_lists,
                                  N(bench_lists)};
static const shape infer_shape = {"infer", infer_fields, N(infer_fields), infer_lists,
                                  N(infer_lists)};
static const shape ops_shape = {"ops", ops_fields, N(ops_fields), ops_lists,
                                N(ops_lists)};

static const shape collectives_shape = {"collectives", collectives_fields,
                                        N(collectives_fields), collectives_lists,
                                        N(collectives_lists)};

static const struct {
    const shape *shape;
    size_t at; /* of its struct in a report */
} kinds[] = {
    [CADRE__REPORT_RUN] = {&run_shape, offsetof(cadre__report, run)},
    [CADRE__REPORT_BENCH] = {&bench_shape, offsetof(cadre__report, bench)},
    [CADRE__REPORT_INFER] = {&infer_shape, offsetof(cadre__report, infer)},
    [CADRE__REPORT_OPS] = {&ops_shape, offsetof(cadre__report, ops)},
    [CADRE__REPORT_COLLECTIVES] = {&collectives_shape,
                                   offsetof(cadre__report, collectives)},
};

/* ---- Writing ---- */

static void write_fields(cadre__json *object, const field *fields, size_t n,
                         const void *base)
{
    for (const field *f = fields; f < fields + n; f++) {
        const void *at = (const char *)base + f->at;
        cadre__json *child;
        switch (f->kind) {
        case STRING:
            cadre__json_add_string(object, f->key, *(char *const *)at);
            break;
        case INT:
            cadre__json_add_integer(object, f->key, *(const int *)at);
            break;
        case SIZE:
            cadre__json_add_integer(object, f->key, (int64_t) * (const size_t *)at);
            break;
        case COUNT:
            cadre__json_add_integer(object, f->key, (int64_t) * (const uint64_t *)at);
            break;
        case INTEGER:
            cadre__json_add_integer(object, f->key, *(const int64_t *)at);
            break;
        case BOOL:
            cadre__json_add_bool(object, f->key, *(const bool *)at);
            break;
        case NUMBER:
            cadre__json_add_number(object, f->key, *(const double *)at);
            break;
        case MONEY:
            cadre__json_add_money(object, f->key, *(const cadre_money *)at);
            break;
        case QUANTILES:
            child = cadre__json_new_object();
            write_fields(child, quantile_fields, N(quantile_fields), at);
            cadre__json_add(object, f->key, child);
            break;
        }
    }
}

static void write_list(cadre__json *object, const list *l, const void *base)
{
    const size_t n = *(const size_t *)((const char *)base + l->at_n);
    const char *items = *(char *const *)((const char *)base + l->at_items);
    cadre__json *array = cadre__json_new_array();

    for (size_t i = 0; i < n; i++) {
        const char *item = items + i * l->item_bytes;
        if (!l->fields) {
            cadre__json_add_string(array, NULL, *(char *const *)(const void *)item);
            continue;
        }
        cadre__json *child = cadre__json_new_object();
        write_fields(child, l->fields, l->n_fields, item);
        cadre__json_add(array, NULL, child);
    }
    cadre__json_add(object, l->key, array);
}

/* For readers of the file; not read back. */
static void write_derived(cadre__json *root, const cadre__run_report *run)
{
    cadre__token_rate rate;
    cadre__json_add_number(root, "requests_per_s", cadre__requests_per_s(run));
    if (!cadre__token_rate_of(run, &rate))
        return;
    cadre__json_add_number(root, "tokens_per_s", rate.total);
    cadre__json_add_number(root, "generated_per_s", rate.generated);
}

cadre_status cadre__report_json(const cadre__report *report, cadre__text *out)
{
    const shape *s = kinds[report->kind].shape;
    const void *base = (const char *)report + kinds[report->kind].at;
    cadre__json *root = cadre__json_new_object();

    cadre__json_add_integer(root, "schema_version", SCHEMA_VERSION);
    cadre__json_add_string(root, "kind", s->kind);
    write_fields(root, s->fields, s->n_fields, base);
    if (report->kind == CADRE__REPORT_RUN)
        write_derived(root, &report->run);
    for (size_t i = 0; i < s->n_lists; i++)
        write_list(root, &s->lists[i], base);
    CADRE_TRY(cadre__json_append(root, out));
    return cadre__text_status(out);
}

/* ---- Reading ---- */

static cadre_status read_string(const cadre__json_doc *doc, const cadre__json *node,
                                char **out)
{
    const char *text = cadre__json_string_or(node, NULL);

    if (cadre__json_is_number(node) || cadre__json_is_object(node) ||
        cadre__json_is_array(node))
        return cadre__json_fail(doc, node, "expected a string or null");
    *out = cadre__strdup(text);
    return text && !*out ? CADRE_ERR_NOMEM : CADRE_OK;
}

static cadre_status read_whole(const cadre__json_doc *doc, const cadre__json *object,
                               const field *f, void *at)
{
    int64_t value = 0;

    if (f->kind == INT) {
        CADRE_TRY(
            cadre__json_get_integer(doc, object, f->key, true, INT_MIN, INT_MAX, &value));
        *(int *)at = (int)value;
        return CADRE_OK;
    }
    CADRE_TRY(cadre__json_get_integer(doc, object, f->key, true,
                                      f->kind == INTEGER ? -WHOLE_MAX : 0, WHOLE_MAX,
                                      &value));
    if (f->kind == SIZE)
        *(size_t *)at = (size_t)value;
    else if (f->kind == COUNT)
        *(uint64_t *)at = (uint64_t)value;
    else
        *(int64_t *)at = value;
    return CADRE_OK;
}

static cadre_status read_fields(const cadre__json_doc *doc, const cadre__json *object,
                                const field *fields, size_t n, void *base)
{
    if (!cadre__json_is_object(object))
        return cadre__json_fail(doc, object, "expected an object");
    for (const field *f = fields; f < fields + n; f++) {
        const cadre__json *node = cadre__json_member(object, f->key);
        void *at = (char *)base + f->at;
        if (!node && f->may_lack)
            continue;
        if (!node)
            return cadre__json_fail(doc, object, "key \"%s\" is missing", f->key);
        switch (f->kind) {
        case STRING:
            CADRE_TRY(read_string(doc, node, at));
            break;
        case INT:
        case SIZE:
        case COUNT:
        case INTEGER:
            CADRE_TRY(read_whole(doc, object, f, at));
            break;
        case BOOL:
            CADRE_TRY(cadre__json_get_bool(doc, object, f->key, true, at));
            break;
        case NUMBER: /* anything but a number is null, which JSON has for NAN */
            *(double *)at = cadre__json_number_or(node, NAN);
            break;
        case MONEY:
            CADRE_TRY(cadre__json_get_money(doc, object, f->key, true, INT64_MIN, at));
            break;
        case QUANTILES:
            CADRE_TRY(read_fields(doc, node, quantile_fields, N(quantile_fields), at));
            break;
        }
    }
    return CADRE_OK;
}

/* The count grows item by item, so what is there can be freed after a failure. */
static cadre_status read_list(const cadre__json_doc *doc, const cadre__json *object,
                              const list *l, void *base)
{
    const cadre__json *array = cadre__json_member(object, l->key);
    size_t *n = (size_t *)(void *)((char *)base + l->at_n);
    char **items = (char **)(void *)((char *)base + l->at_items);

    if (!array || !cadre__json_is_array(array))
        return cadre__json_fail(doc, array ? array : object, "%s: expected an array",
                                l->key);
    *items = cadre__alloc_n(cadre__json_length(array), l->item_bytes);
    if (!*items)
        return CADRE_ERR_NOMEM;
    for (cadre__json *node = cadre__json_first(array); node;
         node = cadre__json_next(node)) {
        void *item = *items + (*n)++ * l->item_bytes;
        if (l->fields)
            CADRE_TRY(read_fields(doc, node, l->fields, l->n_fields, item));
        else
            CADRE_TRY(read_string(doc, node, item));
    }
    return CADRE_OK;
}

cadre_status cadre__report_from_json(const cadre__json_doc *doc, cadre__report *out)
{
    const cadre__json *root = cadre__json_root(doc);
    const char *kind_name;
    int64_t version;

    if (!cadre__json_is_object(root))
        return cadre__json_fail(doc, root, "expected a report, an object");
    CADRE_TRY(cadre__json_get_integer(doc, root, "schema_version", true, SCHEMA_VERSION,
                                      SCHEMA_VERSION, &version));
    CADRE_TRY(cadre__json_get_string(doc, root, "kind", true, &kind_name));
    size_t k = 0;
    while (k < N(kinds) && strcmp(kind_name, kinds[k].shape->kind) != 0)
        k++;
    if (k == N(kinds))
        return cadre__json_fail(
            doc, cadre__json_member(root, "kind"),
            "expected \"run\", \"bench\", \"infer\", \"ops\" or \"collectives\", found "
            "\"%s\"",
            kind_name);
    out->kind = (cadre__report_kind)k;
    const shape *s = kinds[k].shape;
    void *base = (char *)out + kinds[k].at;
    CADRE_TRY(read_fields(doc, root, s->fields, s->n_fields, base));
    for (size_t i = 0; i < s->n_lists; i++)
        CADRE_TRY(read_list(doc, root, &s->lists[i], base));
    return CADRE_OK;
}

/* ---- Freeing ---- */

static void free_fields(const field *fields, size_t n, void *base)
{
    for (const field *f = fields; f < fields + n; f++)
        if (f->kind == STRING)
            cadre__free(*(char **)(void *)((char *)base + f->at));
}

static void free_shape(const shape *s, void *base)
{
    free_fields(s->fields, s->n_fields, base);
    for (const list *l = s->lists; l < s->lists + s->n_lists; l++) {
        const size_t n = *(size_t *)(void *)((char *)base + l->at_n);
        char *items = *(char **)(void *)((char *)base + l->at_items);
        for (size_t i = 0; items && i < n; i++) {
            void *item = items + i * l->item_bytes;
            if (l->fields)
                free_fields(l->fields, l->n_fields, item);
            else
                cadre__free(*(char **)item);
        }
        cadre__free(items);
    }
}

static void fini(const shape *s, void *report, size_t bytes)
{
    free_shape(s, report);
    memset(report, 0, bytes);
}

void cadre__run_report_fini(cadre__run_report *report)
{
    fini(&run_shape, report, sizeof *report);
}

void cadre__bench_report_fini(cadre__bench_report *report)
{
    fini(&bench_shape, report, sizeof *report);
}

void cadre__infer_report_fini(cadre__infer_report *report)
{
    fini(&infer_shape, report, sizeof *report);
}

void cadre__ops_report_fini(cadre__ops_report *report)
{
    fini(&ops_shape, report, sizeof *report);
}

void cadre__collectives_report_fini(cadre__collectives_report *report)
{
    fini(&collectives_shape, report, sizeof *report);
}
