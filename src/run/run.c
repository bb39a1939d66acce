/* run/run.c - one job, phase by phase.
 *
 *   validate    rank 0 reads and checks everything; all ranks agree before anything else
 *   broadcast   the limits of the job go to everybody
 *   barrier     everybody is there
 *   open        shard groups are created, kernels opened and warm
 *   serve       scatter-gather of all requests, coordinator and workers
 *   reduce      where each rank's time went
 *   write       the run directory gets its final names
 *
 * Each phase has its own deadline. Until the run directory is complete nothing stands
 * under a final name but run.json, which says "in_progress". */
#include "run/run.h"
#include "core/memory.h"
#include "io/json_text.h"
#include "run/summary.h"
#include <cadre/coll.h>
#include <cadre/log.h>
#include <stdio.h>
#include <string.h>

/* How long the others wait while rank 0 reads its input: it may be gigabytes. */
#define VALIDATE_TIMEOUT_MS (600 * 1000)

/* What every rank must know of the job. */
typedef struct shared_limits {
    int64_t broadcast_timeout_ms, barrier_timeout_ms, reduce_timeout_ms;
} shared_limits;

typedef struct job_run {
    cadre_comm *world;
    const cadre_topo *topo;
    const cadre__run_opts *opts;
    bool coordinator;
    shared_limits limits;
    cadre__phases phases;
    char started[32];
    /* On the coordinator only: */
    cadre__prepared prepared;
    cadre__router *router;
    cadre__rundir *dir;
    cadre__place *places;
    cadre_rank_time *times;
    cadre__dispatch_stats stats;
    char *output_dir;
    /* On every rank: */
    cadre_groups *groups;
    cadre_group **tier_groups;
    int exit_code;
    char exit_reason[512];
} job_run;

static cadre_status write_ledger(void *context, const cadre__ledger_event *event)
{
    job_run *run = context;
    const cadre__job *job = run->prepared.job;
    char amount[CADRE_MONEY_TEXT], spent[CADRE_MONEY_TEXT], reserved[CADRE_MONEY_TEXT];
    cadre__text line = {0};

    cadre__text_printf(&line, "{\"seq\":%llu,\"event\":\"%s\",\"custom_id\":",
                       (unsigned long long)event->seq, event->kind);
    const char *id = run->prepared.requests->items[event->request].custom_id;
    cadre__text_json_string(&line, id, strlen(id));
    cadre__text_printf(&line,
                       ",\"tenant\":\"%s\",\"tier\":\"%s\",\"amount_usd\":\"%s\","
                       "\"spent_usd\":\"%s\",\"reserved_usd\":\"%s\"}",
                       job->tenants[event->tenant].name, job->tiers[event->tier].name,
                       cadre_money_format(event->amount, amount),
                       cadre_money_format(event->spent, spent),
                       cadre_money_format(event->reserved, reserved));
    cadre_status st = cadre__text_status(&line);
    if (st == CADRE_OK)
        st = cadre__rundir_ledger(run->dir, cadre__text_string(&line));
    cadre__text_fini(&line);
    return st;
}

static cadre_status choose_output(job_run *run)
{
    const cadre__job *job = run->prepared.job;
    if (run->opts->output)
        run->output_dir = cadre__strdup(run->opts->output);
    else if (job->output_dir)
        run->output_dir = cadre__strdup(job->output_dir);
    else {
        char relative[128];
        snprintf(relative, sizeof relative, "runs/%s", job->name);
        run->output_dir = cadre__path_join(job->folder, relative);
    }
    return run->output_dir ? CADRE_OK : CADRE_ERR_NOMEM;
}

/* ---- Phases ---- */

static cadre_status validate_here(job_run *run)
{
    const size_t size = (size_t)cadre_comm_size(run->world);
    CADRE_TRY(cadre__prepare(run->opts, size > 1 ? size - 1 : 1, &run->prepared));
    const cadre__job *job = run->prepared.job;
    run->limits =
        (shared_limits){.broadcast_timeout_ms = job->limits.broadcast_timeout_ms,
                        .barrier_timeout_ms = job->limits.barrier_timeout_ms,
                        .reduce_timeout_ms = job->limits.reduce_timeout_ms};
    run->stats.tiers = cadre__alloc_n(job->n_tiers, sizeof *run->stats.tiers);
    run->stats.refused_worth =
        cadre__alloc_n(job->n_tenants, sizeof *run->stats.refused_worth);
    run->tier_groups = cadre__alloc_n(job->n_tiers, sizeof *run->tier_groups);
    run->places = cadre__alloc_n(size, sizeof *run->places);
    run->times = cadre__alloc_n(size, sizeof *run->times);
    if (!run->stats.tiers || !run->stats.refused_worth || !run->tier_groups ||
        !run->places || !run->times)
        return CADRE_ERR_NOMEM;
    CADRE_TRY(cadre__router_create(job, write_ledger, run, &run->router));
    return choose_output(run);
}

static cadre_status validate(job_run *run)
{
    const cadre_status st = run->coordinator ? validate_here(run) : CADRE_OK;
    return cadre_comm_agree(run->world, st, cadre_deadline_in_ms(VALIDATE_TIMEOUT_MS));
}

static cadre_status broadcast(job_run *run)
{
    const cadre_coll_opts opts = {.deadline_ns =
                                      cadre_deadline_in_ms(CADRE_DEFAULT_TIMEOUT_MS)};
    return cadre_broadcast(run->world, &run->limits, sizeof run->limits / sizeof(int64_t),
                           CADRE_I64, 0, &opts);
}

/* The run directory is opened here, when all ranks are known to be there. */
static cadre_status meet(job_run *run)
{
    const int64_t deadline = cadre_deadline_in_ms(run->limits.barrier_timeout_ms);
    CADRE_TRY(cadre_barrier(run->world, &(cadre_coll_opts){.deadline_ns = deadline}));
    CADRE_TRY(cadre__gather_places(run->world, run->topo, run->places));
    cadre_status st = CADRE_OK;
    if (run->coordinator) {
        cadre__json *info =
            cadre__run_info(&run->prepared, run->world, run->topo, run->places,
                            run->opts->command, run->started);
        st =
            cadre__rundir_open(run->output_dir, run->prepared.job, run->prepared.requests,
                               info, run->opts->overwrite, &run->dir);
        cadre__json_destroy(info);
    }
    return cadre_comm_agree(run->world, st, deadline);
}

static cadre_status open_groups(job_run *run)
{
    const cadre__job *job = run->prepared.job;
    for (size_t t = 0; t < job->n_tiers; t++) {
        const cadre__job_tier *tier = &job->tiers[t];
        cadre_group_opts opts = {.name = tier->name,
                                 .kernel = tier->kernel,
                                 .model = tier->model,
                                 .tokenizer = tier->tokenizer,
                                 .options = tier->options,
                                 .shards = tier->shards,
                                 .ranks_per_shard = tier->ranks_per_shard,
                                 .n_keys = run->prepared.requests->n,
                                 .timeout_ms = job->limits.barrier_timeout_ms};
        CADRE_TRY(cadre_partition_from_name(tier->partition, &opts.partition));
        CADRE_TRY(cadre_placement_from_name(tier->placement, &opts.placement));
        CADRE_TRY(
            cadre_context(cadre_group_create(run->groups, &opts, &run->tier_groups[t]),
                          "opening tier %s", tier->name));
    }
    return CADRE_OK;
}

static cadre_status serve(job_run *run)
{
    cadre__progress progress;
    const cadre__dispatch_stats *stats = &run->stats;
    cadre__progress_start(&progress, run->opts->progress, run->prepared.requests->n);
    const cadre_status st =
        cadre__dispatch(&run->prepared, run->router, run->groups, run->tier_groups,
                        run->dir, &progress, &run->stats);
    cadre__progress_end(
        &progress, stats->completed + stats->failed + stats->refused + stats->expired,
        stats->failed + stats->refused + stats->expired, stats->spent);
    return st;
}

static void judge(job_run *run)
{
    const cadre__dispatch_stats *stats = &run->stats;
    const uint64_t n = run->prepared.requests->n;
    const char *reason = "all requests have a result";

    run->exit_code = CADRE__EXIT_OK;
    if (stats->expired > 0) {
        run->exit_code = CADRE__EXIT_DEADLINE;
        reason = "stopped at the job's deadline";
    } else if (stats->completed == 0 && stats->refused == n && n > 0) {
        run->exit_code = CADRE__EXIT_BUDGET;
        reason = "no request could be admitted";
    } else if (stats->completed < n) {
        run->exit_code = CADRE__EXIT_ERRORS;
        reason = "finished; some requests ended in an error record";
    }
    snprintf(run->exit_reason, sizeof run->exit_reason, "%s", reason);
}

static cadre_status complete(job_run *run, const cadre__run_report *figures)
{
    const cadre__report report = {.kind = CADRE__REPORT_RUN, .run = *figures};
    cadre__text json = {0}, html = {0}, prometheus = {0}, text = {0};
    cadre_status st;

    CADRE_TRY_GOTO(st, cadre__report_json(&report, &json), done);
    CADRE_TRY_GOTO(st, cadre__report_html(&report, &html), done);
    CADRE_TRY_GOTO(st, cadre__report_prometheus(&report, &prometheus), done);
    CADRE_TRY_GOTO(st, cadre__report_text(&report, &text), done);
    const cadre__named_text files[] = {{"report.json", cadre__text_string(&json)},
                                       {"report.html", cadre__text_string(&html)},
                                       {"metrics.prom", cadre__text_string(&prometheus)}};
    CADRE_TRY_GOTO(st, cadre__rundir_complete(run->dir, files, 3), done);
    fputs(cadre__text_string(&text), stdout);
    fflush(stdout);

done:
    cadre__text_fini(&json);
    cadre__text_fini(&html);
    cadre__text_fini(&prometheus);
    cadre__text_fini(&text);
    return st;
}

static cadre_status write_records(job_run *run)
{
    return cadre__rundir_finish_records(run->dir);
}

static cadre_status write_report(job_run *run)
{
    const cadre__summary_input input = {.prepared = &run->prepared,
                                        .router = run->router,
                                        .stats = &run->stats,
                                        .comm = run->world,
                                        .groups = run->groups,
                                        .places = run->places,
                                        .times = run->times,
                                        .phases = &run->phases,
                                        .output_dir = run->output_dir,
                                        .started = run->started,
                                        .exit_code = run->exit_code,
                                        .exit_reason = run->exit_reason};
    cadre__run_report report;
    cadre_status st = cadre__summarize(&input, &report);
    if (st == CADRE_OK)
        st = complete(run, &report);
    cadre__run_report_fini(&report);
    return st;
}

/* Count the time of a phase. */
static cadre_status timed(job_run *run, cadre_status (*phase)(job_run *), int64_t *took)
{
    const int64_t start = cadre_clock_ns();
    const cadre_status st = phase(run);
    *took = cadre_clock_ns() - start;
    return st;
}

/* A kernel that never comes back keeps its rank from telling its times. Every request has
 * its record by now, so the run is completed without the times. */
static cadre_status reduce(job_run *run)
{
    const cadre_status st =
        cadre_groups_times(run->groups, run->limits.reduce_timeout_ms, run->times);
    if (st != CADRE_ERR_TIMEOUT && st != CADRE_ERR_BROKEN)
        return st;
    cadre_log(CADRE_LOG_WARN, "run", "the report lacks the ranks' times: %s",
              cadre_last_error());
    memset(run->times, 0, (size_t)cadre_comm_size(run->world) * sizeof *run->times);
    return CADRE_OK;
}

static cadre_status coordinate(job_run *run)
{
    CADRE_TRY(timed(run, open_groups, &run->phases.open));
    CADRE_TRY(timed(run, serve, &run->phases.serve));
    judge(run);
    CADRE_TRY(cadre_context(timed(run, reduce, &run->phases.reduce),
                            "collecting the ranks' times"));
    CADRE_TRY(timed(run, write_records, &run->phases.write));
    return write_report(run);
}

/* ---- Exit codes ---- */

/* Before anything was computed every fault is one of the input, except of the machine. A
 * file that cannot be read is found while the job is validated, and a run directory where
 * nobody may write is a fault of the input; what storage fails at later is its own. */
static int code_before_start(const job_run *run, cadre_status st)
{
    return st == CADRE_ERR_NOMEM || st == CADRE_ERR_MPI || st == CADRE_ERR_BROKEN ||
                   st == CADRE_ERR_TIMEOUT || st == CADRE_ERR_INTERNAL ||
                   (st == CADRE_ERR_IO && run->phases.barrier)
               ? CADRE__EXIT_RESOURCE
               : CADRE__EXIT_INPUT;
}

static void explain(job_run *run, cadre_status st)
{
    if (st != CADRE_OK && run->coordinator)
        fprintf(stderr, "cadre: %s\n", cadre_last_error());
}

static void free_run(job_run *run)
{
    cadre__rundir_destroy(run->dir);
    cadre__router_destroy(run->router);
    cadre__free(run->stats.tiers);
    cadre__free(run->stats.refused_worth);
    cadre__free(run->tier_groups);
    cadre__free(run->places);
    cadre__free(run->times);
    cadre__free(run->output_dir);
    cadre__prepared_fini(&run->prepared);
}

static cadre_status prologue(job_run *run)
{
    CADRE_TRY(timed(run, validate, &run->phases.validate));
    CADRE_TRY(cadre_context(timed(run, broadcast, &run->phases.broadcast),
                            "broadcasting the job"));
    CADRE_TRY(timed(run, meet, &run->phases.barrier));
    return cadre_groups_open(run->world, &run->groups);
}

int cadre__run_job(cadre_comm *world, cadre_topo *topo, const cadre__run_opts *opts)
{
    job_run run = {.world = world,
                   .topo = topo,
                   .opts = opts,
                   .coordinator = cadre_comm_rank(world) == 0};
    cadre_clock_utc(run.started);

    cadre_status st = prologue(&run);
    if (st != CADRE_OK) {
        run.exit_code = code_before_start(&run, st);
        explain(&run, st);
    } else if (run.coordinator) {
        st = coordinate(&run);
        if (st != CADRE_OK)
            run.exit_code =
                run.phases.serve ? CADRE__EXIT_RESOURCE : code_before_start(&run, st);
        explain(&run, st);
    } else {
        st = cadre_groups_serve(run.groups, &run.exit_code);
        if (st != CADRE_OK)
            run.exit_code = CADRE__EXIT_RESOURCE;
    }
    if (st != CADRE_OK && !run.phases.serve) {
        cadre__rundir_withdraw(run.dir);
        run.dir = NULL;
    }
    cadre_groups_close(run.groups, run.exit_code);
    free_run(&run);
    return run.exit_code;
}
