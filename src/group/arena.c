/* group/arena.c - blocks of a POSIX shared memory segment, handed out first fit. */
#include "group/arena.h"
#include "core/memory.h"
#include <cadre/coll.h>
#include <cadre/log.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define ARENA_BYTES ((size_t)1 << 30) /* of addresses; memory is taken when used */
#define N_BLOCKS (ARENA_BYTES / BLOCK_BYTES)

/* What the coordinator tells the others. */
typedef struct introduction {
    int32_t ok;
    char name[60];
} introduction;

static int create(cadre__arena *arena, introduction *intro)
{
    static int serial;
    snprintf(intro->name, sizeof intro->name, "/cadre-arena-%ld-%d", (long)getpid(),
             serial++);
    arena->lengths = cadre__alloc_n(N_BLOCKS, sizeof *arena->lengths);
    arena->taken = cadre__alloc_n(N_BLOCKS, sizeof *arena->taken);
    if (!arena->lengths || !arena->taken)
        return 0;
    arena->n_blocks = N_BLOCKS;
    arena->fd = shm_open(intro->name, O_RDWR | O_CREAT | O_EXCL, 0600);
    return arena->fd >= 0 && ftruncate(arena->fd, (off_t)ARENA_BYTES) == 0;
}

static int map(cadre__arena *arena, int fd, int protection)
{
    void *base = mmap(NULL, ARENA_BYTES, protection, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        return 0;
    arena->base = base;
    arena->bytes = ARENA_BYTES;
    return 1;
}

static int map_theirs(cadre__arena *arena, const char *name)
{
    const int fd = shm_open(name, O_RDONLY, 0);
    if (fd < 0)
        return 0;
    const int mapped = map(arena, fd, PROT_READ);
    close(fd);
    return mapped;
}

cadre_status cadre__arena_open(cadre_comm *comm, cadre__arena *arena)
{
    const int rank = cadre_comm_rank(comm);
    introduction intro = {.ok = 0};
    int32_t ok = 1, all_ok = 0;
    cadre_status st;

    *arena = (cadre__arena){.fd = -1};
    if (cadre_comm_size(comm) == 1)
        return CADRE_OK;
    if (rank == 0)
        intro.ok = create(arena, &intro) && map(arena, arena->fd, PROT_READ | PROT_WRITE);
    st =
        cadre_broadcast(comm, &intro, sizeof intro / sizeof(int32_t), CADRE_I32, 0, NULL);
    if (st == CADRE_OK && rank == 0)
        ok = intro.ok;
    else if (st == CADRE_OK && intro.ok &&
             cadre_comm_node_of(comm, rank) == cadre_comm_node_of(comm, 0))
        ok = map_theirs(arena, intro.name);
    if (st == CADRE_OK)
        st = cadre_allreduce(comm, &ok, &all_ok, 1, CADRE_I32, CADRE_MIN, NULL);
    if (rank == 0 && arena->fd >= 0)
        shm_unlink(intro.name);
    if (st == CADRE_OK && all_ok)
        return CADRE_OK;
    if (st == CADRE_OK && rank == 0)
        cadre_log(CADRE_LOG_INFO, "group", "no shared memory for batches: %s",
                  ok ? "a worker cannot map it" : strerror(errno));
    cadre__arena_close(arena);
    return st;
}

void cadre__arena_close(cadre__arena *arena)
{
    if (arena->base)
        munmap(arena->base, arena->bytes);
    if (arena->fd >= 0)
        close(arena->fd);
    cadre__free(arena->lengths);
    cadre__free(arena->taken);
    *arena = (cadre__arena){.fd = -1};
}

/* Where the first run of n free blocks begins; n_blocks if there is none. */
static size_t find_run(const cadre__arena *arena, size_t n)
{
    size_t run = 0;
    for (size_t i = 0; i < arena->n_blocks; i++) {
        run = arena->taken[i] ? 0 : run + 1;
        if (run == n)
            return i + 1 - n;
    }
    return arena->n_blocks;
}

void *cadre__arena_alloc(cadre__arena *arena, size_t bytes)
{
    const size_t n = bytes / BLOCK_BYTES + (bytes % BLOCK_BYTES != 0);
    if (!arena->base || n == 0 || n > arena->n_blocks)
        return NULL;
    /* Low blocks first: those have memory behind them already. */
    const size_t first = find_run(arena, n);
    if (first == arena->n_blocks)
        return NULL;
    const size_t end_bytes = (first + n) * BLOCK_BYTES;
    if (end_bytes > arena->backed_bytes) {
        /* Taken now, since a full /dev/shm would kill us when it is written to. */
        if (posix_fallocate(arena->fd, (off_t)arena->backed_bytes,
                            (off_t)(end_bytes - arena->backed_bytes)) != 0)
            return NULL;
        arena->backed_bytes = end_bytes;
    }
    memset(arena->taken + first, 1, n);
    arena->lengths[first] = (uint32_t)n;
    return arena->base + first * BLOCK_BYTES;
}

void cadre__arena_free(cadre__arena *arena, void *ptr)
{
    if (!ptr)
        return;
    const size_t first = (size_t)((uint8_t *)ptr - arena->base) / BLOCK_BYTES;
    memset(arena->taken + first, 0, arena->lengths[first]);
}

int cadre__arena_holds(const cadre__arena *arena, const void *ptr, size_t bytes,
                       int64_t *offset)
{
    const uintptr_t at = (uintptr_t)ptr, base = (uintptr_t)arena->base;
    if (!arena->base || at < base || at - base > arena->bytes ||
        bytes > arena->bytes - (at - base))
        return 0;
    *offset = (int64_t)(at - base);
    return 1;
}
