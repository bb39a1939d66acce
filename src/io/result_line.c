/* io/result_line.c - one record as a line of results.jsonl or errors.jsonl.
 *
 * Written as text, since a tree of nodes for each of many thousand lines would cost more
 * than serving a small model.
 */
#include "io/json_text.h"
#include "io/results.h"
#include <math.h>
#include <string.h>

static void put_string(cadre__text *out, const char *string)
{
    if (string)
        cadre__text_json_string(out, string, strlen(string));
    else
        cadre__text_puts(out, "null");
}

static const char *tier_name(const cadre__job *job, int tier)
{
    return tier >= 0 && (size_t)tier < job->n_tiers ? job->tiers[tier].name : NULL;
}

/* Nine digits bring back every f32 exactly. */
static void put_row(cadre__text *out, const cadre__record *record)
{
    const float *row = record->data;
    const size_t n = record->bytes / sizeof *row;
    cadre__text_puts(out, "[");
    for (size_t i = 0; i < n; i++)
        if (isfinite(row[i]))
            cadre__text_printf(out, i ? ",%.9g" : "%.9g", (double)row[i]);
        else
            cadre__text_puts(out, i ? ",null" : "null"); /* JSON has no NaN */
    cadre__text_puts(out, "]");
}

static void put_embedding(cadre__text *out, const cadre__job *job,
                          const cadre__record *record)
{
    cadre__text_puts(out, "\"object\":\"list\",\"model\":");
    put_string(out, tier_name(job, record->tier));
    cadre__text_puts(out,
                     ",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":");
    put_row(out, record);
    cadre__text_puts(out, "}]");
}

static void put_completion(cadre__text *out, const cadre__job *job,
                           const cadre__item *item, const cadre__record *record)
{
    const bool chat = item->url == CADRE__URL_CHAT;
    cadre__text_printf(
        out, "\"id\":\"%s-%zu\",\"object\":\"%s\",\"model\":", chat ? "chatcmpl" : "cmpl",
        record->index, chat ? "chat.completion" : "text_completion");
    put_string(out, tier_name(job, record->tier));
    cadre__text_puts(out, chat ? ",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                                 "\"assistant\",\"content\":"
                               : ",\"choices\":[{\"index\":0,\"text\":");
    cadre__text_json_string(out, record->data ? record->data : "", record->bytes);
    cadre__text_puts(out, chat ? "},\"logprobs\":" : ",\"logprobs\":");
    cadre__put_logprobs(out, record->logprobs, chat);
    cadre__text_puts(out, ",\"finish_reason\":");
    put_string(out, record->finish_reason);
    cadre__text_puts(out, "}]");
}

static void put_response(cadre__text *out, const cadre__job *job, const cadre__item *item,
                         const cadre__record *record)
{
    const bool row = record->gives == CADRE_PAYLOAD_ROW;
    cadre__text_printf(out, "{\"status_code\":200,\"request_id\":\"req_%zu\",\"body\":{",
                       record->index);
    if (row)
        put_embedding(out, job, record);
    else
        put_completion(out, job, item, record);
    cadre__text_printf(out, ",\"usage\":{\"prompt_tokens\":%u,", record->tokens_in);
    if (!row)
        cadre__text_printf(out, "\"completion_tokens\":%u,", record->tokens_out);
    cadre__text_printf(out, "\"total_tokens\":%llu}}},\"error\":null",
                       (unsigned long long)record->tokens_in +
                           (row ? 0 : (unsigned long long)record->tokens_out));
}

static void put_error(cadre__text *out, const cadre__record *record)
{
    cadre__text_puts(out, "null,\"error\":{\"code\":");
    put_string(out, record->error_code);
    cadre__text_puts(out, ",\"message\":");
    put_string(out, record->message ? record->message : "");
    cadre__text_puts(out, "}");
}

/* What only texts have. Which prompt tokens were found computed depends on who came
 * before on the same shard, so it stands among the timings and not in "usage". */
static void put_token_times(cadre__text *out, const cadre__record *record)
{
    const int64_t per_token = cadre__record_ns_per_token(record);
    cadre__text_printf(out, ",\"cached_tokens\":%u,\"ttft_ms\":%.3f,\"tpot_ms\":",
                       record->tokens_shared, (double)record->first_token_ns / 1e6);
    if (per_token > 0)
        cadre__text_printf(out, "%.3f", (double)per_token / 1e6);
    else
        cadre__text_puts(out, "null");
}

static void put_cadre(cadre__text *out, const cadre__job *job, const cadre__item *item,
                      const cadre__record *record)
{
    char cost[CADRE_MONEY_TEXT];
    const bool known = item->tenant >= 0 && (size_t)item->tenant < job->n_tenants;

    cadre__text_puts(out, ",\"cadre\":{\"tier\":");
    put_string(out, tier_name(job, record->tier));
    cadre__text_puts(out, ",\"tenant\":");
    put_string(out, known ? job->tenants[item->tenant].name : NULL);
    cadre__text_printf(out,
                       ",\"cost_usd\":\"%s\",\"tokens_in\":%u,\"tokens_out\":%u,"
                       "\"downgraded\":%s,\"decision\":",
                       cadre_money_format(record->cost, cost), record->tokens_in,
                       record->tokens_out, record->downgraded ? "true" : "false");
    put_string(out, record->decision);
    cadre__text_printf(out, ",\"attempts\":%d,\"queue_ms\":%.3f,\"service_ms\":%.3f",
                       record->attempts, (double)record->queue_ns / 1e6,
                       (double)record->service_ns / 1e6);
    if (record->first_token_ns > 0)
        put_token_times(out, record);
    cadre__text_puts(out, "}");
}

void cadre__result_line(cadre__text *out, const cadre__job *job, const cadre__item *item,
                        const cadre__record *record)
{
    cadre__text_printf(out, "{\"id\":\"batch_req_%zu\",\"custom_id\":", record->index);
    put_string(out, item->custom_id);
    cadre__text_puts(out, ",\"response\":");
    if (record->ok)
        put_response(out, job, item, record);
    else
        put_error(out, record);
    put_cadre(out, job, item, record);
    cadre__text_puts(out, "}\n");
}
