#!/usr/bin/env bash
# Everything, tests included, builds with clang without a warning.
set -u
. "$(dirname "$0")/lib.sh"

command -v clang >/dev/null || skip "clang is not installed"
command -v ninja >/dev/null || skip "ninja is not installed"
# Kept between runs, so that only what changed is built again.
build="${CADRE_TEST_BUILD:-$source_dir/build}/clang"
expect 0 cmake -S "$source_dir" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_C_COMPILER=clang -DCADRE_TESTS=ON
expect 0 cmake --build "$build" -j2
expect 0 "$build/bin/cadre" --version
finish
