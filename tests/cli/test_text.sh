#!/usr/bin/env bash
# Texts in OpenAI's batch form, served by users' kernels from shared objects: one that takes
# whole batches, one that generates token by token.
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

# Token by token: all that can be asked arrives, and what is wrong with one request is an
# error of that request.
cat >"$tmp/parrot.json" <<JOB
{
  "schema_version": 1, "name": "parrot",
  "input": {"path": "parrot.jsonl"}, "output": {"dir": "parrot"},
  "tiers": [{"name": "p", "kernel": "$build_dir/tests/kernel_parrot.so", "shards": 2,
             "price": {"input_per_1k": "0.001", "output_per_1k": "0.002"}}]
}
JOB
long="$(printf 'x%.0s' $(seq 1000))"
cat >"$tmp/parrot.jsonl" <<REQUESTS
{"custom_id": "plain", "url": "/v1/completions", "body": {"prompt": "one two three", "max_tokens": 99}}
{"custom_id": "length", "url": "/v1/completions", "body": {"prompt": "aé größer", "max_tokens": 2, "logprobs": 2}}
{"id": "stop", "prompt": "one two three", "max_tokens": 99, "stop": ["xyz", "wo"]}
{"id": "sampling", "prompt": "x", "max_tokens": 99, "temperature": 0.5, "top_p": 0.25, "min_p": 0.125, "top_k": 7, "seed": 9007199254740991, "stop": "END"}
{"custom_id": "chat", "url": "/v1/chat/completions", "body": {"messages": [{"role": "system", "content": "be quiet"}, {"role": "user", "content": [{"type": "text", "text": "ab"}, {"type": "text", "text": "cé"}]}], "max_completion_tokens": 9, "logprobs": true, "top_logprobs": 1}}
{"id": "too long", "prompt": "$long", "max_tokens": 9}
{"id": "bytes", "prompt": "a$(printf '\xff')b"}
{"id": "empty", "prompt": ""}
REQUESTS
for i in $(seq 40); do
    echo "{\"id\": \"many $i\", \"prompt\": \"$(printf 'word%.0s ' $(seq $((i * 7 % 40 + 1))))\", \"max_tokens\": $((i * 5 % 30 + 1)), \"logprobs\": 1}"
done >>"$tmp/parrot.jsonl"
expect 1 ranks 3 cadre run "$tmp/parrot.json" --progress off
run="$tmp/parrot"
field() { jq -r "select(.custom_id == \"$1\") | $2" "$run/results.jsonl" "$run/errors.jsonl"; }
is() { check "$1: $2" test "$(field "$1" "$2")" = "$3"; }
is plain '.response.body.choices[0] | .text + "|" + .finish_reason' 'one two three|stop'
is plain '.response.body.choices[0].logprobs' null
is plain '.cadre.cost_usd' 0.000015
is plain '.cadre | .ttft_ms > 0 and .tpot_ms > 0 and .cached_tokens == 1' true
is length '.response.body.choices[0] | .text + "|" + .finish_reason' 'aé gr|length'
is length '.response.body.choices[0].logprobs | .tokens | join("|")' 'aé| gr'
is length '.response.body.choices[0].logprobs | [.token_logprobs, .text_offset, .top_logprobs] | tojson' \
    '[[-0.125,-0.25],[0,2],[{"aé":-0.125,"b":-2},{" gr":-0.25,"b":-2}]]'
is stop '.response.body.choices[0] | .text + "|" + .finish_reason' 'one t|stop'
is sampling '.response.body.choices[0].text' 't0.5 p0.25 m0.125 k7 s9007199254740991 1 stops'
is chat '.response.body.choices[0].message.content' 'abcé'
is chat '.response.body.choices[0].logprobs.content | [map(.token), map(.bytes), map(.top_logprobs | length)] | tojson' \
    '[["abc","é"],[[97,98,99],[195,169]],[1,1]]'
is 'too long' '.error.code + ": " + .error.message' \
    'bad_request: tier p: 334 tokens of prompt and 9 to be generated do not fit the context of 256'
is 'too long' '.cadre.cost_usd' 0.00
is bytes '.error.code + ": " + .error.message' 'bad_request: prompt: not valid UTF-8 from byte 2 of the text on'
is empty '.response.body.choices[0].text' ''
check "two errors" test "$(wc -l <"$run/errors.jsonl")" -eq 2
check "all others answered" test "$(wc -l <"$run/results.jsonl")" -eq 46
check "columns of texts" grep -q tpot_ns "$run/results.h5"
for args in "2 tiers.0.shards=1" "1 tiers.0.shards=1" "5 tiers.0.shards=4" "3 tiers.0.batch=7"; do
    expect 1 ranks "${args% *}" cadre run "$tmp/parrot.json" --progress off --output "$tmp/again" --overwrite --set "${args#* }"
    check "the same answers: $args" cmp -s <(jq -c '[.custom_id, .response, .cadre.cost_usd]' "$run/results.jsonl") \
        <(jq -c '[.custom_id, .response, .cadre.cost_usd]' "$tmp/again/results.jsonl")
    rm -r "$tmp/again"
done

# What would change the answer and nobody can do is refused with its line.
refused() {
    echo "{\"custom_id\": \"1\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": \"x\"}}" >"$tmp/parrot.jsonl"
    echo "{\"custom_id\": \"2\", \"url\": \"/v1/completions\", \"body\": {\"prompt\": \"x\", $1}}" >>"$tmp/parrot.jsonl"
    expect 3 ranks 3 cadre run "$tmp/parrot.json" --progress off --output "$tmp/none"
    warns "parrot.jsonl:2: body.$2"
}
refused '"max_tokens": 0' "max_tokens: expected a whole number"
refused '"n": 2' "n: expected 1"
refused '"stream": true' "stream: expected false"

# The job of the HumanEval prompts, in its makers' own form, over two tiers.
human_eval="$source_dir/../shared/data/prompts/HumanEval.jsonl.gz"
if [ -f "$human_eval" ]; then
    jq --arg kernel "$build_dir/tests/kernel_parrot.so" --arg input "$human_eval" \
        '.tiers[] |= (.kernel = $kernel | del(.model)) | .input.path = $input | .input.request.max_tokens = 20' \
        "$source_dir/jobs/humaneval.json" >"$tmp/humaneval.json"
    expect 1 ranks 3 cadre run "$tmp/humaneval.json" --progress off --output "$tmp/humaneval"
    check "164 records" test "$(cat "$tmp/humaneval"/{results,errors}.jsonl | wc -l)" -eq 164
    check "in input order" test "$(jq -r .custom_id "$tmp/humaneval/results.jsonl" | head -1)" = HumanEval/0
    check "both tiers served" test "$(jq -r .cadre.tier "$tmp/humaneval/results.jsonl" | sort -u | xargs)" = "large small"
    check "those that are too long are told apart" test \
        "$(jq -r .error.code "$tmp/humaneval/errors.jsonl" | sort -u)" = bad_request
    says "generated/s"
else
    echo "no ../shared/data/prompts beside the sources: the HumanEval job is not tried"
fi

# A shared object that is no kernel.
echo text >"$tmp/broken.so"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.shards=1 --set tiers.0.kernel="$tmp/broken.so"
warns "broken.so"
finish
