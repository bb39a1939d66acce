#!/usr/bin/env bash
# Unmodified MPI programs with libcadre_mpi.so: the same results as without, in C and Fortran,
# whatever the communicators, types and threads, by the algorithms that cadre chooses and by others.
set -u
. "$(dirname "$0")/lib.sh"
build="${CADRE_TEST_BUILD:-$source_dir/build}"
library="$build/lib/libcadre_mpi.so"
mpicc="$(command -v mpicc.openmpi || command -v mpicc)" || skip "there is no mpicc"
sanitize="$(sed -n 's/^CADRE_SANITIZE:[A-Z]*=//p' "$build/CMakeCache.txt")"
[ -z "$sanitize" ] || skip "a library for LD_PRELOAD cannot bring the run time of a sanitizer"

# taken N PROGRAM...: the program at N ranks with the library, from the first call on.
taken() {
    local n="$1"
    shift
    CADRE_MPI_AFTER=0 ranks "$n" -x LD_PRELOAD="$library" "$@"
}

# Only MPI's names are shown, and neither OpenBLAS nor HDF5 comes along.
expect 0 nm -D --defined-only "$library"
check "only MPI's names are shown" test -z "$(awk '$NF !~ /^(MPI|mpi)_/ { print $NF }' "$out")"
says MPI_Allreduce
says mpi_iallgatherv_f08_
expect 0 readelf -d "$library"
check "no library of linear algebra or files" test -z "$(grep -i 'NEEDED.*\(blas\|hdf5\)' "$out")"

for name in data unlike comms threads progress; do
    expect 0 "$mpicc" -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra \
        "$source_dir/tests/preload/$name.c" -lpthread -o "$tmp/$name"
    expect 0 ranks 2 "$tmp/$name"
    says "all well"
done
for n in 1 2 3 4; do
    for name in data comms threads progress; do
        expect 0 taken "$n" "$tmp/$name" with-library
        says "all well"
    done
done
# As it is by default: after some calls of MPI's own.
expect 0 ranks 3 -x LD_PRELOAD="$library" "$tmp/data"
says "all well"

# Types that differ between ranks. Algorithms are named: Open MPI 4.1 itself hangs in such an allgatherv
# from 3 ranks on.
for n in 2 3 4; do
    CADRE_COLL=broadcast:shm,allgather:shm,alltoall:shm expect 0 taken "$n" "$tmp/unlike"
    says "all well"
done

# By messages instead of shared memory, and everything left to MPI.
messages=allreduce:ring,reduce:binomial,reduce_scatter:ring,broadcast:chain,barrier:dissemination
for name in data unlike; do
    CADRE_COLL="$messages,allgather:bruck,alltoall:pairwise" expect 0 taken 3 "$tmp/$name"
    says "all well"
done
native=allreduce:native,reduce:native,reduce_scatter:native,broadcast:native,barrier:native
native="$native,allgather:native,alltoall:native"
export CADRE_MPI_STATS=1
CADRE_COLL="$native" expect 0 taken 2 "$tmp/data"
says "all well"
warns "the MPI library is predicted to be faster"
check "nothing is taken" test -z "$(awk '/^  MPI_/ && $3 > 0' "$err")"

# What was taken is told, and what it saved.
CADRE_COLL="$messages" expect 0 taken 2 "$tmp/comms"
warns "cadre: MPI collectives of rank 0 of 2"
warns "a type or operation of the program's own"
warns "given to the MPI library to compare times"
check "allreduces are taken" test -n "$(awk '/^  MPI_Allreduce / && $3 > 10' "$err")"
check "the saving is measured" grep -q '^  MPI_Allreduce .* s (of' "$err"
unset CADRE_MPI_STATS

# A rank that never comes ends the job, if a timeout is set, instead of being waited for.
cat >"$tmp/late.c" <<'END_OF_C'
#include <mpi.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int rank;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < 10; i++)
        MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 1)
        sleep(20);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
END_OF_C
expect 0 "$mpicc" "$tmp/late.c" -o "$tmp/late"
started=$SECONDS
CADRE_COLL=barrier:dissemination CADRE_MPI_TIMEOUT_S=1 expect 16 taken 2 "$tmp/late"
warns "MPI_Barrier: "
warns "rank 1"
check "it ended soon" test $((SECONDS - started)) -lt 15

mpif90="$(command -v mpif90.openmpi || command -v mpif90 || true)"
if [ -n "$mpif90" ] && (cd "$tmp" && "$mpif90" -O1 "$source_dir/tests/preload/fortran.f90" \
    -o "$tmp/fortran" 2>"$tmp/fortran.log"); then
    expect 0 ranks 2 "$tmp/fortran"
    says "all well"
    for n in 1 2 3; do
        CADRE_MPI_STATS=1 CADRE_COLL="$messages" expect 0 taken "$n" "$tmp/fortran"
        says "all well"
        [ "$n" -eq 1 ] || check "Fortran's calls are taken" \
            test -n "$(awk '/^  MPI_Allreduce / && $3 > 40' "$err")"
    done
else
    echo "NOT TESTED: Fortran: no mpif90, or it cannot compile module mpi_f08"
    head -3 "$tmp/fortran.log" 2>/dev/null
fi
finish
