#!/usr/bin/env bash
# Texts in OpenAI's batch form, served by a user's kernel from a shared object.
. "$(dirname "$0")/lib.sh"

build_dir="${CADRE_TEST_BUILD:-$source_dir/build}"
cat >"$tmp/job.json" <<JOB
{
  "schema_version": 1, "name": "texts",
  "input": {"path": "requests.jsonl"}, "output": {"dir": "run"},
  "tiers": [{"name": "small", "kernel": "$build_dir/tests/kernel_words.so", "shards": 2,
             "price": {"input_per_1k": "0.001", "output_per_1k": "0.002"}}],
  "tenants": [{"name": "acme", "budget": "0.00001"}, {"name": "free"}]
}
JOB
cat >"$tmp/requests.jsonl" <<'REQUESTS'
{"custom_id": "completion", "method": "POST", "url": "/v1/completions", "body": {"model": "auto", "prompt": "five words are in here", "max_tokens": 5, "metadata": {"tenant": "acme"}}}
{"custom_id": "chat", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "small", "messages": [{"role": "user", "content": "two words"}], "metadata": {"tenant": "acme"}}}
{"id": "short", "prompt": "grüße — ünïcödé \"quoted\"\nnew line", "tenant": "free"}
{"id": "too dear", "prompt": "one two three four five six seven eight nine ten", "tenant": "acme"}
{"id": "capped", "prompt": "a b c", "tenant": "free", "max_cost_usd": "0.000001"}
REQUESTS
expect 1 ranks 3 cadre run "$tmp/job.json" --progress off
field() { jq -r "select(.custom_id == \"$1\") | $2" "$tmp/run/results.jsonl" "$tmp/run/errors.jsonl"; }
check "completion text" test "$(field completion '.response.body.choices[0].text')" = "5 words, the longest: words"
check "completion usage" test "$(field completion '.response.body.usage.prompt_tokens')" = 5
check "completion cost" test "$(field completion '.cadre.cost_usd')" = 0.000005
check "chat form" test "$(field chat '.response.body.choices[0].message.content')" = "3 words, the longest: user:"
check "chat role" test "$(field chat '.response.body.choices[0].message.role')" = assistant
check "UTF-8 and quotes survive" test "$(field short '.response.body.choices[0].text')" = '6 words, the longest: ünïcödé'
check "refused by the budget" test "$(field 'too dear' '.error.code')" = budget_exceeded
check "refused by its own cap" test "$(field capped '.error.code')" = budget_exceeded
check "five lines in all" test "$(cat "$tmp/run/results.jsonl" "$tmp/run/errors.jsonl" | wc -l)" -eq 5
expect 1 ranks 5 cadre run "$tmp/job.json" --progress off --output "$tmp/other" --set tiers.0.shards=4 --set tiers.0.batch=1
check "the same answers at 5 ranks" cmp -s <(jq -c '[.custom_id, .response]' "$tmp/run/results.jsonl") <(jq -c "[.custom_id, .response]" "$tmp/other/results.jsonl")

# A shared object that is no kernel.
echo text >"$tmp/broken.so"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.shards=1 --set tiers.0.kernel="$tmp/broken.so"
warns "broken.so"
finish
