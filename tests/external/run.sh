#!/usr/bin/env bash
# Runs collective tests and benchmarks that others wrote, unmodified, without and with the preload
# library, and compares. The suites are not part of this tree; README.md says where they come from.
#
# Usage: run.sh [-l LIBRARY] [-n "RANKS ..."] [-t SECONDS] [-p PATTERN] [SUITE_DIR ...]
#   -l   libcadre_mpi.so; default: build/lib/libcadre_mpi.so
#   -n   default: "2 3 4 7 8"
#   -t   seconds that one program may take; default 60
#   -p   only programs whose name matches this pattern of the shell, as 'allred*'
# A SUITE_DIR is searched for what is known: MPICH's test/mpi/coll (built), osu_* programs,
# IMB-MPI1, and mpi4py's test_cco_*.py. Without one, PATH is searched for the programs.
#
# One line per program and number of ranks: ranks, without, with, calls taken over on rank 0, program.
# Exits 1 if something that passes without the library fails with it, 77 if nothing was found.
set -u
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
library="$root/build/lib/libcadre_mpi.so"
rank_counts="2 3 4 7 8"
seconds=60
pattern='*'
while getopts l:n:t:p: option; do
    case "$option" in
    l) library="$OPTARG" ;;
    n) rank_counts="$OPTARG" ;;
    t) seconds="$OPTARG" ;;
    p) pattern="$OPTARG" ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ -s "$library" ] || { echo "run.sh: there is no $library: build it, or name it with -l" >&2; exit 2; }
library="$(realpath "$library")"
# shellcheck source=../../scripts/mpi_env.sh
. "$root/scripts/mpi_env.sh"
mpirun="$(command -v mpirun.openmpi || command -v mpirun)" || { echo "run.sh: there is no mpirun" >&2; exit 2; }
export CADRE_MPI_AFTER="${CADRE_MPI_AFTER:-0}" CADRE_MPI_STATS=1
tmp="$(mktemp -d)"
trap 'rm -rf -- "$tmp"' EXIT

n_run=0 n_both=0 n_neither=0 n_gained=0 n_reached=0 n_taken=0
lost=()

# attempt OUTPUT N WANTED COMMAND...: run it; WANTED is a text that it prints if all is well.
attempt() {
    local output="$1" n="$2" wanted="$3"
    shift 3
    timeout -k 5 "$seconds" "$mpirun" --quiet -n "$n" "$@" >"$output" 2>&1 </dev/null || return 1
    [ -z "$wanted" ] || grep -qi -- "$wanted" "$output"
}

# compare FOLDER NAME WANTED COMMAND...: both ways, at each number of ranks.
compare() {
    local folder="$1" name="$2" wanted="$3" n without with taken
    shift 3
    # shellcheck disable=SC2254 # a pattern is meant
    case "$name" in $pattern) ;; *) return ;; esac
    cd "$folder" || return
    for n in $rank_counts; do
        without=fail with=fail
        attempt "$tmp/without" "$n" "$wanted" "$@" && without=pass
        attempt "$tmp/with" "$n" "$wanted" -x LD_PRELOAD="$library" "$@" && with=pass
        taken="$(awk '/^  MPI_[A-Z]/ { n += $3 } END { print n + 0 }' "$tmp/with")"
        printf '%2d  %s  %s  %8d  %s\n' "$n" "$without" "$with" "$taken" "$name"
        n_run=$((n_run + 1)) n_taken=$((n_taken + taken))
        [ "$taken" -eq 0 ] || n_reached=$((n_reached + 1))
        case "$without $with" in
        "pass pass") n_both=$((n_both + 1)) ;;
        "fail fail") n_neither=$((n_neither + 1)) ;;
        "fail pass") n_gained=$((n_gained + 1)) ;;
        *)
            lost+=("$name at $n ranks")
            grep -v '^  *\(MPI_\|[0-9]* passed on\)' "$tmp/with" | head -12 | sed 's/^/      /'
            ;;
        esac
    done
}

# MPICH's list: one line per run, "name ranks [arg=ARG ...] [what we do not need]". Some programs run
# only with the number of ranks of the list, so that is tried too.
mpich() {
    local folder="$1" name own words word line all="$rank_counts"
    declare -A seen=()
    while read -r name own words; do
        if [ ! -f "$folder/$name" ] || [ ! -x "$folder/$name" ]; then continue; fi
        line=("./$name")
        for word in $words; do
            case "$word" in arg=*) line+=("${word#arg=}") ;; esac
        done
        for rank_counts in $all $own; do
            [ -z "${seen["$rank_counts ${line[*]}"]-}" ] || continue
            seen["$rank_counts ${line[*]}"]=1
            compare "$folder" "${line[*]#./}" "no errors" "${line[@]}"
        done
    done < <(grep -v '^#' "$folder/testlist" | sort -u)
    rank_counts="$all"
}

osu() {
    local program="$1"
    case "$(basename "$program")" in
    osu_allreduce | osu_reduce | osu_reduce_scatter | osu_bcast | osu_allgather | osu_allgatherv | osu_alltoall | \
        osu_iallreduce | osu_ireduce | osu_ibcast | osu_iallgather | osu_iallgatherv | osu_ialltoall)
        compare / "$(basename "$program")" "" "$program" -m 4:1048576 -i 20 -x 4
        ;;
    osu_barrier | osu_ibarrier) compare / "$(basename "$program")" "" "$program" -i 200 -x 4 ;;
    esac
}

imb() {
    local program="$1" what
    for what in Allreduce Reduce Reduce_scatter Reduce_scatter_block Allgather Allgatherv Bcast Alltoall Barrier; do
        compare / "IMB-MPI1 $what" "" "$program" -npmin 9 -iter 20 -maxlog 20 "$what"
    done
}

mpi4py() {
    local script="$1"
    compare "$(dirname "$script")" "$(basename "$script")" '^OK' "${PYTHON:-python3}" "$script"
}

echo " n  without with    taken  program"
for suite in "$@"; do
    suite="$(realpath "$suite")" || exit 2
    if [ -f "$suite/testlist" ]; then
        mpich "$suite"
        continue
    fi
    while read -r file; do
        case "$(basename "$file")" in
        test_cco_*.py) mpi4py "$file" ;;
        osu_*) [ ! -x "$file" ] || osu "$file" ;;
        IMB-MPI1) [ ! -x "$file" ] || imb "$file" ;;
        esac
    done < <(find "$suite" -type f \( -name 'test_cco_*.py' -o -name 'osu_*' -o -name IMB-MPI1 \) | sort)
done
if [ $# -eq 0 ]; then
    for name in osu_allreduce osu_reduce osu_reduce_scatter osu_bcast osu_barrier osu_allgather osu_allgatherv \
        osu_alltoall osu_iallreduce osu_ireduce osu_ibcast osu_ibarrier osu_iallgather osu_iallgatherv osu_ialltoall; do
        program="$(command -v "$name")" && osu "$program"
    done
    program="$(command -v IMB-MPI1)" && imb "$program"
fi

if [ "$n_run" -eq 0 ]; then
    echo "run.sh: no suite found: name the folders of some, see $here/README.md" >&2
    exit 77
fi
echo "$n_run runs each way: $n_both pass both ways, $n_neither fail both ways, $n_gained pass only with the library"
echo "$n_reached runs reached cadre, which took $n_taken calls on rank 0"
for name in "${lost[@]+"${lost[@]}"}"; do
    echo "FAILS ONLY WITH THE LIBRARY: $name"
done
[ "${#lost[@]}" -eq 0 ]
