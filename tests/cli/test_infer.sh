#!/usr/bin/env bash
# Text generation as a user runs it: a small real model, any number of ranks, any order of requests,
# a model split over ranks, and input that is bad.
. "$(dirname "$0")/lib.sh"

stories="$source_dir/../shared/data/stories260K"
[ -f "$stories/stories260K.bin" ] || skip "no ../shared/data/stories260K beside the sources"

# job SHARDS RANKS_PER_SHARD INPUT: a job file's text.
job() {
    cat <<JOB
{
  "schema_version": 1, "name": "infer",
  "input": {"path": "$3"}, "output": {"dir": "run"},
  "tiers": [{"name": "stories", "kernel": "transformer", "model": "$stories/stories260K.bin",
             "tokenizer": "$stories/tok512.bin", "shards": $1, "ranks_per_shard": $2,
             "options": {"max_sequences": 8, "max_rows": 40},
             "price": {"input_per_1k": "0.001", "output_per_1k": "0.002"}}]
}
JOB
}

cat >"$tmp/requests.jsonl" <<'REQUESTS'
{"id": "greedy", "prompt": "", "max_tokens": 200}
{"custom_id": "lily", "method": "POST", "url": "/v1/completions", "body": {"model": "stories", "prompt": "Lily and her dog", "max_tokens": 60}}
{"custom_id": "drawn", "method": "POST", "url": "/v1/completions", "body": {"model": "stories", "prompt": "Once upon a time", "max_tokens": 80, "temperature": 0.9, "seed": 1}}
{"custom_id": "drawn again", "method": "POST", "url": "/v1/completions", "body": {"model": "stories", "prompt": "Once upon a time", "max_tokens": 80, "temperature": 0.9, "seed": 1}}
{"custom_id": "drawn otherwise", "method": "POST", "url": "/v1/completions", "body": {"model": "stories", "prompt": "Once upon a time", "max_tokens": 80, "temperature": 0.9, "seed": 2, "top_p": 0.9}}
{"custom_id": "stopped", "method": "POST", "url": "/v1/completions", "body": {"model": "stories", "prompt": "", "max_tokens": 200, "stop": ["park", "ball"]}}
{"custom_id": "weighed", "method": "POST", "url": "/v1/completions", "body": {"model": "stories", "prompt": "The cat", "max_tokens": 20, "logprobs": 3}}
{"custom_id": "other letters", "method": "POST", "url": "/v1/completions", "body": {"model": "stories", "prompt": "Größe 😀 —", "max_tokens": 30, "temperature": 1.5, "seed": 9}}
REQUESTS
# Many more, half of which begin alike.
for i in $(seq 40); do
    echo "{\"custom_id\": \"many $i\", \"method\": \"POST\", \"url\": \"/v1/completions\", \"body\":" \
        "{\"model\": \"stories\", \"prompt\": \"One day, a little bird and a big bear went to the forest" \
        "together, and they were looking for flowers and berries. $((i % 3)) friends came and" \
        "$i other friends\", \"max_tokens\": $((i % 17 + 1))," \
        "\"temperature\": 0.$((i % 10)), \"seed\": $i}}"
done >>"$tmp/requests.jsonl"
n_requests="$(wc -l <"$tmp/requests.jsonl")"

body() { jq -r "select(.custom_id == \"$1\") | .response.body | $2" "$tmp/$3/results.jsonl"; }
# Only the ids that are made from the place in the file may differ.
answers() { jq -c '[.custom_id, (.response.body | del(.id)), .cadre.cost_usd]' "$tmp/$1/results.jsonl" | sort; }

# serve RANKS SHARDS WIDTH RUN INPUT
serve() {
    job "$2" "$3" "$5" >"$tmp/job.json"
    expect 0 ranks "$1" cadre run "$tmp/job.json" --progress off --output "$tmp/$4"
    check "$4: all are answered" test "$(wc -l <"$tmp/$4/results.jsonl")" -eq "$n_requests"
}

serve 3 2 1 three requests.jsonl
body greedy '.choices[0].text' three >"$tmp/greedy.txt"
check "the greedy story" cmp -s <(cat "$stories/expected_greedy_200.txt" && echo) "$tmp/greedy.txt"
check "its tokens" test "$(body greedy '"\(.usage.prompt_tokens) \(.usage.completion_tokens) \(.choices[0].finish_reason)"' three)" = "1 200 length"
check "the same seed, the same story" test "$(body drawn '.choices[0].text' three)" = "$(body "drawn again" '.choices[0].text' three)"
check "another seed, another story" test "$(body drawn '.choices[0].text' three)" != "$(body "drawn otherwise" '.choices[0].text' three)"
check "the text ends before a stop string" test "$(body stopped '.choices[0].text' three)" = \
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
check "and says so" test "$(body stopped '.choices[0].finish_reason' three)" = stop
check "log-probabilities" test "$(body weighed '.choices[0].logprobs | "\(.tokens | length) \(.top_logprobs | map(length) | unique[0])"' three)" = "20 3"
check "equal beginnings were computed once" test "$(jq -s 'map(.cadre.cached_tokens) | add > 300' "$tmp/three/results.jsonl")" = true

# The same bytes whoever serves, in whatever order.
for n in 1 2 5; do
    serve "$n" "$((n > 1 ? n - 1 : 1))" 1 "ranks$n" requests.jsonl
    check "the same answers at $n ranks" cmp -s <(answers three) <(answers "ranks$n")
done
sort -R --random-source=<(yes) "$tmp/requests.jsonl" >"$tmp/shuffled.jsonl"
serve 3 2 1 shuffled shuffled.jsonl
check "the same answers in another order" cmp -s <(answers three) <(answers shuffled)

# A model split over ranks.
for width in 2 3; do
    serve "$((width + 1))" 1 "$width" "width$width" requests.jsonl
    check "the same answers from $width ranks per shard" cmp -s <(answers three) <(answers "width$width")
done

# More ranks than the model has heads (8): some keep no keys and values, and compute their rows only.
head -n 6 "$tmp/requests.jsonl" >"$tmp/few.jsonl"
job 1 9 few.jsonl >"$tmp/job.json"
expect 0 ranks 10 cadre run "$tmp/job.json" --progress off --output "$tmp/width9"
check "all six are answered" test "$(answers width9 | wc -l)" -eq 6
check "the same answers from 9 ranks per shard" test -z "$(comm -23 <(answers width9) <(answers three))"

# Plain loops give the bits of vector instructions.
job 2 1 requests.jsonl >"$tmp/job.json"
expect 0 ranks 3 env CADRE_ISA=ref "$CADRE" run "$tmp/job.json" --progress off --output "$tmp/ref"
check "the same answers without vector instructions" cmp -s <(answers three) <(answers ref)

# A chat, in the form that an option names: this model brings none.
cat >"$tmp/chat.jsonl" <<'REQUESTS'
{"custom_id": "chat", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "stories", "max_tokens": 9, "temperature": 0, "logprobs": true, "top_logprobs": 2, "messages": [{"role": "system", "content": "You tell stories."}, {"role": "user", "content": "Once upon a time"}]}}
REQUESTS
job 1 1 chat.jsonl >"$tmp/job.json"
expect 0 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/chat" --set tiers.0.options.chat_template=llama2
check "a chat is answered" test "$(body chat '.choices[0].message | "\(.role) \(.content | length > 0)"' chat)" = "assistant true"
check "with log-probabilities" test "$(body chat '.choices[0].logprobs.content | "\(length) \(map(.top_logprobs | length) | unique[0])"' chat)" = "9 2"
check "in more tokens than its words" test "$(body chat '.usage.prompt_tokens > 20' chat)" = true
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.options.chat_template=llama9
warns "zephyr"

# Requests that cannot be served, beside one that can.
long="$(printf 'word %.0s' $(seq 600))"
{
    echo '{"id": "good", "prompt": "A cat", "max_tokens": 5}'
    echo "{\"id\": \"long\", \"prompt\": \"$long\", \"max_tokens\": 5}"
    printf '{"id": "torn", "prompt": "a \xff b", "max_tokens": 5}\n'
    echo '{"id": "nul", "prompt": "a \u0000 b", "max_tokens": 5}'
    echo '{"id": "half", "prompt": "a \ud83d b", "max_tokens": 5}'
    echo '{"id": "other half", "prompt": "a \ude00 b", "max_tokens": 5}'
    echo '{"id": "seed", "prompt": "a", "max_tokens": 5, "seed": 9007199254740992}'
    echo '{"custom_id": "half a chat", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "stories", "max_tokens": 5, "temprature": 1, "messages": [{"role": "user", "content": "\udfff"}]}}'
    echo '{"custom_id": "chat", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "stories", "max_tokens": 5, "temprature": 1, "messages": [{"role": "user", "content": "hello"}]}}'
} >"$tmp/bad.jsonl"
job 1 1 bad.jsonl >"$tmp/job.json"
expect 1 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/bad"
error() { jq -r "select(.custom_id == \"$1\") | .error | $2" "$tmp/bad/errors.jsonl"; }
warns 'bad.jsonl:8: body.temprature: unknown key, passed over here and on later lines; did you mean "temperature"?'
check "a strange key is told once" test "$(grep -c temprature "$err")" -eq 1
check "the good one is served" test "$(jq -r .custom_id "$tmp/bad/results.jsonl")" = good
for id in long torn nul half "other half" seed "half a chat" chat; do
    check "$id is a bad request" test "$(error "$id" .code)" = bad_request
done
check "the context is told" test -n "$(error long .message | grep 'context of 512')"
check "known templates are told" test -n "$(error chat .message | grep chatml)"
check "what is wrong is told" test "$(error nul .message)" = 'prompt: a string must not hold the NUL character (\u0000), at byte 3 of the text'
check "they cost nothing" test "$(grep -c . "$tmp/bad/errors.jsonl")" -eq 8

# Input that ends the job before anything is computed.
echo '{"id": "none", "prompt": "A cat", "max_tokens": 0}' >"$tmp/zero.jsonl"
job 1 1 zero.jsonl >"$tmp/job.json"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none"
warns "max_tokens"
job 1 1 requests.jsonl >"$tmp/job.json"
for bytes in 0 27 1000000; do
    head -c "$bytes" "$stories/stories260K.bin" >"$tmp/torn.bin"
    expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.model="$tmp/torn.bin"
    warns "torn.bin"
done
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.tokenizer="$tmp/torn.bin"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.model="$tmp/nowhere.gguf"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.options.max_rows=4
warns "max_rows"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.options.kv_mb=4
warns "job.json:4: tiers[0]: transformer: options: kv_mb: unknown key; did you mean \"kv_mib\"?"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.options.threads_per_rank=1000
warns "options: threads_per_rank: expected at most"
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.options.chat_template=""
warns 'chat template "" is unknown'
expect 3 cadre plan "$tmp/job.json" --set tiers.0.ranks_per_shard=100000
warns "ranks_per_shard: expected a whole number from 1 to 1024"

# A model of another format has its vocabulary in it.
tool="$(dirname "$CADRE")/cadre-model"
expect 0 "$tool" convert "$stories/stories260K.bin" "$tmp/stories.gguf" --tokenizer "$stories/tok512.bin" --type F32
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tiers.0.model="$tmp/stories.gguf"
warns "has its own vocabulary"

# Packed weights: a file that cannot be made is the disk's fault; one that is damaged is made anew.
gguf=(--progress off --overwrite --set "tiers.0.model=$tmp/stories.gguf" --set tiers.0.tokenizer= --set tiers.0.options.weights_cache=file)
mkdir "$tmp/stories.gguf.cadre.partial"
expect 6 ranks 2 cadre run "$tmp/job.json" --output "$tmp/none" "${gguf[@]}"
warns 'weights_cache "file"'
check "nothing is left" test ! -e "$tmp/none"
rmdir "$tmp/stories.gguf.cadre.partial"
for n in 1 2; do
    expect 0 ranks 2 cadre run "$tmp/job.json" --output "$tmp/packed$n" "${gguf[@]}"
    check "answers of a GGUF file, time $n" cmp -s <(answers three) <(answers "packed$n")
    printf '\xa5\xa5\xa5\xa5' | dd of="$tmp/stories.gguf.cadre" bs=1 seek=300000 conv=notrunc status=none
done
expect 0 ranks 2 cadre run "$tmp/job.json" --output "$tmp/packed3" "${gguf[@]}"
warns "stories.gguf.cadre: not what was written: damaged on the disk; it is made anew"
check "answers are right again" cmp -s <(answers three) <(answers packed3)

# The benchmark.
expect 2 ranks 2 cadre bench infer
warns "expected --model FILE"
expect 3 ranks 2 cadre bench infer --model "$tmp/stories.gguf" --requests 2 --output /proc/cadre
warns "/proc/cadre"
finish
