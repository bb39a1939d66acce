/* coll/explain.c - the candidates for a call, and which of them is chosen, and why. */
#include "coll/explain.h"
#include "coll/choice.h"
#include "coll/run.h"
#include "coll/setting.h"
#include "core/settings.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static cadre_status say_why(const cadre__coll_call *call, size_t n_applying,
                            cadre__coll_explanation *out)
{
    const char *setting = cadre__setting_name(CADRE__SETTING_COLL);
    const cadre__coll_rules *rules;

    CADRE_TRY(cadre__coll_setting(&rules));
    if (cadre__coll_rule_for(rules, call->collective, cadre__coll_size(call)) ==
        call->row)
        snprintf(out->why, sizeof out->why, "%s says so", setting);
    else if (n_applying == 1)
        snprintf(out->why, sizeof out->why, "no other can do it");
    else
        snprintf(out->why, sizeof out->why, "least predicted time of %zu%s", n_applying,
                 cadre_comm_n_nodes(call->comm) == 1
                     ? ", messages and the kernel's copies counted 5/4"
                     : "");
    return CADRE_OK;
}

cadre_status cadre__coll_explain(cadre_comm *comm, const cadre_coll_args *args,
                                 const cadre_coll_opts *opts,
                                 cadre__coll_explanation *out)
{
    cadre__coll_call call;
    const cadre__coll_row *row;
    size_t n_applying = 0;

    memset(out, 0, sizeof *out);
    CADRE_TRY(cadre__coll_prepare(&call, comm, args, opts));
    if (call.row == NULL)
        return CADRE_OK;
    const int class = cadre__coll_class(&call);
    out->class_bytes = class == 0 ? 0 : (size_t)1 << (class - 1);
    for (size_t i = 0; (row = cadre__coll_row_at(call.collective, i)) != NULL; i++) {
        if (out->n == CADRE__MAX_CANDIDATES)
            return cadre_fail(CADRE_ERR_INTERNAL, "%s has more than %d algorithms",
                              cadre__collective_name(call.collective),
                              CADRE__MAX_CANDIDATES);
        const bool applies = cadre__coll_applies(row, &call);
        n_applying += applies;
        out->candidates[out->n++] = (cadre__coll_candidate){
            .name = row->name,
            .summary = row->summary,
            .applies = applies,
            .chosen = row == call.row,
            .predicted_ns = applies ? cadre__coll_class_cost(row, &call, class) : 0,
        };
    }
    return say_why(&call, n_applying, out);
}

/* Places that no check refuses; nothing reads them. */
#define SOME_PLACE ((void *)(uintptr_t)64)
#define FAR_FROM_IT ((void *)(UINTPTR_MAX / 2 + 1))

const char *cadre__coll_would_run(cadre_comm *comm, const cadre_coll_args *args)
{
    cadre__coll_call call;
    cadre_coll_args shape = *args;

    shape.send = SOME_PLACE;
    shape.recv = FAR_FROM_IT;
    if (cadre__coll_prepare(&call, comm, &shape, NULL) != CADRE_OK)
        return NULL;
    return call.row != NULL ? call.row->name : "";
}
