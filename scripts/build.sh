#!/usr/bin/env bash
# Configures and builds into build/ (or $BUILD_DIR): the program build/bin/cadre, the libraries
# build/lib. Arguments go to CMake, for instance: scripts/build.sh -DCADRE_TESTS=OFF
set -euo pipefail
cd "$(dirname "$0")/.."
build="${BUILD_DIR:-build}"

if [ ! -f "$build/CMakeCache.txt" ]; then
    set -- -G Ninja -DCMAKE_BUILD_TYPE=Release "$@"
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
cmake -S . -B "$build" "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
}
cmake --build "$build"
echo "build: done, the program is $build/bin/cadre"
