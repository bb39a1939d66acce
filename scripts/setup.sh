#!/usr/bin/env bash
# Installs what cadre needs to build, run and test, from Debian's packages.
# Idempotent: when everything is there, apt is not called and no network is needed.
set -euo pipefail

packages=(
    build-essential cmake ninja-build pkg-config git
    openmpi-bin libopenmpi-dev # MPI
    libhwloc-dev               # topology
    libopenblas-dev            # matrix products
    libhdf5-openmpi-dev        # HDF5, the parallel build
    libcjson-dev               # JSON
    libxxhash-dev              # digests
    zlib1g-dev                 # gzip'ed datasets
    libpcre2-dev               # pre-tokenizers of text models
    libcmocka-dev              # tests
    python3-numpy              # tests of numerics: a second implementation
    hdf5-tools jq              # to look at a run directory
)

missing=()
for p in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "setup: all ${#packages[@]} packages are installed"
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "setup: these packages are missing: ${missing[*]}" >&2
    echo "setup: run scripts/setup.sh as root, or ask your administrator for them" >&2
    exit 1
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup: done"
