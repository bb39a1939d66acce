#!/usr/bin/env bash
# Collectives of cadre beside the best that Open MPI can do: `cadre bench collectives` under
# several settings of Open MPI; per collective and size the setting that does best against us.
#
#   bench/coll_peers.sh [-n RANKS] [OPTIONS OF cadre bench collectives]
#
# as in: bench/coll_peers.sh -n 2 --collective allreduce --sizes 4-64M --buffers both
# CADRE: the program (build/bin/cadre). PEERS: only settings whose name matches this pattern.
# Both are measured in turns within a run, and compared within it: a shared machine may be twice as
# fast in the next. Shown is the setting with which MPI comes closest to us, or is furthest ahead:
# of 14 tries the worst for us, noise included; then the median of all, and MPI's defaults.
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"
# shellcheck source=../scripts/mpi_env.sh
. "$here/scripts/mpi_env.sh"
CADRE="${CADRE:-$here/build/bin/cadre}"
PEERS="${PEERS:-*}"
n=2
if [ "${1:-}" = -n ]; then
    n="$2"
    shift 2
fi

rules=coll_tuned_use_dynamic_rules=1
# name: settings, as --mca takes them, with = and blanks between
settings=(
    "default:"
    "sm: coll_sm_priority=100"
    "copy-in-copy-out: btl_vader_single_copy_mechanism=none"
    "eager-32k: btl_vader_eager_limit=32768"
    "eager-128k: btl_vader_eager_limit=131072 btl_vader_max_send_size=262144"
    "fragments-1M: btl_vader_max_send_size=1048576"
    "doubling: $rules coll_tuned_allreduce_algorithm=3 coll_tuned_allgather_algorithm=3 coll_tuned_barrier_algorithm=3 coll_tuned_reduce_scatter_algorithm=2 coll_tuned_reduce_scatter_block_algorithm=2"
    "ring: $rules coll_tuned_allreduce_algorithm=4 coll_tuned_allgather_algorithm=4 coll_tuned_bcast_algorithm=3 coll_tuned_barrier_algorithm=4 coll_tuned_reduce_scatter_algorithm=3"
    "segmented-ring: $rules coll_tuned_allreduce_algorithm=5 coll_tuned_allreduce_algorithm_segmentsize=131072 coll_tuned_bcast_algorithm=3 coll_tuned_bcast_algorithm_segmentsize=131072"
    "rabenseifner: $rules coll_tuned_allreduce_algorithm=6 coll_tuned_bcast_algorithm=8"
    "trees: $rules coll_tuned_bcast_algorithm=6 coll_tuned_reduce_algorithm=5 coll_tuned_allgather_algorithm=2 coll_tuned_alltoall_algorithm=2"
    "linear: $rules coll_tuned_allreduce_algorithm=1 coll_tuned_bcast_algorithm=1 coll_tuned_reduce_algorithm=1 coll_tuned_allgather_algorithm=1 coll_tuned_alltoall_algorithm=1 coll_tuned_barrier_algorithm=1 coll_tuned_gather_algorithm=1 coll_tuned_scatter_algorithm=1"
    "han: coll_han_priority=100"
    "adapt: coll_adapt_priority=100"
)

work="$(mktemp -d)"
trap 'rm -rf -- "$work"' EXIT

for setting in "${settings[@]}"; do
    name="${setting%%:*}"
    # shellcheck disable=SC2053 # a pattern
    [[ "$name" == $PEERS ]] || continue
    assignments=()
    for assignment in ${setting#*:}; do
        assignments+=("OMPI_MCA_$assignment")
    done
    echo "coll_peers: $name ..." >&2
    if ! env "${assignments[@]}" mpirun --quiet --oversubscribe -n "$n" "$CADRE" bench collectives \
        --output "$work/$name" "$@" >/dev/null 2>"$work/err"; then
        echo "coll_peers: $name failed and is left out:" >&2
        tail -n 3 "$work/err" >&2
        rm -rf -- "${work:?}/$name"
        continue
    fi
    jq -c --arg peer "$name" '.rows[] + {$peer}' "$work/$name/report.json" >>"$work/rows"
done
[ -s "$work/rows" ] || exit 1

jq -rs '
    def median: sort | .[length / 2 | floor];
    def round3: . * 1000 | round / 1000;
    def round2: . * 100 | round / 100;
    ["collective", "bytes", "buffers", "setting of MPI", "MPI us", "cadre us", "algorithm",
     "x as fast", "of all settings", "of default"],
    (group_by([.collective, .bytes])[] |
        (map(select(.is_mpi_call) | {key: .peer, value: .time_us}) | from_entries) as $mpi |
        map(select(.is_mpi_call | not) | . + {mpi_us: $mpi[.peer], ratio: ($mpi[.peer] / .time_us)}) |
        group_by(.buffers)[] |
        min_by(.ratio) as $worst | (map(.ratio) | median) as $middle |
        (map(select(.peer == "default").ratio) + [null] | first) as $default |
        [$worst.collective, $worst.bytes, $worst.buffers, $worst.peer, ($worst.mpi_us | round3),
         ($worst.time_us | round3), $worst.algorithm, ($worst.ratio | round2), ($middle | round2),
         (if $default then $default | round2 else "-" end)]) |
    map(tostring) | @tsv' "$work/rows" | column -t -s "$(printf '\t')"
