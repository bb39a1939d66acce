# shellcheck shell=bash disable=SC2154
# Sourced after lib.sh, which sets source_dir and tmp: job files for tests.

models="$source_dir/jobs/models"

# write_job FILE [JQ-PROGRAM]: a small job over two tiers, changed by the program.
write_job() {
    jq "${2:-.}" >"$1" <<JOB
{
  "schema_version": 1,
  "name": "test",
  "input": {"generator": "graded", "seed": 11, "rows": 300},
  "output": {"dir": "$tmp/run"},
  "tiers": [
    {"name": "small", "kernel": "mlp", "model": "$models/small.h5",
     "price": {"per_request": "0.01"}},
    {"name": "large", "kernel": "mlp", "model": "$models/large.h5",
     "price": {"per_request": "0.10"}}
  ],
  "tenants": [{"name": "acme", "budget": "100.00"}],
  "router": {"policy": "complexity", "complexity": {"source": "feature", "feature": 0}, "thresholds": [0.5]}
}
JOB
}

# answers DIR: what of its results may not depend on the run: ids, answers, tiers, cost.
answers() {
    jq -c '[.custom_id, .response.body, .cadre.tier, .cadre.cost_usd, .cadre.downgraded]' \
        "$1/results.jsonl"
    jq -c '[.custom_id, .error.code]' "$1/errors.jsonl"
}
