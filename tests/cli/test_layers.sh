#!/usr/bin/env bash
# The tree respects the table of layers, and the check finds each kind of violation.
set -u
. "$(dirname "$0")/lib.sh"
layers="$source_dir/scripts/check_layers.sh"

expect 0 "$layers" "$source_dir"
says "respect the table"

# A small tree that is fine, into which one bad line at a time is put.
tree="$tmp/tree"
fresh() {
    rm -rf -- "$tree"
    mkdir -p "$tree/include/cadre" "$tree/src/core" "$tree/src/io" "$tree/src/topo" \
        "$tree/kernels/mlp" "$tree/kernels/ops" "$tree/tests/unit"
    cp "$source_dir"/include/cadre/*.h "$tree/include/cadre/"
    printf '#include <stdio.h>\n#include <sys/mman.h>\n' >"$tree/src/core/a.c"
    printf '#include "core/a.h"\n#include <hdf5.h>\n' >"$tree/src/io/b.c"
    printf '#include <cadre/kernel.h>\n#include "own.h"\n' >"$tree/kernels/mlp/m.c"
    printf '#include <cmocka.h>\n#include "io/b.h"\n' >"$tree/tests/unit/t.c"
}

fresh
expect 0 "$layers" "$tree"

refuses() { # FILE LINE TEXT
    fresh
    mkdir -p "$(dirname "$tree/$1")"
    echo "$2" >>"$tree/$1"
    expect 1 "$layers" "$tree"
    says "$1"
    says "$3"
}

refuses src/core/a.c '#include "io/json.h"' 'src/core may not include "io/json.h", which is src/io'
refuses src/topo/c.c '#include <cadre/comm.h>' 'which belongs to src/comm'
refuses src/topo/c.c '  #  include "comm/internal.h"' 'src/topo may not include'
refuses src/core/a.c '#include <hwloc.h>' 'src/core does not own <hwloc.h>'
refuses src/topo/c.c '#include <mpi.h>' 'src/topo does not own <mpi.h>'
refuses src/io/b.c '#include <openssl/sha.h>' 'no folder owns it'
refuses src/io/b.c '#include <cadre/nothing.h>' 'not in the table of public headers'
refuses kernels/mlp/m.c '#include "core/memory.h"' 'sees only include/cadre'
refuses kernels/mlp/m.c '#include <cblas.h>' 'does not own <cblas.h>'
refuses include/cadre/topo.h '#include <cadre/coll.h>' 'src/topo may not include'
refuses tests/unit/t.c '#include "nowhere/x.h"' 'leads to no layer'
refuses src/other/x.c '#include <stdio.h>' 'in no layer'
finish
