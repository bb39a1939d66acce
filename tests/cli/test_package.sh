#!/usr/bin/env bash
# What `cmake --install` gives can be used: symbols, headers, pkg-config, CMake package, man pages.
set -u
. "$(dirname "$0")/lib.sh"
build="${CADRE_TEST_BUILD:-$source_dir/build}"
prefix="$tmp/prefix"
sanitize="$(sed -n 's/^CADRE_SANITIZE:[A-Z]*=//p' "$build/CMakeCache.txt")"
cc="$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")"

expect 0 cmake --install "$build" --prefix "$prefix"
library="$(find "$prefix" -name libcadre.so)"
libdir="$(dirname "$library")"

# The shared library shows public functions only, all of those that the headers declare.
expect 0 nm -D --defined-only "$library"
check "only public symbols are shown" test -z \
    "$(awk '$NF !~ /^cadre_[a-z]/ || $NF ~ /^cadre__/ { print $NF }' "$out")"
awk '{ print $NF }' "$out" | sort >"$tmp/shown"
cat "$source_dir"/include/cadre/*.h | tr '\n' ' ' | grep -o 'CADRE_API[^;(]*(' |
    grep -o 'cadre_[a-z0-9_]*(' | tr -d '(' | sort -u >"$tmp/declared"
last_command="comm of declared and shown symbols"
comm -23 "$tmp/declared" "$tmp/shown" >"$out"
check "every declared function is in the library" test ! -s "$out"
expect 0 readelf -d "$library"
says "libcadre.so.0"

for file in bin/cadre include/cadre/cadre.h share/man/man1/cadre.1 share/man/man1/cadre-run.1 \
    share/bash-completion/completions/cadre; do
    check "$file is installed" test -s "$prefix/$file"
done
check "the library folder has the archive" test -s "$libdir/libcadre.a"
expect 0 "$prefix/bin/cadre" --version
check "the library folder has the preload library" test -s "$libdir/libcadre_mpi.so"

[ -z "$sanitize" ] || finish

# An MPI program that knows nothing of cadre, with the installed preload library.
mpicc="$(command -v mpicc.openmpi || command -v mpicc || true)"
if [ -n "$mpicc" ]; then
    expect 0 "$mpicc" -std=c11 "$source_dir/tests/preload/unlike.c" -o "$tmp/unlike"
    CADRE_COLL=broadcast:shm,allgather:shm,alltoall:shm CADRE_MPI_AFTER=0 CADRE_MPI_STATS=1 \
        expect 0 ranks 2 -x LD_PRELOAD="$libdir/libcadre_mpi.so" "$tmp/unlike"
    says "all well"
    warns "cadre: MPI collectives of rank 0 of 2"
fi

# A program of a user: by pkg-config, shared and static, and by CMake.
export PKG_CONFIG_PATH="$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
hello="$source_dir/tests/examples/hello.c"
model="$source_dir/jobs/models/small.h5"
for flavour in cadre cadre-static; do
    # shellcheck disable=SC2046 # flags are words
    expect 0 "$cc" -std=c11 "$hello" $(pkg-config --cflags --libs "$flavour") \
        -Wl,-rpath,"$libdir" -o "$tmp/$flavour"
    expect 0 ranks 3 "$tmp/$flavour" "$model"
    says "shard 1 on rank 2"
done
last_command="readelf -d cadre-static"
check "cadre-static needs no libcadre.so" \
    test -z "$(readelf -d "$tmp/cadre-static" | grep 'NEEDED.*libcadre')"

mkdir "$tmp/user"
cp "$hello" "$tmp/user/hello.c"
cat >"$tmp/user/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.20)
project(user C)
find_package(cadre 0.1 REQUIRED)
add_executable(user hello.c)
target_link_libraries(user PRIVATE cadre::cadre)
END
expect 0 cmake -S "$tmp/user" -B "$tmp/user/build" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc"
expect 0 cmake --build "$tmp/user/build"
expect 0 ranks 3 "$tmp/user/build/user" "$model"
says "shard 1 on rank 2"
finish
