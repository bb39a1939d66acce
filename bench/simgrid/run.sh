#!/usr/bin/env bash
# Runs the collectives of src/coll, the same sources, on a simulated fat tree (SimGrid's SMPI,
# Debian: libsimgrid-dev), and compares the times with the cost model and the choice.
#
# Usage: run.sh [--ranks "64 256"] [--output DIR]
#
# Writes DIR/simulated.csv (see simulate.c), DIR/summary.txt, and with gnuplot DIR/simulated.png.
# Exits 1 if a result is wrong, 77 if SimGrid is not installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

ranks="64 256"
output=runs/bench-simgrid
while [ $# -gt 0 ]; do
    case "$1" in
    --ranks) ranks="$2" ;;
    --output) output="$2" ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
    shift 2
done
if ! command -v smpicc >/dev/null || ! command -v smpirun >/dev/null; then
    echo "SKIPPED: smpicc and smpirun are not installed (Debian: apt install libsimgrid-dev)"
    exit 77
fi

# The platform: 10 Gbit/s and 200 ns per link, two levels of switches, so two or four links between
# two hosts, and 750 ns of software at either end of a message.
link_ns=200
software_ns=750
latency_ns=$((3 * link_ns + 2 * software_ns)) # the mean of near and far hosts
byte_ns=0.8
# Vectors of all ranks together.
most_total=$((1 << 30))

mkdir -p "$output"
scratch="$(mktemp -d "${TMPDIR:-/tmp}/cadre-simgrid-XXXXXX")"
trap 'rm -rf -- "$scratch"' EXIT

build() {
    local source flags=(-std=gnu11 -D_GNU_SOURCE -O2 -ffp-contract=off -include bench/simgrid/simulated.h
        -Iinclude -Isrc -Ikernels)
    for source in src/core/*.c src/topo/*.c src/comm/*.c src/coll/*.c src/coll/shared/*.c \
        kernels/ops/ref/ref.c bench/simgrid/*.c; do
        smpicc "${flags[@]}" -c "$source" -o "$scratch/${source//\//_}.o"
    done
    smpicc -o "$scratch/simulate" "$scratch"/*.o -lhwloc -lm
}

# A square fat tree: each lower switch has as many hosts as links to upper switches.
platform() { # RANKS
    local side=1
    while [ $((side * side)) -lt "$1" ]; do
        side=$((side + 1))
    done
    cat >"$scratch/platform.xml" <<XML
<?xml version='1.0'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="tree" prefix="node-" suffix="" radical="0-$((side * side - 1))" speed="1Gf"
           bw="1.25GBps" lat="${link_ns}ns" sharing_policy="SPLITDUPLEX" topology="FAT_TREE"
           topo_parameters="2;$side,$side;1,$side;1,1"/>
</platform>
XML
    for ((i = 0; i < $1; i++)); do echo "node-$i"; done >"$scratch/hosts"
}

# A ring of 1,024 ranks takes two million messages, minutes of computing: with so many ranks only
# algorithms that are predicted to take no more than some times as long as the best.
most_times() { # RANKS
    if [ "$1" -ge 1024 ]; then echo 5; else echo inf; fi
}

simulate() { # RANKS
    platform "$1"
    # No protocol's own factors, and no acknowledgements on the way back: the platform's numbers as
    # they are. The library's own collectives, used at the start, are those of MPICH, since the
    # simulator's default ones send p x p messages at once.
    smpirun -np "$1" -platform "$scratch/platform.xml" -hostfile "$scratch/hosts" \
        --cfg=smpi/simulate-computation:no --cfg=smpi/bw-factor:0:1 --cfg=smpi/lat-factor:0:1 \
        --cfg=network/weight-S:0 --cfg=network/crosstraffic:0 --cfg=smpi/coll-selector:mpich \
        --cfg="smpi/ois:0:${software_ns}e-9:0" --cfg="smpi/or:0:${software_ns}e-9:0" --log=root.thres:warning \
        "$scratch/simulate" "$latency_ns" "$byte_ns" $((most_total / $1)) "$(most_times "$1")" >>"$output/simulated.csv"
}

echo "building with smpicc"
build
echo "ranks,collective,algorithm,bytes,simulated_us,predicted_us,chosen,verified" >"$output/simulated.csv"
for n in $ranks; do
    started=$SECONDS
    simulate "$n"
    echo "$n ranks: $((SECONDS - started)) s"
done

# Where the model errs most, and where the choice is not within 10 % of the best.
awk -F, -v OFS=, 'NR > 1 {
        key = $1 " " $2 " " $4
        if (!(key in best) || $5 < best[key]) { best[key] = $5; name[key] = $3 }
        if ($7) { chosen[key] = $5; taken[key] = $3 }
        error = $6 / $5 - 1
        n++
        if (error < 0) error = -error
        within += error <= 0.15
        row = $1 " ranks, " $2 " by " $3
        if (error > worst[row]) { worst[row] = error; at[row] = $4; simulated[row] = $5; predicted[row] = $6 }
        wrong += !$8
    }
    END {
        printf "%d of %d times are within 15 %% of the model; the worst of each algorithm:\n", within, n
        for (row in worst)
            printf "  %-45s %5.1f %% at %d bytes: simulated %.1f us, predicted %.1f us\n", row, 100 * worst[row],
                at[row], simulated[row], predicted[row] | "sort"
        close("sort")
        for (key in best) {
            cases++
            ratio = chosen[key] / best[key]
            if (ratio <= 1.10) good++
            else printf "  %s bytes: chosen %s takes %.2f times as long as %s\n", key, taken[key], ratio, name[key] | "sort"
        }
        close("sort")
        printf "the choice is within 10 %% of the best in %d of %d cases\n", good, cases
        printf "%d wrong results\n", wrong
        exit wrong > 0
    }' "$output/simulated.csv" | tee "$output/summary.txt"

if command -v gnuplot >/dev/null; then
    gnuplot -e "csv='$output/simulated.csv'; png='$output/simulated.png'; ranks='$ranks'" bench/simgrid/plot.gp
    echo "plot: $output/simulated.png"
fi
