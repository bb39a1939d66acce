#!/usr/bin/env bash
# From a fresh Debian 12 to a served job: installs what is missing, builds, and runs
# jobs/quickstart.json with a coordinator and two workers. May be repeated.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/build.sh -DCADRE_TESTS=OFF
. scripts/mpi_env.sh

echo
echo "quickstart: mpirun -n 3 build/bin/cadre run jobs/quickstart.json"
status=0
# Without mpirun's paragraph on "non-zero exit code": here it is expected.
"$(command -v mpirun.openmpi || command -v mpirun)" --quiet -n 3 \
    build/bin/cadre run jobs/quickstart.json --overwrite || status=$?
# 1 means that some requests ended in an error record, as budgets that run out make them.
if [ "$status" -gt 1 ]; then
    echo "quickstart: the run ended with exit code $status" >&2
    exit "$status"
fi
cat <<'END'

What next?
  build/bin/cadre report runs/quickstart           the summary again; --format json, csv, html
  head -1 runs/quickstart/results.jsonl | jq .     one result
  h5dump -n 1 runs/quickstart/results.h5           the same results as tables
  build/bin/cadre plan jobs/quickstart.json             what the job could cost at worst
  . scripts/mpi_env.sh; mpirun -n 3 build/bin/cadre run jobs/quickstart.json --overwrite
END
