#!/usr/bin/env bash
# Installs what is missing, builds everything, runs all tests. Arguments go to ctest, for
# instance: scripts/test.sh -R test_topo
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
scripts/build.sh -DCADRE_TESTS=ON
ctest --test-dir "${BUILD_DIR:-build}" --output-on-failure -j2 "$@"
