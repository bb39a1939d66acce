/* comm/bell.c - doorbells by futex in POSIX shared memory. */
#include "comm/bell.h"
#include <cadre/clock.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Two cache lines each, because neighbours are fetched in pairs. */
struct bell {
    _Alignas(128) _Atomic uint32_t rings;
    _Atomic uint32_t asleep;
};

cadre_status cadre__bells_map(const char *name, int create, int n, bell **all)
{
    const size_t bytes = (size_t)n * sizeof(bell);
    const int flags = O_RDWR | (create ? O_CREAT | O_EXCL : 0);

    *all = NULL;
    const int fd = shm_open(name, flags, 0600);
    if (fd < 0)
        return cadre_fail(CADRE_ERR_IO, "shared memory %s: %s", name, strerror(errno));
    /* posix_fallocate, because a full /dev/shm would otherwise kill us at first touch. */
    const int full = create ? posix_fallocate(fd, 0, (off_t)bytes) : 0;
    void *memory =
        full ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int error = full ? full : errno;
    close(fd);
    if (memory == MAP_FAILED)
        return cadre_fail(CADRE_ERR_IO, "%zu bytes of shared memory %s: %s", bytes, name,
                          strerror(error));
    *all = memory;
    return CADRE_OK;
}

void cadre__bells_unlink(const char *name)
{
    shm_unlink(name);
}

void cadre__bells_unmap(bell *all, int n)
{
    if (all)
        munmap(all, (size_t)n * sizeof(bell));
}

uint32_t cadre__bell_read(const cadre__bells *bells)
{
    return bells->all ? atomic_load(&bells->all[bells->mine].rings) : 0;
}

void cadre__bell_sleep(const cadre__bells *bells, uint32_t seen, int64_t ns)
{
    const struct timespec span = {.tv_sec = ns / CADRE_NS_PER_S,
                                  .tv_nsec = ns % CADRE_NS_PER_S};
    if (!bells->all) {
        nanosleep(&span, NULL);
        return;
    }
    bell *mine = &bells->all[bells->mine];
    atomic_store(&mine->asleep, 1);
    syscall(SYS_futex, &mine->rings, FUTEX_WAIT, seen, &span, NULL, 0);
    atomic_store(&mine->asleep, 0);
}

void cadre__bell_announce(const cadre__bells *bells)
{
    if (bells->all)
        atomic_store(&bells->all[bells->mine].asleep, 1);
}

void cadre__bell_retract(const cadre__bells *bells)
{
    if (bells->all)
        atomic_store_explicit(&bells->all[bells->mine].asleep, 0, memory_order_relaxed);
}

/* Both sides write first and read second, so one of them sees the other. */
void cadre__bells_settle(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

void cadre__bell_wake(const cadre__bells *bells, int index)
{
    bell *other = &bells->all[index];

    if (!atomic_load_explicit(&other->asleep, memory_order_relaxed))
        return;
    atomic_fetch_add(&other->rings, 1);
    syscall(SYS_futex, &other->rings, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void cadre__bell_ring(const cadre__bells *bells, int index)
{
    if (!bells->all)
        return;
    bell *other = &bells->all[index];
    atomic_fetch_add(&other->rings, 1);
    /* Both sides write first and read second, so one of them sees the other. */
    if (atomic_load(&other->asleep))
        syscall(SYS_futex, &other->rings, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
