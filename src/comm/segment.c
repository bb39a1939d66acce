/* comm/segment.c - shared memory of a node by POSIX shared memory. */
#include "comm/segment.h"
#include "core/memory.h"
#include <cadre/clock.h>
#include <cadre/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define SHM_FOLDER "/dev/shm"
#define HUGE_PAGE ((size_t)2 << 20)
/* Heaps of all ranks of a node together; they are sparse, so this is address space. */
#define MOST_HEAP_BYTES ((size_t)1 << 45)

/* fallocate rather than ftruncate alone: a full /dev/shm is then an error here, and not a
 * SIGBUS at the first touch. */
static int size_file(int fd, size_t bytes, bool commit)
{
    if (commit)
        return posix_fallocate(fd, 0, (off_t)bytes);
    return ftruncate(fd, (off_t)bytes) == 0 ? 0 : errno;
}

/* Create or open, and map; NULL with the sentence recorded. */
static char *map_segment(const char *name, bool create, size_t bytes, bool commit,
                         int *fd)
{
    *fd = shm_open(name, O_RDWR | (create ? O_CREAT | O_EXCL : 0), 0600);
    if (*fd < 0) {
        cadre_fail(CADRE_ERR_IO, "shared memory %s: %s", name, strerror(errno));
        return NULL;
    }
    const int error = create ? size_file(*fd, bytes, commit) : 0;
    char *memory = MAP_FAILED;

    if (error == 0)
        memory =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, *fd, 0);
    if (memory != MAP_FAILED)
        return memory;
    cadre_fail(CADRE_ERR_IO, "%zu bytes of shared memory %s: %s", bytes, name,
               strerror(error != 0 ? error : errno));
    return NULL;
}

void cadre__segment_unmap(char *memory, size_t bytes)
{
    if (memory != NULL)
        munmap(memory, bytes);
}

void cadre__segment_share(MPI_Comm node, size_t bytes_each, bool commit, int *fd,
                          char **out)
{
    static atomic_int serial;
    char name[64] = "";
    int rank, n, ok, all_ok, file = -1;
    size_t bytes = 0;

    PMPI_Comm_rank(node, &rank);
    PMPI_Comm_size(node, &n);
    *out = NULL;
    if (fd != NULL)
        *fd = -1;
    ok = bytes_each > 0 && !__builtin_mul_overflow(bytes_each, (size_t)n, &bytes);
    if (rank == 0) {
        snprintf(name, sizeof name, "/cadre-%ld-%d-%llx", (long)getpid(), serial++,
                 (unsigned long long)cadre_clock_ns());
        ok = ok && (*out = map_segment(name, true, bytes, commit, &file)) != NULL;
    }
    PMPI_Bcast(name, sizeof name, MPI_CHAR, 0, node);
    if (rank != 0)
        ok = ok && (*out = map_segment(name, false, bytes, commit, &file)) != NULL;
    PMPI_Allreduce(&ok, &all_ok, 1, MPI_INT, MPI_MIN, node);
    if (rank == 0)
        shm_unlink(name);
    if (!all_ok) {
        if (!ok)
            cadre_log(CADRE_LOG_INFO, "comm", "ranks of this node share less memory: %s",
                      cadre_last_error());
        cadre__segment_unmap(*out, bytes);
        *out = NULL;
    }
    if (all_ok && fd != NULL)
        *fd = file;
    else if (file >= 0)
        close(file);
}

/* Each rank tells where a secret of its own stands, and tries to read those of all
 * others: permissions, process namespaces and system call filters are then all known. */
static cadre_status probe_reading(cadre__node_memory *memory, MPI_Comm node)
{
    struct {
        uint64_t pid, address, secret;
    } mine, *all = cadre__alloc_n((size_t)memory->n, sizeof *all);
    volatile uint64_t secret = (uint64_t)cadre_clock_ns() ^ (uint64_t)getpid() << 40;
    int ok = all != NULL, all_ok;

    PMPI_Allreduce(&ok, &all_ok, 1, MPI_INT, MPI_MIN, node);
    if (all == NULL || !all_ok) {
        cadre__free(all);
        return CADRE_ERR_NOMEM;
    }
    mine.pid = (uint64_t)getpid();
    mine.address = (uint64_t)(uintptr_t)&secret;
    mine.secret = secret;
    PMPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, node);
    for (int i = 0; i < memory->n; i++) {
        uint64_t got = 0;
        struct iovec to = {&got, sizeof got};
        struct iovec from = {(void *)(uintptr_t)all[i].address, sizeof got};

        memory->pids[i] = (pid_t)all[i].pid;
        ok = ok && process_vm_readv(memory->pids[i], &to, 1, &from, 1, 0) == sizeof got &&
             got == all[i].secret;
    }
    /* Nobody leaves, and with it its secret, before all have looked. */
    PMPI_Allreduce(&ok, &all_ok, 1, MPI_INT, MPI_MIN, node);
    memory->can_read = all_ok != 0;
    cadre__free(all);
    return CADRE_OK;
}

/* As much for each rank as the node's shared memory could hold at all. */
static size_t choose_heap_bytes(int n)
{
    struct statvfs folder;
    size_t bytes;

    if (statvfs(SHM_FOLDER, &folder) != 0 ||
        __builtin_mul_overflow((size_t)folder.f_blocks, (size_t)folder.f_frsize, &bytes))
        return 0;
    if (bytes > MOST_HEAP_BYTES / (size_t)n)
        bytes = MOST_HEAP_BYTES / (size_t)n;
    return bytes / HUGE_PAGE * HUGE_PAGE;
}

cadre_status cadre__node_memory_open(cadre__node_memory *memory, MPI_Comm node)
{
    unsigned long long bytes, least;

    memory->fd = -1;
    PMPI_Comm_rank(node, &memory->mine);
    PMPI_Comm_size(node, &memory->n);
    memory->pids = cadre__alloc_n((size_t)memory->n, sizeof *memory->pids);
    int ok = memory->pids != NULL, all_ok;
    PMPI_Allreduce(&ok, &all_ok, 1, MPI_INT, MPI_MIN, node);
    if (memory->pids == NULL || !all_ok)
        return CADRE_ERR_NOMEM;
    CADRE_TRY(probe_reading(memory, node));
    bytes = memory->n > 1 ? choose_heap_bytes(memory->n) : 0;
    PMPI_Allreduce(&bytes, &least, 1, MPI_UNSIGNED_LONG_LONG, MPI_MIN, node);
    if (least == 0)
        return CADRE_OK;
    cadre__segment_share(node, (size_t)least, false, &memory->fd, &memory->heaps);
    memory->heap_bytes = memory->heaps != NULL ? (size_t)least : 0;
    if (memory->heaps != NULL) {
        const size_t all = memory->heap_bytes * (size_t)memory->n;
        /* Advice: a core file without the heaps, huge pages where they are allowed. */
        madvise(memory->heaps, all, MADV_DONTDUMP);
        madvise(memory->heaps, all, MADV_HUGEPAGE);
    }
    return CADRE_OK;
}

void cadre__node_memory_close(cadre__node_memory *memory)
{
    cadre__segment_unmap(memory->heaps, memory->heap_bytes * (size_t)memory->n);
    if (memory->heaps != NULL)
        close(memory->fd);
    cadre__free(memory->pids);
    cadre__free(memory->pieces);
    *memory = (cadre__node_memory){.fd = -1};
}

/* ---- This rank's heap: first fit ---- */

static cadre_status make_room(cadre__node_memory *memory)
{
    const size_t room = memory->room > 0 ? 2 * memory->room : 16;

    if (memory->n_pieces < memory->room)
        return CADRE_OK;
    heap_piece *pieces =
        cadre__grow(memory->pieces, memory->room * sizeof *pieces, room * sizeof *pieces);
    if (pieces == NULL)
        return CADRE_ERR_NOMEM;
    memory->pieces = pieces;
    memory->room = room;
    return CADRE_OK;
}

/* The first gap of so many bytes: its start, and before which piece it is. */
static bool find_gap(const cadre__node_memory *memory, size_t bytes, size_t *first,
                     size_t *index)
{
    *first = 0;
    for (*index = 0; *index < memory->n_pieces; (*index)++) {
        const heap_piece *piece = &memory->pieces[*index];

        if (piece->first - *first >= bytes)
            return true;
        *first = piece->first + piece->bytes;
    }
    return memory->heap_bytes - *first >= bytes;
}

static char *my_heap(const cadre__node_memory *memory)
{
    return memory->heaps + memory->heap_bytes * (size_t)memory->mine;
}

cadre_status cadre__node_memory_take(cadre__node_memory *memory, size_t bytes, void **out)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    /* Large pieces begin where a huge page can. */
    const size_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : page;
    size_t first, index;

    *out = NULL;
    if (memory->heaps == NULL || bytes > memory->heap_bytes - unit)
        return cadre_fail(CADRE_ERR_NOMEM, "no shared heap for %zu bytes", bytes);
    bytes = bytes == 0 ? page : (bytes + page - 1) / page * page;
    CADRE_TRY(make_room(memory));
    if (!find_gap(memory, bytes + unit - page, &first, &index))
        return cadre_fail(CADRE_ERR_NOMEM, "no gap of %zu bytes in the shared heap",
                          bytes);
    first = (first + unit - 1) / unit * unit;
    const off_t offset = (off_t)(memory->heap_bytes * (size_t)memory->mine + first);
    if (fallocate(memory->fd, 0, offset, (off_t)bytes) != 0) {
        const int error = errno;
        /* What it did get before it failed goes back. */
        fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                  (off_t)bytes);
        return cadre_fail(CADRE_ERR_NOMEM, "%zu bytes of shared memory: %s", bytes,
                          strerror(error));
    }
    memmove(memory->pieces + index + 1, memory->pieces + index,
            (memory->n_pieces - index) * sizeof *memory->pieces);
    memory->pieces[index] = (heap_piece){first, bytes};
    memory->n_pieces++;
    *out = my_heap(memory) + first;
    return CADRE_OK;
}

bool cadre__node_memory_give(cadre__node_memory *memory, void *piece)
{
    if (memory->heaps == NULL)
        return false;
    for (size_t i = 0; i < memory->n_pieces; i++) {
        const heap_piece *p = &memory->pieces[i];

        if (my_heap(memory) + p->first != piece)
            continue;
        fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  (off_t)(memory->heap_bytes * (size_t)memory->mine + p->first),
                  (off_t)p->bytes);
        memory->n_pieces--;
        memmove(memory->pieces + i, memory->pieces + i + 1,
                (memory->n_pieces - i) * sizeof *p);
        return true;
    }
    return false;
}
