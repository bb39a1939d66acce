/* core/clock.c - monotonic time, CPU time, deadlines. */
#include <cadre/clock.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * CADRE_NS_PER_S + now.tv_nsec;
}

int64_t cadre_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t cadre_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t cadre_deadline_in_ms(int64_t timeout_ms)
{
    int64_t wait, deadline;
    if (__builtin_mul_overflow(timeout_ms, CADRE_NS_PER_MS, &wait) ||
        __builtin_add_overflow(cadre_clock_ns(), wait, &deadline))
        return timeout_ms < 0 ? INT64_MIN : INT64_MAX;
    return deadline;
}

char *cadre_clock_utc(char *buf)
{
    const time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return buf;
}
