#!/usr/bin/env bash
# Collectives between nodes: 4 network namespaces as nodes, 2 ranks on each, joined by links of
# 1 Gbit/s (tbf, both directions), so that what is measured is traffic and not memory.
#
# Usage: network.sh [options of cadre bench collectives]    as root; CADRE names the program
#        network.sh --run PROGRAM ARGUMENTS                 another MPI program on the same ranks
#
# Without options: allreduce of 4 and 16 MiB by all algorithms against the MPI library's own, and the
# bound 2 (n-1)/n x bytes / bandwidth of a ring. Everything made here is removed at the end.
# Exits 77 where it cannot run.
set -euo pipefail

nodes="${NODES:-4}"
ranks_per_node="${RANKS_PER_NODE:-2}"
mbit="${MBIT:-1000}"
subnet=10.78.77
bridge=cadrebr
prefix=cadren

# Open MPI starts its daemon on HOST by this: the namespace, and a host name, /dev/shm and temporary
# folder of its own.
if [ "${1:-}" = --agent ]; then
    host="$2"
    shift 2
    # shellcheck disable=SC2016
    exec ip netns exec "$host" unshare --uts --ipc --mount -- sh -c '
        hostname "$1"
        mount -t tmpfs tmpfs /dev/shm
        mount --bind "$NETWORK_SCRATCH/tmp.$1" "$NETWORK_SCRATCH/node"
        TMPDIR="$NETWORK_SCRATCH/node"
        export TMPDIR
        shift
        eval "$*"' sh "$host" "$@"
fi

here="$(cd "$(dirname "$0")" && pwd)"
CADRE="${CADRE:-$here/../build/bin/cadre}"
skip() {
    echo "SKIPPED: $1"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
for tool in ip tc unshare mpirun; do
    command -v "$tool" >/dev/null || skip "$tool is not installed (Debian: iproute2, util-linux, openmpi-bin)"
done
[ -x "$CADRE" ] || skip "there is no program $CADRE: scripts/build.sh, or CADRE=..."
ip link add "$bridge" type bridge 2>/dev/null || skip "this machine lets nobody make a network bridge"

dir="$(mktemp -d "${TMPDIR:-/tmp}/cadre-network-XXXXXX")"
export NETWORK_SCRATCH="$dir"
clean_up() {
    local i
    for ((i = 1; i <= nodes; i++)); do
        ip netns del "$prefix$i" 2>/dev/null || true
        rm -rf "/etc/netns/$prefix$i"
    done
    ip link del "$bridge" 2>/dev/null || true
    rm -rf -- "$dir"
}
trap clean_up EXIT

limit() { # tc or tc -n NAMESPACE, and a device: what it sends
    "$@" root tbf rate "${mbit}mbit" burst 256kb latency 20ms
}

ip addr add "$subnet.254/24" dev "$bridge"
ip link set "$bridge" up
mkdir -p "$dir/node"
for ((i = 1; i <= nodes; i++)); do
    host="$prefix$i"
    ip netns add "$host"
    ip link add "${prefix}v$i" type veth peer name eth0 netns "$host"
    ip link set "${prefix}v$i" master "$bridge" up
    ip -n "$host" addr add "$subnet.$i/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "$host" link set lo up
    limit tc -n "$host" qdisc add dev eth0
    limit tc qdisc add dev "${prefix}v$i"
    mkdir -p "$dir/tmp.$host" "/etc/netns/$host"
    {
        echo "127.0.0.1 localhost"
        for ((k = 1; k <= nodes; k++)); do echo "$subnet.$k $prefix$k"; done
        echo "$subnet.254 $(hostname)"
    } >"/etc/netns/$host/hosts"
    echo "$host slots=$ranks_per_node" >>"$dir/hosts"
done

# shellcheck source=../scripts/mpi_env.sh
. "$here/../scripts/mpi_env.sh"
ranks() {
    timeout 600 mpirun --quiet --hostfile "$dir/hosts" --map-by slot --bind-to none -n $((nodes * ranks_per_node)) \
        --mca plm rsh --mca plm_rsh_agent "$here/network.sh --agent" --mca plm_rsh_no_tree_spawn 1 \
        --mca pml ob1 --mca btl self,vader,tcp --mca btl_tcp_if_include "$subnet.0/24" \
        --mca oob_tcp_if_include "$subnet.0/24" --mca mpi_yield_when_idle 1 "$@"
}
bench() {
    ranks -x CADRE_COLL -x CADRE_COLL_COSTS "$CADRE" bench collectives --output "$dir/report" "$@"
}
export CADRE_COLL="${CADRE_COLL:-}" CADRE_COLL_COSTS="${CADRE_COLL_COSTS:-measure}"

if [ "${1:-}" = --run ]; then
    shift
    ranks "$@"
    exit
fi
if [ $# -gt 0 ]; then
    bench "$@"
    exit
fi
algorithms=ring,ring_bidirectional,rabenseifner,hierarchical,leader
[ "$ranks_per_node" -gt 1 ] || algorithms=ring,ring_bidirectional,rabenseifner
[ "$nodes" -gt 1 ] || skip "one node has no network"
bench --collective allreduce --sizes 1M,16M --algorithms "$algorithms" --repetitions 5 --format csv >"$dir/table.csv"
# Columns of the table by their names, so that new ones do no harm.
awk -F, -v n=$((nodes * ranks_per_node)) -v mbit="$mbit" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    {
        bytes = $column["bytes"]
        bound = 2 * (n - 1) / n * bytes / (mbit / 8)
        printf "%9d bytes  %-20s %10.1f ms  %5.2f of what the bound allows  %5.2f x as fast as MPI\n", bytes,
            $column["algorithm"], $column["best_us"] / 1000, bound / $column["best_us"], $column["best_speedup"]
    }' "$dir/table.csv"
echo "$nodes nodes x $ranks_per_node ranks, $mbit Mbit/s: the bound is that of a ring of all ranks, 2 (n-1)/n x bytes /"
echo "bandwidth; an algorithm that sums up inside nodes first may go beyond it. Best of 5."
