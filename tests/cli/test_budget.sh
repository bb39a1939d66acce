#!/usr/bin/env bash
# Budgets hold to the last unit, whatever the number of ranks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/jobs.sh"

# 1,000 requests worth $0.10 each against $5.00: exactly the first 50 pass, every time.
write_job "$tmp/job.json" '.input.rows = 1000 | .tiers |= [.[0]] | .tiers[0].price = {per_request: "0.10"}
    | .tiers[0].batch = 7 | .tenants[0].budget = "5.00" | .router = {policy: "fixed", tier: "small"}'
for n in 2 4 8; do
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        expect 1 ranks "$n" cadre run "$tmp/job.json" --progress off --overwrite
        passed="$(wc -l <"$tmp/run/results.jsonl")"
        check "$passed of 1000 passed at $n ranks, attempt $attempt; expected 50" test "$passed" -eq 50
        check "they are the first 50" test "$(tail -1 "$tmp/run/results.jsonl" | jq -r .custom_id)" = row-000050
        check "the other 950 are refused" test "$(grep -c budget_exceeded "$tmp/run/errors.jsonl")" -eq 950
    done
done
check "the budget is spent to the last unit" test "$(jq -r '.tenants[0].spent_usd' "$tmp/run/report.json")" = 5.00

# No admission at all: exit code 4.
expect 4 ranks 2 cadre run "$tmp/job.json" --progress off --output "$tmp/none" --set tenants.0.budget=0.09
check "every request is in errors.jsonl" test "$(wc -l <"$tmp/none/errors.jsonl")" -eq 1000

# Rows that want the large tier fall back to the small one when it gets too dear.
write_job "$tmp/job.json" '.tenants[0].budget = "4.00"'
expect 1 ranks 3 cadre run "$tmp/job.json" --progress off --output "$tmp/fallback"
check "some are downgraded" test "$(jq -c 'select(.cadre.downgraded)' "$tmp/fallback/results.jsonl" | wc -l)" -gt 0
answers "$tmp/fallback" >"$tmp/answers.3"
expect 1 ranks 5 cadre run "$tmp/job.json" --progress off --output "$tmp/fallback.5" --set tiers.0.shards=3
answers "$tmp/fallback.5" >"$tmp/answers.5"
check "downgrades do not depend on the ranks" cmp -s "$tmp/answers.3" "$tmp/answers.5"

# At no prefix of the ledger does spent + reserved exceed the budget.
check "no prefix of the ledger exceeds the budget" jq -se \
    '[.[] | (.spent_usd | tonumber) + (.reserved_usd | tonumber) <= 4.0000000001] | all' "$tmp/fallback/ledger.jsonl"
finish
