#!/usr/bin/env bash
# `cadre run`: the run directory is complete, and says the same whatever the number of ranks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/jobs.sh"

write_job "$tmp/job.json"
expect 0 ranks 3 cadre run "$tmp/job.json" --progress plain
says "small"
says "compute + coordination + idle"
warns "300 of 300 requests"
for file in results.jsonl errors.jsonl results.h5 ledger.jsonl report.json report.html metrics.prom run.json; do
    check "$file is there" test -e "$tmp/run/$file"
done
check "no partial file is left" test -z "$(find "$tmp/run" -name '*.partial')"
check "one result per request" test "$(wc -l <"$tmp/run/results.jsonl")" -eq 300
silent_on "$tmp/run/errors.jsonl"
check "results stand in input order" \
    cmp -s <(jq -r .custom_id "$tmp/run/results.jsonl") <(seq -f 'row-%06g' 300)
check "run.json says completed" test "$(jq -r .status "$tmp/run/run.json")" = completed
check "h5dump reads results.h5" h5dump -d /cost -s 0 -c 2 "$tmp/run/results.h5" >"$tmp/h5"
check "metrics.prom counts requests" grep -q '^cadre_requests' "$tmp/run/metrics.prom"

# Time adds up: compute + coordination + idle = wall on every rank.
check "time adds up on every rank" jq -e \
    '[.ranks[] | .compute_ns + .coordination_ns + .idle_ns == .wall_ns] | all' "$tmp/run/report.json"

# The ledger, added up again, gives the report.
spent() { # USD in units of 1e-13, as integers, from the ledger's commits
    jq -r 'select(.event == "commit") | .amount_usd' "$tmp/run/ledger.jsonl" |
        awk '{split($1, p, "."); f = substr(p[2] "0000000000000", 1, 13); s += p[1] * 10000000000000 + f} END {printf "%.0f\n", s}'
}
cost="$(jq -r '.cost_usd' "$tmp/run/report.json")"
check "ledger and report agree" test "$(awk -v c="$cost" 'BEGIN {printf "%.0f", c * 1e13}')" = "$(spent)"
check "every reservation is settled" test \
    "$(jq -r 'select(.event == "reserve")' "$tmp/run/ledger.jsonl" | jq -s length)" -eq \
    "$(jq -r 'select(.event != "reserve")' "$tmp/run/ledger.jsonl" | jq -s length)"

# The same answers, tiers and costs at any number of ranks.
answers "$tmp/run" >"$tmp/answers.3"
for n in 1 2 5; do
    expect 0 ranks "$n" cadre run "$tmp/job.json" --output "$tmp/run.$n" --progress off
    answers "$tmp/run.$n" >"$tmp/answers.$n"
    check "answers at $n ranks are those at 3" cmp -s "$tmp/answers.3" "$tmp/answers.$n"
done

# Without mpirun the program is its own worker.
expect 0 cadre run "$tmp/job.json" --output "$tmp/alone" --progress off
answers "$tmp/alone" >"$tmp/answers.alone"
check "answers of a single process" cmp -s "$tmp/answers.3" "$tmp/answers.alone"

# The report can be printed again.
expect 0 cadre report "$tmp/run"
says "small"
expect 0 cadre report "$tmp/run" --format json
check "report --format json is report.json" cmp -s "$out" "$tmp/run/report.json"

# A finished run is not overwritten by accident, nor by another job.
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off
warns "--overwrite"
expect 0 ranks 2 cadre run "$tmp/job.json" --progress off --overwrite
expect 3 ranks 2 cadre run "$tmp/job.json" --progress off --overwrite --set name=other
warns "another job"

# --dry-run and plan compute nothing and cost nothing.
expect 0 cadre plan "$tmp/job.json"
says "worst case"
cp "$out" "$tmp/plan"
echo "{\"id\": \"poor\", \"input\": [$(seq -s, 16)], \"max_cost_usd\": \"0.001\"}" >"$tmp/poor.jsonl"
expect 0 cadre plan "$tmp/job.json" --set "input={\"path\":\"$tmp/poor.jsonl\"}"
says "1 request will be refused: no tier may take it at any budget"
expect 0 ranks 2 cadre run "$tmp/job.json" --dry-run --output "$tmp/none"
check "--dry-run prints the plan" cmp -s "$out" "$tmp/plan"
check "--dry-run writes nothing" test ! -e "$tmp/none"

# Partitions tie rows to shards; batches of one and large ones give the same answers.
for change in partition=hash partition=range batch=1 batch=300 in_flight=1; do
    expect 0 ranks 4 cadre run "$tmp/job.json" --progress off --output "$tmp/$change" \
        --set "tiers.0.$change" --set tiers.0.shards=2
    answers "$tmp/$change" >"$tmp/answers.change"
    check "answers with $change" cmp -s "$tmp/answers.3" "$tmp/answers.change"
done
finish
