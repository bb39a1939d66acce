#!/usr/bin/env bash
# Style and static analysis, with those tools that are installed: clang-format, clang-tidy (needs
# a configured build/), cppcheck, shellcheck. Arguments are files; none means all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
build="${BUILD_DIR:-build}"
failed=0

if [ $# -gt 0 ]; then
    sources=("$@")
else
    mapfile -t sources < <(find include src kernels tests -name '*.[ch]' | sort)
fi
mapfile -t units < <(printf '%s\n' "${sources[@]}" | grep '\.c$')
# What CMake does not build (fuzzers, programs for mpicc) has no command that tells how to read it.
mapfile -t built < <(for unit in "${units[@]}"; do
    grep -qs "/$unit\"" "$build/compile_commands.json" && echo "$unit"
done)

step() { # TOOL COMMAND...
    if ! command -v "$1" >/dev/null; then
        echo "lint: $1 is not installed, passed over"
        return
    fi
    echo "lint: $1"
    shift
    "$@" || failed=1
}

# One process per file: version 14 takes what it learnt of va_list from one file to the next.
tidy() {
    [ "${#built[@]}" -gt 0 ] || return 0
    printf '%s\0' "${built[@]}" | xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p "$build" \
        2> >(grep -vE '^[0-9]+ warnings? generated' >&2)
}

step clang-format clang-format --dry-run -Werror "${sources[@]}"
if [ -f "$build/compile_commands.json" ]; then
    step clang-tidy tidy
else
    echo "lint: clang-tidy needs $build/compile_commands.json (scripts/build.sh), passed over"
fi
if [ "${#units[@]}" -gt 0 ]; then
    step cppcheck cppcheck --quiet --std=c11 --language=c --inline-suppr --error-exitcode=1 \
        --enable=warning,performance,portability --suppress=missingIncludeSystem \
        --suppress=preprocessorErrorDirective -D_GNU_SOURCE -I include -I src -I kernels \
        "${units[@]}"
fi
step shellcheck shellcheck -x --severity=warning -P SCRIPTDIR scripts/*.sh bench/*.sh bench/*/*.sh tests/cli/*.sh \
    tests/fuzz/*.sh .ci/run
scripts/check_layers.sh || failed=1
exit "$failed"
