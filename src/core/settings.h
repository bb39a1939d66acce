/* core/settings.h - the environment variables that cadre reads, in one list. */
#ifndef CADRE_CORE_SETTINGS_H
#define CADRE_CORE_SETTINGS_H

#include <cadre/status.h>
#include <stddef.h>
#include <stdint.h>

#define CADRE__SETTING_LIST(X)                                                           \
    X(LOG, "warn", "log levels: LEVEL or MODULE=LEVEL, comma-separated")                 \
    X(ISA, "", "highest instruction set: ref, avx2, avx512, amx; empty: the best")       \
    X(BLAS_THREADS, "1", "threads of OpenBLAS in each rank")                             \
    X(SPIN_US, "", "microseconds a waiting rank spins before it sleeps; empty: by load") \
    X(COLL, "", "collective algorithms, as allreduce:ring,broadcast:native")             \
    X(COLL_COSTS, "",                                                                    \
      "measured costs of collectives: a file, off, measure; empty: a cache")             \
    X(COLL_CHECK, "0", "1: ranks compare what they call before each collective")         \
    X(COLL_TRACE, "0", "collectives to remember in each rank, for failures and signals") \
    X(COLL_TRACE_FILE, "", "where they are written: this and .RANK; empty: stderr")      \
    X(MPI_AFTER, "8", "calls on a communicator of an MPI program before cadre joins in") \
    X(MPI_TIMEOUT_S, "0", "seconds after which its collectives fail; 0: they wait on")   \
    X(MPI_STATS, "0", "1: rank 0 says at MPI_Finalize what was taken and what it saved") \
    X(FAKE_NODES, "0", "for tests: so many ranks of a node pretend to be one; 0: all")   \
    X(TOPO_XML, "", "hwloc XML file to use instead of this machine")                     \
    X(BIND, "auto", "bind ranks to cores: auto (unless mpirun or srun did), none")       \
    X(PROGRESS, "auto", "progress display of cadre run: auto, plain, off")               \
    X(H5_SECONDS, "20", "CPU seconds a child may take to read one HDF5 file")            \
    X(H5_MIB, "4096", "MiB of memory a child may take to read one HDF5 file")

typedef enum cadre__setting {
#define X(id, value, help) CADRE__SETTING_##id,
    CADRE__SETTING_LIST(X)
#undef X
        CADRE__N_SETTINGS
} cadre__setting;

/* "CADRE_LOG". */
const char *cadre__setting_name(cadre__setting setting);
const char *cadre__setting_help(cadre__setting setting);
const char *cadre__setting_default(cadre__setting setting);

/* The value in force: the environment's if set and not empty, else the default. */
const char *cadre__setting_value(cadre__setting setting);
/* "environment" or "default". */
const char *cadre__setting_source(cadre__setting setting);

/* The same as a whole number in [min, max]. CADRE_ERR_INPUT otherwise. */
cadre_status cadre__setting_integer(cadre__setting setting, int64_t min, int64_t max,
                                    int64_t *out);

/* Warn, through the log, about each CADRE_* variable that is not in the list, with the
 * nearest one. */
void cadre__settings_warn_unknown(void);

#endif
