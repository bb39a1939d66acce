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
# IMB-MPI1, IMB-NBC, and mpi4py's test_cco_*.py. Without one, PATH and the folders that OSU's
# programs are installed to are searched.
#
# One line per program and number of ranks: ranks, without, with, calls taken over on rank 0, program;
# `late` is a run that took longer than SECONDS, which on a busy machine says little.
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

# well SUITE OUTPUT: whether a program that exited with 0 printed what it prints if all is well.
well() {
    case "$1" in
    mpich) grep -qi 'no errors' "$2" ;;
    mpi4py) grep -qi '^OK' "$2" ;;
    # A line per size, which ends in Pass or Fail where data were checked.
    osu) grep -q '^# OSU' "$2" && ! grep -q ' Fail *$' "$2" ;;
    # Built with -DCHECK, its last column is a measure of wrong data, which the exit code ignores.
    imb) awk '/#(bytes|repetitions)/ { checked = $NF == "defects" }
            $1 ~ /^[0-9]+$/ && $NF ~ /^[0-9.]+$/ { n++; bad += checked && $NF != 0 }
            END { exit n == 0 || bad > 0 }' "$2" ;;
    esac
}

# attempt OUTPUT N SUITE COMMAND...: run it; $verdict says how it went.
attempt() {
    local output="$1" n="$2" suite="$3" code=0
    shift 3
    timeout -k 5 "$seconds" "$mpirun" --quiet -n "$n" "$@" >"$output" 2>&1 </dev/null || code=$?
    verdict=fail
    case "$code" in
    0) ! well "$suite" "$output" || verdict=pass ;;
    124 | 137) verdict=late ;;
    esac
}

# compare SUITE FOLDER NAME COMMAND...: both ways, at each number of ranks.
compare() {
    local suite="$1" folder="$2" name="$3" n without with taken verdict
    shift 3
    # shellcheck disable=SC2254 # a pattern is meant
    case "$name" in $pattern) ;; *) return ;; esac
    cd "$folder" || return
    for n in $rank_counts; do
        attempt "$tmp/without" "$n" "$suite" "$@"
        without="$verdict"
        attempt "$tmp/with" "$n" "$suite" -x LD_PRELOAD="$library" "$@"
        with="$verdict"
        taken="$(awk '/^  MPI_[A-Z]/ { n += $3 } END { print n + 0 }' "$tmp/with")"
        printf '%2d  %s  %s  %8d  %s\n' "$n" "$without" "$with" "$taken" "$name"
        n_run=$((n_run + 1)) n_taken=$((n_taken + taken))
        [ "$taken" -eq 0 ] || n_reached=$((n_reached + 1))
        case "$without $with" in
        "pass pass") n_both=$((n_both + 1)) ;;
        *" pass") n_gained=$((n_gained + 1)) ;;
        "pass "*)
            lost+=("$name at $n ranks ($with)")
            # How it begins and how it ends: a run that is lost late says why at its end.
            grep -v '^  *\(MPI_\|[0-9]* passed on\)' "$tmp/with" |
                awk '{ line[NR] = $0 } END { for (i = 1; i <= NR; i++) if (i <= 8 || i > NR - 24) print "      " line[i] }'
            ;;
        *) n_neither=$((n_neither + 1)) ;;
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
            compare mpich "$folder" "${line[*]#./}" "${line[@]}"
        done
    done < <(grep -v '^#' "$folder/testlist" | sort -u)
    rank_counts="$all"
}

# What a version of OSU's has to offer: -c checks data from 5.9 on, -T chooses the type from 7.0 on,
# where the default, MPI_CHAR, is none that MPI adds up.
osu() {
    local program="$1" name help options
    name="$(basename "$program")"
    case "$name" in
    osu_barrier | osu_ibarrier) options=(-i 200 -x 4) ;;
    osu_allreduce | osu_reduce | osu_reduce_scatter | osu_bcast | osu_allgather | osu_allgatherv | osu_alltoall | \
        osu_iallreduce | osu_ireduce | osu_ireduce_scatter | osu_ibcast | osu_iallgather | osu_iallgatherv | \
        osu_ialltoall) options=(-m 4:1048576 -i 20 -x 4) ;;
    *) return ;;
    esac
    help="$(timeout -k 5 "$seconds" "$mpirun" --quiet -n 2 "$program" -h 2>&1 </dev/null)"
    case "$name $help" in *barrier*) ;; *"--validation "*) options+=(-c) ;; esac
    case "$name $help" in *reduce*mpi_float*) options+=(-T mpi_float) ;; esac
    compare osu / "$name" "$program" "${options[@]}"
}

imb() {
    local program="$1" name what
    local all="Allreduce Reduce Reduce_scatter Reduce_scatter_block Allgather Allgatherv Bcast Alltoall Barrier"
    name="$(basename "$program")"
    if [ "$name" = IMB-NBC ]; then
        all="Iallreduce Ireduce Ireduce_scatter Iallgather Iallgatherv Ibcast Ialltoall Ibarrier"
    fi
    for what in $all; do
        # With a minimum above the number of ranks there is no run with fewer than all.
        compare imb / "$name $what" "$program" -npmin 9999 -iter 10 -msglog 2:20 "$what"
    done
}

mpi4py() {
    local script="$1"
    compare mpi4py "$(dirname "$script")" "$(basename "$script")" "${PYTHON:-python3}" "$script"
}

# by_name FILE: run what it is.
by_name() {
    case "$(basename "$1")" in
    test_cco_*.py) mpi4py "$1" ;;
    osu_*) [ ! -x "$1" ] || osu "$1" ;;
    IMB-*) [ ! -x "$1" ] || imb "$1" ;;
    esac
}

echo " n  without with    taken  program"
for suite in "$@"; do
    suite="$(realpath "$suite")" || exit 2
    if [ -f "$suite/testlist" ]; then
        mpich "$suite"
        continue
    fi
    while read -r file; do
        by_name "$file"
    done < <(find "$suite" -type f \( -name 'test_cco_*.py' -o -name 'osu_*' -o -name IMB-MPI1 -o -name IMB-NBC \) |
        sort)
done
if [ $# -eq 0 ]; then
    IFS=: read -ra places <<<"$PATH"
    while read -r file; do
        by_name "$file"
    done < <(
        find "${places[@]}" -maxdepth 1 \( -name 'osu_*' -o -name IMB-MPI1 -o -name IMB-NBC \) 2>"$tmp/find" | sort -u
        find /usr/libexec /usr/local/libexec -path '*/osu-micro-benchmarks/*' -name 'osu_*' 2>"$tmp/find" | sort
    )
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
