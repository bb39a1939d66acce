#!/usr/bin/env bash
# The program as a user meets it: help, mistakes, and the commands that tell about themselves.
set -u
. "$(dirname "$0")/lib.sh"
commands="run plan report train bench coll topo env info help"
version="$(sed -n 's/^#define CADRE_VERSION "\(.*\)"/\1/p' "$source_dir/include/cadre/export.h")"

# ---- Help and version ----
expect 0 cadre
says "usage: cadre COMMAND"
expect 0 cadre --help
for command in $commands; do
    says "  $command "
done
says "some requests ended in an error record"
silent_on "$err"
expect 0 cadre --version
says "cadre $version"
for command in $commands; do
    expect 0 cadre "$command" --help
    says "usage: cadre $command"
    says "--help"
    silent_on "$err"
    check "$command --help is at most 80 columns wide" \
        awk '/^(usage:|  cadre|  mpirun|  \. )/ { next } length > 80 { exit 1 }' "$out"
    cp "$out" "$tmp/help"
    expect 0 cadre help "$command"
    check "help $command and $command --help agree" cmp -s "$out" "$tmp/help"
    # The page is roff that the formatter takes without a warning, and completion knows the options.
    expect 0 cadre help --man "$command"
    says ".TH \"CADRE-$command\" 1"
    if command -v groff >/dev/null; then
        check "man page of $command has no warnings" \
            test -z "$(groff -man -Tascii -ww "$out" 2>&1 >/dev/null)"
    fi
    for option in $(sed -n 's/^  \(--[a-z-]*\).*/\1/p' "$tmp/help"); do
        check "completion knows $command $option" \
            grep -q "^ *$command).*$option\|common=.*$option" "$source_dir/scripts/cadre.bash"
    done
done
expect 0 cadre help --man
says "CADRE_LOG"
says "EXIT STATUS"

# ---- Mistakes: exit 2, nothing on standard output, a sentence that helps ----
mistake() { # TEXT ARGUMENTS...
    local text="$1"
    shift
    expect 2 cadre "$@"
    silent_on "$out"
    warns "$text"
}
mistake 'unknown command "rnu"; did you mean run?' rnu
mistake 'unknown option "--halp"' --halp
mistake 'expected JOB.json, found nothing' run
mistake 'found one more argument: "b.json"' run a.json b.json
mistake 'did you mean --output?' run a.json --ouput dir
mistake 'did you mean --overwrite?' run a.json --overwrit
mistake 'unknown option -x' run a.json -x
mistake '--output: expected DIR, found nothing' run a.json --output
mistake '--output: expected DIR, found nothing' run a.json --output=
mistake '--overwrite takes no value' run a.json --overwrite=yes
mistake '--progress: expected auto|plain|off, found "fancy"' run a.json --progress fancy
mistake '--format: expected text|json|csv|html, found "xml"' report dir --format=xml
mistake 'expected options only' topo extra
mistake '--requests: expected a whole number from 1' bench shards --requests 0
mistake 'found "12x"' bench shards --requests=12x
mistake 'found "-3"' bench shards --kib -3
mistake '--kib: expected a whole number from 4' bench shards --kib 3
mistake 'did you mean shards' bench shrads
mistake 'not an option of this benchmark: --model' bench shards --model x.gguf
mistake 'choose one of --prefill' bench infer --ragged --single
mistake 'leave out --prompt-tokens' bench infer --ragged --prompt-tokens 5
mistake 'unknown command "rum"; did you mean run?' help rum
mistake 'expected ops or nothing, found "opps"' info opps
CADRE_LOG=loud mistake 'CADRE_LOG: log level: expected off' env
CADRE_PROGRESS=fancy mistake 'CADRE_PROGRESS: expected auto, plain or off' run a.json
CADRE_ISA=avx9 mistake 'CADRE_ISA' info

# On all ranks, said once.
expect 2 ranks 3 cadre run a.json --bogus
check "a usage error is said once" test "$(grep -c 'unknown option --bogus' "$err")" -eq 1
expect 2 ranks 2 env CADRE_BIND=sideways "$CADRE" topo
check "a bad setting is said once" test "$(grep -c 'CADRE_BIND: expected auto' "$err")" -eq 1
expect 0 ranks 3 cadre --version
check "the version is said once" test "$(wc -l <"$out")" -eq 1

# ---- env ----
expect 0 cadre env
says "CADRE_LOG"
says "OPENBLAS_CORETYPE"
CADRE_SPIN_US=7 expect 0 cadre env --format json
check "env tells value and source" jq -e '.settings[] | select(.name == "CADRE_SPIN_US")
    | .value == "7" and .source == "environment"' "$out" >/dev/null
check "env tells defaults" jq -e '.settings[] | select(.name == "CADRE_BIND")
    | .value == "auto" and .source == "default"' "$out" >/dev/null
CADRE_LGO=x expect 0 cadre env
warns "unknown variable CADRE_LGO is ignored; the nearest known is CADRE_LOG"

# ---- info ----
expect 0 cadre info
for name in cadre MPI hwloc HDF5 OpenBLAS cJSON zlib xxHash compiler; do
    says "$name "
done
says "built-in kernels"
says "mlp"
expect 0 cadre info ops
says "ref     yes"
expect 0 cadre info --format json
check "info as JSON" jq -e --arg v "$version" '.versions.cadre == $v
    and (.versions.hdf5 | test("^[0-9]+[.]")) and (.versions.mpi | length > 0)
    and (.ops.levels[0] | .name == "ref" and .usable)
    and (.kernels | map(.name) | index("mlp") != null)' "$out" >/dev/null
CADRE_ISA=ref expect 0 cadre info ops --format json
check "CADRE_ISA caps the level" jq -e '.ops.level == "ref"' "$out" >/dev/null

# ---- topo ----
data="$source_dir/tests/data"
expect 0 cadre topo
says "machine "
says "usable "
CADRE_TOPO_XML="$data/topo-2x8-smt.xml" expect 0 cadre topo
says "Example Server CPU 8-core: 2 packages, 2 NUMA nodes, 16 cores, 32 hardware threads"
says "L2 1 MiB for each core, L3 32 MiB for each 8 cores"
says "256 GiB"
CADRE_TOPO_XML="$data/topo-4-cpuset.xml" expect 0 cadre topo --format=json
check "topo as JSON" jq -e '.machines[0].cores == 4 and .machines[0].usable_cores == 2
    and .ranks[0].cpus == "1-2" and .machines[0].caches[2].bytes == 8388608' "$out" >/dev/null
CADRE_TOPO_XML=/nowhere.xml expect 6 cadre topo
warns "/nowhere.xml"
# Workers divide the cores; the coordinator is not bound.
CADRE_TOPO_XML="$data/topo-2x8-smt.xml" expect 0 ranks 3 cadre topo --format json
check "placement of all ranks" jq -e '(.ranks | length) == 3 and (.machines | length) == 1
    and .ranks[0].role == "coordinator" and ([.ranks[].cpus] | unique | length) == 3' \
    "$out" >/dev/null
CADRE_TOPO_XML="$data/topo-4.xml" expect 0 ranks 5 cadre topo --format json
check "one worker per core" jq -e '[.ranks[1:][].cpus] == ["0", "1", "2", "3"]
    and .ranks[0].cpus == "0-3" and .ranks[0].bound_by == "nobody"' "$out" >/dev/null
CADRE_BIND=none CADRE_TOPO_XML="$data/topo-4.xml" expect 0 ranks 2 cadre topo --format json
check "CADRE_BIND=none" jq -e 'all(.ranks[]; .bound_by == "nobody")' "$out" >/dev/null

# ---- A benchmark does not write into the run of a job ----
mkdir "$tmp/job" && echo '{}' >"$tmp/job/run.json"
expect 3 ranks 2 cadre bench shards --requests 1 --repetitions 1 --output "$tmp/job"
warns "$tmp/job holds the run of a job"
check "its report.json is not written" test ! -e "$tmp/job/report.json"
for folder in /proc/cadre /proc "$tmp/job/run.json"; do
    expect 3 ranks 2 cadre bench shards --requests 1 --repetitions 1 --output "$folder"
    warns "$folder"
done
expect 0 ranks 3 cadre bench shards --requests 1 --repetitions 1 --kib 5 --output "$tmp/bench"
check "report.json is written" jq -e '.rows[0].kib_per_request == 4' "$tmp/bench/report.json" >/dev/null

# ---- A benchmark of text generation, with a kernel that counts three bytes as a token ----
parrot="${CADRE_TEST_BUILD:-$source_dir/build}/tests/kernel_parrot.so"
expect 0 ranks 3 cadre bench infer --kernel "$parrot" --requests 20 --prompt-tokens 40 --max-tokens 9 --output "$tmp/infer"
says "40 + 9"
says "verified: requests computed alone"
check "tokens are counted" jq -e '.rows[0] | .shards == 2 and .tokens_in == 800 and .tokens_out == 180' \
    "$tmp/infer/report.json" >/dev/null
expect 0 cadre report "$tmp/infer"
says "40 + 9"
expect 0 cadre bench infer --kernel "$parrot" --single --prompt-tokens 5 --max-tokens 2 --output "$tmp/infer" --format csv
says "single 5 + 2,1,1,4,20,8,0,3,"
expect 3 ranks 2 cadre bench infer --kernel "$parrot" --prefill 300 --output "$tmp/infer"
warns "a text of 300 tokens: "
expect 3 ranks 2 cadre bench infer --kernel mlp --options '{"layers":[2,2]}' --output "$tmp/infer"
warns "kernel mlp does not take and give texts"
expect 3 ranks 2 cadre bench infer --kernel "$parrot" --requests 4 --shards 2 --output "$tmp/infer"
warns "2 shards of 1 ranks need more than the 1 workers"

# ---- What needs a file says so ----
expect 3 cadre report "$tmp/nothing"
warns "$tmp/nothing"
expect 3 cadre plan "$tmp/nothing.json"
warns "$tmp/nothing.json"
expect 3 ranks 2 cadre run "$tmp/nothing.json"
check "a missing job file is said once" test "$(grep -c "$tmp/nothing.json" "$err")" -eq 1
finish
