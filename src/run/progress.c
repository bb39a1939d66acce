/* run/progress.c - progress display. */
#include "run/progress.h"
#include <cadre/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define BAR_EVERY_NS (100 * CADRE_NS_PER_MS)
#define LINE_EVERY_NS (5 * CADRE_NS_PER_S)

/* Whether what we write on stderr ends on a terminal. Under mpirun stderr is a pipe to
 * mpirun, our parent when it runs on this host, and its stderr is what counts. */
static bool on_terminal(void)
{
    char path[64], target[64];
    if (isatty(STDERR_FILENO))
        return true;
    snprintf(path, sizeof path, "/proc/%ld/fd/2", (long)getppid());
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0 || !getenv("OMPI_COMM_WORLD_RANK"))
        return false;
    target[n] = '\0';
    return strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0;
}

void cadre__progress_start(cadre__progress *progress, cadre__progress_mode mode,
                           uint64_t total)
{
    if (mode == CADRE__PROGRESS_AUTO && !on_terminal())
        mode = CADRE__PROGRESS_PLAIN;
    const int64_t now = cadre_clock_ns();
    *progress = (cadre__progress){.mode = mode, .start_ns = now, .total = total};
    progress->next_ns = now + (mode == CADRE__PROGRESS_PLAIN ? LINE_EVERY_NS : 0);
}

static void print(const cadre__progress *progress, uint64_t done, uint64_t errors,
                  cadre_money spent)
{
    const double seconds = (double)(cadre_clock_ns() - progress->start_ns) / 1e9;
    const double rate = seconds > 0 ? (double)done / seconds : 0;
    const double fraction = progress->total ? (double)done / (double)progress->total : 1;
    char money[CADRE_MONEY_TEXT], left[32] = "";

    if (rate > 0 && done < progress->total)
        snprintf(left, sizeof left, ", %.0f s left",
                 (double)(progress->total - done) / rate);
    if (progress->mode == CADRE__PROGRESS_AUTO) {
        char bar[BAR_WIDTH + 1];
        const int full = (int)(fraction * BAR_WIDTH);
        memset(bar, '.', BAR_WIDTH);
        memset(bar, '#', (size_t)full);
        bar[BAR_WIDTH] = '\0';
        fprintf(stderr, "\r[%s] ", bar);
    } else {
        fprintf(stderr, "cadre: ");
    }
    fprintf(stderr, "%llu of %llu requests (%.0f %%), %.0f/s, %s USD, %llu errors%s",
            (unsigned long long)done, (unsigned long long)progress->total, 100 * fraction,
            rate, cadre_money_format(spent, money), (unsigned long long)errors, left);
    fputs(progress->mode == CADRE__PROGRESS_AUTO ? "\x1b[K" : "\n", stderr);
    fflush(stderr);
}

void cadre__progress_show(cadre__progress *progress, uint64_t done, uint64_t errors,
                          cadre_money spent)
{
    if (progress->mode == CADRE__PROGRESS_OFF || cadre_clock_ns() < progress->next_ns)
        return;
    progress->next_ns =
        cadre_clock_ns() +
        (progress->mode == CADRE__PROGRESS_PLAIN ? LINE_EVERY_NS : BAR_EVERY_NS);
    print(progress, done, errors, spent);
}

void cadre__progress_end(cadre__progress *progress, uint64_t done, uint64_t errors,
                         cadre_money spent)
{
    if (progress->mode == CADRE__PROGRESS_OFF)
        return;
    if (progress->mode == CADRE__PROGRESS_AUTO)
        fputs("\r\x1b[K", stderr);
    else
        print(progress, done, errors, spent);
    fflush(stderr);
}
